//! Numbers in few bytes: of varying length one by one, or of one width in a column.

/// Appends a number in groups of seven bits, lowest first.
pub(super) fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// A number near zero as one near zero without a sign.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// Appends a column: the width in bytes, and every number in that width. A column of zeros
/// has width zero.
pub(super) fn fixed(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    let numbers: Vec<u64> = numbers.collect();
    let largest = numbers.iter().copied().fold(0, u64::max);
    let width = match largest {
        0 => 0,
        1..0x100 => 1,
        0x100..0x1_0000 => 2,
        0x1_0000..0x1_0000_0000 => 4,
        _ => 8,
    };
    out.push(width);
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes()[..usize::from(width)]);
    }
}

/// Bytes that are taken from the front; nothing is taken that is not there.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    #[inline]
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return None;
            }
            number |= low << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        str::from_utf8(text).ok()
    }

    /// Takes a column of `count` numbers and appends to `out` what `of` makes of each.
    #[inline]
    pub(super) fn fixed<T>(
        &mut self,
        count: usize,
        out: &mut Vec<T>,
        mut of: impl FnMut(u64) -> T,
    ) -> Option<()> {
        let width = usize::from(self.byte()?);
        let (column, rest) = self.bytes.split_at_checked(count.checked_mul(width)?)?;
        self.bytes = rest;
        match width {
            0 => out.extend((0..count).map(|_| of(0))),
            1 => out.extend(column.iter().map(|byte| of(u64::from(*byte)))),
            2 => {
                let (words, _) = column.as_chunks();
                out.extend(
                    words
                        .iter()
                        .map(|word| of(u64::from(u16::from_le_bytes(*word)))),
                );
            }
            4 => {
                let (words, _) = column.as_chunks();
                out.extend(
                    words
                        .iter()
                        .map(|word| of(u64::from(u32::from_le_bytes(*word)))),
                );
            }
            8 => {
                let (words, _) = column.as_chunks();
                out.extend(words.iter().map(|word| of(u64::from_le_bytes(*word))));
            }
            _ => return None,
        }
        Some(())
    }
}
