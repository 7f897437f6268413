//! Histograms as the metrics show them: of durations, and of what evaluations cost.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::store::{Distributed, Distribution};

/// The end of the first bucket of durations, in nanoseconds: 50 µs. The last one ends at 3.3 s.
const FIRST_BUCKET_NS: u64 = 50_000;
/// Nanoseconds of a second.
const NS_PER_S: f64 = 1e9;

/// How many durations there were, by length, and their sum.
#[derive(Debug, Clone)]
pub(super) struct Durations(Arc<Distribution>);

impl Default for Durations {
    fn default() -> Self {
        Self(Arc::new(Distribution::new(FIRST_BUCKET_NS)))
    }
}

impl Durations {
    /// Takes in one.
    pub(super) fn observe(&self, took: Duration) {
        self.0.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        encode(&self.0.now(), NS_PER_S, encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

/// How many evaluations there were, by what they read, and all that they read. The first bucket is for those that read
/// nothing or once.
#[derive(Debug, Clone)]
pub(super) struct Costs(Arc<Distribution>);

impl Default for Costs {
    fn default() -> Self {
        Self(Arc::new(Distribution::new(1)))
    }
}

impl Costs {
    /// Takes in one.
    pub(super) fn observe(&self, reads: u64) {
        self.0.observe(reads);
    }
}

impl EncodeMetric for Costs {
    fn encode(&self, encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        encode(&self.0.now(), 1.0, encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Costs {
    const TYPE: MetricType = MetricType::Histogram;
}

/// Nanoseconds, in seconds.
pub(super) fn encode_ns(durations: &Distributed, encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
    encode(durations, NS_PER_S, encoder)
}

/// A distribution, in units of so many of what was counted.
pub(super) fn encode(
    distributed: &Distributed,
    unit: f64,
    mut encoder: MetricEncoder,
) -> Result<(), std::fmt::Error> {
    let ends = distributed.buckets.iter().map(|(end, count)| (*end as f64 / unit, *count));
    let buckets: Vec<(f64, u64)> = ends.chain([(f64::INFINITY, distributed.beyond)]).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(distributed.sum as f64 / unit, count, &buckets, None)
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
