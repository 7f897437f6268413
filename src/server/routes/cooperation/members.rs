//! The members of an organization.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{
    Answered, Call, Page, answered, answers, boolean, command, created, found, instant, nothing, operation,
    optional, paged, query, refusals, required, text_if_any, with_revision,
};
use crate::cooperation::Work;
use crate::cooperation::members::{self, MembershipChange};
use crate::cooperation::{Code, EntityId, Membership, OrganizationRole};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{self, Schema, Shape, choice, list_of, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

const LIST: &str = "/organizations/{organization}/members";
const PATH: &str = "/organizations/{organization}/members/{user}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(list_operation(), list)
        .on(put_operation(), put)
        .on(change_operation(), change)
        .on(remove_operation(), remove)
}

#[derive(Serialize)]
struct Member {
    user: EntityId,
    role: &'static str,
    paused: bool,
    expires_at: Option<String>,
}

impl From<Membership> for Member {
    fn from(membership: Membership) -> Self {
        let Membership { user, role, lifetime, .. } = membership;
        let expires_at = lifetime.expires_at.map(wire::instant);
        Self { user, role: role.name(), paused: lifetime.paused, expires_at }
    }
}

#[derive(Serialize)]
struct Members {
    members: Vec<Member>,
    continuation_token: String,
}

/// A role in an organization.
pub(super) fn role() -> Schema {
    choice(OrganizationRole::ALL.iter().map(|role| role.name())).named("OrganizationRole")
}

fn member() -> Shape {
    shape()
        .must("user", shapes::entity_id())
        .must("role", role())
        .must("paused", schema::boolean())
        .must("expires_at", shapes::instant().nullable())
}

/// Reads a role that may be absent.
pub(super) fn role_if_any(fields: &mut Fields) -> Result<Option<OrganizationRole>, ApiError> {
    let text = text_if_any(fields, "role")?;
    let role = text.map(|text| OrganizationRole::parse(&fields.path("role"), &text)).transpose()?;
    Ok(role)
}

/// Reads a role.
pub(super) fn required_role(fields: &mut Fields) -> Result<OrganizationRole, ApiError> {
    let text = required(fields, "role")?;
    Ok(OrganizationRole::parse(&fields.path("role"), &text)?)
}

fn list_operation() -> Operation {
    let body = shape()
        .must("members", list_of(member().closed().named("Member")))
        .must("continuation_token", shapes::token());
    let operation = paged(operation(Verb::Get, LIST, "ListMembers", "List the members of an organization."));
    answers(operation, StatusCode::OK, "The members.", body.closed())
}

/// `GET /stores/{store_id}/organizations/{organization}/members`
async fn list<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<impl Serialize>, ApiError> {
    let store = call.store();
    let read = |call: &Call| {
        let page = call.query(|fields| Page::read(call, "members", fields))?;
        Ok((call.id("organization")?, page))
    };
    let run = |work: &mut Work<'_, D>, (id, page): (EntityId, Page)| Ok((members::list(work, &id)?, page));
    let done = query(&app, call, read, run).await?;
    let (all, page) = done.value;
    let (items, continuation_token) = page.cut(store, "members", all, |member| &member.user);
    let members = items.into_iter().map(Member::from).collect();
    Ok(found(done.revision, Members { members, continuation_token }))
}

fn put_operation() -> Operation {
    let operation =
        operation(Verb::Put, PATH, "PutMember", "Make a user a member, or change the role of one.")
            .takes_strictly(shape().must("role", role()).closed())
            .fails(refusals([Code::AlreadyMember, Code::LastAdmin]));
    let operation = answers(operation, StatusCode::OK, "The membership, changed.", with_revision(member()));
    answers(operation, StatusCode::CREATED, "The membership, which is new.", with_revision(member()))
}

/// `PUT /stores/{store_id}/organizations/{organization}/members/{user}`
async fn put<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Response, ApiError> {
    let read = |call: &Call| Ok((call.id("organization")?, call.id("user")?, call.body(required_role)?));
    let done = command(&app, call, "member.put", read, |work, (organization, user, role)| {
        members::put(work, organization, user, *role)
    });
    let done = done.await?;
    let (membership, is_new) = done.value;
    let member = Member::from(membership);
    Ok(if is_new { created(done.revision, member) } else { answered(done.revision, member) }.into_response())
}

fn change_operation() -> Operation {
    let body = shape()
        .may("role", role())
        .may("paused", schema::boolean())
        .may("expires_at", shapes::instant().nullable())
        .closed();
    let operation = operation(Verb::Patch, PATH, "ChangeMember", "Change a membership.")
        .takes_strictly(body)
        .fails(refusals([Code::LastAdmin]));
    answers(operation, StatusCode::OK, "The membership.", with_revision(member()))
}

/// `PATCH /stores/{store_id}/organizations/{organization}/members/{user}`
async fn change<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let change = call.body(|fields| {
            Ok(MembershipChange {
                role: role_if_any(fields)?,
                paused: boolean(fields, "paused")?,
                expires_at: instant(fields, "expires_at")?,
            })
        })?;
        Ok((call.id("organization")?, call.id("user")?, change))
    };
    let done = command(&app, call, "member.change", read, |work, (organization, user, change)| {
        members::change(work, organization, user, change)
    });
    let done = done.await?;
    Ok(answered(done.revision, Member::from(done.value)))
}

fn remove_operation() -> Operation {
    let confirm = "The id of the organization, by which its only member dissolves it.";
    operation(Verb::Delete, PATH, "RemoveMember", "Leave an organization, or remove a member.")
        .takes_strictly(shape().may("confirm", text().nullable().says(confirm)).closed())
        .query("confirm", text(), confirm)
        .answers_nothing("The membership is gone, with what was granted and delegated to the member.")
        .shows(crate::server::reply::REVISION, true)
        .fails(refusals([Code::LastAdmin]))
}

/// `DELETE /stores/{store_id}/organizations/{organization}/members/{user}`
async fn remove<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        let in_body = call.body(|fields| optional(fields, "confirm"))?.flatten();
        let in_query = call.query(|fields| text_if_any(fields, "confirm"))?;
        Ok((call.id("organization")?, call.id("user")?, in_body.or(in_query)))
    };
    let done = command(&app, call, "member.remove", read, |work, (organization, user, confirm)| {
        members::remove(work, organization, user, confirm.as_deref())
    });
    Ok(nothing(&done.await?))
}
