//! The rule of use, in worlds wilder than a validator admits: at every revision of a world and at every instant, forwards and
//! backwards in both, what the cache gives is what the naive evaluator says.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use tenure::cache::{DecisionCache, Scope};
use tenure::cel::Context;
use tenure::eval::{
    ContextualTuples, Decision, EvalError, Evaluation, KeptDecision, Memo, Plan, ReadSet, Room,
};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Clock, Instant, ModelId, Object, Subject, TupleKey, TupleRecord, TupleRef};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{
    Batch, CommitObserver, Database, Delete, Field, OnDuplicate, OnMissing, Snapshot, Write,
};

use crate::generate::{World, instant, instants};
use crate::oracle::Oracle;

/// Cases to generate; `TENURE_PROPERTY_CASES` asks for more.
const CASES: u32 = 10_000;
/// Far more than a world has.
const CACHE_BYTES: usize = 1 << 24;

struct Still;
impl Clock for Still {
    fn now(&self) -> Instant {
        instant(0)
    }
}

pub type MemorySnapshot = <MemoryDatabase as Database>::Snapshot;

/// `share` of the cases that are asked for, each a world made by `read` from so many bytes.
pub fn property(
    share: u32,
    bytes: std::ops::Range<usize>,
    read: fn(&[u8]) -> World,
    holds: impl Fn(&World) -> Result<(), TestCaseError>,
) {
    let cases = std::env::var("TENURE_PROPERTY_CASES").ok().map_or(CASES, |n| n.parse().unwrap());
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as Box<_>);
    let config = Config {
        cases: cases.div_ceil(share),
        failure_persistence,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), bytes))| {
        holds(&read(&bytes))?;
    });
}

/// The batches in which a world comes about.
fn batches(world: &World, count: usize) -> Vec<Batch> {
    let write = |(key, record): &(TupleKey, TupleRecord)| Write {
        key: key.clone(),
        condition: record.condition.clone().map_or(Field::Absent, Field::Set),
        expires_at: record.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(record.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    };
    let chunks = world.stored.chunks(world.stored.len().div_ceil(count).max(1));
    chunks.map(|tuples| Batch { writes: tuples.iter().map(write).collect(), ..Batch::default() }).collect()
}

/// The snapshots of a world that comes about in at most `count` commits.
pub fn snapshots(world: &World, count: usize) -> Vec<MemorySnapshot> {
    let database = MemoryDatabase::new(Arc::new(Still));
    let store = database.create_store("property").unwrap().id;
    let snapshot = || database.snapshot(store).unwrap().unwrap();
    let mut snapshots = vec![snapshot()];
    for batch in batches(world, count) {
        database.commit(store, batch).unwrap();
        snapshots.push(snapshot());
    }
    snapshots
}

/// A world at several revisions, and a cache that saw how it came about.
struct Grown {
    cache: Arc<DecisionCache>,
    scope: Scope,
    plan: Plan,
    /// Each with the tuples that it has.
    states: Vec<(MemorySnapshot, Vec<(TupleKey, TupleRecord)>)>,
}

impl Grown {
    /// `ask` is called after each commit, so that what it keeps is there at the next.
    fn new(world: &World, mut ask: impl FnMut(&Self, usize)) -> Self {
        let database = MemoryDatabase::new(Arc::new(Still));
        let cache = Arc::new(DecisionCache::new(CACHE_BYTES));
        let observer: Arc<dyn CommitObserver> = Arc::clone(&cache) as _;
        database.observe(Arc::downgrade(&observer));
        let store = database.create_store("property").unwrap().id;
        let scope = Scope { store, epoch: 1, model: ModelId::from_bits(1) };
        let mut grown = Self { cache, scope, plan: Plan::compile(&world.model), states: Vec::new() };
        let mut growing = batches(world, 3);
        // The last one takes away what the first one brought.
        let first = growing.first().map_or(&[][..], |batch| &batch.writes);
        let deletes =
            first.iter().map(|write| Delete { key: write.key.clone(), on_missing: OnMissing::Error });
        growing.push(Batch { deletes: deletes.collect(), ..Batch::default() });
        let mut tuples: Vec<(TupleKey, TupleRecord)> = Vec::new();
        for batch in growing {
            let written = batch.writes.iter().map(|write| &write.key);
            let of = |key: &TupleKey| world.stored.iter().find(|(own, _)| own == key).unwrap().clone();
            tuples.extend(written.map(of));
            tuples.retain(|(key, _)| !batch.deletes.iter().any(|delete| delete.key == *key));
            database.commit(store, batch).unwrap();
            grown.states.push((database.snapshot(store).unwrap().unwrap(), tuples.clone()));
            ask(&grown, grown.states.len() - 1);
        }
        grown
    }

    /// A decision at a state, by way of the cache or without it.
    fn decide(
        &self,
        state: usize,
        at: Instant,
        limits: EvaluationLimits,
        (object, relation, subject): (&Object, &str, &Subject),
        cached: bool,
    ) -> Result<Decision, EvalError> {
        let snapshot = &self.states[state].0;
        let context = Context::new();
        let view = self.cache.view(self.scope, snapshot.sequence(), at);
        let evaluation =
            Evaluation::new(&self.plan, snapshot, ContextualTuples::default(), &context, at, limits);
        let mut evaluation = if cached { evaluation.with_memo(&view) } else { evaluation };
        let mut evaluate = || evaluation.check(object.as_ref(), relation, subject.as_ref());
        if !cached {
            return evaluate();
        }
        let question = TupleRef { object: object.as_ref(), relation, subject: subject.as_ref() };
        let room = Room { height_max: limits.depth_max, reads_max: limits.reads_max };
        view.decide(question, room, |kept, _| Ok(kept.decision), evaluate)
    }
}

fn unlimited(number: usize) -> EvaluationLimits {
    EvaluationLimits {
        depth_max: 1000,
        reads_max: 10_000_000,
        narrow_entries: 1 + number % 8,
        ..EvaluationLimits::default()
    }
}

/// At each state as it comes about, then at all of them backwards: time runs forwards at every second one.
fn no_difference(world: &World) -> Result<(), TestCaseError> {
    let instants: Vec<Instant> = instants().collect();
    let mut held: Vec<Vec<Vec<_>>> = Vec::new();
    let mut all = |grown: &Grown, state: usize| {
        if held.len() == state {
            let oracle = |at: &Instant| {
                let oracle = Oracle::new(&world.model, &grown.states[state].1, World::objects(), *at);
                world.subjects.iter().map(|subject| oracle.held(subject)).collect::<Vec<_>>()
            };
            held.push(instants.iter().map(oracle).collect());
        }
        let mut order: Vec<usize> = vec![0, 1, 3, 5];
        if state % 2 == 1 {
            order.reverse();
        }
        for index in order {
            for (who, subject) in world.subjects.iter().enumerate() {
                for (number, object) in World::objects().enumerate() {
                    for relation in ["a", "b", "c", "d"] {
                        let at = instants[index];
                        let asked = (&object, relation, subject);
                        let decision = grown.decide(state, at, unlimited(number), asked, true).unwrap();
                        let expected = held[state][index][who].contains(&(object.clone(), relation.into()));
                        assert_eq!(
                            decision.allowed, expected,
                            "{object}#{relation}@{subject} at {at}, state {state}: {decision:?}\n{world:#?}"
                        );
                        for later in index..instants.len() {
                            if decision.stable_until.is_none_or(|end| instants[later] < end) {
                                let then = &held[state][later][who];
                                assert_eq!(
                                    decision.allowed,
                                    then.contains(&(object.clone(), relation.into())),
                                    "until {}: {object}#{relation}@{subject}: {decision:?}\n{world:#?}",
                                    instants[later]
                                );
                            }
                        }
                    }
                }
            }
        }
    };
    let grown = Grown::new(world, &mut all);
    for state in (0..grown.states.len()).rev() {
        all(&grown, state);
    }
    Ok(())
}

#[test]
fn at_every_revision_and_instant_the_cache_says_what_the_oracle_says() {
    property(20, 60..260, World::read, no_difference);
}

#[test]
fn circles_through_operators_leave_no_false_facts() {
    property(40, 150..420, World::read_tangled, no_difference);
}

/// Where limits are low, an answer by way of the cache is that of an evaluation without limits.
#[test]
fn a_limit_is_never_kept_as_an_answer() {
    property(20, 60..260, World::read, |world| {
        let all = |grown: &Grown, state: usize| {
            for (number, object) in World::objects().enumerate() {
                for subject in &world.subjects {
                    for relation in ["a", "b", "c", "d"] {
                        let asked = (&object, relation, subject);
                        let at = instants().next().unwrap();
                        let depth_max = u32::try_from(number % 4).unwrap();
                        let reads_max = if number % 2 == 0 { 10_000_000 } else { 12 };
                        let limits = EvaluationLimits {
                            depth_max,
                            reads_max,
                            narrow_entries: 1 + number % 2,
                            decided_anew_max: 0,
                        };
                        let full = grown.decide(state, at, unlimited(number), asked, false).unwrap();
                        for _ in 0..2 {
                            if let Ok(decision) = grown.decide(state, at, limits, asked, true) {
                                assert_eq!(decision.allowed, full.allowed, "{asked:?}\n{world:#?}");
                            }
                        }
                    }
                }
            }
        };
        Grown::new(world, all);
        Ok(())
    });
}

/// One question in one scope, kept at state 1 of a world of one tuple and no other.
fn kept(height: u32, reads: u64) -> (Grown, TupleKey) {
    let world = World::read(&[]);
    let grown = Grown::new(&world, |_, _| ());
    let question = TupleKey::parse("group:1", "a", "user:ann").unwrap();
    let snapshot = &grown.states[0].0;
    let decision = Decision { allowed: true, stable_until: Some(instant(20)) };
    let view = grown.cache.view(grown.scope, snapshot.sequence(), instant(10));
    view.keep(question.as_ref(), KeptDecision { decision, height, reads }, &[7]);
    (grown, question)
}

#[test]
fn an_entry_serves_from_its_instant_to_its_end_and_within_its_room_only() {
    let (grown, question) = kept(3, 100);
    let sequence = grown.states[0].0.sequence();
    let all = Room { height_max: u32::MAX, reads_max: u64::MAX };
    let found = |scope, at, room| {
        let view = grown.cache.view(scope, sequence, at);
        view.find(question.as_ref(), room, &mut ReadSet::default()).is_some()
    };
    assert!(!found(grown.scope, instant(10).saturating_add_micros(-1), all));
    assert!(found(grown.scope, instant(10), all));
    assert!(found(grown.scope, instant(20).saturating_add_micros(-1), all));
    assert!(!found(grown.scope, instant(20), all));
    assert!(found(grown.scope, instant(10), Room { height_max: 3, reads_max: 100 }));
    assert!(!found(grown.scope, instant(10), Room { height_max: 2, reads_max: 100 }));
    assert!(!found(grown.scope, instant(10), Room { height_max: 3, reads_max: 99 }));
    for other in [
        Scope { epoch: 2, ..grown.scope },
        Scope { model: ModelId::from_bits(2), ..grown.scope },
        Scope { store: ModelId::from_bits(3), ..grown.scope },
    ] {
        assert!(!found(other, instant(10), all), "{other:?}");
    }
}
