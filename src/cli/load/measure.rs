//! What is measured: latencies, counts and errors, by operation, in bounded memory.
//!
//! Each thread measures for itself; the measures are added when all are done. Latencies are exact to three digits, those
//! over time to two.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use hdrhistogram::{CreationError, Histogram};

use super::requests::{Operation, Outcome};

/// Longest latency that is told from longer ones, in nanoseconds: the longest time limit of a request, twice over, as a
/// request may wait for its connection in an open loop.
const LATENCY_NS_MAX: u64 = 2 * 3_600_000_000_000;
/// More intervals than these are joined by two.
const INTERVALS_MAX: usize = 240;
/// Kinds of errors that are told apart; further ones are counted together.
const ERROR_KINDS_MAX: usize = 50;
const OTHER_ERRORS: &str = "other";

/// The time in which is measured.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// From when on: requests that are to begin earlier are not measured.
    pub start: Instant,
    /// Up to when completions are counted as throughput; `None` until the last one.
    pub end: Option<Instant>,
}

/// One request that is through.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// When it was to begin.
    pub intended: Instant,
    /// When its answer was there.
    pub done: Instant,
}

/// Empty histograms.
#[derive(Debug, Clone)]
struct Scales {
    /// Nanoseconds, to three digits.
    whole: Histogram<u64>,
    /// Microseconds, to two digits.
    interval: Histogram<u64>,
}

/// What was measured, by operation.
#[derive(Debug)]
pub struct Measures {
    scales: Scales,
    by_operation: BTreeMap<Operation, Measure>,
    /// When the last answer came.
    pub last: Option<Instant>,
}

/// What was measured of one operation.
#[derive(Debug)]
pub struct Measure {
    /// Of answered requests, in nanoseconds.
    pub latency: Histogram<u64>,
    /// Requests that were answered within the window.
    pub completed: u64,
    /// Decisions in them.
    pub decisions: u64,
    /// Requests that were not answered, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Answers that were compared with what is known, and agreed.
    pub right: u64,
    /// Answers that did not.
    pub wrong: u64,
    /// One of those.
    pub wrong_example: Option<String>,
    /// Answers that could not be compared: lists that are not whole.
    pub unknown: u64,
    /// Latencies over time.
    pub timeline: Timeline,
}

/// Latencies by interval, in microseconds.
#[derive(Debug)]
pub struct Timeline {
    /// Length of each interval.
    pub width: Duration,
    /// From the window's start on.
    pub intervals: Vec<Histogram<u64>>,
    empty: Histogram<u64>,
}

impl Measures {
    /// Of nothing yet. It fails only where a histogram cannot have the bounds that stand here.
    pub fn new() -> Result<Self, CreationError> {
        let whole = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?;
        let interval = Histogram::new_with_bounds(1, LATENCY_NS_MAX / 1_000, 2)?;
        Ok(Self { scales: Scales { whole, interval }, by_operation: BTreeMap::new(), last: None })
    }

    /// Takes what came of a request.
    pub fn record(&mut self, window: Window, operation: Operation, span: Span, outcome: Outcome) {
        self.last = self.last.max(Some(span.done));
        let scales = &self.scales;
        let measure = self.by_operation.entry(operation).or_insert_with(|| Measure::new(scales));
        let answered = !matches!(outcome, Outcome::Failed(_));
        let within = span.done >= window.start && window.end.is_none_or(|end| span.done <= end);
        if answered && within {
            measure.completed += 1;
            measure.decisions += outcome.decisions();
        }
        let Some(from_start) = span.intended.checked_duration_since(window.start) else { return };
        if answered {
            let latency = nanos(span.done.saturating_duration_since(span.intended));
            measure.latency.saturating_record(latency.max(1));
            measure.timeline.record(from_start, latency);
        }
        match outcome {
            Outcome::Right { .. } => measure.right += 1,
            Outcome::Written => {}
            Outcome::Unknown => measure.unknown += 1,
            Outcome::Wrong(example) => {
                measure.wrong += 1;
                measure.wrong_example.get_or_insert(example);
            }
            Outcome::Failed(kind) => measure.count_error(kind, 1),
        }
    }

    /// Adds what another thread has measured.
    pub fn add(&mut self, other: Self) {
        self.last = self.last.max(other.last);
        for (operation, measure) in other.by_operation {
            match self.by_operation.entry(operation) {
                Entry::Occupied(mut own) => own.get_mut().add(measure),
                Entry::Vacant(empty) => drop(empty.insert(measure)),
            }
        }
    }

    /// The operations that were measured, in their order.
    pub fn by_operation(&self) -> impl Iterator<Item = (Operation, &Measure)> {
        self.by_operation.iter().map(|(operation, measure)| (*operation, measure))
    }
}

impl Measure {
    fn new(scales: &Scales) -> Self {
        Self {
            latency: scales.whole.clone(),
            completed: 0,
            decisions: 0,
            errors: BTreeMap::new(),
            right: 0,
            wrong: 0,
            wrong_example: None,
            unknown: 0,
            timeline: Timeline::new(scales.interval.clone()),
        }
    }

    fn count_error(&mut self, kind: String, count: u64) {
        let room = self.errors.len() < ERROR_KINDS_MAX || self.errors.contains_key(&kind);
        let kind = if room { kind } else { OTHER_ERRORS.to_owned() };
        *self.errors.entry(kind).or_default() += count;
    }

    fn add(&mut self, other: Self) {
        self.latency += &other.latency;
        self.completed += other.completed;
        self.decisions += other.decisions;
        for (kind, count) in other.errors {
            self.count_error(kind, count);
        }
        self.right += other.right;
        self.wrong += other.wrong;
        self.unknown += other.unknown;
        self.wrong_example = self.wrong_example.take().or(other.wrong_example);
        self.timeline.add(other.timeline);
    }
}

impl Timeline {
    fn new(empty: Histogram<u64>) -> Self {
        Self { width: Duration::from_secs(1), intervals: Vec::new(), empty }
    }

    fn record(&mut self, from_start: Duration, latency_ns: u64) {
        let index = loop {
            let index = (from_start.as_nanos() / self.width.as_nanos().max(1)) as usize;
            if index < INTERVALS_MAX {
                break index;
            }
            self.halve();
        };
        while self.intervals.len() <= index {
            self.intervals.push(self.empty.clone());
        }
        if let Some(interval) = self.intervals.get_mut(index) {
            interval.saturating_record((latency_ns / 1_000).max(1));
        }
    }

    /// Joins each two intervals.
    fn halve(&mut self) {
        self.width *= 2;
        let mut joined: Vec<Histogram<u64>> = Vec::with_capacity(INTERVALS_MAX);
        for (index, interval) in std::mem::take(&mut self.intervals).into_iter().enumerate() {
            match joined.last_mut().filter(|_| index % 2 == 1) {
                Some(last) => *last += &interval,
                None => joined.push(interval),
            }
        }
        self.intervals = joined;
    }

    fn add(&mut self, mut other: Self) {
        while self.width < other.width {
            self.halve();
        }
        while other.width < self.width {
            other.halve();
        }
        for (index, interval) in other.intervals.into_iter().enumerate() {
            match self.intervals.get_mut(index) {
                Some(own) => *own += &interval,
                None => self.intervals.push(interval),
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn outcome(kind: &str) -> Outcome {
        match kind {
            "right" => Outcome::Right { decisions: 2 },
            "wrong" => Outcome::Wrong("an example".to_owned()),
            other => Outcome::Failed(other.to_owned()),
        }
    }

    /// Measures of checks that began and ended at these milliseconds after the start of a warm-up of one second.
    fn measured(spans: &[(u64, u64, &str)]) -> Measures {
        let begin = Instant::now();
        let window = Window { start: begin + SECOND, end: Some(begin + 3 * SECOND) };
        let mut measures = Measures::new().unwrap();
        for (from, to, kind) in spans {
            let at = |millis: &u64| begin + Duration::from_millis(*millis);
            measures.record(
                window,
                Operation::Check,
                Span { intended: at(from), done: at(to) },
                outcome(kind),
            );
        }
        measures
    }

    fn only(measures: &Measures) -> &Measure {
        measures.by_operation().next().unwrap().1
    }

    #[test]
    fn what_begins_in_the_warm_up_is_not_measured_and_what_ends_late_is_not_throughput() {
        let measures = measured(&[
            (0, 500, "right"),
            (900, 1_100, "right"),
            (1_000, 1_200, "right"),
            (2_900, 3_500, "right"),
        ]);
        let checks = only(&measures);
        assert_eq!((checks.latency.len(), checks.right), (2, 2));
        assert_eq!((checks.completed, checks.decisions), (2, 4));
        let slowest = checks.latency.max();
        assert!((600_000_000..=601_000_000).contains(&slowest), "{slowest}");
    }

    #[test]
    fn errors_are_counted_by_kind_and_have_no_latency() {
        let mut measures =
            measured(&[(1_000, 1_001, "a"), (1_000, 1_001, "b"), (1_000, 1_001, "a"), (0, 1, "a")]);
        measures.add(measured(&[(1_000, 1_002, "b"), (1_000, 1_002, "wrong")]));
        let checks = only(&measures);
        let errors: Vec<_> = checks.errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(errors, [("a", 2), ("b", 2)]);
        assert_eq!((checks.errors.values().sum::<u64>(), checks.latency.len()), (4, 1));
        assert_eq!((checks.wrong, checks.wrong_example.as_deref()), (1, Some("an example")));
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let kinds: Vec<String> = (0..1_000).map(|number| format!("kind {number}")).collect();
        let spans: Vec<_> = kinds.iter().map(|kind| (1_000, 1_001, kind.as_str())).collect();
        let measures = measured(&spans);
        assert_eq!(only(&measures).errors.values().sum::<u64>(), 1_000);
        assert_eq!(only(&measures).errors.len(), ERROR_KINDS_MAX + 1);
    }

    #[test]
    fn a_long_time_has_longer_intervals_and_loses_nothing() {
        let spans: Vec<_> =
            (0..1_000).map(|second| (1_000 + second * 1_000, 1_001 + second * 1_000, "right")).collect();
        let mut long = measured(&spans);
        long.add(measured(&spans[..5]));
        let timeline = &only(&long).timeline;
        assert_eq!(timeline.width, 8 * SECOND);
        assert_eq!(timeline.intervals.len(), 125);
        assert_eq!(timeline.intervals.iter().map(Histogram::len).sum::<u64>(), 1_005);
        assert_eq!(timeline.intervals[0].len(), 13);
    }
}
