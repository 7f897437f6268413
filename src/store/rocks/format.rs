//! The format of a data directory: which one it has, and how an older one becomes the newest.
//!
//! Format 1 is the first; format 2 has assertions; format 3 has documents and journals. A change of what is stored adds one step to [`STEPS`] and leaves the
//! others alone. The identity (see `identity`) is no step: versions without it leave it alone, and this one makes it where
//! there is none.

use std::path::Path;

use rocksdb::{DB, IteratorMode, Options, WriteOptions};

use super::super::error::StoreError;
use super::super::keys;
use super::records;
use super::storage::{META, TABLES, failed, table};

/// Takes a data directory from one format to the next. It may be broken off anywhere and is then done again from its
/// start, so it must not mind finding its own work.
pub(super) type Step = fn(&DB) -> Result<(), StoreError>;

/// The step at place n takes format n + 1 to n + 2.
pub(super) const STEPS: &[Step] = &[add_tables, add_tables];

/// Nothing is to be changed: tables are made before, as every one that is missing.
fn add_tables(_: &DB) -> Result<(), StoreError> {
    Ok(())
}

/// Brings the database in `path` to the newest format, a new one too. A table that it lacks is made with what
/// `options` gives for its name.
pub(super) fn settle(
    db: &mut DB,
    path: &Path,
    steps: &[Step],
    options: impl Fn(&str) -> Options,
) -> Result<(), StoreError> {
    let supported = newest(steps);
    let found = read(db)?;
    let pending = match found {
        None => {
            require_empty(db)?;
            &[]
        }
        Some(found) if found > supported => {
            return Err(StoreError::NewerFormat { path: path.into(), found, supported });
        }
        Some(found) => {
            found.checked_sub(1).and_then(|done| steps.get(usize::try_from(done).ok()?..)).ok_or_else(
                || StoreError::Corrupt { what: "format", reason: format!("there is no format {found}") },
            )?
        }
    };
    if found.is_none() || !pending.is_empty() {
        for name in TABLES {
            if db.cf_handle(name).is_none() {
                db.create_cf(name, &options(name)).map_err(failed("creating a table"))?;
            }
        }
    }
    if found.is_none() {
        write(db, supported)?;
    }
    for (step, reached) in pending.iter().zip(found.unwrap_or(supported).saturating_add(1)..) {
        step(db)?;
        write(db, reached)?;
    }
    Ok(())
}

/// Refuses a database in `path` that is only read, and would have to be migrated, or is of a newer version.
pub(super) fn require_newest(db: &DB, path: &Path, steps: &[Step]) -> Result<(), StoreError> {
    let supported = newest(steps);
    let reason = match read(db)? {
        Some(found) if found == supported => return Ok(()),
        Some(found) if found > supported => {
            return Err(StoreError::NewerFormat { path: path.into(), found, supported });
        }
        Some(found) => format!("it has format {found}, and can be read here in format {supported} only"),
        None => "it has no format".into(),
    };
    Err(StoreError::Directory { path: path.into(), reason })
}

/// The format that these steps lead to.
fn newest(steps: &[Step]) -> u32 {
    u32::try_from(steps.len()).unwrap_or(u32::MAX).saturating_add(1)
}

fn read(db: &DB) -> Result<Option<u32>, StoreError> {
    let Some(meta) = db.cf_handle(META) else { return Ok(None) };
    let row = db.get_pinned_cf(&meta, keys::FORMAT).map_err(failed("reading the format"))?;
    row.map(|value| records::decode_format(&value)).transpose()
}

/// Puts one row into `meta`, so that it outlasts a crash.
pub(super) fn put_durably(db: &DB, key: &[u8], value: &[u8], doing: &'static str) -> Result<(), StoreError> {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    db.put_cf_opt(&table(db, META)?, key, value, &synced).map_err(failed(doing))
}

fn write(db: &DB, format: u32) -> Result<(), StoreError> {
    put_durably(db, &keys::FORMAT, &records::encode_format(format), "writing the format")
}

/// A database without a format is one whose making was broken off, which is empty, or none of ours.
fn require_empty(db: &DB) -> Result<(), StoreError> {
    let tables = TABLES.iter().filter_map(|name| db.cf_handle(name));
    for row in tables
        .map(|table| db.iterator_cf(&table, IteratorMode::Start).next())
        .chain([db.iterator(IteratorMode::Start).next()])
    {
        if row.transpose().map_err(failed("looking for rows"))?.is_some() {
            return Err(StoreError::Corrupt {
                what: "format",
                reason: "the data directory has rows, but no format: it is of another program".into(),
            });
        }
    }
    Ok(())
}
