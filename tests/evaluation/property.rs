//! No difference between the evaluator and the naive one, from either side of the walk, and none before
//! `stable_until`.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use tenure::eval::{ContextualTuples, Evaluation, Plan};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Clock, Instant};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Batch, Database, Field, OnDuplicate, Write};

use crate::generate::{World, instant, instants};
use crate::oracle::Oracle;

/// Cases to generate; `TENURE_PROPERTY_CASES` asks for more.
const CASES: u32 = 10_000;

struct Still;
impl Clock for Still {
    fn now(&self) -> Instant {
        instant(0)
    }
}

fn stored(world: &World) -> <MemoryDatabase as Database>::Snapshot {
    let database = MemoryDatabase::new(Arc::new(Still));
    let store = database.create_store("property").unwrap().id;
    let write = |(key, record): &(tenure::model::TupleKey, tenure::model::TupleRecord)| Write {
        key: key.clone(),
        condition: Field::Absent,
        expires_at: record.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(record.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    };
    let batch = Batch { writes: world.stored.iter().map(write).collect(), ..Batch::default() };
    database.commit(store, batch).unwrap();
    database.snapshot(store).unwrap().unwrap()
}

fn no_difference(bytes: &[u8]) -> Result<(), TestCaseError> {
    let world = World::read(bytes);
    let snapshot = stored(&world);
    let plan = Plan::compile(&world.model);
    let contextual = ContextualTuples::new(world.contextual.iter().cloned());
    let instants: Vec<_> = instants().collect();
    for subject in &world.subjects {
        let oracles =
            instants.iter().map(|at| Oracle::new(&world.model, world.tuples(), World::objects(), *at));
        let held: Vec<_> = oracles.map(|oracle| oracle.held(subject)).collect();
        for (number, object) in World::objects().enumerate() {
            for relation in ["a", "b", "c", "d", "parent"] {
                let expected: Vec<_> =
                    held.iter().map(|held| held.contains(&(object.clone(), relation.into()))).collect();
                // Between the expirations; the walk from the subject's side is taken for every second object.
                for index in [0, 2, 4] {
                    let narrow_entries = if (number + index / 2) % 2 == 0 { 1 } else { 32 };
                    let limits = EvaluationLimits { depth_max: 1000, reads_max: 10_000_000, narrow_entries };
                    let mut evaluation =
                        Evaluation::new(&plan, &snapshot, contextual.clone(), instants[index], limits);
                    let decision = evaluation.check(object.as_ref(), relation, subject.as_ref()).unwrap();
                    let asked = || {
                        format!(
                            "{object}#{relation}@{subject} at {} ({narrow_entries}): {decision:?}",
                            instants[index]
                        )
                    };
                    prop_assert_eq!(decision.allowed, expected[index], "{}\n{:#?}", asked(), world);
                    for (later, expected) in instants.iter().zip(&expected).skip(index) {
                        if decision.stable_until.is_none_or(|end| *later < end) {
                            prop_assert_eq!(
                                decision.allowed,
                                *expected,
                                "until {}: {}\n{:#?}",
                                later,
                                asked(),
                                world
                            );
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_evaluator_and_the_oracle_never_differ() {
    let cases = std::env::var("TENURE_PROPERTY_CASES").ok().map_or(CASES, |n| n.parse().unwrap());
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as Box<_>);
    let config = Config { cases, failure_persistence, max_shrink_iters: 20_000, ..Config::default() };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), 60..260))| no_difference(&bytes)?);
}
