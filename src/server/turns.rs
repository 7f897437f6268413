//! Whose turn it is: the work that takes a processor for longer than a moment, as many at once as there are processors.
//!
//! More at once would make each slower and none sooner, until all of them are too late. What comes meanwhile waits, first
//! come first served, and a burst is answered as a whole. Where more keeps coming than is done, waiting helps nobody: then
//! as many wait as are done at once, so that who is let in is answered about as soon as ever, and all others are told at
//! once, before their bodies are read. That begins when the first has waited for long and many wait (so that neither a
//! burst of small things nor a few large ones count), and ends when processors have had nothing to do for a part of a
//! window of time: a moment without work is no end, or all that come would wait for long again and again. It is the idea
//! of CoDel (Nichols, Jacobson: Controlling Queue Delay, 2012): what tells overload is a queue that stands, not one that is
//! long.
//!
//! Nothing that waits for the disk or for a client may take a turn: commits, streams and watches have limits of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Stopwatch};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::model::limits::{
    TURN_WAIT_LONG_MS, TURNS_CALM_SHARE, TURNS_CALM_WINDOW_MS, TURNS_WAITING_PER_PROCESSOR,
};

/// The turns of one server.
pub(super) struct Turns {
    at_once: usize,
    wait_max: Duration,
    /// How long the first of those who wait has to have waited before that is overload.
    long: Duration,
    /// For how long at a time it is looked whether an overload is over.
    window: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: usize,
    /// In the order in which they came. Some may be gone.
    waiting: VecDeque<Waiting>,
    /// Set while more comes than is done.
    overload: Option<Overload>,
}

/// What a window of an overload has seen so far.
struct Overload {
    window_began: Stopwatch,
    /// For how long a turn was free, before the one that is free now.
    was_free: Duration,
    free_since: Option<Stopwatch>,
}

struct Waiting {
    since: Stopwatch,
    called: oneshot::Sender<Turn>,
}

/// There is no turn for this one: more comes than is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// A turn, until it is dropped.
pub(super) struct Turn(Arc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl Turns {
    /// `at_once` turns at once; who has waited for `wait_max` has waited in vain.
    pub(super) fn new(at_once: usize, wait_max: Duration) -> Self {
        let long = Duration::from_millis(TURN_WAIT_LONG_MS);
        let window = Duration::from_millis(TURNS_CALM_WINDOW_MS);
        Self { at_once, wait_max, long, window, state: Mutex::default() }
    }

    /// Waits for a turn.
    pub(super) async fn next(self: &Arc<Self>) -> Result<Turn, Busy> {
        let called = match self.enter() {
            Entered::Now => return Ok(Turn(Arc::clone(self))),
            Entered::Later(called) => called,
            Entered::Never => return Err(Busy),
        };
        match timeout(self.wait_max, called).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    /// Whether one more would be told at once that there is no turn for it.
    pub(super) fn are_taken(&self) -> bool {
        self.state().leaves_no_room(self, Stopwatch::now())
    }

    fn enter(&self) -> Entered {
        let now = Stopwatch::now();
        let mut state = self.state();
        if state.under_way < self.at_once {
            state.under_way += 1;
            state.look_at_free_turns(self.at_once, now);
            return Entered::Now;
        }
        if state.leaves_no_room(self, now) {
            return Entered::Never;
        }
        let (sender, called) = oneshot::channel();
        state.waiting.push_back(Waiting { since: now, called: sender });
        state.look_for_overload(self, now);
        Entered::Later(called)
    }

    /// Hands a turn that is over to who has waited the longest.
    fn pass_on(self: &Arc<Self>) {
        let next = self.state().next(self.at_once);
        if let Some(next) = next {
            // Where it has just gone away, the turn comes back, and is passed on as it is dropped.
            drop(next.called.send(Turn(Arc::clone(self))));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entered {
    Now,
    Later(oneshot::Receiver<Turn>),
    Never,
}

impl State {
    /// Whether one that comes now is sent away. Looks first whether an overload is over.
    fn leaves_no_room(&mut self, turns: &Turns, now: Stopwatch) -> bool {
        if self.overload.as_mut().is_some_and(|overload| overload.is_over(turns.window, now)) {
            self.overload = None;
        }
        self.overload.is_some() && self.waiting.len() >= turns.at_once
    }

    /// Who is next. Where nobody waits, a turn is over.
    fn next(&mut self, at_once: usize) -> Option<Waiting> {
        while let Some(next) = self.waiting.pop_front() {
            if !next.called.is_closed() {
                return Some(next);
            }
        }
        self.under_way -= 1;
        if self.overload.is_some() {
            self.look_at_free_turns(at_once, Stopwatch::now());
        }
        None
    }

    /// To be called when a turn was taken or given back.
    fn look_at_free_turns(&mut self, at_once: usize, now: Stopwatch) {
        let Some(overload) = &mut self.overload else { return };
        match overload.free_since {
            None if self.under_way < at_once => overload.free_since = Some(now),
            Some(since) if self.under_way >= at_once => {
                overload.was_free += now.duration_since(since);
                overload.free_since = None;
            }
            _ => {}
        }
    }

    /// Where the first has waited for long and many wait, sends all away but the last ones.
    fn look_for_overload(&mut self, turns: &Turns, now: Stopwatch) {
        while self.waiting.front().is_some_and(|first| first.called.is_closed()) {
            self.waiting.pop_front();
        }
        let is_long = self.waiting.front().is_some_and(|first| now.duration_since(first.since) >= turns.long);
        let are_many = self.waiting.len() > TURNS_WAITING_PER_PROCESSOR * turns.at_once;
        if self.overload.is_some() || !is_long || !are_many {
            return;
        }
        // All turns are taken where one waits.
        self.overload = Some(Overload { window_began: now, was_free: Duration::ZERO, free_since: None });
        let too_many = self.waiting.len().saturating_sub(turns.at_once);
        self.waiting.drain(..too_many);
    }
}

impl Overload {
    /// Whether a turn was free for its share of the window that has ended, if one has; another one begins then.
    fn is_over(&mut self, window: Duration, now: Stopwatch) -> bool {
        let lasted = now.duration_since(self.window_began);
        if lasted < window {
            return false;
        }
        let is_free = self.free_since.map_or(Duration::ZERO, |since| now.duration_since(since));
        let is_over = self.was_free + is_free >= lasted.mul_f64(TURNS_CALM_SHARE);
        *self =
            Self { window_began: now, was_free: Duration::ZERO, free_since: self.free_since.map(|_| now) };
        is_over
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::runtime::Runtime;
    use tokio::task::JoinHandle;

    use super::*;

    /// So long that no test takes it.
    const NEVER: Duration = Duration::from_secs(3600);

    /// Whoever waits has waited for long, or nobody ever has: how quick a machine is decides nothing.
    fn turns_of(at_once: usize, long: Duration) -> Arc<Turns> {
        Arc::new(Turns { long, window: NEVER, ..Turns::new(at_once, NEVER) })
    }

    fn turns(at_once: usize) -> Arc<Turns> {
        turns_of(at_once, NEVER)
    }

    /// One that waits, after all others.
    fn waits(runtime: &Runtime, turns: &Arc<Turns>) -> JoinHandle<Result<Turn, Busy>> {
        let before = turns.state().waiting.len();
        let own = Arc::clone(turns);
        let task = runtime.spawn(async move { own.next().await });
        while turns.state().waiting.len() == before && !task.is_finished() {
            std::thread::yield_now();
        }
        task
    }

    fn now(turns: &Arc<Turns>) -> Option<Result<Turn, Busy>> {
        turns.next().now_or_never()
    }

    #[test]
    fn turns_are_taken_in_the_order_in_which_they_were_asked_for() {
        let (runtime, turns) = (Runtime::new().unwrap(), turns(1));
        let held = now(&turns).unwrap().unwrap();
        let [first, second, third] = [(); 3].map(|()| waits(&runtime, &turns));
        let _timers = runtime.enter();
        assert!(now(&turns).is_none());
        drop(held);
        let held = runtime.block_on(first).unwrap().unwrap();
        assert!(!second.is_finished());
        // One that goes away takes none.
        second.abort();
        drop(runtime.block_on(second));
        drop(held);
        drop(runtime.block_on(third).unwrap().unwrap());
        let state = turns.state();
        assert_eq!((state.under_way, state.waiting.len()), (0, 0));
    }

    #[test]
    fn however_many_come_and_go_no_turn_is_lost_or_taken_twice() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (runtime, turns) = (Runtime::new().unwrap(), turns(3));
        let under_way = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..2_000)
            .map(|n: u64| {
                let (turns, under_way) = (Arc::clone(&turns), Arc::clone(&under_way));
                runtime.spawn(async move {
                    // Some do not wait to the end.
                    let patience = Duration::from_micros(if n.is_multiple_of(3) { 50 } else { 60_000_000 });
                    let Ok(Ok(turn)) = timeout(patience, turns.next()).await else { return false };
                    assert!(under_way.fetch_add(1, Ordering::SeqCst) < 3);
                    tokio::task::yield_now().await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    drop(turn);
                    true
                })
            })
            .collect();
        // How many are sent away depends on how quick the machine is.
        let done = tasks.into_iter();
        assert!(done.map(|task| runtime.block_on(task).unwrap()).filter(|done| *done).count() > 0);
        let state = turns.state();
        assert_eq!((state.under_way, state.waiting.len()), (0, 0));
    }

    #[test]
    fn a_burst_waits_whatever_its_size() {
        let (runtime, turns) = (Runtime::new().unwrap(), turns(1));
        let held = now(&turns).unwrap().unwrap();
        let burst: Vec<_> = (0..4 * TURNS_WAITING_PER_PROCESSOR).map(|_| waits(&runtime, &turns)).collect();
        assert!(!turns.are_taken());
        drop(held);
        for task in burst {
            drop(runtime.block_on(task).unwrap().unwrap());
        }
    }

    #[test]
    fn a_queue_that_stands_is_cut_down_to_those_who_came_last() {
        let (runtime, turns) = (Runtime::new().unwrap(), turns_of(1, Duration::ZERO));
        let held = now(&turns).unwrap().unwrap();
        let early: Vec<_> = (0..TURNS_WAITING_PER_PROCESSOR).map(|_| waits(&runtime, &turns)).collect();
        assert!(!turns.are_taken(), "a few that wait for long are no overload");
        let last = waits(&runtime, &turns);
        for task in early {
            assert_eq!(runtime.block_on(task).unwrap().err(), Some(Busy));
        }
        assert!(turns.are_taken());
        assert_eq!(now(&turns).unwrap().err(), Some(Busy));
        // It goes on while there is always one who waits.
        drop(held);
        let held = runtime.block_on(last).unwrap().unwrap();
        assert!(!turns.are_taken());
        let next = waits(&runtime, &turns);
        assert_eq!(now(&turns).unwrap().err(), Some(Busy));
        drop(held);
        drop(runtime.block_on(next).unwrap().unwrap());
        // A moment in which nobody waits is not its end.
        let held = now(&turns).unwrap().unwrap();
        let next = waits(&runtime, &turns);
        assert_eq!(now(&turns).unwrap().err(), Some(Busy));
        drop(held);
        drop(runtime.block_on(next).unwrap().unwrap());
    }

    #[test]
    fn an_overload_is_over_when_a_turn_was_free_for_its_share_of_a_window() {
        let turns = Turns { window: Duration::from_millis(100), ..Turns::new(2, NEVER) };
        let began = Stopwatch::now();
        let at = |ms| began + Duration::from_millis(ms);
        // Whether it is over after two windows, the second of which had a turn free from `from` to `to`, if that came.
        let is_over = |from, to: Option<u64>| {
            let mut overload = Overload { window_began: began, was_free: Duration::ZERO, free_since: None };
            assert!(!overload.is_over(turns.window, at(99)) && !overload.is_over(turns.window, at(100)));
            let mut state = State { under_way: 2, overload: Some(overload), ..State::default() };
            assert!(state.next(2).is_none());
            assert_eq!((state.under_way, state.overload.as_ref().unwrap().free_since.is_some()), (1, true));
            state.overload.as_mut().unwrap().free_since = Some(at(from));
            if let Some(to) = to {
                state.under_way = 2;
                state.look_at_free_turns(2, at(to));
            }
            let has_room = !state.leaves_no_room(&turns, at(199));
            assert!(state.overload.is_some() && has_room, "before the window ends, with nobody waiting");
            state.leaves_no_room(&turns, at(200));
            state.overload.is_none()
        };
        assert!(!is_over(100, Some(119)) && !is_over(181, None));
        assert!(is_over(100, Some(120)) && is_over(180, None));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let runtime = Runtime::new().unwrap();
        let turns = Arc::new(Turns::new(1, Duration::from_millis(1)));
        let held = now(&turns).unwrap().unwrap();
        let own = Arc::clone(&turns);
        assert_eq!(runtime.block_on(async move { own.next().await }).err(), Some(Busy));
        drop(held);
        assert!(matches!(now(&turns), Some(Ok(_))));
    }
}
