//! How much one caller may ask, and how much it asks at present: without a lock, by the clock that is passed in.
//!
//! The rate is held by the generic cell rate algorithm, in its form of virtual scheduling (ITU-T I.371, annex A; ATM Forum
//! TM 4.0, section 4.4.2): one number says when the next request would be due if all came evenly. A second's worth may
//! come at once. `governor` has the same algorithm, and reads a clock of its own for each decision.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::model::Instant;

const NS_PER_S: u64 = 1_000_000_000;
/// How far requests may come ahead of the even rate, in nanoseconds.
const AHEAD_MAX_NS: u64 = NS_PER_S;

/// How much a caller may ask; `None`: as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallerLimits {
    /// Requests in a second.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests under way at once, streams included for as long as they last.
    pub concurrent_requests: Option<NonZeroU32>,
}

impl CallerLimits {
    /// These, and where there is none that of `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            requests_per_second: self.requests_per_second.or(others.requests_per_second),
            concurrent_requests: self.concurrent_requests.or(others.concurrent_requests),
        }
    }
}

/// A limit that one more request would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// Too many within a second.
    Rate {
        /// How many may come in a second.
        per_second: NonZeroU32,
        /// Seconds after which there is room for one.
        wait_s: u64,
    },
    /// Too many under way.
    Concurrency {
        /// How many may be.
        most: NonZeroU32,
    },
}

/// What one caller asks at present.
#[derive(Debug, Default)]
pub struct Usage {
    /// When the next request is due by the even rate, in nanoseconds since the Unix epoch.
    due_ns: AtomicU64,
    under_way: AtomicU32,
}

impl Usage {
    /// One more request at `now`; it is under way until what is returned is dropped. One that is refused counts for nothing.
    pub fn begin(self: &Arc<Self>, limits: CallerLimits, now: Instant) -> Result<Option<UnderWay>, Exceeded> {
        let CallerLimits { requests_per_second, concurrent_requests } = limits;
        let under_way = concurrent_requests.map(|most| self.enter(most)).transpose()?;
        if let Some(per_second) = requests_per_second {
            self.count(per_second, now)?;
        }
        Ok(under_way)
    }

    fn enter(self: &Arc<Self>, most: NonZeroU32) -> Result<UnderWay, Exceeded> {
        let one_more = |under_way: u32| (under_way < most.get()).then_some(under_way + 1);
        match self.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(UnderWay(Arc::clone(self))),
            Err(_) => Err(Exceeded::Concurrency { most }),
        }
    }

    fn count(&self, per_second: NonZeroU32, now: Instant) -> Result<(), Exceeded> {
        let apart_ns = NS_PER_S / u64::from(per_second.get());
        let now_ns = u64::try_from(now.unix_micros()).unwrap_or_default().saturating_mul(1000);
        let latest_ns = now_ns.saturating_add(AHEAD_MAX_NS);
        let after_this = |due_ns: u64| due_ns.max(now_ns).saturating_add(apart_ns);
        let next = |due_ns: u64| Some(after_this(due_ns)).filter(|next_ns| *next_ns <= latest_ns);
        match self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(due_ns) => {
                let wait_ns = after_this(due_ns).saturating_sub(latest_ns);
                Err(Exceeded::Rate { per_second, wait_s: wait_ns.div_ceil(NS_PER_S) })
            }
        }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct UnderWay(Arc<Usage>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn rate(per_second: u32) -> CallerLimits {
        CallerLimits { requests_per_second: NonZeroU32::new(per_second), concurrent_requests: None }
    }

    fn concurrency(most: u32) -> CallerLimits {
        CallerLimits { requests_per_second: None, concurrent_requests: NonZeroU32::new(most) }
    }

    /// How many of many requests are let in.
    fn admitted(usage: &Arc<Usage>, limits: CallerLimits, now: Instant) -> usize {
        (0..5_000).take_while(|_| usage.begin(limits, now).is_ok()).count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_the_rest_comes_evenly() {
        let start = at("2026-01-01T00:00:00Z");
        for per_second in [1, 3, 10, 999, 1_000] {
            let (usage, limits) = (Arc::default(), rate(per_second));
            assert_eq!(admitted(&usage, limits, start), per_second as usize);
            let refused = usage.begin(limits, start).unwrap_err();
            let per = NonZeroU32::new(per_second).unwrap();
            assert_eq!(refused, Exceeded::Rate { per_second: per, wait_s: 1 });
            let apart = i64::from(1_000_000 / per_second);
            assert_eq!(admitted(&usage, limits, start.saturating_add_micros(apart - 1)), 0);
            assert_eq!(admitted(&usage, limits, start.saturating_add_micros(apart + 1)), 1);
            // Who has waited long has no more than a second's worth.
            assert_eq!(admitted(&usage, limits, at("2026-01-01T01:00:00Z")), per_second as usize);
        }
    }

    #[test]
    fn over_a_long_time_no_more_come_than_the_rate_and_what_may_come_at_once() {
        let usage = Arc::default();
        let start = at("2026-01-01T00:00:00Z");
        let came = |ms: i64| admitted(&usage, rate(70), start.saturating_add_micros(ms * 1000));
        let sum: usize = (0..=10_000).map(came).sum();
        assert_eq!(sum, 70 + 700);
    }

    #[test]
    fn a_request_is_under_way_until_it_is_dropped_and_a_refused_one_never_is() {
        let usage: Arc<Usage> = Arc::default();
        let now = at("2026-01-01T00:00:00Z");
        let begin = || usage.begin(concurrency(2), now);
        let (first, second) = (begin().unwrap(), begin().unwrap());
        let most = NonZeroU32::new(2).unwrap();
        assert_eq!(begin().unwrap_err(), Exceeded::Concurrency { most });
        assert_eq!(usage.under_way.load(Ordering::Relaxed), 2);
        drop(first);
        let third = begin().unwrap();
        drop((second, third));
        assert_eq!(usage.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_request_that_one_limit_refuses_counts_for_none() {
        let usage: Arc<Usage> = Arc::default();
        let now = at("2026-01-01T00:00:00Z");
        let both = CallerLimits { concurrent_requests: NonZeroU32::new(1), ..rate(2) };
        let held = usage.begin(both, now).unwrap();
        for _ in 0..10 {
            assert!(matches!(usage.begin(both, now), Err(Exceeded::Concurrency { .. })));
        }
        drop(held);
        drop(usage.begin(both, now).unwrap());
        for _ in 0..10 {
            assert!(matches!(usage.begin(both, now), Err(Exceeded::Rate { .. })));
        }
        assert_eq!(usage.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn however_many_ask_at_once_no_more_are_let_in() {
        let usage: Arc<Usage> = Arc::default();
        let now = at("2026-01-01T00:00:00Z");
        let limits = CallerLimits { concurrent_requests: NonZeroU32::new(300), ..rate(1_000) };
        let held = std::thread::scope(|scope| {
            let ask = || (0..400).filter_map(|_| usage.begin(limits, now).ok()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).count()
        });
        // Each thread has given its own back when it was done.
        assert!((300..=1_000).contains(&held), "{held}");
        assert_eq!(usage.under_way.load(Ordering::Relaxed), 0);
        let left = admitted(&usage, rate(1_000), now);
        assert_eq!(held + left, 1_000);
    }

    #[test]
    fn a_clock_that_stands_at_the_end_of_time_refuses_nobody_for_ever() {
        let usage: Arc<Usage> = Arc::default();
        assert!(usage.begin(rate(1), Instant::MIN).is_ok());
        assert!(usage.begin(rate(1), at("9999-12-31T23:59:59Z")).is_ok());
    }
}
