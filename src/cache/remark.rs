//! What somebody found out about a question beside its decision, kept with the decision for as long as that is kept.
//!
//! The cache must not know what a remark says. It says whether one still holds, by the rule that it has for decisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::DecisionCache;
use crate::eval::{Dependency, KeptDecision, Memo, ReadSet, Room, Stripe};
use crate::model::limits::{DEPENDENCIES_PER_DECISION_MAX, DEPENDENCIES_PER_EVALUATION_MAX};
use crate::model::{Instant, StoreId, TupleRef};
use crate::store::CommitSequence;

/// A finding about a question, with what it rests on. Whoever makes it answers for it.
#[derive(Debug)]
pub struct Remark {
    /// What it says to whoever made it.
    code: u64,
    /// What its maker keeps for it, in bytes, which counts as if it stood here.
    bytes_elsewhere: usize,
    /// Of the snapshot that it was found on.
    sequence: CommitSequence,
    found_at: Instant,
    grounds: Grounds,
    /// A place in the sequence of commits that it was found to hold at, so that it is looked into once for each.
    holds_at: AtomicU64,
}

impl Remark {
    /// What was found on a snapshot at the place `sequence` for the instant `found_at`, resting on `grounds`.
    pub fn new(
        code: u64,
        (sequence, found_at): (CommitSequence, Instant),
        grounds: Grounds,
        bytes_elsewhere: usize,
    ) -> Self {
        let holds_at = AtomicU64::new(sequence.0);
        Self { code, bytes_elsewhere, sequence, found_at, grounds, holds_at }
    }

    pub(super) fn bytes(&self) -> usize {
        // Two words for its counts.
        size_of::<Self>() + 16 + size_of_val(&*self.grounds.stripes) + self.bytes_elsewhere
    }

    /// What it says at a place in the sequence of commits and an instant; `None` where that is not certain to hold.
    pub(super) fn at(
        &self,
        sequence: CommitSequence,
        at: Instant,
        unchanged: impl Fn(&Stripe, CommitSequence) -> bool,
    ) -> Option<u64> {
        if at < self.found_at || self.grounds.stable_until.is_some_and(|end| end <= at) {
            return None;
        }
        if self.holds_at.load(Ordering::Relaxed) != sequence.0 {
            let both_have = self.sequence.min(sequence);
            if !self.grounds.stripes.iter().all(|stripe| unchanged(stripe, both_have)) {
                return None;
            }
            // Nothing is ordered by it: it is true of that place for good.
            self.holds_at.store(sequence.0, Ordering::Relaxed);
        }
        Some(self.code)
    }
}

/// What a finding rests on: what was read for it, and until when it holds if nothing of that changes.
#[derive(Debug, Clone, Default)]
pub struct Grounds {
    stripes: Box<[Stripe]>,
    stable_until: Option<Instant>,
}

/// Which stripes a store's reads belong to.
#[derive(Clone)]
pub struct StoreStripes {
    cache: Arc<DecisionCache>,
    store: StoreId,
}

/// The grounds of a finding while it is being made.
#[derive(Clone, Default)]
pub struct Grounding {
    /// Without it nothing is noted.
    of: Option<StoreStripes>,
    stripes: Vec<Stripe>,
    stable_until: Option<Instant>,
    /// Something is missing.
    is_incomplete: bool,
}

impl Grounding {
    /// Nothing was read so far. Without stripes no finding has grounds.
    pub fn new(of: Option<StoreStripes>) -> Self {
        Self { of, ..Self::default() }
    }

    /// The same without what was read.
    pub fn anew(&self) -> Self {
        Self::new(self.of.clone())
    }

    /// Must be told of each read.
    pub fn rest_on(&mut self, dependency: Dependency<'_>) {
        if let Some(of) = &self.of {
            self.stripes.push(of.cache.stripes.stripe(of.store, dependency));
        }
    }

    /// The finding may be another one from an instant on though nothing is written.
    pub fn hold_until(&mut self, until: Option<Instant>) {
        self.stable_until = Instant::first_of(self.stable_until, until);
    }

    /// Until when the finding holds if nothing is written; `None`: for ever.
    pub fn holds_until(&self) -> Option<Instant> {
        self.stable_until
    }

    /// It rests on what another one rests on.
    pub fn add(&mut self, other: &Self) {
        if self.stripes.len() + other.stripes.len() > DEPENDENCIES_PER_EVALUATION_MAX {
            self.is_incomplete = true;
        } else {
            self.stripes.extend_from_slice(&other.stripes);
        }
        self.is_incomplete |= other.is_incomplete;
        self.hold_until(other.stable_until);
    }

    /// It rests on all that was read for an evaluation by way of [`memo`](Self::memo); `None` where some of it is not known.
    pub fn add_reads(&mut self, stripes: Option<&[Stripe]>) {
        match stripes {
            _ if self.of.is_none() => {}
            Some(stripes) => self.stripes.extend_from_slice(stripes),
            None => self.is_incomplete = true,
        }
    }

    /// A memo that has no decisions and keeps none, for an evaluation that is to say what it reads.
    pub fn memo(&self) -> Option<impl Memo + use<>> {
        self.of.clone().map(NoDecisions)
    }

    /// The grounds, if everything is known that the finding rests on, and it is not too much.
    pub fn grounds(mut self) -> Option<Grounds> {
        if self.of.is_none() || self.is_incomplete {
            return None;
        }
        self.stripes.sort_unstable();
        self.stripes.dedup();
        if self.stripes.len() > DEPENDENCIES_PER_DECISION_MAX {
            return None;
        }
        Some(Grounds { stripes: self.stripes.into(), stable_until: self.stable_until })
    }
}

impl DecisionCache {
    /// The stripes of a store.
    pub fn stripes_of(self: &Arc<Self>, store: StoreId) -> StoreStripes {
        StoreStripes { cache: Arc::clone(self), store }
    }
}

/// See [`Grounding::memo`].
struct NoDecisions(StoreStripes);

impl Memo for NoDecisions {
    fn stripe(&self, dependency: Dependency<'_>) -> Stripe {
        self.0.cache.stripes.stripe(self.0.store, dependency)
    }

    fn find(&self, _: TupleRef<'_>, _: Room, _: &mut ReadSet) -> Option<KeptDecision> {
        None
    }

    fn keep(&self, _: TupleRef<'_>, _: KeptDecision, _: &[Stripe]) {}
}
