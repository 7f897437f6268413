//! `tenure list-objects` and `tenure list-users`: the same question as a check, with one side left open.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Answer, Client, StoreArgs};
use super::failure::Failure;
use super::output;
use super::query::{ContextualForm, QueryArgs};
use crate::model::{Object, Subject, check_relation, check_type};

/// On which objects of a type does this subject hold this relation, now?
///
/// One object a line. Exit code: 0 these are all, 1 there may be more, 2 not answered.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure list-objects user:carl viewer park
  tenure list-objects organization:helios#admin viewer park")]
pub struct ListObjectsArgs {
    /// Who: `type:id`, `type:id#relation` or `type:*`
    subject: String,
    /// Which relation
    relation: String,
    /// Of which type
    #[arg(value_name = "TYPE")]
    object_type: String,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// Who holds this relation on this object, now?
///
/// One subject a line; `type:*` stands for everybody of the type. Exit code: 0 these are all, 1 there may be more, 2 not
/// answered.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure list-users park:deich viewer user
  tenure list-users park:deich viewer organization#admin")]
pub struct ListUsersArgs {
    /// On what, `type:id`
    object: String,
    /// Which relation
    relation: String,
    /// Which subjects: the objects of a type, or its usersets of a relation
    #[arg(value_name = "TYPE[#RELATION]")]
    filter: String,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Deserialize)]
struct Objects {
    objects: Vec<String>,
}

#[derive(Deserialize)]
struct Users {
    users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum User {
    Object {
        #[serde(rename = "type")]
        type_name: String,
        id: String,
    },
    Userset {
        #[serde(rename = "type")]
        type_name: String,
        id: String,
        relation: String,
    },
    Wildcard {
        #[serde(rename = "type")]
        type_name: String,
    },
}

impl ListObjectsArgs {
    /// Runs the command. Answers whether the list is whole.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let subject = Subject::parse(&self.subject).map_err(|error| wrong("SUBJECT", error))?;
        check_relation(&self.relation).map_err(|error| wrong("RELATION", error))?;
        check_type(&self.object_type).map_err(|error| wrong("TYPE", error))?;
        let mut request = Map::new();
        request.insert("user".to_owned(), subject.to_string().into());
        request.insert("relation".to_owned(), self.relation.clone().into());
        request.insert("type".to_owned(), self.object_type.clone().into());
        self.query.add_to(&mut request, ContextualForm::Keys);
        let path = format!("/stores/{}/list-objects", self.store.store);
        let answer = Client::new(&self.store.server).post(&path, &request.into())?;
        print(out, self.store.server.json, &answer, |Objects { objects }| objects)
    }
}

impl ListUsersArgs {
    /// Runs the command. Answers whether the list is whole.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let object = Object::parse(&self.object).map_err(|error| wrong("OBJECT", error))?;
        check_relation(&self.relation).map_err(|error| wrong("RELATION", error))?;
        let mut request = Map::new();
        request.insert("object".to_owned(), json!({ "type": object.type_name, "id": object.id }));
        request.insert("relation".to_owned(), self.relation.clone().into());
        request.insert("user_filters".to_owned(), json!([filter(&self.filter)?]));
        self.query.add_to(&mut request, ContextualForm::List);
        let path = format!("/stores/{}/list-users", self.store.store);
        let answer = Client::new(&self.store.server).post(&path, &request.into())?;
        print(out, self.store.server.json, &answer, |Users { users }| {
            users.into_iter().map(User::into_text).collect()
        })
    }
}

fn wrong(argument: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Input(format!("{argument}: {error}"))
}

/// Reads `type` or `type#relation`.
fn filter(text: &str) -> Result<Value, Failure> {
    let argument = "TYPE[#RELATION]";
    let (type_name, relation) = text.split_once('#').map_or((text, None), |(of, name)| (of, Some(name)));
    check_type(type_name).map_err(|error| wrong(argument, format_args!("the type of `{text}` {error}")))?;
    let Some(relation) = relation else { return Ok(json!({ "type": type_name })) };
    check_relation(relation)
        .map_err(|error| wrong(argument, format_args!("the relation of `{text}` {error}")))?;
    Ok(json!({ "type": type_name, "relation": relation }))
}

/// Prints what was found, sorted, or the answer as it is. Answers whether it is whole, and says so where it is not.
fn print<T: serde::de::DeserializeOwned>(
    out: &mut impl Write,
    as_json: bool,
    answer: &Answer,
    lines: impl FnOnce(T) -> Vec<String>,
) -> Result<bool, Failure> {
    let mut lines = lines(answer.read()?);
    if as_json {
        output::raw(out, answer)?;
    } else {
        lines.sort();
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    if answer.partial {
        out.flush()?;
        eprintln!("note: a limit of the server ended the list; there may be more");
    }
    Ok(!answer.partial)
}

impl User {
    fn into_text(self) -> String {
        match self {
            Self::Object { type_name, id } => format!("{type_name}:{id}"),
            Self::Userset { type_name, id, relation } => format!("{type_name}:{id}#{relation}"),
            Self::Wildcard { type_name } => format!("{type_name}:*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_user_is_written_as_in_a_tuple() {
        let answer = r#"{"users":[{"object":{"type":"user","id":"a"}},{"wildcard":{"type":"user"}},
            {"userset":{"type":"group","id":"g","relation":"member"}}]}"#;
        let Users { users } = serde_json::from_str(answer).unwrap();
        let texts: Vec<_> = users.into_iter().map(User::into_text).collect();
        assert_eq!(texts, ["user:a", "user:*", "group:g#member"]);
    }

    #[test]
    fn a_filter_is_a_type_or_a_type_and_a_relation() {
        assert_eq!(filter("user").unwrap(), json!({ "type": "user" }));
        assert_eq!(filter("group#member").unwrap(), json!({ "type": "group", "relation": "member" }));
        for text in ["", "user:a", "group#", "#member", "group#a#b"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
