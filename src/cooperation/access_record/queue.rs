//! From checks to the thread that records them: bounded, and cheap for the checks.
//!
//! A check takes a lock for as long as it takes to put something at the end of a list. It wakes nobody, unless the thread has
//! gone to sleep for want of checks: the thread looks by itself every few milliseconds.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the thread looks while there are checks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// So often it looks in vain before it goes to sleep.
const IDLE_LOOKS: u32 = 20;

/// A bounded queue with one consumer, who takes all there is at once.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// For the consumer: there is something to do.
    work: Condvar,
    /// For producers: there is room; for those who wait for the consumer: it has done something.
    done: Condvar,
    items_max: usize,
}

struct State<T> {
    items: Vec<T>,
    /// The consumer sleeps until it is woken.
    asleep: bool,
    /// Items that were ever put in, and those of them that are dealt with.
    put: u64,
    dealt_with: u64,
    /// Somebody waits until everything is dealt with that was put in so far.
    hurry: bool,
    /// No more items are taken.
    closed: bool,
    /// The consumer is gone.
    ended: bool,
}

/// What the consumer is given.
pub(super) struct Taken<T> {
    pub(super) items: Vec<T>,
    /// What was taken is to be dealt with at once.
    pub(super) hurry: bool,
    /// Nothing comes any more.
    pub(super) closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(items_max: usize) -> Self {
        let state = State {
            items: Vec::new(),
            asleep: false,
            put: 0,
            dealt_with: 0,
            hurry: false,
            closed: false,
            ended: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), done: Condvar::new(), items_max }
    }

    /// Puts an item in; waits while the queue is full. Whether it was taken: it is not once the queue is closed.
    pub(super) fn put(&self, item: T) -> bool {
        let mut state = self.lock();
        while state.items.len() >= self.items_max && !state.closed {
            self.work.notify_one();
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        state.items.push(item);
        state.put += 1;
        if state.asleep {
            state.asleep = false;
            self.work.notify_one();
        }
        true
    }

    /// Takes everything; waits a little if there is nothing, and for long if there was nothing for a while, `idle_max` at
    /// most. `owing` is whether the consumer has something of its own to come back to soon;
    /// `spare` is empty, and takes the place of what is taken.
    pub(super) fn take(&self, spare: Vec<T>, owing: bool, idle_max: Duration) -> Taken<T> {
        let mut state = self.lock();
        let mut looks = 0;
        // A first wait even where there is something, so that more comes together.
        loop {
            if state.hurry || state.closed || state.items.len() >= self.items_max {
                break;
            }
            if looks > 0 && (!state.items.is_empty() || owing) {
                break;
            }
            if looks > IDLE_LOOKS && !state.asleep {
                state.asleep = true;
                state = self.wait(state, idle_max);
                let idle = state.asleep;
                state.asleep = false;
                if idle {
                    break;
                }
            } else {
                state = self.wait(state, LOOK_EVERY);
            }
            looks += 1;
        }
        let items = std::mem::replace(&mut state.items, spare);
        let (hurry, closed) = (state.hurry, state.closed);
        state.hurry = false;
        drop(state);
        self.done.notify_all();
        Taken { items, hurry, closed }
    }

    /// So many of those taken are dealt with.
    pub(super) fn dealt_with(&self, items: u64) {
        if items > 0 {
            self.lock().dealt_with += items;
            self.done.notify_all();
        }
    }

    /// Returns when everything is dealt with that was put in before, or the consumer is gone.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        let put = state.put;
        while state.dealt_with < put && !state.ended {
            state.hurry = true;
            self.work.notify_one();
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more items; the consumer is given what there is.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.done.notify_all();
    }

    /// The consumer goes: nobody waits for it any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        // What is left keeps snapshots.
        let left = std::mem::take(&mut state.items);
        drop(state);
        drop(left);
        self.done.notify_all();
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State<T>>, longest: Duration) -> MutexGuard<'g, State<T>> {
        let waited = self.work.wait_timeout(state, longest);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
