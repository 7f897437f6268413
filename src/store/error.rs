//! What can go wrong in a store.

use std::path::PathBuf;

use thiserror::Error;

use super::batch::Requirement;
use crate::model::TupleKey;

/// What it means for those who are served where the last commits are missing.
const LOSS_MEANS: &str =
    "what a missing commit removed would be allowed again, and a key that it revoked would be taken";

/// A failure of the storage itself.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The data directory is open already, in another process or in this one.
    #[error("the data directory `{}` is in use; is a server running on it?", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory was written by a newer version.
    #[error("the data directory `{}` has format {found}, newer than {supported}, which this version supports", path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// The format that it has.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// The data directory cannot be created, read or written.
    #[error("cannot use the data directory `{}`: {reason}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The data directory is damaged.
    #[error("the data directory `{}` is damaged; restore a backup ({reason})", path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A data directory whose log a restore was to go on with has lost what was acknowledged, or may have.
    #[error("the log of the data directory `{}` is not whole ({reason}); {LOSS_MEANS}", path.display())]
    Loss {
        /// The directory.
        path: PathBuf,
        /// What is missing, or why nobody can tell.
        reason: String,
    },
    /// A directory of backups, or a backup in it, cannot be used.
    #[error("cannot use the backup directory `{}`: {reason}", path.display())]
    Backups {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The storage engine failed.
    #[error("storage failed while {doing}: {reason}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// A stored record cannot be read.
    #[error("a stored record cannot be read ({what}): {reason}")]
    Corrupt {
        /// Which kind of record.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A commit was written and a failure was told: whether it is durable shows when the database was opened again. Each
    /// batch of it is found whole, or not at all.
    #[error("storage failed while {doing}, and whether it was done is not known yet: {reason}")]
    Unsure {
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// An earlier commit failed; writes are refused until the database was opened again, which goes on by itself. Nothing
    /// was written.
    #[error("writes are refused since a commit failed: {reason}")]
    WritesRefused {
        /// How it failed.
        reason: String,
    },
    /// The database is closed.
    #[error("the database is closed")]
    Closed,
}

/// Why a batch was not committed. Nothing of it was.
#[derive(Debug, Clone, Error)]
pub enum CommitError {
    /// There is no such store.
    #[error("there is no such store")]
    StoreNotFound,
    /// A tuple to be written exists.
    #[error("the tuple `{key}` exists")]
    TupleExists {
        /// Its key.
        key: Box<TupleKey>,
    },
    /// A tuple to be deleted does not exist.
    #[error("the tuple `{key}` does not exist")]
    TupleMissing {
        /// Its key.
        key: Box<TupleKey>,
    },
    /// A tuple to be written exists with another condition or lifetime.
    #[error("the tuple `{key}` exists with a different condition or lifetime")]
    TupleDiffers {
        /// Its key.
        key: Box<TupleKey>,
    },
    /// A precondition does not hold.
    #[error("the precondition {index} on `{key}` does not hold")]
    Precondition {
        /// Its place among the preconditions, from 0.
        index: usize,
        /// The tuple's key.
        key: Box<TupleKey>,
        /// What must hold.
        must: Requirement,
    },
    /// What the batch was decided on does not hold any more, or is not certain to.
    #[error("what was read has changed meanwhile")]
    Conflict,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
