//! What nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tenure::engine::{
    BatchCheckItem, CheckRequest, EngineError, ExpandRequest, ExplainRequest, ListObjectsRequest,
    ListUsersRequest, QueryContext, UserFilter,
};
use tenure::eval::Wanted;
use tenure::model::TupleKey;
use tenure::model::limits::{EvaluationLimits, READS_FOR_NOBODY_MAX};

use crate::examples::GROUPS;
use crate::limits::World;

/// A page that many groups read, and a user of many others.
fn crowds() -> World {
    let mut tuples = String::new();
    for n in 0..500 {
        tuples.push_str(&format!("page:1 reader group:reading{n}#member\n"));
        tuples.push_str(&format!("group:of_ann{n} member user:ann\n"));
    }
    World::new(EvaluationLimits::default(), GROUPS, &tuples)
}

/// What each query comes to, by its name, that goes on as long as is given.
fn every_query(world: &World, wanted: impl Fn() -> Wanted) -> Vec<(&'static str, Option<EngineError>)> {
    let World { engine, store } = world;
    let context = || QueryContext { wanted: wanted(), ..QueryContext::default() };
    let TupleKey { object, relation, subject } = TupleKey::parse("page:1", "editor", "user:ann").unwrap();
    let check = CheckRequest { object: object.clone(), relation: relation.clone(), subject: subject.clone() };
    let item = BatchCheckItem {
        check: check.clone(),
        contextual_tuples: Vec::new(),
        context: tenure::cel::Context::default(),
    };
    let explain = ExplainRequest { check: check.clone(), at: None };
    let expand = ExpandRequest { object: object.clone(), relation: "reader".into(), include_inactive: false };
    let objects = ListObjectsRequest { subject, relation: relation.clone(), object_type: "page".into() };
    let filter = UserFilter { type_name: "user".into(), relation: None };
    let users = ListUsersRequest { object, relation, filter };
    let batch = engine.batch_check(*store, &context(), &[item]);
    vec![
        ("check", engine.check(*store, &context(), &check).err()),
        ("batch", batch.map_or_else(Some, |(answer, _)| answer.value[0].clone().err())),
        ("explain", engine.explain(*store, &context(), &explain).err()),
        ("expand", engine.expand(*store, &context(), &expand).err()),
        ("objects", engine.list_objects(*store, &context(), &objects, &|| true).err()),
        ("users", engine.list_users(*store, &context(), &users, &|| true).err()),
    ]
}

#[test]
fn an_evaluation_that_nobody_waits_for_ends_and_one_that_somebody_does_answers() {
    let world = crowds();
    for (query, error) in every_query(&world, Wanted::default) {
        assert!(error.is_none(), "{query}: {error:?}");
    }
    for (query, error) in every_query(&world, || Wanted::as_long_as(|| true)) {
        assert!(error.is_none(), "{query}: {error:?}");
    }
    for (query, error) in every_query(&world, || Wanted::as_long_as(|| false)) {
        assert!(matches!(error, Some(EngineError::Stopped)), "{query}: {error:?}");
    }
}

#[test]
fn whether_anybody_waits_is_asked_all_the_while() {
    let World { engine, store } = crowds();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let wanted = Wanted::as_long_as(move || {
        count.fetch_add(1, Ordering::Relaxed);
        true
    });
    let context = QueryContext { wanted, ..QueryContext::default() };
    let TupleKey { object, relation, subject } = TupleKey::parse("page:1", "editor", "user:ann").unwrap();
    let check = CheckRequest { object, relation, subject };
    let (_, counts) = engine.check_counted(store, &context, &check).unwrap();
    let reads = u32::try_from(counts.made()).unwrap();
    assert!(reads > 500, "{reads}");
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked >= reads / (READS_FOR_NOBODY_MAX + 1), "{asked} times in {reads} reads");
}
