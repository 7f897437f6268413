//! What every implementation of a store must do; each test runs on both.

mod assertions;
mod commits;
mod credentials;
mod documents;
mod log;
pub(in crate::store) mod observers;
mod random;
mod reads;
mod stores;
mod writes;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::memory::MemoryDatabase;
use super::rocks::{RocksDatabase, RocksOptions};
use super::*;
use crate::model::{Lifetime, TupleCondition};

/// Makes a test of each function for each implementation.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $test() { super::$test(&crate::store::conformance::memory()); })+
        }
        mod rocks {
            $(#[test] fn $test() { super::$test(&crate::store::conformance::rocks()); })+
        }
    };
}
use on_both;

/// A clock that a test moves.
pub(in crate::store) struct ManualClock(AtomicI64);

impl ManualClock {
    /// One that stands at 2023-11-14T22:13:20Z.
    pub(in crate::store) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(in crate::store) fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::from_unix_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A database with one empty store.
pub(in crate::store) struct Bench<D> {
    pub(in crate::store) db: D,
    pub(in crate::store) clock: Arc<ManualClock>,
    pub(in crate::store) store: StoreId,
    // Dropped last.
    _directory: Option<TempDir>,
}

pub(in crate::store) fn memory() -> Bench<MemoryDatabase> {
    let clock = ManualClock::new();
    Bench::new(MemoryDatabase::new(clock.clone()), clock, None)
}

pub(in crate::store) fn rocks() -> Bench<RocksDatabase> {
    let clock = ManualClock::new();
    let directory = tempfile::tempdir().unwrap();
    let db = RocksDatabase::open(directory.path(), clock.clone(), &small()).unwrap();
    Bench::new(db, clock, Some(directory))
}

/// Little memory, as many databases are open at once.
pub(in crate::store) fn small() -> RocksOptions {
    RocksOptions {
        block_cache_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        open_files_max: 64,
        ..RocksOptions::default()
    }
}

impl<D: Database> Bench<D> {
    fn new(db: D, clock: Arc<ManualClock>, directory: Option<TempDir>) -> Self {
        let store = db.create_store("first").unwrap().id;
        Self { db, clock, store, _directory: directory }
    }

    pub(in crate::store) fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.db.commit(self.store, batch)
    }

    /// Writes tuples without lifetimes.
    pub(in crate::store) fn write(&self, tuples: &[&str]) -> Committed {
        self.commit(writes(tuples)).unwrap()
    }

    pub(in crate::store) fn delete(&self, tuples: &[&str]) -> Committed {
        self.commit(deletes(tuples)).unwrap()
    }

    pub(in crate::store) fn snapshot(&self) -> D::Snapshot {
        self.db.snapshot(self.store).unwrap().unwrap()
    }

    pub(in crate::store) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(in crate::store) fn tuples(&self) -> Vec<String> {
        tuples(&self.snapshot())
    }

    pub(in crate::store) fn record(&self, tuple: &str) -> Option<TupleRecord> {
        self.snapshot().tuple(key(tuple).as_ref()).unwrap()
    }
}

/// Reads `object#relation@subject`.
pub(in crate::store) fn key(tuple: &str) -> TupleKey {
    let (userset, subject) = tuple.split_once('@').unwrap();
    let (object, relation) = userset.split_once('#').unwrap();
    TupleKey::parse(object, relation, subject).unwrap()
}

/// A write of a tuple that gives nothing but the key.
pub(in crate::store) fn write(tuple: &str) -> Write {
    Write {
        key: key(tuple),
        condition: Field::Absent,
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    }
}

pub(in crate::store) fn delete(tuple: &str) -> Delete {
    Delete { key: key(tuple), on_missing: OnMissing::Error }
}

pub(in crate::store) fn writes(tuples: &[&str]) -> Batch {
    Batch { writes: tuples.iter().map(|tuple| write(tuple)).collect(), ..Batch::default() }
}

pub(in crate::store) fn deletes(tuples: &[&str]) -> Batch {
    Batch { deletes: tuples.iter().map(|tuple| delete(tuple)).collect(), ..Batch::default() }
}

pub(in crate::store) fn condition(name: &str) -> TupleCondition {
    TupleCondition { name: name.into(), context: "{\"a\":1}".into() }
}

/// A model that differs from others by the name of its one type.
pub(in crate::store) fn model(type_name: &str) -> AuthorizationModel {
    use crate::model::{Origin, SchemaVersion, TypeDefinition};
    let types =
        vec![TypeDefinition { name: type_name.into(), relations: Vec::new(), origin: Origin::default() }];
    AuthorizationModel { schema_version: SchemaVersion::V1_1, types, conditions: Vec::new() }
}

pub(in crate::store) fn with_model(type_name: &str) -> Batch {
    Batch { model: Some(model(type_name)), ..Batch::default() }
}

/// An assertion that each of these tuples is to be allowed.
pub(in crate::store) fn allowed(tuples: &[&str]) -> Vec<Assertion> {
    let one = |tuple: &&str| Assertion {
        key: key(tuple),
        expected: true,
        contextual_tuples: Vec::new(),
        context: None,
    };
    tuples.iter().map(one).collect()
}

pub(in crate::store) fn asserting(model: ModelId, tuples: &[&str]) -> Batch {
    Batch { assertions: Some((model, allowed(tuples))), ..Batch::default() }
}

/// What a filter finds behind a place, `limit` at most.
pub(in crate::store) fn page(
    snapshot: &impl Snapshot,
    filter: &TupleFilter<'_>,
    after: Option<&TupleKey>,
    limit: usize,
) -> Vec<(TupleKey, TupleRecord)> {
    let mut found = Vec::new();
    snapshot
        .read(filter, after.map(TupleKey::as_ref), &mut |tuple, record| {
            found.push((tuple.to_owned(), record));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    found
}

pub(in crate::store) fn tuples(snapshot: &impl Snapshot) -> Vec<String> {
    let all = page(snapshot, &TupleFilter::default(), None, usize::MAX);
    all.into_iter().map(|(key, _)| key.to_string()).collect()
}

pub(in crate::store) fn changes(snapshot: &impl Snapshot, after: LogPosition) -> Vec<LoggedChange> {
    let mut found = Vec::new();
    snapshot
        .changes(after, snapshot.revision(), &mut |change| {
            found.push(change);
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

/// The subjects that a cursor yields, placed anew.
pub(in crate::store) fn subjects(
    cursor: &mut impl SubjectCursor,
    object: ObjectRef<'_>,
    relation: &str,
    class: SubjectClass,
) -> Vec<(String, TupleRecord)> {
    cursor.seek(object, relation, class).unwrap();
    let mut found = Vec::new();
    while let Some((subject, record)) = cursor.next().unwrap() {
        assert_eq!(subject.class(), class);
        found.push((subject.to_string(), record));
    }
    assert!(cursor.next().unwrap().is_none(), "nothing comes behind the end");
    found
}

/// The objects that a cursor yields, placed anew.
pub(in crate::store) fn objects(
    cursor: &mut impl ObjectCursor,
    subject: SubjectRef<'_>,
    object_type: &str,
    relation: &str,
) -> Vec<(String, TupleRecord)> {
    cursor.seek(subject, object_type, relation).unwrap();
    let mut found = Vec::new();
    while let Some((id, record)) = cursor.next().unwrap() {
        found.push((id.to_string(), record));
    }
    assert!(cursor.next().unwrap().is_none(), "nothing comes behind the end");
    found
}
