//! Pages over what is not shown: commits that changed no tuple, tuples that are not live.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

use std::sync::Arc;

use tenure::engine::{ChangesRequest, Engine, ReadRequest, WatchRequest, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Revision, StoreId, SystemClock, TupleKey};
use tenure::schema;
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, LogPosition, OnDuplicate, Write};

const MODEL: &str = "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define viewer: [user]\n";

fn engine() -> (Engine<MemoryDatabase>, StoreId) {
    let engine = Engine::new(MemoryDatabase::new(Arc::new(SystemClock)), EvaluationLimits::default());
    let store = engine.create_store("pages").unwrap().id;
    engine.write_model(store, schema::parse(MODEL).unwrap()).unwrap();
    (engine, store)
}

fn write(user: &str, paused: bool) -> Write {
    Write {
        key: TupleKey::parse("document:1", "viewer", user).unwrap(),
        condition: Field::Absent,
        expires_at: Field::Absent,
        paused: Field::Set(paused),
        on_duplicate: OnDuplicate::Error,
    }
}

#[test]
fn a_reader_gets_past_any_number_of_commits_without_a_tuple() {
    let (engine, store) = engine();
    let model = schema::parse(MODEL).unwrap();
    for _ in 0..10_000 {
        engine.write_model(store, model.clone()).unwrap();
    }
    let writes = vec![write("user:ann", false)];
    engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();

    let page = |after| {
        let request = ChangesRequest { after, limit: 10, ..ChangesRequest::default() };
        engine.changes(store, &request).unwrap()
    };
    let first = page(None);
    assert!(first.items.is_empty(), "a page looks at so many commits only");
    assert_eq!(page(Some(first.position)).items.len(), 1, "the next one goes on behind them");
}

#[test]
fn commits_without_a_tuple_count_for_a_page_where_nothing_comes_behind_them_too() {
    let (engine, store) = engine();
    let model = schema::parse(MODEL).unwrap();
    // With the first model 10,500.
    for _ in 1..10_500 {
        engine.write_model(store, model.clone()).unwrap();
    }
    let page = |after| {
        let request = ChangesRequest { after, limit: 10, ..ChangesRequest::default() };
        engine.changes(store, &request).unwrap()
    };
    let first = page(None);
    assert!(first.items.is_empty());
    assert_eq!(first.position, LogPosition::behind(Revision(10_000)), "a page looks at so many commits only");
    let second = page(Some(first.position));
    assert!(second.items.is_empty());
    assert_eq!(second.position, first.position, "nothing is new behind them");

    let request = WatchRequest { after: LogPosition::default(), object_type: None, limit: 10 };
    let watched = engine.watch(store, &request).unwrap();
    assert_eq!((watched.position, watched.caught_up), (first.position, false));
    let request = WatchRequest { after: watched.position, ..request };
    let watched = engine.watch(store, &request).unwrap();
    assert_eq!((watched.position, watched.caught_up), (LogPosition::behind(Revision(10_500)), true));
}

#[test]
fn a_reader_gets_past_any_number_of_tuples_that_are_not_live() {
    let (engine, store) = engine();
    let mut writes: Vec<_> = (0..10_500).map(|n| write(&format!("user:{n:05}"), true)).collect();
    writes.push(write("user:zoe", false));
    engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();

    let page = |after, include_inactive| {
        let request = ReadRequest { after, limit: 10, include_inactive, ..ReadRequest::default() };
        engine.read(store, &request).unwrap().0
    };
    let first = page(None, false);
    assert!(first.items.is_empty(), "a page looks at so many tuples only");
    assert!(first.next.is_some());
    let second = page(first.next, false);
    assert_eq!(second.items.len(), 1);
    assert_eq!(second.items[0].key.subject.to_string(), "user:zoe");
    assert_eq!(second.next, None);
    assert_eq!(page(None, true).items.len(), 10);
}
