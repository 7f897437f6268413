//! The reads of a snapshot, each of which is told to the memo before it is made.
//!
//! Nothing else in the evaluator holds the snapshot, so that no read can go past the memo: a decision that was kept
//! without one of its reads would outlive a change of it.

use super::Decision;
use super::memo::{Dependency, KeptDecision, Memo, ReadSet, ReadsFrom, Room, Stripe};
use crate::model::{ObjectRef, SubjectClass, SubjectRef, TupleRecord, TupleRef};
use crate::store::{ObjectCursor, Snapshot, StoreError, SubjectCursor};

/// A snapshot, and what has been read of it.
pub(super) struct Reads<'a, S: Snapshot> {
    snapshot: &'a S,
    memo: Option<&'a dyn Memo>,
    set: ReadSet,
    /// Made when first needed.
    subjects: Option<S::SubjectCursor<'a>>,
    objects: Option<S::ObjectCursor<'a>>,
}

/// A question under decision: where its reads begin.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    from: ReadsFrom,
    /// What had been read before, as the budget counts it.
    pub(super) reads_before: u64,
}

impl<'a, S: Snapshot> Reads<'a, S> {
    pub(super) fn new(snapshot: &'a S) -> Self {
        Self { snapshot, memo: None, set: ReadSet::default(), subjects: None, objects: None }
    }

    /// From now on, takes decisions from a memo and gives it some.
    pub(super) fn remember(&mut self, memo: &'a dyn Memo) {
        self.memo = Some(memo);
    }

    /// Whether there is a memo.
    pub(super) fn remembers(&self) -> bool {
        self.memo.is_some()
    }

    /// The stripes of all that was read; `None` where some are missing.
    pub(super) fn noted(&self) -> Option<&[Stripe]> {
        self.set.all()
    }

    /// A kept decision that fits.
    pub(super) fn find(&mut self, question: TupleRef<'_>, room: Room) -> Option<KeptDecision> {
        self.memo?.find(question, room, &mut self.set)
    }

    /// Begins a decision.
    pub(super) fn ask(&self, reads_before: u64) -> Asked {
        Asked { from: self.set.mark(), reads_before }
    }

    /// Gives the memo a decision with all that was read since it began.
    pub(super) fn keep(
        &self,
        asked: Asked,
        question: TupleRef<'_>,
        decision: Decision,
        height: u32,
        reads: u64,
    ) {
        let Some(memo) = self.memo else { return };
        if let Some(stripes) = self.set.since(asked.from) {
            let reads = reads.saturating_sub(asked.reads_before);
            memo.keep(question, KeptDecision { decision, height, reads }, stripes);
        }
    }

    /// The record of one tuple.
    pub(super) fn tuple(&mut self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        self.rest_on(Dependency::Point(key));
        self.snapshot.tuple(key)
    }

    /// Begins a scan of the subjects of an object's relation; ends one under way.
    pub(super) fn seek_subjects(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        class: SubjectClass,
    ) -> Result<(), StoreError> {
        self.rest_on(Dependency::Subjects { object, relation, class });
        let snapshot = self.snapshot;
        self.subjects.get_or_insert_with(|| snapshot.subject_cursor()).seek(object, relation, class)
    }

    /// The next subject of the scan under way.
    pub(super) fn next_subject(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError> {
        self.subjects.as_mut().map_or(Ok(None), SubjectCursor::next)
    }

    /// Begins a scan of the objects that a subject is named on; ends one under way.
    pub(super) fn seek_objects(
        &mut self,
        subject: SubjectRef<'_>,
        object_type: &str,
        relation: &str,
    ) -> Result<(), StoreError> {
        self.rest_on(Dependency::Objects { subject, object_type, relation });
        let snapshot = self.snapshot;
        self.objects.get_or_insert_with(|| snapshot.object_cursor()).seek(subject, object_type, relation)
    }

    /// The next object of the scan under way.
    pub(super) fn next_object(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError> {
        self.objects.as_mut().map_or(Ok(None), ObjectCursor::next)
    }

    fn rest_on(&mut self, dependency: Dependency<'_>) {
        if let Some(memo) = self.memo {
            self.set.add(&[memo.stripe(dependency)]);
        }
    }
}
