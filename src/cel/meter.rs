//! What an evaluation may cost: CEL's runtime cost model, as cel-go has it, and bounds of our own on what it leaves out.
//!
//! A cost is charged before the work that it stands for, so that what is too much is not begun.

use std::borrow::Cow;

use super::library::CostClass;
use super::value::Value;
use crate::model::limits::{CONDITION_BYTES_MAX, CONDITION_COST_MAX, CONDITION_ITERATIONS_MAX};

/// Why a part of an evaluation has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is undefined. `&&` and `||` may do without it.
    Error(Cow<'static, str>),
    /// The evaluation ends here.
    Cost,
}

impl Failure {
    pub(super) fn error(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Error(message.into())
    }

    pub(super) fn into_message(self) -> Box<str> {
        match self {
            Self::Error(message) => message.into(),
            Self::Cost => "operation cancelled: actual cost limit exceeded".into(),
        }
    }
}

/// The cost of building a list or a map.
pub(super) const LIST_COST: u64 = 10;
pub(super) const MAP_COST: u64 = 30;

/// Counts what an evaluation costs.
#[derive(Debug, Default)]
pub(super) struct Meter {
    cost: u64,
    iterations: usize,
    bytes: usize,
}

impl Meter {
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn charge(&mut self, cost: u64) -> Result<(), Failure> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > CONDITION_COST_MAX { Err(Failure::Cost) } else { Ok(()) }
    }

    /// One more element that a macro looks at.
    pub(super) fn iterate(&mut self) -> Result<(), Failure> {
        self.iterations += 1;
        if self.iterations > CONDITION_ITERATIONS_MAX { Err(Failure::Cost) } else { Ok(()) }
    }

    /// Memory for a value that is built.
    pub(super) fn allocate(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > CONDITION_BYTES_MAX { Err(Failure::Cost) } else { Ok(()) }
    }
}

/// The cost of a call, by its arguments. One that failed has size 1.
pub(super) fn call_cost(class: CostClass, args: &[&Value]) -> u64 {
    let size = |index: usize| args.get(index).and_then(|arg| arg.size()).map_or(1, |size| size as u64);
    match class {
        CostClass::Constant => 1,
        CostClass::First => scaled(size(0), 0.1),
        CostClass::Second => scaled(size(1), 0.1),
        CostClass::Smaller => scaled(size(0).min(size(1)), 0.1),
        CostClass::Sum => scaled(size(0).saturating_add(size(1)), 0.1),
        CostClass::Elements => size(1),
        CostClass::Product => scaled(size(0), 0.1).saturating_mul(scaled(size(1), 0.1)),
        CostClass::Pattern => pattern_cost(size(0), size(1)),
    }
}

/// The cost of matching a text of so many characters with a pattern of so many.
pub(super) fn pattern_cost(text: u64, pattern: u64) -> u64 {
    scaled(text.saturating_add(1), 0.1).saturating_mul(scaled(pattern, 0.25))
}

/// As cel-go computes it, rounding included.
fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}
