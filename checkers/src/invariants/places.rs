//! Pairs of numbers by place, in the order in which they came: mostly without hashing.

use crate::hash::Table;

/// No place.
const NOWHERE: u32 = u32::MAX;

/// An object and a name within it, each by the number of its value.
pub(super) type Pair = (u32, u32);

/// Different pairs, each with a place.
///
/// **Cost**: constant each; only a name that stands in several objects is hashed.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By name: the place of the first pair that has it.
    first: Vec<u32>,
    others: Table<Pair, u32>,
    list: Vec<Pair>,
}

impl Places {
    /// All pairs, by place.
    pub(super) fn list(&self) -> &[Pair] {
        &self.list
    }

    /// The place of a pair, if it has one.
    #[inline]
    pub(super) fn find(&self, pair: Pair) -> Option<u32> {
        let slot = *self.first.get(pair.1 as usize)?;
        if slot == NOWHERE {
            None
        } else if self.list[slot as usize] == pair {
            Some(slot)
        } else {
            self.others.get(&pair).copied()
        }
    }

    /// The place of a pair, new or not.
    #[inline]
    pub(super) fn place(&mut self, pair: Pair) -> u32 {
        if let Some(place) = self.find(pair) {
            return place;
        }
        let place = u32::try_from(self.list.len()).expect("fewer pairs than values");
        self.list.push(pair);
        let name = pair.1 as usize;
        if name >= self.first.len() {
            self.first.resize(name + name / 8 + 8, NOWHERE);
        }
        if self.first[name] == NOWHERE {
            self.first[name] = place;
        } else {
            self.others.insert(pair, place);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_a_place_of_its_own() {
        let mut places = Places::default();
        assert_eq!(places.find((0, 3)), None);
        let pairs = [(0, 3), (1, 3), (0, 0), (1, 3), (2, 3), (0, 3)];
        let found = pairs.map(|pair| places.place(pair));
        assert_eq!(found, [0, 1, 2, 1, 3, 0]);
        assert_eq!(pairs.map(|pair| places.find(pair)), found.map(Some));
        assert_eq!(places.list(), [(0, 3), (1, 3), (0, 0), (2, 3)]);
        assert_eq!(places.find((3, 3)), None);
    }
}
