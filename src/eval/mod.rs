//! Evaluation: from a model to a plan, and from a plan and a snapshot to a decision.
//!
//! Synchronous and free of I/O but for the reads of the snapshot it is given. It must never know RocksDB, an async
//! runtime or HTTP, and never answer when it met a limit: then it fails.
//!
//! - [`plan`](Plan): names resolved to numbers, once per model; `price`: what its operands may cost.
//! - `region`: what one subject can meet, pruned and flattened, once per model and kind of subject; `reach`: what it prunes by.
//! - `conditions`: what a tuple's condition comes to.
//! - `facts`: the only door to tuples: contextual ones over stored ones, lifetimes and conditions applied, reads counted.
//! - `reads`: the only door to the snapshot, behind which `memo` is told of each read; `shared`: inner decisions that are kept.
//! - `check`: the walk from the object; `reverse`: the walk from the subject, where the object's side is wide.
//! - `outcome`: what a check knows of a place; `met`: small collections for what it has met.
//! - `list_objects`, `list_users`: everything that a subject holds, and everybody who holds; `list`: what they share.
//! - `expand`: one level of a relation as a tree; `wanted`: whether anybody waits for any of these.
//! - [`explain`]: why a check decides as it does, when that ends, and what would turn a denial.

mod check;
mod circles;
mod conditions;
mod expand;
pub mod explain;
mod facts;
mod list;
mod list_objects;
mod list_users;
mod memo;
mod met;
mod outcome;
mod plan;
mod price;
mod reach;
mod reads;
mod region;
mod reverse;
mod shared;
mod tree;
mod wanted;

pub use facts::{ContextualTuples, ReadCounts};
pub use list::{ListEnd, Recipient};
pub use memo::{Dependency, KeptDecision, Memo, ReadSet, Room, Stripe};
pub use plan::Plan;
pub use tree::{ExpandedSubject, Node, NodeValue};
pub use wanted::Wanted;

use std::sync::Arc;

use thiserror::Error;

use crate::cel::Context;
use crate::model::limits::{EvaluationLimits, ListLimits};
use crate::model::{Instant, ObjectRef, Subject, SubjectRef, TupleKey};
use crate::store::{Snapshot, StoreError};
use check::Question;
use facts::Facts;
use list::Kept;

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the subject holds the relation.
    pub allowed: bool,
    /// Up to this instant (exclusive) the passing of time alone cannot change the decision; a guaranteed lower
    /// bound. `None`: it never can.
    pub stable_until: Option<Instant>,
}

/// Which subjects to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectFilter<'a> {
    /// Those of a type, and its wildcard.
    Type(&'a str),
    /// The usersets of a type's relation.
    Usersets(&'a str, &'a str),
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
    /// A list has met more than it may keep in mind.
    #[error(
        "Authorization Model resolution required more than {bytes} bytes of memory; ask for a narrower list"
    )]
    Kept {
        /// The limit, in bytes.
        bytes: usize,
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
    /// Nobody waits for the answer.
    #[error("nobody waits for the answer any more")]
    Unwanted,
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

    /// The same evaluation, which ends with [`EvalError::Unwanted`] soon after nobody waits for it any more.
    pub fn as_long_as(mut self, wanted: &Wanted) -> Self {
        self.facts.go_on_as_long_as(wanted);
        self
    }

    /// The same evaluation, whose checks take from `memo` and give to it. The memo is for the same model, revision and
    /// instant; there are neither contextual tuples nor a context of the request.
    pub fn with_memo(mut self, memo: &'a dyn Memo) -> Self {
        self.facts.remember(memo);
        self
    }

    /// The same evaluation, which takes down what it rests on by the stripes of `memo`, a memo that has no decisions and
    /// keeps none: what is given with the query plays no part in that.
    pub fn with_reads_noted(mut self, memo: &'a dyn Memo) -> Self {
        self.facts.note_reads(memo);
        self
    }

    /// The stripes of all that it has read so far, where a memo has them; `None` where some are missing.
    pub fn reads_noted(&self) -> Option<&[Stripe]> {
        self.facts.reads_noted()
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

    /// Tells `recipient` the identifier of each object of the type on which `subject` holds `relation`, each once, as
    /// soon as it is found. Every one told passes a check; where one is left out, the answer says so.
    pub fn list_objects(
        &mut self,
        limits: ListLimits,
        subject: SubjectRef<'_>,
        relation: &str,
        object_type: &str,
        recipient: &mut dyn Recipient<str>,
    ) -> Result<ListEnd, EvalError> {
        self.facts.set_reads_max(limits.reads_max);
        let plan = self.plan;
        let Some(target) = plan.find(object_type, relation) else { return Ok(ListEnd::Whole) };
        let Some(regions) = plan.kind(subject).and_then(|kind| plan.regions(kind)) else {
            return Ok(ListEnd::Whole);
        };
        let question = Question { plan, regions: &regions, limits: self.limits, subject };
        let kept = Kept::new(limits.kept_bytes_max);
        list_objects::list_objects(question, &mut self.facts, target, kept, recipient)
    }

    /// Tells `recipient` each subject of the filter that holds `relation` on `object`, each once: of a type, its objects
    /// that tuples name and, where everybody of the type holds it, the wildcard; of a type and a relation, its usersets.
    /// Every one told passes a check. Whoever passes and is not told is one of a wildcard that was; where one may have
    /// been left out, the answer says so.
    pub fn list_users(
        &mut self,
        limits: ListLimits,
        object: ObjectRef<'_>,
        relation: &str,
        filter: SubjectFilter<'_>,
        recipient: &mut dyn Recipient<Subject>,
    ) -> Result<ListEnd, EvalError> {
        self.facts.set_reads_max(limits.reads_max);
        let kept = Kept::new(limits.kept_bytes_max);
        list_users::list_users(
            self.plan,
            &mut self.facts,
            self.limits,
            (object, relation),
            filter,
            kept,
            recipient,
        )
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
