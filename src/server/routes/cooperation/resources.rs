//! Parks and portfolios.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::{
    Answered, Call, answered, answers, command, created, id, label, nothing, nothing_to_say, operation,
    optional, refusals, text_if_any, with_revision,
};
use crate::cooperation::Work;
use crate::cooperation::resources::{self, NewResource, ParkChange, ShownResource};
use crate::cooperation::{self, Code, EntityId, ResourceKind};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::openapi::schema::{Shape, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::store::Database;

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(create_portfolio_operation(), create_portfolio)
        .on(create_park_operation(), create_park)
        .on(change_operation(), change)
        .on(delete_operation("/parks/{park}", "DeletePark", "Delete a park."), delete)
        .on(
            delete_operation(
                "/portfolios/{portfolio}",
                "DeletePortfolio",
                "Delete a portfolio; its parks stay.",
            ),
            delete,
        )
}

#[derive(Serialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: &'static str,
    id: EntityId,
    name: Box<str>,
    organization: EntityId,
    portfolio: Option<EntityId>,
}

impl From<ShownResource> for Resource {
    fn from(shown: ShownResource) -> Self {
        let ShownResource { resource, name, owner, portfolio } = shown;
        Self { kind: resource.kind.name(), id: resource.id, name, organization: owner, portfolio }
    }
}

fn resource() -> Shape {
    shape()
        .must("type", resource_kind())
        .must("id", shapes::entity_id())
        .must("name", text())
        .must("organization", shapes::entity_id().says("Its owner."))
        .must("portfolio", shapes::entity_id().nullable().says("The portfolio that a park lies in."))
}

/// What a resource is.
pub(super) fn resource_kind() -> crate::server::openapi::schema::Schema {
    crate::server::openapi::schema::choice(ResourceKind::ALL.iter().map(|kind| kind.name()))
        .named("ResourceKind")
}

fn create_portfolio_operation() -> Operation {
    let path = "/organizations/{organization}/portfolios";
    let body = shape().may("id", shapes::entity_id()).must("name", shapes::label()).closed();
    let operation = operation(Verb::Post, path, "CreatePortfolio", "Make a portfolio.")
        .takes_strictly(body)
        .fails(refusals([Code::AlreadyExists]));
    answers(operation, StatusCode::CREATED, "The portfolio.", with_revision(resource()))
}

/// `POST /stores/{store_id}/organizations/{organization}/portfolios`
async fn create_portfolio<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let new = call.body(|fields| {
            let kind = ResourceKind::Portfolio;
            Ok(NewResource { kind, id: id(fields, "id")?, name: label(fields, "name")?, portfolio: None })
        })?;
        Ok((call.id("organization")?, new))
    };
    let done = command(&app, call, "portfolio.create", read, |work, (organization, new)| {
        resources::create(work, organization, new)
    });
    let done = done.await?;
    Ok(created(done.revision, Resource::from(done.value)))
}

fn create_park_operation() -> Operation {
    let path = "/organizations/{organization}/parks";
    let body = shape()
        .may("id", shapes::entity_id())
        .must("name", text())
        .may("portfolio", shapes::entity_id().nullable())
        .closed();
    let operation = operation(Verb::Post, path, "CreatePark", "Make a park.")
        .takes_strictly(body)
        .fails(refusals([Code::AlreadyExists, Code::NotOwner]));
    answers(operation, StatusCode::CREATED, "The park.", with_revision(resource()))
}

/// `POST /stores/{store_id}/organizations/{organization}/parks`
async fn create_park<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let new = call.body(|fields| {
            let portfolio = optional(fields, "portfolio")?.flatten();
            let portfolio = portfolio.map(|text| EntityId::parse("portfolio", &text)).transpose()?;
            let (id, name) = (id(fields, "id")?, label(fields, "name")?);
            Ok(NewResource { kind: ResourceKind::Park, id, name, portfolio })
        })?;
        Ok((call.id("organization")?, new))
    };
    let done = command(&app, call, "park.create", read, |work, (organization, new)| {
        resources::create(work, organization, new)
    });
    let done = done.await?;
    Ok(created(done.revision, Resource::from(done.value)))
}

fn change_operation() -> Operation {
    let body = shape().may("name", shapes::label()).may("portfolio", shapes::entity_id().nullable()).closed();
    let summary = "Rename a park, or move it into another portfolio or out of one.";
    let operation = operation(Verb::Patch, "/parks/{park}", "ChangePark", summary)
        .takes_strictly(body)
        .fails(refusals([Code::NotOwner]));
    answers(operation, StatusCode::OK, "The park.", with_revision(resource()))
}

/// `PATCH /stores/{store_id}/parks/{park}`
async fn change<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let change = call.body(|fields| {
            let name = text_if_any(fields, "name")?;
            let name = name.map(|name| cooperation::label("name", &name)).transpose()?;
            let id = |text: String| EntityId::parse("portfolio", &text);
            let portfolio = optional(fields, "portfolio")?;
            let portfolio = portfolio.map(|given| given.map(id).transpose()).transpose()?;
            Ok(ParkChange { name, portfolio })
        })?;
        Ok((call.id("park")?, change))
    };
    let done = command(&app, call, "park.change", read, |work, (park, change)| {
        resources::change_park(work, park, change)
    });
    let done = done.await?;
    Ok(answered(done.revision, Resource::from(done.value)))
}

fn delete_operation(path: &str, id: &'static str, summary: &'static str) -> Operation {
    nothing_to_say(operation(Verb::Delete, path, id, summary))
}

/// `DELETE /stores/{store_id}/parks/{park}`, and the same of portfolios
async fn delete<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.resource()
    };
    let run = |work: &mut Work<'_, D>, resource: &_| resources::delete(work, resource);
    Ok(nothing(&command(&app, call, "resource.delete", read, run).await?))
}
