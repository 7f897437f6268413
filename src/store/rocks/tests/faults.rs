//! Writes that fail.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant as Stopwatch};

use super::super::super::conformance::observers::recorder;
use super::super::super::conformance::{tuples, writes};
use super::super::super::{CommitSequence, Committed, LogPosition, Snapshot};
use super::super::writer::durably;
use super::*;
use crate::model::Revision;

/// What happens to a write.
#[derive(Clone, Copy)]
enum Fate {
    Succeeds = 0,
    /// Nothing reaches the disk.
    Fails = 1,
    /// All reaches the disk, and yet a failure is told.
    FailsBehind = 2,
}

/// Longer than a test takes.
const NEVER: Duration = Duration::from_secs(3600);
/// After so long a database is mended.
const SOON: Duration = Duration::from_millis(50);

/// Opens a database whose writes have the fate that is set, and that is mended after a while.
fn open_faulty(
    path: &Path,
    clock: &Arc<ManualClock>,
    mended_after: Duration,
) -> (RocksDatabase, Arc<AtomicU8>) {
    let fate = Arc::new(AtomicU8::new(Fate::Succeeds as u8));
    let (set, mut write) = (fate.clone(), durably(Duration::ZERO));
    let faulty = move |storage: &Storage, rows| match set.load(Ordering::SeqCst) {
        fate if fate == Fate::Fails as u8 => Err("the disk is full".into()),
        fate if fate == Fate::FailsBehind as u8 => write(storage, rows).and(Err("the disk went away".into())),
        _ => write(storage, rows),
    };
    let seams = Seams { write: Box::new(faulty), mended_after, ..Seams::default() };
    (open_with(path, clock, seams).unwrap(), fate)
}

fn commit(db: &RocksDatabase, store: StoreId, tuple: &str) -> Result<Committed, CommitError> {
    db.commit(store, writes(&[tuple]))
}

#[test]
fn after_a_failed_write_all_writes_are_refused_and_reads_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, NEVER);
    let store = db.create_store("first").unwrap().id;
    commit(&db, store, "document:1#viewer@user:a").unwrap();

    db.accepts_writes().unwrap();
    let (_observer, told) = recorder(&db);
    fate.store(Fate::Fails as u8, Ordering::SeqCst);
    let error = commit(&db, store, "document:2#viewer@user:a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "storage failed while committing, and whether it was done is not known yet: the disk is full"
    );
    assert!(matches!(db.accepts_writes(), Err(StoreError::WritesRefused { .. })));
    fate.store(Fate::Succeeds as u8, Ordering::SeqCst);
    // The disk would take it, but what the failed write left is unknown.
    let refused = |outcome: Result<(), CommitError>| match outcome.unwrap_err() {
        CommitError::Store(StoreError::WritesRefused { reason }) => assert_eq!(reason, "the disk is full"),
        other => panic!("{other}"),
    };
    refused(commit(&db, store, "document:3#viewer@user:a").map(drop));
    refused(db.create_store("second").map(drop));
    refused(db.delete_store(store).map(drop));

    let snapshot = db.snapshot(store).unwrap().unwrap();
    assert_eq!(snapshot.revision(), Revision(1));
    assert_eq!(tuples(&snapshot), ["document:1#viewer@user:a"]);
    assert_eq!(db.stores(None, None, 10).unwrap().len(), 1);
    drop((snapshot, db));
    assert!(told.try_recv().is_err(), "nobody is told of what is not visible");

    let db = reopen(directory.path(), &clock);
    assert_eq!(tuples(&db.snapshot(store).unwrap().unwrap()), ["document:1#viewer@user:a"]);
    assert_eq!(commit(&db, store, "document:4#viewer@user:a").unwrap().revision, Revision(2));
    assert!(db.verify().unwrap().is_consistent());
}

#[test]
fn a_failed_write_that_reached_the_disk_is_found_whole() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, NEVER);
    let store = db.create_store("first").unwrap().id;
    commit(&db, store, "document:1#viewer@user:a").unwrap();
    fate.store(Fate::FailsBehind as u8, Ordering::SeqCst);
    assert!(db.commit(store, writes(&["document:2#viewer@user:a", "document:3#viewer@user:a"])).is_err());
    assert_eq!(db.snapshot(store).unwrap().unwrap().revision(), Revision(1), "it was not acknowledged");
    drop(db);

    let db = reopen(directory.path(), &clock);
    let snapshot = db.snapshot(store).unwrap().unwrap();
    assert_eq!(snapshot.revision(), Revision(2));
    assert_eq!(tuples(&snapshot).len(), 3);
    assert!(db.verify().unwrap().is_consistent());
}

#[test]
fn a_clock_that_cannot_be_stored_refuses_writes_too() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, NEVER);
    let store = db.create_store("first").unwrap().id;
    fate.store(Fate::Fails as u8, Ordering::SeqCst);
    clock.advance(5_000_000);
    // Refused, so that nothing but the clock is left to be stored.
    assert!(matches!(db.commit(StoreId::from_bits(1), Batch::default()), Err(CommitError::StoreNotFound)));
    let error = commit(&db, store, "document:1#viewer@user:a").unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::WritesRefused { .. })), "{error}");
}

/// Waits until writes are accepted again, or for a while.
fn mended(db: &RocksDatabase, longest: Duration) -> bool {
    let began = Stopwatch::now();
    while db.accepts_writes().is_err() {
        if began.elapsed() > longest {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Told of tuples before they become visible.
#[derive(Default)]
struct Marks(Mutex<Vec<String>>);

impl CommitObserver for Marks {
    fn committing(&self, _: CommitSequence, tuples: &[(StoreId, crate::model::TupleKey)]) {
        self.0.lock().unwrap().extend(tuples.iter().map(|(_, key)| key.to_string()));
    }

    fn committed(&self, _: &[StoreId]) {}
}

#[test]
fn when_the_disk_takes_writes_again_they_are_accepted_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, SOON);
    let store = db.create_store("first").unwrap().id;
    for round in 1..=3 {
        commit(&db, store, &format!("document:{round}#viewer@user:a")).unwrap();
        fate.store(Fate::Fails as u8, Ordering::SeqCst);
        assert!(commit(&db, store, "document:lost#viewer@user:a").is_err());
        fate.store(Fate::Succeeds as u8, Ordering::SeqCst);
        assert!(mended(&db, Duration::from_secs(60)), "round {round}");
        assert_eq!(db.snapshot(store).unwrap().unwrap().revision(), Revision(round));
    }
    commit(&db, store, "document:4#viewer@user:a").unwrap();
    let found = tuples(&db.snapshot(store).unwrap().unwrap());
    assert_eq!(found, [1, 2, 3, 4].map(|n| format!("document:{n}#viewer@user:a")));
    assert!(db.verify().unwrap().is_consistent());
    db.close().unwrap();
    drop(db);
    assert_eq!(tuples(&reopen(directory.path(), &clock).snapshot(store).unwrap().unwrap()), found);
}

#[test]
fn a_failed_write_that_reached_the_disk_becomes_visible_as_every_commit_does() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, SOON);
    let store = db.create_store("first").unwrap().id;
    commit(&db, store, "document:1#viewer@user:a").unwrap();
    let marks = Arc::new(Marks::default());
    let observer: Arc<dyn CommitObserver> = marks.clone();
    db.observe(Arc::downgrade(&observer));
    let before = db.snapshot(store).unwrap().unwrap().sequence();
    fate.store(Fate::FailsBehind as u8, Ordering::SeqCst);
    assert!(commit(&db, store, "document:2#viewer@user:a").is_err());
    fate.store(Fate::Succeeds as u8, Ordering::SeqCst);
    assert!(mended(&db, Duration::from_secs(60)));
    let snapshot = db.snapshot(store).unwrap().unwrap();
    assert_eq!(snapshot.revision(), Revision(2));
    assert!(snapshot.sequence() > before, "a decision that was kept before is held against it");
    assert_eq!(*marks.0.lock().unwrap(), ["document:2#viewer@user:a"], "once, although it was read twice");
    assert_eq!(commit(&db, store, "document:3#viewer@user:a").unwrap().revision, Revision(3));
    assert!(db.verify().unwrap().is_consistent());
}

#[test]
fn while_somebody_reads_what_failed_writes_wait_and_reads_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, SOON);
    let store = db.create_store("first").unwrap().id;
    commit(&db, store, "document:1#viewer@user:a").unwrap();
    let old = db.snapshot(store).unwrap().unwrap();
    fate.store(Fate::FailsBehind as u8, Ordering::SeqCst);
    assert!(commit(&db, store, "document:2#viewer@user:a").is_err());
    fate.store(Fate::Succeeds as u8, Ordering::SeqCst);
    assert!(!mended(&db, Duration::from_millis(500)));
    let began = Stopwatch::now();
    while db.snapshot(store).unwrap().unwrap().revision() == Revision(1) {
        assert!(began.elapsed() < Duration::from_secs(60), "new readers see what is durable");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(commit(&db, store, "document:3#viewer@user:a").is_err());
    assert_eq!(tuples(&old), ["document:1#viewer@user:a"], "an old reader reads on");
    let bridged = db.snapshot(store).unwrap().unwrap();
    drop(old);
    assert!(mended(&db, Duration::from_secs(60)));
    commit(&db, store, "document:3#viewer@user:a").unwrap();
    let mut logged = 0;
    let mut count = |_| {
        logged += 1;
        ControlFlow::Continue(())
    };
    bridged.changes(LogPosition::default(), bridged.revision(), &mut count).unwrap();
    assert_eq!((logged, tuples(&bridged).len()), (2, 2), "and who read meanwhile");
    assert_eq!(tuples(&db.snapshot(store).unwrap().unwrap()).len(), 3);
}

#[test]
fn what_was_shown_and_is_gone_is_missed_and_no_other_commit_takes_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, SOON);
    let store = db.create_store("first").unwrap().id;
    commit(&db, store, "document:1#viewer@user:a").unwrap();
    let old = db.snapshot(store).unwrap().unwrap();
    fate.store(Fate::FailsBehind as u8, Ordering::SeqCst);
    assert!(commit(&db, store, "document:2#viewer@user:a").is_err());
    fate.store(Fate::Succeeds as u8, Ordering::SeqCst);
    let shown = || db.snapshot(store).unwrap().unwrap();
    let began = Stopwatch::now();
    while shown().revision() == Revision(1) {
        assert!(began.elapsed() < Duration::from_secs(60), "new readers see what is there");
        thread::sleep(Duration::from_millis(10));
    }
    // As after a failed sync, when the system lets go of what it could not write.
    let path = log_of_writes(directory.path());
    let mut log = fs::read(&path).unwrap();
    let kept = log.len() - 64;
    log[kept..].fill(0);
    fs::write(&path, log).unwrap();
    drop(old);
    let reason = || db.accepts_writes().unwrap_err().to_string();
    while !reason().contains("commits that were acknowledged or shown are missing") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", reason());
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!mended(&db, Duration::from_millis(500)), "however often it is tried");
    assert!(commit(&db, store, "document:3#viewer@user:a").is_err());
    assert_eq!((shown().revision(), tuples(&shown()).len()), (Revision(2), 2), "reads go on");
    drop(db);
    let error = RocksDatabase::open(directory.path(), clock.clone(), &small()).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "nor is it forgotten: {error}");
}

#[test]
fn what_was_acknowledged_and_is_gone_when_a_write_fails_is_missed_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, fate) = open_faulty(directory.path(), &clock, SOON);
    let store = db.create_store("first").unwrap().id;
    commit(&db, store, "document:1#viewer@user:a").unwrap();
    // The disk loses what it had reported as written, and fails then.
    let path = log_of_writes(directory.path());
    let mut log = fs::read(&path).unwrap();
    let kept = log.len() - 64;
    log[kept..].fill(0);
    fs::write(&path, &log).unwrap();
    fate.store(Fate::Fails as u8, Ordering::SeqCst);
    assert!(commit(&db, store, "document:2#viewer@user:a").is_err());
    fate.store(Fate::Succeeds as u8, Ordering::SeqCst);
    let reason = || db.accepts_writes().unwrap_err().to_string();
    let began = Stopwatch::now();
    while !reason().contains("commits that were acknowledged or shown are missing") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", reason());
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!mended(&db, Duration::from_millis(500)), "however long one waits");
    assert_eq!(tuples(&db.snapshot(store).unwrap().unwrap()), ["document:1#viewer@user:a"], "reads go on");
}

#[test]
fn of_what_is_durable_and_could_not_be_shown_nobody_is_told_that_it_failed() {
    struct Panicking;

    impl CommitObserver for Panicking {
        fn committing(&self, _: CommitSequence, _: &[(StoreId, crate::model::TupleKey)]) {
            panic!("the observer's own");
        }

        fn committed(&self, _: &[StoreId]) {}
    }

    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let (db, _) = open_faulty(directory.path(), &clock, SOON);
    let store = db.create_store("first").unwrap().id;
    let panicking: Arc<dyn CommitObserver> = Arc::new(Panicking);
    db.observe(Arc::downgrade(&panicking));
    let error = commit(&db, store, "document:1#viewer@user:a").unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Unsure { .. })), "{error}");
    drop(panicking);
    assert!(mended(&db, Duration::from_secs(60)));
    assert_eq!(tuples(&db.snapshot(store).unwrap().unwrap()), ["document:1#viewer@user:a"], "it was done");
}
