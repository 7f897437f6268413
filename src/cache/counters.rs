//! Numbers that every check adds to: each thread to a cell of its own as far as there are enough, so that they do not fight
//! for one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    WholeHits,
    WholeMisses,
    InnerHits,
    InnerMisses,
    Conflicts,
    Evictions,
}

const COUNTERS: usize = 6;
const LANES: usize = 16;

/// Two lines of a processor's cache, as those are fetched in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Lane([AtomicU64; COUNTERS]);

#[derive(Default)]
pub(super) struct Counters([Lane; LANES]);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
}

impl Counters {
    pub(super) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(super) fn add(&self, counter: Counter, count: u64) {
        let [first, ..] = &self.0;
        let lane = LANE.with(|lane| self.0.get(*lane)).unwrap_or(first);
        if let Some(cell) = lane.0.get(counter as usize) {
            cell.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self, counter: Counter) -> u64 {
        let cells = self.0.iter().filter_map(|lane| lane.0.get(counter as usize));
        cells.map(|cell| cell.load(Ordering::Relaxed)).sum()
    }
}
