//! Whether what a request names fits the model.

use std::collections::HashSet;

use super::error::EngineError;
use super::request::{ContextualTuple, WriteRequest};
use crate::cel::{self, Context};
use crate::eval::{ContextualTuples, Plan};
use crate::model::{Assertion, Object, Subject, SubjectRef, TupleCondition, TupleKey, TupleRecord, TupleRef};
use crate::store::Field;

/// The object's type has the relation, and the subject's type (and relation) exists.
pub(super) fn query(
    plan: &Plan,
    object: &Object,
    relation: &str,
    subject: Option<&Subject>,
) -> Result<(), EngineError> {
    self::relation(plan, &object.type_name, relation)?;
    subject.map_or(Ok(()), |subject| self::subject(plan, subject))
}

/// The type exists.
pub(super) fn type_name(plan: &Plan, type_name: &str) -> Result<(), EngineError> {
    if plan.has_type(type_name) {
        return Ok(());
    }
    Err(EngineError::TypeNotFound { type_name: type_name.into() })
}

/// The type exists and has the relation.
pub(super) fn relation(plan: &Plan, type_name: &str, relation: &str) -> Result<(), EngineError> {
    self::type_name(plan, type_name)?;
    if plan.has_relation(type_name, relation) {
        return Ok(());
    }
    Err(EngineError::RelationNotFound { type_name: type_name.into(), relation: relation.into() })
}

/// The subject's type (and relation) exists.
pub(super) fn subject(plan: &Plan, subject: &Subject) -> Result<(), EngineError> {
    subject_exists(plan, subject.as_ref())
        .map_err(|reason| EngineError::InvalidSubject { subject: subject.to_string().into(), reason })
}

fn subject_exists(plan: &Plan, subject: SubjectRef<'_>) -> Result<(), String> {
    let type_name = subject.type_name();
    if !plan.has_type(type_name) {
        return Err(format!("type '{type_name}' not found"));
    }
    match subject {
        SubjectRef::Userset(_, relation) if !plan.has_relation(type_name, relation) => {
            Err(format!("relation '{type_name}#{relation}' not found"))
        }
        _ => Ok(()),
    }
}

/// Why the model does not allow a tuple, if it does not.
fn tuple(plan: &Plan, key: &TupleKey, condition: Option<&TupleCondition>) -> Result<(), String> {
    let type_name = &key.object.type_name;
    if !plan.has_type(type_name) {
        return Err(format!("type '{type_name}' not found"));
    }
    if !plan.has_relation(type_name, &key.relation) {
        return Err(format!("relation '{type_name}#{}' not found", key.relation));
    }
    subject_exists(plan, key.subject.as_ref())?;
    plan.admits(key.as_ref(), condition)
}

/// Every tuple to be written fits the model; no tuple stands in the request twice.
pub(super) fn write(plan: &Plan, request: &WriteRequest) -> Result<(), EngineError> {
    let mut seen = HashSet::new();
    let keys =
        request.deletes.iter().map(|delete| &delete.key).chain(request.writes.iter().map(|write| &write.key));
    for key in keys {
        if !seen.insert(key) {
            return Err(EngineError::DuplicateTuple { key: Box::new(key.clone()) });
        }
    }
    for write in &request.writes {
        let condition = match &write.condition {
            Field::Set(condition) => Some(condition),
            Field::Absent | Field::Clear => None,
        };
        invalid(tuple(plan, &write.key, condition), &write.key, false)?;
        if is_implicit(&write.key) {
            return Err(EngineError::ImplicitTuple { key: Box::new(write.key.clone()) });
        }
    }
    Ok(())
}

/// Why the model does not allow a stored tuple, if it does not.
pub(super) fn stored(plan: &Plan, key: TupleRef<'_>, record: &TupleRecord) -> Result<(), String> {
    tuple(plan, &key.to_owned(), record.condition.as_ref())
}

/// What a query is given to decide with can be used: the context's texts, and every contextual tuple, which fits the
/// model.
pub(super) fn given(
    plan: &Plan,
    tuples: &[ContextualTuple],
    context: &Context,
) -> Result<ContextualTuples, EngineError> {
    cel::check_text(context).map_err(EngineError::InvalidContext)?;
    for given in tuples {
        invalid(tuple(plan, &given.key, given.record.condition.as_ref()), &given.key, true)?;
    }
    Ok(ContextualTuples::new(tuples.iter().map(|given| (given.key.clone(), given.record.clone()))))
}

/// An assertion's question can be asked of the model, and its contextual tuples could be written under it.
pub(super) fn assertion(plan: &Plan, assertion: &Assertion) -> Result<(), EngineError> {
    let TupleKey { object, relation, subject } = &assertion.key;
    query(plan, object, relation, Some(subject))?;
    for given in &assertion.contextual_tuples {
        invalid(tuple(plan, &given.key, given.condition.as_ref()), &given.key, false)?;
    }
    Ok(())
}

fn invalid(outcome: Result<(), String>, key: &TupleKey, contextual: bool) -> Result<(), EngineError> {
    outcome.map_err(|reason| EngineError::InvalidTuple { key: Box::new(key.clone()), reason, contextual })
}

/// An object's relation in itself says nothing.
fn is_implicit(key: &TupleKey) -> bool {
    matches!(&key.subject, Subject::Userset(object, relation) if *object == key.object && *relation == key.relation)
}
