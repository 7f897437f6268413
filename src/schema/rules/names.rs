//! Names: what they may look like, and that relations, conditions and parameters have one each.

use std::collections::HashSet;

use super::{Place, Violation, ViolationKind};
use crate::model::{AuthorizationModel, NameError, check_relation, check_type};

pub(super) fn check(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    for (type_index, definition) in model.types.iter().enumerate() {
        let place = Place::Type { type_index };
        check_name("type", &definition.name, check_type(&definition.name), place, found);
        check_reserved("type", &definition.name, place, found);
        let mut seen = HashSet::new();
        for (relation_index, relation) in definition.relations.iter().enumerate() {
            let place = Place::Relation { type_index, relation_index };
            check_name("relation", &relation.name, check_relation(&relation.name), place, found);
            check_reserved("relation", &relation.name, place, found);
            if !seen.insert(&*relation.name) {
                found.push(Violation::new(
                    ViolationKind::DuplicateRelation,
                    place,
                    format!(
                        "the relation `{}` is already defined in the type `{}`",
                        relation.name, definition.name
                    ),
                ));
            }
            check_module(relation.origin.module.as_deref(), place, found);
        }
        check_module(definition.origin.module.as_deref(), place, found);
    }
    let mut seen = HashSet::new();
    for (condition_index, condition) in model.conditions.iter().enumerate() {
        let place = Place::Condition { condition_index };
        check_name("condition", &condition.name, check_relation(&condition.name), place, found);
        if !seen.insert(&*condition.name) {
            let message = format!("the condition `{}` is already defined", condition.name);
            found.push(Violation::new(ViolationKind::DuplicateCondition, place, message));
        }
        let mut parameters = HashSet::new();
        for (parameter_index, parameter) in condition.parameters.iter().enumerate() {
            let place = Place::Parameter { condition_index, parameter_index };
            check_name("parameter", &parameter.name, check_relation(&parameter.name), place, found);
            if !parameters.insert(&*parameter.name) {
                let (name, of) = (&parameter.name, &condition.name);
                let message = format!("the parameter `{name}` is already defined in the condition `{of}`");
                found.push(Violation::new(ViolationKind::DuplicateParameter, place, message));
            }
        }
        check_module(condition.origin.module.as_deref(), place, found);
    }
}

fn check_module(module: Option<&str>, place: Place, found: &mut Vec<Violation>) {
    if let Some(module) = module {
        check_name("module", module, check_relation(module), place, found);
    }
}

fn check_name(
    what: &str,
    name: &str,
    checked: Result<(), NameError>,
    place: Place,
    found: &mut Vec<Violation>,
) {
    if let Err(error) = checked {
        let message = format!("the {what} name {} {error}", crate::schema::syntax::quote(name));
        found.push(Violation::new(ViolationKind::InvalidName, place, message));
    }
}

fn check_reserved(what: &str, name: &str, place: Place, found: &mut Vec<Violation>) {
    if matches!(name, "self" | "this") {
        let message = format!("a {what} cannot be named `{name}`");
        found.push(Violation::new(ViolationKind::ReservedName, place, message));
    }
}
