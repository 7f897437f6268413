//! What each operation is asked and what it answers, free of any wire format.

use super::decide::Asked;
use crate::cel::Context;
use crate::eval::{Decision, ReadCounts, Wanted};
use crate::model::{Instant, ModelId, Object, Revision, Subject, TupleKey, TupleRecord, TupleRef};
use crate::store::{
    Delete, JournalAddition, LogPosition, LoggedChange, Precondition, ReadSet, StoreInfo, Write,
};

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T, N> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<N>,
}

/// A page of stores; the next page starts behind an identifier.
pub type StorePage = Page<StoreInfo, crate::model::StoreId>;
/// A page of tuples; the next page starts behind a tuple.
pub type TuplePage = Page<StoredTuple, TupleKey>;

/// A tuple with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTuple {
    /// Its key.
    pub key: TupleKey,
    /// Its record.
    pub record: TupleRecord,
}

/// What to write to a store, together or not at all.
#[derive(Debug, Clone, Default)]
pub struct WriteRequest {
    /// The model that the writes must fit; `None`: the newest one.
    pub model: Option<ModelId>,
    /// Who asks, for the log.
    pub actor: Option<Box<str>>,
    /// What must hold at the commit.
    pub preconditions: Vec<Precondition>,
    /// Tuples to delete; not checked against the model, so that stale ones can be removed.
    pub deletes: Vec<Delete>,
    /// Tuples to write.
    pub writes: Vec<Write>,
    /// Entries to add to journals.
    pub journals: Vec<JournalAddition>,
    /// The model that has to be the newest one when they are committed, whichever they must fit. `None`: any.
    pub newest_model: Option<ModelId>,
    /// What it rests on: it is refused if any of that is otherwise by then.
    pub reads: Option<ReadSet>,
}

/// Which stored tuples to read.
#[derive(Debug, Clone, Default)]
pub struct ReadRequest {
    /// Tuples on objects of this type.
    pub object_type: Option<Box<str>>,
    /// Tuples on the object of this identifier; only together with `object_type`.
    pub object_id: Option<Box<str>>,
    /// Tuples of this relation.
    pub relation: Option<Box<str>>,
    /// Tuples of exactly this subject.
    pub subject: Option<Subject>,
    /// Also the tuples that are not live.
    pub include_inactive: bool,
    /// Only tuples behind this one.
    pub after: Option<TupleKey>,
    /// At most so many.
    pub limit: usize,
}

/// Which changes to read.
#[derive(Debug, Clone, Default)]
pub struct ChangesRequest {
    /// Changes of tuples on objects of this type only.
    pub object_type: Option<Box<str>>,
    /// Changes behind this place.
    pub after: Option<LogPosition>,
    /// Changes committed at this instant or later; `after` goes before it.
    pub start: Option<Instant>,
    /// At most so many.
    pub limit: usize,
}

/// Changes in the order of the log.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The changes.
    pub items: Vec<LoggedChange>,
    /// The place to go on from; where nothing was found, the place that was given.
    pub position: LogPosition,
}

/// Which changes whoever watches a store is told of next.
#[derive(Debug, Clone)]
pub struct WatchRequest {
    /// Changes of tuples on objects of this type only.
    pub object_type: Option<Box<str>>,
    /// Changes behind this place.
    pub after: LogPosition,
    /// At most so many.
    pub limit: usize,
}

/// What comes next for whoever watches a store.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The changes, in the order of the log.
    pub items: Vec<LoggedChange>,
    /// The place to go on from. All that lies before it was told or is not asked for.
    pub position: LogPosition,
    /// Whether nothing lies behind it, so far.
    pub caught_up: bool,
}

/// What every query may carry.
#[derive(Debug, Clone, Default)]
pub struct QueryContext {
    /// The model to evaluate with; `None`: the newest one at the query's revision.
    pub model: Option<ModelId>,
    /// Tuples that count for this query only; with the key of a stored one, they stand in its place.
    pub contextual_tuples: Vec<ContextualTuple>,
    /// Values for the parameters of conditions; a tuple's own go before them.
    pub context: Context,
    /// The query must see at least this revision.
    pub at_least_revision: Option<Revision>,
    /// Whether anybody waits for the answer. Soon after nobody does, the query ends with
    /// [`EngineError::Stopped`](super::EngineError::Stopped).
    pub wanted: Wanted,
}

impl QueryContext {
    /// A check with what this gives.
    pub(super) fn asked<'q>(&'q self, check: &'q CheckRequest) -> Asked<'q> {
        Asked { check, contextual_tuples: &self.contextual_tuples, context: &self.context, given: None }
    }
}

/// A tuple that is given with a query.
#[derive(Debug, Clone)]
pub struct ContextualTuple {
    /// Its key.
    pub key: TupleKey,
    /// Its record; `written_at` plays no part.
    pub record: TupleRecord,
}

/// Does this subject hold this relation on this object?
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// On what.
    pub object: Object,
    /// Which relation.
    pub relation: Box<str>,
    /// Who.
    pub subject: Subject,
}

/// The answer to a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckAnswer {
    /// The decision.
    pub allowed: bool,
    /// Up to this instant (exclusive) the passing of time alone cannot change the decision; a guaranteed lower
    /// bound. `None`: it never can.
    pub stable_until: Option<Instant>,
}

impl From<Decision> for CheckAnswer {
    fn from(decision: Decision) -> Self {
        Self { allowed: decision.allowed, stable_until: decision.stable_until }
    }
}

/// Why does this subject hold this relation on this object, or why not, and until when?
#[derive(Debug, Clone)]
pub struct ExplainRequest {
    /// The question.
    pub check: CheckRequest,
    /// The instant to decide for, before now or after it, the data being as it is now; `None`: now.
    pub at: Option<Instant>,
}

/// An answer with what it was computed from.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// The model that was used.
    pub model: ModelId,
    /// The revision of the data.
    pub revision: Revision,
    /// The instant that the decision was made for.
    pub at: Instant,
}

impl<T> Answer<T> {
    /// The same with another value.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        let Self { value, model, revision, at } = self;
        Answer { value: change(value), model, revision, at }
    }
}

/// An answer with what was read for it.
pub type Counted<T> = (Answer<T>, ReadCounts);

/// Show how a relation of an object is made up.
#[derive(Debug, Clone)]
pub struct ExpandRequest {
    /// Of what.
    pub object: Object,
    /// Which relation.
    pub relation: Box<str>,
    /// Also the tuples that are not live.
    pub include_inactive: bool,
}

/// Tells a tuple's subject and record apart from its object, as `read` visits them.
pub(super) fn stored(key: TupleRef<'_>, record: TupleRecord) -> StoredTuple {
    StoredTuple { key: key.to_owned(), record }
}
