//! The consistency check finds what is broken, all of it, and nothing else.

use rocksdb::WriteBatch;

use super::super::super::conformance::{asserting, delete, key, with_model, write, writes};
use super::super::super::{Batch, DocumentChange, DocumentKey, OnDuplicate, Snapshot, Write};
use super::super::storage::Tables;
use super::super::verify::verify;
use super::*;
use crate::model::limits::DIFFERENCES_LISTED_MAX;
use crate::model::{Revision, TupleKey, TupleRecord};

const TUPLE: &str = "document:1#viewer@user:a";

struct Sample {
    path: tempfile::TempDir,
    store: StoreId,
    clock: Arc<ManualClock>,
}

/// A store with a past, and one beside it.
fn sample() -> Sample {
    let path = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(path.path(), &clock);
    let store = db.create_store("first").unwrap().id;
    let other = db.create_store("other").unwrap().id;
    db.commit(store, writes(&[TUPLE, "document:2#viewer@user:*", "document:3#viewer@group:a#member"]))
        .unwrap();
    clock.advance(3);
    let model = db.commit(store, with_model("document")).unwrap().model.unwrap();
    db.commit(store, asserting(model, &["document:7#viewer@user:a"])).unwrap();
    db.commit(store, asserting(model, &[TUPLE])).unwrap();
    let update = Write {
        paused: super::super::super::Field::Set(true),
        on_duplicate: OnDuplicate::Update,
        ..write(TUPLE)
    };
    db.commit(
        store,
        Batch { deletes: vec![delete("document:2#viewer@user:*")], writes: vec![update], ..Batch::default() },
    )
    .unwrap();
    db.commit(other, writes(&[TUPLE])).unwrap();
    Sample { path, store, clock }
}

/// What is reported of the sample after `break_it`, with the log read once, and the same with it read many times.
fn found(break_it: impl FnOnce(&Sample, Tables<'_>, &mut WriteBatch)) -> Vec<String> {
    let sample = sample();
    let db = reopen(sample.path.path(), &sample.clock);
    let storage = storage(&db);
    let tables = storage.tables().unwrap();
    let mut rows = WriteBatch::default();
    break_it(&sample, tables, &mut rows);
    storage.db.write(rows).unwrap();
    drop((storage, db));
    // The states are read when it is opened.
    let db = reopen(sample.path.path(), &sample.clock);
    let lines = |report: &Report| {
        let first = format!("store {}, ", sample.store);
        let mut lines: Vec<String> =
            report.differences.iter().map(|d| d.to_string().replace(&first, "")).collect();
        lines.sort();
        lines
    };
    let report = db.verify().unwrap();
    assert_eq!(report.is_consistent(), report.differences.is_empty());
    let in_parts = verify(&db.view.load_full(), 1).unwrap();
    assert_eq!(lines(&in_parts), lines(&report));
    assert_eq!((in_parts.tuples, in_parts.commits), (report.tuples, report.commits));
    lines(&report)
}

fn tuple_key() -> TupleKey {
    key(TUPLE)
}

#[test]
fn a_sound_database_has_no_differences() {
    assert!(found(|_, _, _| {}).is_empty());
    let sample = sample();
    let report = reopen(sample.path.path(), &sample.clock).verify().unwrap();
    assert_eq!(report.to_string(), "stores: 2, commits: 6, tuples: 3, models: 1\ndifferences: 0\n");
}

#[test]
fn a_document_that_is_not_as_the_log_has_it_is_found() {
    let of = |id: &str| DocumentKey::new("user", [id, "x"]);
    let put = |id: &str| DocumentChange { key: of(id), value: Some(b"{}"[..].into()) };
    let found = |break_it: fn(StoreId, Tables<'_>, &mut WriteBatch)| {
        let path = tempfile::tempdir().unwrap();
        let db = reopen(path.path(), &ManualClock::new());
        let store = db.create_store("first").unwrap().id;
        db.commit(store, Batch { documents: vec![put("a"), put("b")], ..Batch::default() }).unwrap();
        let removal = DocumentChange { key: of("b"), value: None };
        db.commit(store, Batch { documents: vec![removal], ..Batch::default() }).unwrap();
        let mut rows = WriteBatch::default();
        let storage = storage(&db);
        break_it(store, storage.tables().unwrap(), &mut rows);
        storage.db.write(rows).unwrap();
        drop((storage, db));
        let report = reopen(path.path(), &ManualClock::new()).verify().unwrap();
        report
            .differences
            .iter()
            .map(|d| format!("{}: {}: {}", d.table, d.row, d.problem))
            .collect::<Vec<_>>()
    };
    assert!(found(|_, _, _| {}).is_empty());
    fn key(store: StoreId, id: &str) -> Key {
        keys::document(store, &DocumentKey::new("user", [id, "x"]))
    }
    let lost = found(|store, tables, rows| {
        rows.delete_cf(&tables.documents, key(store, "a"));
    });
    assert_eq!(lost, ["documents: user a x: is missing"]);
    let other = found(|store, tables, rows| {
        rows.put_cf(&tables.documents, key(store, "a"), records::encode_document(b"[]").unwrap());
        rows.put_cf(&tables.documents, key(store, "b"), records::encode_document(b"{}").unwrap());
    });
    assert_eq!(
        other,
        ["documents: user a x: differs from the log", "documents: user b x: is not in the log"]
    );
    let stray = found(|_, tables, rows| {
        rows.put_cf(&tables.journals, keys::journal(StoreId::from_bits(7), "log"), b"");
    });
    assert_eq!(stray.len(), 1);
    assert!(stray[0].ends_with("belongs to no store"), "{stray:?}");
}

#[test]
fn a_row_that_is_lost_is_found() {
    let lost = found(|sample, tables, rows| {
        rows.delete_cf(&tables.subjects, keys::reverse(sample.store, tuple_key().as_ref()));
    });
    assert_eq!(lost, ["subjects: document:1#viewer@user:a: is missing"]);
    let lost = found(|sample, tables, rows| {
        rows.delete_cf(&tables.tuples, keys::tuple(sample.store, tuple_key().as_ref()));
    });
    assert_eq!(lost, ["tuples: document:1#viewer@user:a: is missing"]);
    let lost = found(|sample, tables, rows| {
        rows.delete_range_cf(
            &tables.models,
            keys::store(sample.store),
            keys::behind_store(sample.store).unwrap(),
        );
    });
    assert_eq!(lost.len(), 1);
    assert!(lost[0].starts_with("models: 0") && lost[0].ends_with(": is missing"), "{lost:?}");
    let lost = found(|sample, tables, rows| {
        rows.delete_range_cf(
            &tables.assertions,
            keys::store(sample.store),
            keys::behind_store(sample.store).unwrap(),
        );
    });
    assert_eq!(lost.len(), 1);
    assert!(lost[0].starts_with("assertions: 0") && lost[0].ends_with(": is missing"), "{lost:?}");
}

#[test]
fn a_row_that_was_never_written_is_found() {
    let never = key("document:9#viewer@user:a");
    let value = records::encode_tuple(&twin()).unwrap();
    let added = found(|sample, tables, rows| {
        rows.put_cf(&tables.tuples, keys::tuple(sample.store, never.as_ref()), &value);
        rows.put_cf(&tables.subjects, keys::reverse(sample.store, never.as_ref()), &value);
    });
    assert_eq!(
        added,
        [
            "subjects: document:9#viewer@user:a: is not in the log",
            "tuples: document:9#viewer@user:a: is not in the log"
        ]
    );
}

/// The record of the tuple in a database like the sample, as the sample's own is open.
fn twin() -> TupleRecord {
    let twin = sample();
    let db = reopen(twin.path.path(), &twin.clock);
    db.snapshot(twin.store).unwrap().unwrap().tuple(tuple_key().as_ref()).unwrap().unwrap()
}

#[test]
fn a_row_that_was_changed_is_found() {
    let changed = found(|sample, tables, rows| {
        // Resumed, with no one having resumed it.
        let mut record = twin();
        record.lifetime.paused = false;
        let value = records::encode_tuple(&record).unwrap();
        rows.put_cf(&tables.subjects, keys::reverse(sample.store, tuple_key().as_ref()), value);
    });
    assert_eq!(changed, ["subjects: document:1#viewer@user:a: differs from the log"]);
}

#[test]
fn a_gap_in_the_log_is_found() {
    let gap = found(|sample, tables, rows| {
        rows.delete_cf(&tables.changelog, keys::commit(sample.store, Revision(1)));
    });
    assert!(gap.contains(&"changelog: revision 1: is missing".to_string()), "{gap:?}");
    assert!(gap.contains(&"tuples: document:3#viewer@group:a#member: is not in the log".to_string()));
    assert!(
        gap.iter().any(|line| line.starts_with("changelog: the record of `document:1#viewer@user:a` before"))
    );
    let end = found(|sample, tables, rows| {
        rows.delete_cf(&tables.changelog, keys::commit(sample.store, Revision(5)));
    });
    assert!(end.contains(&"meta: state at revision 5: differs from the log".to_string()), "{end:?}");
}

#[test]
fn a_commit_that_cannot_be_read_is_found() {
    let broken = found(|sample, tables, rows| {
        rows.put_cf(&tables.changelog, keys::commit(sample.store, Revision(2)), b"\x07");
    });
    assert!(
        broken.iter().any(|line| line.ends_with("its version 7 is unknown: cannot be read")),
        "{broken:?}"
    );
}

#[test]
fn rows_of_no_store_are_found() {
    let before_all = StoreId::from_bits(5);
    let behind_all = StoreId::from_bits(u128::MAX);
    let strays = found(|_, tables, rows| {
        for store in [before_all, behind_all] {
            rows.put_cf(&tables.tuples, keys::tuple(store, tuple_key().as_ref()), b"x");
            rows.put_cf(&tables.tuples, keys::tuple(store, key("document:2#viewer@user:b").as_ref()), b"x");
        }
        rows.put_cf(&tables.assertions, keys::model(behind_all, StoreId::from_bits(1)), b"x");
        rows.put_cf(&tables.models, b"short", b"x");
    });
    assert_eq!(strays.len(), 4, "{strays:?}");
    assert!(strays.iter().any(|line| line.ends_with("models: short: cannot be read")));
    assert_eq!(strays.iter().filter(|line| line.ends_with(": belongs to no store")).count(), 3);
}

#[test]
fn differences_are_all_counted_and_some_listed() {
    let sample = sample();
    let db = reopen(sample.path.path(), &sample.clock);
    let storage = storage(&db);
    let tables = storage.tables().unwrap();
    let more = DIFFERENCES_LISTED_MAX + 7;
    for n in 0..more {
        let key = keys::tuple(sample.store, key(&format!("document:x{n}#viewer@user:a")).as_ref());
        storage.db.put_cf(&tables.tuples, key, b"x").unwrap();
    }
    drop((storage, db));
    let report = reopen(sample.path.path(), &sample.clock).verify().unwrap();
    assert_eq!((report.difference_count, report.differences.len()), (more as u64, DIFFERENCES_LISTED_MAX));
    assert!(report.to_string().ends_with("  and 7 more\n"));
}
