//! Lists and the naive evaluator never differ: nothing is told that does not hold, and nothing that holds is left out
//! unless the list says so.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use proptest::prelude::*;
use tenure::eval::{ContextualTuples, EvalError, Evaluation, ListEnd, Plan, Recipient, SubjectFilter};
use tenure::model::limits::{EvaluationLimits, ListLimits};
use tenure::model::{Instant, Object, Subject};
use tenure::store::Database;
use tenure::store::memory::MemoryDatabase;

use crate::generate::{World, instants};
use crate::oracle::Oracle;
use crate::property::{possible_worlds, property, stored};

/// Collects everything, each once.
struct All<T>(Vec<T>);

impl Recipient<str> for All<String> {
    fn take(&mut self, result: &str) -> ControlFlow<()> {
        self.0.push(result.to_owned());
        ControlFlow::Continue(())
    }
}

impl Recipient<Subject> for All<Subject> {
    fn take(&mut self, result: &Subject) -> ControlFlow<()> {
        self.0.push(result.clone());
        ControlFlow::Continue(())
    }
}

const RELATIONS: [&str; 6] = ["a", "b", "c", "d", "parent", "x17"];
const TYPES: [&str; 3] = ["group", "folder", "document"];

/// What limits the list with a number.
#[derive(Debug, Clone, Copy)]
struct Limits {
    evaluation: EvaluationLimits,
    list: ListLimits,
}

type LimitsOf = fn(usize) -> Limits;

fn unlimited(number: usize) -> Limits {
    let narrow_entries = if number.is_multiple_of(2) { 1 } else { 32 };
    let evaluation =
        EvaluationLimits { depth_max: 1000, reads_max: 1_000_000, narrow_entries, decided_anew_max: 4 };
    Limits { evaluation, list: ListLimits::default() }
}

fn tight(number: usize) -> Limits {
    let list = match number % 3 {
        0 => ListLimits::default(),
        1 => ListLimits { reads_max: 5 + number as u64 % 17, ..ListLimits::default() },
        _ => ListLimits { kept_bytes_max: 100 + number % 700, ..ListLimits::default() },
    };
    let reads_max = if number.is_multiple_of(5) { 7 } else { 10_000_000 };
    let depth_max = u32::try_from(number % 4).unwrap();
    Limits {
        evaluation: EvaluationLimits { depth_max, reads_max, narrow_entries: 1, decided_anew_max: 0 },
        list,
    }
}

/// A world at an instant, with what there is to evaluate it.
struct Scene<'w> {
    world: &'w World,
    plan: Plan,
    snapshot: <MemoryDatabase as Database>::Snapshot,
    contextual: ContextualTuples,
    at: Instant,
    /// One for each way in which the conditions that fail could have come out.
    oracles: Vec<Oracle<'w>>,
}

impl<'w> Scene<'w> {
    fn new(world: &'w World, at: Instant) -> Self {
        Self {
            world,
            plan: Plan::compile(&world.model),
            snapshot: stored(world),
            contextual: ContextualTuples::new(world.contextual.iter().cloned()),
            at,
            oracles: possible_worlds(world)
                .into_iter()
                .map(|tuples| Oracle::new(&world.model, tuples, World::objects(), at))
                .collect(),
        }
    }

    fn evaluation(&self, limits: Limits) -> Evaluation<'_, <MemoryDatabase as Database>::Snapshot> {
        Evaluation::new(
            &self.plan,
            &self.snapshot,
            self.contextual.clone(),
            &self.world.context,
            self.at,
            limits.evaluation,
        )
    }

    fn objects_agree(&self, limits_of: LimitsOf) -> Result<(), TestCaseError> {
        let mut number = 0;
        for subject in &self.world.subjects {
            let held: Vec<_> = self.oracles.iter().map(|oracle| oracle.held(subject)).collect();
            for object_type in TYPES {
                for relation in RELATIONS {
                    number += 1;
                    let limits = limits_of(number);
                    let mut told = All(Vec::new());
                    let mut evaluation = self.evaluation(limits);
                    let end = evaluation.list_objects(
                        limits.list,
                        subject.as_ref(),
                        relation,
                        object_type,
                        &mut told,
                    );
                    let Some(end) = self.ended(end)? else { continue };
                    let asked = || {
                        format!(
                            "{subject} {relation} {object_type} at {} ({limits:?}): {end:?}\n{:#?}",
                            self.at, self.world
                        )
                    };
                    let once: BTreeSet<String> = told.0.iter().cloned().collect();
                    prop_assert_eq!(once.len(), told.0.len(), "{:?}: {}", told.0, asked());
                    for held in &held {
                        let expected: BTreeSet<String> = held
                            .iter()
                            .filter(|(object, name)| &*object.type_name == object_type && &**name == relation)
                            .map(|(object, _)| object.id.to_string())
                            .collect();
                        if end == ListEnd::Whole {
                            prop_assert_eq!(&once, &expected, "{}", asked());
                        } else {
                            prop_assert!(once.is_subset(&expected), "{:?}: {}", once, asked());
                            prop_assert!(limits.evaluation.depth_max < 1000, "{}", asked());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// How a list ended; `None` where a condition that fails kept it from being told.
    fn ended(&self, end: Result<ListEnd, EvalError>) -> Result<Option<ListEnd>, TestCaseError> {
        match end {
            Ok(end) => Ok(Some(end)),
            Err(EvalError::Condition(_)) if self.oracles.len() > 1 => Ok(None),
            Err(error) => Err(TestCaseError::fail(error.to_string())),
        }
    }

    fn users_agree(&self, limits_of: LimitsOf) -> Result<(), TestCaseError> {
        let parse = |text: &str| Subject::parse(text).unwrap();
        let Some(Subject::Userset(userset, of)) = self.world.subjects.last() else { unreachable!() };
        let (userset, of) = (&*userset.type_name, &**of);
        // Whom each filter can name; the first, where there is one, is the wildcard, the last is named by no tuple.
        let filters = [
            (SubjectFilter::Type("user"), ["user:*", "user:ann", "user:bob", "user:zoe"].map(parse).to_vec()),
            (SubjectFilter::Type("group"), ["group:1", "group:2", "group:3"].map(parse).to_vec()),
            (
                SubjectFilter::Usersets(userset, of),
                [1, 2, 3].map(|id| parse(&format!("{userset}:{id}#{of}"))).to_vec(),
            ),
        ];
        let mut number = 0;
        for (filter, universe) in filters {
            let wildcard = universe.first().filter(|first| matches!(first, Subject::Wildcard(_)));
            // By possible world, then by subject.
            let held: Vec<Vec<_>> = self
                .oracles
                .iter()
                .map(|oracle| universe.iter().map(|subject| oracle.held(subject)).collect())
                .collect();
            for object in World::objects() {
                for relation in RELATIONS {
                    number += 1;
                    let key = (object.clone(), relation.into());
                    let holds: Vec<Vec<bool>> = held
                        .iter()
                        .map(|held| held.iter().map(|held| held.contains(&key)).collect())
                        .collect();
                    self.users_of(&object, relation, filter, limits_of(number), &universe, &holds)?;
                    if wildcard.is_some() {
                        prop_assert!(holds.iter().all(|holds| holds[0] == holds[3]), "who is not named");
                    }
                }
            }
        }
        Ok(())
    }

    fn users_of(
        &self,
        object: &Object,
        relation: &str,
        filter: SubjectFilter<'_>,
        limits: Limits,
        universe: &[Subject],
        holds: &[Vec<bool>],
    ) -> Result<(), TestCaseError> {
        let mut told = All(Vec::new());
        let mut evaluation = self.evaluation(limits);
        let end = evaluation.list_users(limits.list, object.as_ref(), relation, filter, &mut told);
        let Some(end) = self.ended(end)? else { return Ok(()) };
        let told = told.0;
        let asked = || {
            format!(
                "{object}#{relation} {filter:?} at {} ({limits:?}): {told:?} {end:?}\n{:#?}",
                self.at, self.world
            )
        };
        let once: BTreeSet<&Subject> = told.iter().collect();
        prop_assert_eq!(once.len(), told.len(), "{}", asked());
        prop_assert!(told.iter().all(|subject| universe.contains(subject)), "{}", asked());
        let covered = told.iter().any(|subject| matches!(subject, Subject::Wildcard(_)));
        for holds in holds {
            for (subject, holds) in universe.iter().zip(holds) {
                if once.contains(subject) {
                    prop_assert!(*holds, "{subject} does not hold: {}", asked());
                } else if end == ListEnd::Whole && (!covered || matches!(subject, Subject::Wildcard(_))) {
                    prop_assert!(!holds, "{subject} is left out: {}", asked());
                }
            }
        }
        prop_assert!(end == ListEnd::Whole || limits.evaluation.depth_max < 1000, "{}", asked());
        Ok(())
    }
}

fn no_difference(world: &World, limits_of: LimitsOf) -> Result<(), TestCaseError> {
    // Between two expirations.
    for at in [0, 4] {
        let scene = Scene::new(world, instants().nth(at).unwrap());
        scene.objects_agree(limits_of)?;
        scene.users_agree(limits_of)?;
    }
    Ok(())
}

#[test]
fn lists_and_the_oracle_never_differ() {
    property(4, 60..260, World::read, |world| no_difference(world, unlimited));
}

#[test]
fn a_limit_leaves_out_but_never_lets_in() {
    property(8, 60..260, World::read, |world| no_difference(world, tight));
}

#[test]
fn circles_through_operators_change_no_list() {
    property(16, 150..420, World::read_tangled, |world| no_difference(world, unlimited));
    property(32, 150..420, World::read_tangled, |world| no_difference(world, tight));
}

#[test]
fn regions_that_overflow_change_no_list() {
    property(200, 800..1400, World::read_wide, |world| no_difference(world, unlimited));
}

#[test]
fn conditions_decide_lists_and_failures_are_never_guessed() {
    property(8, 60..300, World::read_conditional, |world| no_difference(world, unlimited));
}
