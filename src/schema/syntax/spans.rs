//! Where each part of a model stands in the text it was read from.
//!
//! The spans mirror the model: same lists, same order. They are byte ranges of the cleaned text. They say nothing
//! about what is right or wrong.

use std::ops::Range;

/// Bytes of the cleaned text.
pub(in crate::schema) type Span = Range<usize>;

/// The places of a whole model.
#[derive(Debug, Clone, Default)]
pub(in crate::schema) struct Spans {
    /// The schema version.
    pub(in crate::schema) version: Option<Span>,
    pub(in crate::schema) types: Vec<TypeSpans>,
    pub(in crate::schema) conditions: Vec<ConditionSpans>,
}

/// The places of a type.
#[derive(Debug, Clone)]
pub(in crate::schema) struct TypeSpans {
    pub(in crate::schema) name: Span,
    pub(in crate::schema) relations: Vec<RelationSpans>,
}

/// The places of a relation.
#[derive(Debug, Clone)]
pub(in crate::schema) struct RelationSpans {
    pub(in crate::schema) name: Span,
    pub(in crate::schema) restrictions: Vec<RestrictionSpans>,
    /// Those of the rewrite's leaves, from left to right.
    pub(in crate::schema) leaves: Vec<LeafSpans>,
}

/// The places of one entry of a type restriction list.
#[derive(Debug, Clone)]
pub(in crate::schema) struct RestrictionSpans {
    /// `group`
    pub(in crate::schema) type_name: Span,
    /// `group#member`, `user:*`
    pub(in crate::schema) subject: Span,
    /// The condition's name.
    pub(in crate::schema) condition: Option<Span>,
}

/// The places of a leaf of a rewrite.
#[derive(Debug, Clone)]
pub(in crate::schema) struct LeafSpans {
    /// `viewer from parent`
    pub(in crate::schema) whole: Span,
    /// `parent`
    pub(in crate::schema) tupleset: Option<Span>,
}

/// The places of a condition.
#[derive(Debug, Clone)]
pub(in crate::schema) struct ConditionSpans {
    pub(in crate::schema) name: Span,
    pub(in crate::schema) parameters: Vec<Span>,
    pub(in crate::schema) expression: Span,
}
