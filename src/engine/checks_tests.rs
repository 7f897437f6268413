//! What an observer of checks is told, and for how long in short.

use std::sync::{Mutex, PoisonError};

use super::*;
use crate::engine::{QueryContext, WriteRequest};
use crate::eval::Dependency;
use crate::model::limits::EvaluationLimits;
use crate::model::{Clock, ObjectRef, SubjectRef};
use crate::store::memory::MemoryDatabase;
use crate::store::{Field, OnDuplicate, Write};

/// Stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::from_unix_micros(0).unwrap()
    }
}

type Snapshots = <MemoryDatabase as Database>::Snapshot;

/// What it was told.
#[derive(Default)]
struct Witness {
    in_full: Mutex<Vec<DecidedCheck<Snapshots>>>,
    in_short: Mutex<Vec<(u64, Revision)>>,
    has_no_room: bool,
}

impl CheckObserver<Snapshots> for Witness {
    fn wants(&self, check: &CheckRequest) -> bool {
        *check.relation == *"viewer"
    }

    fn has_room(&self) -> bool {
        true
    }

    fn remarked(&self, code: u64, _: Instant, revision: Revision) -> Told {
        if self.has_no_room {
            return Told::Nothing;
        }
        self.in_short.lock().unwrap_or_else(PoisonError::into_inner).push((code, revision));
        Told::All
    }

    fn checked(&self, check: DecidedCheck<Snapshots>) {
        self.in_full.lock().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    fn settle(&self) {}
}

struct World {
    engine: Engine<MemoryDatabase>,
    store: StoreId,
    witness: Arc<Witness>,
}

impl World {
    fn new(witness: Witness) -> Self {
        let engine = Engine::new(MemoryDatabase::new(Arc::new(Still)), EvaluationLimits::default());
        let store = engine.create_store("checks").unwrap().id;
        let model = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user]\n    define note: [user]\n";
        engine.write_model(store, crate::schema::parse(model).unwrap()).unwrap();
        let witness = Arc::new(witness);
        engine.observe_checks(Arc::clone(&witness) as _);
        let world = Self { engine, store, witness };
        world.write("viewer", "ann");
        world
    }

    fn write(&self, relation: &str, user: &str) {
        let write = Write {
            key: TupleKey::parse("doc:1", relation, &format!("user:{user}")).unwrap(),
            condition: Field::Absent,
            expires_at: Field::Absent,
            paused: Field::Absent,
            on_duplicate: OnDuplicate::Error,
        };
        let request = WriteRequest { writes: vec![write], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap();
    }

    fn check(&self, relation: &str) {
        let TupleKey { object, relation, subject } = TupleKey::parse("doc:1", relation, "user:ann").unwrap();
        let request = CheckRequest { object, relation, subject };
        self.engine.check(self.store, &QueryContext::default(), &request).unwrap();
    }

    /// How often it was told in full and in short since this was asked last.
    fn told(&self) -> (usize, usize) {
        let in_full = std::mem::take(&mut *self.witness.in_full.lock().unwrap());
        (in_full.len(), std::mem::take(&mut *self.witness.in_short.lock().unwrap()).len())
    }

    /// Remarks on what it was told in full last, by a finding that rests on the notes of the document.
    fn remark(&self, code: u64) -> Option<Arc<Remark>> {
        let check = self.witness.in_full.lock().unwrap().pop().unwrap();
        let mut grounding = self.engine.grounding(self.store);
        let subject = SubjectRef::Object(ObjectRef { type_name: "user", id: "bob" });
        let object = ObjectRef { type_name: "doc", id: "1" };
        grounding.rest_on(Dependency::Point(TupleRef { object, relation: "note", subject }));
        let asked = check.asked().unwrap();
        self.engine.remark(&check, asked.as_ref(), code, grounding, 0)
    }
}

#[test]
fn a_check_is_told_in_short_as_long_as_the_decision_and_the_remark_hold() {
    let world = World::new(Witness::default());
    world.check("viewer");
    world.check("note");
    let remark = world.remark(7).unwrap();
    assert_eq!(world.told(), (0, 0), "what is not wanted is not told");
    world.check("viewer");
    // Of something else.
    world.write("viewer", "carl");
    world.check("viewer");
    assert_eq!(*world.witness.in_short.lock().unwrap(), [(7, Revision(2)), (7, Revision(3))]);
    assert_eq!(world.told(), (0, 2));
    world.write("note", "bob");
    world.check("viewer");
    assert_eq!(world.told(), (1, 0), "the decision holds, and the remark does not");
    assert_eq!(Arc::strong_count(&remark), 2, "it is kept with the decision");
}

#[test]
fn a_remark_goes_with_its_decision_and_with_the_next_remark() {
    let world = World::new(Witness::default());
    world.check("viewer");
    let first = world.remark(1).unwrap();
    world.write("note", "bob");
    world.check("viewer");
    let second = world.remark(2).unwrap();
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 2));
    let key = TupleKey::parse("doc:1", "viewer", "user:ann").unwrap();
    let delete = crate::store::Delete { key, on_missing: crate::store::OnMissing::Error };
    world
        .engine
        .write(world.store, WriteRequest { deletes: vec![delete], ..WriteRequest::default() })
        .unwrap();
    world.check("viewer");
    assert_eq!(world.told(), (1, 0));
    assert_eq!(Arc::strong_count(&second), 1);
}

#[test]
fn a_remark_on_another_decision_than_the_one_that_is_kept_is_not_taken() {
    let world = World::new(Witness::default());
    world.check("viewer");
    let key = TupleKey::parse("doc:1", "viewer", "user:ann").unwrap();
    let delete = crate::store::Delete { key, on_missing: crate::store::OnMissing::Error };
    world
        .engine
        .write(world.store, WriteRequest { deletes: vec![delete], ..WriteRequest::default() })
        .unwrap();
    let check = world.witness.in_full.lock().unwrap().pop().unwrap();
    world.check("viewer");
    let asked = check.asked().unwrap();
    let grounding = world.engine.grounding(world.store);
    assert!(world.engine.remark(&check, asked.as_ref(), 1, grounding, 0).is_none());
}

#[test]
fn who_has_no_room_in_short_is_told_in_full() {
    let world = World::new(Witness { has_no_room: true, ..Witness::default() });
    world.check("viewer");
    world.remark(1).unwrap();
    world.check("viewer");
    assert_eq!(world.told(), (1, 0));
    world.engine.observe_no_checks();
    world.check("viewer");
    assert_eq!(world.told(), (0, 0));
}
