//! Explain: why a check decides as it does, when that ends, and what would turn a denial.
//!
//! The decision itself is the check's. What is said around it is found by walking the rewrites as the model writes them, and
//! must never say something else than a check would: each relation of an object in the tree has the outcome that Check has
//! for it, an end is an instant at which a check has denied, and a reason is offered only after a check with its changes
//! allowed. Everything is bounded; where a limit cut something, the explanation says so and the decision stands.
//!
//! - `graph`: what is looked at; `missing`: what is not there and would count.
//! - `tree`: what is shown; `drawing`: how it comes out of the graph.
//! - `case`: the question at other instants and with changed tuples; `horizon`: when the decision changes.
//! - `ways`: the search for what would turn a denial; `reasons`: its verification.

mod case;
mod drawing;
mod graph;
mod horizon;
mod missing;
mod reasons;
mod tree;
mod ways;

pub use reasons::{Change, ChangeKind, Reason};
pub use tree::{ExplainedNode, NodeKind, Note, ShownTuple, TupleState, Verdict};

use super::check::Question;
use super::outcome::Value;
use super::{ContextualTuples, EvalError, Plan, ReadCounts, Wanted};
use crate::cel::Context;
use crate::model::limits::EvaluationLimits;
use crate::model::{Instant, TupleRef};
use crate::store::Snapshot;
use case::Case;
use horizon::Horizon;

/// An explained decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision, as Check has it.
    pub allowed: bool,
    /// Up to this instant (exclusive) the passing of time alone cannot change the decision: a lower bound, as Check has it.
    /// `None`: it never can.
    pub stable_until: Option<Instant>,
    /// For an allowance: the first instant at which Check denies if nothing is written, over all paths. `None`: never.
    pub ends_at: Option<Instant>,
    /// For a denial: the first instant at which Check allows if nothing is written, as when an exclusion expires. `None`:
    /// never.
    pub begins_at: Option<Instant>,
    /// What was looked at.
    pub tree: ExplainedNode,
    /// For a denial: what would turn it, the nearest first; at most
    /// [`REASONS_MAX`](crate::model::limits::REASONS_MAX).
    pub reasons: Vec<Reason>,
    /// Which parts of this met a limit.
    pub incomplete: Incomplete,
}

/// Which parts of an explanation met a limit. The decision never has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Incomplete {
    /// Access does not end before `ends_at`; it may last longer.
    pub ends_at: bool,
    /// Whether and when access begins was not found out; it does not before `stable_until`.
    pub begins_at: bool,
    /// Something was not looked at or is not shown; its nodes say so.
    pub tree: bool,
    /// There may be reasons that were not found.
    pub reasons: bool,
}

/// When an access ends if nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is none.
    NoAccess,
    /// Never.
    Never,
    /// At this instant, and not before.
    At(Instant),
    /// Not before this instant; what is then was not found out.
    NotBefore(Instant),
}

/// Explains whether `asked.subject` holds `asked.relation` on `asked.object` at the instant `at`, with the values of
/// `context` for conditions, and says what it read to do so: all evaluations of an explanation together have the budget of
/// one check. Fails where a check would.
pub fn explain<S: Snapshot>(
    plan: &Plan,
    snapshot: &S,
    contextual: &ContextualTuples,
    context: &Context,
    at: Instant,
    (limits, wanted): (EvaluationLimits, &Wanted),
    asked: TupleRef<'_>,
) -> Result<(Explanation, ReadCounts), EvalError> {
    let TupleRef { object, relation, subject } = asked;
    let regions = plan.kind(subject).and_then(|kind| plan.regions(kind));
    let (Some(rel), Some(regions)) = (plan.find(object.type_name, relation), regions) else {
        return Ok((nobody(asked), ReadCounts::default()));
    };
    let question = Question { plan, regions: &regions, limits, subject };
    let counts = ReadCounts::default();
    let mut case = Case { question, object, rel, at, snapshot, contextual, context, counts, wanted };
    let outcome = case.outcome(at, &[])?;
    let allowed = outcome.value == Value::True;
    let mut incomplete = Incomplete::default();
    let (mut ends_at, mut begins_at) = (None, None);
    match (horizon::find(&mut case, outcome)?, allowed) {
        (Horizon::At(instant), true) => ends_at = Some(instant),
        (Horizon::At(instant), false) => begins_at = Some(instant),
        (Horizon::NotBefore(instant), true) => (ends_at, incomplete.ends_at) = (Some(instant), true),
        (Horizon::NotBefore(_), false) => incomplete.begins_at = true,
        (Horizon::Never, _) => {}
    }
    let verdict = match outcome.value {
        Value::True => Verdict::True,
        Value::Unknown => Verdict::Unknown,
        Value::False | Value::Failed(_) => Verdict::False,
    };
    let graph = case.with_facts(at, &[], |facts| graph::explore(question, facts, object, rel, verdict))?;
    let tree = drawing::draw(plan, &graph);
    incomplete.tree = graph.cut || tree.is_cut();
    let mut reasons = Vec::new();
    if !allowed {
        (reasons, incomplete.reasons) = reasons::find(&mut case, &graph)?;
    }
    let stable_until = outcome.until.instant();
    let explanation = Explanation { allowed, stable_until, ends_at, begins_at, tree, reasons, incomplete };
    Ok((explanation, case.counts))
}

/// When the access that `asked.subject` has by `asked.relation` on `asked.object` at `at` ends if nothing is written, over all
/// paths; with what was read. It has the budget of one check, and fails where a check would.
pub fn ends_at<S: Snapshot>(
    plan: &Plan,
    snapshot: &S,
    at: Instant,
    (limits, wanted): (EvaluationLimits, &Wanted),
    asked: TupleRef<'_>,
) -> Result<(End, ReadCounts), EvalError> {
    let TupleRef { object, relation, subject } = asked;
    let regions = plan.kind(subject).and_then(|kind| plan.regions(kind));
    let (Some(rel), Some(regions)) = (plan.find(object.type_name, relation), regions) else {
        return Ok((End::NoAccess, ReadCounts::default()));
    };
    let question = Question { plan, regions: &regions, limits, subject };
    let (contextual, context, counts) =
        (ContextualTuples::default(), Context::default(), ReadCounts::default());
    let (contextual, context) = (&contextual, &context);
    let mut case = Case { question, object, rel, at, snapshot, contextual, context, counts, wanted };
    let outcome = case.outcome(at, &[])?;
    let end = match outcome.value {
        Value::True => match horizon::find(&mut case, outcome)? {
            Horizon::Never => End::Never,
            Horizon::At(instant) => End::At(instant),
            Horizon::NotBefore(instant) => End::NotBefore(instant),
        },
        Value::False | Value::Unknown | Value::Failed(_) => End::NoAccess,
    };
    Ok((end, case.counts))
}

/// The explanation for a relation or a subject that the model does not have.
fn nobody(asked: TupleRef<'_>) -> Explanation {
    let TupleRef { object, relation, .. } = asked;
    let tree = ExplainedNode {
        kind: NodeKind::Relation { object: object.to_owned(), relation: relation.into() },
        verdict: Verdict::False,
        decides: true,
        note: Some(Note::Unreachable),
        children: Vec::new(),
    };
    Explanation {
        allowed: false,
        stable_until: None,
        ends_at: None,
        begins_at: None,
        tree,
        reasons: Vec::new(),
        incomplete: Incomplete::default(),
    }
}

#[cfg(test)]
mod tests;
