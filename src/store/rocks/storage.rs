//! The RocksDB database with its lock and its tables, and a view of it at one moment.
//!
//! This part knows nothing of stores beyond their states: it finds rows and walks over them.

use std::fs::File;
use std::sync::Arc;

use rocksdb::{ColumnFamily, DB, DBPinnableSlice, DBRawIterator, FlushOptions, ReadOptions};
use rpds::HashTrieMapSync;
use self_cell::self_cell;

use super::super::commit::{Counters, StoreState};
use super::super::error::StoreError;
use super::super::keys::Key;
use super::super::observe::CommitSequence;
use super::apply::Derived;
use crate::model::StoreId;

/// The tables' names.
pub(super) const TABLES: [&str; 8] =
    ["tuples", "subjects", "changelog", "models", "assertions", "documents", "journals", META];
/// The table that says which format the others have.
pub(super) const META: &str = "meta";

/// An open database.
pub(super) struct Storage {
    // Dropped before the lock, which others may take from then on.
    pub(super) db: DB,
    /// Held for as long as the database is open, and while it is opened again.
    pub(super) lock: Arc<File>,
}

/// The tables of an open database.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) tuples: &'a ColumnFamily,
    pub(super) subjects: &'a ColumnFamily,
    pub(super) changelog: &'a ColumnFamily,
    pub(super) models: &'a ColumnFamily,
    pub(super) assertions: &'a ColumnFamily,
    pub(super) documents: &'a ColumnFamily,
    pub(super) journals: &'a ColumnFamily,
    pub(super) meta: &'a ColumnFamily,
}

impl<'a> Tables<'a> {
    /// Those whose keys begin with a store, with their names.
    pub(super) fn of_stores(self) -> [(&'static str, &'a ColumnFamily); 7] {
        [
            ("tuples", self.tuples),
            ("subjects", self.subjects),
            ("changelog", self.changelog),
            ("models", self.models),
            ("assertions", self.assertions),
            ("documents", self.documents),
            ("journals", self.journals),
        ]
    }

    /// One of the tables that follow from the log.
    pub(super) fn derived(self, table: Derived) -> &'a ColumnFamily {
        match table {
            Derived::Tuples => self.tuples,
            Derived::Subjects => self.subjects,
            Derived::Models => self.models,
            Derived::Assertions => self.assertions,
            Derived::Documents => self.documents,
        }
    }
}

impl Storage {
    pub(super) fn tables(&self) -> Result<Tables<'_>, StoreError> {
        Ok(Tables {
            tuples: table(&self.db, "tuples")?,
            subjects: table(&self.db, "subjects")?,
            changelog: table(&self.db, "changelog")?,
            models: table(&self.db, "models")?,
            assertions: table(&self.db, "assertions")?,
            documents: table(&self.db, "documents")?,
            journals: table(&self.db, "journals")?,
            meta: table(&self.db, META)?,
        })
    }

    /// Puts all that was written into table files.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let tables = self.tables()?;
        let tables: Vec<_> =
            tables.of_stores().into_iter().map(|(_, table)| table).chain([tables.meta]).collect();
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        self.db.flush_cfs_opt(&tables, &wait).map_err(failed("flushing"))
    }
}

/// A table by its name.
pub(super) fn table<'a>(db: &'a DB, name: &str) -> Result<&'a ColumnFamily, StoreError> {
    db.cf_handle(name)
        .ok_or_else(|| StoreError::Corrupt { what: "tables", reason: format!("`{name}` is missing") })
}

/// What the writer makes of a failure of RocksDB, and every reader.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> StoreError {
    move |error| StoreError::Io { doing, reason: error.into_string() }
}

/// Every store's state.
pub(super) type States = HashTrieMapSync<StoreId, Arc<StoreState>>;

/// All that is committed at one moment: the rows and the states that belong to them.
pub(super) struct View {
    cell: ViewCell,
    pub(super) states: States,
    pub(super) counters: Counters,
    /// Of the newest commit that it shows.
    pub(super) sequence: CommitSequence,
}

self_cell!(
    /// A RocksDB snapshot together with the database that it borrows.
    struct ViewCell {
        owner: Arc<Storage>,
        #[covariant]
        dependent: Rows,
    }
);

/// The rows of a view.
pub(super) struct Rows<'a> {
    db: &'a DB,
    snapshot: rocksdb::Snapshot<'a>,
    /// For point reads on the snapshot; made once, as RocksDB allocates them.
    at_snapshot: ReadOptions,
    pub(super) tables: Tables<'a>,
}

impl View {
    /// What is committed now, before it has its place in the sequence of commits.
    pub(super) fn new(storage: Arc<Storage>, states: States, counters: Counters) -> Result<Self, StoreError> {
        let cell = ViewCell::try_new(storage, |storage| {
            let snapshot = storage.db.snapshot();
            let mut at_snapshot = ReadOptions::default();
            at_snapshot.set_snapshot(&snapshot);
            storage.tables().map(|tables| Rows { db: &storage.db, snapshot, at_snapshot, tables })
        })?;
        Ok(Self { cell, states, counters, sequence: CommitSequence::default() })
    }

    pub(super) fn storage(&self) -> &Arc<Storage> {
        self.cell.borrow_owner()
    }

    pub(super) fn rows(&self) -> &Rows<'_> {
        self.cell.borrow_dependent()
    }
}

impl<'a> Rows<'a> {
    /// The row under `key`.
    pub(super) fn get(
        &self,
        table: &ColumnFamily,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.db.get_pinned_cf_opt(&table, key, &self.at_snapshot).map_err(failed("reading a row"))
    }

    /// A walk over a table, to be placed.
    pub(super) fn walk(&'a self, table: &'a ColumnFamily) -> Walk<'a> {
        Walk { rows: self, table, iterator: None, prefix: Key::new(), place: Place::Behind }
    }

    fn iterator(&'a self, table: &'a ColumnFamily) -> DBRawIterator<'a> {
        self.snapshot.raw_iterator_cf(&table)
    }
}

/// A walk over the rows of a table whose keys begin alike; made once and placed often, as making RocksDB's iterator
/// costs several times what placing it does.
pub(super) struct Walk<'a> {
    rows: &'a Rows<'a>,
    table: &'a ColumnFamily,
    iterator: Option<DBRawIterator<'a>>,
    prefix: Key,
    place: Place,
}

/// A row: key and value.
pub(super) type Row<'a> = (&'a [u8], &'a [u8]);

/// Where a walk is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On its first row, if there is one, which was not yielded yet.
    Placed,
    /// On the row that was yielded last.
    Within,
    /// Behind the last row.
    Behind,
}

impl<'a> Walk<'a> {
    /// Places the walk before the first row from `start` on that begins with `prefix`; `start` does too, or lies before
    /// all that do.
    pub(super) fn seek(&mut self, prefix: Key, start: &[u8]) {
        self.iterator.get_or_insert_with(|| self.rows.iterator(self.table)).seek(start);
        self.prefix = prefix;
        self.place = Place::Placed;
    }

    /// Places the walk before all rows that begin with `prefix`.
    pub(super) fn seek_prefix(&mut self, prefix: Key) {
        self.iterator.get_or_insert_with(|| self.rows.iterator(self.table)).seek(&prefix);
        self.prefix = prefix;
        self.place = Place::Placed;
    }

    /// Places the walk on the last row up to `end` that begins with `prefix`, for [`Self::step_back`].
    pub(super) fn seek_back(&mut self, prefix: Key, end: &[u8]) {
        self.iterator.get_or_insert_with(|| self.rows.iterator(self.table)).seek_for_prev(end);
        self.prefix = prefix;
        self.place = Place::Placed;
    }

    /// Goes to the next row and yields it.
    pub(super) fn step(&mut self) -> Result<Option<Row<'_>>, StoreError> {
        self.step_by(|iterator| iterator.next())
    }

    /// Goes to the row before and yields it.
    pub(super) fn step_back(&mut self) -> Result<Option<Row<'_>>, StoreError> {
        self.step_by(|iterator| iterator.prev())
    }

    fn step_by(&mut self, step: impl FnOnce(&mut DBRawIterator<'a>)) -> Result<Option<Row<'_>>, StoreError> {
        let Some(iterator) = &mut self.iterator else { return Ok(None) };
        match self.place {
            Place::Behind => return Ok(None),
            Place::Placed => self.place = Place::Within,
            Place::Within => step(iterator),
        }
        match iterator.item() {
            Some((key, value)) if key.starts_with(&self.prefix) => Ok(Some((key, value))),
            Some(_) => {
                self.place = Place::Behind;
                Ok(None)
            }
            None => {
                self.place = Place::Behind;
                // An iterator that failed looks like one at its end.
                iterator.status().map_err(failed("walking over rows"))?;
                Ok(None)
            }
        }
    }
}
