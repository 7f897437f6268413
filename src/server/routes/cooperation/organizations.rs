//! Organizations.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::{
    Answered, Call, answered, answers, command, created, found, id, label, operation, query, refusals,
    required_id, with_revision,
};
use crate::cooperation::organizations::{self, NewOrganization};
use crate::cooperation::{Code, EntityId};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Shape, boolean, integer, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::store::Database;

const PATH: &str = "/organizations/{organization}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new().on(create_operation(), create).on(get_operation(), get).on(rename_operation(), rename)
}

#[derive(Serialize)]
struct Organization {
    id: EntityId,
    name: Box<str>,
    placeholder: bool,
    members: usize,
    cooperations: usize,
}

impl From<organizations::Organization> for Organization {
    fn from(organization: organizations::Organization) -> Self {
        let organizations::Organization { id, name, placeholder, members, cooperations } = organization;
        Self { id, name, placeholder, members, cooperations }
    }
}

fn organization() -> Shape {
    shape()
        .must("id", shapes::entity_id())
        .must("name", text())
        .must("placeholder", boolean().says("Whether it stands for a partner that has not joined yet."))
        .must("members", integer(0).says("How many members it has."))
        .must("cooperations", integer(0).says("How many cooperations it is a side of."))
}

/// An organization that is to be made: `id?` and `name`.
pub(super) fn new_organization(fields: &mut Fields) -> Result<NewOrganization, ApiError> {
    Ok(NewOrganization { id: id(fields, "id")?, name: label(fields, "name")? })
}

/// As [`new_organization`] reads it.
pub(super) fn new_organization_shape() -> Shape {
    shape().may("id", shapes::entity_id()).must("name", shapes::label())
}

fn create_operation() -> Operation {
    let body = shape()
        .may("id", shapes::entity_id())
        .must("name", text())
        .must("admin", shapes::entity_id())
        .closed();
    let summary = "Make an organization with its first admin.";
    let operation = operation(Verb::Post, "/organizations", "CreateOrganization", summary)
        .takes_strictly(body)
        .fails(refusals([Code::AlreadyExists, Code::AlreadyMember]));
    answers(operation, StatusCode::CREATED, "The organization.", with_revision(organization()))
}

/// `POST /stores/{store_id}/organizations`
async fn create<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read =
        |call: &Call| call.body(|fields| Ok((new_organization(fields)?, required_id(fields, "admin")?)));
    let done = command(&app, call, "organization.create", read, |work, (new, admin)| {
        organizations::create(work, new, admin)
    });
    let done = done.await?;
    Ok(created(done.revision, Organization::from(done.value)))
}

fn get_operation() -> Operation {
    let operation = operation(Verb::Get, PATH, "GetOrganization", "Get an organization.");
    answers(operation, StatusCode::OK, "The organization.", organization().closed().named("Organization"))
}

/// `GET /stores/{store_id}/organizations/{organization}`
async fn get<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<impl Serialize>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("organization")
    };
    let done = query(&app, call, read, |work, id| organizations::get(work, &id)).await?;
    Ok(found(done.revision, Organization::from(done.value)))
}

fn rename_operation() -> Operation {
    let operation = operation(Verb::Patch, PATH, "RenameOrganization", "Give an organization another name.")
        .takes_strictly(shape().must("name", shapes::label()).closed());
    answers(operation, StatusCode::OK, "The organization.", with_revision(organization()))
}

/// `PATCH /stores/{store_id}/organizations/{organization}`
async fn rename<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| Ok((call.id("organization")?, call.body(|fields| label(fields, "name"))?));
    let done = command(&app, call, "organization.rename", read, |work, (id, name)| {
        organizations::rename(work, id, name)
    });
    let done = done.await?;
    Ok(answered(done.revision, Organization::from(done.value)))
}
