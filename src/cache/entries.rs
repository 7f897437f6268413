//! The map of decisions, bounded in bytes.
//!
//! Who looks takes one shard's lock for reading, and no more. Who puts one in makes room for it: entries stand in queues in
//! the order in which they came; the first one goes, unless it was used since it last stood there, which sends it to the
//! queue's end once more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;

use super::remark::Remark;
use crate::eval::{KeptDecision, Stripe};
use crate::model::Instant;
use crate::store::CommitSequence;

/// Parts of the map, each with its own lock.
const SHARDS: usize = 64;
/// Queues, each with its own lock.
const QUEUES: usize = 16;
/// Used entries that are spared in a row at the most, so that putting one in takes a bounded time.
const SPARED_MAX: usize = 32;
/// What an entry takes beside its key and its stripes, in bytes: its places in the map and in the queue, the share of both
/// that stands empty, and what three allocations take for themselves.
const ENTRY_BYTES: usize = 3 * size_of::<Entry>() / 2 + 4 * size_of::<Arc<[u8]>>() + 64;

/// A decision with what it rests on.
pub(super) struct Entry {
    pub(super) kept: KeptDecision,
    /// Of the snapshot that it was decided on.
    pub(super) sequence: CommitSequence,
    pub(super) computed_at: Instant,
    /// Sorted, each once.
    pub(super) stripes: Box<[Stripe]>,
    /// What was found out about it.
    pub(super) remark: Option<Arc<Remark>>,
    /// The last place in the sequence of commits that it was found to hold at: from its own up to here nothing changed.
    holds_to: AtomicU64,
    /// Whether it served since it last stood at the front of its queue.
    used: AtomicBool,
}

impl Entry {
    pub(super) fn new(
        kept: KeptDecision,
        sequence: CommitSequence,
        computed_at: Instant,
        stripes: Box<[Stripe]>,
    ) -> Self {
        let holds_to = AtomicU64::new(sequence.0);
        Self { kept, sequence, computed_at, stripes, remark: None, holds_to, used: AtomicBool::new(false) }
    }

    /// Whether nothing that it rests on changed between its place in the sequence of commits and that of a snapshot.
    pub(super) fn holds_at(
        &self,
        sequence: CommitSequence,
        unchanged: impl Fn(&Stripe, CommitSequence) -> bool,
    ) -> bool {
        // Nothing is ordered by it: what was found to hold between two places does for good.
        if (self.sequence.0..=self.holds_to.load(Ordering::Relaxed)).contains(&sequence.0) {
            return true;
        }
        let both_have = self.sequence.min(sequence);
        let holds = self.stripes.iter().all(|stripe| unchanged(stripe, both_have));
        if holds {
            self.holds_to.fetch_max(sequence.0, Ordering::Relaxed);
        }
        holds
    }

    fn bytes(&self, key: &[u8]) -> usize {
        let remark = self.remark.as_ref().map_or(0, |remark| remark.bytes());
        ENTRY_BYTES + key.len() + size_of_val(&*self.stripes) + remark
    }

    fn is_newer_than(&self, other: &Self) -> bool {
        (self.sequence, self.computed_at) > (other.sequence, other.computed_at)
    }
}

type Key = Arc<[u8]>;

pub(super) struct Entries {
    map: DashMap<Key, Entry, DefaultHashBuilder>,
    /// Each key of the map stands in one queue once, but for a moment while it is put in or goes.
    queues: [Mutex<VecDeque<Key>>; QUEUES],
    /// Whose turn it is to take an entry, and to let one go: each goes around by itself, so that all stay as long.
    takes: AtomicUsize,
    lets_go: AtomicUsize,
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Entries {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            map: DashMap::with_hasher_and_shard_amount(DefaultHashBuilder::default(), SHARDS),
            queues: Default::default(),
            takes: AtomicUsize::new(0),
            lets_go: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(u64::MAX)
    }

    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.map.len()).unwrap_or(u64::MAX)
    }

    /// What the entries take now, one by one.
    #[cfg(test)]
    pub(super) fn bytes_counted_anew(&self) -> u64 {
        self.map.iter().map(|entry| u64::try_from(entry.bytes(entry.key())).unwrap_or(u64::MAX)).sum()
    }

    /// What `look` makes of the entry of a key, if there is one; where that is something, the entry was of use.
    pub(super) fn look<T>(&self, key: &[u8], look: impl FnOnce(&Entry) -> Option<T>) -> Option<T> {
        let entry = self.map.get(key)?;
        let found = look(&entry);
        // Most have been used before; what is not written to is not fought for.
        if found.is_some() && !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        found
    }

    /// Puts an entry in, unless a newer one is there, and lets others go until all fit. Answers how many went.
    pub(super) fn put(&self, key: &[u8], entry: Entry) -> u64 {
        let bytes = entry.bytes(key);
        if let Some(mut own) = self.map.get_mut(key) {
            if own.is_newer_than(&entry) {
                return 0;
            }
            // It is asked for again.
            entry.used.store(true, Ordering::Relaxed);
            let before = std::mem::replace(&mut *own, entry).bytes(key);
            self.count_bytes(bytes, before);
        } else {
            let key: Key = key.into();
            let before = self.map.insert(Arc::clone(&key), entry);
            self.count_bytes(bytes, before.as_ref().map_or(0, |before| before.bytes(&key)));
            if before.is_none() {
                self.queue(next(&self.takes)).push_back(key);
            }
        }
        self.make_room()
    }

    /// Puts a remark to the entry of a key, in the place of one that was there, where the entry is one that `takes` it. Answers
    /// whether it did, and how many entries went for it.
    pub(super) fn remark(
        &self,
        key: &[u8],
        takes: impl FnOnce(&Entry) -> bool,
        remark: Arc<Remark>,
    ) -> (bool, u64) {
        let Some(mut entry) = self.map.get_mut(key).filter(|entry| takes(entry)) else { return (false, 0) };
        let before = entry.bytes(key);
        entry.remark = Some(remark);
        self.count_bytes(entry.bytes(key), before);
        drop(entry);
        (true, self.make_room())
    }

    fn count_bytes(&self, more: usize, less: usize) {
        self.bytes.fetch_add(more, Ordering::Relaxed);
        self.bytes.fetch_sub(less, Ordering::Relaxed);
    }

    /// Lets entries go until all fit.
    fn make_room(&self) -> u64 {
        let (mut gone, mut empty) = (0, 0);
        while self.bytes.load(Ordering::Relaxed) > self.bytes_max && empty < QUEUES {
            let Some(key) = self.victim(next(&self.lets_go)) else {
                empty += 1;
                continue;
            };
            if let Some((key, entry)) = self.map.remove(&key) {
                self.count_bytes(0, entry.bytes(&key));
                gone += 1;
            }
        }
        gone
    }

    /// Takes the first key of a queue whose entry was not used, or the first after some that were.
    fn victim(&self, queue: usize) -> Option<Key> {
        for _ in 0..SPARED_MAX {
            let key = self.queue(queue).pop_front()?;
            let used = self.map.get(&key).is_some_and(|entry| entry.used.swap(false, Ordering::Relaxed));
            if !used {
                return Some(key);
            }
            self.queue(queue).push_back(key);
        }
        self.queue(queue).pop_front()
    }

    /// Never while an entry is held: whoever has a queue may ask for one.
    fn queue(&self, index: usize) -> std::sync::MutexGuard<'_, VecDeque<Key>> {
        let [first, ..] = &self.queues;
        self.queues.get(index).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue whose turn it is.
fn next(turn: &AtomicUsize) -> usize {
    turn.fetch_add(1, Ordering::Relaxed) % QUEUES
}
