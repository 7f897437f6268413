//! Stores in memory: for tests, and for store test files. Nothing outlives the process.
//!
//! Tables are persistent trees under the same keys as on disk, so that a snapshot is one pointer and a commit copies
//! only the paths that it changes. This part must never decide anything on its own: what a batch changes, which walk
//! answers a filter and how keys sort is what the database on disk uses too.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use rpds::{RedBlackTreeMapSync, VectorSync};

use super::commit::{Counters, Decision, JournalPut, LogEntry, Present, StoreState, last_before};
use super::documents::{DocumentKey, JournalEntry, JournalRow};
use super::keys::{self, Key};
use super::observe::{Observers, Publication};
use super::scan::{Order, Scan};
use super::{
    Batch, CommitError, CommitObserver, CommitSequence, Committed, Completion, Credential, Database,
    LogPosition, LoggedChange, ObjectCursor, Snapshot, StoreError, StoreInfo, SubjectCursor, TupleFilter,
};
use crate::model::{
    Assertion, AuthorizationModel, Clock, Id, Instant, ModelId, MonotonicClock, ObjectRef, Revision, StoreId,
    SubjectClass, SubjectRef, TupleKey, TupleRecord, TupleRef,
};

/// A database of stores in memory.
///
/// **Guarantees**: those of [`Database`], except that nothing is durable. Commits of all stores are serial;
/// [`submit`](Database::submit) completes before it returns. No commit can fail but by its own batch.
pub struct MemoryDatabase {
    clock: MonotonicClock,
    /// Held by the one who commits.
    counters: Mutex<Counters>,
    shown: ArcSwap<Shown>,
    observers: Observers,
    credentials: Mutex<BTreeMap<Id, Box<[u8]>>>,
}

/// One store of a [`MemoryDatabase`] at one revision; cheap to clone.
#[derive(Clone)]
pub struct MemorySnapshot {
    store: Arc<StoreData>,
    sequence: CommitSequence,
}

type Stores = RedBlackTreeMapSync<StoreId, Arc<StoreData>>;

/// All that is visible at one moment.
struct Shown {
    stores: Stores,
    /// Of the newest commit among it.
    sequence: CommitSequence,
}

/// What a commit makes of the stores.
struct Change {
    stores: Stores,
    publication: Publication,
}

impl Change {
    /// One store was changed, made or deleted, and these of its tuples.
    fn of(store: StoreId, stores: Stores, tuples: Vec<(StoreId, TupleKey)>) -> Self {
        Self { stores, publication: Publication { stores: vec![store], tuples } }
    }
}

type Table = RedBlackTreeMapSync<Box<[u8]>, Arc<Entry>>;

/// Over the rows of a table that begin alike. (Its own type cannot be named.)
type Walk<'a> = Box<dyn Iterator<Item = &'a Entry> + 'a>;

/// A tuple, shared by both tables.
struct Entry {
    key: TupleKey,
    record: TupleRecord,
}

/// A store at one revision.
#[derive(Clone)]
struct StoreData {
    state: StoreState,
    tuples: Table,
    subjects: Table,
    /// The commit of revision r at r − 1.
    log: VectorSync<Arc<LogEntry>>,
    models: RedBlackTreeMapSync<ModelId, Arc<AuthorizationModel>>,
    assertions: RedBlackTreeMapSync<ModelId, Arc<[Assertion]>>,
    documents: RedBlackTreeMapSync<DocumentKey, Arc<[u8]>>,
    journals: RedBlackTreeMapSync<Box<[u8]>, Arc<JournalRow>>,
}

impl MemoryDatabase {
    /// An empty database.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: MonotonicClock::new(clock, Instant::MIN),
            counters: Mutex::default(),
            shown: ArcSwap::from_pointee(Shown {
                stores: Stores::new_sync(),
                sequence: CommitSequence::default(),
            }),
            observers: Observers::default(),
            credentials: Mutex::default(),
        }
    }

    /// Replaces the stores by what `change` makes of them, while no one else does. What it returns beside them is handed
    /// through; without a change nothing is replaced.
    fn replace<T>(
        &self,
        change: impl FnOnce(&mut Counters, &Stores) -> Result<(Option<Change>, T), CommitError>,
    ) -> Result<T, CommitError> {
        // A panic inside leaves the counters at most too high.
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let (change, result) = change(&mut counters, &self.shown.load().stores)?;
        if let Some(Change { stores, publication }) = change {
            self.observers.publish(&publication, |sequence| {
                self.shown.store(Arc::new(Shown { stores, sequence }));
            })?;
        }
        Ok(result)
    }

    fn commit_now(&self, store: StoreId, batch: Batch) -> Result<Committed, CommitError> {
        self.replace(|_, stores| {
            let data = stores.get(&store).ok_or(CommitError::StoreNotFound)?;
            let at = self.clock.now();
            let Decision { entry, journals, forget } = data.state.decide(batch, at, &**data)?;
            if entry.is_none() && journals.is_empty() && forget.is_empty() {
                return Ok((None, data.state.unchanged(at)));
            }
            let (mut data, committed, tuples) = match entry {
                None => (StoreData::clone(data), data.state.unchanged(at), Vec::new()),
                Some(entry) => {
                    let tuples = entry.changes.iter().map(|change| (store, change.key.clone())).collect();
                    let data = data.after(entry);
                    let committed = data.last_committed(at);
                    (data, committed, tuples)
                }
            };
            for (journal, before) in forget {
                data.forget(&journal, before);
            }
            for JournalPut { journal, id, row } in journals {
                let key = keys::entry(store, &journal, id);
                data.journals.insert_mut(key.as_slice().into(), Arc::new(row));
            }
            let stores = stores.insert(store, Arc::new(data));
            Ok((Some(Change::of(store, stores, tuples)), committed))
        })
    }
}

impl Database for MemoryDatabase {
    type Snapshot = MemorySnapshot;

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn accepts_writes(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn create_store(&self, name: &str) -> Result<StoreInfo, CommitError> {
        self.replace(|counters, stores| {
            let (state, after) = counters.create(name, self.clock.now())?;
            *counters = after;
            let info = state.info.clone();
            let stores = stores.insert(info.id, Arc::new(StoreData::new(state)));
            Ok((Some(Change::of(info.id, stores, Vec::new())), info))
        })
    }

    fn delete_store(&self, id: StoreId) -> Result<bool, CommitError> {
        self.replace(|_, stores| {
            let exists = stores.contains_key(&id);
            Ok((exists.then(|| Change::of(id, stores.remove(&id), Vec::new())), exists))
        })
    }

    fn store(&self, id: StoreId) -> Result<Option<StoreInfo>, StoreError> {
        Ok(self.shown.load().stores.get(&id).map(|data| data.state.info.clone()))
    }

    fn stores(
        &self,
        name: Option<&str>,
        after: Option<StoreId>,
        limit: usize,
    ) -> Result<Vec<StoreInfo>, StoreError> {
        let shown = self.shown.load();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(shown
            .stores
            .range((start, Bound::Unbounded))
            .map(|(_, data)| &data.state.info)
            .filter(|info| name.is_none_or(|name| *name == *info.name))
            .take(limit)
            .cloned()
            .collect())
    }

    fn snapshot(&self, store: StoreId) -> Result<Option<MemorySnapshot>, StoreError> {
        let shown = self.shown.load();
        let snapshot =
            |data: &Arc<StoreData>| MemorySnapshot { store: data.clone(), sequence: shown.sequence };
        Ok(shown.stores.get(&store).map(snapshot))
    }

    fn submit(&self, store: StoreId, batch: Batch, done: Completion) {
        done(self.commit_now(store, batch));
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        let credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(credentials.iter().map(|(id, value)| (*id, value.clone())).collect())
    }

    fn put_credential(&self, id: Id, value: Option<Box<[u8]>>) -> Result<(), CommitError> {
        let mut credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => drop(credentials.insert(id, value)),
            None => drop(credentials.remove(&id)),
        }
        Ok(())
    }

    fn observe(&self, observer: Weak<dyn CommitObserver>) {
        self.observers.add(&observer);
    }
}

impl StoreData {
    fn new(state: StoreState) -> Self {
        Self {
            state,
            tuples: Table::new_sync(),
            subjects: Table::new_sync(),
            log: VectorSync::new_sync(),
            models: RedBlackTreeMapSync::new_sync(),
            assertions: RedBlackTreeMapSync::new_sync(),
            documents: RedBlackTreeMapSync::new_sync(),
            journals: RedBlackTreeMapSync::new_sync(),
        }
    }

    fn id(&self) -> StoreId {
        self.state.info.id
    }

    fn record(&self, key: TupleRef<'_>) -> Option<&TupleRecord> {
        self.tuples.get(keys::tuple(self.id(), key).as_slice()).map(|entry| &entry.record)
    }

    fn commit(&self, revision: Revision) -> Option<&LogEntry> {
        let index = usize::try_from(revision.0.checked_sub(1)?).ok()?;
        self.log.get(index).map(|entry| &**entry)
    }

    /// The store behind a commit.
    fn after(&self, entry: LogEntry) -> Self {
        let mut data = self.clone();
        for change in &entry.changes {
            let tuple = keys::tuple(self.id(), change.key.as_ref());
            let reverse = keys::reverse(self.id(), change.key.as_ref());
            if let Some(record) = &change.after {
                let row = Arc::new(Entry { key: change.key.clone(), record: record.clone() });
                data.tuples.insert_mut(tuple.as_slice().into(), row.clone());
                data.subjects.insert_mut(reverse.as_slice().into(), row);
            } else {
                data.tuples.remove_mut(tuple.as_slice());
                data.subjects.remove_mut(reverse.as_slice());
            }
        }
        if let Some((id, model)) = &entry.model {
            data.models.insert_mut(*id, Arc::new(model.clone()));
        }
        if let Some((id, assertions)) = &entry.assertions {
            data.assertions.insert_mut(*id, assertions.as_slice().into());
        }
        for change in &entry.documents {
            match &change.value {
                Some(value) => data.documents.insert_mut(change.key.clone(), (&**value).into()),
                None => drop(data.documents.remove_mut(&change.key)),
            }
        }
        data.state = self.state.after(&entry);
        data.log.push_back_mut(Arc::new(entry));
        data
    }

    fn forget(&mut self, journal: &str, before: Instant) {
        let (from, to) = (keys::journal(self.id(), journal), keys::entries_from(self.id(), journal, before));
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let gone: Vec<Box<[u8]>> =
            self.journals.range::<[u8], _>(range).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.journals.remove_mut(&key);
        }
    }

    /// What the caller of the newest commit is told; it was made at `at`.
    fn last_committed(&self, at: Instant) -> Committed {
        let unchanged = self.state.unchanged(at);
        self.log.last().map_or(unchanged, |entry| entry.committed(self.state.revision))
    }

    fn walk(&self, order: Order, prefix: Key, start: From) -> Walk<'_> {
        let table = match order {
            Order::ByObject => &self.tuples,
            Order::BySubject => &self.subjects,
        };
        let rows = table.range(start).take_while(move |(key, _)| key.starts_with(&prefix));
        Box::new(rows.map(|(_, entry)| &**entry))
    }
}

impl Present for StoreData {
    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        Ok(self.record(key).cloned())
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        Ok(self.documents.get(key).map(|value| (&**value).into()))
    }

    fn commit(&self, revision: Revision) -> Result<Option<Cow<'_, LogEntry>>, StoreError> {
        Ok(self.commit(revision).map(Cow::Borrowed))
    }

    fn last_entry(&self, journal: &str) -> Result<Option<Id>, StoreError> {
        let prefix = keys::journal(self.id(), journal);
        let end = keys::entry(self.id(), journal, Id::from_bits(u128::MAX));
        let range = (Bound::Included(prefix.as_slice()), Bound::Included(end.as_slice()));
        let last = self.journals.range::<[u8], _>(range).next_back();
        last.map(|(key, _)| keys::decode_entry(key)).transpose()
    }
}

/// From a key on, or from behind it.
enum From {
    At(Key),
    Behind(Key),
}

impl RangeBounds<[u8]> for From {
    fn start_bound(&self) -> Bound<&[u8]> {
        match self {
            Self::At(key) => Bound::Included(key),
            Self::Behind(key) => Bound::Excluded(key),
        }
    }

    fn end_bound(&self) -> Bound<&[u8]> {
        // A walk ends where its prefix does.
        Bound::Unbounded
    }
}

impl Snapshot for MemorySnapshot {
    type SubjectCursor<'a> = MemorySubjectCursor<'a>;
    type ObjectCursor<'a> = MemoryObjectCursor<'a>;

    fn revision(&self) -> Revision {
        self.store.state.revision
    }

    fn epoch(&self) -> u64 {
        self.store.state.epoch
    }

    fn sequence(&self) -> CommitSequence {
        self.sequence
    }

    fn newest_model(&self) -> Option<ModelId> {
        self.store.state.newest_model
    }

    fn model(&self, id: ModelId) -> Result<Option<AuthorizationModel>, StoreError> {
        Ok(self.store.models.get(&id).map(|model| AuthorizationModel::clone(model)))
    }

    fn models(
        &self,
        before: Option<ModelId>,
        limit: usize,
    ) -> Result<Vec<(ModelId, AuthorizationModel)>, StoreError> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let models = self.store.models.range((Bound::Unbounded, end)).rev().take(limit);
        Ok(models.map(|(id, model)| (*id, AuthorizationModel::clone(model))).collect())
    }

    fn assertions(&self, model: ModelId) -> Result<Vec<Assertion>, StoreError> {
        Ok(self.store.assertions.get(&model).map(|assertions| assertions.to_vec()).unwrap_or_default())
    }

    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        Ok(self.store.record(key).cloned())
    }

    fn subject_cursor(&self) -> MemorySubjectCursor<'_> {
        MemorySubjectCursor { store: &self.store, walk: None }
    }

    fn object_cursor(&self) -> MemoryObjectCursor<'_> {
        MemoryObjectCursor { store: &self.store, walk: None }
    }

    fn read(
        &self,
        filter: &TupleFilter<'_>,
        after: Option<TupleRef<'_>>,
        visit: &mut dyn FnMut(TupleRef<'_>, TupleRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let id = self.store.id();
        let scan = Scan::of(id, filter);
        let start = match after.map(|tuple| scan.key(id, tuple)) {
            Some(key) if key >= scan.prefix => From::Behind(key),
            _ => From::At(scan.prefix.clone()),
        };
        for entry in self.store.walk(scan.order, scan.prefix, start) {
            let tuple = entry.key.as_ref();
            if filter.matches(tuple) && visit(tuple, entry.record.clone()).is_break() {
                break;
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
        let first = after.revision.max(Revision::ZERO.next());
        for revision in (first.0..=self.revision().min(last).0).map(Revision) {
            let Some(entry) = self.store.commit(revision) else { break };
            for change in entry.clone().changes_behind(revision, after) {
                if visit(change).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn revision_before(&self, instant: Instant) -> Result<Revision, StoreError> {
        last_before(self.revision(), instant, |revision| {
            Ok(self.store.commit(revision).map(|entry| entry.at))
        })
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        Present::document(&*self.store, key)
    }

    fn documents(
        &self,
        prefix: &DocumentKey,
        after: Option<&DocumentKey>,
        visit: &mut dyn FnMut(DocumentKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let rows = self.store.documents.range((start, Bound::Unbounded));
        for (key, value) in rows.take_while(|(key, _)| key.begins_with(prefix)) {
            if visit(key.clone(), value).is_break() {
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
        let prefix = keys::journal(self.store.id(), journal);
        let start = match after {
            Some(after) => From::Behind(keys::entry(self.store.id(), journal, after)),
            None => From::At(prefix.clone()),
        };
        for (key, row) in self.store.journals.range(start).take_while(|(key, _)| key.starts_with(&prefix)) {
            if visit(JournalRow::clone(row).entry(keys::decode_entry(key)?)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// See [`SubjectCursor`].
pub struct MemorySubjectCursor<'a> {
    store: &'a StoreData,
    walk: Option<Walk<'a>>,
}

impl SubjectCursor for MemorySubjectCursor<'_> {
    fn seek(&mut self, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Result<(), StoreError> {
        let prefix = keys::class(self.store.id(), object, relation, class);
        self.walk = Some(self.store.walk(Order::ByObject, prefix.clone(), From::At(prefix)));
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError> {
        let entry = self.walk.as_mut().and_then(Iterator::next);
        Ok(entry.map(|entry| (entry.key.subject.as_ref(), entry.record.clone())))
    }
}

/// See [`ObjectCursor`].
pub struct MemoryObjectCursor<'a> {
    store: &'a StoreData,
    walk: Option<Walk<'a>>,
}

impl ObjectCursor for MemoryObjectCursor<'_> {
    fn seek(&mut self, subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Result<(), StoreError> {
        let prefix = keys::reverse_relation(self.store.id(), subject, object_type, relation);
        self.walk = Some(self.store.walk(Order::BySubject, prefix.clone(), From::At(prefix)));
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError> {
        let entry = self.walk.as_mut().and_then(Iterator::next);
        Ok(entry.map(|entry| (&*entry.key.object.id, entry.record.clone())))
    }
}
