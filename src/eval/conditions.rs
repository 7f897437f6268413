//! Conditions of tuples: which one a tuple must carry, and what it comes to.
//!
//! A tuple counts only under a restriction that names exactly its condition: one without a condition satisfies no
//! restriction that asks for one, nor the other way round (CVE-2025-64751). What fails is never taken for false
//! or true: it is told, unless something else decides.

use std::sync::Arc;

use hashbrown::HashMap;

use super::facts::{ReadCounts, Until};
use super::plan::{Plan, Rel};
use super::{ConditionFailure, Failure};
use crate::cel::{Context, EvaluateError, Program};
use crate::model::{Condition, Instant, TupleCondition, TupleRecord, TupleRef};

/// Failures of conditions kept to tell of at the most; of more, the last one kept stands for the others.
const FAILURES_KEPT_MAX: usize = 16;

/// Bytes of contexts that weigh as much as one read, when the cost of evaluating a condition is counted.
const CONTEXT_BYTES_PER_READ: usize = 256;

/// The conditions of a model, ready to be evaluated.
#[derive(Debug, Default)]
pub(super) struct Conditions(HashMap<Box<str>, Result<Program, String>>);

impl Conditions {
    /// One that does not compile, which no valid model has, fails whenever it is asked for.
    pub(super) fn compile(conditions: &[Condition]) -> Self {
        let compiled = |condition: &Condition| {
            let program = Program::compile(condition).map_err(|error| error.to_string());
            (condition.name.clone(), program)
        };
        Self(conditions.iter().map(compiled).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Result<Program, String>> {
        self.0.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a tuple comes to, for one request at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts, up to when as far as time goes.
    Counts(Until),
    /// As if it were not there: not live, not admitted by the model, or under a condition that is false.
    Absent,
    /// Its condition could not be evaluated.
    Failed(Failure),
}

/// Tells what tuples come to.
pub(super) struct Judge<'a> {
    plan: &'a Plan,
    /// The request's own context.
    context: &'a Context,
    /// Its size, once somebody has asked for it: many evaluations may share one context, and most meet no condition.
    context_bytes: Option<usize>,
    at: Instant,
    failures: Vec<Arc<ConditionFailure>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(plan: &'a Plan, context: &'a Context, at: Instant) -> Self {
        Self { plan, context, context_bytes: None, at, failures: Vec::new() }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether the request gives no value.
    pub(super) fn has_no_context(&self) -> bool {
        self.context.is_empty()
    }

    /// Which failure it was.
    pub(super) fn failure(&self, index: u8) -> Option<&Arc<ConditionFailure>> {
        self.failures.get(usize::from(index))
    }

    /// Forgets the failures so far; none that was told may be asked for any more.
    pub(super) fn forget_failures(&mut self) {
        self.failures.clear();
    }

    /// What a tuple of the relation `rel` comes to. Its form must be one that the relation admits under some
    /// condition or none.
    pub(super) fn standing(
        &mut self,
        counts: &mut ReadCounts,
        rel: Rel,
        key: TupleRef<'_>,
        record: &TupleRecord,
    ) -> Standing {
        if !record.lifetime.is_live(self.at) {
            return Standing::Absent;
        }
        let until = Until::of(record.lifetime);
        match &record.condition {
            None if !self.plan.is_conditional(rel) => Standing::Counts(until),
            condition => {
                let name = condition.as_ref().map(|condition| &*condition.name);
                if !self.plan.admits_under(rel, key.subject, name) {
                    return Standing::Absent;
                }
                let Some(condition) = condition else { return Standing::Counts(until) };
                counts.conditions = counts.conditions.saturating_add(self.weight(condition));
                match self.evaluate(condition) {
                    Ok(true) => Standing::Counts(until),
                    Ok(false) => Standing::Absent,
                    Err(reason) => Standing::Failed(self.note(key, condition, reason)),
                }
            }
        }
    }

    fn weight(&mut self, condition: &TupleCondition) -> u64 {
        let context = self.context;
        let all = || context.iter().map(|(name, value)| name.len() + bytes(value)).sum();
        let bytes = self.context_bytes.get_or_insert_with(all).saturating_add(condition.context.len());
        u64::try_from(bytes / CONTEXT_BYTES_PER_READ).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn evaluate(&self, condition: &TupleCondition) -> Result<bool, ConditionError> {
        let program = match self.plan.condition(&condition.name) {
            Some(Ok(program)) => program,
            Some(Err(reason)) => return Err(ConditionError::Other(reason.clone())),
            None => return Err(ConditionError::Other("condition was not found".to_owned())),
        };
        let stored: Context = serde_json::from_str(&condition.context)
            .map_err(|error| ConditionError::Other(error.to_string()))?;
        // It was checked against the model of its day. Where this model's condition has no such parameter, or one of
        // another type, what the tuple was restricted by would be lost: it is none that this model admits.
        if program.check_context(&stored).is_err() {
            return Ok(false);
        }
        program.evaluate(&stored, self.context).map_err(ConditionError::Evaluation)
    }

    fn note(&mut self, key: TupleRef<'_>, condition: &TupleCondition, reason: ConditionError) -> Failure {
        if self.failures.len() < FAILURES_KEPT_MAX {
            let tuple = key.to_owned();
            let reason = match reason {
                ConditionError::Evaluation(EvaluateError::Missing { parameters }) => {
                    format!("tuple '{tuple}' is missing context parameters '[{}]'", parameters.join(" "))
                }
                ConditionError::Evaluation(error) => error.to_string(),
                ConditionError::Other(reason) => reason,
            };
            let condition = condition.name.clone();
            self.failures.push(Arc::new(ConditionFailure { condition, tuple, reason }));
        }
        Failure::Condition(u8::try_from(self.failures.len().saturating_sub(1)).unwrap_or(u8::MAX))
    }
}

enum ConditionError {
    Evaluation(EvaluateError),
    Other(String),
}

/// About how many bytes a value takes as text.
fn bytes(value: &serde_json::Value) -> usize {
    let mut sum = 0_usize;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        sum = sum.saturating_add(match value {
            serde_json::Value::String(text) => text.len(),
            _ => 8,
        });
        match value {
            serde_json::Value::Array(items) => open.extend(items),
            serde_json::Value::Object(map) => {
                for (name, value) in map {
                    sum = sum.saturating_add(name.len());
                    open.push(value);
                }
            }
            _ => {}
        }
    }
    sum
}
