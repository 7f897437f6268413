//! AuthZEN 1.0, the OpenID Foundation's Authorization API: may a subject do something with a resource?
//!
//! A subject `{type, id}` is the user `type:id`, a resource the object, an action's name the relation, as OpenFGA has it.
//! The paths below `/stores/{store_id}` ask that store; those without it, the one that the configuration names. The model is
//! chosen by a header. Nothing is decided here.

mod discovery;
mod entities;
mod evaluation;
mod page;
mod search;

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use crate::cel::Context;
use crate::engine::QueryContext;
use crate::model::{ModelId, StoreId};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::StorePath;
use crate::server::openapi::{Operation, Routes, Tag, Verb, shapes};
use crate::server::reply::{MODEL_ID, STORE_ID};
use crate::server::wire;
use crate::store::Database;

/// Where each operation is, below a store's path or below nothing.
const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const SEARCH_SUBJECT: &str = "/access/v1/search/subject";
const SEARCH_RESOURCE: &str = "/access/v1/search/resource";
const SEARCH_ACTION: &str = "/access/v1/search/action";
/// Where the document about them is.
const CONFIGURATION: &str = "/.well-known/authzen-configuration";

/// How the operations name the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// By the path.
    Store,
    /// The configuration does.
    ConfiguredStore,
}

/// The operations of a store that the path names.
pub(in crate::server) fn of_a_store<D: Database>() -> Routes<D> {
    // Where it has to be by the specification, the store's own address being `/stores/{store_id}`.
    let of_the_address = format!("{CONFIGURATION}/stores/{{store_id}}");
    operations(Asking::Store)
        .on(
            discovery::operation(format!("{CONFIGURATION}/{{store_id}}"), "GetConfiguration"),
            discovery::show,
        )
        .on(discovery::operation(of_the_address, "GetConfigurationOfAddress"), discovery::show)
}

/// The operations of the store that the configuration names.
pub(in crate::server) fn of_the_configured_store<D: Database>() -> Routes<D> {
    let configuration = discovery::operation(CONFIGURATION.to_owned(), "GetConfigurationOfConfiguredStore");
    operations(Asking::ConfiguredStore).on(configuration, discovery::show)
}

fn operations<D: Database>(asking: Asking) -> Routes<D> {
    Routes::new()
        .on(evaluation::evaluation_operation(asking), evaluation::evaluation)
        .on(evaluation::evaluations_operation(asking), evaluation::evaluations)
        .on(search::subject_operation(asking), search::subject)
        .on(search::resource_operation(asking), search::resource)
        .on(search::action_operation(asking), search::action)
}

impl Asking {
    /// What the operations have in common.
    fn operation(self, path: &str, id: &str, summary: &'static str) -> Operation {
        let (path, id) = match self {
            Self::Store => (format!("/stores/{{store_id}}{path}"), id.to_owned()),
            Self::ConfiguredStore => (path.to_owned(), format!("{id}OfConfiguredStore")),
        };
        let model = "The authorization model to take; without it, the newest one.";
        Operation::new(Verb::Post, path, Tag::AuthZen, id, summary)
            .header(&MODEL_ID, shapes::id(), model)
            .fails([
                Code::ResolutionTooComplex,
                Code::LatestModelNotFound,
                Code::AuthorizationModelNotFound,
                Code::StoreNotFound,
            ])
    }
}

/// The store that is asked.
struct AskedStore {
    id: StoreId,
    /// Whether the path names it.
    in_path: bool,
}

impl<D: Database> FromRequestParts<App<D>> for AskedStore {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App<D>) -> Result<Self, ApiError> {
        let names = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await;
        if names.is_ok_and(|Path(names)| !names.is_empty()) {
            let StorePath(id) = StorePath::from_request_parts(parts, app).await?;
            return Ok(Self { id, in_path: true });
        }
        let message = "no store is configured for AuthZEN; start the server with --authzen-store, or ask \
                       /stores/{store_id}/access/v1";
        let id = app.config.authzen_store.ok_or_else(|| ApiError::new(Code::StoreNotFound, message))?;
        Ok(Self { id, in_path: false })
    }
}

/// The model that the request's header names; `None`: the newest one.
struct AskedModel(Option<ModelId>);

impl<S: Send + Sync> FromRequestParts<S> for AskedModel {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(MODEL_ID) else { return Ok(Self(None)) };
        // OpenFGA goes on with the newest model where it cannot read this. That may allow what the model asked for denies.
        let id = value.to_str().ok().map(str::trim).filter(|id| !id.is_empty()).map(str::parse);
        match id {
            None if value.is_empty() => Ok(Self(None)),
            Some(Ok(id)) => Ok(Self(Some(id))),
            _ => Err(wire::not_an_id(MODEL_ID.as_str())),
        }
    }
}

/// Names the configured store in the answer and in the log, as the path does elsewhere.
pub(in crate::server) async fn name_configured_store<D: Database>(
    State(app): State<App<D>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let id = app.config.authzen_store;
    if let Some(value) = id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        response.headers_mut().insert(STORE_ID, value);
    }
    response
}

/// The query that asks a question in its context.
fn query(model: Option<ModelId>, context: Context) -> QueryContext {
    QueryContext { model, context, ..QueryContext::default() }
}
