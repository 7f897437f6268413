//! Shares of a cooperation.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::grants::{job_role, job_role_if_any};
use super::resources::resource_kind;
use super::{
    Answered, Call, answered, answers, command, instant, nothing, nothing_to_say, operation, refusals,
    with_revision,
};
use crate::cooperation::{Code, EntityId, shares};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::openapi::schema::{Shape, shape};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

const OF_A_PARK: &str = "/cooperations/{cooperation}/shares/parks/{park}";
const OF_A_PORTFOLIO: &str = "/cooperations/{cooperation}/shares/portfolios/{portfolio}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(put_operation(OF_A_PARK, "SharePark"), put)
        .on(put_operation(OF_A_PORTFOLIO, "SharePortfolio"), put)
        .on(delete_operation(OF_A_PARK, "UnsharePark"), delete)
        .on(delete_operation(OF_A_PORTFOLIO, "UnsharePortfolio"), delete)
}

#[derive(Serialize)]
pub(super) struct Share {
    #[serde(rename = "type")]
    kind: &'static str,
    id: EntityId,
    role: &'static str,
    expires_at: Option<String>,
}

impl From<shares::Share> for Share {
    fn from(share: shares::Share) -> Self {
        let shares::Share { resource, role, lifetime } = share;
        let expires_at = lifetime.expires_at.map(wire::instant);
        Self { kind: resource.kind.name(), id: resource.id, role: role.name(), expires_at }
    }
}

pub(super) fn share() -> Shape {
    shape()
        .must("type", resource_kind())
        .must("id", shapes::entity_id())
        .must("role", job_role())
        .must("expires_at", shapes::instant().nullable())
}

fn put_operation(path: &str, id: &'static str) -> Operation {
    let body = shape()
        .may("role", job_role().says("It has to be given where there is no share yet; not `operator`."))
        .may("expires_at", shapes::instant().nullable())
        .closed();
    let summary = "Share a resource in a cooperation, or change its share.";
    let operation = operation(Verb::Put, path, id, summary).takes_strictly(body).fails(refusals([
        Code::NotOwner,
        Code::InitiatorOnly,
        Code::RoleNotShareable,
    ]));
    answers(operation, StatusCode::OK, "The share.", with_revision(share()))
}

/// `PUT /stores/{store_id}/cooperations/{cooperation}/shares/parks/{park}`, and the same of portfolios
async fn put<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let given = call.body(|fields| Ok((job_role_if_any(fields)?, instant(fields, "expires_at")?)))?;
        Ok((call.id("cooperation")?, call.resource()?, given))
    };
    let done = command(&app, call, "share.put", read, |work, (cooperation, resource, (role, expires_at))| {
        shares::put(work, cooperation, resource, *role, *expires_at)
    });
    let done = done.await?;
    Ok(answered(done.revision, Share::from(done.value)))
}

fn delete_operation(path: &str, id: &'static str) -> Operation {
    let summary = "Take a share back, and what was delegated in it.";
    nothing_to_say(operation(Verb::Delete, path, id, summary))
        .fails(refusals([Code::NotOwner, Code::InitiatorOnly]))
}

/// `DELETE /stores/{store_id}/cooperations/{cooperation}/shares/parks/{park}`, and the same of portfolios
async fn delete<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        Ok((call.id("cooperation")?, call.resource()?))
    };
    let done = command(&app, call, "share.delete", read, |work, (cooperation, resource)| {
        shares::remove(work, cooperation, resource)
    });
    Ok(nothing(&done.await?))
}
