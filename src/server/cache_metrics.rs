//! What the cache of decisions has done, as metrics: asked of the engine whenever somebody asks for them.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::cache::CacheStatistics;
use crate::engine::Engine;
use crate::store::Database;

/// The cache of an engine.
pub(super) struct CacheMetrics<D: Database>(pub(super) Arc<Engine<D>>);

impl<D: Database> fmt::Debug for CacheMetrics<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheMetrics").field(&self.0.cache_statistics()).finish()
    }
}

impl<D: Database> Collector for CacheMetrics<D> {
    /// Nothing where the cache is off.
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.cache_statistics().map_or(Ok(()), |statistics| encode(encoder, &statistics))
    }
}

fn encode(mut encoder: DescriptorEncoder<'_>, statistics: &CacheStatistics) -> fmt::Result {
    let by_decision = [
        (
            "decision_cache_hits",
            "Decisions that a kept one served for",
            [statistics.whole_hits, statistics.inner_hits],
        ),
        (
            "decision_cache_misses",
            "Looks for a kept decision that found none which serves; one check may look again",
            [statistics.whole_misses, statistics.inner_misses],
        ),
    ];
    for (name, help, counts) in by_decision {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (decision, count) in ["whole", "inner"].into_iter().zip(counts) {
            ConstCounter::new(count).encode(metric.encode_family(&[("decision", decision)])?)?;
        }
    }
    let counters = [
        (
            "decision_cache_stripe_conflicts",
            "Misses of decisions that a commit may have changed",
            statistics.stripe_conflicts,
        ),
        ("decision_cache_evictions", "Kept decisions that made room for others", statistics.evictions),
    ];
    for (name, help, count) in counters {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(metric)?;
    }
    let gauges = [
        ("decision_cache_bytes", "Memory of kept decisions, by estimate", statistics.bytes),
        ("decision_cache_entries", "Kept decisions", statistics.entries),
    ];
    for (name, help, value) in gauges {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)?;
    }
    Ok(())
}
