//! Users.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::{Answered, Call, answered, answers, command, found, operation, query, refusals, with_revision};
use crate::cooperation::{self, Email, EntityId, users};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::openapi::schema::{Shape, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::store::Database;

const PATH: &str = "/users/{user}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new().on(put_operation(), put).on(get_operation(), get)
}

#[derive(Serialize)]
struct User {
    id: EntityId,
    email: Email,
    name: Option<Box<str>>,
    organization: Option<EntityId>,
    role: Option<&'static str>,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        let (organization, role) = user.membership.unzip();
        let users::User { id, email, name, .. } = user;
        Self { id, email, name, organization, role: role.map(cooperation::OrganizationRole::name) }
    }
}

fn user() -> Shape {
    shape()
        .must("id", shapes::entity_id())
        .must("email", text())
        .must("name", text().nullable())
        .must("organization", shapes::entity_id().nullable())
        .must("role", super::members::role().nullable())
}

fn put_operation() -> Operation {
    let body = shape().must("email", shapes::email()).may("name", shapes::label().nullable()).closed();
    let operation = operation(Verb::Put, PATH, "PutUser", "Make a user known, or change one.")
        .takes_strictly(body)
        .fails(refusals([cooperation::Code::AlreadyExists]));
    answers(operation, StatusCode::OK, "The user.", with_revision(user()))
}

/// `PUT /stores/{store_id}/users/{user}`
async fn put<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let id = call.id("user")?;
        let (email, name) = call.body(|fields| {
            let name = super::optional(fields, "name")?;
            let label = |text: String| cooperation::label("name", &text);
            let name = name.map(|name| name.map(label).transpose()).transpose()?;
            Ok((super::email(fields, "email")?, name))
        })?;
        Ok((id, email, name))
    };
    let done = command(&app, call, "user.put", read, |work, (id, email, name)| {
        users::put(work, id, email, name.clone())
    });
    let done = done.await?;
    Ok(answered(done.revision, User::from(done.value)))
}

fn get_operation() -> Operation {
    let operation = operation(Verb::Get, PATH, "GetUser", "Get a user.");
    answers(operation, StatusCode::OK, "The user.", user().closed().named("RegisteredUser"))
}

/// `GET /stores/{store_id}/users/{user}`
async fn get<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<impl Serialize>, ApiError> {
    let done = query(&app, call, |call| call.id("user"), |work, id| users::get(work, &id)).await?;
    Ok(found(done.revision, User::from(done.value)))
}
