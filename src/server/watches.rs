//! The watches that are open: how many there may be, and how many of them may read at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::error::{ApiError, Code};
use super::metrics::{Counted, Metrics, Refused};
use super::revisions::Revisions;
use crate::engine::Engine;
use crate::model::limits::WATCHES_READING_MAX;
use crate::store::{CommitObserver, Database};

/// What all watches share.
pub(super) struct Watches {
    pub(super) revisions: Arc<Revisions>,
    places: Arc<Semaphore>,
    reading: Semaphore,
}

/// The place of one open watch.
pub(super) struct WatchPlace {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Watches {
    /// At most `max` watches of the commits of an engine.
    pub(super) fn new<D: Database>(engine: &Engine<D>, max: usize) -> Self {
        let revisions = Arc::new(Revisions::default());
        let observer: Arc<dyn CommitObserver> = Arc::<Revisions>::clone(&revisions);
        engine.observe(Arc::downgrade(&observer));
        Self {
            revisions,
            places: Arc::new(Semaphore::new(max)),
            reading: Semaphore::new(WATCHES_READING_MAX),
        }
    }

    /// A place for one more, as long as it is held.
    pub(super) fn place(&self, metrics: &Metrics) -> Result<WatchPlace, ApiError> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(WatchPlace { _permit: permit, _counted: metrics.watch() }),
            Err(_) => {
                metrics.refused(Refused::Watches);
                let message = "too many watches are open; try again later";
                Err(ApiError::new(Code::TooManyRequests, message))
            }
        }
    }

    /// Waits for the turn to read. A commit wakes all who watch its store, and what they read must not keep checks
    /// from being answered.
    pub(super) async fn read(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.reading.acquire().await.ok()
    }
}
