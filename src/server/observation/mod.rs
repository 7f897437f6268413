//! What an operator sees of single checks: those that were slow, with their trees, and a log of decisions.
//!
//! Off, it is not there: a request then neither measures nor keeps anything. On, what it costs a check is a look at the clock
//! before and after, and for a decision that is logged one copy of the question. Nothing here may hold up a check: whatever
//! cannot follow is left out, and counted.

mod decision_log;
mod metrics;
mod slow;

pub use decision_log::DecisionLog;
pub(super) use metrics::ObservationMetrics;
pub use slow::TreeDrawing;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use axum::http::{HeaderMap, HeaderValue};

use super::config::ServerConfig;
use super::middleware::REQUEST_ID;
use crate::engine::{Witness, Witnessed};
use crate::store::Snapshot;
use decision_log::Decision;
use slow::SlowChecks;

/// What is watched for.
#[derive(Debug)]
pub(super) struct Observation {
    slow: Option<Arc<SlowChecks>>,
    decisions: Option<DecisionLog>,
}

impl Observation {
    /// `None` where nothing is to be watched.
    pub(super) fn new(config: &ServerConfig) -> Option<Arc<Self>> {
        let slow =
            config.slow_check.map(|longer_than| Arc::new(SlowChecks::new(longer_than, config.tree_drawing)));
        let decisions = config.decision_log.clone();
        (slow.is_some() || decisions.is_some()).then(|| Arc::new(Self { slow, decisions }))
    }

    /// Watches the checks of a request with these headers.
    pub(super) fn watch(self: &Arc<Self>, headers: &HeaderMap) -> Watch {
        let request_id = headers.get(REQUEST_ID).cloned();
        Watch { observation: Arc::clone(self), request_id, began: Cell::new(Stopwatch::now()) }
    }
}

/// Looks on while the checks of one request are decided.
#[derive(Debug)]
pub(super) struct Watch {
    observation: Arc<Observation>,
    request_id: Option<HeaderValue>,
    /// When the check under way was begun to be decided.
    began: Cell<Stopwatch>,
}

impl Watch {
    fn request_id(&self) -> &str {
        self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default()
    }
}

impl<S: Snapshot + Clone + 'static> Witness<S> for Watch {
    fn begins(&self) {
        self.began.set(Stopwatch::now());
    }

    fn decided(&self, check: Witnessed<'_, S>) {
        let took = self.began.get().elapsed();
        if let Some(log) = self.observation.decisions.as_ref().filter(|log| log.wants_one()) {
            log.take(Decision::new(&check, took, self.request_id.clone()));
        }
        if let Some(slow) = self.observation.slow.as_ref().filter(|slow| slow.is_slow(took)) {
            slow.take(&check, took, self.request_id());
        }
    }
}
