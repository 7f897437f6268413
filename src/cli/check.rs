//! `tenure check`: the question that everything else is for.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, StoreArgs};
use super::failure::Failure;
use super::output;
use super::query::{ContextualForm, QueryArgs};
use crate::model::{Object, Subject, check_relation};

/// Does this subject hold this relation on this object, now?
///
/// Exit code: 0 allowed, 1 denied, 2 not answered.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure check user:carl technical_manager park:p1
  tenure check user:carl viewer park:p1 --contextual-tuple 'user:carl viewer_grant park:p1'
  tenure check user:carl viewer document:d1 --context '{\"hour\": 9}'
  tenure check user:carl viewer park:p1 >/dev/null && echo welcome")]
pub struct CheckArgs {
    /// Who: `type:id`, `type:id#relation` or `type:*`
    subject: String,
    /// Which relation
    relation: String,
    /// On what, `type:id`
    object: String,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    store: StoreArgs,
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
        let mut request = question(&self.subject, &self.relation, &self.object)?;
        self.query.add_to(&mut request, ContextualForm::Keys);
        Ok(request.into())
    }
}

/// A request that asks whether a subject holds a relation on an object.
pub fn question(subject: &str, relation: &str, object: &str) -> Result<Map<String, Value>, Failure> {
    // The same forms that the server takes; found here, the message can say which argument it is.
    let argument = |name: &str, error: String| Failure::Input(format!("{name}: {error}"));
    let subject = Subject::parse(subject).map_err(|error| argument("SUBJECT", error.to_string()))?;
    check_relation(relation).map_err(|error| argument("RELATION", error.to_string()))?;
    let object = Object::parse(object).map_err(|error| argument("OBJECT", error.to_string()))?;
    let mut request = Map::new();
    request.insert(
        "tuple_key".to_owned(),
        json!({ "user": subject.to_string(), "relation": relation, "object": object.to_string() }),
    );
    Ok(request)
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
}
