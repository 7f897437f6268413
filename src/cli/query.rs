//! What every question to a server may carry beside itself.

use clap::Args;
use serde_json::{Map, Value, json};

use super::tuple_file::GivenTuple;
use crate::model::{ModelId, TupleKey};
use crate::store::Field;

/// What a question may carry.
#[derive(Debug, Clone, Default, Args)]
pub struct QueryArgs {
    /// A tuple that counts for this question only; may be repeated
    #[arg(long = "contextual-tuple", value_name = "'SUBJECT RELATION OBJECT'", value_parser = contextual_tuple)]
    contextual_tuples: Vec<TupleKey>,
    /// Values for the parameters of conditions, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    context: Option<Map<String, Value>>,
    /// The model to answer with [default: the store's newest]
    #[arg(long, value_name = "ID", value_parser = model_id)]
    model: Option<ModelId>,
    /// Answer from this revision, as a write has answered it, or a newer one; a server that has not reached it waits a
    /// moment
    #[arg(long, value_name = "N")]
    at_least_revision: Option<u64>,
}

/// In which form a request takes contextual tuples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextualForm {
    /// As the field `tuple_keys` of an object.
    Keys,
    /// As a list.
    List,
}

impl QueryArgs {
    /// Adds everything to a request.
    pub fn add_to(&self, request: &mut Map<String, Value>, form: ContextualForm) {
        if !self.contextual_tuples.is_empty() {
            let given = |key: &TupleKey| {
                GivenTuple { key: key.clone(), expires_at: Field::Absent, paused: None, condition: None }
                    .json()
            };
            let tuples: Vec<_> = self.contextual_tuples.iter().map(given).collect();
            let tuples = match form {
                ContextualForm::Keys => json!({ "tuple_keys": tuples }),
                ContextualForm::List => tuples.into(),
            };
            request.insert("contextual_tuples".to_owned(), tuples);
        }
        if let Some(context) = &self.context {
            request.insert("context".to_owned(), context.clone().into());
        }
        if let Some(model) = self.model {
            request.insert("authorization_model_id".to_owned(), model.to_string().into());
        }
        if let Some(revision) = self.at_least_revision {
            request.insert("at_least_revision".to_owned(), revision.into());
        }
    }
}

/// Reads a JSON object, for clap.
pub fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("expected a JSON object, such as '{{\"x\": 1}}': {error}"))
}

/// Reads the id of a model, for clap.
pub fn model_id(text: &str) -> Result<ModelId, String> {
    text.parse().map_err(|()| {
        "not the id of a model: 26 upper-case characters, as `tenure model list` shows them".to_owned()
    })
}

fn contextual_tuple(text: &str) -> Result<TupleKey, String> {
    let mut parts = text.split_whitespace();
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(subject), Some(relation), Some(object), None) => {
            TupleKey::parse(object, relation, subject).map_err(|error| error.to_string())
        }
        _ => Err("expected three words: subject, relation and object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contextual_tuple_is_three_words() {
        assert_eq!(contextual_tuple("user:a viewer park:p1").unwrap().to_string(), "park:p1#viewer@user:a");
        for text in
            ["", "user:a viewer", "user:a viewer park:p1 x", "park:p1#viewer@user:a", "user:a viewer p1"]
        {
            assert!(contextual_tuple(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_question_carries_what_is_given_in_the_form_of_its_request() {
        let query = QueryArgs {
            contextual_tuples: vec![contextual_tuple("user:a viewer park:p1").unwrap()],
            context: Some(json_object(r#"{"x": 1}"#).unwrap()),
            model: None,
            at_least_revision: Some(7),
        };
        let request = |form| {
            let mut request = Map::new();
            query.add_to(&mut request, form);
            Value::from(request)
        };
        let tuple = json!({ "user": "user:a", "relation": "viewer", "object": "park:p1" });
        assert_eq!(
            request(ContextualForm::Keys),
            json!({ "contextual_tuples": { "tuple_keys": [tuple] }, "context": { "x": 1 }, "at_least_revision": 7 })
        );
        assert_eq!(
            request(ContextualForm::List),
            json!({ "contextual_tuples": [tuple], "context": { "x": 1 }, "at_least_revision": 7 })
        );
        let mut request = Map::new();
        QueryArgs::default().add_to(&mut request, ContextualForm::Keys);
        assert!(request.is_empty());
    }
}
