//! One commit, between the batch that asks for it and the rows that hold it: what a store's state is, what the log
//! keeps of a commit, and how the one follows from the other.
//!
//! Everything that a commit changes follows from its [`LogEntry`] alone; nothing here reads a clock or a store.

use serde::{Deserialize, Serialize};

use super::batch::{Batch, Committed, TupleChange};
use super::error::{CommitError, StoreError};
use super::{LogPosition, LoggedChange, StoreInfo, ids};
use crate::model::{
    Assertion, AuthorizationModel, Instant, ModelId, Revision, StoreId, TupleRecord, TupleRef,
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
    /// What the log will keep of `batch`, committed at `at` on what `lookup` shows; `None` if it changes nothing.
    pub(super) fn decide(
        &self,
        batch: Batch,
        at: Instant,
        lookup: impl FnMut(TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError>,
    ) -> Result<Option<LogEntry>, CommitError> {
        let changes = batch.decide(at, lookup)?;
        if changes.is_empty() && batch.model.is_none() && batch.assertions.is_none() {
            return Ok(None);
        }
        let model = match batch.model {
            Some(model) => Some((ids::fresh(at, self.newest_model)?, model)),
            None => None,
        };
        Ok(Some(LogEntry { at, actor: batch.actor, changes, model, assertions: batch.assertions }))
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
