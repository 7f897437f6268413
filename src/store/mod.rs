//! Where tuples, models and the log of changes live: the traits that the rest is written against, and their
//! errors.
//!
//! [`rocks`] implements them on RocksDB, [`memory`] in memory for tests and for store test files; one
//! conformance suite holds for both. This part must never know what a tuple *means*: it neither evaluates nor
//! checks a tuple against a model.

mod batch;
mod commit;
#[cfg(test)]
mod conformance;
mod distribution;
mod documents;
mod error;
mod ids;
mod keys;
pub mod memory;
mod observe;
mod reads;
pub mod rocks;
mod scan;
mod statistics;

pub use batch::{Batch, Committed, Delete, Field, OnDuplicate, OnMissing, Precondition, Requirement, Write};
pub use distribution::{Distributed, Distribution};
pub use documents::{DocumentChange, DocumentKey, JournalAddition, JournalEntry};
pub use error::{CommitError, StoreError};
pub use observe::{CommitObserver, CommitSequence};
pub use reads::{ReadSet, Tracked};
pub use statistics::{DatabaseStatistics, TableStatistics};

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Weak, mpsc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{
    Assertion, AuthorizationModel, Clock, Id, Instant, ModelId, ObjectRef, Revision, StoreId, SubjectClass,
    SubjectRef, TupleKey, TupleRecord, TupleRef,
};

/// A store (tenant) as its listing shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreInfo {
    /// Its identifier.
    pub id: StoreId,
    /// Its name; not unique.
    pub name: Box<str>,
    /// When it was created.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// What is kept of somebody who may use the database, under its identifier. Only who wrote it can read it.
pub type Credential = (Id, Box<[u8]>);
/// A backup as the list of them shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Its number in its directory; a later one is larger.
    pub id: u32,
    /// When it was made, to the second.
    pub made_at: Instant,
    /// How large it is, in bytes; what it shares with others is counted in each.
    pub bytes: u64,
    /// How many files it has.
    pub files: u32,
}

/// Called once with the outcome of a commit, on the writer's thread: it must not block.
pub type Completion = Box<dyn FnOnce(Result<Committed, CommitError>) + Send>;

/// A database of stores.
///
/// **Guarantees.** Commits of a store are serial, each atomic and durable before it is acknowledged; an
/// acknowledged commit is in every snapshot taken afterwards. A snapshot is one revision of one store and never
/// changes. After a failed commit, whose outcome is unknown, the database refuses writes until what is durable was read
/// back; reads go on.
pub trait Database: Send + Sync + 'static {
    /// One store at one revision.
    type Snapshot: Snapshot + Clone + 'static;

    /// The clock that decides: never runs backwards, over restarts neither (its high-water mark is stored with each
    /// commit and at least once a second while it is asked).
    fn clock(&self) -> &dyn Clock;

    /// Whether writes are accepted: [`StoreError::WritesRefused`] while a commit has failed.
    fn accepts_writes(&self) -> Result<(), StoreError>;

    /// Makes a backup, in a directory of backups, of all that is durable now, and removes those before the last `keep`
    /// where that is given. Commits go on meanwhile.
    fn back_up(&self, directory: &Path, keep: Option<usize>) -> Result<Backup, StoreError> {
        let _ = keep;
        Err(StoreError::Backups { path: directory.into(), reason: "this database has no files".into() })
    }

    /// Creates an empty store. Its identifier is larger than that of every store before it.
    fn create_store(&self, name: &str) -> Result<StoreInfo, CommitError>;

    /// Deletes a store with everything in it. Returns whether there was one.
    fn delete_store(&self, id: StoreId) -> Result<bool, CommitError>;

    /// The store, if it exists.
    fn store(&self, id: StoreId) -> Result<Option<StoreInfo>, StoreError>;

    /// At most `limit` stores with identifiers after `after`, in their order, of this name where one is given.
    fn stores(
        &self,
        name: Option<&str>,
        after: Option<StoreId>,
        limit: usize,
    ) -> Result<Vec<StoreInfo>, StoreError>;

    /// The newest revision of a store, if it exists.
    fn snapshot(&self, store: StoreId) -> Result<Option<Self::Snapshot>, StoreError>;

    /// Hands a batch to the writer, which calls `done` when it is durable and visible, or refused.
    fn submit(&self, store: StoreId, batch: Batch, done: Completion);

    /// [`submit`](Self::submit), waiting for the outcome.
    fn commit(&self, store: StoreId, batch: Batch) -> Result<Committed, CommitError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(store, batch, Box::new(move |outcome| drop(sender.send(outcome))));
        receiver.recv().unwrap_or(Err(CommitError::Store(StoreError::Closed)))
    }

    /// The credentials, in the order of their identifiers. They belong to no store and are part of no log.
    fn credentials(&self) -> Result<Vec<Credential>, StoreError>;

    /// Puts a credential in the place of what has its identifier; `None` removes that. Durable when this returns.
    fn put_credential(&self, id: Id, value: Option<Box<[u8]>>) -> Result<(), CommitError>;

    /// Has `observer` told of every commit that is not visible yet when this returns, for as long as somebody holds it.
    fn observe(&self, observer: Weak<dyn CommitObserver>);

    /// What it has done since it was opened, and what it takes; nothing where it does not tell.
    fn statistics(&self) -> DatabaseStatistics {
        DatabaseStatistics::default()
    }
}

/// One store at one revision. Reads of it are synchronous and never see a later commit.
pub trait Snapshot: Send + Sync {
    /// Over the subjects of an object's relation.
    type SubjectCursor<'a>: SubjectCursor
    where
        Self: 'a;
    /// Over the objects that a subject is named on.
    type ObjectCursor<'a>: ObjectCursor
    where
        Self: 'a;

    /// The revision.
    fn revision(&self) -> Revision;

    /// Which of all existences of all stores this is: no two stores of a database ever share it.
    fn epoch(&self) -> u64;

    /// The place, in the sequence of commits, of the newest commit to any store that became visible with or before this
    /// snapshot: everything up to it is visible, nothing behind it.
    fn sequence(&self) -> CommitSequence;

    /// The model that was written last, if any. Costs no read.
    fn newest_model(&self) -> Option<ModelId>;

    /// A model.
    fn model(&self, id: ModelId) -> Result<Option<AuthorizationModel>, StoreError>;

    /// At most `limit` models, newest first, from the one before `before` on.
    fn models(
        &self,
        before: Option<ModelId>,
        limit: usize,
    ) -> Result<Vec<(ModelId, AuthorizationModel)>, StoreError>;

    /// The assertions of a model; none where nobody has written any.
    fn assertions(&self, model: ModelId) -> Result<Vec<Assertion>, StoreError>;

    /// The record of one tuple: a point read. Not filtered by lifetime.
    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError>;

    /// A cursor to be placed with [`SubjectCursor::seek`]; made once and placed often.
    fn subject_cursor(&self) -> Self::SubjectCursor<'_>;

    /// A cursor to be placed with [`ObjectCursor::seek`]; made once and placed often.
    fn object_cursor(&self) -> Self::ObjectCursor<'_>;

    /// Calls `visit` with the tuples that match `filter`, in a fixed order, from behind `after` on, until it breaks
    /// or none is left. Not filtered by lifetime.
    fn read(
        &self,
        filter: &TupleFilter<'_>,
        after: Option<TupleRef<'_>>,
        visit: &mut dyn FnMut(TupleRef<'_>, TupleRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Calls `visit` with the changes of tuples behind `after` and up to the commit `last`, in the order of the log, until
    /// it breaks or none is left. Commits without a tuple are read, but not visited: `last` bounds what that takes.
    fn changes(
        &self,
        after: LogPosition,
        last: Revision,
        visit: &mut dyn FnMut(LoggedChange) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The last revision that was committed before `instant`; [`Revision::ZERO`] if none was.
    fn revision_before(&self, instant: Instant) -> Result<Revision, StoreError>;

    /// A document: a point read.
    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError>;

    /// Calls `visit` with the documents that begin with `prefix`, in the order of their keys, from behind `after` on, until it
    /// breaks or none is left.
    fn documents(
        &self,
        prefix: &DocumentKey,
        after: Option<&DocumentKey>,
        visit: &mut dyn FnMut(DocumentKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Calls `visit` with the entries of a journal behind `after`, in their order, until it breaks or none is left.
    fn journal(
        &self,
        journal: &str,
        after: Option<Id>,
        visit: &mut dyn FnMut(JournalEntry) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
}

/// A cursor over the tuples of one object, relation and class of subject, in the order of the subjects' bytes.
pub trait SubjectCursor {
    /// Places the cursor before the first. Counts as one seek.
    fn seek(&mut self, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Result<(), StoreError>;

    /// The next subject with the tuple's record; `None` at the end, and before any `seek`. Not filtered by lifetime.
    fn next(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError>;
}

/// A cursor over the tuples of one subject, object type and relation, in the order of the objects' bytes.
pub trait ObjectCursor {
    /// Places the cursor before the first. Counts as one seek.
    fn seek(&mut self, subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Result<(), StoreError>;

    /// The identifier of the next object with the tuple's record; `None` at the end, and before any `seek`. Not filtered by
    /// lifetime.
    fn next(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError>;
}

/// Which tuples to read. Everything absent matches everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct TupleFilter<'a> {
    /// Objects of this type.
    pub object_type: Option<&'a str>,
    /// Objects of this identifier; only together with `object_type`.
    pub object_id: Option<&'a str>,
    /// Tuples of this relation.
    pub relation: Option<&'a str>,
    /// Tuples of exactly this subject.
    pub subject: Option<SubjectRef<'a>>,
}

/// A place in the log: behind the change `index` of the commit `revision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogPosition {
    /// The commit.
    pub revision: Revision,
    /// How many of its changes lie before this place.
    pub index: u32,
}

impl LogPosition {
    /// Behind everything that a commit changed.
    pub const fn behind(revision: Revision) -> Self {
        Self { revision, index: u32::MAX }
    }
}

impl fmt::Display for LogPosition {
    /// `12.3` behind the third change of commit 12, `12` behind all of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            u32::MAX => write!(f, "{}", self.revision),
            index => write!(f, "{}.{index}", self.revision),
        }
    }
}

/// A text that is no place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a revision, such as `12`, or a place in it, such as `12.3`")]
pub struct LogPositionError;

impl FromStr for LogPosition {
    type Err = LogPositionError;

    fn from_str(text: &str) -> Result<Self, LogPositionError> {
        // A sign, which the numbers' own reading takes, is of neither form.
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(LogPositionError);
        }
        let (revision, index) = match text.split_once('.') {
            Some((revision, index)) => (revision, index.parse().map_err(|_| LogPositionError)?),
            None => (text, u32::MAX),
        };
        Ok(Self { revision: Revision(revision.parse().map_err(|_| LogPositionError)?), index })
    }
}

/// A tuple's change as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    /// The place behind this change.
    pub position: LogPosition,
    /// When it was committed.
    pub at: Instant,
    /// Who caused it, where the caller said so.
    pub actor: Option<Box<str>>,
    /// Which tuple.
    pub key: TupleKey,
    /// Its record before; `None`: it did not exist.
    pub before: Option<TupleRecord>,
    /// Its record after; `None`: it was deleted.
    pub after: Option<TupleRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_log_reads_back_and_nothing_else_is_one() {
        for text in ["0", "12", "12.0", "12.3", "18446744073709551615.4294967294"] {
            assert_eq!(text.parse::<LogPosition>().unwrap().to_string(), text);
        }
        assert_eq!("12".parse(), Ok(LogPosition::behind(Revision(12))));
        for text in
            ["", ".", "12.", ".3", "+1", "-1", " 1", "1.2.3", "1e3", "18446744073709551616", "1.4294967296"]
        {
            assert_eq!(text.parse::<LogPosition>(), Err(LogPositionError), "{text}");
        }
    }
}
