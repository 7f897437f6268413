//! From a directory to an open database: lock, format, states, clock.
//!
//! What it costs grows with the number of stores and with what was written last, not with the tuples.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use arc_swap::ArcSwap;
use rocksdb::{Cache, ColumnFamilyDescriptor, DB, Options};

use super::super::commit::Counters;
use super::super::error::StoreError;
use super::super::keys::{self, Key};
use super::format::{self, Step};
use super::options::{of_database, of_table};
use super::storage::{States, Storage, View, failed};
use super::writer::{WriteRows, Writer, durably};
use super::{RocksDatabase, RocksOptions, records};
use crate::model::limits::COMMITS_WAITING_MAX;
use crate::model::{Clock, Instant, MonotonicClock};

/// Whoever has this file locked has the data directory.
const LOCK_FILE: &str = "tenure.lock";
/// RocksDB's file that says that there is a database.
const CURRENT_FILE: &str = "CURRENT";
/// What a file system puts into its own root, where one is mounted for the data.
const LOST_AND_FOUND: &str = "lost+found";
/// Who may do what in a data directory: its owner everything, others nothing. Who could read the tuples would know who
/// may do what.
const DIRECTORY_MODE: u32 = 0o700;

/// What a test puts in the place of the real thing.
pub(super) struct Seams {
    /// The migrations.
    pub(super) steps: &'static [Step],
    /// What writes commits.
    pub(super) write: WriteRows,
}

impl Default for Seams {
    fn default() -> Self {
        Self { steps: format::STEPS, write: durably() }
    }
}

/// Whether there is a database in `path`.
pub(super) fn exists(path: &Path) -> bool {
    path.join(CURRENT_FILE).exists()
}

/// Opens the database in `path`, or makes one.
pub(super) fn open(
    path: &Path,
    clock: Arc<dyn Clock>,
    options: &RocksOptions,
    seams: Seams,
) -> Result<RocksDatabase, StoreError> {
    let lock = lock(path)?;
    let db = open_rocks(path, options, seams.steps)?;
    let storage = Arc::new(Storage { db, _lock: lock });

    let (view, stored_clock) = read_view(&storage)?;
    let clock = Arc::new(MonotonicClock::new(clock, stored_clock));
    let view = Arc::new(ArcSwap::from_pointee(view));
    let (failed, observers, counts) = (Arc::default(), Arc::default(), Arc::default());
    let writer = Writer {
        storage: storage.clone(),
        view: view.clone(),
        clock: clock.clone(),
        stored_clock,
        write: seams.write,
        failed: Arc::clone(&failed),
        observers: Arc::clone(&observers),
        counts: Arc::clone(&counts),
    };
    let (queue, waiting) = mpsc::sync_channel(COMMITS_WAITING_MAX);
    let thread = thread::Builder::new()
        .name("tenure-writer".into())
        .spawn(move || writer.run(&waiting))
        .map_err(|e| StoreError::Io { doing: "starting the writer", reason: e.to_string() })?;
    let writer = Mutex::new(Some(thread));
    Ok(RocksDatabase { storage, view, clock, queue, failed, observers, counts, writer })
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let unusable = |reason: String| StoreError::Directory { path: path.into(), reason };
    if path.exists() && !path.is_dir() {
        return Err(unusable("it is not a directory".into()));
    }
    // Those above that are missing are made the same way. What exists keeps the mode that somebody gave it.
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    made.map_err(|e| unusable(e.to_string()))?;
    if let Some(name) = foreign_entry(path).map_err(|e| unusable(e.to_string()))? {
        return Err(unusable(format!(
            "it has no database and is not empty (`{name}` is in it); name one that is empty or does not exist"
        )));
    }
    let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
    let file = file.map_err(|e| unusable(e.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.into() }),
        Err(TryLockError::Error(e)) => Err(unusable(e.to_string())),
    }
}

/// Something in `path`, where nothing says that the directory is a database's: a database is dozens of files, which
/// nobody could tell from their own afterwards.
///
/// The lock file stands for a database before there is one, so that a making that was broken off can be completed.
fn foreign_entry(path: &Path) -> io::Result<Option<String>> {
    let mut foreign = None;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name == LOCK_FILE || name == CURRENT_FILE {
            return Ok(None);
        }
        if name != LOST_AND_FOUND {
            foreign = Some(name.to_string_lossy().into_owned());
        }
    }
    Ok(foreign)
}

fn open_rocks(path: &Path, options: &RocksOptions, steps: &[Step]) -> Result<DB, StoreError> {
    // Lock-free, so that readers do not wait for each other; zero: it finds out the size of its entries itself.
    let cache = Cache::new_hyper_clock_cache(options.block_cache_bytes, 0);
    let table_options = |name: &str| of_table(name, options, &cache);
    // A database can only be opened with all the tables that it has, whatever its format.
    let existing = if exists(path) {
        DB::list_cf(&Options::default(), path).map_err(failed("listing the tables"))?
    } else {
        Vec::new()
    };
    let tables = existing.iter().map(|name| ColumnFamilyDescriptor::new(name, table_options(name)));
    let mut db = DB::open_cf_descriptors(&of_database(options), path, tables)
        .map_err(|e| StoreError::Directory { path: path.into(), reason: e.into_string() })?;
    format::settle(&mut db, path, steps, table_options)?;
    Ok(db)
}

/// What is committed, and the clock's mark.
fn read_view(storage: &Arc<Storage>) -> Result<(View, Instant), StoreError> {
    let bare = View::new(storage.clone(), States::new_sync(), Counters::default())?;
    let rows = bare.rows();
    let meta = rows.tables.meta;
    let counters =
        rows.get(meta, keys::COUNTERS)?.map(|value| records::decode_counters(&value)).transpose()?;
    let clock = rows.get(meta, keys::CLOCK)?.map(|value| records::decode_clock(&value)).transpose()?;
    let mut states = States::new_sync();
    let mut walk = rows.walk(meta);
    walk.seek_prefix(Key::from_slice(&keys::STATES));
    while let Some((_, value)) = walk.step()? {
        let state = records::decode_state(value)?;
        states.insert_mut(state.info.id, Arc::new(state));
    }
    let view = View::new(storage.clone(), states, counters.unwrap_or_default())?;
    Ok((view, clock.unwrap_or(Instant::MIN)))
}
