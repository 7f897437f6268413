//! A clock that tests move.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use tenure::model::{Clock, Instant};

/// Stands still unless it is moved.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000_000_000)))
    }

    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let now = Instant::from_unix_micros(self.0.load(Ordering::SeqCst)).unwrap();
        // Whoever asked may be late with what he was told.
        hesitate();
        now
    }
}

/// Lets other threads go first, now and then.
pub fn hesitate() {
    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
    }
    let calls = CALLS.with(|calls| calls.replace(calls.get().wrapping_add(1)));
    if calls.is_multiple_of(61) {
        thread::yield_now();
    }
}
