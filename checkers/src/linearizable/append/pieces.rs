//! Telling the pieces of a text apart that was put and appended to.

use super::super::grouping::{Places, low_half, narrow, word};
use super::AppendRole::{Append, Put};
use super::Judge;
use crate::history::dictionary::Interned;

/// How a value is split into pieces.
pub(super) enum Split {
    /// It is not.
    Whole,
    /// Each piece ends in this byte, and has it nowhere else.
    EndsIn(u8),
    /// Each piece begins with this byte, and has it nowhere else.
    BeginsWith(u8),
    /// No piece is the beginning of another; these lengths occur.
    Lengths(Vec<usize>),
}

/// The pieces, found by what they are.
pub(super) struct Pieces<'a> {
    judge: &'a Judge<'a>,
    pub(super) split: Split,
    pub(super) by_number: Places,
    /// Rows by hash of their text, probed linearly: one more than the place.
    table: Vec<u32>,
}

fn hash(text: &[u8]) -> usize {
    let mut hash = text.len() as u64;
    let mut mix = |word: u64| {
        let product = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = product ^ (product >> 32);
    };
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        mix(u64::from_le_bytes(*word));
    }
    mix(rest
        .iter()
        .fold(0, |last, &byte| last << 8 | u64::from(byte)));
    let mixed = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    low_half(mixed >> 32) as usize
}

impl<'a> Pieces<'a> {
    /// The pieces of a key; why they cannot be told apart.
    pub(super) fn of(judge: &'a Judge<'a>) -> Result<Self, String> {
        let rows = judge.rows.iter().enumerate();
        let pieces = rows
            .filter(|(_, row)| matches!(row.role, Put | Append))
            .map(|(place, row)| (row.a, narrow(place)));
        let (by_number, repeated) = Places::of(pieces.clone());
        if let Some((one, _)) = repeated {
            let value = word(judge.calls, judge.rows[one as usize].a);
            return Err(format!(
                "{value} may have been put or appended several times"
            ));
        }
        let appends = judge.rows.iter().any(|row| row.role == Append);
        let mut found = Self {
            judge,
            split: Split::Whole,
            by_number,
            table: Vec::new(),
        };
        if !appends {
            return Ok(found);
        }
        let mut count = 0;
        for (number, _) in pieces.clone() {
            match judge.calls.values.get(number) {
                Interned::Str("") => return Err("the empty text was put or appended".to_owned()),
                Interned::Str(_) => count += 1,
                _ => return Err("it is appended to, and what is no text was put".to_owned()),
            }
        }
        let texts = pieces.clone().map(|(number, _)| judge.text(number));
        found.split = split(texts)?;
        let size = (2_usize * count).next_power_of_two();
        found.table = vec![0; size];
        for (number, place) in pieces {
            let mut slot = hash(judge.text(number)) & (size - 1);
            while found.table[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            found.table[slot] = place + 1;
        }
        Ok(found)
    }

    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        let mask = self.table.len() - 1;
        let mut slot = hash(text) & mask;
        loop {
            let place = self.table[slot].checked_sub(1)?;
            if self.judge.text(self.judge.rows[place as usize].a) == text {
                return Some(place);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The piece with which a text begins, and its length.
    pub(super) fn first(&self, text: &[u8]) -> Option<(u32, usize)> {
        let end = |mut bytes: std::slice::Iter<'_, u8>, end: u8| bytes.position(|&b| b == end);
        let length = match &self.split {
            Split::Whole => text.len(),
            Split::EndsIn(byte) => end(text.iter(), *byte)? + 1,
            Split::BeginsWith(byte) => match end(text.get(1..)?.iter(), *byte) {
                Some(place) => place + 1,
                None => text.len(),
            },
            Split::Lengths(lengths) => {
                let mut fitting = lengths.iter().take_while(|&&length| length <= text.len());
                return fitting.find_map(|&length| Some((self.find(&text[..length])?, length)));
            }
        };
        Some((self.find(&text[..length])?, length))
    }
}

/// How texts of these pieces can be split; why they cannot.
fn split<'t>(texts: impl Iterator<Item = &'t [u8]> + Clone) -> Result<Split, String> {
    let bounds = |text: &[u8]| Some((*text.first()?, *text.last()?));
    let Some((first, last)) = texts.clone().next().and_then(bounds) else {
        return Ok(Split::Whole);
    };
    let ends = |text: &[u8]| matches!(text.split_last(), Some((&b, rest)) if b == last && !rest.contains(&b));
    if texts.clone().all(ends) {
        return Ok(Split::EndsIn(last));
    }
    let begins = |text: &[u8]| matches!(text.split_first(), Some((&b, rest)) if b == first && !rest.contains(&b));
    if texts.clone().all(begins) {
        return Ok(Split::BeginsWith(first));
    }
    let mut lengths: Vec<usize> = texts.clone().map(<[u8]>::len).collect();
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.len() > 1 {
        let mut sorted: Vec<&[u8]> = texts.collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
            let show = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
            return Err(format!(
                "\"{}\" begins with \"{}\": what was appended cannot be told apart",
                show(pair[1]),
                show(pair[0])
            ));
        }
    }
    Ok(Split::Lengths(lengths))
}
