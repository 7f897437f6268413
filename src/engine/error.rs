//! Why an operation was refused or failed. The server gives each its code and status.

use std::sync::Arc;

use thiserror::Error;

use crate::cel::ContextError;
use crate::model::{ModelId, Revision, StoreId, TupleKey};
use crate::schema::Violation;
use crate::store::{CommitError, StoreError};

/// Why an operation was refused or failed.
#[derive(Debug, Clone, Error)]
pub enum EngineError {
    /// There is no such store.
    #[error("store `{store}` does not exist")]
    StoreNotFound {
        /// The store.
        store: StoreId,
    },
    /// The store has no model yet (or does not exist, which queries do not tell apart).
    #[error("No authorization models found for store '{store}'")]
    NoModel {
        /// The store.
        store: StoreId,
    },
    /// The store has no such model.
    #[error("Authorization Model '{model}' not found")]
    ModelNotFound {
        /// The model.
        model: ModelId,
    },
    /// The model breaks rules.
    #[error("{}", violations.first().map_or("the model is invalid", |violation| &violation.message))]
    InvalidModel {
        /// What is wrong; at least one.
        violations: Vec<Violation>,
    },
    /// The model has no such type.
    #[error("type '{type_name}' not found")]
    TypeNotFound {
        /// The type.
        type_name: Box<str>,
    },
    /// The type has no such relation.
    #[error("relation '{type_name}#{relation}' not found")]
    RelationNotFound {
        /// The type.
        type_name: Box<str>,
        /// The relation.
        relation: Box<str>,
    },
    /// The query's subject does not fit the model.
    #[error("invalid subject `{subject}`: {reason}")]
    InvalidSubject {
        /// The subject.
        subject: Box<str>,
        /// Why.
        reason: String,
    },
    /// A tuple, written or contextual, does not fit the model.
    #[error("Invalid tuple '{key}'. Reason: {reason}")]
    InvalidTuple {
        /// The tuple.
        key: Box<TupleKey>,
        /// Why.
        reason: String,
        /// Whether it was given with a query.
        contextual: bool,
    },
    /// The query's context cannot be used.
    #[error("invalid context: {0}")]
    InvalidContext(#[source] ContextError),
    /// A tuple that says nothing: an object's relation in itself.
    #[error("cannot write a tuple that is implicit: '{key}'")]
    ImplicitTuple {
        /// The tuple.
        key: Box<TupleKey>,
    },
    /// A tuple stands more than once in a request.
    #[error("duplicate tuple in write: user: '{}', relation: '{}', object: '{}'", key.subject, key.relation, key.object)]
    DuplicateTuple {
        /// The tuple.
        key: Box<TupleKey>,
    },
    /// The evaluation met a limit.
    #[error("{limit}")]
    TooComplex {
        /// Which one.
        limit: crate::eval::LimitReached,
    },
    /// A condition of a tuple could not be evaluated, and nothing else decided.
    #[error(transparent)]
    Condition(Arc<crate::eval::ConditionFailure>),
    /// Whoever asked would not wait any longer, and there was no answer until then, or nothing of a list.
    #[error("the time was over before anything was found")]
    Stopped,
    /// The revision asked for does not exist yet.
    #[error("revision {asked} has not been reached; the newest one is {newest}")]
    RevisionNotReached {
        /// The revision asked for.
        asked: Revision,
        /// The newest one.
        newest: Revision,
    },
    /// The commit was refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
