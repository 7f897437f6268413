//! No difference between the evaluator and the naive one, from either side of the walk, and none before
//! `stable_until`.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use tenure::eval::{ContextualTuples, EvalError, Evaluation, Plan};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Clock, Instant, TupleKey, TupleRecord};
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

pub type Snapshot = <MemoryDatabase as Database>::Snapshot;

pub fn stored(world: &World) -> Snapshot {
    let database = MemoryDatabase::new(Arc::new(Still));
    let store = database.create_store("property").unwrap().id;
    let write = |(key, record): &(TupleKey, TupleRecord)| Write {
        key: key.clone(),
        condition: record.condition.clone().map_or(Field::Absent, Field::Set),
        expires_at: record.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(record.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    };
    let batch = Batch { writes: world.stored.iter().map(write).collect(), ..Batch::default() };
    database.commit(store, batch).unwrap();
    database.snapshot(store).unwrap().unwrap()
}

/// What limits an evaluation of the object and the instant with these numbers.
type LimitsOf = fn(usize, usize) -> EvaluationLimits;

/// None that matters; the walk from the subject's side is taken for every second object, and circles are left to the
/// graph at once, late, or never.
fn unlimited(object: usize, instant: usize) -> EvaluationLimits {
    let narrow_entries = if (object + instant / 2).is_multiple_of(2) { 1 } else { 32 };
    let decided_anew_max = match object % 3 {
        0 => 0,
        1 => EvaluationLimits::default().decided_anew_max,
        _ => 1000,
    };
    EvaluationLimits { depth_max: 1000, reads_max: 1_000_000, narrow_entries, decided_anew_max }
}

/// Limits that many evaluations meet.
fn tight(object: usize, instant: usize) -> EvaluationLimits {
    let depth_max = u32::try_from((object + instant) % 4).unwrap_or(0);
    let reads_max = if object.is_multiple_of(2) { 1_000_000 } else { 12 };
    let decided_anew_max = if instant.is_multiple_of(2) { 0 } else { 32 };
    EvaluationLimits { depth_max, reads_max, narrow_entries: 1 + instant % 2, decided_anew_max }
}

fn no_difference(world: &World, limits_of: LimitsOf) -> Result<(), TestCaseError> {
    let snapshot = stored(world);
    let plan = Plan::compile(&world.model);
    let contextual = ContextualTuples::new(world.contextual.iter().cloned());
    let instants: Vec<_> = instants().collect();
    let tuples = world.tuples();
    for subject in &world.subjects {
        let oracles = instants
            .iter()
            .map(|at| Oracle::new(&world.model, tuples.iter().copied(), World::objects(), *at));
        let held: Vec<_> = oracles.map(|oracle| oracle.held(subject)).collect();
        for (number, object) in World::objects().enumerate() {
            for relation in ["a", "b", "c", "d", "parent", "x17"] {
                let expected: Vec<_> =
                    held.iter().map(|held| held.contains(&(object.clone(), relation.into()))).collect();
                // Between the expirations.
                for index in [0, 2, 4] {
                    let limits = limits_of(number, index);
                    let mut evaluation = Evaluation::new(
                        &plan,
                        &snapshot,
                        contextual.clone(),
                        &world.context,
                        instants[index],
                        limits,
                    );
                    let decision = match evaluation.check(object.as_ref(), relation, subject.as_ref()) {
                        Ok(decision) => decision,
                        // No answer is no wrong one, where limits are low.
                        Err(EvalError::Limit(_)) if limits.depth_max < 1000 => continue,
                        Err(error) => return Err(TestCaseError::fail(error.to_string())),
                    };
                    let asked = || {
                        format!(
                            "{object}#{relation}@{subject} at {} ({limits:?}): {decision:?}",
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

/// What each tuple whose condition fails could have come to, as far as `KEPT` of them go: the others together.
pub fn possible_worlds(world: &World) -> Vec<Vec<&(TupleKey, TupleRecord)>> {
    const KEPT: usize = 3;
    let outcomes: Vec<_> = world.tuples().into_iter().map(|tuple| (tuple, world.outcome(&tuple.1))).collect();
    let failing = outcomes.iter().filter(|(_, outcome)| outcome.is_none()).count();
    let choices = 1_usize << failing.min(KEPT + 1);
    let world_of = |choice: usize| {
        let mut number = 0;
        let mut counts = |outcome: Option<bool>| {
            outcome.unwrap_or_else(|| {
                number += 1;
                choice >> (number - 1).min(KEPT) & 1 == 1
            })
        };
        outcomes.iter().filter(|(_, outcome)| counts(*outcome)).map(|(tuple, _)| *tuple).collect()
    };
    (0..choices).map(world_of).collect()
}

/// Where no condition fails, conditions decide as the oracle says; where some do, an answer is given only if it is the same
/// whatever they come to.
fn conditions_decide(world: &World) -> Result<(), TestCaseError> {
    let snapshot = stored(world);
    let plan = Plan::compile(&world.model);
    let contextual = ContextualTuples::new(world.contextual.iter().cloned());
    let worlds = possible_worlds(world);
    for subject in &world.subjects {
        for (index, at) in instants().enumerate().step_by(2) {
            let oracles = worlds
                .iter()
                .map(|tuples| Oracle::new(&world.model, tuples.iter().copied(), World::objects(), at));
            let held: Vec<_> = oracles.map(|oracle| oracle.held(subject)).collect();
            for (number, object) in World::objects().enumerate() {
                for relation in ["a", "b", "c", "d", "parent"] {
                    let limits = unlimited(number, index);
                    let mut evaluation =
                        Evaluation::new(&plan, &snapshot, contextual.clone(), &world.context, at, limits);
                    let answer = evaluation.check(object.as_ref(), relation, subject.as_ref());
                    let possible: Vec<_> =
                        held.iter().map(|held| held.contains(&(object.clone(), relation.into()))).collect();
                    let asked = || format!("{object}#{relation}@{subject} at {at}: {answer:?}\n{world:#?}");
                    match &answer {
                        Ok(decision) => {
                            prop_assert!(possible.iter().all(|own| *own == decision.allowed), "{}", asked());
                        }
                        Err(EvalError::Condition(_)) => prop_assert!(possible.len() > 1, "{}", asked()),
                        Err(_) => prop_assert!(false, "{}", asked()),
                    }
                }
            }
        }
    }
    Ok(())
}

/// `share` of the cases that are asked for, each a world made by `read` from so many bytes.
pub fn property(
    share: u32,
    bytes: std::ops::Range<usize>,
    read: fn(&[u8]) -> World,
    holds: impl Fn(&World) -> Result<(), TestCaseError>,
) {
    let cases = std::env::var("TENURE_PROPERTY_CASES").ok().map_or(CASES, |n| n.parse().unwrap());
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as Box<_>);
    let cases = cases.div_ceil(share);
    let config = Config { cases, failure_persistence, max_shrink_iters: 20_000, ..Config::default() };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), bytes))| {
        holds(&read(&bytes))?;
    });
}

#[test]
fn the_evaluator_and_the_oracle_never_differ() {
    property(1, 60..260, World::read, |world| no_difference(world, unlimited));
}

#[test]
fn a_limit_never_turns_into_an_answer() {
    property(4, 60..260, World::read, |world| no_difference(world, tight));
}

#[test]
fn regions_that_overflow_change_no_answer() {
    property(100, 800..1400, World::read_wide, |world| no_difference(world, unlimited));
    property(100, 800..1400, World::read_wide, |world| no_difference(world, tight));
}

#[test]
fn circles_through_operators_change_no_answer() {
    property(4, 150..420, World::read_tangled, |world| no_difference(world, unlimited));
}

#[test]
fn conditions_decide_and_failures_are_never_guessed() {
    property(2, 60..300, World::read_conditional, conditions_decide);
    property(20, 150..420, World::read_tangled_conditional, conditions_decide);
}
