//! The commits of one synced write: each is decided on what the ones before it leave, none is visible before all are.
//!
//! Nothing here writes; a group that is dropped has changed nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rocksdb::WriteBatch;

use super::super::commit::{Counters, StoreState};
use super::super::error::{CommitError, StoreError};
use super::super::keys::{self, Key};
use super::super::observe::Publication;
use super::super::{Batch, Committed, StoreInfo};
use super::apply::{Derived, Target, apply};
use super::records;
use super::storage::{States, Tables, View};
use crate::model::{Instant, StoreId, TupleKey, TupleRecord, TupleRef};

/// Commits that are to become durable together.
pub(super) struct Group<'a> {
    /// What is committed.
    view: &'a View,
    rows: RowBatch<'a>,
    /// The tuples that this group changes, under their keys in `tuples`.
    changed: HashMap<Key, Option<TupleRecord>>,
    states: States,
    /// The stores that this group changes, makes or deletes.
    touched: BTreeSet<StoreId>,
    /// The tuples that it changes.
    tuples: Vec<(StoreId, TupleKey)>,
    counters: Counters,
}

/// What a group leaves.
pub(super) struct Decided {
    /// Empty where the group changed nothing.
    pub(super) rows: WriteBatch,
    pub(super) states: States,
    pub(super) counters: Counters,
    pub(super) publication: Publication,
}

impl<'a> Group<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Self {
            view,
            rows: RowBatch { tables: view.rows().tables, batch: WriteBatch::default() },
            changed: HashMap::new(),
            states: view.states.clone(),
            touched: BTreeSet::new(),
            tuples: Vec::new(),
            counters: view.counters,
        }
    }

    /// The size of what is to be written so far.
    pub(super) fn bytes(&self) -> usize {
        self.rows.batch.size_in_bytes()
    }

    /// Decides a batch and adds what it changes.
    pub(super) fn commit(
        &mut self,
        store: StoreId,
        batch: Batch,
        at: Instant,
    ) -> Result<Committed, CommitError> {
        let state = self.states.get(&store).ok_or(CommitError::StoreNotFound)?;
        let Some(entry) = state.decide(batch, at, |key| self.record(store, key))? else {
            return Ok(state.unchanged(at));
        };
        let state = state.after(&entry);
        // Refused here, it leaves nothing in the group; what this record holds, the others can hold.
        let log = records::encode_commit(&entry)?;
        apply(&entry, store, &mut self.rows)?;
        self.rows.batch.put_cf(&self.rows.tables.changelog, keys::commit(store, state.revision), log);

        let committed = entry.committed(state.revision);
        for change in entry.changes {
            self.changed.insert(keys::tuple(store, change.key.as_ref()), change.after);
            self.tuples.push((store, change.key));
        }
        self.set(state);
        Ok(committed)
    }

    /// Adds a store.
    pub(super) fn create(&mut self, name: &str, at: Instant) -> Result<StoreInfo, CommitError> {
        let (state, counters) = self.counters.create(name, at)?;
        let info = state.info.clone();
        self.counters = counters;
        self.set(state);
        Ok(info)
    }

    /// Removes a store with everything in it, if there is one.
    pub(super) fn delete(&mut self, store: StoreId) -> Result<bool, CommitError> {
        if !self.states.contains_key(&store) {
            return Ok(false);
        }
        let (from, to) = (keys::store(store), keys::behind_store(store));
        let to = to.ok_or_else(|| StoreError::Io {
            doing: "deleting a store",
            reason: "its identifier is the last that there is".into(),
        })?;
        let RowBatch { tables, batch } = &mut self.rows;
        for (_, table) in tables.of_stores() {
            batch.delete_range_cf(&table, &from, &to);
        }
        batch.delete_cf(&tables.meta, keys::state(store));
        self.states.remove_mut(&store);
        self.touched.insert(store);
        // Its tuples cannot be asked for any more: no later store has its identifier.
        Ok(true)
    }

    /// Ends the group; `clock` is the latest instant that was given out.
    pub(super) fn decided(self, clock: Instant) -> Result<Decided, StoreError> {
        let Self { rows: RowBatch { tables, mut batch }, states, counters, touched, tuples, .. } = self;
        for id in &touched {
            if let Some(state) = states.get(id) {
                batch.put_cf(&tables.meta, keys::state(*id), records::encode_state(state)?);
            }
        }
        if !batch.is_empty() {
            batch.put_cf(&tables.meta, keys::COUNTERS, records::encode_counters(counters)?);
            batch.put_cf(&tables.meta, keys::CLOCK, records::encode_clock(clock)?);
        }
        let publication = Publication { stores: touched.into_iter().collect(), tuples };
        Ok(Decided { rows: batch, states, counters, publication })
    }

    fn set(&mut self, state: StoreState) {
        self.touched.insert(state.info.id);
        self.states.insert_mut(state.info.id, Arc::new(state));
    }

    /// A tuple as the commits before leave it.
    fn record(&self, store: StoreId, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        let key = keys::tuple(store, key);
        if let Some(record) = self.changed.get(&key) {
            return Ok(record.clone());
        }
        let rows = self.view.rows();
        rows.get(rows.tables.tuples, &key)?.map(|value| records::decode_tuple(&value)).transpose()
    }
}

/// Rows to be written together.
struct RowBatch<'a> {
    tables: Tables<'a>,
    batch: WriteBatch,
}

impl Target for RowBatch<'_> {
    fn put(&mut self, table: Derived, key: Key, value: &[u8]) {
        self.batch.put_cf(&self.tables.derived(table), key, value);
    }

    fn delete(&mut self, table: Derived, key: Key) {
        self.batch.delete_cf(&self.tables.derived(table), key);
    }
}
