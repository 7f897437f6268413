//! After a failed write: opening the database again, beside the readers, so that writes are accepted again.
//!
//! What a failed write left is unknown: RocksDB takes no further write, and the log of writes may hold the batch or not.
//! It shows when the directory is opened anew. RocksDB has a directory open for writing once only, and readers have
//! snapshots of what is open; so it goes by two steps, each of which is tried again until it works. First the directory is
//! opened for reading alone, and new readers are given that. When the last reader has let go of the old one, which frees
//! the directory, it is opened for writing. Nothing may be accepted before that is done, and nothing that was acknowledged
//! may be missing in what is shown, nor anything that was shown before.
//!
//! The latter is not a matter of course: what a failed sync left in the system's memory is read from there, and may be gone
//! when it is read the next time. Then there would be a second commit with the number of one that was seen, and decisions kept
//! under the first. So what the first step shows is noted as what is acknowledged is, and where either step, or the next
//! process, does not find what was noted, the directory is damaged: nothing is accepted any more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant as Stopwatch};

use tracing::{error, warn};

use super::super::error::StoreError;
use super::super::keys;
use super::super::observe::Publication;
use super::open::{Directory, read_view, require_acknowledged};
use super::records;
use super::storage::{Storage, View};
use super::writer::Writer;
use crate::model::Revision;

/// A file by which is found out whether there is room on the disk, and its size in bytes: opening takes some.
const PROBE_FILE: &str = "tenure.probe";
const PROBE_BYTES: usize = 1024 * 1024;

/// How far the mending is.
enum Stage {
    /// Nothing failed.
    Sound,
    /// The database that failed is open.
    Failed,
    /// It is read from a second one, and this is the first.
    Bridged(Weak<Storage>),
    /// What was acknowledged or shown is gone. Nothing is tried any more; it is read from what was opened last.
    Lost,
}

/// What the writer knows of the mending.
pub(super) struct Mend {
    directory: Directory,
    every: Duration,
    stage: Stage,
    /// When it failed, or was tried last.
    tried_at: Stopwatch,
    /// What kept it from being mended, as it was told last.
    told: Option<String>,
}

impl Mend {
    pub(super) fn new(directory: Directory, every: Duration) -> Self {
        Self { directory, every, stage: Stage::Sound, tried_at: Stopwatch::now(), told: None }
    }

    /// A write has failed.
    pub(super) fn begin(&mut self) {
        if matches!(self.stage, Stage::Sound) {
            self.stage = Stage::Failed;
            self.tried_at = Stopwatch::now();
        }
    }
}

impl Writer {
    /// Goes on with the mending where there is something to mend and it is time.
    pub(super) fn mend_in_time(&mut self) {
        if matches!(self.mend.stage, Stage::Sound | Stage::Lost)
            || self.mend.tried_at.elapsed() < self.mend.every
        {
            return;
        }
        if let Err(error) = self.mend_further() {
            self.tell(&error);
        }
        self.mend.tried_at = Stopwatch::now();
    }

    fn mend_further(&mut self) -> Result<(), StoreError> {
        let bridged = if matches!(self.mend.stage, Stage::Failed) { self.bridge() } else { Ok(()) };
        let mended = bridged.and_then(|()| self.open_again());
        if matches!(mended, Err(StoreError::Damaged { .. })) {
            // What is gone does not come back, and each try writes.
            self.mend.stage = Stage::Lost;
        }
        mended
    }

    /// Tells why it is not mended, once for each reason. That may be gone the next time; until then `failed` says how it
    /// began.
    fn tell(&mut self, reason: &StoreError) {
        let reason = reason.to_string();
        if matches!(self.mend.stage, Stage::Lost) {
            error!(reason, "writes are refused for good since a commit failed");
            self.failed.lost(&reason);
        } else if self.mend.told.as_ref() != Some(&reason) {
            warn!(reason, "writes are still refused since a commit failed");
            self.mend.told = Some(reason);
        }
    }

    /// Opens the directory for reading alone and gives it to readers.
    fn bridge(&mut self) -> Result<(), StoreError> {
        let path = &self.mend.directory.path;
        probe(path).map_err(|e| StoreError::Directory { path: path.clone(), reason: e.to_string() })?;
        // The files do not change any more under those who read them.
        self.storage.db.cancel_all_background_work(true);
        let bridge = self.mend.directory.open_for_reading(Arc::clone(&self.storage.lock))?;
        require_acknowledged(path, &bridge.db, &self.note)?;
        let noted = self.note.put(bridge.db.latest_sequence_number()).and_then(|()| self.note.sync());
        noted.map_err(|e| StoreError::Directory { path: path.clone(), reason: e.to_string() })?;
        let failed = Arc::downgrade(&self.storage);
        self.show(bridge)?;
        self.mend.stage = Stage::Bridged(failed);
        Ok(())
    }

    /// Opens the directory for writing, once nobody reads from what failed.
    fn open_again(&mut self) -> Result<(), StoreError> {
        let Stage::Bridged(failed) = &self.mend.stage else { return Ok(()) };
        if failed.strong_count() > 0 {
            return Ok(());
        }
        let opened = self.mend.directory.open(Arc::clone(&self.storage.lock), &self.note)?;
        self.show(opened)?;
        self.mend.stage = Stage::Sound;
        self.mend.told = None;
        self.failed.mended();
        Ok(())
    }

    /// Has readers read from `storage`. What it has beyond what they have seen becomes visible as every commit does.
    fn show(&mut self, storage: Arc<Storage>) -> Result<(), StoreError> {
        let (mut view, stored_clock) = read_view(&storage)?;
        let publication = between(&self.view.load(), &view)?;
        self.observers.publish(&publication, |sequence| {
            view.sequence = sequence;
            self.view.store(Arc::new(view));
        })?;
        self.storage = storage;
        self.stored_clock = stored_clock;
        Ok(())
    }
}

/// What `new` has that `old` has not: the commits of a group that failed.
fn between(old: &View, new: &View) -> Result<Publication, StoreError> {
    // Any may have new entries in a journal, which no state tells.
    let stores: BTreeSet<_> = old.states.keys().chain(new.states.keys()).copied().collect();
    let rows = new.rows();
    let mut tuples = Vec::new();
    for (store, state) in new.states.iter() {
        let seen = old.states.get(store).map_or(Revision::ZERO, |state| state.revision);
        for revision in (seen.0 + 1..=state.revision.0).map(Revision) {
            let row = rows.get(rows.tables.changelog, keys::commit(*store, revision))?;
            let entry = row.ok_or_else(|| StoreError::Corrupt {
                what: "changelog",
                reason: format!("revision {revision} is missing"),
            })?;
            let changes = records::decode_commit(&entry)?.changes;
            tuples.extend(changes.into_iter().map(|change| (*store, change.key)));
        }
    }
    Ok(Publication { stores: stores.into_iter().collect(), tuples })
}

/// Finds out whether there is room in a directory.
fn probe(directory: &Path) -> io::Result<()> {
    let path = directory.join(PROBE_FILE);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE_BYTES])?;
        file.sync_all()
    });
    drop(fs::remove_file(&path));
    written
}
