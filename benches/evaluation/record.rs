//! What an evaluation reads, written down so that the same can be read again from a bare database.

use std::ops::ControlFlow;
use std::sync::Mutex;

use tenure::model::{
    Assertion, AuthorizationModel, Id, Instant, ModelId, ObjectRef, Revision, SubjectClass, SubjectRef,
    TupleRecord, TupleRef,
};
use tenure::store::{
    CommitSequence, DocumentKey, JournalEntry, LogPosition, LoggedChange, ObjectCursor, Snapshot, StoreError,
    SubjectCursor, TupleFilter,
};

use crate::bare;

/// One read of an evaluation, in the bare database's keys.
#[derive(Debug, Clone)]
pub enum Read {
    /// One row.
    Point(Vec<u8>),
    /// Rows that begin alike: how often the evaluation asked for another, the last time perhaps in vain.
    Scan { table: &'static str, prefix: Vec<u8>, steps: usize },
}

/// A snapshot that writes down what it is asked.
pub struct Recording<S> {
    snapshot: S,
    reads: Mutex<Vec<Read>>,
}

impl<S> Recording<S> {
    pub fn new(snapshot: S) -> Self {
        Self { snapshot, reads: Mutex::default() }
    }

    pub fn into_reads(self) -> Vec<Read> {
        self.reads.into_inner().unwrap()
    }

    fn note(&self, read: Read) -> usize {
        let mut reads = self.reads.lock().unwrap();
        reads.push(read);
        reads.len() - 1
    }

    fn note_step(&self, index: usize) {
        if let Some(Read::Scan { steps, .. }) = self.reads.lock().unwrap().get_mut(index) {
            *steps += 1;
        }
    }
}

/// A cursor that writes down how far it goes.
pub struct RecordingCursor<'a, S, C> {
    recording: &'a Recording<S>,
    cursor: C,
    /// The read that it is on.
    index: usize,
}

impl<S: Snapshot> Snapshot for Recording<S> {
    type SubjectCursor<'a>
        = RecordingCursor<'a, S, S::SubjectCursor<'a>>
    where
        Self: 'a;
    type ObjectCursor<'a>
        = RecordingCursor<'a, S, S::ObjectCursor<'a>>
    where
        Self: 'a;

    fn revision(&self) -> Revision {
        self.snapshot.revision()
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

    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        self.snapshot.document(key)
    }

    fn documents(
        &self,
        within: &DocumentKey,
        after: Option<&DocumentKey>,
        visit: &mut dyn FnMut(DocumentKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.snapshot.documents(within, after, visit)
    }

    fn journal(
        &self,
        journal: &str,
        after: Option<Id>,
        visit: &mut dyn FnMut(JournalEntry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.snapshot.journal(journal, after, visit)
    }

    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        self.note(Read::Point(bare::key(key)));
        self.snapshot.tuple(key)
    }

    fn subject_cursor(&self) -> Self::SubjectCursor<'_> {
        RecordingCursor { recording: self, cursor: self.snapshot.subject_cursor(), index: usize::MAX }
    }

    fn object_cursor(&self) -> Self::ObjectCursor<'_> {
        RecordingCursor { recording: self, cursor: self.snapshot.object_cursor(), index: usize::MAX }
    }

    fn read(
        &self,
        filter: &TupleFilter<'_>,
        after: Option<TupleRef<'_>>,
        visit: &mut dyn FnMut(TupleRef<'_>, TupleRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.snapshot.read(filter, after, visit)
    }

    fn changes(
        &self,
        after: LogPosition,
        last: Revision,
        visit: &mut dyn FnMut(LoggedChange) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.snapshot.changes(after, last, visit)
    }

    fn revision_before(&self, instant: Instant) -> Result<Revision, StoreError> {
        self.snapshot.revision_before(instant)
    }
}

impl<S: Snapshot, C: SubjectCursor> SubjectCursor for RecordingCursor<'_, S, C> {
    fn seek(&mut self, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Result<(), StoreError> {
        let prefix = bare::class_prefix(object, relation, class);
        self.index = self.recording.note(Read::Scan { table: bare::BY_OBJECT, prefix, steps: 0 });
        self.cursor.seek(object, relation, class)
    }

    fn next(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError> {
        self.recording.note_step(self.index);
        self.cursor.next()
    }
}

impl<S: Snapshot, C: ObjectCursor> ObjectCursor for RecordingCursor<'_, S, C> {
    fn seek(&mut self, subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Result<(), StoreError> {
        let prefix = bare::reverse_prefix(subject, object_type, relation);
        self.index = self.recording.note(Read::Scan { table: bare::BY_SUBJECT, prefix, steps: 0 });
        self.cursor.seek(subject, object_type, relation)
    }

    fn next(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError> {
        self.recording.note_step(self.index);
        self.cursor.next()
    }
}
