//! Stores in RocksDB.
//!
//! One writer thread makes commits durable in groups and publishes after each group a view of the whole database;
//! reads work on views and take no lock. Which bytes a key has is decided in `store/keys`, which bytes a
//! value has in `records`; what a commit does to the tables, in `apply`. No other part of the crate may name RocksDB.

mod acknowledged;
mod apply;
mod backup;
mod format;
mod group;
mod identity;
mod mend;
mod open;
mod options;
mod records;
mod replay;
mod report;
mod restore;
mod snapshot;
mod statistics;
mod storage;
#[cfg(test)]
mod tests;
mod torn;
mod verify;
mod writer;

pub use options::RocksOptions;
pub use replay::Short;
pub use report::{Difference, Problem, Report};
pub use restore::{Restore, Restored, Until};
pub use snapshot::{RocksObjectCursor, RocksSnapshot, RocksSubjectCursor};

use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;

use super::keys::{self, Key};
use super::observe::Observers;
use super::{
    Backup, Batch, CommitError, CommitObserver, Completion, Credential, Database, DatabaseStatistics,
    StoreError, StoreInfo,
};
use crate::model::{Clock, Id, MonotonicClock, StoreId};
use open::Seams;
use statistics::WriterCounts;
use storage::View;
use writer::{Failed, Message, Pending, Request, durably};

/// A database of stores in a directory.
///
/// **Guarantees**: those of [`Database`]. Commits of all stores are serial, in the order in which they are handed in; each
/// is atomic, and synced to the disk before it is visible or acknowledged. Commits that wait together become durable and
/// visible together, each decided on what those before it leave. Reads are serializable: a snapshot shows all commits up
/// to its revision and none behind it, and every commit that was acknowledged before it was taken. If a write fails, its
/// outcome is unknown: each of its commits is found later, whole, or not at all. Then all writes are refused until the
/// directory was opened again and what is in it was read back, which is tried again and again while reads go on. One process at a time has the directory.
pub struct RocksDatabase {
    view: Arc<ArcSwap<View>>,
    clock: Arc<MonotonicClock>,
    queue: SyncSender<Message>,
    /// How a write failed, if none is accepted since.
    failed: Arc<Failed>,
    observers: Arc<Observers>,
    counts: Arc<WriterCounts>,
    /// Taken by the one who waits for its end.
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl RocksDatabase {
    /// Whether there is a database in `path`, which [`open`](Self::open) would otherwise make.
    pub fn exists(path: &Path) -> bool {
        open::exists(path)
    }

    /// Opens the database in `path`, or makes one; `clock` is where the time comes from.
    ///
    /// Errors: [`StoreError::Locked`] if it is open already, [`StoreError::NewerFormat`] if a newer version wrote it,
    /// [`StoreError::Directory`] if it cannot be used, [`StoreError::Corrupt`] and [`StoreError::Io`].
    pub fn open(path: &Path, clock: Arc<dyn Clock>, options: &RocksOptions) -> Result<Self, StoreError> {
        let seams = Seams { write: durably(options.sync_delay), ..Seams::default() };
        open::open(path, clock, options, seams)
    }

    /// Commits what waits, refuses what comes later, and flushes, unless writes are refused. Snapshots can be taken and read on; the directory is
    /// free when the database and all of them are dropped. Dropping the database closes it too, without telling errors.
    pub fn close(&self) -> Result<(), StoreError> {
        self.stop();
        if self.failed.accepting().is_err() {
            // Nothing more can be written; what is durable is so already.
            return Ok(());
        }
        self.view.load_full().storage().flush()
    }

    /// Compares the log, replayed, with everything else that is committed now. Reads all of it; commits may go on.
    pub fn verify(&self) -> Result<Report, StoreError> {
        verify::verify_bounded(&self.view.load_full())
    }

    /// Ends the writer; what it was handed before is committed.
    fn stop(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return };
        // It may have ended already.
        drop(self.queue.send(Message::Stop));
        // The last one to let go of the database may be a caller's answer, on the writer's own thread.
        if writer.thread().id() != thread::current().id() {
            drop(writer.join());
        }
    }

    /// Hands a request to the writer and waits for its answer.
    fn ask<T: Send + 'static>(&self, request: impl FnOnce(Pending<T>) -> Request) -> Result<T, CommitError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.hand_over(request(Pending::new(Box::new(move |outcome| drop(sender.send(outcome))))));
        receiver.recv().unwrap_or(Err(StoreError::Closed.into()))
    }

    fn hand_over(&self, request: Request) {
        // A request that comes back is dropped, which answers it.
        drop(self.queue.send(Message::Request(request)));
    }
}

impl Drop for RocksDatabase {
    fn drop(&mut self) {
        // Everything acknowledged is durable already; a flush that fails costs time at the next opening, no more.
        drop(self.close());
    }
}

impl Database for RocksDatabase {
    type Snapshot = RocksSnapshot;

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn accepts_writes(&self) -> Result<(), StoreError> {
        self.failed.accepting()
    }

    fn back_up(&self, directory: &Path, keep: Option<usize>) -> Result<Backup, StoreError> {
        self.failed.accepting()?;
        // Not the view, whose snapshot would keep all that is overwritten for as long as this takes.
        let (storage, identity) = {
            let view = self.view.load();
            (Arc::clone(view.storage()), identity::of(&view)?)
        };
        backup::create(&storage.db, identity, directory, keep)
    }

    fn create_store(&self, name: &str) -> Result<StoreInfo, CommitError> {
        self.ask(|done| Request::Create { name: name.into(), done })
    }

    fn delete_store(&self, id: StoreId) -> Result<bool, CommitError> {
        self.ask(|done| Request::Delete { store: id, done })
    }

    fn store(&self, id: StoreId) -> Result<Option<StoreInfo>, StoreError> {
        Ok(self.view.load().states.get(&id).map(|state| state.info.clone()))
    }

    fn stores(
        &self,
        name: Option<&str>,
        after: Option<StoreId>,
        limit: usize,
    ) -> Result<Vec<StoreInfo>, StoreError> {
        let view = self.view.load_full();
        let rows = view.rows();
        let mut walk = rows.walk(rows.tables.meta);
        let all = Key::from_slice(&keys::STATES);
        let after = after.map(keys::state);
        walk.seek(all.clone(), after.as_ref().unwrap_or(&all));
        let mut stores = Vec::new();
        while stores.len() < limit {
            let Some((key, value)) = walk.step()? else { break };
            if after.as_deref() == Some(key) {
                continue;
            }
            let info = records::decode_state(value)?.info;
            if name.is_none_or(|name| *name == *info.name) {
                stores.push(info);
            }
        }
        Ok(stores)
    }

    fn snapshot(&self, store: StoreId) -> Result<Option<RocksSnapshot>, StoreError> {
        Ok(RocksSnapshot::new(self.view.load_full(), store))
    }

    fn submit(&self, store: StoreId, batch: Batch, done: Completion) {
        self.hand_over(Request::Commit { store, batch: Box::new(batch), done: Pending::new(done) });
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        let view = self.view.load_full();
        let rows = view.rows();
        let mut walk = rows.walk(rows.tables.meta);
        walk.seek_prefix(Key::from_slice(&keys::CREDENTIALS));
        let mut credentials = Vec::new();
        while let Some((key, value)) = walk.step()? {
            credentials.push((keys::decode_credential(key)?, records::decode_credential(value)?));
        }
        Ok(credentials)
    }

    fn put_credential(&self, id: Id, value: Option<Box<[u8]>>) -> Result<(), CommitError> {
        self.ask(|done| Request::Credential { id, value, done })
    }

    fn observe(&self, observer: Weak<dyn CommitObserver>) {
        self.observers.add(&observer);
    }

    fn statistics(&self) -> DatabaseStatistics {
        statistics::statistics(self.view.load_full().storage(), &self.counts)
    }
}
