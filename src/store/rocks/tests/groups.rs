//! Commits that wait together, and the end of the writer while some wait.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::super::super::conformance::observers::recorder;
use super::super::super::conformance::{tuples, writes};
use super::super::super::{Committed, DocumentChange, DocumentKey, JournalAddition, Snapshot, Tracked};
use super::super::writer::durably;
use super::*;
use crate::model::Revision;
use crate::model::limits::{COMMITS_PER_GROUP_MAX, COMMITS_WAITING_MAX};

/// A database whose writes each wait for a word.
struct Gated {
    db: RocksDatabase,
    store: StoreId,
    /// A write has come to the gate.
    arrived: Receiver<()>,
    /// Lets one write pass; dropped, it lets all pass.
    open: Sender<()>,
    _directory: tempfile::TempDir,
}

type Outcome = Result<Committed, CommitError>;

fn gated() -> Gated {
    let directory = tempfile::tempdir().unwrap();
    let (arrive, arrived) = channel();
    let (open, opened) = channel::<()>();
    let mut write = durably(std::time::Duration::ZERO);
    let waiting = move |storage: &Storage, rows| {
        let _ = arrive.send(());
        let _ = opened.recv();
        write(storage, rows)
    };
    let seams = Seams { write: Box::new(waiting), ..Seams::default() };
    let db = open_with(directory.path(), &ManualClock::new(), seams).unwrap();
    open.send(()).unwrap();
    let store = db.create_store("first").unwrap().id;
    arrived.recv().unwrap();
    Gated { db, store, arrived, open, _directory: directory }
}

/// Hands in a write of the tuple `n`, whose outcome goes to `outcomes`.
fn submit(db: &RocksDatabase, store: StoreId, n: usize, outcomes: &Sender<Outcome>) {
    let outcomes = outcomes.clone();
    let batch = writes(&[&format!("document:{n}#viewer@user:a")]);
    db.submit(store, batch, Box::new(move |outcome| drop(outcomes.send(outcome))));
}

impl Gated {
    fn revision(&self) -> Revision {
        self.db.snapshot(self.store).unwrap().unwrap().revision()
    }
}

#[test]
fn commits_that_wait_become_visible_together_after_one_write() {
    let gated = gated();
    let (outcomes, outcome) = channel();
    submit(&gated.db, gated.store, 0, &outcomes);
    gated.arrived.recv().unwrap();
    for n in 1..=10 {
        submit(&gated.db, gated.store, n, &outcomes);
    }
    // Decided on what the one before leaves.
    submit(&gated.db, gated.store, 10, &outcomes);
    assert_eq!(gated.revision(), Revision::ZERO, "nothing is visible before it is durable");
    assert!(outcome.try_recv().is_err(), "nor acknowledged");
    gated.open.send(()).unwrap();
    assert_eq!(outcome.recv().unwrap().unwrap().revision, Revision(1));
    assert_eq!(gated.revision(), Revision(1));

    gated.arrived.recv().unwrap();
    assert_eq!(gated.revision(), Revision(1));
    gated.open.send(()).unwrap();
    for n in 2..=11 {
        assert_eq!(outcome.recv().unwrap().unwrap().revision, Revision(n));
        assert_eq!(gated.revision(), Revision(11), "the group became visible at once");
    }
    assert!(matches!(outcome.recv().unwrap(), Err(CommitError::TupleExists { .. })));
    assert!(gated.arrived.try_recv().is_err(), "one write for all of them");
}

/// Each reads a document that is not there, writes it and adds to a journal: the first of a group does, the others would
/// have found it there.
#[test]
fn what_was_read_is_held_against_the_batches_before_in_the_same_group() {
    let gated = gated();
    let (outcomes, outcome) = channel();
    submit(&gated.db, gated.store, 0, &outcomes);
    gated.arrived.recv().unwrap();
    let key = DocumentKey::new("user", ["a"]);
    for n in 0..3 {
        let tracked = Tracked::new(gated.db.snapshot(gated.store).unwrap().unwrap());
        assert_eq!(tracked.document(&key).unwrap(), None);
        let value = Some(n.to_string().into_bytes().into());
        let batch = Batch {
            documents: vec![DocumentChange { key: key.clone(), value }],
            journals: vec![JournalAddition { journal: "log".into(), value: b""[..].into() }],
            reads: Some(tracked.into_reads()),
            ..Batch::default()
        };
        let outcomes = outcomes.clone();
        gated.db.submit(gated.store, batch, Box::new(move |outcome| drop(outcomes.send(outcome))));
    }
    for _ in 0..2 {
        gated.open.send(()).unwrap();
    }
    assert_eq!(outcome.recv().unwrap().unwrap().revision, Revision(1));
    assert_eq!(outcome.recv().unwrap().unwrap().revision, Revision(2));
    for _ in 0..2 {
        assert!(matches!(outcome.recv().unwrap(), Err(CommitError::Conflict)));
    }
    let snapshot = gated.db.snapshot(gated.store).unwrap().unwrap();
    assert_eq!(snapshot.document(&key).unwrap().as_deref(), Some(&b"0"[..]));
    let mut entries = 0;
    snapshot
        .journal("log", None, &mut |_| {
            entries += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(entries, 1, "what is refused leaves nothing");
}

#[test]
fn observers_are_told_once_of_what_became_visible_together() {
    let gated = gated();
    let (_observer, told) = recorder(&gated.db);
    let (outcomes, _outcome) = channel();
    submit(&gated.db, gated.store, 0, &outcomes);
    gated.arrived.recv().unwrap();
    for n in 1..=10 {
        submit(&gated.db, gated.store, n, &outcomes);
    }
    assert!(told.try_recv().is_err(), "not before it is visible");
    for newest in [1, 11] {
        gated.open.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), [gated.store]);
        assert_eq!(gated.revision(), Revision(newest));
    }
    assert!(told.try_recv().is_err());
}

#[test]
fn a_full_queue_makes_callers_wait_and_loses_nothing() {
    let gated = gated();
    let (outcomes, outcome) = channel();
    let submitted = AtomicUsize::new(0);
    let total = COMMITS_WAITING_MAX + 2 * COMMITS_PER_GROUP_MAX;
    thread::scope(|scope| {
        submit(&gated.db, gated.store, 0, &outcomes);
        gated.arrived.recv().unwrap();
        let (db, store, submitted, outcomes) = (&gated.db, gated.store, &submitted, &outcomes);
        scope.spawn(move || {
            for n in 1..=total {
                submit(db, store, n, outcomes);
                submitted.fetch_add(1, Ordering::SeqCst);
            }
        });
        while submitted.load(Ordering::SeqCst) < COMMITS_WAITING_MAX {
            thread::yield_now();
        }
        assert_eq!(submitted.load(Ordering::SeqCst), COMMITS_WAITING_MAX, "no more than have room");
        // Enough for every group that there can be.
        for _ in 0..total {
            gated.open.send(()).unwrap();
        }
        for n in 0..=total {
            assert_eq!(outcome.recv().unwrap().unwrap().revision, Revision(n as u64 + 1));
        }
    });
    let groups = gated.arrived.try_iter().count();
    assert!(groups >= total / COMMITS_PER_GROUP_MAX, "a group is bounded: {groups}");
    assert!(groups <= total / 4, "and yet many commits: {groups}");
}

#[test]
fn closing_commits_what_was_handed_in_and_answers_everyone() {
    let gated = gated();
    let (outcomes, outcome) = channel();
    let total = COMMITS_WAITING_MAX + 100;
    thread::scope(|scope| {
        submit(&gated.db, gated.store, 0, &outcomes);
        gated.arrived.recv().unwrap();
        for n in 1..=10 {
            submit(&gated.db, gated.store, n, &outcomes);
        }
        let (db, store, outcomes) = (&gated.db, gated.store, &outcomes);
        scope.spawn(move || db.close().unwrap());
        // More than have room, some of them behind the end.
        scope.spawn(move || {
            for n in 11..=total {
                submit(db, store, n, outcomes);
            }
        });
        for _ in 0..total {
            // Once the writer has ended, no write waits any more.
            let _ = gated.open.send(());
        }
    });
    drop(outcomes);
    let outcomes: Vec<Outcome> = outcome.iter().collect();
    assert_eq!(outcomes.len(), total + 1, "each is answered once");
    let committed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(committed >= 11);
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(CommitError::Store(StoreError::Closed))));
    }
    assert_eq!(tuples(&gated.db.snapshot(gated.store).unwrap().unwrap()).len(), committed, "reads go on");
    assert!(matches!(gated.db.create_store("late"), Err(CommitError::Store(StoreError::Closed))));
    gated.db.close().unwrap();
}

#[test]
fn the_last_hold_on_a_database_may_be_a_callers_answer() {
    let Gated { db, store, arrived, open, _directory: directory } = gated();
    let db = Arc::new(db);
    let (done, finished) = channel();
    let held = db.clone();
    db.submit(
        store,
        writes(&["document:1#viewer@user:a"]),
        Box::new(move |outcome| {
            drop(held);
            done.send(outcome).unwrap();
        }),
    );
    arrived.recv().unwrap();
    drop(db);
    drop(open);
    finished.recv().unwrap().unwrap();
    // The writer ends by itself, a moment later.
    let clock = ManualClock::new();
    let again = loop {
        match open_with(directory.path(), &clock, Seams::default()) {
            Ok(db) => break db,
            Err(StoreError::Locked { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(tuples(&again.snapshot(store).unwrap().unwrap()).len(), 1);
}

#[test]
fn a_caller_that_panics_does_not_end_the_writer() {
    let Gated { db, store, open, _directory, .. } = gated();
    drop(open);
    db.submit(store, writes(&["document:1#viewer@user:a"]), Box::new(|_| panic!("the caller's own")));
    assert_eq!(db.commit(store, writes(&["document:2#viewer@user:a"])).unwrap().revision, Revision(2));
}
