//! What an evaluation tells of its reads, and takes from decisions that were made before.
//!
//! A decision is kept together with everything that it was read from, so that a commit can tell which decisions it may
//! have changed. The evaluator must never know where decisions are kept, nor judge whether one still holds.

use smallvec::SmallVec;

use super::Decision;
use crate::model::limits::DEPENDENCIES_PER_EVALUATION_MAX;
use crate::model::{ObjectRef, SubjectClass, SubjectRef, TupleRef};

/// What a read rests on: the read gives the same again as long as no tuple in it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependency<'a> {
    /// One tuple, be it there or not.
    Point(TupleRef<'a>),
    /// All tuples of an object's relation with one class of subject.
    Subjects {
        /// The object.
        object: ObjectRef<'a>,
        /// The relation.
        relation: &'a str,
        /// The class.
        class: SubjectClass,
    },
    /// All tuples of a subject on one relation of the objects of a type.
    Objects {
        /// The subject.
        subject: SubjectRef<'a>,
        /// The type of the objects.
        object_type: &'a str,
        /// The relation.
        relation: &'a str,
    },
}

impl<'a> Dependency<'a> {
    /// All that a change of a tuple touches: one of each kind.
    pub fn touched_by(tuple: TupleRef<'a>) -> [Self; 3] {
        let TupleRef { object, relation, subject } = tuple;
        [
            Self::Point(tuple),
            Self::Subjects { object, relation, class: subject.class() },
            Self::Objects { subject, object_type: object.type_name, relation },
        ]
    }
}

/// A class of dependencies, all of which a commit marks as changed where it changes one.
pub type Stripe = u32;

/// A decision together with what it took to make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptDecision {
    /// The decision.
    pub decision: Decision,
    /// The most hops from its object after which anything was looked at.
    pub height: u32,
    /// What was read, as the budget counts it.
    pub reads: u64,
}

/// What a decision may have taken to be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Hops.
    pub height_max: u32,
    /// Reads.
    pub reads_max: u64,
}

impl Room {
    /// Whether a decision fits.
    pub fn holds(&self, kept: &KeptDecision) -> bool {
        kept.height <= self.height_max && kept.reads <= self.reads_max
    }
}

/// Decisions of one model on one store, for queries at one revision and one instant.
pub trait Memo {
    /// The stripe of a dependency. The same one each time.
    fn stripe(&self, dependency: Dependency<'_>) -> Stripe;

    /// A decision that holds at the revision and the instant, and fits into `room`, if one is kept. Adds what it rests on
    /// to `reads`.
    fn find(&self, question: TupleRef<'_>, room: Room, reads: &mut ReadSet) -> Option<KeptDecision>;

    /// Keeps a decision that was made at the revision and the instant and rests on nothing but `stripes`, unless there is a
    /// reason not to.
    fn keep(&self, question: TupleRef<'_>, kept: KeptDecision, stripes: &[Stripe]);
}

/// The stripes of everything that an evaluation has read so far, in the order of the reads; a decision within it rests on
/// those that were added while it was made.
#[derive(Debug, Default)]
pub struct ReadSet {
    stripes: SmallVec<[Stripe; 64]>,
    /// Whether some are missing, since there were too many.
    overflowed: bool,
}

/// Where the reads of a decision begin in a [`ReadSet`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadsFrom(usize);

impl ReadSet {
    /// Adds the stripes of one read, or of a decision that was kept.
    pub fn add(&mut self, stripes: &[Stripe]) {
        if self.stripes.len().saturating_add(stripes.len()) > DEPENDENCIES_PER_EVALUATION_MAX {
            self.overflowed = true;
        } else {
            self.stripes.extend_from_slice(stripes);
        }
    }

    /// All that was added; `None` where some of it is missing.
    pub(super) fn all(&self) -> Option<&[Stripe]> {
        if self.overflowed { None } else { Some(&self.stripes) }
    }

    pub(super) fn mark(&self) -> ReadsFrom {
        ReadsFrom(self.stripes.len())
    }

    /// All that was added since; `None` where some of it is missing, or may be.
    pub(super) fn since(&self, from: ReadsFrom) -> Option<&[Stripe]> {
        if self.overflowed { None } else { self.stripes.get(from.0..) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_set_that_lost_a_read_says_so_for_good() {
        let mut reads = ReadSet::default();
        let outer = reads.mark();
        reads.add(&[1, 2]);
        let inner = reads.mark();
        reads.add(&[3]);
        assert_eq!(reads.since(outer), Some(&[1, 2, 3][..]));
        assert_eq!(reads.since(inner), Some(&[3][..]));
        reads.add(&vec![4; DEPENDENCIES_PER_EVALUATION_MAX]);
        assert_eq!(reads.since(outer), None);
        let later = reads.mark();
        reads.add(&[5]);
        assert_eq!(reads.since(later), None);
    }
}
