//! The case that is explained: a question, asked again and again at other instants and with tuples changed.
//!
//! Every evaluation of one explanation goes through here and takes from one budget of reads, which is that of a check.

use super::super::check::Question;
use super::super::facts::Facts;
use super::super::outcome::{Outcome, Value};
use super::super::plan::Rel;
use super::super::{ContextualTuples, EvalError, LimitReached, ReadCounts, Wanted};
use super::reasons::{Change, overlay};
use crate::cel::Context;
use crate::model::{Instant, ObjectRef};
use crate::store::Snapshot;

/// A question, what it is asked of, and what has been read to answer it.
pub(super) struct Case<'a, S: Snapshot> {
    pub(super) question: Question<'a, 'a>,
    pub(super) object: ObjectRef<'a>,
    pub(super) rel: Rel,
    pub(super) at: Instant,
    pub(super) snapshot: &'a S,
    pub(super) contextual: &'a ContextualTuples,
    pub(super) context: &'a Context,
    pub(super) counts: ReadCounts,
    pub(super) wanted: &'a Wanted,
}

impl<'a, S: Snapshot> Case<'a, S> {
    /// What a check comes to at `at`, with tuples changed; an error where it fails.
    pub(super) fn outcome(&mut self, at: Instant, changes: &[Change]) -> Result<Outcome, EvalError> {
        let Self { question, object, rel, .. } = *self;
        self.with_facts(at, changes, |facts| {
            let outcome = question.of_relation(facts, object, rel)?;
            match outcome.value {
                Value::Failed(failure) => Err(facts.error(failure)),
                Value::True | Value::False | Value::Unknown => Ok(outcome),
            }
        })
    }

    /// Looks at the tuples at `at`, with some of them changed.
    pub(super) fn with_facts<T>(
        &mut self,
        at: Instant,
        changes: &[Change],
        look: impl FnOnce(&mut Facts<'a, S>) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let all = self.question.limits.reads_max;
        let left = all.saturating_sub(self.counts.total());
        let contextual = self.contextual.with(overlay(changes));
        let plan = self.question.plan;
        let mut facts = Facts::new(plan, self.snapshot, contextual, self.context, at, left);
        facts.go_on_as_long_as(self.wanted);
        let outcome = look(&mut facts);
        self.counts.add(facts.counts());
        // The budget is what was asked for, not what was left of it.
        outcome.map_err(|error| match error {
            EvalError::Limit(LimitReached::Reads { .. }) => LimitReached::Reads { reads: all }.into(),
            error => error,
        })
    }
}
