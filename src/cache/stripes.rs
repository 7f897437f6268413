//! When what was last changed, by hash: a fixed table of atomic numbers.
//!
//! A stripe says the place of the last commit that changed anything of it. It never goes back.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use crate::eval::{Dependency, Stripe};
use crate::model::{StoreId, TupleRef};
use crate::store::CommitSequence;

/// Stripes of the table; a power of two. At 8 bytes each they take 2 MiB. A commit marks three for each tuple, so that it
/// takes along, by chance, about one in 90,000 of the decisions that rest on one stripe.
const STRIPES: u32 = 1 << 18;

pub(super) struct Stripes {
    changed: Box<[AtomicU64]>,
    /// With a seed of its own, so that no client can foresee what shares a stripe.
    hasher: DefaultHashBuilder,
}

impl Stripes {
    /// Nothing was changed yet.
    pub(super) fn new() -> Self {
        Self {
            changed: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The stripe of a dependency of a store's.
    pub(super) fn stripe(&self, store: StoreId, dependency: Dependency<'_>) -> Stripe {
        let hash = self.hasher.hash_one((store, dependency));
        u32::try_from(hash & u64::from(STRIPES - 1)).unwrap_or(0)
    }

    /// Marks everything that a change of a tuple touches.
    pub(super) fn mark(&self, store: StoreId, tuple: TupleRef<'_>, sequence: CommitSequence) {
        for dependency in Dependency::touched_by(tuple) {
            if let Some(changed) = self.changed.get(self.stripe(store, dependency) as usize) {
                changed.fetch_max(sequence.0, Ordering::Release);
            }
        }
    }

    /// The place of the last commit that marked a stripe.
    pub(super) fn changed_last(&self, stripe: Stripe) -> CommitSequence {
        // A stripe that is none always counts as changed.
        let changed = self.changed.get(stripe as usize).map(|changed| changed.load(Ordering::Acquire));
        CommitSequence(changed.unwrap_or(u64::MAX))
    }
}
