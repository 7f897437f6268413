//! From a backup to a data directory: the whole of it is made beside the place where it is to be, checked, synced, and
//! only then given its name. A directory that has something in it is never touched, and nobody but its owner can look into
//! one that is made, neither while it is made nor afterwards: it has who may do what.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::StoreError;
use super::super::ids;
use super::super::{Backup, StoreInfo};
use super::acknowledged::{NOTE_FILE, Note, missing, noted};
use super::backup::{copy_out, find, list, unusable};
use super::open::{DIRECTORY_MODE, Directory, lock, read_view};
use super::replay::{Differing, Short, settle};
use super::report::Report;
use super::storage::Storage;
use super::verify::verify_bounded;
use super::{RocksOptions, format};
use crate::model::{Instant, Revision, StoreId};

/// What is added to the name of a directory while it is made.
const UNFINISHED: &str = ".restoring";

/// Up to where a restored database goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// All that there is.
    Newest,
    /// What was committed before an instant. Stores that were created later are not there.
    Before(Instant),
    /// These stores up to these revisions, the others whole.
    Revisions(Vec<(StoreId, Revision)>),
}

/// What to restore.
#[derive(Debug, Clone)]
pub struct Restore {
    /// Directory of the backups.
    pub from: PathBuf,
    /// Which backup; the last one if none is named.
    pub backup: Option<u32>,
    /// A data directory whose log goes on where the backup ends, though other parts of it may be damaged. The keys of callers
    /// are taken from it too.
    pub log_of: Option<PathBuf>,
    /// Whether that log may lack what was acknowledged, or may be without a note of it.
    pub accept_loss: bool,
    /// Up to where.
    pub until: Until,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The backup.
    pub backup: Backup,
    /// What its consistency check found.
    pub report: Report,
    /// The stores that are there, with their revisions.
    pub stores: Vec<(StoreInfo, Revision)>,
    /// Those of which the other directory's log has less than was committed.
    pub short: Vec<Short>,
    /// Those of whose journals the other directory has entries that cannot be read; they are left out.
    pub journals_short: Vec<StoreId>,
    /// Those that the other directory has not any more: they were deleted since the backup, and are there again.
    pub deleted_since: Vec<StoreId>,
    /// What the other directory's log lacks of what was acknowledged, or why nobody can tell; accepted.
    pub loss: Option<String>,
}

impl Restore {
    /// The backups that there are, oldest first.
    pub fn backups(directory: &Path) -> Result<Vec<Backup>, StoreError> {
        list(directory)
    }

    /// Makes the data directory `to`, which does not exist or is empty. It is there whole and consistent, or not at all.
    ///
    /// Errors: [`StoreError::Backups`] where the backup cannot be used or is not consistent, [`StoreError::Loss`] where the
    /// other directory's log lacks what was acknowledged and that is not accepted, and those of opening a database.
    pub fn run(&self, to: &Path) -> Result<Restored, StoreError> {
        let unusable_target = |reason: String| StoreError::Directory { path: to.into(), reason };
        if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(unusable_target("it is not empty; name one that is empty or does not exist".into()));
        }
        let name = to.file_name().ok_or_else(|| unusable_target("it has no name".into()))?;
        let mut unfinished = OsString::from(name);
        unfinished.push(UNFINISHED);
        let unfinished = to.with_file_name(unfinished);
        if unfinished.exists() {
            // What an earlier try left.
            fs::remove_dir_all(&unfinished)
                .map_err(|e| StoreError::Directory { path: unfinished.clone(), reason: e.to_string() })?;
        }
        let restored = self.make(&unfinished)?;
        if !restored.report.is_consistent() {
            drop(fs::remove_dir_all(&unfinished));
            return Err(unusable(
                &self.from,
                format!("what it gives is not consistent\n{}", restored.report),
            ));
        }
        let named = sync_files(&unfinished).and_then(|()| {
            fs::rename(&unfinished, to)?;
            let above = to.parent().filter(|above| !above.as_os_str().is_empty());
            File::open(above.unwrap_or(Path::new(".")))?.sync_all()
        });
        named.map_err(|e| unusable_target(e.to_string()))?;
        Ok(restored)
    }

    /// Does all of it in a directory of its own in `scratch`, which may be one that everybody writes to. Nothing is left of
    /// it. Tells what was found.
    pub fn rehearse(&self, scratch: &Path) -> Result<Restored, StoreError> {
        // A name that nobody else has, nor can foresee.
        let place = scratch.join(format!("tenure{UNFINISHED}-{:020x}", ids::random()));
        let restored = self.make(&place);
        drop(fs::remove_dir_all(&place));
        restored
    }

    /// Makes the database in `place`, where nothing is.
    fn make(&self, place: &Path) -> Result<Restored, StoreError> {
        let backup = find(&self.from, self.backup)?;
        make_private(place)
            .map_err(|e| StoreError::Directory { path: place.into(), reason: e.to_string() })?;
        let made = self.make_in_empty(place, backup);
        if made.is_err() {
            drop(fs::remove_dir_all(place));
        }
        made
    }

    fn make_in_empty(&self, place: &Path, backup: Backup) -> Result<Restored, StoreError> {
        let log = self.log_of.as_deref().map(open_log).transpose()?;
        let (log, loss) = log.unzip();
        let loss = loss.flatten();
        if let (Some(path), Some(reason), false) = (&self.log_of, &loss, self.accept_loss) {
            return Err(StoreError::Loss { path: path.clone(), reason: reason.clone() });
        }
        copy_out(&self.from, &backup, place)?;
        let (directory, lock) = (directory(place), Arc::new(lock(place)?));
        let note = Note::open(place)
            .map_err(|e| StoreError::Directory { path: place.into(), reason: e.to_string() })?;
        let storage = directory.open(lock, &note)?;
        let (had_none, newest) = {
            let (view, newest) = read_view(&storage)?;
            (view.states.is_empty(), newest)
        };
        self.require_end(&backup, newest)?;
        let Differing { short, mut journals_short, mut deleted_since } =
            settle(&storage, log.as_ref(), &self.until)?;
        storage.flush()?;
        let (view, _) = read_view(&storage)?;
        let report = verify_bounded(&view)?;
        let mut stores: Vec<_> =
            view.states.values().map(|state| (state.info.clone(), state.revision)).collect();
        stores.sort_unstable_by_key(|(info, _)| info.id);
        if let (Until::Before(end), true, false) = (&self.until, stores.is_empty(), had_none) {
            return Err(unusable(&self.from, format!("backup {} has nothing from before {end}", backup.id)));
        }
        // Of those, the end may leave some out.
        for stores in [&mut journals_short, &mut deleted_since] {
            stores.retain(|store| view.states.contains_key(store));
        }
        Ok(Restored { backup, report, stores, short, journals_short, deleted_since, loss })
    }
}

impl Restore {
    /// Refuses an end behind the backup, whose last write was at `newest`, where nothing says what was committed in between.
    fn require_end(&self, backup: &Backup, newest: Instant) -> Result<(), StoreError> {
        let (Until::Before(end), None) = (&self.until, &self.log_of) else { return Ok(()) };
        // Backups know the second.
        if *end < backup.made_at.saturating_add_micros(1_000_000).max(newest) {
            return Ok(());
        }
        let Backup { id, made_at, .. } = backup;
        let reason = format!(
            "backup {id} was made at {made_at}, and what was committed from then until {end} is not in it; name a later \
             backup, or the directory whose log goes on, or no end"
        );
        Err(unusable(&self.from, reason))
    }
}

/// Opens a data directory to read its log, whatever else is wrong with it, and tells what the log lacks of what was
/// acknowledged, or why nobody can tell.
fn open_log(path: &Path) -> Result<(Arc<Storage>, Option<String>), StoreError> {
    let unusable = |reason: String| StoreError::Directory { path: path.into(), reason };
    if !super::open::exists(path) {
        return Err(unusable("there is no database in it".into()));
    }
    let storage = directory(path).open_for_reading(Arc::new(lock(path)?))?;
    let loss = match noted(path).map_err(|e| unusable(e.to_string()))? {
        Some(noted) => missing(storage.db.latest_sequence_number(), noted),
        None => Some(format!("`{NOTE_FILE}`, which notes what was acknowledged, is missing from it or torn")),
    };
    Ok((storage, loss))
}

fn directory(path: &Path) -> Directory {
    Directory { path: path.into(), options: RocksOptions::default(), steps: format::STEPS }
}

/// Makes a directory for its owner alone, and those above that are missing; an error where there is anything of that name,
/// of whomever.
fn make_private(path: &Path) -> io::Result<()> {
    let mut private = DirBuilder::new();
    private.mode(DIRECTORY_MODE);
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        private.recursive(true).create(above)?;
    }
    private.recursive(false).create(path)
}

fn sync_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(directory)?.sync_all()
}
