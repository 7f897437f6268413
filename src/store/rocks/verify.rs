//! The consistency check: the log, replayed, must give the tables, row by row and byte by byte.
//!
//! It reads one view, so that commits may go on meanwhile. Memory stays bounded: of a store with a long log only a part
//! of the rows is replayed at a time, the log being read once for each part.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::commit::{LogEntry, StoreState};
use super::super::error::StoreError;
use super::super::keys::{self, Key};
use super::apply::{Derived, Target, apply};
use super::records;
use super::report::{Problem, Report};
use super::storage::{Rows, View};
use crate::model::limits::ROWS_REPLAYED_MAX;
use crate::model::{ModelId, Revision, StoreId};

/// Compares the log with everything else, replaying at most about `rows_max` rows at once.
pub(super) fn verify(view: &View, rows_max: u64) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut states: Vec<&StoreState> = view.states.values().map(|state| &**state).collect();
    states.sort_unstable_by_key(|state| state.info.id);
    for state in states {
        let mut check = StoreCheck { store: state.info.id, rows: view.rows(), report: &mut report };
        let rows = check.log(state)?;
        let parts = rows.div_ceil(rows_max).max(1);
        for part in 0..parts {
            check.replay(Part { part, parts })?;
        }
        report.stores += 1;
    }
    find_strays(view, &mut report)?;
    Ok(report)
}

/// [`verify`] with the limit that is meant for it.
pub(super) fn verify_bounded(view: &View) -> Result<Report, StoreError> {
    verify(view, ROWS_REPLAYED_MAX)
}

/// The check of one store.
struct StoreCheck<'a> {
    store: StoreId,
    rows: &'a Rows<'a>,
    report: &'a mut Report,
}

impl StoreCheck<'_> {
    /// Checks that the log has each revision once, in the order of time, and that the store's state is the one behind the
    /// last. Returns how many rows it changes, a row that is changed twice counted twice.
    fn log(&mut self, state: &StoreState) -> Result<u64, StoreError> {
        let mut expected = Revision::ZERO;
        let mut newest_model: Option<ModelId> = None;
        let mut last_at = state.info.created_at;
        let mut rows = 0_u64;
        let mut commits = 0_u64;
        self.each_commit(|check, commit| {
            let (revision, entry) = match commit {
                Ok(commit) => commit,
                Err(error) => {
                    check.differs("changelog", error.to_string(), Problem::Unreadable);
                    return Ok(());
                }
            };
            expected = expected.next();
            if revision != expected {
                check.differs("changelog", format!("revision {expected}"), Problem::Missing);
                expected = revision;
            }
            if entry.at < last_at {
                check.differs("changelog", format!("revision {revision}"), Problem::OutOfOrder);
            }
            last_at = entry.at;
            if let Some((id, _)) = &entry.model {
                if newest_model.is_some_and(|newest| *id <= newest) {
                    check.differs("models", id.to_string(), Problem::OutOfOrder);
                }
                newest_model = Some(*id);
            }
            // Two rows for each tuple, one for a model, one for a model's assertions, one for each document.
            rows += 2 * u64::try_from(entry.changes.len()).unwrap_or(u64::MAX)
                + u64::from(entry.model.is_some())
                + u64::from(entry.assertions.is_some())
                + u64::try_from(entry.documents.len()).unwrap_or(u64::MAX);
            commits += 1;
            Ok(())
        })?;
        let found = (expected, newest_model, last_at);
        if found != (state.revision, state.newest_model, state.info.updated_at) {
            self.differs("meta", format!("state at revision {}", state.revision), Problem::Differs);
        }
        self.report.commits += commits;
        Ok(rows)
    }

    /// Replays one part of the rows and compares them with the tables.
    fn replay(&mut self, part: Part) -> Result<(), StoreError> {
        let mut replayed = Replayed { part, rows: HashMap::new() };
        let store = self.store;
        self.each_commit(|check, commit| {
            // What cannot be read was reported already.
            let Ok((revision, entry)) = commit else { return Ok(()) };
            check.before(revision, &entry, &replayed)?;
            apply(&entry, store, &mut replayed)
        })?;
        for table in
            [Derived::Tuples, Derived::Subjects, Derived::Models, Derived::Assertions, Derived::Documents]
        {
            self.compare(table, &mut replayed)?;
        }
        for (table, key) in replayed.rows.into_keys() {
            self.differs(name(table), row(table, &key), Problem::Missing);
        }
        Ok(())
    }

    /// Checks that the log's records before a commit are those that its commits before left.
    fn before(
        &mut self,
        revision: Revision,
        entry: &LogEntry,
        replayed: &Replayed,
    ) -> Result<(), StoreError> {
        for change in &entry.changes {
            let key = keys::tuple(self.store, change.key.as_ref());
            if !replayed.part.has(Derived::Tuples, &key) {
                continue;
            }
            let expected = change.before.as_ref().map(records::encode_tuple).transpose()?;
            if replayed.rows.get(&(Derived::Tuples, key)).map(|value| &**value) != expected.as_deref() {
                let row = format!("the record of `{}` before revision {revision}", change.key);
                self.differs("changelog", row, Problem::Differs);
            }
        }
        Ok(())
    }

    /// Takes the rows of a table out of those replayed, and reports the others.
    fn compare(&mut self, table: Derived, replayed: &mut Replayed) -> Result<(), StoreError> {
        let mut walk = self.rows.walk(self.rows.tables.derived(table));
        walk.seek_prefix(keys::store(self.store));
        while let Some((key, value)) = walk.step()? {
            if !replayed.part.has(table, key) {
                continue;
            }
            match table {
                Derived::Tuples => self.report.tuples += 1,
                Derived::Models => self.report.models += 1,
                Derived::Subjects | Derived::Assertions | Derived::Documents => {}
            }
            match replayed.rows.remove(&(table, Key::from_slice(key))) {
                Some(logged) if *logged == *value => {}
                Some(_) => self.differs(name(table), row(table, key), Problem::Differs),
                None => self.differs(name(table), row(table, key), Problem::Unlogged),
            }
        }
        Ok(())
    }

    /// Calls `visit` with every commit of the log, or why it cannot be read.
    fn each_commit(
        &mut self,
        mut visit: impl FnMut(&mut Self, Result<(Revision, LogEntry), StoreError>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let rows = self.rows;
        let mut walk = rows.walk(rows.tables.changelog);
        walk.seek_prefix(keys::store(self.store));
        while let Some((key, value)) = walk.step()? {
            let commit = keys::decode_commit(key)
                .and_then(|(_, revision)| Ok((revision, records::decode_commit(value)?)));
            visit(self, commit)?;
        }
        Ok(())
    }

    fn differs(&mut self, table: &'static str, row: String, problem: Problem) {
        self.report.add(self.store, table, row, problem);
    }
}

/// One of the parts that the rows are replayed in.
#[derive(Clone, Copy)]
struct Part {
    part: u64,
    parts: u64,
}

impl Part {
    fn has(self, table: Derived, key: &[u8]) -> bool {
        if self.parts == 1 {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        (table, key).hash(&mut hasher);
        hasher.finish() % self.parts == self.part
    }
}

/// The rows of a part that the log gives.
struct Replayed {
    part: Part,
    rows: HashMap<(Derived, Key), Box<[u8]>>,
}

impl Target for Replayed {
    fn put(&mut self, table: Derived, key: Key, value: &[u8]) {
        if self.part.has(table, &key) {
            self.rows.insert((table, key), value.into());
        }
    }

    fn delete(&mut self, table: Derived, key: Key) {
        self.rows.remove(&(table, key));
    }
}

/// Reports rows that belong to no store, one for each table and identifier. Costs one seek for each store.
fn find_strays(view: &View, report: &mut Report) -> Result<(), StoreError> {
    let rows = view.rows();
    for (name, table) in rows.tables.of_stores() {
        let mut walk = rows.walk(table);
        let mut start = Key::new();
        loop {
            walk.seek(Key::new(), &start);
            let Some((key, _)) = walk.step()? else { break };
            let Some(store) = keys::decode_store(key) else {
                report.add(StoreId::from_bits(0), name, key.escape_ascii().to_string(), Problem::Unreadable);
                // The next key that there can be.
                start = Key::from_slice(key);
                start.push(0);
                continue;
            };
            if !view.states.contains_key(&store) {
                report.add(store, name, key.escape_ascii().to_string(), Problem::Stray);
            }
            match keys::behind_store(store) {
                Some(behind) => start = behind,
                None => break,
            }
        }
    }
    Ok(())
}

fn name(table: Derived) -> &'static str {
    match table {
        Derived::Tuples => "tuples",
        Derived::Subjects => "subjects",
        Derived::Models => "models",
        Derived::Assertions => "assertions",
        Derived::Documents => "documents",
    }
}

/// A row as a report names it.
fn row(table: Derived, key: &[u8]) -> String {
    let named = match table {
        Derived::Tuples => keys::decode_tuple(key).map(|(_, tuple)| tuple.to_string()),
        Derived::Subjects => keys::decode_reverse(key).map(|(_, tuple)| tuple.to_string()),
        Derived::Models | Derived::Assertions => keys::decode_model(key).map(|(_, model)| model.to_string()),
        Derived::Documents => keys::decode_document(key).map(|key| {
            let parts: Vec<&str> = key.parts().collect();
            format!("{} {}", key.kind(), parts.join(" "))
        }),
    };
    named.unwrap_or_else(|_| key.escape_ascii().to_string())
}
