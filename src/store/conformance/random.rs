//! Random batches: both implementations, and a plain ordered map, come to the same.

use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

type BeforeAndAfter = (Option<TupleRecord>, Option<TupleRecord>);

/// The whole of a store as a test would write it: what is where, and what was done.
#[derive(Clone, Default)]
struct Plain {
    tuples: BTreeMap<TupleKey, TupleRecord>,
    assertions: BTreeMap<ModelId, Vec<Assertion>>,
    revision: u64,
    /// The changes of each commit, by key.
    log: Vec<BTreeMap<TupleKey, BeforeAndAfter>>,
}

impl Plain {
    /// Commits a batch, or says in a word why not.
    fn commit(&mut self, batch: &Batch, at: Instant) -> Result<u64, &'static str> {
        for precondition in &batch.preconditions {
            let record = self.tuples.get(&precondition.key);
            let holds = match precondition.must {
                Requirement::Exist => record.is_some(),
                Requirement::NotExist => record.is_none(),
                Requirement::Live => record.is_some_and(|r| r.lifetime.is_live(at)),
            };
            if !holds {
                return Err("precondition");
            }
        }
        let mut tuples = self.tuples.clone();
        for delete in &batch.deletes {
            if tuples.remove(&delete.key).is_none() && delete.on_missing == OnMissing::Error {
                return Err("missing");
            }
        }
        for write in &batch.writes {
            let current = tuples.get(&write.key);
            let mut record = current.cloned().unwrap_or(TupleRecord {
                lifetime: Lifetime::default(),
                condition: None,
                written_at: at,
            });
            match &write.expires_at {
                Field::Absent => {}
                Field::Clear => record.lifetime.expires_at = None,
                Field::Set(end) => record.lifetime.expires_at = Some(*end),
            }
            match &write.paused {
                Field::Absent => {}
                Field::Clear => record.lifetime.paused = false,
                Field::Set(paused) => record.lifetime.paused = *paused,
            }
            match &write.condition {
                // A duplicate that is to be ignored states its condition, be it none.
                Field::Absent if write.on_duplicate == OnDuplicate::Ignore => record.condition = None,
                Field::Absent => {}
                Field::Clear => record.condition = None,
                Field::Set(condition) => record.condition = Some(condition.clone()),
            }
            match (current, write.on_duplicate) {
                (Some(_), OnDuplicate::Error) => return Err("exists"),
                (Some(current), OnDuplicate::Ignore) if *current != record => return Err("differs"),
                (Some(current), _) if *current == record => {}
                _ => {
                    record.written_at = at;
                    tuples.insert(write.key.clone(), record);
                }
            }
        }
        if let Some((model, assertions)) = &batch.assertions {
            self.assertions.insert(*model, assertions.clone());
        }
        if tuples != self.tuples || batch.model.is_some() || batch.assertions.is_some() {
            let keys = self.tuples.keys().chain(tuples.keys());
            let changes = keys.filter_map(|key| {
                let (before, after) = (self.tuples.get(key), tuples.get(key));
                (before != after).then(|| (key.clone(), (before.cloned(), after.cloned())))
            });
            self.log.push(changes.collect());
            self.tuples = tuples;
            self.revision += 1;
        }
        Ok(self.revision)
    }
}

fn word(error: &CommitError) -> &'static str {
    match error {
        CommitError::Precondition { .. } => "precondition",
        CommitError::TupleExists { .. } => "exists",
        CommitError::TupleMissing { .. } => "missing",
        CommitError::TupleDiffers { .. } => "differs",
        CommitError::StoreNotFound | CommitError::Conflict | CommitError::Store(_) => "broken",
    }
}

const OBJECTS: [&str; 4] = ["document:1", "document:10", "document:1\u{10ffff}", "doc:1"];
const MODELS: [ModelId; 2] = [ModelId::from_bits(1), ModelId::from_bits(2)];
const RELATIONS: [&str; 2] = ["viewer", "view"];
const SUBJECTS: [&str; 6] = ["user:a", "user:ab", "user:*", "group:a#member", "group:a#m", "use:ra"];

fn any_key() -> impl Strategy<Value = TupleKey> {
    let part = prop::sample::select::<&str>;
    (part(OBJECTS.to_vec()), part(RELATIONS.to_vec()), part(SUBJECTS.to_vec()))
        .prop_map(|(object, relation, subject)| TupleKey::parse(object, relation, subject).unwrap())
}

fn any_field<T: Clone + fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Field<T>> {
    prop_oneof![
        3 => Just(Field::Absent),
        1 => Just(Field::Clear),
        2 => prop::sample::select(values).prop_map(Field::Set),
    ]
}

fn any_write() -> impl Strategy<Value = Write> {
    let start = ManualClock::new().now();
    let ends = [1, 20, 1_000_000].map(|micros| start.saturating_add_micros(micros)).to_vec();
    let on_duplicate = prop_oneof![1 => Just(OnDuplicate::Error), 2 => Just(OnDuplicate::Ignore), 4 => Just(OnDuplicate::Update)];
    (
        any_key(),
        any_field(vec![condition("c"), condition("d")]),
        any_field(ends),
        any_field(vec![true, false]),
        on_duplicate,
    )
        .prop_map(|(key, condition, expires_at, paused, on_duplicate)| Write {
            key,
            condition,
            expires_at,
            paused,
            on_duplicate,
        })
}

/// Of two models that need not exist.
fn any_assertions() -> impl Strategy<Value = (ModelId, Vec<Assertion>)> {
    let tuples = prop::sample::subsequence(vec!["document:1#viewer@user:a", "document:1#view@user:*"], 0..=2);
    (prop::sample::select(MODELS.to_vec()), tuples).prop_map(|(model, tuples)| (model, allowed(&tuples)))
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let on_missing = prop_oneof![1 => Just(OnMissing::Error), 4 => Just(OnMissing::Ignore)];
    let delete = (any_key(), on_missing).prop_map(|(key, on_missing)| Delete { key, on_missing });
    let must = prop::sample::select(vec![Requirement::Exist, Requirement::NotExist, Requirement::Live]);
    let precondition = (any_key(), must).prop_map(|(key, must)| Precondition { key, must });
    (
        prop::collection::vec(delete, 0..4),
        prop::collection::vec(any_write(), 0..6),
        prop_oneof![6 => Just(Vec::new()), 1 => prop::collection::vec(precondition, 1..3)],
        prop::option::weighted(0.1, prop::sample::select(vec!["one", "two"])),
        prop::option::weighted(0.2, any_assertions()),
    )
        .prop_map(|(mut deletes, mut writes, preconditions, model_of, assertions)| {
            // The same key stands among the deletes once only, and among the writes.
            deletes.sort_by(|a, b| a.key.cmp(&b.key));
            deletes.dedup_by(|a, b| a.key == b.key);
            writes.sort_by(|a, b| a.key.cmp(&b.key));
            writes.dedup_by(|a, b| a.key == b.key);
            let model = model_of.map(model);
            Batch { preconditions, deletes, writes, model, assertions, ..Batch::default() }
        })
}

#[test]
fn both_implementations_and_a_plain_map_agree() {
    let (memory, rocks) = (memory(), rocks());
    let steps = prop::collection::vec((any::<bool>(), 0..10_i64, any_batch()), 1..25);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let run = |steps: Vec<(bool, i64, Batch)>| {
        // Two stores beside each other; each run has its own.
        let stores = [0, 1].map(|_| {
            let ids = (memory.db.create_store("run").unwrap().id, rocks.db.create_store("run").unwrap().id);
            (ids.0, ids.1, Plain::default())
        });
        let mut stores = stores;
        let mut kept = Vec::new();
        for (which, micros, batch) in steps {
            memory.clock.advance(micros);
            rocks.clock.advance(micros);
            let (in_memory, on_disk, plain) = &mut stores[usize::from(which)];
            let expected = plain.commit(&batch, memory.now());
            for outcome in
                [memory.db.commit(*in_memory, batch.clone()), rocks.db.commit(*on_disk, batch.clone())]
            {
                if let Ok(committed) = &outcome {
                    assert_eq!(committed.at, memory.now());
                    assert_eq!(committed.model.is_some(), batch.model.is_some());
                }
                let outcome = outcome.map(|committed| committed.revision.0).map_err(|error| word(&error));
                assert_eq!(outcome, expected);
            }
            let snapshots = (
                memory.db.snapshot(*in_memory).unwrap().unwrap(),
                rocks.db.snapshot(*on_disk).unwrap().unwrap(),
            );
            kept.push((snapshots, plain.clone()));
        }
        // All at the end, so that earlier snapshots have seen later commits pass.
        for ((in_memory, on_disk), plain) in kept {
            check(&in_memory, &plain);
            check(&on_disk, &plain);
            assert_eq!(
                changes(&in_memory, LogPosition::default()),
                changes(&on_disk, LogPosition::default()),
                "in the same order, too"
            );
        }
        Ok(())
    };
    runner.run(&steps, run).unwrap();
    let report = rocks.db.verify().unwrap();
    assert!(report.is_consistent(), "{report}");
}

/// Everything that a snapshot tells is what the plain map has.
fn check(snapshot: &impl Snapshot, plain: &Plain) {
    assert_eq!(snapshot.revision().0, plain.revision);
    let all: Vec<(TupleKey, TupleRecord)> = plain.tuples.clone().into_iter().collect();
    assert_eq!(page(snapshot, &TupleFilter::default(), None, usize::MAX), all);
    for model in MODELS {
        let expected = plain.assertions.get(&model).cloned().unwrap_or_default();
        assert_eq!(snapshot.assertions(model).unwrap(), expected);
    }

    let (mut subject_cursor, mut object_cursor) = (snapshot.subject_cursor(), snapshot.object_cursor());
    for object in OBJECTS.map(|text| ObjectRef::parse(text).unwrap()) {
        for relation in RELATIONS {
            for class in [SubjectClass::Object, SubjectClass::Wildcard, SubjectClass::Userset] {
                let expected: Vec<(String, TupleRecord)> = all
                    .iter()
                    .filter(|(key, _)| key.object.as_ref() == object && &*key.relation == relation)
                    .filter(|(key, _)| key.subject.as_ref().class() == class)
                    .map(|(key, record)| (key.subject.to_string(), record.clone()))
                    .collect();
                assert_eq!(subjects(&mut subject_cursor, object, relation, class), expected);
            }
            for subject in SUBJECTS.map(|text| SubjectRef::parse(text).unwrap()) {
                let key = TupleRef { object, relation, subject };
                assert_eq!(snapshot.tuple(key).unwrap().as_ref(), plain.tuples.get(&key.to_owned()));
                let expected: Vec<(String, TupleRecord)> = all
                    .iter()
                    .filter(|(key, _)| {
                        *key.object.type_name == *object.type_name && &*key.relation == relation
                    })
                    .filter(|(key, _)| key.subject.as_ref() == subject)
                    .map(|(key, record)| (key.object.id.to_string(), record.clone()))
                    .collect();
                assert_eq!(objects(&mut object_cursor, subject, object.type_name, relation), expected);
            }
        }
    }

    let mut log: Vec<BTreeMap<_, _>> = vec![BTreeMap::new(); plain.log.len()];
    for change in changes(snapshot, LogPosition::default()) {
        let commit = &mut log[change.position.revision.0 as usize - 1];
        assert!(commit.insert(change.key, (change.before, change.after)).is_none(), "a key changes once");
        assert_eq!(change.position.index as usize, commit.len());
    }
    assert_eq!(log, plain.log);
}
