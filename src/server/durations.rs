//! A histogram of durations that takes in one without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The first bucket's end, in microseconds; each next one ends twice as late.
const FIRST_BUCKET_US: u64 = 50;

/// Buckets with an end; the last one ends at 3.3 s.
const BUCKETS: u32 = 17;

/// How many durations there were, by length, and their sum.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By bucket; the last one is for those that are longer than any.
    buckets: [AtomicU64; BUCKETS as usize + 1],
    sum_ns: AtomicU64,
}

impl Durations {
    /// Takes in one.
    pub(super) fn observe(&self, took: Duration) {
        let index = (0..BUCKETS).position(|bucket| took.as_micros() <= u128::from(FIRST_BUCKET_US << bucket));
        let bucket = self.0.buckets.get(index.unwrap_or(BUCKETS as usize));
        bucket.map(|count| count.fetch_add(1, Ordering::Relaxed));
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let ends = (0..BUCKETS).map(|bucket| (FIRST_BUCKET_US << bucket) as f64 / 1e6).chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = ends.zip(counts).collect();
        let sum = self.0.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_it_fits_and_in_all_after_it() {
        let durations = Durations::default();
        for us in [0, 50, 51, 3_000_000, 10_000_000] {
            durations.observe(Duration::from_micros(us));
        }
        let mut registry = Registry::default();
        registry.register("took", "", durations);
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        for line in [
            "took_sum 13.000101",
            "took_count 5",
            "took_bucket{le=\"0.00005\"} 2",
            "took_bucket{le=\"0.0001\"} 3",
            "took_bucket{le=\"1.6384\"} 3",
            "took_bucket{le=\"3.2768\"} 4",
            "took_bucket{le=\"+Inf\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
