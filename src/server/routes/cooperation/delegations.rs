//! Delegations of what was shared.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::grants::{job_role, job_role_if_any};
use super::resources::resource_kind;
use super::{
    Answered, Call, answered, answers, command, instant, nothing, nothing_to_say, operation, refusals,
    with_revision,
};
use crate::cooperation::{Code, EntityId, delegations};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::openapi::schema::{Shape, shape};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

const OF_A_PARK: &str = "/cooperations/{cooperation}/shares/parks/{park}/delegations/{user}";
const OF_A_PORTFOLIO: &str = "/cooperations/{cooperation}/shares/portfolios/{portfolio}/delegations/{user}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(put_operation(OF_A_PARK, "DelegatePark"), put)
        .on(put_operation(OF_A_PORTFOLIO, "DelegatePortfolio"), put)
        .on(delete_operation(OF_A_PARK, "UndelegatePark"), delete)
        .on(delete_operation(OF_A_PORTFOLIO, "UndelegatePortfolio"), delete)
}

#[derive(Serialize)]
pub(super) struct Delegation {
    #[serde(rename = "type")]
    kind: &'static str,
    id: EntityId,
    user: EntityId,
    role: &'static str,
    expires_at: Option<String>,
}

impl From<delegations::Delegation> for Delegation {
    fn from(delegation: delegations::Delegation) -> Self {
        let delegations::Delegation { resource, user, role, lifetime } = delegation;
        let expires_at = lifetime.expires_at.map(wire::instant);
        Self { kind: resource.kind.name(), id: resource.id, user, role: role.name(), expires_at }
    }
}

pub(super) fn delegation() -> Shape {
    shape()
        .must("type", resource_kind())
        .must("id", shapes::entity_id())
        .must("user", shapes::entity_id())
        .must("role", job_role())
        .must("expires_at", shapes::instant().nullable())
}

fn put_operation(path: &str, id: &'static str) -> Operation {
    let says = "`viewer`, or the role of the share. It has to be given where there is no delegation yet.";
    let body =
        shape().may("role", job_role().says(says)).may("expires_at", shapes::instant().nullable()).closed();
    let summary = "Delegate what was shared to a member of the partner, or change the delegation.";
    let operation = operation(Verb::Put, path, id, summary).takes_strictly(body).fails(refusals([
        Code::NotActive,
        Code::NotAMember,
        Code::RoleNotGrantable,
    ]));
    answers(operation, StatusCode::OK, "The delegation.", with_revision(delegation()))
}

/// `PUT …/shares/parks/{park}/delegations/{user}`, and the same of portfolios
async fn put<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let given = call.body(|fields| Ok((job_role_if_any(fields)?, instant(fields, "expires_at")?)))?;
        Ok((call.id("cooperation")?, call.resource()?, call.id("user")?, given))
    };
    let done = command(
        &app,
        call,
        "delegation.put",
        read,
        |work, (cooperation, resource, user, (role, expires_at))| {
            delegations::put(work, (cooperation, resource), user, *role, *expires_at)
        },
    );
    let done = done.await?;
    Ok(answered(done.revision, Delegation::from(done.value)))
}

fn delete_operation(path: &str, id: &'static str) -> Operation {
    nothing_to_say(operation(Verb::Delete, path, id, "Take a delegation back."))
}

/// `DELETE …/shares/parks/{park}/delegations/{user}`, and the same of portfolios
async fn delete<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        Ok((call.id("cooperation")?, call.resource()?, call.id("user")?))
    };
    let done = command(&app, call, "delegation.delete", read, |work, (cooperation, resource, user)| {
        delegations::remove(work, (cooperation, resource), user)
    });
    Ok(nothing(&done.await?))
}
