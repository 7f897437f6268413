//! What the logs of single checks have done, as metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::{DecisionLog, Observation};

/// An observation as metrics; nothing of what is off.
#[derive(Debug)]
pub(in crate::server) struct ObservationMetrics(pub(in crate::server) Arc<Observation>);

impl Collector for ObservationMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Observation { slow, decisions } = &*self.0;
        let slow = slow.as_ref().map(|slow| {
            let (seen, explained) = slow.counts();
            [
                ("slow_checks", "Checks that were slow", seen),
                ("slow_checks_explained", "Slow checks logged with their trees", explained),
            ]
        });
        let decisions = decisions.as_ref().map(DecisionLog::counts).map(|(written, dropped)| {
            [
                ("decision_log_lines", "Decisions written into the decision log", written),
                ("decision_log_dropped", "Decisions that the decision log could not take", dropped),
            ]
        });
        for (name, help, count) in slow.into_iter().chain(decisions).flatten() {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(metric)?;
        }
        Ok(())
    }
}
