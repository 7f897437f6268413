//! The rules that a model must follow, in one place for both of its forms.
//!
//! Two degrees: what OpenFGA's server refuses when a model is written ([`validate`]), and beyond that what only the
//! language's own validator finds fault with, such as a condition that nothing uses ([`validate_language`]). A model
//! that the server takes must pass the first, whatever the second says. A violation tells where it is by indices into
//! the model; nothing here knows a text or its lines.

mod conditions;
mod entrypoints;
mod index;
mod names;
mod references;
mod repeats;
mod size;
mod suggestions;

use self::index::Index;
pub(super) use self::suggestions::Suggestions;
use crate::model::{AuthorizationModel, Rewrite, limits};

/// Which rule is violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViolationKind {
    /// More types than a model may have.
    TooManyTypes,
    /// The model is larger than it may be.
    ModelTooLarge,
    /// More conditions than a model may have.
    TooManyConditions,
    /// More parameters than a condition may have.
    TooManyParameters,
    /// A condition's expression is longer than it may be.
    ExpressionTooLong,
    /// A condition has no expression.
    EmptyExpression,
    /// A condition's expression cannot be evaluated.
    InvalidExpression,
    /// Operators are nested deeper than they may be.
    RewriteTooDeep,
    /// A union or intersection without operands.
    EmptyOperator,
    /// A name that cannot be one.
    InvalidName,
    /// A module or a source file that cannot be one.
    InvalidOrigin,
    /// A type or relation named `self` or `this`.
    ReservedName,
    /// Two types of one name.
    DuplicateType,
    /// Two relations of one name in a type.
    DuplicateRelation,
    /// Two conditions of one name.
    DuplicateCondition,
    /// Two parameters of one name in a condition.
    DuplicateParameter,
    /// A type restriction names a type that does not exist.
    UndefinedType,
    /// A type restriction names a relation that the type does not have.
    UndefinedRestrictionRelation,
    /// A type restriction names a condition that does not exist.
    UndefinedCondition,
    /// A rewrite names a relation that its type does not have.
    UndefinedRelation,
    /// The relation after `from` does not exist.
    UndefinedTupleset,
    /// The relation after `from` is not made of tuples with plain objects alone.
    TuplesetNotDirect,
    /// No type that the tupleset admits has the relation before `from`.
    UndefinedOnTupleset,
    /// A relation with tuples of its own does not say whose.
    MissingRestrictions,
    /// A relation without tuples of its own has type restrictions.
    NeedlessRestrictions,
    /// Nobody can ever hold the relation.
    NoEntrypoint,
    /// A relation is computed from itself.
    RewriteCycle,
    /// Language only: one type restriction twice in a list.
    DuplicateRestriction,
    /// Language only: one operand twice in an operator.
    DuplicateOperand,
    /// Language only: a condition that no type restriction names.
    UnusedCondition,
}

/// Where in a model, by indices into its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The model as a whole.
    Model,
    /// A type's name.
    Type {
        /// Which type.
        type_index: usize,
    },
    /// A relation's name.
    Relation {
        /// Which type.
        type_index: usize,
        /// Which relation of it.
        relation_index: usize,
    },
    /// A part of an entry of a type restriction list.
    Restriction {
        /// Which type.
        type_index: usize,
        /// Which relation of it.
        relation_index: usize,
        /// Which entry.
        restriction_index: usize,
        /// Which part.
        part: RestrictionPart,
    },
    /// A leaf of a rewrite.
    Leaf {
        /// Which type.
        type_index: usize,
        /// Which relation of it.
        relation_index: usize,
        /// Which leaf, counted from left to right.
        leaf_index: usize,
        /// Which part.
        part: LeafPart,
    },
    /// A condition's name.
    Condition {
        /// Which condition.
        condition_index: usize,
    },
    /// The name of a condition's parameter.
    Parameter {
        /// Which condition.
        condition_index: usize,
        /// Which parameter of it.
        parameter_index: usize,
    },
    /// A condition's expression.
    Expression {
        /// Which condition.
        condition_index: usize,
    },
    /// A place in a condition's expression.
    InExpression {
        /// Which condition.
        condition_index: usize,
        /// Where it begins, in bytes from the start of the expression.
        offset: usize,
    },
}

/// A part of an entry of a type restriction list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestrictionPart {
    /// `group`
    Type,
    /// `group#member`
    Subject,
    /// The condition's name.
    Condition,
}

/// A part of a leaf of a rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeafPart {
    /// `viewer from parent`
    Whole,
    /// `parent`
    Tupleset,
}

/// A rule that a model does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub kind: ViolationKind,
    /// Where.
    pub place: Place,
    /// What is wrong, in lower case, without a final period, names in backticks.
    pub message: String,
    /// What to do about it, if that can be guessed.
    pub help: Option<String>,
}

/// Which rules count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Degree {
    Server,
    Language,
}

/// What OpenFGA's server would refuse the model for; empty if nothing. The violations come in the model's order
/// within each stage; a later stage (references, repetitions, entry points) is entered only if the earlier found
/// nothing, because its findings would follow from theirs. Conditions' expressions come last and follow from nothing but
/// the names and sizes.
#[must_use]
pub fn validate(model: &AuthorizationModel) -> Vec<Violation> {
    run(model, Degree::Server)
}

/// As [`validate`], and what only the language's validator refuses.
#[must_use]
pub fn validate_language(model: &AuthorizationModel) -> Vec<Violation> {
    run(model, Degree::Language)
}

/// What is wrong with names alone, which holds for a model with gaps too.
pub(super) fn check_names(model: &AuthorizationModel) -> Vec<Violation> {
    let mut found = Vec::new();
    names::check(model, &mut found);
    found
}

fn run(model: &AuthorizationModel, degree: Degree) -> Vec<Violation> {
    let mut found = check_names(model);
    if found.is_empty() {
        size::check(model, &mut found);
    }
    if !found.is_empty() {
        return found;
    }
    let index = Index::new(model);
    references::check(&index, &mut found);
    if found.is_empty() {
        repeats::check_types(model, &mut found);
        if degree == Degree::Language {
            repeats::check_relations(model, &mut found);
        }
    }
    if found.is_empty() {
        entrypoints::check(&index, &mut found);
    }
    conditions::check(model, &mut found);
    if degree == Degree::Language {
        repeats::check_unused(model, &mut found);
    }
    found
}

impl Violation {
    fn new(kind: ViolationKind, place: Place, message: String) -> Self {
        Self { kind, place, message, help: None }
    }

    fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

/// The leaves of a rewrite, from left to right. The rewrite's depth must have been checked.
fn leaves(rewrite: &Rewrite) -> Vec<&Rewrite> {
    let mut leaves = Vec::new();
    let mut open = vec![rewrite];
    while let Some(rewrite) = open.pop() {
        match rewrite {
            Rewrite::This | Rewrite::Computed(_) | Rewrite::TupleToUserset { .. } => leaves.push(rewrite),
            Rewrite::Union(children) | Rewrite::Intersection(children) => open.extend(children.iter().rev()),
            Rewrite::Difference { base, subtract } => open.extend([&**subtract, &**base]),
        }
    }
    leaves
}

/// Whether operators are nested deeper than allowed.
fn is_too_deep(rewrite: &Rewrite) -> bool {
    let mut open = vec![(rewrite, 1_usize)];
    while let Some((rewrite, depth)) = open.pop() {
        if depth > limits::REWRITE_DEPTH_MAX {
            return true;
        }
        match rewrite {
            Rewrite::This | Rewrite::Computed(_) | Rewrite::TupleToUserset { .. } => {}
            Rewrite::Union(children) | Rewrite::Intersection(children) => {
                open.extend(children.iter().map(|c| (c, depth + 1)));
            }
            Rewrite::Difference { base, subtract } => {
                open.extend([(&**base, depth + 1), (&**subtract, depth + 1)]);
            }
        }
    }
    false
}
