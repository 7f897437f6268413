//! The list assertions of a store file: `list_objects` and `list_users`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::store_file::{Read, Wrong, object, place, relation, subject, wrong};
use crate::cel::Context;
use crate::engine::{ListObjectsRequest, ListUsersRequest, UserFilter};
use crate::model::check_type;

/// One list and everything that is expected in it.
#[derive(Debug, Clone)]
pub struct ListAssertion {
    /// What is asked.
    pub question: ListQuestion,
    /// The request's context; conditions alone look at it.
    pub context: Context,
    /// The names of objects or subjects, as tuples have them.
    pub expected: BTreeSet<String>,
}

/// A list that is asked for.
#[derive(Debug, Clone)]
pub enum ListQuestion {
    /// What does this subject hold the relation on?
    Objects(ListObjectsRequest),
    /// Who holds the relation on this object?
    Users(ListUsersRequest),
}

impl fmt::Display for ListQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(ListObjectsRequest { subject, relation, object_type }) => {
                write!(f, "list_objects {subject} {relation} {object_type}")
            }
            Self::Users(ListUsersRequest { object, relation, filter }) => {
                write!(f, "list_users {object} {relation} {}", filter.type_name)?;
                filter.relation.as_ref().map_or(Ok(()), |relation| write!(f, "#{relation}"))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListObjects {
    user: Spanned<String>,
    #[serde(rename = "type")]
    object_type: Spanned<String>,
    context: Option<Context>,
    assertions: BTreeMap<String, Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListUsers {
    object: Spanned<String>,
    user_filter: Vec<RawUserFilter>,
    context: Option<Context>,
    assertions: BTreeMap<String, RawUsers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUserFilter {
    #[serde(rename = "type")]
    type_name: Spanned<String>,
    relation: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUsers {
    users: Vec<Spanned<String>>,
}

/// Reads one `list_objects`, an assertion for each relation.
pub(super) fn add_list_objects(
    assertions: &mut Vec<ListAssertion>,
    raw: Spanned<RawListObjects>,
) -> Read<()> {
    let start = place(raw.referenced);
    let raw = raw.value;
    let (user, object_type) = (subject(&raw.user, "user")?, type_name(&raw.object_type, "type")?);
    let context = raw.context.unwrap_or_default();
    for (name, expected) in named(raw.assertions, start)? {
        let of_the_type = |text: &Spanned<String>| {
            let object = object(text, "assertions")?;
            if object.type_name == object_type {
                return Ok(object.to_string());
            }
            Err(wrong(text, "assertions", format_args!("`{object}` is not of type `{object_type}`")))
        };
        let expected = expected.iter().map(of_the_type).collect::<Read<_>>()?;
        let (relation, object_type) = (name, object_type.clone());
        let question =
            ListQuestion::Objects(ListObjectsRequest { subject: user.clone(), relation, object_type });
        assertions.push(ListAssertion { question, context: context.clone(), expected });
    }
    Ok(())
}

/// Reads one `list_users`, an assertion for each relation.
pub(super) fn add_list_users(assertions: &mut Vec<ListAssertion>, raw: Spanned<RawListUsers>) -> Read<()> {
    let start = place(raw.referenced);
    let raw = raw.value;
    let on = object(&raw.object, "object")?;
    let [filter] = &raw.user_filter[..] else {
        return Err(Wrong { place: start, reason: "`user_filter`: needs exactly one filter".to_owned() });
    };
    let filter = UserFilter {
        type_name: type_name(&filter.type_name, "type")?,
        relation: match &filter.relation {
            Some(name) => Some(relation(&name.value).map_err(|reason| wrong(name, "relation", reason))?),
            None => None,
        },
    };
    let context = raw.context.unwrap_or_default();
    for (name, RawUsers { users }) in named(raw.assertions, start)? {
        let expected =
            users.iter().map(|user| Ok(subject(user, "users")?.to_string())).collect::<Read<_>>()?;
        let request = ListUsersRequest { object: on.clone(), relation: name, filter: filter.clone() };
        let question = ListQuestion::Users(request);
        assertions.push(ListAssertion { question, context: context.clone(), expected });
    }
    Ok(())
}

fn type_name(text: &Spanned<String>, field: &str) -> Read<Box<str>> {
    let reason = |error| wrong(text, field, format_args!("`{}` {error}", text.value));
    check_type(&text.value).map_err(reason)?;
    Ok(text.value.as_str().into())
}

/// The assertions by relation, of which there must be one.
fn named<T>(raw: BTreeMap<String, T>, start: Option<(u64, u64)>) -> Read<Vec<(Box<str>, T)>> {
    let in_assertions = |reason| Wrong { place: start, reason: format!("`assertions`: {reason}") };
    if raw.is_empty() {
        return Err(in_assertions("asserts nothing".to_owned()));
    }
    let named = |(name, expected): (String, T)| Ok((relation(&name).map_err(in_assertions)?, expected));
    raw.into_iter().map(named).collect()
}
