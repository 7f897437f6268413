//! What limits do, what a decision costs, and up to when it holds.

use std::borrow::Borrow;
use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::Arc;

use tenure::cel::Context;
use tenure::engine::{
    BatchCheckItem, CheckAnswer, CheckRequest, ContextualTuple, Engine, EngineError, QueryContext,
    WriteRequest,
};
use tenure::eval::{LimitReached, ReadCounts};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{
    Clock, Instant, Lifetime, Object, StoreId, Subject, TupleCondition, TupleKey, TupleRecord,
};
use tenure::schema;
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};

use crate::generate::instant;

struct Noon;
impl Clock for Noon {
    fn now(&self) -> Instant {
        instant(100)
    }
}

/// A store with a model and tuples, each `object relation subject`, behind it an end in seconds if it has one and `with`
/// and a condition if it is under one.
pub struct World {
    pub engine: Engine<MemoryDatabase>,
    pub store: StoreId,
}

fn parse(line: &str) -> (TupleKey, Option<Instant>) {
    let parts: Vec<&str> = line.split_whitespace().collect();
    let [object, relation, subject, end @ ..] = &parts[..] else { panic!("{line}") };
    let end = end.first().map(|seconds| instant(seconds.parse().unwrap()));
    (TupleKey::parse(object, relation, subject).unwrap(), end)
}

impl World {
    pub fn new(limits: EvaluationLimits, model: &str, tuples: &str) -> Self {
        // What is limited is evaluations.
        let engine = Engine::new(MemoryDatabase::new(Arc::new(Noon)), limits).with_decision_cache(0);
        let store = engine.create_store("limits").unwrap().id;
        engine
            .write_model(store, schema::parse(model).unwrap_or_else(|e| panic!("{}", e.render("", false))))
            .unwrap();
        let write = |line: &str| {
            let (line, condition) =
                line.split_once(" with ").map_or((line, None), |(line, name)| (line, Some(name)));
            let (key, end) = parse(line);
            let expires_at = end.map_or(Field::Absent, Field::Set);
            let of_name = |name: &str| TupleCondition { name: name.into(), context: "{}".into() };
            let condition = condition.map(of_name).map_or(Field::Absent, Field::Set);
            let paused = Field::Absent;
            Write { key, condition, expires_at, paused, on_duplicate: OnDuplicate::Error }
        };
        let writes = tuples.lines().map(str::trim).filter(|line| !line.is_empty()).map(write).collect();
        engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
        Self { engine, store }
    }

    fn counted(&self, question: &str, given: &[&str]) -> Result<(CheckAnswer, ReadCounts), EngineError> {
        let (key, _) = parse(question);
        let request = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
        let contextual = |line: &&str| {
            let (key, expires_at) = parse(line);
            let lifetime = Lifetime { expires_at, paused: false };
            ContextualTuple { key, record: TupleRecord { lifetime, condition: None, written_at: instant(0) } }
        };
        let context = QueryContext {
            contextual_tuples: given.iter().map(contextual).collect(),
            ..QueryContext::default()
        };
        self.engine
            .check_counted(self.store, &context, &request)
            .map(|(answer, counts)| (answer.value, counts))
    }

    fn allowed(&self, question: &str) -> Result<bool, EngineError> {
        self.counted(question, &[]).map(|(answer, _)| answer.allowed)
    }

    /// The decision with the second up to which it is stable.
    fn until(&self, question: &str) -> (bool, Option<i64>) {
        let (answer, _) = self.counted(question, &[]).unwrap();
        (answer.allowed, answer.stable_until.map(|end| end.unix_micros() / 1_000_000))
    }
}

fn is_depth(outcome: Result<bool, EngineError>) -> bool {
    matches!(outcome, Err(EngineError::TooComplex { limit: LimitReached::Depth { hops: 25 } }))
}

const GROUPS: &str = "
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type document
  relations
    define owner: [user]
    define never: [user]
    define group: [group]
    define viewer: [group#member] or owner
    define signer: [group#member] and never
    define reader: owner but not member from group
";

/// group:0 holds group:1 holds … holds group:n holds user:ann.
fn chain(n: usize) -> String {
    let mut tuples = String::new();
    for i in 0..n {
        writeln!(tuples, "group:{i} member group:{}#member", i + 1).unwrap();
    }
    writeln!(tuples, "group:{n} member user:ann\ndocument:1 viewer group:0#member").unwrap();
    writeln!(tuples, "document:1 signer group:0#member\ndocument:1 owner user:ann\ndocument:1 group group:0")
        .unwrap();
    tuples
}

#[test]
fn a_chain_of_25_hops_is_walked_and_one_of_26_is_an_error() {
    let limits = EvaluationLimits::default();
    let world = World::new(limits, GROUPS, &chain(25));
    assert!(world.allowed("group:0 member user:ann").unwrap());
    assert!(!world.allowed("group:0 member user:bob").unwrap());
    let world = World::new(limits, GROUPS, &chain(26));
    assert!(is_depth(world.allowed("group:0 member user:ann")));
    assert!(is_depth(world.allowed("group:0 member user:bob")), "not known to be a denial");
}

#[test]
fn what_is_false_by_a_circle_only_does_not_hide_that_the_rest_is_not_known() {
    const CIRCLE: &str = "
model
  schema 1.1
type user
type group
  relations
    define parent: [group]
    define deep: [user, group#deep]
    define same: [user, group#allowed]
    define allowed: [user] but not (same and deep from parent)
";
    // Who is allowed is in `same`; whether that takes anything away depends on `deep` alone, which nobody is.
    let tuples = "
group:1 allowed user:ann
group:1 same group:1#allowed
group:1 parent group:2
group:2 deep group:3#deep
group:3 deep group:4#deep
group:4 deep user:bob
";
    let allowed = |depth_max| {
        let limits = EvaluationLimits { depth_max, ..EvaluationLimits::default() };
        World::new(limits, CIRCLE, tuples).allowed("group:1 allowed user:ann")
    };
    assert!(allowed(25).unwrap());
    assert!(matches!(allowed(2), Err(EngineError::TooComplex { .. })), "not known to be a denial");
}

#[test]
fn a_path_that_decides_wins_over_one_that_is_too_long() {
    let world = World::new(EvaluationLimits::default(), GROUPS, &chain(26));
    assert!(world.allowed("document:1 viewer user:ann").unwrap(), "true wins in a union");
    assert!(is_depth(world.allowed("document:1 viewer user:bob")));
    assert!(!world.allowed("document:1 signer user:ann").unwrap(), "false wins in an intersection");
    assert!(is_depth(world.allowed("document:1 reader user:ann")), "an unknown subtrahend allows nothing");
    assert!(!world.allowed("document:1 reader user:bob").unwrap(), "a false base wins");
}

#[test]
fn a_cycle_is_no_chain() {
    let mut tuples = chain(20);
    tuples.push_str("group:20 member group:0#member\n");
    let world = World::new(EvaluationLimits::default(), GROUPS, &tuples);
    assert!(!world.allowed("group:0 member user:bob").unwrap());
}

const GUARDED: &str = "
model
  schema 1.1
type user
type group
  relations
    define blocked: [user]
    define active: [user, user:*]
    define member: [user, group#member] but not blocked
    define signer: [user, group#signer] and active
";

#[test]
fn groups_that_all_contain_each_other_are_asked_once_each() {
    let mut tuples = String::new();
    for group in 0..15 {
        writeln!(tuples, "group:{group} active user:*").unwrap();
        for other in (0..15).filter(|other| *other != group) {
            writeln!(tuples, "group:{group} member group:{other}#member").unwrap();
            writeln!(tuples, "group:{group} signer group:{other}#signer").unwrap();
        }
    }
    writeln!(tuples, "group:14 member user:ann\ngroup:14 signer user:ann").unwrap();
    writeln!(tuples, "group:14 member user:cid\ngroup:14 blocked user:cid\ngroup:0 blocked user:ann")
        .unwrap();
    let limits = EvaluationLimits { reads_max: 5_000, ..EvaluationLimits::default() };
    let world = World::new(limits, GUARDED, &tuples);
    for (question, expected) in [
        ("group:3 member user:ann", true),
        ("group:3 signer user:ann", true),
        ("group:0 member user:ann", false),
        ("group:3 member user:bob", false),
        ("group:3 signer user:bob", false),
        ("group:3 member user:cid", false),
        ("group:14 member user:cid", false),
    ] {
        assert_eq!(world.allowed(question).unwrap(), expected, "{question}");
    }
}

#[test]
fn a_condition_that_fails_in_a_circle_is_met_once() {
    let model = "
model
  schema 1.1
type user
type group
  relations
    define parent: [group]
    define doubtful: [user with is_open]
    define base: [user]
    define member: doubtful or (member from parent and member from parent)
    define diamond: doubtful or base or (diamond from parent and diamond from parent)
condition is_open(open: bool) {
  open
}
";
    let mut tuples = "group:0 doubtful user:ann with is_open\ngroup:1 base user:bob\n".to_owned();
    for (group, other) in (0..9).flat_map(|group| (0..9).map(move |other| (group, other))) {
        writeln!(tuples, "group:{group} parent group:{other}").unwrap();
    }
    let limits = EvaluationLimits { reads_max: 20_000, ..EvaluationLimits::default() };
    let world = World::new(limits, model, &tuples);
    for group in [0, 5] {
        let asked = format!("group:{group} member user:ann");
        assert!(
            matches!(world.allowed(&asked), Err(EngineError::Condition(_))),
            "{:?}",
            world.allowed(&asked)
        );
        assert!(!world.allowed(&format!("group:{group} member user:bob")).unwrap());
        assert!(world.allowed(&format!("group:{group} diamond user:bob")).unwrap());
    }
}

#[test]
fn the_budget_of_reads_ends_an_evaluation_with_an_error() {
    let limits = EvaluationLimits { reads_max: 20, ..EvaluationLimits::default() };
    let world = World::new(limits, GROUPS, &chain(15));
    let outcome = world.allowed("group:0 member user:ann");
    assert!(matches!(outcome, Err(EngineError::TooComplex { limit: LimitReached::Reads { reads: 20 } })));
    assert!(world.allowed("group:14 member user:ann").unwrap());
}

#[test]
fn operators_within_operators_are_decided_however_deep() {
    let mut model =
        "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define r0: [user]\n".to_owned();
    for i in 1..400 {
        writeln!(model, "    define r{i}: [user] and r{}", i - 1).unwrap();
    }
    let tuples: String = (0..400).fold(String::new(), |all, i| all + &format!("document:1 r{i} user:ann\n"));
    let world = World::new(EvaluationLimits::default(), &model, &tuples);
    assert!(world.allowed("document:1 r20 user:ann").unwrap());
    assert!(world.allowed("document:1 r399 user:ann").unwrap());
    assert!(!world.allowed("document:1 r399 user:bob").unwrap());
}

#[test]
fn a_wide_relation_costs_what_the_narrow_side_costs() {
    let mut tuples = String::new();
    for i in 0..2000 {
        writeln!(tuples, "document:1 viewer group:{i}#member\ngroup:{i} member user:u{i}").unwrap();
    }
    writeln!(tuples, "group:other member user:zoe").unwrap();
    let world = World::new(EvaluationLimits::default(), GROUPS, &tuples);
    for (question, expected) in [
        ("document:1 viewer user:u1999", true),
        ("document:1 viewer user:u0", true),
        ("document:1 viewer user:zoe", false),
        ("document:1 viewer user:stranger", false),
    ] {
        let (answer, counts) = world.counted(question, &[]).unwrap();
        assert_eq!(answer.allowed, expected, "{question}");
        assert!(counts.total() < 60, "{question}: {counts:?}");
    }
    let (answer, _) =
        world.counted("document:1 viewer user:stranger", &["group:7 member user:stranger"]).unwrap();
    assert!(answer.allowed, "contextual tuples are met from the subject's side too");
    let given = ["document:1 viewer group:new#member", "group:new member user:stranger"];
    assert!(world.counted("document:1 viewer user:stranger", &given).unwrap().0.allowed);
}

#[test]
fn what_cannot_lead_to_the_subject_is_not_read() {
    let world = World::new(EvaluationLimits::default(), GROUPS, &chain(3));
    let (answer, counts) = world.counted("document:1 group user:ann", &[]).unwrap();
    assert!(!answer.allowed);
    assert_eq!(counts, ReadCounts::default());
    let (answer, counts) = world.counted("document:1 owner user:ann", &[]).unwrap();
    assert!(answer.allowed);
    assert_eq!(counts, ReadCounts { points: 1, ..ReadCounts::default() });
}

const SHARED: &str = "
model
  schema 1.1
type user
type group
  relations
    define member: [user]
type document
  relations
    define parent: [group]
    define banned: [user]
    define viewer: [user, group#member]
    define reader: viewer but not banned
    define signer: [user] and viewer
    define inherited: member from parent
";

#[test]
fn a_decision_says_up_to_when_time_alone_leaves_it() {
    let tuples = "
        group:1 member user:ann 300
        document:1 viewer group:1#member 200
        document:1 parent group:1 250
        document:1 viewer user:bob
        document:1 banned user:bob 150
        document:1 signer user:ann 400
        document:2 viewer user:ann 90
        document:3 viewer user:cid 500
        document:3 banned user:cid 120";
    let world = World::new(EvaluationLimits::default(), SHARED, tuples);
    for (question, expected) in [
        ("document:1 viewer user:bob", (true, None)),
        ("document:1 viewer user:ann", (true, Some(200))),
        ("document:1 inherited user:ann", (true, Some(250))),
        ("document:1 signer user:ann", (true, Some(200))),
        ("document:1 viewer user:zoe", (false, None)),
        ("document:1 reader user:bob", (false, Some(150))),
        ("document:1 reader user:ann", (true, Some(200))),
        ("document:2 viewer user:ann", (false, None)),
        ("document:3 reader user:cid", (false, Some(120))),
    ] {
        assert_eq!(world.until(question), expected, "{question}");
    }
}

#[test]
fn a_contextual_tuple_stands_in_the_place_of_the_stored_one() {
    let world = World::new(EvaluationLimits::default(), SHARED, "document:1 viewer user:ann 300");
    let (answer, _) =
        world.counted("document:1 viewer user:ann", &["document:1 viewer user:ann 50"]).unwrap();
    assert!(!answer.allowed, "it has expired");
    let (answer, _) =
        world.counted("document:1 viewer user:ann", &["document:1 viewer user:ann 150"]).unwrap();
    assert_eq!((answer.allowed, answer.stable_until), (true, Some(instant(150))));
    let invalid = world.counted("document:1 viewer user:ann", &["document:1 reader user:ann"]);
    assert!(matches!(invalid, Err(EngineError::InvalidTuple { contextual: true, .. })));
}

#[test]
fn what_the_model_does_not_have_is_refused() {
    let world = World::new(EvaluationLimits::default(), SHARED, "");
    assert!(matches!(world.allowed("folder:1 viewer user:ann"), Err(EngineError::TypeNotFound { .. })));
    assert!(matches!(world.allowed("document:1 editor user:ann"), Err(EngineError::RelationNotFound { .. })));
    assert!(matches!(world.allowed("document:1 viewer robot:1"), Err(EngineError::InvalidSubject { .. })));
    assert!(matches!(
        world.allowed("document:1 viewer group:1#owner"),
        Err(EngineError::InvalidSubject { .. })
    ));
    let request = CheckRequest {
        object: Object::parse("document:1").unwrap(),
        relation: "viewer".into(),
        subject: Subject::parse("user:ann").unwrap(),
    };
    let context =
        QueryContext { at_least_revision: Some(tenure::model::Revision(99)), ..QueryContext::default() };
    let outcome = world.engine.check(world.store, &context, &request);
    assert!(matches!(outcome, Err(EngineError::RevisionNotReached { .. })));
}

#[test]
fn more_kinds_of_usersets_than_are_kept_are_answered_all_the_same() {
    let mut model =
        "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define r0: [user]\n".to_owned();
    for i in 1..200 {
        writeln!(model, "    define r{i}: [user, document#r{}] or r{}", i - 1, i - 1).unwrap();
    }
    let world = World::new(EvaluationLimits::default(), &model, "document:1 r150 document:2#r149");
    for _ in 0..2 {
        for i in 0..199 {
            assert!(world.allowed(&format!("document:1 r{} document:1#r{i}", i + 1)).unwrap(), "{i}");
            assert!(!world.allowed(&format!("document:1 r0 document:1#r{}", i + 1)).unwrap(), "{i}");
            let through = world.allowed(&format!("document:1 r150 document:2#r{i}")).unwrap();
            assert_eq!(through, i <= 149, "{i}");
        }
    }
}

#[test]
fn what_takes_more_reads_than_it_may_at_once_is_left_undecided() {
    let mut world = World::new(EvaluationLimits::default(), GROUPS, &chain(10));
    world.engine = world.engine.with_decision_cache(1 << 20);
    let (key, _) = parse("group:0 member user:ann");
    let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
    let context = QueryContext::default();
    let at_once = |reads_max| {
        let decided = world.engine.check_at_once(world.store, &context, &check, reads_max, None).unwrap();
        decided.map(|(answer, _)| answer.value.allowed)
    };
    assert_eq!(at_once(5), None);
    assert_eq!(at_once(100), Some(true));
    assert_eq!(at_once(0), Some(true), "what is kept is not read again");
}

#[test]
fn a_check_whose_model_is_not_compiled_is_left_undecided_at_once() {
    let world = World::new(EvaluationLimits::default(), GROUPS, &chain(1));
    let (key, _) = parse("group:0 member user:ann");
    let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
    let context = QueryContext::default();
    let at_once = || {
        let decided = world.engine.check_at_once(world.store, &context, &check, 100, None).unwrap();
        decided.map(|(answer, _)| answer.value.allowed)
    };
    assert_eq!(at_once(), Some(true), "the write of the tuples has compiled the model");
    world.engine.write_model(world.store, schema::parse(GROUPS).unwrap()).unwrap();
    assert_eq!(at_once(), None);
    assert!(world.allowed("group:0 member user:ann").unwrap());
    assert_eq!(at_once(), Some(true));
}

#[test]
fn a_batch_has_one_budget() {
    let limits = EvaluationLimits { reads_max: 40, ..EvaluationLimits::default() };
    let world = World::new(limits, GROUPS, &chain(10));
    let (key, _) = parse("group:0 member user:ann");
    let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
    let item = BatchCheckItem { check, contextual_tuples: Vec::new(), context: Context::new() };
    let (answer, counts) =
        world.engine.batch_check(world.store, &QueryContext::default(), &vec![item; 10]).unwrap();
    assert!(answer.value[0].as_ref().unwrap().allowed);
    let last = answer.value.last().unwrap();
    assert!(matches!(last, Err(EngineError::TooComplex { limit: LimitReached::Reads { reads: 40 } })));
    assert!(counts.total() < 100, "{counts:?}");
}

/// One that is counted while it is there.
struct Alive<'c> {
    item: BatchCheckItem,
    alive: &'c Cell<usize>,
}

impl Borrow<BatchCheckItem> for Alive<'_> {
    fn borrow(&self) -> &BatchCheckItem {
        &self.item
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}

#[test]
fn a_batch_takes_each_check_when_it_is_its_turn_and_lets_it_go() {
    let world = World::new(EvaluationLimits::default(), GROUPS, &chain(10));
    let (key, _) = parse("group:0 member user:ann");
    let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
    let item = BatchCheckItem { check, contextual_tuples: Vec::new(), context: Context::new() };
    let (alive, made) = (Cell::new(0), Cell::new(0));
    let checks = (0..10).map(|_| {
        assert_eq!(alive.replace(1), 0, "the one before is still there");
        made.set(made.get() + 1);
        Alive { item: item.clone(), alive: &alive }
    });
    let batch = |checks, until| {
        world.engine.batch_check_until(world.store, &QueryContext::default(), checks, until, None).unwrap()
    };
    let (answer, _) = batch(checks.clone(), None);
    assert_eq!((answer.value.len(), made.take()), (10, 10));
    let (answer, _) = batch(checks, Some(true));
    assert_eq!((answer.value.len(), made.take()), (1, 1));
}
