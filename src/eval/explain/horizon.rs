//! When a decision changes if nothing is written.
//!
//! Exact, by steps: a decision holds up to its `stable_until`, so that asking again at that instant finds either the change
//! or the next such instant. The instants are those at which tuples on some path end, so that there are few.

use super::super::EvalError;
use super::super::outcome::{Outcome, Value};
use super::case::Case;
use crate::model::Instant;
use crate::model::limits::INSTANTS_ASKED_MAX;
use crate::store::Snapshot;

/// When a decision changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Horizon {
    /// At this instant, and not before.
    At(Instant),
    /// Never.
    Never,
    /// Not before this instant; what is then was not found out.
    NotBefore(Instant),
}

/// When the decision that `outcome` is changes.
pub(super) fn find<S: Snapshot>(case: &mut Case<'_, S>, outcome: Outcome) -> Result<Horizon, EvalError> {
    let allowed = outcome.value == Value::True;
    let (mut at, mut until) = (case.at, outcome.until.instant());
    for _ in 0..INSTANTS_ASKED_MAX {
        let Some(next) = until else { return Ok(Horizon::Never) };
        if next <= at {
            return Ok(Horizon::NotBefore(next));
        }
        at = next;
        let then = match case.outcome(at, &[]) {
            Ok(then) => then,
            // It is no denial that Check has no answer.
            Err(EvalError::Limit(_) | EvalError::Condition(_)) => return Ok(Horizon::NotBefore(at)),
            Err(error) => return Err(error),
        };
        if (then.value == Value::True) != allowed {
            return Ok(Horizon::At(at));
        }
        until = then.until.instant();
    }
    Ok(until.map_or(Horizon::Never, Horizon::NotBefore))
}
