//! Times and shares in few letters.

/// A time since the run began, in seconds with milliseconds.
pub(crate) fn seconds(nanos: u64) -> String {
    format!(
        "{}.{:03} s",
        nanos / 1_000_000_000,
        nanos / 1_000_000 % 1000
    )
}

/// A time since the run began, with as many digits as are needed to tell operations apart.
pub(crate) fn exact(nanos: u64) -> String {
    format!(
        "{}.{:06} s",
        nanos / 1_000_000_000,
        nanos / 1000 % 1_000_000
    )
}

/// A duration given in microseconds.
pub(crate) fn micros(us: i64) -> String {
    match us {
        ..1000 => format!("{us} µs"),
        1000..10_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

/// A duration given in milliseconds.
pub(crate) fn millis(ms: i64) -> String {
    micros(ms.saturating_mul(1000))
}

/// Permille as percent.
pub(crate) fn permille(share: i64) -> String {
    format!("{}.{} %", share / 10, share % 10)
}

/// One number as a share of another, in percent.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(part) * 10_000 / u128::from(whole);
    if tenths == 0 && part > 0 {
        return "< 0.01 %".to_owned();
    }
    format!("{}.{:02} %", tenths / 100, tenths % 100)
}

/// A count and its noun, which takes an s.
pub(crate) fn many(count: usize, noun: &str) -> String {
    let number = crate::report::table::thousands(i64::try_from(count).unwrap_or(i64::MAX));
    format!("{number} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A name that files use, as words: `stale-read` as `stale read`.
pub(crate) fn words(name: &str) -> String {
    name.replace(['-', '_'], " ")
}

/// With a large first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_what_matters() {
        assert_eq!(micros(7), "7 µs");
        assert_eq!(micros(1540), "1.5 ms");
        assert_eq!(micros(321_000), "321 ms");
        assert_eq!(millis(2290), "2.29 s");
        assert_eq!(seconds(24_212_999_999), "24.212 s");
        assert_eq!(exact(24_212_999_999), "24.212999 s");
        assert_eq!(share(1, 3), "33.33 %");
        assert_eq!(share(1, 1_000_000), "< 0.01 %");
        assert_eq!(share(0, 0), "–");
    }
}
