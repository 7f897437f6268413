//! Random batches: both implementations, and a plain ordered map, come to the same.

use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::model::{Object, Subject};

type BeforeAndAfter = (Option<TupleRecord>, Option<TupleRecord>);

/// The whole of a store as a test would write it: what is where, and what was done.
#[derive(Clone, Default)]
struct Plain {
    tuples: BTreeMap<TupleKey, TupleRecord>,
    assertions: BTreeMap<ModelId, Vec<Assertion>>,
    documents: BTreeMap<DocumentKey, Box<[u8]>>,
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
        let mut documents = self.documents.clone();
        for change in &batch.documents {
            match &change.value {
                Some(value) => drop(documents.insert(change.key.clone(), value.clone())),
                None => drop(documents.remove(&change.key)),
            }
        }
        let same = tuples == self.tuples && documents == self.documents;
        if !same || batch.model.is_some() || batch.assertions.is_some() {
            let keys = self.tuples.keys().chain(tuples.keys());
            let changes = keys.filter_map(|key| {
                let (before, after) = (self.tuples.get(key), tuples.get(key));
                (before != after).then(|| (key.clone(), (before.cloned(), after.cloned())))
            });
            self.log.push(changes.collect());
            self.tuples = tuples;
            self.documents = documents;
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
const DOCUMENTS: [&[&str]; 4] = [&["a"], &["a", "b"], &["ab"], &["b"]];
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

/// A few documents whose keys begin alike, each once.
fn any_documents() -> impl Strategy<Value = Vec<DocumentChange>> {
    let all = DOCUMENTS.map(|parts| DocumentKey::new("kind", parts.iter().copied()));
    let values =
        prop::collection::vec(prop_oneof![Just(None), Just(Some("x")), Just(Some("y"))], DOCUMENTS.len());
    (prop::sample::subsequence(all.to_vec(), 0..=2), values).prop_map(|(keys, values)| {
        let one = |(key, value): (DocumentKey, Option<&str>)| DocumentChange {
            key,
            value: value.map(|text| text.as_bytes().into()),
        };
        keys.into_iter().zip(values).map(one).collect()
    })
}

/// What a command may read.
#[derive(Debug, Clone)]
enum Read {
    Tuple(TupleKey),
    Subjects(Object, String, SubjectClass),
    Objects(Subject, String, String),
    Filter(Option<String>, Option<String>, Option<Subject>),
    Document(DocumentKey),
    Documents(DocumentKey),
}

fn any_read() -> impl Strategy<Value = Read> {
    let filter = prop_oneof![
        any_key().prop_map(|key| (Some(key.object.type_name.to_string()), None, None)),
        any_key().prop_map(|key| (
            Some(key.object.type_name.to_string()),
            Some(key.object.id.to_string()),
            None
        )),
        any_key().prop_map(|key| (None, None, Some(key.subject))),
    ];
    let document = prop::sample::select(DOCUMENTS.to_vec());
    let document = document.prop_map(|parts| DocumentKey::new("kind", parts.iter().copied()));
    prop_oneof![
        any_key().prop_map(Read::Tuple),
        any_key().prop_map(|key| {
            let class = key.subject.as_ref().class();
            Read::Subjects(key.object, key.relation.into(), class)
        }),
        any_key().prop_map(|key| Read::Objects(
            key.subject,
            key.object.type_name.into(),
            key.relation.into()
        )),
        filter.prop_map(|(object_type, id, subject)| Read::Filter(object_type, id, subject)),
        document.clone().prop_map(Read::Document),
        document.prop_map(Read::Documents),
    ]
}

impl Read {
    /// What is answered, as a text.
    fn answer(&self, snapshot: &impl Snapshot) -> String {
        match self {
            Self::Tuple(key) => format!("{:?}", snapshot.tuple(key.as_ref()).unwrap()),
            Self::Subjects(object, relation, class) => {
                format!("{:?}", subjects(&mut snapshot.subject_cursor(), object.as_ref(), relation, *class))
            }
            Self::Objects(subject, object_type, relation) => {
                format!(
                    "{:?}",
                    objects(&mut snapshot.object_cursor(), subject.as_ref(), object_type, relation)
                )
            }
            Self::Filter(object_type, object_id, subject) => {
                let filter = TupleFilter {
                    object_type: object_type.as_deref(),
                    object_id: object_id.as_deref(),
                    relation: None,
                    subject: subject.as_ref().map(Subject::as_ref),
                };
                format!("{:?}", page(snapshot, &filter, None, usize::MAX))
            }
            Self::Document(key) => format!("{:?}", snapshot.document(key).unwrap()),
            Self::Documents(prefix) => format!("{:?}", documents(snapshot, prefix)),
        }
    }
}

fn documents(snapshot: &impl Snapshot, prefix: &DocumentKey) -> Vec<(DocumentKey, Box<[u8]>)> {
    let mut found = Vec::new();
    snapshot
        .documents(prefix, None, &mut |key, value| {
            found.push((key, value.into()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

/// Whatever a command has read and whatever was committed since: if it would read anything else now, it is refused. If
/// nothing at all was committed, it is not.
fn nothing_is_committed_on_what_does_not_hold_any_more<D: Database>(
    bench: &Bench<D>,
    (before, reads, since): Steps,
) {
    for batch in before {
        drop(bench.commit(batch));
    }
    let (earlier, tracked) = (bench.snapshot(), Tracked::new(bench.snapshot()));
    let answers: Vec<_> = reads.iter().map(|read| read.answer(&tracked)).collect();
    for batch in since {
        drop(bench.commit(batch));
    }
    let now = bench.snapshot();
    let changed = reads.iter().zip(&answers).any(|(read, answer)| read.answer(&now) != *answer);
    let batch = Batch { reads: Some(tracked.into_reads()), ..writes(&["own:1#own@user:own"]) };
    match bench.commit(batch) {
        Err(CommitError::Conflict) => assert_ne!(earlier.revision(), now.revision()),
        outcome => {
            outcome.unwrap();
            assert!(!changed, "{reads:?}");
        }
    }
}

type Steps = (Vec<Batch>, Vec<Read>, Vec<Batch>);

fn whatever_was_read(cases: u32, run: impl Fn(Steps)) {
    let mut runner = TestRunner::new(Config { cases, ..Config::default() });
    let batches = |max| prop::collection::vec(any_batch(), 0..max);
    let steps = (batches(4), prop::collection::vec(any_read(), 0..3), batches(3));
    let run = |steps: Steps| {
        run(steps);
        Ok(())
    };
    runner.run(&steps, run).unwrap();
}

#[test]
fn nothing_is_committed_in_memory_on_what_does_not_hold_any_more() {
    whatever_was_read(500, |steps| nothing_is_committed_on_what_does_not_hold_any_more(&memory(), steps));
}

#[test]
fn nothing_is_committed_on_the_disk_on_what_does_not_hold_any_more() {
    whatever_was_read(50, |steps| nothing_is_committed_on_what_does_not_hold_any_more(&rocks(), steps));
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
        any_documents(),
    )
        .prop_map(|(mut deletes, mut writes, preconditions, model_of, assertions, documents)| {
            // The same key stands among the deletes once only, and among the writes.
            deletes.sort_by(|a, b| a.key.cmp(&b.key));
            deletes.dedup_by(|a, b| a.key == b.key);
            writes.sort_by(|a, b| a.key.cmp(&b.key));
            writes.dedup_by(|a, b| a.key == b.key);
            let model = model_of.map(model);
            Batch { preconditions, deletes, writes, model, assertions, documents, ..Batch::default() }
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
    let all_documents: Vec<_> = plain.documents.clone().into_iter().collect();
    assert_eq!(documents(snapshot, &DocumentKey::new("kind", [])), all_documents);
    for parts in DOCUMENTS {
        let key = DocumentKey::new("kind", parts.iter().copied());
        assert_eq!(snapshot.document(&key).unwrap().as_ref(), plain.documents.get(&key));
    }
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
