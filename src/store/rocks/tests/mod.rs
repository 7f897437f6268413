//! What only a database on a disk can do, or fail to do.

mod faults;
mod groups;
mod log_of_writes;
mod opening;
mod reopen;
mod restore;
mod torn;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::conformance::{ManualClock, small};
use super::storage::Storage;
use super::*;

/// Opens what is in `path`.
fn reopen(path: &Path, clock: &Arc<ManualClock>) -> RocksDatabase {
    RocksDatabase::open(path, clock.clone(), &small()).unwrap()
}

/// What a database has open.
fn storage(db: &RocksDatabase) -> Arc<Storage> {
    Arc::clone(db.view.load().storage())
}

/// The file of its log of writes that was begun last.
fn log_of_writes(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

/// Opens what is in `path` with something else in the place of the real thing.
fn open_with(path: &Path, clock: &Arc<ManualClock>, seams: Seams) -> Result<RocksDatabase, StoreError> {
    open::open(path, clock.clone(), &small(), seams)
}
