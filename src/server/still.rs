//! For tests: an engine on a database in memory, whose clock stands still.

use std::sync::Arc;

use crate::engine::Engine;
use crate::model::limits::EvaluationLimits;
use crate::model::{Clock, Instant};
use crate::store::memory::MemoryDatabase;

struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::from_unix_micros(0).unwrap()
    }
}

/// The engine.
pub(super) fn engine() -> Engine<MemoryDatabase> {
    Engine::new(MemoryDatabase::new(Arc::new(Still)), EvaluationLimits::default())
}
