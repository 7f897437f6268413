//! Evaluation: from a model to a plan, and from a plan and a snapshot to a decision.
//!
//! Synchronous and free of I/O but for the reads of the snapshot it is given. It must never know RocksDB, an async
//! runtime or HTTP, and never answer when it met a limit: then it fails.
//!
//! - [`plan`](Plan): names resolved to numbers, once per model.
//! - `region`: what one subject can meet, pruned and flattened, once per model and kind of subject.
//! - `conditions`: what a tuple's condition comes to.
//! - `facts`: the only door to tuples: contextual ones over stored ones, lifetimes and conditions applied, reads counted.
//! - `check`: the walk from the object; `reverse`: the walk from the subject, where the object's side is wide.
//! - `outcome`: what a check knows of a place; `met`: small collections for what it has met.
//! - `expand`: one level of a relation as a tree.

mod check;
mod conditions;
mod expand;
mod facts;
mod met;
mod outcome;
mod plan;
mod region;
mod reverse;
mod tree;

pub use facts::{ContextualTuples, ReadCounts};
pub use plan::Plan;
pub use tree::{ExpandedSubject, Node, NodeValue};

use std::sync::Arc;

use thiserror::Error;

use crate::cel::Context;
use crate::model::limits::EvaluationLimits;
use crate::model::{Instant, ObjectRef, SubjectRef, TupleKey};
use crate::store::{Snapshot, StoreError};
use facts::Facts;

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the subject holds the relation.
    pub allowed: bool,
    /// Up to this instant (exclusive) the passing of time alone cannot change the decision; a guaranteed lower
    /// bound. `None`: it never can.
    pub stable_until: Option<Instant>,
}

/// A limit that an evaluation met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LimitReached {
    /// The chain of tuples is too long.
    #[error(
        "Authorization Model resolution required too many rewrite rules to be resolved: no path of at most {hops} hops decides, and longer ones exist; check the data and the model for overly nested relations"
    )]
    Depth {
        /// The limit, in hops.
        hops: u32,
    },
    /// Too much would have to be read.
    #[error(
        "Authorization Model resolution required more than {reads} reads; check the data and the model for overly wide relations"
    )]
    Reads {
        /// The limit, in point reads, seeks and scanned entries.
        reads: u64,
    },
}

/// A condition of a tuple could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("failed to evaluate relationship condition: '{condition}' - {reason}")]
pub struct ConditionFailure {
    /// The condition.
    pub condition: Box<str>,
    /// The tuple that carries it.
    pub tuple: TupleKey,
    /// Why.
    pub reason: String,
}

/// Why something on the way is neither true nor false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Limit(LimitReached),
    /// Which one, among those that the evaluation keeps.
    Condition(u8),
}

impl From<LimitReached> for Failure {
    fn from(limit: LimitReached) -> Self {
        Self::Limit(limit)
    }
}

/// Why an evaluation has no answer.
#[derive(Debug, Clone, Error)]
pub enum EvalError {
    /// It met a limit.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// A condition could not be evaluated, and nothing else decided.
    #[error(transparent)]
    Condition(#[from] Arc<ConditionFailure>),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One evaluation: a plan, the facts of one revision, and one instant.
pub struct Evaluation<'a, S: Snapshot> {
    plan: &'a Plan,
    facts: Facts<'a, S>,
    limits: EvaluationLimits,
}

impl<'a, S: Snapshot> Evaluation<'a, S> {
    /// An evaluation of `plan` over `snapshot` and the contextual tuples, at the instant `at`; `context` is the request's,
    /// for conditions.
    pub fn new(
        plan: &'a Plan,
        snapshot: &'a S,
        contextual: ContextualTuples,
        context: &'a Context,
        at: Instant,
        limits: EvaluationLimits,
    ) -> Self {
        let facts = Facts::new(plan, snapshot, contextual, context, at, limits.reads_max);
        Self { plan, facts, limits }
    }

    /// The instant that it is made for.
    pub fn at(&self) -> Instant {
        self.facts.at()
    }

    /// What it has read so far.
    pub fn read_counts(&self) -> ReadCounts {
        self.facts.counts()
    }

    /// Whether `subject` holds `relation` on `object`. A type or relation that the model does not have is held by
    /// nobody.
    pub fn check(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        subject: SubjectRef<'_>,
    ) -> Result<Decision, EvalError> {
        check::check(self.plan, &mut self.facts, self.limits, object, relation, subject)
    }

    /// What `relation` of `object` is made of, one level deep, as the model writes it.
    pub fn expand(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        include_inactive: bool,
    ) -> Result<Node, EvalError> {
        expand::expand(self.plan, &mut self.facts, object, relation, include_inactive)
    }
}
