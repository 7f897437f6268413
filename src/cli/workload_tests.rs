use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::engine::{Engine, QueryContext, WriteRequest};
use crate::model::limits::EvaluationLimits;
use crate::model::{StoreId, SystemClock};
use crate::store::memory::MemoryDatabase;
use crate::store::{Field, OnDuplicate, Write};

fn write(tuple: Tuple) -> Write {
    Write {
        key: tuple.key,
        condition: Field::Absent,
        expires_at: tuple.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(tuple.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    }
}

/// Writes the tuples, which must fit the model.
fn stored(model: &str, tuples: impl Iterator<Item = Tuple>) -> (Engine<MemoryDatabase>, StoreId) {
    let engine = Engine::new(MemoryDatabase::new(Arc::new(SystemClock)), EvaluationLimits::default());
    let store = engine.create_store("workload").unwrap().id;
    engine.write_model(store, crate::schema::parse(model).unwrap()).unwrap();
    let writes = tuples.map(write).collect();
    engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
    (engine, store)
}

/// Writes the tuples and asks the questions.
fn ask<'a>(
    model: &str,
    tuples: impl Iterator<Item = Tuple>,
    questions: impl Iterator<Item = (&'a str, Question)>,
) {
    let (engine, store) = stored(model, tuples);
    for (name, Question { check, allowed }) in questions {
        let answer = engine.check(store, &QueryContext::default(), &check).unwrap();
        assert_eq!(answer.value.allowed, allowed, "{name}: {check:?}");
    }
}

#[test]
fn the_cooperation_has_as_many_tuples_as_it_says_and_answers_as_it_says() {
    let cooperation = Cooperation::new(1, 7);
    let tuples: Vec<Tuple> = cooperation.tuples().collect();
    assert_eq!(tuples.len(), 40_000);
    let keys: HashSet<&TupleKey> = tuples.iter().map(|tuple| &tuple.key).collect();
    assert_eq!(keys.len(), tuples.len(), "a key stands twice");
    let ended = |tuple: &&Tuple| tuple.key.relation.ends_with("_share") && !tuple.lifetime.is_live(now());
    assert_eq!(tuples.iter().filter(ended).count(), 55);
    assert_eq!(tuples.iter().filter(|tuple| tuple.lifetime.paused).count(), 5);

    let kinds =
        [Kind::Direct, Kind::Admin, Kind::Delegate, Kind::Denial, Kind::NearDenial, Kind::Mix, Kind::Mix];
    let questions =
        kinds.into_iter().zip([Skew::Uniform, Skew::Zipf].into_iter().cycle()).flat_map(|(kind, skew)| {
            cooperation.questions(kind, skew, 11).take(200).map(|question| ("cooperation", question))
        });
    ask(COOPERATION_MODEL, tuples.iter().cloned(), questions);
}

#[test]
fn the_same_seed_makes_the_same_workload() {
    let tuples = |seed| Cooperation::new(1, seed).tuples().collect::<Vec<_>>();
    assert_eq!(tuples(3), tuples(3));
    assert_ne!(tuples(3), tuples(4));
}

#[test]
fn half_of_the_mix_is_allowed() {
    let cooperation = Cooperation::new(1, 7);
    let allowed =
        cooperation.questions(Kind::Mix, Skew::Zipf, 5).take(1200).filter(|question| question.allowed);
    assert_eq!(allowed.count(), 600);
}

#[test]
fn groups_partners_and_folders_answer_as_they_say() {
    for Workload { model, tuples, questions } in [groups(), partners(10), partners(1000), hierarchy(7)] {
        ask(model, tuples.into_iter(), questions.into_iter());
    }
}

#[test]
fn data_sets_have_about_the_size_and_answer_as_they_say() {
    for shape in [Shape::Cooperation, Shape::Groups, Shape::Hierarchy, Shape::Github] {
        for size in [1, 12_000] {
            let set = DataSet::about(shape, size, 7);
            let mut tuples: Vec<Tuple> = set.tuples().collect();
            let count = tuples.len() as u64;
            assert!(
                size == 1 || (size * 9 / 10..=size * 11 / 10).contains(&count),
                "{shape:?}: {count} of {size}"
            );
            let keys: HashSet<&TupleKey> = tuples.iter().map(|tuple| &tuple.key).collect();
            assert_eq!(keys.len(), tuples.len(), "{shape:?}: a key stands twice");
            assert!(!keys.contains(&set.unrelated("w-1").key), "{shape:?}");
            tuples.push(set.unrelated("w-1"));
            let questions =
                [true, false].into_iter().flat_map(|allowed| set.questions(allowed, 11).take(300));
            let questions: Vec<_> = questions.map(|question| ("data set", question)).collect();
            assert_eq!(questions.iter().filter(|(_, question)| question.allowed).count(), 300);
            ask(set.model(), tuples.into_iter(), questions.into_iter());
        }
    }
}

#[test]
fn the_lists_have_as_many_entries_as_they_say() {
    // Behind these tuples stand only those of no list.
    let (engine, store) = stored(LISTS_MODEL, list_tuples().take(80_000));
    let context = QueryContext::default();
    for (name, listing) in listings() {
        let found = match listing {
            Listing::Objects(request) => {
                engine.list_objects(store, &context, &request, &|| true).unwrap().0.value.items.len()
            }
            Listing::Users(request) => {
                engine.list_users(store, &context, &request, &|| true).unwrap().0.value.items.len()
            }
        };
        assert_eq!(found, LISTED as usize, "{name}");
    }
}

fn now() -> crate::model::Instant {
    crate::model::Clock::now(&SystemClock)
}
