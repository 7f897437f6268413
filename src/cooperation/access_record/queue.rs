//! From checks to the thread that records them: bounded, and cheap for the checks.
//!
//! Each thread that checks puts into a lane of its own, as far as there are enough, under a lock that nobody else wants but for
//! as long as it takes to exchange two lists. It wakes nobody, unless the consumer has gone to sleep for want of
//! checks: that looks by itself every few milliseconds.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Stopwatch};

use crate::model::limits::{CHECKS_UNRECORDED_IN_SHORT_MAX, CHECKS_UNRECORDED_MAX};
use crate::model::{Instant, Revision};

/// How often the consumer looks while there are checks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// So often it looks in vain before it goes to sleep.
const IDLE_LOOKS: u32 = 20;
const LANES: usize = 16;
/// How long room is waited for: longer than any commit takes on a disk that works, and not for as long as one that hangs
/// does, for whoever waits keeps a turn from other checks.
const ROOM_AWAITED_MAX: Duration = Duration::from_secs(1);

/// A check that was remarked on, decided once more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brief {
    pub(super) code: u64,
    pub(super) at: Instant,
    pub(super) revision: Revision,
}

/// A bounded queue with one consumer, who takes all there is at once: items, and what is told in short.
pub(super) struct Queue<T> {
    lanes: [Lane<T>; LANES],
    /// Items in all lanes.
    items: AtomicUsize,
    /// The consumer sleeps until it is woken.
    asleep: AtomicBool,
    /// Room was waited for in vain: until the consumer comes back nobody else waits.
    stuck: AtomicBool,
    /// Items that there was no room for since the consumer was here.
    missed: AtomicU64,
    state: Mutex<State>,
    /// For the consumer: there is something to do.
    work: Condvar,
    /// For producers: there is room; for those who wait for the consumer: it has done something.
    done: Condvar,
}

/// Two lines of a processor's cache, as those are fetched in pairs.
#[repr(align(128))]
struct Lane<T>(Mutex<Waiting<T>>);

struct Waiting<T> {
    items: Vec<T>,
    briefs: Vec<Brief>,
    /// Nothing is taken any more.
    closed: bool,
}

#[derive(Default)]
struct State {
    /// How often somebody asked to have everything dealt with, and up to which time that is done.
    asked: u64,
    settled: u64,
    /// No more is to be taken.
    closed: bool,
    /// The consumer is gone.
    ended: bool,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    /// The consumer made no room in time. `first` of those since it was here.
    NoRoom {
        first: bool,
    },
    /// The queue is closed.
    Closed,
}

/// What the consumer is given.
pub(super) struct Taken<T> {
    pub(super) items: Vec<T>,
    /// By lane.
    pub(super) briefs: [Vec<Brief>; LANES],
    /// The last time that somebody asked to have everything dealt with, which this is all of.
    asked: u64,
    /// It is to be dealt with at once.
    pub(super) hurry: bool,
    /// Items that there was no room for.
    pub(super) missed: u64,
    /// Nothing comes any more.
    pub(super) closed: bool,
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            briefs: Default::default(),
            asked: 0,
            hurry: false,
            missed: 0,
            closed: false,
        }
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let lane = || Lane(Mutex::new(Waiting { items: Vec::new(), briefs: Vec::new(), closed: false }));
        Self {
            lanes: std::array::from_fn(|_| lane()),
            items: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            missed: AtomicU64::new(0),
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Whether nobody would wait who puts an item in now.
    pub(super) fn waits_for_nobody(&self) -> bool {
        self.has_room() || self.stuck.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.items.load(Ordering::Relaxed) < CHECKS_UNRECORDED_MAX
    }

    /// Puts in what is told in short. Never waits for the consumer. Whether it was taken: it is not where there is no room, nor
    /// once the queue is closed.
    pub(super) fn put_brief(&self, brief: Brief) -> bool {
        let mut waiting = self.lane();
        if waiting.closed || waiting.briefs.len() >= CHECKS_UNRECORDED_IN_SHORT_MAX {
            return false;
        }
        waiting.briefs.push(brief);
        drop(waiting);
        self.wake();
        true
    }

    /// Puts an item in; waits a while where the queue is full.
    pub(super) fn put(&self, item: T) -> Put {
        let began = Stopwatch::now();
        while !self.has_room() {
            if self.stuck.load(Ordering::Relaxed) || began.elapsed() >= ROOM_AWAITED_MAX {
                self.stuck.store(true, Ordering::Relaxed);
                return Put::NoRoom { first: self.missed.fetch_add(1, Ordering::Relaxed) == 0 };
            }
            let state = self.state();
            if state.closed {
                return Put::Closed;
            }
            self.work.notify_one();
            // Not for longer than the consumer takes to look: it may have made room before this began to wait.
            drop(self.done.wait_timeout(state, LOOK_EVERY));
        }
        let mut waiting = self.lane();
        if waiting.closed {
            return Put::Closed;
        }
        waiting.items.push(item);
        self.items.fetch_add(1, Ordering::Relaxed);
        drop(waiting);
        self.wake();
        Put::Taken
    }

    /// Wakes the consumer if it sleeps. It says so before it looks into the lanes for the last time, and what is put in after
    /// that look sees it, for it has had the lane's lock after it.
    fn wake(&self) {
        if self.asleep.load(Ordering::Relaxed) {
            // It may be about to wait, with the lock in its hands.
            let _state = self.state();
            self.asleep.store(false, Ordering::Relaxed);
            self.work.notify_one();
        }
    }

    /// Takes everything into `taken`, which is empty; waits a little if there is nothing, and for long if there was nothing for
    /// a while, `idle_max` at most. `owing` is whether the consumer has something of its own to come back to soon.
    pub(super) fn take(&self, taken: &mut Taken<T>, owing: bool, idle_max: Duration) {
        let mut state = self.state();
        let mut looks = 0;
        // A first wait even where there is something, so that more comes together.
        while state.asked == state.settled && !state.closed {
            if looks > 0 && (owing || self.has_any()) {
                break;
            }
            if looks <= IDLE_LOOKS {
                state = self.wait(state, LOOK_EVERY);
            } else {
                self.asleep.store(true, Ordering::Relaxed);
                if !self.has_any() {
                    state = self.wait(state, idle_max);
                }
                if self.asleep.swap(false, Ordering::Relaxed) {
                    break;
                }
            }
            looks += 1;
        }
        taken.asked = state.asked;
        taken.hurry = state.asked > state.settled;
        taken.closed = state.closed;
        drop(state);
        for (lane, briefs) in self.lanes.iter().zip(&mut taken.briefs) {
            let mut waiting = lane.lock();
            std::mem::swap(&mut waiting.briefs, briefs);
            taken.items.append(&mut waiting.items);
            waiting.closed |= taken.closed;
        }
        self.items.fetch_sub(taken.items.len(), Ordering::Relaxed);
        taken.missed = self.missed.swap(0, Ordering::Relaxed);
        self.stuck.store(false, Ordering::Relaxed);
        self.done.notify_all();
    }

    /// Everything is dealt with that was taken.
    pub(super) fn settled(&self, taken: &Taken<T>) {
        if taken.hurry {
            self.state().settled = taken.asked;
            self.done.notify_all();
        }
    }

    /// Returns when everything is dealt with that was put in before, or the consumer is gone.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.asked += 1;
        let asked = state.asked;
        while state.settled < asked && !state.ended {
            self.work.notify_one();
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more; the consumer is given what there is.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.work.notify_all();
        self.done.notify_all();
    }

    /// The consumer goes: nobody waits for it any more. Answers how much was left.
    pub(super) fn end(&self) -> usize {
        let mut left = 0;
        for lane in &self.lanes {
            let mut waiting = lane.lock();
            waiting.closed = true;
            // What is left keeps snapshots.
            let gone = (std::mem::take(&mut waiting.items), std::mem::take(&mut waiting.briefs));
            drop(waiting);
            left += gone.0.len() + gone.1.len();
        }
        let mut state = self.state();
        state.closed = true;
        state.ended = true;
        drop(state);
        self.done.notify_all();
        left
    }

    fn has_any(&self) -> bool {
        self.lanes.iter().any(|lane| {
            let waiting = lane.lock();
            !waiting.items.is_empty() || !waiting.briefs.is_empty()
        })
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State>, longest: Duration) -> MutexGuard<'g, State> {
        self.work.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The lane of this thread.
    fn lane(&self) -> MutexGuard<'_, Waiting<T>> {
        let [first, ..] = &self.lanes;
        LANE.with(|lane| self.lanes.get(*lane)).unwrap_or(first).lock()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lane<T> {
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_hangs_does_not_hold_up_those_who_put_in() {
        let queue = Queue::new();
        assert!((0..CHECKS_UNRECORDED_MAX).all(|item| queue.put(item) == Put::Taken));
        assert!(!queue.waits_for_nobody());
        assert_eq!(queue.put(0), Put::NoRoom { first: true }, "after a while");
        assert!(queue.waits_for_nobody());
        assert!((0..100).all(|item| queue.put(item) == Put::NoRoom { first: false }));
        let mut taken = Taken::default();
        queue.take(&mut taken, true, Duration::ZERO);
        assert_eq!((taken.items.len(), taken.missed), (CHECKS_UNRECORDED_MAX, 101));
        assert_eq!(queue.put(0), Put::Taken);
        assert_eq!(queue.missed.load(Ordering::Relaxed), 0);
        queue.close();
        queue.take(&mut Taken::default(), true, Duration::ZERO);
        assert_eq!(queue.put(0), Put::Closed);
    }
}
