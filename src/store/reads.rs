//! What a command has read, and whether it still holds when the command is committed.
//!
//! A command decides on a snapshot and is committed later. In between, others may have committed what it would have decided
//! otherwise on. So it hands its reads to the writer, which refuses the batch if any of them would be answered otherwise
//! now: a command that is committed could have been decided at the moment of its commit. What is not certain to hold is
//! refused, never the other way round.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use super::commit::LogEntry;
use super::documents::{DocumentKey, JournalEntry};
use super::error::StoreError;
use super::{CommitSequence, LogPosition, LoggedChange, ObjectCursor, Snapshot, SubjectCursor, TupleFilter};
use crate::model::{
    Assertion, AuthorizationModel, Id, Instant, ModelId, Object, ObjectRef, Revision, Subject, SubjectClass,
    SubjectRef, TupleKey, TupleRecord, TupleRef,
};

/// What was read at one revision. A range counts as read whole, however little of it was looked at.
#[derive(Debug, Clone, Default)]
pub struct ReadSet {
    /// The revision that everything was read at.
    pub revision: Revision,
    /// The instant from which on the reader might have decided otherwise though nothing had been written: the commit must
    /// be made before it. `None`: never.
    pub stable_until: Option<Instant>,
    tuples: HashSet<TupleKey>,
    /// Of an object's relation, the subjects of a class.
    subjects: HashSet<(Object, Box<str>, SubjectClass)>,
    /// Of a subject, the objects of a type that it is named on by a relation.
    objects: HashSet<(Subject, Box<str>, Box<str>)>,
    filters: Vec<Filter>,
    documents: HashSet<DocumentKey>,
    /// All documents that begin so.
    document_ranges: HashSet<DocumentKey>,
}

/// An owned [`TupleFilter`].
#[derive(Debug, Clone)]
struct Filter {
    object_type: Option<Box<str>>,
    object_id: Option<Box<str>>,
    relation: Option<Box<str>>,
    subject: Option<Subject>,
}

impl Filter {
    fn of(filter: &TupleFilter<'_>) -> Self {
        Self {
            object_type: filter.object_type.map(Into::into),
            object_id: filter.object_id.map(Into::into),
            relation: filter.relation.map(Into::into),
            subject: filter.subject.map(SubjectRef::to_owned),
        }
    }

    fn as_ref(&self) -> TupleFilter<'_> {
        TupleFilter {
            object_type: self.object_type.as_deref(),
            object_id: self.object_id.as_deref(),
            relation: self.relation.as_deref(),
            subject: self.subject.as_ref().map(Subject::as_ref),
        }
    }
}

impl ReadSet {
    /// An instant more from which on the reader might have decided otherwise.
    pub fn hold_until(&mut self, until: Option<Instant>) {
        self.stable_until = Instant::first_of(self.stable_until, until);
    }

    /// Whether a commit changed something that was read.
    pub(super) fn meets(&self, entry: &LogEntry) -> bool {
        // Which model is the newest was read by every command.
        entry.model.is_some()
            || entry.changes.iter().any(|change| self.has_tuple(&change.key))
            || entry.documents.iter().any(|change| self.has_document(&change.key))
    }

    fn has_tuple(&self, key: &TupleKey) -> bool {
        if self.tuples.contains(key) {
            return true;
        }
        // Most reads are points: the rest is looked at only where there is any.
        let of_object = || {
            let class = key.subject.as_ref().class();
            self.subjects.contains(&(key.object.clone(), key.relation.clone(), class))
        };
        let of_subject = || {
            let range = (key.subject.clone(), key.object.type_name.clone(), key.relation.clone());
            self.objects.contains(&range)
        };
        (!self.subjects.is_empty() && of_object())
            || (!self.objects.is_empty() && of_subject())
            || self.filters.iter().any(|filter| filter.as_ref().matches(key.as_ref()))
    }

    fn has_document(&self, key: &DocumentKey) -> bool {
        self.documents.contains(key) || self.document_ranges.iter().any(|range| key.begins_with(range))
    }
}

/// A snapshot that remembers what was read of it. Whatever is asked of a [`Snapshot`] can be asked of it, so that what an
/// evaluation reads is remembered too.
pub struct Tracked<S> {
    snapshot: S,
    reads: Mutex<ReadSet>,
}

impl<S: Snapshot> Tracked<S> {
    /// Nothing was read yet.
    pub fn new(snapshot: S) -> Self {
        let reads = ReadSet { revision: snapshot.revision(), ..ReadSet::default() };
        Self { snapshot, reads: Mutex::new(reads) }
    }

    /// See [`ReadSet::hold_until`].
    pub fn hold_until(&self, until: Option<Instant>) {
        self.note(|reads| reads.hold_until(until));
    }

    /// What was read.
    pub fn into_reads(self) -> ReadSet {
        self.reads.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot, whose reads are not remembered: for what no decision rests on.
    pub fn untracked(&self) -> &S {
        &self.snapshot
    }

    fn note(&self, note: impl FnOnce(&mut ReadSet)) {
        note(&mut self.reads.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Snapshot> Snapshot for Tracked<S> {
    type SubjectCursor<'a>
        = TrackedSubjects<'a, S>
    where
        Self: 'a;
    type ObjectCursor<'a>
        = TrackedObjects<'a, S>
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
        // A new model meets every read set.
        self.snapshot.newest_model()
    }

    fn model(&self, id: ModelId) -> Result<Option<AuthorizationModel>, StoreError> {
        // A model never changes.
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
        // Nothing is decided by them.
        self.snapshot.assertions(model)
    }

    fn tuple(&self, key: TupleRef<'_>) -> Result<Option<TupleRecord>, StoreError> {
        self.note(|reads| {
            reads.tuples.insert(key.to_owned());
        });
        self.snapshot.tuple(key)
    }

    fn subject_cursor(&self) -> TrackedSubjects<'_, S> {
        TrackedSubjects { tracked: self, cursor: self.snapshot.subject_cursor() }
    }

    fn object_cursor(&self) -> TrackedObjects<'_, S> {
        TrackedObjects { tracked: self, cursor: self.snapshot.object_cursor() }
    }

    fn read(
        &self,
        filter: &TupleFilter<'_>,
        after: Option<TupleRef<'_>>,
        visit: &mut dyn FnMut(TupleRef<'_>, TupleRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.note(|reads| reads.filters.push(Filter::of(filter)));
        self.snapshot.read(filter, after, visit)
    }

    fn changes(
        &self,
        after: LogPosition,
        last: Revision,
        visit: &mut dyn FnMut(LoggedChange) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // What is past stays as it is.
        self.snapshot.changes(after, last, visit)
    }

    fn revision_before(&self, instant: Instant) -> Result<Revision, StoreError> {
        self.snapshot.revision_before(instant)
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Box<[u8]>>, StoreError> {
        self.note(|reads| {
            reads.documents.insert(key.clone());
        });
        self.snapshot.document(key)
    }

    fn documents(
        &self,
        prefix: &DocumentKey,
        after: Option<&DocumentKey>,
        visit: &mut dyn FnMut(DocumentKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.note(|reads| {
            reads.document_ranges.insert(prefix.clone());
        });
        self.snapshot.documents(prefix, after, visit)
    }

    fn journal(
        &self,
        journal: &str,
        after: Option<Id>,
        visit: &mut dyn FnMut(JournalEntry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // Nothing is decided by a journal.
        self.snapshot.journal(journal, after, visit)
    }
}

/// See [`SubjectCursor`].
pub struct TrackedSubjects<'a, S: Snapshot + 'a> {
    tracked: &'a Tracked<S>,
    cursor: S::SubjectCursor<'a>,
}

impl<'a, S: Snapshot + 'a> SubjectCursor for TrackedSubjects<'a, S> {
    fn seek(&mut self, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Result<(), StoreError> {
        self.tracked.note(|reads| {
            reads.subjects.insert((object.to_owned(), relation.into(), class));
        });
        self.cursor.seek(object, relation, class)
    }

    fn next(&mut self) -> Result<Option<(SubjectRef<'_>, TupleRecord)>, StoreError> {
        self.cursor.next()
    }
}

/// See [`ObjectCursor`].
pub struct TrackedObjects<'a, S: Snapshot + 'a> {
    tracked: &'a Tracked<S>,
    cursor: S::ObjectCursor<'a>,
}

impl<'a, S: Snapshot + 'a> ObjectCursor for TrackedObjects<'a, S> {
    fn seek(&mut self, subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Result<(), StoreError> {
        let range = (subject.to_owned(), object_type.into(), relation.into());
        self.tracked.note(|reads| {
            reads.objects.insert(range);
        });
        self.cursor.seek(subject, object_type, relation)
    }

    fn next(&mut self) -> Result<Option<(&str, TupleRecord)>, StoreError> {
        self.cursor.next()
    }
}
