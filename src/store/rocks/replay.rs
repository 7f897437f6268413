//! A database brought to another place in its history: forward by the log of another copy of it, back by replaying its own
//! log anew up to there.
//!
//! Both go through the one function that says what a commit does to the tables, so that what comes of it is what the log
//! says, and the consistency check proves it. Nothing here is atomic: it works on a directory that nobody has yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use rocksdb::WriteBatch;

use super::super::commit::{LogEntry, StoreState, last_before};
use super::super::error::StoreError;
use super::super::keys::{self, Key};
use super::super::{StoreInfo, commit::Counters};
use super::apply::apply;
use super::group::RowBatch;
use super::identity;
use super::open::read_view;
use super::records;
use super::restore::Until;
use super::storage::{Storage, View, failed};
use crate::model::limits::GROUP_BYTES_MAX;
use crate::model::{Instant, Revision, StoreId};

/// A store whose log breaks off before its last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// The store.
    pub store: StoreId,
    /// The last revision that could be read.
    pub ends: Revision,
    /// The last one that was committed.
    pub committed: Revision,
}

/// What another copy's log had that could not be followed.
#[derive(Debug, Default)]
pub(super) struct Differing {
    pub(super) short: Vec<Short>,
    pub(super) journals_short: Vec<StoreId>,
    pub(super) deleted_since: Vec<StoreId>,
}

/// Brings `storage` up to what `log` has beyond it, and then back to where it is to end.
pub(super) fn settle(
    storage: &Arc<Storage>,
    log: Option<&Arc<Storage>>,
    until: &Until,
) -> Result<Differing, StoreError> {
    let differing = log.map(|log| forward(storage, log)).transpose()?;
    back(storage, until)?;
    Ok(differing.unwrap_or_default())
}

/// Adds all commits of `log` behind those that `storage` has, as far as they can be read, and takes over who may call.
fn forward(storage: &Arc<Storage>, log: &Arc<Storage>) -> Result<Differing, StoreError> {
    let ((own, own_clock), (log, log_clock)) = (read_view(storage)?, read_view(log)?);
    // The clock moves with every write, so that it tells which of the two is the newer one.
    let is_newer = log_clock >= own_clock;
    identity::require_same(&own, &log, is_newer)?;
    let mut rows = Rows::new(storage)?;
    let mut counters = Counters {
        last_store: own.counters.last_store.max(log.counters.last_store),
        last_epoch: own.counters.last_epoch.max(log.counters.last_epoch),
    };
    let mut differing = Differing::default();
    for logged in log.states.values() {
        let known = own.states.get(&logged.info.id).map(|state| (**state).clone());
        let mut state = known.unwrap_or_else(|| beginning(&logged.info, &mut counters));
        require_same_history(logged.info.id, state.revision.min(logged.revision), &own, &log)?;
        if state.revision > logged.revision {
            continue;
        }
        extend(&mut rows, &mut state, &log)?;
        if !extend_journals(&mut rows, &state, &log)? {
            differing.journals_short.push(state.info.id);
        }
        if state.revision != logged.revision {
            differing.short.push(Short {
                store: state.info.id,
                ends: state.revision,
                committed: logged.revision,
            });
        }
        rows.put_state(&state)?;
    }
    if is_newer {
        take_credentials(&mut rows, &own, &log)?;
        differing.deleted_since =
            own.states.keys().filter(|store| !log.states.contains_key(store)).copied().collect();
        differing.deleted_since.sort_unstable();
    }
    let meta = rows.batch.tables.meta;
    rows.batch.batch.put_cf(&meta, keys::COUNTERS, records::encode_counters(counters)?);
    rows.batch.batch.put_cf(&meta, keys::CLOCK, records::encode_clock(own_clock.max(log_clock))?);
    if let (None, Some(identity)) = (identity::of(&own)?, identity::of(&log)?) {
        rows.batch.batch.put_cf(&meta, keys::IDENTITY, records::encode_identity(identity)?);
    }
    rows.write()?;
    Ok(differing)
}

/// Puts the credentials of `log` in the place of those of `own`: they are in no log of changes, and who was revoked since
/// must not come back. One that cannot be read fails the restore for that reason.
fn take_credentials(rows: &mut Rows<'_>, own: &View, log: &View) -> Result<(), StoreError> {
    let meta = rows.batch.tables.meta;
    let (source, prefix) = (own.rows(), Key::from_slice(&keys::CREDENTIALS));
    let mut walk = source.walk(source.tables.meta);
    walk.seek_prefix(prefix.clone());
    while let Some((key, _)) = walk.step()? {
        rows.batch.batch.delete_cf(&meta, key);
    }
    let source = log.rows();
    let mut walk = source.walk(source.tables.meta);
    walk.seek_prefix(prefix);
    while let Some((key, value)) = walk.step()? {
        rows.batch.batch.put_cf(&meta, key, value);
    }
    Ok(())
}

/// Two copies have the same history if they have the same commit where the one that is shorter ends, at `revision`.
fn require_same_history(
    store: StoreId,
    revision: Revision,
    own: &View,
    log: &View,
) -> Result<(), StoreError> {
    if revision == Revision::ZERO {
        return Ok(());
    }
    let key = keys::commit(store, revision);
    let [own, log] = [own, log].map(|view| view.rows().get(view.rows().tables.changelog, &key));
    if own?.as_deref() == log?.as_deref() {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        what: "changelog",
        reason: format!(
            "store {store} has another history in the log than in the backup: they differ in revision {revision}"
        ),
    })
}

/// Adds the commits of one store that `log` has, up to the first that is missing or cannot be read.
fn extend(rows: &mut Rows<'_>, state: &mut StoreState, log: &View) -> Result<(), StoreError> {
    let (store, source) = (state.info.id, log.rows());
    let mut walk = source.walk(source.tables.changelog);
    walk.seek(keys::store(store), &keys::commit(store, state.revision.next()));
    while let Ok(Some((key, value))) = walk.step() {
        let (Ok((_, revision)), Ok(entry)) = (keys::decode_commit(key), records::decode_commit(value)) else {
            break;
        };
        if revision != state.revision.next() {
            break;
        }
        rows.batch.batch.put_cf(&rows.batch.tables.changelog, key, value);
        rows.apply(&entry, state)?;
    }
    Ok(())
}

/// Adds the entries of one store's journals that `log` has. Answers whether all of them could be read.
fn extend_journals(rows: &mut Rows<'_>, state: &StoreState, log: &View) -> Result<bool, StoreError> {
    let source = log.rows();
    let mut walk = source.walk(source.tables.journals);
    walk.seek_prefix(keys::store(state.info.id));
    let mut all = true;
    loop {
        match walk.step().map(|row| row.map(|(key, value)| (key, value, records::decode_entry(value)))) {
            // What was added behind the last commit that could be read belongs to none that is there.
            Ok(Some((key, value, Ok(row)))) if row.revision <= state.revision => {
                rows.batch.batch.put_cf(&rows.batch.tables.journals, key, value);
            }
            Ok(Some((_, _, Ok(_)))) => {}
            Ok(Some((_, _, Err(_)))) => all = false,
            Ok(None) => return Ok(all),
            // Nobody knows how many there are behind it.
            Err(_) => return Ok(false),
        }
        rows.write_if_large()?;
    }
}

/// Takes back what lies behind the end.
fn back(storage: &Arc<Storage>, until: &Until) -> Result<(), StoreError> {
    let (view, _) = read_view(storage)?;
    let mut rows = Rows::new(storage)?;
    let mut counters = view.counters;
    match until {
        Until::Newest => {}
        Until::Before(instant) => {
            for state in view.states.values() {
                if state.info.created_at >= *instant {
                    rows.delete_store(state.info.id)?;
                    continue;
                }
                let end = revision_before(&view, state, *instant)?;
                cut(&mut rows, &view, state, end, &mut counters)?;
                forget(&mut rows, &view, state.info.id, |_, at| at >= *instant)?;
            }
        }
        Until::Revisions(ends) => {
            let named: BTreeSet<_> = ends.iter().map(|(store, _)| store).collect();
            if named.len() != ends.len() {
                return Err(unreachable_end("a store is named more than once".into()));
            }
            for (store, end) in ends {
                let state = view.states.get(store);
                let state = state.ok_or_else(|| unreachable_end(format!("there is no store {store}")))?;
                if *end > state.revision {
                    let newest = state.revision;
                    return Err(unreachable_end(format!("store {store} ends at revision {newest}")));
                }
                cut(&mut rows, &view, state, *end, &mut counters)?;
                forget(&mut rows, &view, *store, |revision, _| revision > *end)?;
            }
        }
    }
    let meta = rows.batch.tables.meta;
    rows.batch.batch.put_cf(&meta, keys::COUNTERS, records::encode_counters(counters)?);
    rows.write()
}

/// Brings a store back to a revision, by replaying its log anew up to there.
fn cut(
    rows: &mut Rows<'_>,
    view: &View,
    state: &StoreState,
    end: Revision,
    counters: &mut Counters,
) -> Result<(), StoreError> {
    if end == state.revision {
        return Ok(());
    }
    let store = state.info.id;
    let tables = rows.batch.tables;
    let behind = behind(store)?;
    let derived = [tables.tuples, tables.subjects, tables.models, tables.assertions, tables.documents];
    for table in derived {
        rows.batch.batch.delete_range_cf(&table, &keys::store(store), &behind);
    }
    rows.batch.batch.delete_range_cf(&tables.changelog, &keys::commit(store, end.next()), &behind);
    // It is another existence of the store.
    let mut replayed = beginning(&state.info, counters);
    let source = view.rows();
    let mut walk = source.walk(source.tables.changelog);
    walk.seek_prefix(keys::store(store));
    while replayed.revision < end {
        let next = replayed.revision.next();
        let row = walk.step()?.ok_or_else(|| broken(store, next))?;
        if keys::decode_commit(row.0)?.1 != next {
            return Err(broken(store, next));
        }
        rows.apply(&records::decode_commit(row.1)?, &mut replayed)?;
    }
    rows.put_state(&replayed)
}

/// Removes those entries of a store's journals that are meant, by the revision and the instant that they were added at.
fn forget(
    rows: &mut Rows<'_>,
    view: &View,
    store: StoreId,
    meant: impl Fn(Revision, Instant) -> bool,
) -> Result<(), StoreError> {
    let source = view.rows();
    let mut walk = source.walk(source.tables.journals);
    walk.seek_prefix(keys::store(store));
    while let Some((key, value)) = walk.step()? {
        let row = records::decode_entry(value)?;
        if meant(row.revision, row.at) {
            rows.batch.batch.delete_cf(&rows.batch.tables.journals, key);
            rows.write_if_large()?;
        }
    }
    Ok(())
}

fn revision_before(view: &View, state: &StoreState, instant: Instant) -> Result<Revision, StoreError> {
    let rows = view.rows();
    last_before(state.revision, instant, |revision| {
        let row = rows.get(rows.tables.changelog, keys::commit(state.info.id, revision))?;
        row.map(|value| records::decode_commit_instant(&value)).transpose()
    })
}

/// A store before its first commit, in an existence that there was not yet.
fn beginning(info: &StoreInfo, counters: &mut Counters) -> StoreState {
    counters.last_epoch = counters.last_epoch.saturating_add(1);
    StoreState {
        info: StoreInfo { updated_at: info.created_at, ..info.clone() },
        revision: Revision::ZERO,
        newest_model: None,
        epoch: counters.last_epoch,
    }
}

/// Rows that are written when they are many.
struct Rows<'a> {
    storage: &'a Storage,
    batch: RowBatch<'a>,
}

impl<'a> Rows<'a> {
    fn new(storage: &'a Storage) -> Result<Self, StoreError> {
        Ok(Self { storage, batch: RowBatch { tables: storage.tables()?, batch: WriteBatch::default() } })
    }

    /// Does to the tables, and to the store's state, what a commit does.
    fn apply(&mut self, entry: &LogEntry, state: &mut StoreState) -> Result<(), StoreError> {
        apply(entry, state.info.id, &mut self.batch)?;
        *state = state.after(entry);
        self.write_if_large()
    }

    fn put_state(&mut self, state: &StoreState) -> Result<(), StoreError> {
        let row = records::encode_state(state)?;
        self.batch.batch.put_cf(&self.batch.tables.meta, keys::state(state.info.id), row);
        Ok(())
    }

    fn delete_store(&mut self, store: StoreId) -> Result<(), StoreError> {
        let behind = behind(store)?;
        for (_, table) in self.batch.tables.of_stores() {
            self.batch.batch.delete_range_cf(&table, &keys::store(store), &behind);
        }
        self.batch.batch.delete_cf(&self.batch.tables.meta, keys::state(store));
        Ok(())
    }

    fn write_if_large(&mut self) -> Result<(), StoreError> {
        if self.batch.batch.size_in_bytes() < GROUP_BYTES_MAX { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let batch = std::mem::take(&mut self.batch.batch);
        self.storage.db.write(batch).map_err(failed("restoring"))
    }
}

fn behind(store: StoreId) -> Result<Key, StoreError> {
    keys::behind_store(store).ok_or_else(|| StoreError::Corrupt {
        what: "store",
        reason: "its identifier is the last that there is".into(),
    })
}

fn broken(store: StoreId, revision: Revision) -> StoreError {
    StoreError::Corrupt {
        what: "changelog",
        reason: format!("revision {revision} of store {store} is missing"),
    }
}

fn unreachable_end(reason: String) -> StoreError {
    StoreError::Io { doing: "looking for the end of the restore", reason }
}
