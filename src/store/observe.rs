//! Who is told of commits, and the one place where a commit becomes visible.
//!
//! Observers run on the thread that writes. Nothing here may keep that thread waiting, and the panic of an observer
//! must end neither the writer nor what the other observers are told. What was to be noted before a commit became visible
//! and could not be noted, keeps the commit from becoming visible.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::error::StoreError;
use crate::model::{StoreId, TupleKey};

/// A place in the sequence in which commits become visible: one sequence for all stores of all databases of a process.
/// What becomes visible together has one place. It starts anew with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommitSequence(pub u64);

impl CommitSequence {
    /// The next place, given out once.
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Told of commits, on the thread that writes: it must not block, nor write to the database.
pub trait CommitObserver: Send + Sync {
    /// These tuples were changed, written or deleted, each in its store, and are about to become visible, all at the place
    /// `sequence`. No snapshot has any of it before this returns, and each that has it has that place or a later one.
    ///
    /// If it panics, the commit fails and never becomes visible.
    fn committing(&self, sequence: CommitSequence, tuples: &[(StoreId, TupleKey)]) {
        let _ = (sequence, tuples);
    }

    /// There is something new in each of these stores, or it was created, or deleted. It is visible: snapshots that are
    /// taken from now on have it.
    ///
    /// What became visible together is told together, in order, and before those are answered who wrote it.
    fn committed(&self, stores: &[StoreId]);
}

/// What becomes visible together.
#[derive(Debug, Default)]
pub(super) struct Publication {
    /// The stores that were changed, made or deleted, each once.
    pub(super) stores: Vec<StoreId>,
    /// The tuples that were changed.
    pub(super) tuples: Vec<(StoreId, TupleKey)>,
}

/// The observers of a database.
#[derive(Default)]
pub(super) struct Observers {
    /// Held while something becomes visible, so that who is added is told of all that becomes visible afterwards.
    all: Mutex<Vec<Weak<dyn CommitObserver>>>,
}

impl Observers {
    /// Adds one, and forgets those that are gone. What is not visible when this returns is told to it.
    pub(super) fn add(&self, observer: &Weak<dyn CommitObserver>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|observer| observer.strong_count() > 0);
        all.push(observer.clone());
    }

    /// Has `show` make a publication visible at the place that it is given, between what observers are told before and
    /// after. One publication of a database at a time.
    ///
    /// Errors: where an observer could not note it, `show` is not called.
    pub(super) fn publish(
        &self,
        publication: &Publication,
        show: impl FnOnce(CommitSequence),
    ) -> Result<(), StoreError> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let observers: Vec<Arc<dyn CommitObserver>> = all.iter().filter_map(Weak::upgrade).collect();
        let sequence = CommitSequence::next();
        for observer in &observers {
            let noting = || observer.committing(sequence, &publication.tuples);
            catch_unwind(AssertUnwindSafe(noting)).map_err(|_| StoreError::Io {
                doing: "making a commit visible",
                reason: "an observer panicked".into(),
            })?;
        }
        show(sequence);
        drop(all);
        for observer in observers {
            // Moved in: this may be the last hold on it, and letting go may panic as well.
            drop(catch_unwind(AssertUnwindSafe(move || {
                if !publication.stores.is_empty() {
                    observer.committed(&publication.stores);
                }
            })));
        }
        Ok(())
    }
}
