//! The tree that Expand answers: one level, as the model writes the relation.

use crate::model::{Object, Subject, TupleRecord};

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The object whose relation is expanded.
    pub object: Object,
    /// The relation.
    pub relation: Box<str>,
    /// What it is made of.
    pub value: NodeValue,
}

/// What a node is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeValue {
    /// The subjects of the relation's own tuples, sorted and distinct.
    Users(Vec<ExpandedSubject>),
    /// Another relation of the same object.
    Computed {
        /// That relation.
        relation: Box<str>,
    },
    /// A relation of other objects.
    TupleToUserset {
        /// The relation whose tuples name the objects.
        tupleset: Box<str>,
        /// The relations of the objects that it names.
        computed: Vec<(Object, Box<str>)>,
    },
    /// Any of them.
    Union(Vec<Node>),
    /// All of them.
    Intersection(Vec<Node>),
    /// The first without the second.
    Difference {
        /// Who may be in it.
        base: Box<Node>,
        /// Who is taken out.
        subtract: Box<Node>,
    },
}

/// A subject of a tuple, with the tuple's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpandedSubject {
    /// Who.
    pub subject: Subject,
    /// The tuple's record.
    pub record: TupleRecord,
}
