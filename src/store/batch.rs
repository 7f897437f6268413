//! What a caller hands to the writer, and the one place that decides what a batch changes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::documents::{DocumentChange, JournalAddition};
use super::error::{CommitError, StoreError};
use super::reads::ReadSet;
use crate::model::{
    Assertion, AuthorizationModel, Instant, Lifetime, ModelId, Revision, TupleCondition, TupleKey,
    TupleRecord, TupleRef,
};

/// What is to be written together, or not at all.
///
/// Order within a batch: preconditions are checked first, deletes are applied before writes. The same key may
/// stand in it once only; the caller has seen to that.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Who asks, for the log.
    pub actor: Option<Box<str>>,
    /// What must hold at the commit.
    pub preconditions: Vec<Precondition>,
    /// Tuples to delete.
    pub deletes: Vec<Delete>,
    /// Tuples to write.
    pub writes: Vec<Write>,
    /// A model to add; the writer gives it an identifier larger than that of every model of the store before it.
    pub model: Option<AuthorizationModel>,
    /// A model's assertions, which take the place of those that it had. The caller has seen to it that the model exists.
    pub assertions: Option<(ModelId, Vec<Assertion>)>,
    /// Documents to write and to remove; the same key may stand here once only.
    pub documents: Vec<DocumentChange>,
    /// Entries to add to journals, in this order. Alone, they raise no revision.
    pub journals: Vec<JournalAddition>,
    /// Journals to forget everything of that was added before an instant.
    pub forget: Vec<(Box<str>, Instant)>,
    /// What the batch was decided on, if that has to hold still.
    pub reads: Option<ReadSet>,
    /// The model that has to be the newest one still, if one has.
    pub under_model: Option<ModelId>,
}

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The revision that has the batch; the newest one, where the batch changed nothing.
    pub revision: Revision,
    /// When it was committed.
    pub at: Instant,
    /// The identifier that the batch's model was given.
    pub model: Option<ModelId>,
}

/// A field of a tuple in a write: leave it, clear it, or set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// What is there stays; on a new tuple, the default.
    #[default]
    Absent,
    /// The default.
    Clear,
    /// This value.
    Set(T),
}

impl<T> Field<T> {
    fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Absent => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// One tuple to write.
#[derive(Debug, Clone)]
pub struct Write {
    /// Its key.
    pub key: TupleKey,
    /// Its condition.
    pub condition: Field<TupleCondition>,
    /// Its expiration.
    pub expires_at: Field<Instant>,
    /// Whether it is paused.
    pub paused: Field<bool>,
    /// What happens if it exists, live or not.
    pub on_duplicate: OnDuplicate,
}

/// What a write does to a tuple that exists, live or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// The batch is refused.
    #[default]
    Error,
    /// It stays as it is; the batch is refused if what the write gives differs from it.
    Ignore,
    /// It takes the fields given.
    Update,
}

/// One tuple to delete.
#[derive(Debug, Clone)]
pub struct Delete {
    /// Its key.
    pub key: TupleKey,
    /// What happens if it does not exist.
    pub on_missing: OnMissing,
}

/// What a delete does about a tuple that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// The batch is refused.
    #[default]
    Error,
    /// Nothing.
    Ignore,
}

/// What must hold of a tuple at the commit, or nothing is written.
#[derive(Debug, Clone)]
pub struct Precondition {
    /// Its key.
    pub key: TupleKey,
    /// What must hold.
    pub must: Requirement,
}

/// What a precondition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The tuple exists, live or not.
    Exist,
    /// The tuple does not exist.
    NotExist,
    /// The tuple exists and is live at the instant of the commit.
    Live,
}

/// A change that a batch makes to one tuple.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TupleChange {
    pub(super) key: TupleKey,
    pub(super) before: Option<TupleRecord>,
    pub(super) after: Option<TupleRecord>,
}

impl Batch {
    /// The changes that this batch makes to what `lookup` shows, at the instant `now`. A tuple that would stay as it
    /// is, is not among them.
    pub(super) fn decide(
        &self,
        now: Instant,
        mut lookup: impl FnMut(TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError>,
    ) -> Result<Vec<TupleChange>, CommitError> {
        for (index, precondition) in self.preconditions.iter().enumerate() {
            let found = lookup(precondition.key.as_ref())?;
            let holds = match precondition.must {
                Requirement::Exist => found.is_some(),
                Requirement::NotExist => found.is_none(),
                Requirement::Live => found.is_some_and(|record| record.lifetime.is_live(now)),
            };
            if !holds {
                let key = Box::new(precondition.key.clone());
                return Err(CommitError::Precondition { index, key, must: precondition.must });
            }
        }
        let mut changes: Vec<TupleChange> = Vec::with_capacity(self.deletes.len() + self.writes.len());
        // What the deletes take away, the writes find gone.
        let mut deleted: HashMap<&TupleKey, usize> = HashMap::new();
        for delete in &self.deletes {
            match lookup(delete.key.as_ref())? {
                Some(before) => {
                    deleted.insert(&delete.key, changes.len());
                    changes.push(TupleChange { key: delete.key.clone(), before: Some(before), after: None });
                }
                None if delete.on_missing == OnMissing::Ignore => {}
                None => return Err(CommitError::TupleMissing { key: Box::new(delete.key.clone()) }),
            }
        }
        for write in &self.writes {
            let replaced = deleted.get(&write.key).copied();
            let before = if replaced.is_some() { None } else { lookup(write.key.as_ref())? };
            let Some(after) = write.outcome(before.as_ref(), now)? else { continue };
            match replaced.and_then(|index| changes.get_mut(index)) {
                Some(change) => change.after = Some(after),
                None => changes.push(TupleChange { key: write.key.clone(), before, after: Some(after) }),
            }
        }
        // Deleted, and written as it was within the same microsecond.
        changes.retain(|change| change.before != change.after);
        Ok(changes)
    }
}

impl Write {
    /// The record that the tuple has after this write; `None` where it stays as it is.
    fn outcome(
        &self,
        before: Option<&TupleRecord>,
        now: Instant,
    ) -> Result<Option<TupleRecord>, CommitError> {
        let Some(record) = before else {
            return Ok(Some(self.applied_to(None, now)));
        };
        match self.on_duplicate {
            OnDuplicate::Error => Err(CommitError::TupleExists { key: Box::new(self.key.clone()) }),
            OnDuplicate::Ignore => {
                // A plain client knows no lifetimes: what it does not give cannot differ. A condition that it does
                // not give is the statement that there is none.
                let given = self.applied_to(Some(record), now);
                let condition = self.condition.clone().apply(None);
                if given.lifetime == record.lifetime && condition == record.condition {
                    Ok(None)
                } else {
                    Err(CommitError::TupleDiffers { key: Box::new(self.key.clone()) })
                }
            }
            OnDuplicate::Update => {
                let after = self.applied_to(Some(record), now);
                let same = after.lifetime == record.lifetime && after.condition == record.condition;
                Ok((!same).then_some(after))
            }
        }
    }

    fn applied_to(&self, current: Option<&TupleRecord>, now: Instant) -> TupleRecord {
        let lifetime = current.map(|record| record.lifetime).unwrap_or_default();
        TupleRecord {
            lifetime: Lifetime {
                expires_at: self.expires_at.apply(lifetime.expires_at),
                paused: self.paused.apply(Some(lifetime.paused)).unwrap_or(false),
            },
            condition: self.condition.clone().apply(current.and_then(|record| record.condition.clone())),
            written_at: now,
        }
    }
}
