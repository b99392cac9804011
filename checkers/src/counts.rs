//! Counters by name, for what is counted several times an operation.

/// Places in the table: far more than there are names in any one file.
const PLACES: usize = 128;

/// How often what happened.
///
/// A name is found by where it lies in memory, which is faster than by what it says; two of one
/// wording are put together when asked for.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    list: Vec<(&'static str, usize)>,
    /// By address: one more than the place in the list.
    table: [u8; PLACES],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            table: [0; PLACES],
        }
    }
}

impl Counts {
    /// Adds to the counter of that name, which is there from then on.
    ///
    /// # Panics
    ///
    /// With more than a hundred names.
    #[inline]
    pub(crate) fn add(&mut self, name: &'static str, count: usize) {
        let address = name.as_ptr() as usize;
        let mut slot = (address ^ address >> 7) % PLACES;
        while let Some(place) = self.table[slot].checked_sub(1) {
            let (known, sum) = &mut self.list[usize::from(place)];
            if std::ptr::eq(*known, name) {
                *sum += count;
                return;
            }
            slot = (slot + 1) % PLACES;
        }
        self.list.push((name, count));
        let place = u8::try_from(self.list.len()).ok().filter(|n| *n <= 100);
        self.table[slot] = place.expect("a checker counts fewer than a hundred things");
    }

    /// The counter of that name; zero if nothing was counted.
    pub(crate) fn of(&self, name: &str) -> usize {
        let own = self.list.iter().filter(|(known, _)| *known == name);
        own.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_own_sum() {
        let mut counts = Counts::default();
        for _ in 0..3 {
            counts.add("reads", 2);
            counts.add("writes", 0);
        }
        // The same word from another place.
        counts.add(&"all reads"[4..], 1);
        assert_eq!(
            (counts.of("reads"), counts.of("writes"), counts.of("x")),
            (7, 0, 0)
        );
    }
}
