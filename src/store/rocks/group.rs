//! The commits of one synced write: each is decided on what the ones before it leave, none is visible before all are.
//!
//! Nothing here writes; a group that is dropped has changed nothing.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rocksdb::WriteBatch;

use super::super::commit::{Counters, Decision, JournalPut, LogEntry, Present, StoreState};
use super::super::documents::DocumentKey;
use super::super::error::{CommitError, StoreError};
use super::super::keys::{self, Key};
use super::super::observe::Publication;
use super::super::{Batch, Committed, StoreInfo};
use super::apply::{Derived, Target, apply};
use super::records;
use super::storage::{States, Tables, View};
use crate::model::{Id, Instant, Revision, StoreId, TupleKey, TupleRecord, TupleRef};

/// Commits that are to become durable together.
pub(super) struct Group<'a> {
    /// What is committed.
    view: &'a View,
    rows: RowBatch<'a>,
    /// The tuples that this group changes, under their keys in `tuples`.
    changed: HashMap<Key, Option<TupleRecord>>,
    /// The documents that this group changes, under their keys in `documents`.
    changed_documents: HashMap<Key, Option<Box<[u8]>>>,
    /// The commits of this group.
    commits: HashMap<(StoreId, Revision), LogEntry>,
    /// The last entries of the journals that this group adds to.
    last_entries: HashMap<(StoreId, Box<str>), Id>,
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
            changed_documents: HashMap::new(),
            commits: HashMap::new(),
            last_entries: HashMap::new(),
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
        let Decision { entry, journals, forget } =
            state.decide(batch, at, &InStore { group: self, store })?;
        let unchanged = state.unchanged(at);
        // Refused here, it leaves nothing in the group; what these records hold, the others can hold.
        let rows = journals.iter().map(|put| records::encode_entry(&put.row));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let committed = match entry {
            None => unchanged,
            Some(entry) => self.log(store, entry)?,
        };
        for (journal, before) in forget {
            let (from, to) = (keys::journal(store, &journal), keys::entries_from(store, &journal, before));
            self.rows.batch.delete_range_cf(&self.rows.tables.journals, &from, &to);
        }
        for (JournalPut { journal, id, .. }, row) in journals.into_iter().zip(rows) {
            let key = keys::entry(store, &journal, id);
            self.rows.batch.put_cf(&self.rows.tables.journals, key, row);
            self.last_entries.insert((store, journal), id);
            // Who waits for entries is told of them.
            self.touched.insert(store);
        }
        Ok(committed)
    }

    /// Adds a commit.
    fn log(&mut self, store: StoreId, entry: LogEntry) -> Result<Committed, CommitError> {
        let state = self.states.get(&store).ok_or(CommitError::StoreNotFound)?.after(&entry);
        let log = records::encode_commit(&entry)?;
        apply(&entry, store, &mut self.rows)?;
        self.rows.batch.put_cf(&self.rows.tables.changelog, keys::commit(store, state.revision), log);

        let committed = entry.committed(state.revision);
        for change in &entry.changes {
            self.changed.insert(keys::tuple(store, change.key.as_ref()), change.after.clone());
            self.tuples.push((store, change.key.clone()));
        }
        for change in &entry.documents {
            self.changed_documents.insert(keys::document(store, &change.key), change.value.clone());
        }
        self.commits.insert((store, state.revision), entry);
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

    /// Puts or removes a credential.
    pub(super) fn credential(&mut self, id: Id, value: Option<&[u8]>) -> Result<(), CommitError> {
        let RowBatch { tables, batch } = &mut self.rows;
        match value {
            Some(value) => {
                batch.put_cf(&tables.meta, keys::credential(id), records::encode_credential(value)?);
            }
            None => batch.delete_cf(&tables.meta, keys::credential(id)),
        }
        Ok(())
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
}

/// A store as the commits before leave it.
struct InStore<'a> {
    group: &'a Group<'a>,
    store: StoreId,
}

impl Present for InStore<'_> {
    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        let key = keys::tuple(self.store, key);
        if let Some(record) = self.group.changed.get(&key) {
            return Ok(record.clone());
        }
        let rows = self.group.view.rows();
        rows.get(rows.tables.tuples, &key)?.map(|value| records::decode_tuple(&value)).transpose()
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        let key = keys::document(self.store, key);
        if let Some(value) = self.group.changed_documents.get(&key) {
            return Ok(value.clone());
        }
        let rows = self.group.view.rows();
        rows.get(rows.tables.documents, &key)?.map(|value| records::decode_document(&value)).transpose()
    }

    fn commit(&self, revision: Revision) -> Result<Option<Cow<'_, LogEntry>>, StoreError> {
        if let Some(entry) = self.group.commits.get(&(self.store, revision)) {
            return Ok(Some(Cow::Borrowed(entry)));
        }
        let rows = self.group.view.rows();
        let row = rows.get(rows.tables.changelog, keys::commit(self.store, revision))?;
        Ok(row.map(|value| records::decode_commit(&value)).transpose()?.map(Cow::Owned))
    }

    fn last_entry(&self, journal: &str) -> Result<Option<Id>, StoreError> {
        if let Some(id) = self.group.last_entries.get(&(self.store, journal.into())) {
            return Ok(Some(*id));
        }
        let rows = self.group.view.rows();
        let mut walk = rows.walk(rows.tables.journals);
        let end = keys::entry(self.store, journal, Id::from_bits(u128::MAX));
        walk.seek_back(keys::journal(self.store, journal), &end);
        walk.step_back()?.map(|(key, _)| keys::decode_entry(key)).transpose()
    }
}

/// Rows to be written together.
pub(super) struct RowBatch<'a> {
    pub(super) tables: Tables<'a>,
    pub(super) batch: WriteBatch,
}

impl Target for RowBatch<'_> {
    fn put(&mut self, table: Derived, key: Key, value: &[u8]) {
        self.batch.put_cf(&self.tables.derived(table), key, value);
    }

    fn delete(&mut self, table: Derived, key: Key) {
        self.batch.delete_cf(&self.tables.derived(table), key);
    }
}
