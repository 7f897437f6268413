//! Backups in a directory of their own, by RocksDB's backup engine: taken while the database is written to, each whole
//! by itself, with the files that it shares with others stored once. Every file has a checksum, which is held against it
//! when it is copied back.
//!
//! Nothing here may change a database.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rocksdb::backup::{BackupEngine, BackupEngineInfo, BackupEngineOptions, RestoreOptions};
use rocksdb::{DB, Env};

use super::super::Backup;
use super::super::error::StoreError;
use super::open::{DIRECTORY_MODE, exists, lock_file};
use crate::model::{Id, Instant};

/// What the engine makes in a directory of backups: there is one in each.
const META_DIRECTORY: &str = "meta";

/// Says of which database the backups in a directory are: its identity, as text.
const IDENTITY_FILE: &str = "tenure.identity";

/// Makes a backup of what is durable now, of the database of this identity. Those before the last `keep` are removed.
///
/// Errors: [`StoreError::Backups`], also where the backups in the directory are of another database, which would take them for
/// its own and remove them.
pub(super) fn create(
    db: &DB,
    identity: Option<Id>,
    directory: &Path,
    keep: Option<usize>,
) -> Result<Backup, StoreError> {
    if exists(directory) {
        return Err(unusable(directory, "it is a data directory; name one of its own for backups"));
    }
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
    made.map_err(|e| unusable(directory, e.to_string()))?;
    // One at a time, of whatever process.
    let _lock = lock_file(directory).map_err(|error| match error {
        StoreError::Locked { .. } => unusable(directory, "a backup is being made in it"),
        error => error,
    })?;
    if let Some(identity) = identity {
        claim(directory, identity)?;
    }
    let mut engine = engine(directory)?;
    // Flushed, so that a backup has table files, which the next one shares, and next to nothing of the log of writes.
    engine.create_new_backup_flush(db, true).map_err(|e| unusable(directory, e.into_string()))?;
    let made = infos(&engine).pop().ok_or_else(|| unusable(directory, "no backup was made"))?;
    if let Some(keep) = keep {
        engine.purge_old_backups(keep.max(1)).map_err(|e| unusable(directory, e.into_string()))?;
    }
    Ok(made)
}

/// Has a directory be for the backups of one database, if it is not yet; an error if it is for those of another.
fn claim(directory: &Path, identity: Id) -> Result<(), StoreError> {
    let file = directory.join(IDENTITY_FILE);
    match fs::read_to_string(&file) {
        Ok(found) if found.trim() == identity.to_string() => Ok(()),
        Ok(_) => {
            Err(unusable(directory, "the backups in it are of another database; name a directory of its own"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::write(&file, format!("{identity}\n")).map_err(|e| unusable(directory, e.to_string()))
        }
        Err(error) => Err(unusable(directory, error.to_string())),
    }
}

/// The backups in `directory`, oldest first.
pub(super) fn list(directory: &Path) -> Result<Vec<Backup>, StoreError> {
    // Opening would make a directory of backups of whatever directory was misspelt.
    if !directory.join(META_DIRECTORY).is_dir() {
        return Err(unusable(directory, "there are no backups in it"));
    }
    Ok(infos(&engine(directory)?))
}

/// A backup, the last one if none is named.
pub(super) fn find(directory: &Path, id: Option<u32>) -> Result<Backup, StoreError> {
    let backups = list(directory)?;
    let found = match id {
        None => backups.last(),
        Some(id) => backups.iter().find(|backup| backup.id == id),
    };
    found.copied().ok_or_else(|| {
        let which = id.map_or_else(String::new, |id| format!(" {id}"));
        unusable(directory, format!("there is no backup{which} in it"))
    })
}

/// Copies a backup into the empty directory `to`, its checksums compared.
pub(super) fn copy_out(directory: &Path, backup: &Backup, to: &Path) -> Result<(), StoreError> {
    engine(directory)?
        .restore_from_backup(to, to, &RestoreOptions::default(), backup.id)
        .map_err(|e| unusable(directory, format!("backup {}: {}", backup.id, e.into_string())))
}

fn engine(directory: &Path) -> Result<BackupEngine, StoreError> {
    let opened = BackupEngineOptions::new(directory)
        .and_then(|options| Env::new().and_then(|env| BackupEngine::open(&options, &env)));
    opened.map_err(|e| unusable(directory, e.into_string()))
}

fn infos(engine: &BackupEngine) -> Vec<Backup> {
    let mut backups: Vec<Backup> = engine.get_backup_info().iter().map(backup).collect();
    backups.sort_unstable_by_key(|backup| backup.id);
    backups
}

fn backup(info: &BackupEngineInfo) -> Backup {
    let made_at = info.timestamp.checked_mul(1_000_000).and_then(Instant::from_unix_micros);
    Backup {
        id: info.backup_id,
        made_at: made_at.unwrap_or(Instant::MIN),
        bytes: info.size,
        files: info.num_files,
    }
}

pub(super) fn unusable(directory: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Backups { path: directory.into(), reason: reason.into() }
}
