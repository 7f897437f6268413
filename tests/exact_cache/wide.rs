//! Where the object's side is wide, a check is decided from the subject's side: what changes there ends kept decisions too.

use std::fmt::Write as _;

use tenure::engine::{CheckRequest, Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Object, StoreId, Subject, TupleKey};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Delete, Field, OnDuplicate, OnMissing, Write};

use crate::clock::ManualClock;

const MODEL: &str = "
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user, group#member]
type document
  relations
    define parent: [folder]
    define viewer: [group#member] or viewer from parent
";

struct Wide {
    engine: Engine<MemoryDatabase>,
    store: StoreId,
}

fn keys(lines: &str) -> impl Iterator<Item = TupleKey> {
    lines.split_whitespace().map(|line| {
        let (userset, subject) = line.split_once('@').unwrap();
        let (object, relation) = userset.split_once('#').unwrap();
        TupleKey::parse(object, relation, subject).unwrap()
    })
}

impl Wide {
    /// A document with 40 groups and in 40 folders.
    fn new() -> Self {
        let engine = Engine::new(MemoryDatabase::new(ManualClock::new()), EvaluationLimits::default());
        let store = engine.create_store("wide").unwrap().id;
        engine.write_model(store, tenure::schema::parse(MODEL).unwrap()).unwrap();
        let wide = Self { engine, store };
        let mut tuples = String::new();
        for n in 0..40 {
            writeln!(tuples, "document:1#viewer@group:{n}#member document:1#parent@folder:{n}").unwrap();
        }
        wide.write(&tuples);
        wide
    }

    fn write(&self, tuples: &str) {
        let write = |key| Write {
            key,
            condition: Field::Absent,
            expires_at: Field::Absent,
            paused: Field::Absent,
            on_duplicate: OnDuplicate::Error,
        };
        let writes = keys(tuples).map(write).collect();
        self.engine.write(self.store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
    }

    fn delete(&self, tuple: &str) {
        let deletes = keys(tuple).map(|key| Delete { key, on_missing: OnMissing::Error }).collect();
        self.engine.write(self.store, WriteRequest { deletes, ..WriteRequest::default() }).unwrap();
    }

    /// Asks twice; the second time it is kept.
    fn sees(&self) -> bool {
        let check = CheckRequest {
            object: Object::parse("document:1").unwrap(),
            relation: "viewer".into(),
            subject: Subject::parse("user:ann").unwrap(),
        };
        let ask = || self.engine.check_counted(self.store, &QueryContext::default(), &check).unwrap();
        let (first, (second, counts)) = (ask().0, ask());
        assert_eq!(first.value, second.value);
        assert_eq!(counts.made(), 0, "it was not kept");
        second.value.allowed
    }
}

#[test]
fn what_changes_on_the_subjects_side_ends_what_was_decided_from_there() {
    let wide = Wide::new();
    assert!(!wide.sees());
    for way in [
        "group:33#member@user:ann",
        "folder:35#viewer@user:ann",
        "group:away#member@user:ann group:31#member@group:away#member",
        "group:away#member@user:ann folder:31#viewer@group:away#member",
    ] {
        wide.write(way);
        assert!(wide.sees(), "{way}");
        for tuple in way.split(' ').rev() {
            wide.delete(tuple);
            assert!(!wide.sees(), "{way} without {tuple}");
        }
        wide.write(way.split(' ').next().unwrap());
        assert_eq!(wide.sees(), !way.contains(' '), "{way}");
        wide.delete(way.split(' ').next().unwrap());
        assert!(!wide.sees(), "{way}");
    }
}

#[test]
fn what_changes_on_the_objects_side_ends_it_too() {
    let wide = Wide::new();
    wide.write("group:new#member@user:ann folder:new#viewer@user:ann");
    assert!(!wide.sees());
    for way in ["document:1#viewer@group:new#member", "document:1#parent@folder:new"] {
        wide.write(way);
        assert!(wide.sees(), "{way}");
        wide.delete(way);
        assert!(!wide.sees(), "{way}");
    }
}
