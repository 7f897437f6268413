//! References: each type, relation and condition that is named exists, and may be named there.

use super::index::Index;
use super::{LeafPart, Place, RestrictionPart, Suggestions, Violation, ViolationKind, leaves};
use crate::model::{RelationDefinition, RestrictionKind, Rewrite};

/// Types that one message names at the most; a relation may lead to all of them, and a model may name it anywhere.
const TYPES_TOLD_MAX: usize = 10;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let suggestions = Suggestions::new();
    for (type_index, definition) in index.model.types.iter().enumerate() {
        for (relation_index, relation) in definition.relations.iter().enumerate() {
            let type_name = &definition.name;
            Relation { index, suggestions: &suggestions, type_index, type_name, relation_index, relation }
                .check(found);
        }
    }
}

/// A relation whose references are checked.
struct Relation<'a> {
    index: &'a Index<'a>,
    suggestions: &'a Suggestions,
    type_index: usize,
    type_name: &'a str,
    relation_index: usize,
    relation: &'a RelationDefinition,
}

impl Relation<'_> {
    fn place(&self) -> Place {
        Place::Relation { type_index: self.type_index, relation_index: self.relation_index }
    }

    fn leaf(&self, leaf_index: usize, part: LeafPart) -> Place {
        Place::Leaf { type_index: self.type_index, relation_index: self.relation_index, leaf_index, part }
    }

    fn check(&self, found: &mut Vec<Violation>) {
        let name = &self.relation.name;
        let leaves = leaves(&self.relation.rewrite);
        let is_direct = leaves.iter().any(|leaf| matches!(leaf, Rewrite::This));
        if is_direct && self.relation.restrictions.is_empty() {
            let message =
                format!("the relation `{name}` has tuples of its own, but no type is allowed in them");
            found.push(Violation::new(ViolationKind::MissingRestrictions, self.place(), message));
        }
        if !is_direct && !self.relation.restrictions.is_empty() {
            let message = format!("the relation `{name}` has type restrictions, but no tuples of its own");
            found.push(Violation::new(ViolationKind::NeedlessRestrictions, self.place(), message));
        }
        if has_empty_operator(&self.relation.rewrite) {
            let message = format!("the relation `{name}` has an operator without operands");
            found.push(Violation::new(ViolationKind::EmptyOperator, self.place(), message));
        }
        self.check_restrictions(found);
        for (leaf_index, leaf) in leaves.iter().enumerate() {
            match leaf {
                Rewrite::Computed(relation) => self.check_computed(leaf_index, relation, found),
                Rewrite::TupleToUserset { tupleset, computed } => {
                    self.check_tupleset(leaf_index, tupleset, computed, found);
                }
                _ => {}
            }
        }
    }

    fn check_restrictions(&self, found: &mut Vec<Violation>) {
        for (restriction_index, restriction) in self.relation.restrictions.iter().enumerate() {
            let place = |part| Place::Restriction {
                type_index: self.type_index,
                relation_index: self.relation_index,
                restriction_index,
                part,
            };
            let named = &*restriction.type_name;
            let type_index = self.index.type_index(named);
            if type_index.is_none() {
                let help = self.suggestions.for_next(found, named, self.index.type_names());
                found.push(
                    Violation::new(
                        ViolationKind::UndefinedType,
                        place(RestrictionPart::Type),
                        format!("the type `{named}` does not exist"),
                    )
                    .with_help(help),
                );
            }
            if let Some(condition) = &restriction.condition
                && !self.index.has_condition(condition)
            {
                let help = self.suggestions.for_next(found, condition, self.index.condition_names());
                found.push(
                    Violation::new(
                        ViolationKind::UndefinedCondition,
                        place(RestrictionPart::Condition),
                        format!("the condition `{condition}` does not exist"),
                    )
                    .with_help(help),
                );
            }
            if let RestrictionKind::Userset(relation) = &restriction.kind
                && type_index.is_none_or(|t| self.index.relation_index(t, relation).is_none())
            {
                let help = type_index
                    .and_then(|t| self.suggestions.for_next(found, relation, self.index.relation_names(t)));
                found.push(
                    Violation::new(
                        ViolationKind::UndefinedRestrictionRelation,
                        place(RestrictionPart::Subject),
                        format!("the type `{named}` has no relation `{relation}`"),
                    )
                    .with_help(help),
                );
            }
        }
    }

    fn check_computed(&self, leaf_index: usize, relation: &str, found: &mut Vec<Violation>) {
        if self.index.relation_index(self.type_index, relation).is_some() {
            return;
        }
        let help = self.suggestions.for_next(found, relation, self.index.relation_names(self.type_index));
        found.push(
            Violation::new(
                ViolationKind::UndefinedRelation,
                self.leaf(leaf_index, LeafPart::Whole),
                format!("the type `{}` has no relation `{relation}`", self.type_name),
            )
            .with_help(help),
        );
    }

    fn check_tupleset(&self, leaf_index: usize, tupleset: &str, computed: &str, found: &mut Vec<Violation>) {
        let definition = self.index.relation_index(self.type_index, tupleset);
        let Some(definition) = definition.and_then(|i| self.index.definition(self.type_index, i)) else {
            let help = self.suggestions.for_next(found, tupleset, self.index.relation_names(self.type_index));
            found.push(
                Violation::new(
                    ViolationKind::UndefinedTupleset,
                    self.leaf(leaf_index, LeafPart::Whole),
                    format!("the type `{}` has no relation `{tupleset}`", self.type_name),
                )
                .with_help(help),
            );
            return;
        };
        if definition.relation.rewrite != Rewrite::This || !definition.is_plain {
            let message =
                format!("the relation `{tupleset}` after `from` must be tuples with plain types alone");
            let help = format!("define it as a list of types, `define {tupleset}: [some_type]`");
            found.push(
                Violation::new(
                    ViolationKind::TuplesetNotDirect,
                    self.leaf(leaf_index, LeafPart::Tupleset),
                    message,
                )
                .with_help(Some(help)),
            );
            return;
        }
        let types = &definition.types;
        let has = |name: &&str| {
            self.index.type_index(name).and_then(|t| self.index.relation_index(t, computed)).is_some()
        };
        if types.iter().any(has) || types.is_empty() {
            return;
        }
        let near = types.iter().filter_map(|t| self.index.type_index(t));
        let near = near.flat_map(|t| self.index.relation_names(t));
        let help = self.suggestions.for_next(found, computed, near);
        let told = types.iter().take(TYPES_TOLD_MAX).copied().collect::<Vec<_>>().join("`, `");
        let others = match types.len().saturating_sub(TYPES_TOLD_MAX) {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let message = format!("`{computed}` is no relation of `{told}`{others}, to which `{tupleset}` leads");
        found.push(
            Violation::new(
                ViolationKind::UndefinedOnTupleset,
                self.leaf(leaf_index, LeafPart::Whole),
                message,
            )
            .with_help(help),
        );
    }
}

fn has_empty_operator(rewrite: &Rewrite) -> bool {
    match rewrite {
        Rewrite::This | Rewrite::Computed(_) | Rewrite::TupleToUserset { .. } => false,
        Rewrite::Union(children) | Rewrite::Intersection(children) => {
            children.is_empty() || children.iter().any(has_empty_operator)
        }
        Rewrite::Difference { base, subtract } => has_empty_operator(base) || has_empty_operator(subtract),
    }
}
