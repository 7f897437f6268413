//! Conditions' expressions: each must parse, type-check and be a boolean. A condition that nothing uses, too.

use super::{Place, Violation, ViolationKind};
use crate::cel::Program;
use crate::model::AuthorizationModel;

pub(super) fn check(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    for (condition_index, condition) in model.conditions.iter().enumerate() {
        if let Err(error) = Program::compile(condition) {
            let place = Place::InExpression { condition_index, offset: error.offset };
            found.push(Violation::new(ViolationKind::InvalidExpression, place, error.to_string()));
        }
    }
}
