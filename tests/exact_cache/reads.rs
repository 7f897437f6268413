//! No read of an evaluation goes unrecorded: what the snapshot is asked for is what the memo was told, read by read.

use std::ops::ControlFlow;
use std::sync::Mutex;

use tenure::cel::Context;
use tenure::eval::{
    ContextualTuples, Dependency, Evaluation, KeptDecision, Memo, Plan, ReadSet, Room, Stripe,
};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{
    Assertion, AuthorizationModel, Id, Instant, ModelId, ObjectRef, Revision, SubjectClass, SubjectRef,
    TupleRecord, TupleRef,
};
use tenure::store::{
    CommitSequence, DocumentKey, JournalEntry, LogPosition, LoggedChange, ObjectCursor, Snapshot, StoreError,
    SubjectCursor, TupleFilter,
};

use crate::generate::{World, instants};
use crate::rules::{property, snapshots};

/// A snapshot that writes down what it is asked for.
struct Watched<S> {
    snapshot: S,
    reads: Mutex<Vec<String>>,
}

impl<S> Watched<S> {
    fn note(&self, read: Dependency<'_>) {
        self.reads.lock().unwrap().push(format!("{read:?}"));
    }
}

struct WatchedCursor<'a, S, C> {
    watched: &'a Watched<S>,
    cursor: C,
}

impl<S: Snapshot> Snapshot for Watched<S> {
    type SubjectCursor<'a>
        = WatchedCursor<'a, S, S::SubjectCursor<'a>>
    where
        Self: 'a;
    type ObjectCursor<'a>
        = WatchedCursor<'a, S, S::ObjectCursor<'a>>
    where
        Self: 'a;

    fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    fn document(&self, _: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        panic!("no evaluation reads what is no tuple")
    }

    fn documents(
        &self,
        _: &DocumentKey,
        _: Option<&DocumentKey>,
        _: &mut dyn FnMut(DocumentKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        panic!("no evaluation reads what is no tuple")
    }

    fn journal(
        &self,
        _: &str,
        _: Option<Id>,
        _: &mut dyn FnMut(JournalEntry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        panic!("no evaluation reads what is no tuple")
    }

    fn epoch(&self) -> u64 {
        self.snapshot.epoch()
    }

    fn sequence(&self) -> CommitSequence {
        self.snapshot.sequence()
    }

    fn newest_model(&self) -> Option<ModelId> {
        self.snapshot.newest_model()
    }

    fn model(&self, id: ModelId) -> Result<Option<AuthorizationModel>, StoreError> {
        self.snapshot.model(id)
    }

    fn models(
        &self,
        before: Option<ModelId>,
        limit: usize,
    ) -> Result<Vec<(ModelId, AuthorizationModel)>, StoreError> {
        self.snapshot.models(before, limit)
    }

    fn assertions(&self, model: ModelId) -> Result<Vec<Assertion>, StoreError> {
        self.snapshot.assertions(model)
    }

    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        self.note(Dependency::Point(key));
        self.snapshot.tuple(key)
    }

    fn subject_cursor(&self) -> Self::SubjectCursor<'_> {
        WatchedCursor { watched: self, cursor: self.snapshot.subject_cursor() }
    }

    fn object_cursor(&self) -> Self::ObjectCursor<'_> {
        WatchedCursor { watched: self, cursor: self.snapshot.object_cursor() }
    }

    fn read(
        &self,
        _: &TupleFilter<'_>,
        _: Option<TupleRef<'_>>,
        _: &mut dyn FnMut(TupleRef<'_>, TupleRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        panic!("no check reads by a filter")
    }

    fn changes(
        &self,
        _: LogPosition,
        _: Revision,
        _: &mut dyn FnMut(LoggedChange) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        panic!("no check reads the log")
    }

    fn revision_before(&self, _: Instant) -> Result<Revision, StoreError> {
        panic!("no check reads the log")
    }
}

impl<S: Snapshot, C: SubjectCursor> SubjectCursor for WatchedCursor<'_, S, C> {
    fn seek(&mut self, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Result<(), StoreError> {
        self.watched.note(Dependency::Subjects { object, relation, class });
        self.cursor.seek(object, relation, class)
    }

    fn next(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError> {
        self.cursor.next()
    }
}

impl<S: Snapshot, C: ObjectCursor> ObjectCursor for WatchedCursor<'_, S, C> {
    fn seek(&mut self, subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Result<(), StoreError> {
        self.watched.note(Dependency::Objects { subject, object_type, relation });
        self.cursor.seek(subject, object_type, relation)
    }

    fn next(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError> {
        self.cursor.next()
    }
}

/// What a memo is told, each dependency a stripe of its own; it finds nothing.
#[derive(Default)]
struct Ledger {
    told: Mutex<Vec<String>>,
    /// By question, what it was said to rest on.
    kept: Mutex<Vec<(String, Vec<Stripe>)>>,
}

impl Memo for Ledger {
    fn stripe(&self, dependency: Dependency<'_>) -> Stripe {
        let mut told = self.told.lock().unwrap();
        told.push(format!("{dependency:?}"));
        Stripe::try_from(told.len() - 1).unwrap()
    }

    fn find(&self, _: TupleRef<'_>, _: Room, _: &mut ReadSet) -> Option<KeptDecision> {
        None
    }

    fn keep(&self, question: TupleRef<'_>, _: KeptDecision, stripes: &[Stripe]) {
        self.kept.lock().unwrap().push((question.to_string(), stripes.to_vec()));
    }
}

#[test]
fn every_read_is_recorded_and_every_kept_decision_rests_on_all_of_its_own() {
    property(10, 60..260, World::read, |world| {
        let all = snapshots(world, 1).pop().unwrap();
        let snapshot = Watched { snapshot: all, reads: Mutex::default() };
        let plan = Plan::compile(&world.model);
        let at = instants().next().unwrap();
        let context = Context::new();
        for subject in &world.subjects {
            for (number, object) in World::objects().enumerate() {
                for relation in ["a", "b", "c", "d"] {
                    let ledger = Ledger::default();
                    let limits = EvaluationLimits {
                        narrow_entries: 1 + number % 8,
                        depth_max: 1000,
                        ..EvaluationLimits::default()
                    };
                    let evaluation =
                        Evaluation::new(&plan, &snapshot, ContextualTuples::default(), &context, at, limits);
                    let mut evaluation = evaluation.with_memo(&ledger);
                    evaluation.check(object.as_ref(), relation, subject.as_ref()).unwrap();
                    let reads = std::mem::take(&mut *snapshot.reads.lock().unwrap());
                    let told = std::mem::take(&mut *ledger.told.lock().unwrap());
                    assert_eq!(reads, told, "{object}#{relation}@{subject}\n{world:#?}");
                    let whole = format!("{object}#{relation}@{subject}");
                    for (question, stripes) in std::mem::take(&mut *ledger.kept.lock().unwrap()) {
                        // Those of an inner decision are the reads that were made, one after the other, while it was.
                        let expected: Vec<_> = match stripes.first() {
                            Some(first) => (*first..).take(stripes.len()).collect(),
                            None => Vec::new(),
                        };
                        assert_eq!(stripes, expected);
                        if question == whole && !reads.is_empty() {
                            assert_eq!(stripes.len(), reads.len(), "{question}\n{world:#?}");
                        }
                    }
                }
            }
        }
        Ok(())
    });
}
