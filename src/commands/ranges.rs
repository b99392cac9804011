//! Flags that name a part of something: seeds, or the runs of one machine among several.

/// The part of one machine among several, counted from one.
pub(crate) fn partition(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("{text:?} is no part; write 2/3 for the second of three");
    let (part, of) = text.split_once('/').ok_or_else(wrong)?;
    let number = |word: &str| word.parse::<usize>().map_err(|_| wrong());
    let (part, of) = (number(part)?, number(of)?);
    if part == 0 || part > of {
        Err(wrong())
    } else {
        Ok((part, of))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SeedRange(pub(crate) std::ops::RangeInclusive<u64>);

pub(crate) fn seed_range(text: &str) -> Result<SeedRange, String> {
    let (first, last) = text
        .split_once("..")
        .ok_or("a range of seeds is written 1..20")?;
    let number = |word: &str| {
        word.trim_start_matches('=')
            .parse::<u64>()
            .map_err(|e| e.to_string())
    };
    let range = number(first)?..=number(last)?;
    if range.is_empty() {
        Err("the range of seeds is empty".into())
    } else {
        Ok(SeedRange(range))
    }
}
