//! One store at one revision, and the cursors over it.
//!
//! Nothing here takes a lock or waits for the writer.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::commit::{StoreState, last_before};
use super::super::documents::{DocumentKey, JournalEntry};
use super::super::keys::{self, Key};
use super::super::scan::{Order, Scan};
use super::super::{
    CommitSequence, LogPosition, LoggedChange, ObjectCursor, Snapshot, StoreError, SubjectCursor, TupleFilter,
};
use super::records;
use super::storage::{Rows, View, Walk};
use crate::model::{
    Assertion, AuthorizationModel, Id, Instant, ModelId, ObjectRef, Revision, StoreId, SubjectClass,
    SubjectRef, TupleRecord, TupleRef,
};

/// One store of a [`RocksDatabase`](super::RocksDatabase) at one revision; cheap to make and to clone.
///
/// It keeps the database open, and on the disk what was overwritten since: it is meant for one request, not to be kept.
#[derive(Clone)]
pub struct RocksSnapshot {
    view: Arc<View>,
    state: Arc<StoreState>,
}

impl RocksSnapshot {
    pub(super) fn new(view: Arc<View>, store: StoreId) -> Option<Self> {
        let state = view.states.get(&store)?.clone();
        Some(Self { view, state })
    }

    fn store(&self) -> StoreId {
        self.state.info.id
    }

    fn rows(&self) -> &Rows<'_> {
        self.view.rows()
    }
}

impl Snapshot for RocksSnapshot {
    type SubjectCursor<'a> = RocksSubjectCursor<'a>;
    type ObjectCursor<'a> = RocksObjectCursor<'a>;

    fn revision(&self) -> Revision {
        self.state.revision
    }

    fn epoch(&self) -> u64 {
        self.state.epoch
    }

    fn sequence(&self) -> CommitSequence {
        self.view.sequence
    }

    fn newest_model(&self) -> Option<ModelId> {
        self.state.newest_model
    }

    fn model(&self, id: ModelId) -> Result<Option<AuthorizationModel>, StoreError> {
        let rows = self.rows();
        let row = rows.get(rows.tables.models, keys::model(self.store(), id))?;
        row.map(|value| records::decode_model(&value)).transpose()
    }

    fn models(
        &self,
        before: Option<ModelId>,
        limit: usize,
    ) -> Result<Vec<(ModelId, AuthorizationModel)>, StoreError> {
        let rows = self.rows();
        let before = before.map(|id| keys::model(self.store(), id));
        let end = before.clone().unwrap_or_else(|| keys::model(self.store(), ModelId::from_bits(u128::MAX)));
        let mut walk = rows.walk(rows.tables.models);
        walk.seek_back(keys::store(self.store()), &end);
        let mut models = Vec::new();
        while models.len() < limit {
            let Some((key, value)) = walk.step_back()? else { break };
            if before.as_deref() != Some(key) {
                let (_, id) = keys::decode_model(key)?;
                models.push((id, records::decode_model(value)?));
            }
        }
        Ok(models)
    }

    fn assertions(&self, model: ModelId) -> Result<Vec<Assertion>, StoreError> {
        let rows = self.rows();
        let row = rows.get(rows.tables.assertions, keys::model(self.store(), model))?;
        Ok(row.map(|value| records::decode_assertions(&value)).transpose()?.unwrap_or_default())
    }

    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        let rows = self.rows();
        let row = rows.get(rows.tables.tuples, keys::tuple(self.store(), key))?;
        row.map(|value| records::decode_tuple(&value)).transpose()
    }

    fn subject_cursor(&self) -> RocksSubjectCursor<'_> {
        let rows = self.rows();
        let walk = rows.walk(rows.tables.tuples);
        RocksSubjectCursor { store: self.store(), walk, prefix_bytes: 0, class: SubjectClass::Object }
    }

    fn object_cursor(&self) -> RocksObjectCursor<'_> {
        let rows = self.rows();
        RocksObjectCursor { store: self.store(), walk: rows.walk(rows.tables.subjects), prefix_bytes: 0 }
    }

    fn read(
        &self,
        filter: &TupleFilter<'_>,
        after: Option<TupleRef<'_>>,
        visit: &mut dyn FnMut(TupleRef<'_>, TupleRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (store, rows) = (self.store(), self.rows());
        let scan = Scan::of(store, filter);
        let (table, decode_key): (_, DecodeKey) = match scan.order {
            Order::ByObject => (rows.tables.tuples, keys::decode_tuple),
            Order::BySubject => (rows.tables.subjects, keys::decode_reverse),
        };
        let mut walk = rows.walk(table);
        // A place before all rows of the scan is none of them.
        let after: Option<Key> = after.map(|tuple| scan.key(store, tuple)).filter(|key| *key >= scan.prefix);
        walk.seek(scan.prefix.clone(), after.as_ref().unwrap_or(&scan.prefix));
        while let Some((key, value)) = walk.step()? {
            if after.as_deref() == Some(key) {
                continue;
            }
            let (_, tuple) = decode_key(key)?;
            if filter.matches(tuple) {
                if visit(tuple, records::decode_tuple(value)?).is_break() {
                    break;
                }
            } else if scan.order == Order::ByObject
                && let Some(next) = filter.skip_from(store, tuple)
            {
                walk.seek(scan.prefix.clone(), &next);
            }
        }
        Ok(())
    }

    fn changes(
        &self,
        after: LogPosition,
        last: Revision,
        visit: &mut dyn FnMut(LoggedChange) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let rows = self.rows();
        let mut walk = rows.walk(rows.tables.changelog);
        walk.seek(keys::store(self.store()), &keys::commit(self.store(), after.revision));
        while let Some((key, value)) = walk.step()? {
            let (_, revision) = keys::decode_commit(key)?;
            if revision > last {
                break;
            }
            for change in records::decode_commit(value)?.changes_behind(revision, after) {
                if visit(change).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn revision_before(&self, instant: Instant) -> Result<Revision, StoreError> {
        let rows = self.rows();
        last_before(self.revision(), instant, |revision| {
            let row = rows.get(rows.tables.changelog, keys::commit(self.store(), revision))?;
            row.map(|value| records::decode_commit_instant(&value)).transpose()
        })
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        let rows = self.rows();
        let row = rows.get(rows.tables.documents, keys::document(self.store(), key))?;
        row.map(|value| records::decode_document(&value)).transpose()
    }

    fn documents(
        &self,
        prefix: &DocumentKey,
        after: Option<&DocumentKey>,
        visit: &mut dyn FnMut(DocumentKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let rows = self.rows();
        let mut walk = rows.walk(rows.tables.documents);
        let prefix = keys::document(self.store(), prefix);
        let after = after.map(|key| keys::document(self.store(), key)).filter(|key| *key >= prefix);
        walk.seek(prefix.clone(), after.as_ref().unwrap_or(&prefix));
        while let Some((key, value)) = walk.step()? {
            if after.as_deref() == Some(key) {
                continue;
            }
            if visit(keys::decode_document(key)?, &records::decode_document(value)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn journal(
        &self,
        journal: &str,
        after: Option<Id>,
        visit: &mut dyn FnMut(JournalEntry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let rows = self.rows();
        let mut walk = rows.walk(rows.tables.journals);
        let prefix = keys::journal(self.store(), journal);
        let after = after.map(|id| keys::entry(self.store(), journal, id));
        walk.seek(prefix.clone(), after.as_ref().unwrap_or(&prefix));
        while let Some((key, value)) = walk.step()? {
            if after.as_deref() == Some(key) {
                continue;
            }
            let entry = records::decode_entry(value)?.entry(keys::decode_entry(key)?);
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }
}

type DecodeKey = fn(&[u8]) -> Result<(StoreId, TupleRef<'_>), StoreError>;

/// See [`SubjectCursor`].
pub struct RocksSubjectCursor<'a> {
    store: StoreId,
    walk: Walk<'a>,
    prefix_bytes: usize,
    class: SubjectClass,
}

impl SubjectCursor for RocksSubjectCursor<'_> {
    fn seek(&mut self, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Result<(), StoreError> {
        let prefix = keys::class(self.store, object, relation, class);
        self.prefix_bytes = prefix.len();
        self.class = class;
        self.walk.seek_prefix(prefix);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError> {
        let Some((key, value)) = self.walk.step()? else { return Ok(None) };
        let subject = keys::decode_subject(key, self.prefix_bytes, self.class)?;
        Ok(Some((subject, records::decode_tuple(value)?)))
    }
}

/// See [`ObjectCursor`].
pub struct RocksObjectCursor<'a> {
    store: StoreId,
    walk: Walk<'a>,
    prefix_bytes: usize,
}

impl ObjectCursor for RocksObjectCursor<'_> {
    fn seek(&mut self, subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Result<(), StoreError> {
        let prefix = keys::reverse_relation(self.store, subject, object_type, relation);
        self.prefix_bytes = prefix.len();
        self.walk.seek_prefix(prefix);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError> {
        let Some((key, value)) = self.walk.step()? else { return Ok(None) };
        let id = keys::decode_object_id(key, self.prefix_bytes)?;
        Ok(Some((id, records::decode_tuple(value)?)))
    }
}
