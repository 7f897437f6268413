//! What a check knows of a place: true, false, neither, or that it failed; up to when; and on which cuts it rests.

use super::Failure;
use super::facts::Until;
use super::met::ObjectId;
use super::plan::ExprId;

/// A rewrite that is asked of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) object: ObjectId,
    pub(super) expr: ExprId,
}

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    True,
    False,
    /// Neither: it rests on a cycle through a subtraction.
    Unknown,
    /// A limit was met on the way, or a condition could not be evaluated.
    Failed(Failure),
}

/// What a place came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) value: Value,
    /// Up to when time alone leaves the value as it is.
    pub(super) until: Until,
    /// The outermost operator being decided that the value rests on having cut; [`UNCUT`] for a value that is a fact.
    pub(super) cut: usize,
}

/// The `cut` of what rests on none.
pub(super) const UNCUT: usize = usize::MAX;

impl Outcome {
    pub(super) fn new(value: Value, until: Until) -> Self {
        Self { value, until, cut: UNCUT }
    }

    pub(super) fn is_fact(&self) -> bool {
        self.cut == UNCUT && matches!(self.value, Value::True | Value::False)
    }
}

/// What the alternatives met so far come to; none of them holds.
pub(super) struct Tally {
    until: Until,
    cut: usize,
    unknown: bool,
    pub(super) failed: Option<Failure>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { until: Until::NEVER, cut: UNCUT, unknown: false, failed: None }
    }

    /// Takes in an alternative that does not hold. `path` is up to when the tuples that led to it are live: where the
    /// alternative rests on a cycle, their end may be the end of the cycle.
    pub(super) fn absorb(&mut self, outcome: Outcome, path: Until) {
        self.until = self.until.min(outcome.until);
        match outcome.value {
            Value::True | Value::False => {}
            Value::Unknown => self.unknown = true,
            Value::Failed(failure) => self.failed = Some(failure),
        }
        if outcome.cut != UNCUT || outcome.value == Value::Unknown {
            self.until = self.until.min(path);
        }
        self.cut = self.cut.min(outcome.cut);
    }

    pub(super) fn outcome(&self) -> Outcome {
        let value = match self.failed {
            Some(failure) => Value::Failed(failure),
            None if self.unknown => Value::Unknown,
            None => Value::False,
        };
        Outcome { value, until: self.until, cut: self.cut }
    }
}
