//! `tenure check`: the question that everything else is for.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, StoreArgs};
use super::failure::Failure;
use super::output;
use super::tuple_file::GivenTuple;
use crate::model::{ModelId, Object, Subject, TupleKey, check_relation};
use crate::store::Field;

/// Does this subject hold this relation on this object, now?
///
/// Exit code: 0 allowed, 1 denied, 2 not answered.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure check user:carl technical_manager park:p1
  tenure check user:carl viewer park:p1 --contextual-tuple 'user:carl viewer_grant park:p1'
  tenure check user:carl viewer park:p1 >/dev/null && echo welcome")]
pub struct CheckArgs {
    /// Who: `type:id`, `type:id#relation` or `type:*`
    subject: String,
    /// Which relation
    relation: String,
    /// On what, `type:id`
    object: String,
    /// A tuple that counts for this check only; may be repeated
    #[arg(long = "contextual-tuple", value_name = "'SUBJECT RELATION OBJECT'", value_parser = contextual_tuple)]
    contextual_tuples: Vec<TupleKey>,
    /// The model to answer with [default: the store's newest]
    #[arg(long, value_name = "ID", value_parser = model_id)]
    model: Option<ModelId>,
    /// Answer from this revision, as a write has answered it, or a newer one; a server that has not reached it waits a moment
    #[arg(long, value_name = "N")]
    at_least_revision: Option<u64>,
    #[command(flatten)]
    store: StoreArgs,
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

#[derive(Deserialize)]
struct CheckAnswer {
    allowed: bool,
    revision: Option<Value>,
    stable_until: Option<String>,
}

impl CheckArgs {
    /// Runs the command. Answers whether the subject holds the relation.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let path = format!("/stores/{}/check", self.store.store);
        let answer = Client::new(&self.store.server).post(&path, &self.request()?)?;
        let check: CheckAnswer = answer.read()?;
        if self.store.server.json {
            output::raw(out, &answer)?;
        } else {
            writeln!(out, "{}", check.describe())?;
        }
        Ok(check.allowed)
    }

    fn request(&self) -> Result<Value, Failure> {
        // The same forms that the server takes; found here, the message can say which argument it is.
        let argument = |name: &str, error: String| Failure::Input(format!("{name}: {error}"));
        let subject =
            Subject::parse(&self.subject).map_err(|error| argument("SUBJECT", error.to_string()))?;
        check_relation(&self.relation).map_err(|error| argument("RELATION", error.to_string()))?;
        let object = Object::parse(&self.object).map_err(|error| argument("OBJECT", error.to_string()))?;

        let mut request = Map::new();
        request.insert(
            "tuple_key".to_owned(),
            json!({ "user": subject.to_string(), "relation": self.relation, "object": object.to_string() }),
        );
        if !self.contextual_tuples.is_empty() {
            let given = |key: &TupleKey| {
                GivenTuple { key: key.clone(), expires_at: Field::Absent, paused: None, condition: None }
                    .json()
            };
            let tuples: Vec<_> = self.contextual_tuples.iter().map(given).collect();
            request.insert("contextual_tuples".to_owned(), json!({ "tuple_keys": tuples }));
        }
        if let Some(model) = self.model {
            request.insert("authorization_model_id".to_owned(), model.to_string().into());
        }
        if let Some(revision) = self.at_least_revision {
            request.insert("at_least_revision".to_owned(), revision.into());
        }
        Ok(request.into())
    }
}

impl CheckAnswer {
    fn describe(&self) -> String {
        let mut text = if self.allowed { "allowed" } else { "denied" }.to_owned();
        if let Some(end) = &self.stable_until {
            text.push_str(&format!(", stable until {end}"));
        }
        if let Some(revision) = &self.revision {
            text.push_str(&format!(" (revision {revision})"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_says_until_when_it_holds() {
        let describe = |json: &str| serde_json::from_str::<CheckAnswer>(json).unwrap().describe();
        assert_eq!(
            describe(
                r#"{"allowed":true,"resolution":"","revision":7,"stable_until":"2027-01-31T12:00:00Z"}"#
            ),
            "allowed, stable until 2027-01-31T12:00:00Z (revision 7)"
        );
        assert_eq!(
            describe(r#"{"allowed":false,"resolution":"","revision":7,"stable_until":null}"#),
            "denied (revision 7)"
        );
        // A server of OpenFGA's knows neither.
        assert_eq!(describe(r#"{"allowed":true,"resolution":""}"#), "allowed");
    }

    #[test]
    fn a_contextual_tuple_is_three_words() {
        assert_eq!(contextual_tuple("user:a viewer park:p1").unwrap().to_string(), "park:p1#viewer@user:a");
        for text in
            ["", "user:a viewer", "user:a viewer park:p1 x", "park:p1#viewer@user:a", "user:a viewer p1"]
        {
            assert!(contextual_tuple(text).is_err(), "{text}");
        }
    }
}
