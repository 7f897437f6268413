//! Pages of changes over commits that changed no tuple.

#![allow(clippy::unwrap_used, reason = "a test ends where an answer is not what it should be")]

use std::sync::Arc;

use tenure::engine::{ChangesRequest, Engine, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{SystemClock, TupleKey};
use tenure::schema;
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};

#[test]
fn a_reader_gets_past_any_number_of_commits_without_a_tuple() {
    let engine = Engine::new(MemoryDatabase::new(Arc::new(SystemClock)), EvaluationLimits::default());
    let store = engine.create_store("changes").unwrap().id;
    let model = "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define viewer: [user]\n";
    let model = schema::parse(model).unwrap();
    for _ in 0..10_001 {
        engine.write_model(store, model.clone()).unwrap();
    }
    let write = Write {
        key: TupleKey::parse("document:1", "viewer", "user:ann").unwrap(),
        condition: Field::Absent,
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    };
    engine.write(store, WriteRequest { writes: vec![write], ..WriteRequest::default() }).unwrap();

    let page = |after| {
        let request = ChangesRequest { after, limit: 10, ..ChangesRequest::default() };
        engine.changes(store, &request).unwrap()
    };
    let first = page(None);
    assert!(first.items.is_empty(), "a page looks at so many commits only");
    assert_eq!(page(Some(first.position)).items.len(), 1, "the next one goes on behind them");
}
