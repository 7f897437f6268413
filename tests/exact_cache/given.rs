//! What is given with a query counts for that query only: it takes no kept decision and leaves none. What another store, model
//! or existence decided is never taken either.

use std::ops::ControlFlow;

use serde_json::json;
use tenure::engine::{BatchCheckItem, CheckRequest, ContextualTuple, Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Lifetime, Object, StoreId, Subject, TupleCondition, TupleKey, TupleRecord};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};

use crate::clock::ManualClock;

const MODEL: &str = "
model
  schema 1.1
type user
type document
  relations
    define editor: [user]
    define viewer: [user with open] or editor
condition open(x: bool) {
  x
}
";

struct Kept {
    engine: Engine<MemoryDatabase>,
    store: StoreId,
}

impl Kept {
    fn new() -> Self {
        let engine = Engine::new(MemoryDatabase::new(ManualClock::new()), EvaluationLimits::default());
        let store = engine.create_store("given").unwrap().id;
        engine.write_model(store, tenure::schema::parse(MODEL).unwrap()).unwrap();
        Self { engine, store }
    }

    fn write(&self, relation: &str, condition: Field<TupleCondition>) {
        let write = Write {
            key: TupleKey::parse("document:1", relation, "user:ann").unwrap(),
            condition,
            expires_at: Field::Absent,
            paused: Field::Absent,
            on_duplicate: OnDuplicate::Error,
        };
        let request = WriteRequest { writes: vec![write], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap();
    }

    /// Whether Ann may view the document, asked by itself and in a batch; `None` where that cannot be said.
    fn views(&self, context: &QueryContext) -> Option<bool> {
        let check = viewer();
        let item = BatchCheckItem {
            check: check.clone(),
            contextual_tuples: context.contextual_tuples.clone(),
            context: context.context.clone(),
        };
        let batch = self.engine.batch_check(self.store, &QueryContext::default(), &[item]).unwrap().0;
        let alone = self.engine.check(self.store, context, &check).map(|answer| answer.value.allowed).ok();
        assert_eq!(batch.value[0].as_ref().map(|answer| answer.allowed).ok(), alone);
        alone
    }
}

fn viewer() -> CheckRequest {
    CheckRequest {
        object: Object::parse("document:1").unwrap(),
        relation: "viewer".into(),
        subject: Subject::parse("user:ann").unwrap(),
    }
}

#[test]
fn a_contextual_tuple_neither_takes_nor_leaves_a_kept_decision() {
    let kept = Kept::new();
    let plain = QueryContext::default();
    let record =
        TupleRecord { lifetime: Lifetime::default(), condition: None, written_at: kept.engine.now() };
    let key = TupleKey::parse("document:1", "editor", "user:ann").unwrap();
    let given = QueryContext { contextual_tuples: vec![ContextualTuple { key, record }], ..plain.clone() };
    for _ in 0..3 {
        assert_eq!(kept.views(&plain), Some(false));
        assert_eq!(kept.views(&given), Some(true));
    }
}

#[test]
fn a_context_neither_takes_nor_leaves_a_kept_decision() {
    let kept = Kept::new();
    let open = TupleCondition { name: "open".into(), context: "{}".into() };
    kept.write("viewer", Field::Set(open));
    let with = |x: bool| {
        let context = json!({ "x": x }).as_object().unwrap().clone();
        QueryContext { context, ..QueryContext::default() }
    };
    for _ in 0..3 {
        assert_eq!(kept.views(&with(true)), Some(true));
        assert_eq!(kept.views(&with(false)), Some(false));
        // A failure is no decision.
        assert_eq!(kept.views(&QueryContext::default()), None);
    }
    kept.write("editor", Field::Absent);
    for _ in 0..3 {
        assert_eq!(kept.views(&QueryContext::default()), Some(true));
        assert_eq!(kept.views(&with(false)), Some(true));
    }
}

#[test]
fn the_newest_model_decides_and_no_other_ones_decisions() {
    let kept = Kept::new();
    kept.write("editor", Field::Absent);
    let plain = QueryContext::default();
    assert_eq!(kept.views(&plain), Some(true));
    let mut old = None;
    let mut take = |id, _| {
        old = Some(id);
        ControlFlow::Break(())
    };
    kept.engine.models(kept.store, None, 1, &mut take).unwrap();
    let stricter = MODEL.replace(" or editor", "");
    kept.engine.write_model(kept.store, tenure::schema::parse(&stricter).unwrap()).unwrap();
    for _ in 0..2 {
        assert!(!kept.engine.check(kept.store, &plain, &viewer()).unwrap().value.allowed);
        let of_old = QueryContext { model: old, ..plain.clone() };
        assert!(kept.engine.check(kept.store, &of_old, &viewer()).unwrap().value.allowed);
    }
}

#[test]
fn a_store_that_was_deleted_decides_nothing_and_neither_does_it_for_another() {
    let kept = Kept::new();
    kept.write("editor", Field::Absent);
    assert_eq!(kept.views(&QueryContext::default()), Some(true));
    kept.engine.delete_store(kept.store).unwrap();
    assert!(kept.engine.check(kept.store, &QueryContext::default(), &viewer()).is_err());
    let store = kept.engine.create_store("given").unwrap().id;
    kept.engine.write_model(store, tenure::schema::parse(MODEL).unwrap()).unwrap();
    assert!(!kept.engine.check(store, &QueryContext::default(), &viewer()).unwrap().value.allowed);
}

#[test]
fn without_bytes_nothing_is_kept() {
    let database = MemoryDatabase::new(ManualClock::new());
    let engine = Engine::new(database, EvaluationLimits::default()).with_decision_cache(0);
    assert_eq!(engine.cache_statistics(), None);
}

#[test]
fn a_decision_is_stable_for_as_long_as_when_it_was_made() {
    let kept = Kept::new();
    let end = kept.engine.now().saturating_add_micros(1000);
    let write = Write {
        key: TupleKey::parse("document:1", "editor", "user:ann").unwrap(),
        condition: Field::Absent,
        expires_at: Field::Set(end),
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    };
    kept.engine.write(kept.store, WriteRequest { writes: vec![write], ..WriteRequest::default() }).unwrap();
    for _ in 0..2 {
        let answer = kept.engine.check(kept.store, &QueryContext::default(), &viewer()).unwrap();
        assert_eq!((answer.value.stable_until, answer.at), (Some(end), kept.engine.now()));
    }
    assert_eq!(kept.engine.cache_statistics().unwrap().whole_hits, 1);
}
