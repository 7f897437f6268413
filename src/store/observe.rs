//! Who is told of commits.
//!
//! Observers run on the thread that writes. Nothing here may keep that thread waiting, and the panic of an observer
//! must end neither the writer nor what the other observers are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;

use arc_swap::ArcSwap;

use crate::model::StoreId;

/// Told of commits, on the thread that writes: it must not block.
pub trait CommitObserver: Send + Sync {
    /// There is something new in each of these stores, or it was created, or deleted. It is visible: snapshots that are
    /// taken from now on have it.
    ///
    /// What became visible together is told together, in order, and before those are answered who wrote it.
    fn committed(&self, stores: &[StoreId]);
}

/// The observers of a database.
#[derive(Default)]
pub(super) struct Observers {
    all: ArcSwap<Vec<Weak<dyn CommitObserver>>>,
}

impl Observers {
    /// Adds one, and forgets those that are gone.
    pub(super) fn add(&self, observer: &Weak<dyn CommitObserver>) {
        self.all.rcu(|all| {
            let living = all.iter().filter(|observer| observer.strong_count() > 0);
            living.chain([observer]).cloned().collect::<Vec<_>>()
        });
    }

    /// See [`CommitObserver::committed`].
    pub(super) fn committed(&self, stores: &[StoreId]) {
        if stores.is_empty() {
            return;
        }
        for observer in self.all.load().iter().filter_map(Weak::upgrade) {
            // Moved in: this may be the last hold on it, and letting go may panic as well.
            drop(catch_unwind(AssertUnwindSafe(move || observer.committed(stores))));
        }
    }
}
