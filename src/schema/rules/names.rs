//! Names: what they may look like, and that relations, conditions and parameters have one each.

use std::collections::HashSet;

use super::{Place, Violation, ViolationKind};
use crate::model::{AuthorizationModel, NameError, Origin, check_relation, check_type, limits};
use crate::schema::syntax::quote;

pub(super) fn check(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    let mut origins = Origins::default();
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
            origins.check(&relation.origin, place, found);
        }
        origins.check(&definition.origin, place, found);
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
        origins.check(&condition.origin, place, found);
    }
}

/// The modules and files that were found wrong: each is told once, however much it defines.
#[derive(Default)]
struct Origins<'a> {
    wrong: HashSet<&'a str>,
}

impl<'a> Origins<'a> {
    fn check(&mut self, origin: &'a Origin, place: Place, found: &mut Vec<Violation>) {
        if let Some(module) = origin.module.as_deref()
            && let Err(error) = check_relation(module)
            && self.wrong.insert(module)
        {
            let message = format!("the module name {} {error}", quote(module));
            found.push(Violation::new(ViolationKind::InvalidOrigin, place, message));
        }
        if let Some(file) = origin.file.as_deref()
            && !is_source_file(file)
            && self.wrong.insert(file)
        {
            let (file, max) = (quote(file), limits::SOURCE_FILE_BYTES_MAX);
            let message = format!(
                "the source file {file} is not named by 1 to {max} letters, digits, `_`, `-` and `/` before `.fga`"
            );
            found.push(Violation::new(ViolationKind::InvalidOrigin, place, message));
        }
    }
}

/// What OpenFGA's server takes: `^[a-zA-Z0-9_\-\/]{1,100}\.fga$`.
fn is_source_file(path: &str) -> bool {
    let Some(stem) = path.strip_suffix(".fga") else { return false };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/');
    (1..=limits::SOURCE_FILE_BYTES_MAX).contains(&stem.len()) && stem.bytes().all(is_plain)
}

fn check_name(
    what: &str,
    name: &str,
    checked: Result<(), NameError>,
    place: Place,
    found: &mut Vec<Violation>,
) {
    if let Err(error) = checked {
        let message = format!("the {what} name {} {error}", quote(name));
        found.push(Violation::new(ViolationKind::InvalidName, place, message));
    }
}

fn check_reserved(what: &str, name: &str, place: Place, found: &mut Vec<Violation>) {
    if matches!(name, "self" | "this") {
        let message = format!("a {what} cannot be named `{name}`");
        found.push(Violation::new(ViolationKind::ReservedName, place, message));
    }
}
