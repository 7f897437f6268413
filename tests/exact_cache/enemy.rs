//! The new enemy: who lost access must not see what was added afterwards, by no answer that somebody kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tenure::engine::{CheckRequest, Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Clock, Object, StoreId, Subject, TupleKey};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Database, Delete, Field, OnDuplicate, OnMissing, Write};

use crate::clock::ManualClock;
use crate::hesitant::Hesitant;

const MODEL: &str = "
model
  schema 1.1
type user
type group
  relations
    define member: [user]
type folder
  relations
    define viewer: [group#member]
type document
  relations
    define parent: [folder]
    define viewer: viewer from parent
";

/// Times that access is lost and content added.
const TIMES: usize = 600;
const READERS: usize = 4;

struct Album<D: Database> {
    engine: Engine<Hesitant<D>>,
    store: StoreId,
}

impl<D: Database> Album<D> {
    fn write(&self, tuple: &str, expires_at: Field<tenure::model::Instant>, paused: Field<bool>) {
        let write = Write {
            key: key(tuple),
            condition: Field::Absent,
            expires_at,
            paused,
            on_duplicate: OnDuplicate::Update,
        };
        let request = WriteRequest { writes: vec![write], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap();
    }

    fn delete(&self, tuple: &str) {
        let delete = Delete { key: key(tuple), on_missing: OnMissing::Error };
        let request = WriteRequest { deletes: vec![delete], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap();
    }

    fn sees(&self, user: &str, object: &str) -> bool {
        let asked = CheckRequest {
            object: Object::parse(object).unwrap(),
            relation: "viewer".into(),
            subject: Subject::parse(user).unwrap(),
        };
        self.engine.check(self.store, &QueryContext::default(), &asked).unwrap().value.allowed
    }
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn key(tuple: &str) -> TupleKey {
    let (userset, subject) = tuple.split_once('@').unwrap();
    let (object, relation) = userset.split_once('#').unwrap();
    TupleKey::parse(object, relation, subject).unwrap()
}

#[test]
fn who_lost_access_never_sees_what_was_added_afterwards() {
    let clock = ManualClock::new();
    let database = Hesitant(MemoryDatabase::new(clock.clone()));
    let engine = Engine::new(database, EvaluationLimits::default());
    let store = engine.create_store("albums").unwrap().id;
    engine.write_model(store, tenure::schema::parse(MODEL).unwrap()).unwrap();
    let album = Arc::new(Album { engine, store });
    let (time, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let n = time.load(Ordering::Relaxed);
                    // Keeps what was true before: that the enemy sees the folder.
                    album.sees("user:enemy", &format!("folder:{n}"));
                    // Whoever sees the content knows that the enemy was out before it came.
                    if album.sees("user:friend", &format!("document:{n}")) {
                        seen.fetch_add(1, Ordering::Relaxed);
                        assert!(!album.sees("user:enemy", &format!("document:{n}")), "document {n}");
                        assert!(!album.sees("user:enemy", &format!("folder:{n}")), "folder {n}");
                    }
                }
            });
        }
        // Whatever ends the writer ends the readers.
        let _ending = Ending(&done);
        for n in 0..TIMES {
            time.store(n, Ordering::Relaxed);
            let (enemy, folder) = (format!("group:{n}#member@user:enemy"), format!("folder:{n}"));
            album.write(&format!("{folder}#viewer@group:{n}#member"), Field::Absent, Field::Absent);
            album.write(&format!("group:{n}#member@user:friend"), Field::Absent, Field::Absent);
            let end = clock.now().saturating_add_micros(5);
            album.write(&enemy, if n % 3 == 2 { Field::Set(end) } else { Field::Absent }, Field::Absent);
            assert!(album.sees("user:enemy", &folder));
            assert!(!album.sees("user:enemy", &format!("document:{n}")));
            match n % 3 {
                0 => album.delete(&enemy),
                1 => album.write(&enemy, Field::Absent, Field::Set(true)),
                _ => clock.advance(5),
            }
            album.write(&format!("document:{n}#parent@{folder}"), Field::Absent, Field::Absent);
            assert!(!album.sees("user:enemy", &format!("document:{n}")), "document {n}");
            assert!(!album.sees("user:enemy", &folder), "folder {n}");
            assert!(album.sees("user:friend", &format!("document:{n}")));
            // Until somebody else saw it too, or had the time to.
            for _ in 0..50 {
                if seen.load(Ordering::Relaxed) > n {
                    break;
                }
                thread::yield_now();
            }
        }
    });
    let statistics = album.engine.cache_statistics().unwrap();
    assert!(seen.load(Ordering::Relaxed) > 0 && statistics.whole_hits > 0, "{statistics:?}");
}
