//! Which database a directory is: an identifier that is made once, and that its backups, and all that is restored from
//! them, have too.
//!
//! A restore that goes on with the log of a directory must know that it is a directory of the same database. Else it
//! would mix two databases, and put the keys of one, or none at all, in the place of the other's. Databases that were
//! made by versions without an identity get one when they are next opened; their older backups have none, and are judged by
//! what the two sides have in common.

use std::collections::HashSet;

use super::super::error::StoreError;
use super::super::ids;
use super::super::keys::{self, Key};
use super::format::put_durably;
use super::records;
use super::storage::{Storage, View, failed};
use crate::model::{Id, Instant};

/// Gives a database that has none its identity, made at `now`.
pub(super) fn ensure(storage: &Storage, now: Instant) -> Result<(), StoreError> {
    let meta = storage.tables()?.meta;
    let doing = "looking for the identity of the database";
    if storage.db.get_pinned_cf(&meta, keys::IDENTITY).map_err(failed(doing))?.is_some() {
        return Ok(());
    }
    let identity = records::encode_identity(ids::fresh(now, None)?)?;
    put_durably(&storage.db, &keys::IDENTITY, &identity, "writing the identity of the database")
}

/// The identity of the database that a view is of, if it has one.
pub(super) fn of(view: &View) -> Result<Option<Id>, StoreError> {
    let rows = view.rows();
    rows.get(rows.tables.meta, keys::IDENTITY)?.map(|value| records::decode_identity(&value)).transpose()
}

/// Refuses `log` where it is not of the database that `own` is of; and, if its keys are taken over (`takes_keys`), where
/// that would leave none of those that there are.
pub(super) fn require_same(own: &View, log: &View, takes_keys: bool) -> Result<(), StoreError> {
    let refused =
        |reason: &str| StoreError::Directory { path: log.storage().db.path().into(), reason: reason.into() };
    let (own_keys, log_keys) = (credentials(own)?, credentials(log)?);
    match (of(own)?, of(log)?) {
        (Some(own), Some(log)) if own == log => {}
        (Some(_), Some(_)) => return Err(refused("it is of another database than the backup")),
        // Without identities: what is of one database has something in common, unless one side has nothing.
        _ => {
            let empty = |view: &View, keys: &HashSet<Key>| view.states.is_empty() && keys.is_empty();
            let in_common = own.states.keys().any(|store| log.states.contains_key(store))
                || !own_keys.is_disjoint(&log_keys);
            if !in_common && !empty(own, &own_keys) && !empty(log, &log_keys) {
                return Err(refused(
                    "it seems to be of another database than the backup: they have no store and no key in common",
                ));
            }
        }
    }
    // The last key is never removed, but revoked.
    if takes_keys && log_keys.is_empty() && !own_keys.is_empty() {
        return Err(refused(
            "it has no keys of callers, and the backup has some: with its keys nobody would be asked for one any more",
        ));
    }
    Ok(())
}

/// The keys of all credentials.
fn credentials(view: &View) -> Result<HashSet<Key>, StoreError> {
    let rows = view.rows();
    let mut walk = rows.walk(rows.tables.meta);
    walk.seek_prefix(Key::from_slice(&keys::CREDENTIALS));
    let mut found = HashSet::new();
    while let Some((key, _)) = walk.step()? {
        found.insert(Key::from_slice(key));
    }
    Ok(found)
}
