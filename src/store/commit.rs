//! One commit, between the batch that asks for it and the rows that hold it: what a store's state is, what the log
//! keeps of a commit, and how the one follows from the other.
//!
//! Everything that a commit changes follows from its [`LogEntry`] alone; nothing here reads a clock or a store.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::batch::{Batch, Committed, TupleChange};
use super::documents::{DocumentChange, DocumentKey, JournalAddition, JournalRow};
use super::error::{CommitError, StoreError};
use super::reads::ReadSet;
use super::{LogPosition, LoggedChange, StoreInfo, ids};
use crate::model::limits::COMMITS_VALIDATED_MAX;
use crate::model::{
    Assertion, AuthorizationModel, Id, Instant, ModelId, Revision, StoreId, TupleRecord, TupleRef,
};

/// What is known of a store without reading its tuples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreState {
    pub(super) info: StoreInfo,
    pub(super) revision: Revision,
    pub(super) newest_model: Option<ModelId>,
    /// Of all existences of all stores, which this is: two stores never share it, and it only grows.
    pub(super) epoch: u64,
}

/// What is counted over all stores, deleted ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) last_store: Option<StoreId>,
    pub(super) last_epoch: u64,
}

/// What the log keeps of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogEntry {
    /// First, so that it can be read without the rest.
    pub(super) at: Instant,
    pub(super) actor: Option<Box<str>>,
    pub(super) changes: Vec<TupleChange>,
    pub(super) model: Option<(ModelId, AuthorizationModel)>,
    pub(super) assertions: Option<(ModelId, Vec<Assertion>)>,
    pub(super) documents: Vec<DocumentChange>,
}

/// What a batch finds when it is decided: all that was committed, and the batches before it in its group.
pub(super) trait Present {
    /// A tuple.
    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError>;

    /// A document.
    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError>;

    /// The commit of a revision, if there is one.
    fn commit(&self, revision: Revision) -> Result<Option<Cow<'_, LogEntry>>, StoreError>;

    /// The place of the last entry of a journal.
    fn last_entry(&self, journal: &str) -> Result<Option<Id>, StoreError>;
}

/// What a batch comes to.
pub(super) struct Decision {
    /// `None` if it changes nothing that has a revision.
    pub(super) entry: Option<LogEntry>,
    pub(super) journals: Vec<JournalPut>,
    pub(super) forget: Vec<(Box<str>, Instant)>,
}

/// An entry of a journal with its place.
pub(super) struct JournalPut {
    pub(super) journal: Box<str>,
    pub(super) id: Id,
    pub(super) row: JournalRow,
}

/// The last revision up to `newest` that was committed before `instant`; `at` tells when a revision was. Commits are
/// in the order of their time, so that few are looked at.
pub(super) fn last_before(
    newest: Revision,
    instant: Instant,
    mut at: impl FnMut(Revision) -> Result<Option<Instant>, StoreError>,
) -> Result<Revision, StoreError> {
    // Every revision up to `earlier` was committed before the instant, none behind `candidates`.
    let (mut earlier, mut candidates) = (Revision::ZERO, newest);
    while earlier < candidates {
        let middle = Revision(earlier.0 + (candidates.0 - earlier.0).div_ceil(2));
        let committed = at(middle)?.ok_or_else(|| StoreError::Corrupt {
            what: "changelog",
            reason: format!("revision {middle} is missing"),
        })?;
        if committed < instant {
            earlier = middle;
        } else {
            candidates = Revision(middle.0 - 1);
        }
    }
    Ok(earlier)
}

impl Counters {
    /// The state of a store made at `at`, and the counters behind it.
    pub(super) fn create(self, name: &str, at: Instant) -> Result<(StoreState, Self), StoreError> {
        let id = ids::fresh(at, self.last_store)?;
        let epoch = self.last_epoch.saturating_add(1);
        let info = StoreInfo { id, name: name.into(), created_at: at, updated_at: at };
        let state = StoreState { info, revision: Revision::ZERO, newest_model: None, epoch };
        Ok((state, Self { last_store: Some(id), last_epoch: epoch }))
    }
}

impl StoreState {
    /// What comes of `batch`, committed at `at` on what is `present`.
    pub(super) fn decide(
        &self,
        batch: Batch,
        at: Instant,
        present: &impl Present,
    ) -> Result<Decision, CommitError> {
        if let Some(reads) = &batch.reads {
            self.validate(reads, at, present)?;
        }
        if batch.under_model.is_some() && batch.under_model != self.newest_model {
            return Err(CommitError::Conflict);
        }
        let changes = batch.decide(at, |key| present.tuple(key))?;
        let mut documents = Vec::with_capacity(batch.documents.len());
        for change in batch.documents {
            if present.document(&change.key)? != change.value {
                documents.push(change);
            }
        }
        let unchanged =
            changes.is_empty() && documents.is_empty() && batch.model.is_none() && batch.assertions.is_none();
        let entry = if unchanged {
            None
        } else {
            let model = match batch.model {
                Some(model) => Some((ids::fresh(at, self.newest_model)?, model)),
                None => None,
            };
            let assertions = batch.assertions;
            Some(LogEntry { at, actor: batch.actor, changes, model, assertions, documents })
        };
        let revision = if entry.is_some() { self.revision.next() } else { self.revision };
        let journals = place(batch.journals, at, revision, present)?;
        Ok(Decision { entry, journals, forget: batch.forget })
    }

    /// Refuses a batch whose reads would be answered otherwise now, or may be.
    fn validate(&self, reads: &ReadSet, at: Instant, present: &impl Present) -> Result<(), CommitError> {
        if reads.stable_until.is_some_and(|until| at >= until) {
            return Err(CommitError::Conflict);
        }
        let behind = self.revision.0.checked_sub(reads.revision.0).ok_or(CommitError::Conflict)?;
        if behind > COMMITS_VALIDATED_MAX {
            return Err(CommitError::Conflict);
        }
        for revision in (reads.revision.0 + 1..=self.revision.0).map(Revision) {
            match present.commit(revision)? {
                Some(entry) if !reads.meets(&entry) => {}
                _ => return Err(CommitError::Conflict),
            }
        }
        Ok(())
    }

    /// The state behind a commit.
    pub(super) fn after(&self, entry: &LogEntry) -> Self {
        Self {
            info: StoreInfo { updated_at: entry.at, ..self.info.clone() },
            revision: self.revision.next(),
            newest_model: entry.model.as_ref().map(|(id, _)| *id).or(self.newest_model),
            epoch: self.epoch,
        }
    }

    /// What the caller of a batch is told that changed nothing.
    pub(super) fn unchanged(&self, at: Instant) -> Committed {
        Committed { revision: self.revision, at, model: None }
    }
}

/// Gives entries of journals their places.
fn place(
    additions: Vec<JournalAddition>,
    at: Instant,
    revision: Revision,
    present: &impl Present,
) -> Result<Vec<JournalPut>, StoreError> {
    let mut placed: Vec<JournalPut> = Vec::with_capacity(additions.len());
    for JournalAddition { journal, value } in additions {
        let before = placed.iter().rev().find(|put| put.journal == journal).map(|put| put.id);
        let last = if before.is_some() { before } else { present.last_entry(&journal)? };
        let id = ids::fresh(at, last)?;
        placed.push(JournalPut { journal, id, row: JournalRow { at, revision, value } });
    }
    Ok(placed)
}

impl LogEntry {
    /// What the caller of the batch is told.
    pub(super) fn committed(&self, revision: Revision) -> Committed {
        Committed { revision, at: self.at, model: self.model.as_ref().map(|(id, _)| *id) }
    }

    /// The changes behind `after`, this being the commit `revision`.
    pub(super) fn changes_behind(
        self,
        revision: Revision,
        after: LogPosition,
    ) -> impl Iterator<Item = LoggedChange> {
        let seen = if revision == after.revision { after.index } else { 0 };
        let (at, actor) = (self.at, self.actor);
        (1_u32..).zip(self.changes).filter(move |(index, _)| *index > seen).map(move |(index, change)| {
            LoggedChange {
                position: LogPosition { revision, index },
                at,
                actor: actor.clone(),
                key: change.key,
                before: change.before,
                after: change.after,
            }
        })
    }
}
