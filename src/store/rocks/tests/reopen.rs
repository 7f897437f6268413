//! What is found when a database is opened again.

use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant as Elapsed};

use super::super::super::conformance::{
    allowed, asserting, changes, delete, key, model, tuples, with_model, write, writes,
};
use super::super::super::{
    Batch, DocumentChange, DocumentKey, Field, JournalAddition, LogPosition, Snapshot, Write,
};
use super::*;
use crate::model::{Id, ModelId, Revision};

#[test]
fn credentials_are_there_again_and_are_no_difference() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let ids = [1, 2].map(Id::from_bits);
    db.put_credential(ids[0], Some((*b"one").into())).unwrap();
    db.put_credential(ids[1], Some((*b"two").into())).unwrap();
    db.put_credential(ids[0], None).unwrap();
    db.close().unwrap();
    drop(db);
    let db = reopen(directory.path(), &clock);
    assert_eq!(db.credentials().unwrap(), [(ids[1], (*b"two").into())]);
    assert!(db.verify().unwrap().is_consistent());
}

#[test]
fn everything_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let first = db.create_store("first").unwrap().id;
    let second = db.create_store("second").unwrap().id;
    let gone = db.create_store("gone").unwrap().id;
    clock.advance(1);
    let paused = Write { paused: Field::Set(true), ..write("document:1#viewer@user:a") };
    db.commit(first, Batch { actor: Some("anne".into()), writes: vec![paused], ..Batch::default() }).unwrap();
    let model_id = db.commit(first, with_model("document")).unwrap().model.unwrap();
    db.commit(first, asserting(model_id, &["document:1#viewer@user:a"])).unwrap();
    db.commit(second, writes(&["document:2#viewer@user:a", "document:3#viewer@user:a"])).unwrap();
    db.commit(second, Batch { deletes: vec![delete("document:2#viewer@user:a")], ..Batch::default() })
        .unwrap();
    db.commit(gone, writes(&["document:4#viewer@user:a"])).unwrap();
    db.delete_store(gone).unwrap();

    let infos = db.stores(None, None, 10).unwrap();
    let log =
        |db: &RocksDatabase, store| changes(&db.snapshot(store).unwrap().unwrap(), LogPosition::default());
    let logs = [log(&db, first), log(&db, second)];
    let epochs =
        |db: &RocksDatabase| [first, second].map(|store| db.snapshot(store).unwrap().unwrap().epoch());
    let old_epochs = epochs(&db);
    db.close().unwrap();
    drop(db);

    let db = reopen(directory.path(), &clock);
    assert_eq!(db.stores(None, None, 10).unwrap(), infos);
    assert_eq!([log(&db, first), log(&db, second)], logs);
    assert_eq!(epochs(&db), old_epochs);
    let snapshot = db.snapshot(first).unwrap().unwrap();
    assert_eq!(snapshot.revision(), Revision(3));
    assert_eq!(snapshot.assertions(model_id).unwrap(), allowed(&["document:1#viewer@user:a"]));
    assert_eq!(snapshot.newest_model(), Some(model_id));
    assert_eq!(snapshot.model(model_id).unwrap(), Some(model("document")));
    assert!(snapshot.tuple(key("document:1#viewer@user:a").as_ref()).unwrap().unwrap().lifetime.paused);
    assert_eq!(tuples(&db.snapshot(second).unwrap().unwrap()), ["document:3#viewer@user:a"]);
    assert!(db.snapshot(gone).unwrap().is_none());

    // It goes on where it stopped.
    assert_eq!(db.commit(first, writes(&["document:9#viewer@user:a"])).unwrap().revision, Revision(4));
    let next: ModelId = db.commit(first, with_model("folder")).unwrap().model.unwrap();
    assert!(next > model_id);
    let store = db.create_store("next").unwrap().id;
    assert!(store > gone, "though that one is gone");
    assert!(db.snapshot(store).unwrap().unwrap().epoch() > old_epochs[1] + 1, "and so is its epoch");
    assert!(db.verify().unwrap().is_consistent());
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let store = db.create_store("first").unwrap().id;
    for n in 0..50 {
        db.commit(store, writes(&[&format!("document:{n}#viewer@user:a")])).unwrap();
    }
    // What is on the disk at this moment, nothing having been closed.
    let crashed = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), crashed.path().join(entry.file_name())).unwrap();
    }
    let again = reopen(crashed.path(), &clock);
    let snapshot = again.snapshot(store).unwrap().unwrap();
    assert_eq!(snapshot.revision(), Revision(50));
    assert_eq!(tuples(&snapshot).len(), 50);
    assert!(again.verify().unwrap().is_consistent());
}

#[test]
fn a_database_that_is_dropped_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let store = reopen(directory.path(), &clock).create_store("first").unwrap().id;
    let db = reopen(directory.path(), &clock);
    assert!(db.store(store).unwrap().is_some());
}

#[test]
fn a_snapshot_outlives_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let store = db.create_store("first").unwrap().id;
    db.commit(store, writes(&["document:1#viewer@user:a"])).unwrap();
    let snapshot = db.snapshot(store).unwrap().unwrap();
    drop(db);
    assert_eq!(tuples(&snapshot), ["document:1#viewer@user:a"]);
    let locked = RocksDatabase::open(directory.path(), clock.clone(), &small());
    assert!(matches!(locked, Err(StoreError::Locked { .. })), "it holds the directory");
    drop(snapshot);
    drop(reopen(directory.path(), &clock));
}

#[test]
fn the_clock_does_not_go_back_behind_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let store = db.create_store("first").unwrap().id;
    clock.advance(7_000_000);
    let committed = db.commit(store, writes(&["document:1#viewer@user:a"])).unwrap();
    drop(db);
    clock.advance(-5_000_000);
    let db = reopen(directory.path(), &clock);
    assert_eq!(db.clock().now(), committed.at);
    assert_eq!(db.commit(store, writes(&["document:2#viewer@user:a"])).unwrap().at, committed.at);
    clock.advance(5_000_001);
    assert_eq!(db.clock().now(), committed.at.saturating_add_micros(1));
}

#[test]
fn the_clock_does_not_go_back_behind_what_was_only_asked() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    clock.advance(9_000_000);
    let asked = db.clock().now();
    drop(db);
    clock.advance(-9_000_000);
    assert_eq!(reopen(directory.path(), &clock).clock().now(), asked);
}

#[test]
fn the_clock_is_stored_while_nothing_is_committed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    clock.advance(9_000_000);
    let asked = db.clock().now();
    let started = Elapsed::now();
    loop {
        let storage = storage(&db);
        let meta = storage.tables().unwrap().meta;
        let row = storage.db.get_cf(&meta, keys::CLOCK).unwrap();
        if row.is_some_and(|value| records::decode_clock(&value).unwrap() == asked) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(50));
    }
}

/// R44: the outbox is a journal.
#[test]
fn documents_and_journals_are_there_again_and_an_entry_comes_behind_those_before() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let store = db.create_store("first").unwrap().id;
    let name = DocumentKey::new("user", ["a"]);
    let entry = || JournalAddition { journal: "outbox".into(), value: b"told"[..].into() };
    let document = DocumentChange { key: name.clone(), value: Some(b"Anne"[..].into()) };
    let batch = Batch { documents: vec![document], journals: vec![entry(), entry()], ..Batch::default() };
    db.commit(store, batch).unwrap();
    drop(db);

    let db = reopen(directory.path(), &clock);
    // The clock stands: an identifier that is only random might come before.
    db.commit(store, Batch { journals: vec![entry()], ..Batch::default() }).unwrap();
    let snapshot = db.snapshot(store).unwrap().unwrap();
    assert_eq!(snapshot.document(&name).unwrap().as_deref(), Some(&b"Anne"[..]));
    let mut found = Vec::new();
    snapshot
        .journal("outbox", None, &mut |entry| {
            found.push((entry.id, entry.revision));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.is_sorted_by(|a, b| a.0 < b.0));
    assert!(found.iter().all(|(_, revision)| *revision == Revision(1)));
    assert!(db.verify().unwrap().is_consistent());
}
