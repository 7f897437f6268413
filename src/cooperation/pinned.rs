//! The one model that cooperations work under: the one of `schema/cooperation.fga`, which the commands rely on (R51).

use std::sync::LazyLock;

use crate::model::AuthorizationModel;
use crate::schema;

/// The model in the language, as it was compiled in.
pub const COOPERATION_MODEL: &str = include_str!("../../schema/cooperation.fga");

static NORMAL: LazyLock<Option<AuthorizationModel>> = LazyLock::new(|| cooperation_model().map(normal));

/// The model; `None` if what was compiled in is none, which a test sees to.
pub(super) fn cooperation_model() -> Option<AuthorizationModel> {
    schema::parse(COOPERATION_MODEL).ok()
}

/// Whether a model is the one of the cooperations: the same types and relations, in whatever order and form it was written.
pub(super) fn is_cooperation_model(model: &AuthorizationModel) -> bool {
    NORMAL.as_ref().is_some_and(|pinned| *pinned == normal(model.clone()))
}

/// The model with everything sorted whose order means nothing.
fn normal(mut model: AuthorizationModel) -> AuthorizationModel {
    model.types.sort_by(|a, b| a.name.cmp(&b.name));
    for definition in &mut model.types {
        definition.relations.sort_by(|a, b| a.name.cmp(&b.name));
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::json;

    #[test]
    fn the_model_is_known_in_every_form_and_no_other_is_taken_for_it() {
        let model = schema::parse(COOPERATION_MODEL).unwrap();
        assert!(is_cooperation_model(&model));
        for style in [json::Style::Compact, json::Style::Wire] {
            assert!(is_cooperation_model(&json::from_value(&json::to_value(&model, style)).unwrap()));
        }
        let weaker = COOPERATION_MODEL.replace(
            "define can_manage: admin from initiator",
            "define can_manage: any_member from initiator",
        );
        assert!(!is_cooperation_model(&schema::parse(&weaker).unwrap()));
        let more = format!("{COOPERATION_MODEL}\ntype other\n");
        assert!(!is_cooperation_model(&schema::parse(&more).unwrap()));
    }
}
