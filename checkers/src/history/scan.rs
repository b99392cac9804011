//! What the scanners of the text formats have in common.

/// Why a scanner stopped before the end of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The text ends within the value: more of it may follow, or the file was cut off.
    Short,
    /// The text is wrong, and why. Boxed, so that what is right travels in registers.
    Wrong(Box<Why>),
}

/// What is wrong, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Why(pub(super) String);

impl Stop {
    #[cold]
    pub(super) fn wrong(why: impl Into<String>) -> Self {
        Self::Wrong(Box::new(Why(why.into())))
    }
}

/// Values may stand this deep within each other; deeper ones are refused, since each level
/// takes some of the stack.
pub(super) const DEPTH: usize = 128;

#[cold]
pub(super) fn too_deep() -> Stop {
    Stop::wrong(format!("values stand more than {DEPTH} deep in each other"))
}

/// What stands at `at`, for messages: a few characters, quoted.
pub(super) fn seen(text: &str, at: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let word: String = line.chars().take(24).collect();
    if word.is_empty() {
        "the end of the line".to_owned()
    } else {
        format!("{word:?}")
    }
}

/// Reads the digits at `at`, after a sign if there is one: the number, if it is one that we
/// hold, and where it ends.
#[inline]
pub(super) fn integer(bytes: &[u8], at: usize) -> (Option<i64>, usize) {
    let negative = bytes[at] == b'-';
    let start = at + usize::from(negative || bytes[at] == b'+');
    let mut end = start;
    let mut number: u64 = 0;
    while let Some(digit) = bytes.get(end).map(|byte| byte.wrapping_sub(b'0')) {
        if digit > 9 {
            break;
        }
        // Nineteen digits always fit; more are looked at again below.
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    let number = match end - start {
        0 => None,
        1..=18 => {
            let number = number.cast_signed();
            Some(if negative { -number } else { number })
        }
        _ => str::from_utf8(&bytes[at..end])
            .ok()
            .and_then(|text| text.parse().ok()),
    };
    (number, end)
}

/// Appends to `scratch` what the string means that goes on at `at`; where it stands then,
/// after the closing quote.
pub(super) fn unescape(text: &str, at: usize, scratch: &mut String) -> Result<usize, Stop> {
    let mut from = at;
    loop {
        let rest = &text.as_bytes()[from..];
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
            return Err(Stop::Short);
        };
        let end = from + length;
        scratch.push_str(&text[from..end]);
        if rest[length] == b'"' {
            return Ok(end + 1);
        }
        let (c, next) = escape(text, end + 1)?;
        scratch.push(c);
        from = next;
    }
}

/// The character that an escape stands for, and where it ends; `at` is after its backslash.
fn escape(text: &str, at: usize) -> Result<(char, usize), Stop> {
    let wrong = || Stop::wrong(format!("an escape that is none: {}", seen(text, at - 1)));
    let c = match text.as_bytes().get(at).ok_or(Stop::Short)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'u' => {
            let first = hex(text, at + 1)?.ok_or_else(wrong)?;
            if !(0xd800..0xdc00).contains(&first) {
                let c = char::from_u32(first).ok_or_else(wrong)?;
                return Ok((c, at + 5));
            }
            // A character beyond 16 bits is written as two halves.
            let next = text.as_bytes().get(at + 5..at + 7).ok_or(Stop::Short)?;
            let second = hex(text, at + 7)?.filter(|half| (0xdc00..0xe000).contains(half));
            let (b"\\u", Some(second)) = (next, second) else {
                return Err(wrong());
            };
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok((char::from_u32(code).ok_or_else(wrong)?, at + 11));
        }
        _ => return Err(wrong()),
    };
    Ok((c, at + 1))
}

fn hex(text: &str, at: usize) -> Result<Option<u32>, Stop> {
    let digits = text.as_bytes().get(at..at + 4).ok_or(Stop::Short)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Ok(None);
    }
    let digits = str::from_utf8(digits).unwrap_or_default();
    Ok(u32::from_str_radix(digits, 16).ok())
}

pub(super) fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("the strings of an entry are shorter than four gigabytes")
}
