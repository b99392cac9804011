//! How fresh reads were, against the time since the last value had certainly taken effect.
//!
//! **Source**: Bailis, Venkataraman, Franklin, Hellerstein and Stoica, "Probabilistically bounded
//! staleness for practical partial quorums", 2012; the band after Wilson, "Probable inference, the
//! law of succession, and statistical inference", 1927.

use crate::history::Value;

/// Where the buckets begin, in microseconds; the last has no end.
const EDGES_US: [u64; 17] = [
    0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// How many reads of a bucket were certainly fresh, certainly stale, or either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    fresh: u64,
    stale: u64,
    ambiguous: u64,
}

/// Reads by the time since the last effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Freshness {
    buckets: [Bucket; EDGES_US.len()],
}

impl Freshness {
    #[inline]
    pub(super) fn add(&mut self, since: u64, is_stale: bool, is_fresh: bool) {
        let us = since / 1_000;
        let bucket = &mut self.buckets[EDGES_US.partition_point(|edge| *edge <= us) - 1];
        if is_stale {
            bucket.stale += 1;
        } else if is_fresh {
            bucket.fresh += 1;
        } else {
            bucket.ambiguous += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (own, other) in self.buckets.iter_mut().zip(&other.buckets) {
            own.fresh += other.fresh;
            own.stale += other.stale;
            own.ambiguous += other.ambiguous;
        }
    }

    /// The buckets in which there were reads, as figures.
    pub(super) fn curve(&self) -> Value {
        let buckets = self
            .buckets
            .iter()
            .zip(EDGES_US)
            .zip(EDGES_US.iter().skip(1).map(Some).chain([None]));
        let told = buckets.filter_map(|((bucket, from), to)| {
            let reads = bucket.fresh + bucket.stale + bucket.ambiguous;
            if reads == 0 {
                return None;
            }
            let (at_least, _) = wilson(bucket.fresh, reads);
            let (_, at_most) = wilson(reads - bucket.stale, reads);
            let mut figures = vec![
                ("from_us", from),
                ("reads", reads),
                ("fresh", bucket.fresh),
                ("stale", bucket.stale),
                ("ambiguous", bucket.ambiguous),
                ("fresh_at_least_ppm", ppm(at_least)),
                ("fresh_at_most_ppm", ppm(at_most)),
            ];
            figures.extend(to.map(|to| ("to_us", *to)));
            let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
            Some(Value::map(
                figures.into_iter().map(|(name, n)| (name, int(n))),
            ))
        });
        Value::List(told.collect())
    }
}

/// Between which shares the true one lies with 95 % confidence, if so many of these were hits.
pub(super) fn wilson(hits: u64, of: u64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "shares of more than 2^52 are not needed"
    )]
    let (hits, of) = (hits as f64, of as f64);
    // The 97.5th percentile of the normal distribution.
    let z = 1.959_963_984_540_054_f64;
    let share = hits / of;
    let middle = share + z * z / (2.0 * of);
    let width = z * (share * (1.0 - share) / of + z * z / (4.0 * of * of)).sqrt();
    let scale = 1.0 + z * z / of;
    (
        ((middle - width) / scale).max(0.0),
        ((middle + width) / scale).min(1.0),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share lies between zero and one"
)]
fn ppm(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_wilsons() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (lower, upper) = wilson(hits, of);
            assert!((lower - low).abs() < 5e-5, "{hits}/{of}: {lower}");
            assert!((upper - high).abs() < 5e-5, "{hits}/{of}: {upper}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn ambiguous_reads_widen_the_band_and_are_not_guessed() {
        let mut freshness = Freshness::default();
        for _ in 0..1_000 {
            freshness.add(150_000, false, false);
        }
        freshness.add(99_999, true, false);
        let curve = freshness.curve();
        let [first, second] = curve.as_list().unwrap() else {
            panic!("{curve}")
        };
        let number = |of: &Value, name| of.get(name).and_then(Value::as_int).unwrap();
        assert_eq!([number(first, "from_us"), number(first, "to_us")], [0, 100]);
        assert_eq!(number(first, "stale"), 1);
        assert_eq!(number(second, "ambiguous"), 1_000);
        assert_eq!(number(second, "fresh_at_least_ppm"), 0);
        assert_eq!(number(second, "fresh_at_most_ppm"), 1_000_000);
    }
}
