//! How large values were, counted without a lock: durations, sizes, costs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets with an end.
pub const BUCKETS: usize = 17;

/// How many values there were, by size, and their sum. The first bucket ends, inclusively, at a value that is chosen, each next
/// one at twice the one before, and what is larger than all is in one of its own.
#[derive(Debug)]
pub struct Distribution {
    first: u64,
    buckets: [AtomicU64; BUCKETS + 1],
    sum: AtomicU64,
}

/// A distribution at one moment, as far as there is one: values are counted meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distributed {
    /// Each bucket's end, inclusive, with the values in it and in none before.
    pub buckets: Vec<(u64, u64)>,
    /// Values beyond the last end.
    pub beyond: u64,
    /// Of all values.
    pub sum: u64,
}

impl Distribution {
    /// No values yet.
    pub fn new(first: u64) -> Self {
        Self { first, buckets: Default::default(), sum: AtomicU64::new(0) }
    }

    fn ends(&self) -> impl Iterator<Item = u64> {
        let first = self.first;
        (0..BUCKETS).map(move |bucket| first << bucket)
    }

    /// Takes in one.
    pub fn observe(&self, value: u64) {
        let index = self.ends().position(|end| value <= end).unwrap_or(BUCKETS);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        if value > 0 {
            self.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// What there is now.
    pub fn now(&self) -> Distributed {
        let mut counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets = self.ends().map(|end| (end, counts.next().unwrap_or_default())).collect();
        Distributed {
            buckets,
            beyond: counts.next().unwrap_or_default(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_it_fits() {
        let sizes = Distribution::new(1);
        for size in [0, 1, 2, 3, 4, 65_536, 65_537, 1_000_000] {
            sizes.observe(size);
        }
        let Distributed { buckets, beyond, sum } = sizes.now();
        assert_eq!(buckets.first(), Some(&(1, 2)));
        assert_eq!(buckets.get(1), Some(&(2, 1)));
        assert_eq!(buckets.get(2), Some(&(4, 2)));
        assert_eq!(buckets.last(), Some(&(65_536, 1)));
        assert_eq!((beyond, sum), (2, 1_131_083));
    }
}
