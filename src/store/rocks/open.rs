//! From a directory to an open database: lock, format, states, clock.
//!
//! What it costs grows with the number of stores and with what was written last, not with the tuples.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use rocksdb::{Cache, ColumnFamilyDescriptor, DB, ErrorKind, Options};

use super::super::commit::Counters;
use super::super::error::StoreError;
use super::super::keys::{self, Key};
use super::acknowledged::{NOTE_FILE, Note, missing};
use super::format::{self, Step};
use super::mend::Mend;
use super::options::{of_database, of_table};
use super::storage::{States, Storage, View};
use super::torn;
use super::writer::{WriteRows, Writer, durably};
use super::{RocksDatabase, RocksOptions, identity, records};
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
pub(super) const DIRECTORY_MODE: u32 = 0o700;

/// How long after a failed write the database is opened again, and how often that is tried.
const MENDED_AFTER: Duration = Duration::from_secs(1);

/// What a test puts in the place of the real thing.
pub(super) struct Seams {
    /// The migrations.
    pub(super) steps: &'static [Step],
    /// What writes commits.
    pub(super) write: WriteRows,
    /// How long after a failed write the database is opened again.
    pub(super) mended_after: Duration,
}

impl Default for Seams {
    fn default() -> Self {
        Self { steps: format::STEPS, write: durably(Duration::ZERO), mended_after: MENDED_AFTER }
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
    let lock = Arc::new(lock(path)?);
    let note = note(path)?;
    let directory = Directory { path: path.into(), options: options.clone(), steps: seams.steps };
    let storage = directory.open(lock, &note)?;
    identity::ensure(&storage, clock.now())?;

    let (view, stored_clock) = read_view(&storage)?;
    let clock = Arc::new(MonotonicClock::new(clock, stored_clock));
    let view = Arc::new(ArcSwap::from_pointee(view));
    let (failed, observers, counts) = (Arc::default(), Arc::default(), Arc::default());
    let writer = Writer {
        storage,
        view: view.clone(),
        clock: clock.clone(),
        stored_clock,
        write: seams.write,
        note,
        failed: Arc::clone(&failed),
        observers: Arc::clone(&observers),
        mend: Mend::new(directory, seams.mended_after),
        counts: Arc::clone(&counts),
    };
    let (queue, waiting) = mpsc::sync_channel(COMMITS_WAITING_MAX);
    let thread = thread::Builder::new()
        .name("tenure-writer".into())
        .spawn(move || writer.run(&waiting))
        .map_err(|e| StoreError::Io { doing: "starting the writer", reason: e.to_string() })?;
    let writer = Mutex::new(Some(thread));
    Ok(RocksDatabase { view, clock, queue, failed, observers, counts, writer })
}

pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
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
    lock_file(path)
}

/// Locks a directory that exists, for as long as the file is open.
pub(super) fn lock_file(path: &Path) -> Result<File, StoreError> {
    let unusable = |reason: String| StoreError::Directory { path: path.into(), reason };
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

fn note(path: &Path) -> Result<Note, StoreError> {
    Note::open(path).map_err(|e| StoreError::Directory { path: path.into(), reason: e.to_string() })
}

/// Refuses a database that lacks a commit which was acknowledged, or shown.
pub(super) fn require_acknowledged(path: &Path, db: &DB, note: &Note) -> Result<(), StoreError> {
    let Some(missing) = missing(db.latest_sequence_number(), note.noted()) else { return Ok(()) };
    let reason = format!("{missing}; to go on without them, remove `{NOTE_FILE}` from it");
    Err(StoreError::Damaged { path: path.into(), reason })
}

/// Refuses a directory that has a database but for the file that says so: RocksDB would make a new one in its place, and
/// delete the files of the old one.
///
/// A making that was broken off leaves none of these files behind, as they come after that one.
fn require_no_remains(path: &Path, note: &Note) -> Result<(), StoreError> {
    if exists(path) {
        return Ok(());
    }
    let unusable = |e: io::Error| StoreError::Directory { path: path.into(), reason: e.to_string() };
    let mut remains = (note.noted() > 0).then(|| NOTE_FILE.to_owned());
    for entry in fs::read_dir(path).map_err(unusable)? {
        let name = entry.map_err(unusable)?.file_name().to_string_lossy().into_owned();
        let is_numbered = name.starts_with(|c: char| c.is_ascii_digit());
        if name.starts_with("OPTIONS-") || is_numbered && (name.ends_with(".sst") || name.ends_with(".log")) {
            remains = Some(name);
        }
    }
    let Some(found) = remains else { return Ok(()) };
    let reason =
        format!("it has no file `{CURRENT_FILE}`, but `{found}` of a database; nothing in it was changed");
    Err(StoreError::Damaged { path: path.into(), reason })
}

/// A data directory that this process has locked, and how it is opened.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) options: RocksOptions,
    pub(super) steps: &'static [Step],
}

impl Directory {
    /// Opens what is in it, or makes a database in it. Nothing that was noted is missing.
    pub(super) fn open(&self, lock: Arc<File>, note: &Note) -> Result<Arc<Storage>, StoreError> {
        let Self { path, options, steps } = self;
        require_no_remains(path, note)?;
        let table_options = self.table_options();
        self.disarm()?;
        let mut db = DB::open_cf_descriptors(&of_database(options), path, self.tables(&table_options)?)
            .map_err(|e| unopened(path, e))?;
        // First of all: what lacks something is left as it is found.
        require_acknowledged(path, &db, note)?;
        format::settle(&mut db, path, steps, table_options)?;
        Ok(Arc::new(Storage { db, lock }))
    }

    /// Opens what is in it for reading alone, which goes beside a database that is open for writing and does not write.
    pub(super) fn open_for_reading(&self, lock: Arc<File>) -> Result<Arc<Storage>, StoreError> {
        let Self { path, options, steps } = self;
        let mut rocks = of_database(options);
        rocks.create_if_missing(false);
        // All files are held from the start, so that none is missed that goes away when the database is opened again.
        rocks.set_max_open_files(-1);
        let tables = self.tables(self.table_options())?;
        self.disarm()?;
        let db =
            DB::open_cf_descriptors_read_only(&rocks, path, tables, false).map_err(|e| unopened(path, e))?;
        format::require_newest(&db, path, steps)?;
        Ok(Arc::new(Storage { db, lock }))
    }

    /// Lets RocksDB get to the end of a log that is torn.
    fn disarm(&self) -> Result<(), StoreError> {
        torn::disarm(&self.path).map_err(|error| StoreError::Directory {
            path: self.path.clone(),
            reason: format!("its log of writes is torn and cannot be mended: {error}"),
        })
    }

    /// The options of each table by its name; their cache is one.
    fn table_options(&self) -> impl Fn(&str) -> Options {
        // Lock-free, so that readers do not wait for each other; zero: it finds out the size of its entries itself.
        let cache = Cache::new_hyper_clock_cache(self.options.block_cache_bytes, 0);
        move |name| of_table(name, &self.options, &cache)
    }

    /// The tables that are there. A database can only be opened with all that it has, whatever its format.
    fn tables(&self, options: impl Fn(&str) -> Options) -> Result<Vec<ColumnFamilyDescriptor>, StoreError> {
        if !exists(&self.path) {
            return Ok(Vec::new());
        }
        let existing = DB::list_cf(&Options::default(), &self.path).map_err(|e| unopened(&self.path, e))?;
        Ok(existing.iter().map(|name| ColumnFamilyDescriptor::new(name, options(name))).collect())
    }
}

/// Why RocksDB does not open what is in `path`.
fn unopened(path: &Path, error: rocksdb::Error) -> StoreError {
    let (path, kind, reason) = (path.into(), error.kind(), error.into_string());
    if kind == ErrorKind::Corruption {
        return StoreError::Damaged { path, reason };
    }
    StoreError::Directory { path, reason }
}

/// What is committed, and the clock's mark.
pub(super) fn read_view(storage: &Arc<Storage>) -> Result<(View, Instant), StoreError> {
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
