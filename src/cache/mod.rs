//! Decisions, kept together with what they were read from, and used only where they are provably what an evaluation would
//! decide now.
//!
//! An entry says the place in the sequence of commits (`sequence`) and the instant (`computed_at`) that it was decided at,
//! up to when time leaves it as it is, and the stripes of everything that was read for it. Commits mark the stripes of what
//! they change *before* they become visible. A query fixes its snapshot first and looks at the stripes after that; an entry
//! serves it only if
//!
//! - none of its stripes has a mark beyond both the entry's place and the snapshot's: then nothing that was read changed
//!   between the two, whichever is the newer one. Two dependencies that share a stripe cost a decision, never a wrong one.
//!   The entry remembers the newest place up to which that was found, so that it is looked into once for each commit;
//! - `computed_at` ≤ the query's instant < `stable_until`;
//! - it took no more hops and reads than are left.
//!
//! Nothing here may evaluate, know of HTTP, or take an entry for good because it was good before. Entries are compared by
//! their whole keys, never by a hash alone.
//!
//! - `stripes`: what was changed last, by hash. `key`: whose decision an entry is.
//! - `entries`: the map of decisions, bounded in bytes. `flights`: what is being decided now. `counters`: what is counted.
//! - `remark`: what somebody found out about a question, kept with its decision.

mod counters;
mod entries;
mod flights;
mod key;
mod remark;
mod stripes;
#[cfg(test)]
mod tests;

pub use key::Scope;
pub use remark::{Grounding, Grounds, Remark, StoreStripes};

use std::sync::Arc;

use tracing::field::Empty;
use tracing::trace_span;

use crate::eval::{KeptDecision, Memo, ReadSet, Room, Stripe};
use crate::model::limits::DEPENDENCIES_PER_DECISION_MAX;
use crate::model::{Instant, StoreId, TRACE_TARGET, TupleKey, TupleRef};
use crate::store::{CommitObserver, CommitSequence};
use counters::{Counter, Counters};
use entries::{Entries, Entry};
use flights::{Flights, Turn};
use stripes::Stripes;

/// The decisions of one database, in a bounded number of bytes. It must be told of every commit of that database
/// ([`CommitObserver`]) from before the first snapshot on that it is asked for.
pub struct DecisionCache {
    stripes: Stripes,
    entries: Entries,
    flights: Flights,
    counters: Counters,
}

/// What the cache has done so far, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStatistics {
    /// Whole decisions that were served.
    pub whole_hits: u64,
    /// How often a whole decision was looked for and was not there, or did not serve. Of one check there may be up to three:
    /// before it is handed to another thread, there, and after waiting for somebody who decided the same.
    pub whole_misses: u64,
    /// Inner decisions that were served.
    pub inner_hits: u64,
    /// How often an inner decision was looked for and was not there, or did not serve.
    pub inner_misses: u64,
    /// Of both kinds of misses, those of entries that something they rest on, or that shares its stripe, has changed since.
    pub stripe_conflicts: u64,
    /// Entries that had to make room for others.
    pub evictions: u64,
    /// Memory of all entries now, in bytes, by estimate.
    pub bytes: u64,
    /// Entries now.
    pub entries: u64,
}

impl DecisionCache {
    /// An empty cache of at most `bytes_max` bytes, by estimate, beside its fixed table of stripes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            stripes: Stripes::new(),
            entries: Entries::new(bytes_max),
            flights: Flights::default(),
            counters: Counters::default(),
        }
    }

    /// The decisions that hold for queries of `scope` on a snapshot at the place `sequence`, at the instant `at`. The
    /// snapshot was taken before this is called, and the clock was asked after that.
    pub fn view(&self, scope: Scope, sequence: CommitSequence, at: Instant) -> View<'_> {
        View { cache: self, scope, sequence, at }
    }

    /// Keeps a remark with the decision of a question, in the place of another one, where a decision to `allowed` is kept.
    /// Whether it is kept: then for as long as the decision is, or until there is another remark.
    pub fn remark(&self, scope: Scope, question: TupleRef<'_>, allowed: bool, remark: &Arc<Remark>) -> bool {
        let takes = |entry: &Entry| entry.kept.decision.allowed == allowed;
        let (kept, evicted) = self.entries.remark(&scope.key(question), takes, Arc::clone(remark));
        self.counters.add(Counter::Evictions, evicted);
        kept
    }

    /// What it has done so far.
    pub fn statistics(&self) -> CacheStatistics {
        let count = |counter| self.counters.sum(counter);
        CacheStatistics {
            whole_hits: count(Counter::WholeHits),
            whole_misses: count(Counter::WholeMisses),
            inner_hits: count(Counter::InnerHits),
            inner_misses: count(Counter::InnerMisses),
            stripe_conflicts: count(Counter::Conflicts),
            evictions: count(Counter::Evictions),
            bytes: self.entries.bytes(),
            entries: self.entries.count(),
        }
    }
}

impl CommitObserver for DecisionCache {
    fn committing(&self, sequence: CommitSequence, tuples: &[(StoreId, TupleKey)]) {
        for (store, key) in tuples {
            self.stripes.mark(*store, key.as_ref(), sequence);
        }
    }

    fn committed(&self, _: &[StoreId]) {}
}

/// What a look at an entry comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Serves,
    /// Not at this instant, or not in this room.
    Unfit,
    /// Something that it rests on may have changed.
    Conflict,
}

/// The cache as queries at one revision and one instant see it.
pub struct View<'c> {
    cache: &'c DecisionCache,
    scope: Scope,
    /// Of the snapshot.
    sequence: CommitSequence,
    at: Instant,
}

impl View<'_> {
    /// A whole decision: `kept` of the one that is kept and serves, else what `compute` comes to, which has it kept by way of
    /// this view's [`Memo`]. Of those who ask the same at the same time one computes; the others wait for it and then look
    /// whether what it has kept serves them too.
    ///
    /// `kept` is told the code of the decision's remark, if that holds too, and is called while the entry is held: as long
    /// as it has not returned, neither can go. It must not wait, nor ask the cache.
    pub fn decide<T>(
        &self,
        question: TupleRef<'_>,
        room: Room,
        kept: impl Fn(KeptDecision, Option<u64>) -> T,
        compute: impl FnOnce() -> T,
    ) -> T {
        let key = self.scope.key(question);
        if let Some(found) = self.look_whole(&key, room, &kept) {
            return found;
        }
        let _leading = match self.cache.flights.join(&key) {
            Turn::Lead(lead) => Some(lead),
            Turn::Landed => match self.look_whole(&key, room, &kept) {
                Some(found) => return found,
                None => None,
            },
        };
        compute()
    }

    /// [`decide`](Self::decide), but waits for nobody: `None` where somebody else decides it now.
    pub fn decide_at_once<T>(
        &self,
        question: TupleRef<'_>,
        room: Room,
        kept: impl Fn(KeptDecision, Option<u64>) -> T,
        compute: impl FnOnce() -> T,
    ) -> Option<T> {
        let key = self.scope.key(question);
        if let Some(found) = self.look_whole(&key, room, kept) {
            return Some(found);
        }
        let _leading = self.cache.flights.try_lead(&key)?;
        Some(compute())
    }

    /// What `kept` makes of the entry of a whole decision, if it serves.
    fn look_whole<T>(
        &self,
        key: &[u8],
        room: Room,
        kept: impl Fn(KeptDecision, Option<u64>) -> T,
    ) -> Option<T> {
        let traced = trace_span!(target: TRACE_TARGET, "cache", tenure.hit = Empty).entered();
        let found = self.look(key, room, [Counter::WholeHits, Counter::WholeMisses], |entry| {
            let remark = entry.remark.as_ref();
            kept(entry.kept, remark.and_then(|remark| remark.at(self.sequence, self.at, self.unchanged())))
        });
        traced.record("tenure.hit", found.is_some());
        found
    }

    /// What `used` makes of the entry of a key, if it serves.
    fn look<T>(
        &self,
        key: &[u8],
        room: Room,
        [hits, misses]: [Counter; 2],
        used: impl FnOnce(&Entry) -> T,
    ) -> Option<T> {
        let counters = &self.cache.counters;
        let found = self.cache.entries.look(key, |entry| {
            let verdict = self.judge(entry, room);
            if verdict == Verdict::Conflict {
                counters.count(Counter::Conflicts);
            }
            (verdict == Verdict::Serves).then(|| used(entry))
        });
        counters.count(if found.is_some() { hits } else { misses });
        found
    }

    /// Whether a stripe has no mark beyond a place.
    fn unchanged(&self) -> impl Fn(&Stripe, CommitSequence) -> bool {
        |stripe, place| self.cache.stripes.changed_last(*stripe) <= place
    }

    /// The rule of use.
    fn judge(&self, entry: &Entry, room: Room) -> Verdict {
        let ended = entry.kept.decision.stable_until.is_some_and(|end| end <= self.at);
        if self.at < entry.computed_at || ended || !room.holds(&entry.kept) {
            return Verdict::Unfit;
        }
        if entry.holds_at(self.sequence, self.unchanged()) { Verdict::Serves } else { Verdict::Conflict }
    }
}

impl Memo for View<'_> {
    fn stripe(&self, dependency: crate::eval::Dependency<'_>) -> Stripe {
        self.cache.stripes.stripe(self.scope.store, dependency)
    }

    fn find(&self, question: TupleRef<'_>, room: Room, reads: &mut ReadSet) -> Option<KeptDecision> {
        let key = self.scope.key(question);
        self.look(&key, room, [Counter::InnerHits, Counter::InnerMisses], |entry| {
            reads.add(&entry.stripes);
            entry.kept
        })
    }

    fn keep(&self, question: TupleRef<'_>, kept: KeptDecision, stripes: &[Stripe]) {
        let mut stripes = stripes.to_vec();
        stripes.sort_unstable();
        stripes.dedup();
        if stripes.len() > DEPENDENCIES_PER_DECISION_MAX {
            return;
        }
        // No inner decision that it rests on was made at a later instant: none such serves.
        let entry = Entry::new(kept, self.sequence, self.at, stripes.into());
        let evicted = self.cache.entries.put(&self.scope.key(question), entry);
        self.cache.counters.add(Counter::Evictions, evicted);
    }
}
