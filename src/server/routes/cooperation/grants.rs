//! Grants of job roles to members of the own organization.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::resources::resource_kind;
use super::{
    Answered, Call, answered, answers, command, instant, nothing, nothing_to_say, operation, refusals,
    text_if_any, with_revision,
};
use crate::cooperation::{Code, EntityId, JobRole, grants};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Schema, choice, shape};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

const OF_A_PARK: &str = "/parks/{park}/grants/{user}";
const OF_A_PORTFOLIO: &str = "/portfolios/{portfolio}/grants/{user}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(put_operation(OF_A_PARK, "PutParkGrant"), put)
        .on(put_operation(OF_A_PORTFOLIO, "PutPortfolioGrant"), put)
        .on(delete_operation(OF_A_PARK, "DeleteParkGrant"), delete)
        .on(delete_operation(OF_A_PORTFOLIO, "DeletePortfolioGrant"), delete)
}

#[derive(Serialize)]
struct Grant {
    #[serde(rename = "type")]
    kind: &'static str,
    id: EntityId,
    user: EntityId,
    role: &'static str,
    expires_at: Option<String>,
}

impl From<grants::Grant> for Grant {
    fn from(grant: grants::Grant) -> Self {
        let grants::Grant { resource, user, role, expires_at } = grant;
        let expires_at = expires_at.map(wire::instant);
        Self { kind: resource.kind.name(), id: resource.id, user, role: role.name(), expires_at }
    }
}

/// A role on a resource.
pub(super) fn job_role() -> Schema {
    choice(JobRole::ALL.iter().map(|role| role.name())).named("JobRole")
}

/// Reads a role on a resource that may be absent.
pub(super) fn job_role_if_any(fields: &mut Fields) -> Result<Option<JobRole>, ApiError> {
    let text = text_if_any(fields, "role")?;
    let role = text.map(|text| JobRole::parse(&fields.path("role"), &text)).transpose()?;
    Ok(role)
}

fn put_operation(path: &str, id: &'static str) -> Operation {
    let body = shape()
        .may("role", job_role().says("It has to be given where there is no grant yet."))
        .may("expires_at", shapes::instant().nullable())
        .closed();
    let grant = shape()
        .must("type", resource_kind())
        .must("id", shapes::entity_id())
        .must("user", shapes::entity_id())
        .must("role", job_role())
        .must("expires_at", shapes::instant().nullable());
    let summary = "Grant a member of the own organization a role on a resource, or change the grant.";
    let operation = operation(Verb::Put, path, id, summary)
        .takes_strictly(body)
        .fails(refusals([Code::NotAMember, Code::RoleNotGrantable]));
    answers(operation, StatusCode::OK, "The grant.", with_revision(grant))
}

/// `PUT /stores/{store_id}/parks/{park}/grants/{user}`, and the same of portfolios
async fn put<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let given = call.body(|fields| Ok((job_role_if_any(fields)?, instant(fields, "expires_at")?)))?;
        Ok((call.resource()?, call.id("user")?, given))
    };
    let done = command(&app, call, "grant.put", read, |work, (resource, user, (role, expires_at))| {
        grants::put(work, resource, user, *role, *expires_at)
    });
    let done = done.await?;
    Ok(answered(done.revision, Grant::from(done.value)))
}

fn delete_operation(path: &str, id: &'static str) -> Operation {
    nothing_to_say(operation(Verb::Delete, path, id, "Take a grant back."))
}

/// `DELETE /stores/{store_id}/parks/{park}/grants/{user}`, and the same of portfolios
async fn delete<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        Ok((call.resource()?, call.id("user")?))
    };
    let done = command(&app, call, "grant.delete", read, |work, (resource, user)| {
        grants::remove(work, resource, user)
    });
    Ok(nothing(&done.await?))
}
