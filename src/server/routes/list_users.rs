//! ListUsers: who holds this relation on this object?

use axum::extract::State;
use serde::Serialize;

use super::list_objects::{object, refused, type_name};
use crate::engine::{ListUsersRequest, Listed, QueryContext, UserFilter};
use crate::model::{Object, Revision, Subject};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::extract::{Input, StorePath};
use crate::server::fields::Fields;
use crate::server::metrics::Purpose;
use crate::server::openapi::schema::{list_of, one_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;
use axum::http::StatusCode;

#[derive(Serialize)]
pub(in crate::server) struct ListedUsers {
    users: Vec<User>,
    revision: Revision,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum User {
    Object {
        #[serde(rename = "type")]
        type_name: Box<str>,
        id: Box<str>,
    },
    Userset {
        #[serde(rename = "type")]
        type_name: Box<str>,
        id: Box<str>,
        relation: Box<str>,
    },
    Wildcard {
        #[serde(rename = "type")]
        type_name: Box<str>,
    },
}

pub(in crate::server) fn operation() -> Operation {
    let of_type = || shape().must("type", shapes::type_name());
    let filter = of_type().may("relation", shapes::relation()).open().named("UserTypeFilter");
    let object = of_type().must("id", shapes::object_id()).open().named("Object");
    let asked = shape()
        .must("object", object)
        .must("relation", shapes::relation())
        .must("user_filters", list_of(filter).with("minItems", 1).with("maxItems", 1));
    let request = shapes::query(asked)
        .may("contextual_tuples", shapes::contextual_tuple_keys())
        .may("context", shapes::context());
    let one = || of_type().must("id", text());
    let user = one_of([
        shape().must("object", one().closed()).closed(),
        shape().must("userset", one().must("relation", shapes::relation()).closed()).closed(),
        shape().must("wildcard", of_type().closed()).closed(),
    ]);
    let body =
        shape().must("users", list_of(user.named("User"))).must("revision", shapes::revision()).closed();
    let summary = "List the users that have a relation with an object.";
    Operation::new(Verb::Post, "/stores/{store_id}/list-users", Tag::Queries, "ListUsers", summary)
        .takes(request.open().named("ListUsersRequest"))
        .answers(StatusCode::OK, "The users.", body.named("ListUsersResponse"))
        .names_revision()
        .may_be_partial()
        .fails(super::list_objects::FAILURES)
}

/// `POST /stores/{store_id}/list-users`
pub(in crate::server) async fn list_users<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<ListedUsers>, ApiError> {
    let (context, request) = input.read(request)?;
    let outcome = app
        .run_list(store, context, move |engine, context, go_on| {
            engine.list_users(store, context, &request, go_on)
        })
        .await?;
    app.metrics.listed(outcome.as_ref().map(|(answer, _)| answer.value.partial.is_none()));
    let (answer, counts) = outcome.map_err(refused)?;
    app.metrics.evaluated(store, Purpose::List, counts.made());
    let revision = answer.revision;
    let (Listed { items, partial }, model) = (answer.value, answer.model);
    let body = ListedUsers { users: items.into_iter().map(User::from).collect(), revision };
    Ok(Reply::ok(body).with(model, revision).partial(partial.is_some()))
}

fn request(fields: &mut Fields) -> Result<(QueryContext, ListUsersRequest), ApiError> {
    let object = fields.object("object", |fields| {
        let (of, id) = (type_name(fields)?, fields.string("id")?);
        Object::parse(&object(of, &id)).map_err(|error| ApiError::invalid(&fields.path("id"), error))
    })?;
    let Some(object) = object else {
        return Err(ApiError::invalid(&fields.path("object"), "value is required"));
    };
    let relation = wire::relation(fields)?;
    let filters = fields.objects("user_filters", filter)?;
    let [filter] = &filters[..] else {
        return Err(ApiError::invalid(&fields.path("user_filters"), "value must contain exactly 1 item(s)"));
    };
    let context = QueryContext {
        contextual_tuples: wire::contextual_tuples_of(fields, "contextual_tuples")?,
        context: wire::context(fields)?,
        ..wire::query_context(fields)?
    };
    Ok((context, ListUsersRequest { object, relation, filter: filter.clone() }))
}

fn filter(fields: &mut Fields) -> Result<UserFilter, ApiError> {
    let (type_name, relation) = (type_name(fields)?, fields.string("relation")?);
    let relation = if relation.is_empty() { None } else { Some(wire::relation_of(fields, relation)?) };
    Ok(UserFilter { type_name, relation })
}

impl From<Subject> for User {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Object(Object { type_name, id }) => Self::Object { type_name, id },
            Subject::Wildcard(type_name) => Self::Wildcard { type_name },
            Subject::Userset(Object { type_name, id }, relation) => Self::Userset { type_name, id, relation },
        }
    }
}
