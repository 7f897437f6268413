//! The tree that an explanation shows: every rewrite that was looked at, what it came to, and the tuples that it read.

use crate::model::{Instant, Lifetime, Object, TupleKey, TupleRecord};

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedNode {
    /// What it stands for.
    pub kind: NodeKind,
    /// What it came to.
    pub verdict: Verdict,
    /// Whether the decision rests on it: for an allowance the nodes of one proof, for a denial all that would have to be
    /// otherwise in one place or another.
    pub decides: bool,
    /// What more there is to say of it.
    pub note: Option<Note>,
    /// What it is made of, in the order of the model; of a difference first who may be in it, then who is taken out. Tuples
    /// come in the order of how much they say.
    pub children: Vec<ExplainedNode>,
}

/// What a node stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A relation of an object. Its verdict is Check's for it. It has one child, its rewrite, where it was looked into.
    Relation {
        /// The object.
        object: Object,
        /// The relation.
        relation: Box<str>,
    },
    /// Any of the children.
    Union,
    /// All of the children.
    Intersection,
    /// The first child without the second.
    Difference,
    /// The relation's own tuples; the children are those that can say something about the subject.
    Tuples {
        /// The object.
        object: Object,
        /// The relation.
        relation: Box<str>,
    },
    /// A relation of the objects that a relation of this object names: `computed from tupleset`. The children are the tuples
    /// that name them.
    From {
        /// The object.
        object: Object,
        /// The relation whose tuples name the objects.
        tupleset: Box<str>,
        /// The relation that is asked of them.
        computed: Box<str>,
    },
    /// A tuple. Where it names another relation, that is its child.
    Tuple(ShownTuple),
}

/// A tuple that an explanation shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTuple {
    /// Its key.
    pub key: TupleKey,
    /// Its record.
    pub record: TupleRecord,
    /// Whether it counts.
    pub state: TupleState,
    /// Whether it was given with the query.
    pub contextual: bool,
}

/// Whether a tuple counts at the instant of the explanation, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TupleState {
    /// It counts.
    Live,
    /// It is paused.
    Paused,
    /// It has expired.
    Expired,
    /// It is paused, and has expired besides.
    PausedAndExpired,
    /// The model does not admit it, in this form and under its condition; it may be from before the model.
    NotAdmitted,
    /// It is live, and its condition is false.
    ConditionFalse,
    /// It is live, and its condition could not be evaluated, for this reason.
    ConditionFailed(Box<str>),
}

impl TupleState {
    /// The state of a tuple with this lifetime, its condition aside.
    pub(super) fn of(lifetime: Lifetime, at: Instant) -> Self {
        let expired = !Lifetime { paused: false, ..lifetime }.is_live(at);
        match (lifetime.paused, expired) {
            (false, false) => Self::Live,
            (true, false) => Self::Paused,
            (false, true) => Self::Expired,
            (true, true) => Self::PausedAndExpired,
        }
    }

    /// Whether the tuple counts.
    pub fn counts(&self) -> bool {
        *self == Self::Live
    }
}

/// What a node came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Neither: it rests on a circle through a subtraction, which denies.
    Unknown,
    /// Check has no answer for it, for this reason.
    Failed(Box<str>),
    /// It was not asked, because a limit of the explanation was met.
    NotEvaluated,
}

/// What more there is to say of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// It is shown in full elsewhere in the tree.
    Repeated,
    /// It is not shown in full, because a limit of the explanation was met: tuples were not read or are not shown, or the
    /// rewrite is not shown.
    Limit,
    /// By the model, no subject of the kind that was asked for can hold it, whatever the tuples.
    Unreachable,
    /// It is the subject itself: a userset holds its own relation on its own object.
    Itself,
}

impl ExplainedNode {
    /// Whether anything in the tree is not shown in full, because a limit was met.
    pub(super) fn is_cut(&self) -> bool {
        self.note == Some(Note::Limit) || self.children.iter().any(Self::is_cut)
    }
}

impl Verdict {
    /// Any of them: true wins, then what is not known.
    pub(super) fn any(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().fold(Self::False, |all, one| if one.rank() < all.rank() { one } else { all })
    }

    /// All of them: false wins, then what is not known.
    pub(super) fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        Self::any(verdicts.into_iter().map(Self::not)).not()
    }

    /// True of what was false, and the other way round.
    pub(super) fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            other => other,
        }
    }

    /// What wins among alternatives has the lower rank.
    fn rank(&self) -> u8 {
        match self {
            Self::True => 0,
            Self::Failed(_) => 1,
            Self::NotEvaluated => 2,
            Self::Unknown => 3,
            Self::False => 4,
        }
    }
}
