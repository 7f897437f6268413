//! The log of slow checks: what was asked, what it took, and the tree that says what had to be looked at.
//!
//! The tree is made from the check's own snapshot, at its own instant, once the check is decided and on another thread. One is
//! made at a time, and between two of them there is a pause, so that a server on which everything is slow is not made slower by
//! saying so: explaining takes a tenth of one processor at the most.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Stopwatch};

use serde_json::Value;
use tokio::runtime::Handle;
use tracing::warn;

use crate::engine::{CheckAnswer, CheckRequest, EngineError, Witnessed};
use crate::eval::{ReadCounts, Wanted};
use crate::model::limits::{
    SLOW_CHECK_EXPLAINED_S_MAX, SLOW_CHECK_TREE_BYTES_MAX, SLOW_CHECKS_LOGGED_PER_S_MAX,
};
use crate::model::{ModelId, Revision, StoreId};
use crate::server::routes::explain;
use crate::store::Snapshot;

/// Shortest time between the beginnings of two explanations.
const EXPLANATIONS_APART_MIN: Duration = Duration::from_secs(1);
/// The pause after an explanation, as a multiple of what it took.
const PAUSE: u32 = 9;

/// How a tree, as Explain answers it, is written into the log.
#[derive(Clone, Copy)]
pub struct TreeDrawing(pub fn(&Value) -> String);

impl Default for TreeDrawing {
    /// As it is.
    fn default() -> Self {
        Self(Value::to_string)
    }
}

impl fmt::Debug for TreeDrawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeDrawing")
    }
}

impl PartialEq for TreeDrawing {
    /// How it is drawn is no setting.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for TreeDrawing {}

/// Logs slow checks.
#[derive(Debug)]
pub(in crate::server) struct SlowChecks {
    longer_than: Duration,
    draw: TreeDrawing,
    seen: AtomicU64,
    explained: AtomicU64,
    /// Locked for slow checks only.
    pace: Mutex<Pace>,
}

/// How much is logged.
#[derive(Debug)]
struct Pace {
    /// The second that lines are counted in, by its beginning.
    second: Stopwatch,
    lines: u32,
    /// Slow checks that were not logged since the last line.
    left_out: u64,
    explaining: bool,
    /// No explanation begins before.
    next_explanation: Stopwatch,
}

/// What becomes of a slow check.
enum Turn {
    LeaveOut,
    Log { left_out: u64 },
    Explain { left_out: u64 },
}

impl Pace {
    fn turn(&mut self, now: Stopwatch) -> Turn {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.lines) = (now, 0);
        }
        if self.lines >= SLOW_CHECKS_LOGGED_PER_S_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return Turn::LeaveOut;
        }
        self.lines += 1;
        let left_out = std::mem::take(&mut self.left_out);
        if self.explaining || now < self.next_explanation {
            return Turn::Log { left_out };
        }
        (self.explaining, self.next_explanation) = (true, now + EXPLANATIONS_APART_MIN);
        Turn::Explain { left_out }
    }

    fn explained(&mut self, took: Duration, now: Stopwatch) {
        self.explaining = false;
        self.next_explanation = self.next_explanation.max(now + took * PAUSE);
    }
}

/// A slow check as the log tells it.
struct Line {
    request_id: String,
    store: StoreId,
    model: ModelId,
    revision: Revision,
    check: CheckRequest,
    contextual_tuples: usize,
    outcome: Result<CheckAnswer, EngineError>,
    counts: ReadCounts,
    took: Duration,
    left_out: u64,
}

impl SlowChecks {
    pub(super) fn new(longer_than: Duration, draw: TreeDrawing) -> Self {
        let now = Stopwatch::now();
        let pace = Pace { second: now, lines: 0, left_out: 0, explaining: false, next_explanation: now };
        let (seen, explained) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { longer_than, draw, seen, explained, pace: Mutex::new(pace) }
    }

    /// Whether a check that took so long is slow.
    pub(super) fn is_slow(&self, took: Duration) -> bool {
        took > self.longer_than
    }

    /// Slow checks so far, and those of them that were logged with their trees.
    pub(in crate::server) fn counts(&self) -> (u64, u64) {
        (self.seen.load(Ordering::Relaxed), self.explained.load(Ordering::Relaxed))
    }

    /// Logs a slow check, now or once it is explained.
    pub(super) fn take<S: Snapshot + Clone + 'static>(
        self: &Arc<Self>,
        check: &Witnessed<'_, S>,
        took: Duration,
        request_id: &str,
    ) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        let turn = self.pace().turn(Stopwatch::now());
        let (left_out, explain) = match turn {
            Turn::LeaveOut => return,
            Turn::Log { left_out } => (left_out, false),
            Turn::Explain { left_out } => (left_out, true),
        };
        let line = Line {
            request_id: request_id.to_owned(),
            store: check.store,
            model: check.model(),
            revision: check.revision(),
            check: check.check.clone(),
            contextual_tuples: check.contextual_tuples.len(),
            outcome: check.outcome.clone(),
            counts: check.counts,
            took,
            left_out,
        };
        match Handle::try_current().ok().filter(|_| explain) {
            None => line.log(None, Some("too many are slow at present")),
            Some(runtime) => {
                let (moment, given) = (check.moment(), check.contextual_tuples.to_vec());
                let (context, slow) = (check.context.clone(), Arc::clone(self));
                let explaining = Explaining { slow, began: Stopwatch::now() };
                // Its end is waited for by nobody.
                drop(runtime.spawn_blocking(move || {
                    let end = explaining.began + Duration::from_secs(SLOW_CHECK_EXPLAINED_S_MAX);
                    let wanted = Wanted::as_long_as(move || Stopwatch::now() < end);
                    let moment = moment.as_long_as(wanted);
                    let explained = moment.explain(&line.check, &given, &context);
                    drop(moment);
                    explaining.log(&line, explained.map(|(explanation, _)| explanation));
                }));
            }
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An explanation under way.
struct Explaining {
    slow: Arc<SlowChecks>,
    began: Stopwatch,
}

impl Explaining {
    fn log(&self, line: &Line, explained: Result<crate::eval::explain::Explanation, EngineError>) {
        match explained {
            Ok(explanation) => {
                let TreeDrawing(draw) = self.slow.draw;
                let tree = cut(draw(&explain::tree(&explanation.tree)));
                self.slow.explained.fetch_add(1, Ordering::Relaxed);
                line.log(Some(&tree), None);
            }
            Err(error) => line.log(None, Some(&error.to_string())),
        }
    }
}

impl Drop for Explaining {
    /// However it ends, the next one may begin.
    fn drop(&mut self) {
        let now = Stopwatch::now();
        self.slow.pace().explained(now.duration_since(self.began), now);
    }
}

/// Cuts a drawing behind a whole line, and says so.
fn cut(mut tree: String) -> String {
    if tree.len() > SLOW_CHECK_TREE_BYTES_MAX {
        let end = tree.floor_char_boundary(SLOW_CHECK_TREE_BYTES_MAX);
        let end = tree.get(..end).and_then(|kept| kept.rfind('\n')).unwrap_or(end);
        let lines = tree.get(end..).map_or(0, |rest| rest.trim().lines().count());
        tree.truncate(end);
        tree.push_str(&format!("\n… cut here: {lines} more lines"));
    }
    tree.truncate(tree.trim_end().len());
    tree
}

impl Line {
    fn log(&self, tree: Option<&str>, unexplained: Option<&str>) {
        let Self {
            request_id,
            store,
            model,
            revision,
            check,
            contextual_tuples,
            outcome,
            counts,
            took,
            left_out,
        } = self;
        let CheckRequest { object, relation, subject } = check;
        let allowed = outcome.as_ref().ok().map(|answer| answer.allowed);
        let error = outcome.as_ref().err().map(|error| tracing::field::display(error.to_string()));
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // Kept ones that were read for others count as they were read; nothing read at all is a decision that was kept.
        let (reads, cached) = (counts.made(), counts.is_kept());
        let left_out = Some(*left_out).filter(|count| *count > 0);
        let (tree, unexplained) =
            (tree.map(|tree| format!("\n{tree}")), unexplained.map(tracing::field::display));
        let tree = tree.as_deref().map(tracing::field::display);
        warn!(
            %request_id,
            %store,
            %model,
            revision = revision.0,
            %subject,
            relation = &**relation,
            %object,
            contextual_tuples,
            allowed,
            error,
            duration_us,
            reads,
            cached,
            left_out,
            unexplained,
            tree,
            "slow check"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_explained_at_a_time_and_then_nine_times_as_long_none_is() {
        let slow = SlowChecks::new(Duration::from_millis(1), TreeDrawing::default());
        let mut pace = slow.pace();
        let began = Stopwatch::now() + Duration::from_secs(10);
        let after = |ms| began + Duration::from_millis(ms);
        assert!(matches!(pace.turn(began), Turn::Explain { left_out: 0 }));
        assert!(matches!(pace.turn(after(1_500)), Turn::Log { .. }), "one is under way");
        pace.explained(Duration::from_secs(2), after(2_000));
        assert!(matches!(pace.turn(after(19_999)), Turn::Log { .. }), "its pause is not over");
        assert!(matches!(pace.turn(after(20_000)), Turn::Explain { .. }));
        pace.explained(Duration::from_millis(1), after(20_001));
        assert!(matches!(pace.turn(after(20_999)), Turn::Log { .. }), "a short one has a pause too");
        assert!(matches!(pace.turn(after(21_000)), Turn::Explain { .. }));
    }

    #[test]
    fn no_more_lines_than_so_many_are_written_in_a_second_and_the_next_one_says_how_many_were_not() {
        let slow = SlowChecks::new(Duration::from_millis(1), TreeDrawing::default());
        let mut pace = slow.pace();
        let began = Stopwatch::now() + Duration::from_secs(10);
        for _ in 0..SLOW_CHECKS_LOGGED_PER_S_MAX {
            assert!(!matches!(pace.turn(began), Turn::LeaveOut));
        }
        for _ in 0..3 {
            assert!(matches!(pace.turn(began + Duration::from_millis(999)), Turn::LeaveOut));
        }
        let next = pace.turn(began + Duration::from_secs(1));
        assert!(matches!(next, Turn::Log { left_out: 3 }));
    }

    #[test]
    fn a_long_tree_is_cut_behind_a_line_and_says_so() {
        let line = "├─ ✗ nothing\n";
        let lines = SLOW_CHECK_TREE_BYTES_MAX / line.len() + 10;
        let drawn = cut(line.repeat(lines));
        assert!(drawn.len() <= SLOW_CHECK_TREE_BYTES_MAX + 40, "{}", drawn.len());
        let mut found: Vec<&str> = drawn.lines().collect();
        let last = found.pop().unwrap();
        assert!(found.iter().all(|found| *found == line.trim_end()));
        assert_eq!(last, format!("… cut here: {} more lines", lines - found.len()));
        assert_eq!(cut(format!("{line}\n")), line.trim_end());
    }
}
