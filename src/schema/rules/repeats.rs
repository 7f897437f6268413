//! Repetitions and leftovers: a type defined twice, and what only the language's validator minds.
//!
//! A repetition is told at its first occurrence, as OpenFGA's tools do.

use std::collections::{HashMap, HashSet};

use super::{LeafPart, Place, RestrictionPart, Violation, ViolationKind, leaves};
use crate::model::{AuthorizationModel, RelationDefinition, RestrictionKind, Rewrite, TypeRestriction};

pub(super) fn check_types(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    let mut first = HashMap::new();
    for (index, definition) in model.types.iter().enumerate() {
        let type_index = *first.entry(&*definition.name).or_insert(index);
        if type_index != index {
            let message = format!("the type `{}` is defined more than once", definition.name);
            found.push(Violation::new(ViolationKind::DuplicateType, Place::Type { type_index }, message));
        }
    }
}

pub(super) fn check_relations(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    for (type_index, definition) in model.types.iter().enumerate() {
        for (relation_index, relation) in definition.relations.iter().enumerate() {
            check_restrictions(type_index, relation_index, relation, found);
            check_operands(type_index, relation_index, relation, found);
        }
    }
}

fn check_restrictions(
    type_index: usize,
    relation_index: usize,
    relation: &RelationDefinition,
    found: &mut Vec<Violation>,
) {
    let mut first = HashMap::new();
    for (index, restriction) in relation.restrictions.iter().enumerate() {
        let restriction_index = *first.entry(restriction).or_insert(index);
        if restriction_index != index {
            let part = RestrictionPart::Subject;
            let place = Place::Restriction { type_index, relation_index, restriction_index, part };
            let message = format!(
                "the type restriction `{}` stands twice in `{}`",
                describe(restriction),
                relation.name
            );
            found.push(Violation::new(ViolationKind::DuplicateRestriction, place, message));
        }
    }
}

fn describe(restriction: &TypeRestriction) -> String {
    let mut text = restriction.type_name.to_string();
    match &restriction.kind {
        RestrictionKind::Object => {}
        RestrictionKind::Wildcard => text.push_str(":*"),
        RestrictionKind::Userset(relation) => {
            text.push('#');
            text.push_str(relation);
        }
    }
    if let Some(condition) = &restriction.condition {
        text.push_str(" with ");
        text.push_str(condition);
    }
    text
}

/// The operands of the outermost operator only: what is in parentheses is left alone, as in OpenFGA's tools.
fn check_operands(
    type_index: usize,
    relation_index: usize,
    relation: &RelationDefinition,
    found: &mut Vec<Violation>,
) {
    let operands: Vec<&Rewrite> = match &relation.rewrite {
        Rewrite::Union(children) | Rewrite::Intersection(children) => children.iter().collect(),
        Rewrite::Difference { base, subtract } => vec![base, subtract],
        Rewrite::This | Rewrite::Computed(_) | Rewrite::TupleToUserset { .. } => return,
    };
    let mut first = HashMap::new();
    let mut leaf_index = 0;
    for operand in operands {
        let described = match operand {
            Rewrite::Computed(name) => Some(name.to_string()),
            Rewrite::TupleToUserset { tupleset, computed } => Some(format!("{computed} from {tupleset}")),
            _ => None,
        };
        if let Some(described) = described {
            let first_index = *first.entry(operand).or_insert(leaf_index);
            if first_index != leaf_index {
                let part = LeafPart::Whole;
                let place = Place::Leaf { type_index, relation_index, leaf_index: first_index, part };
                let message = format!("`{described}` stands twice in `{}`", relation.name);
                found.push(Violation::new(ViolationKind::DuplicateOperand, place, message));
            }
        }
        leaf_index += leaves(operand).len();
    }
}

pub(super) fn check_unused(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    let relations = model.types.iter().flat_map(|t| &t.relations);
    let restrictions = relations.flat_map(|r| &r.restrictions);
    let used: HashSet<&str> = restrictions.filter_map(|r| r.condition.as_deref()).collect();
    for (condition_index, condition) in model.conditions.iter().enumerate() {
        if !used.contains(&*condition.name) {
            let message = format!("no type restriction uses the condition `{}`", condition.name);
            let place = Place::Condition { condition_index };
            found.push(Violation::new(ViolationKind::UnusedCondition, place, message));
        }
    }
}
