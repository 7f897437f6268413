//! Stores: create, list, get, delete.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::callers::{Scope, Stores as ScopeStores};
use crate::model::StoreId;
use crate::server::app::App;
use crate::server::authentication::Known;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, Parameters, StorePath};
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Schema, Shape, list_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::paging::PageRequest;
use crate::server::reply::Reply;
use crate::server::{token, wire};
use crate::store::{Database, StoreInfo};

/// Lengths of a store's name, in bytes.
const NAME_BYTES: std::ops::RangeInclusive<usize> = 3..=64;

#[derive(Serialize)]
pub(in crate::server) struct Created {
    id: String,
    name: Box<str>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
pub(in crate::server) struct Store {
    #[serde(flatten)]
    store: Created,
    /// A store that was deleted is not shown any more, so that this is always null.
    deleted_at: Option<String>,
}

#[derive(Serialize)]
pub(in crate::server) struct Stores {
    stores: Vec<Store>,
    continuation_token: String,
}

impl From<StoreInfo> for Created {
    fn from(store: StoreInfo) -> Self {
        Self {
            id: store.id.to_string(),
            name: store.name,
            created_at: wire::instant(store.created_at),
            updated_at: wire::instant(store.updated_at),
        }
    }
}

impl From<StoreInfo> for Store {
    fn from(store: StoreInfo) -> Self {
        Self { store: store.into(), deleted_at: None }
    }
}

pub(in crate::server) fn create_operation() -> Operation {
    Operation::new(Verb::Post, "/stores", Tag::Stores, "CreateStore", "Create a store.")
        .takes(shape().must("name", name()).open().named("CreateStoreRequest"))
        .answers(
            StatusCode::CREATED,
            "The new store, which is empty.",
            created().closed().named("CreateStoreResponse"),
        )
}

/// `POST /stores`
pub(in crate::server) async fn create<D: Database>(
    State(app): State<App<D>>,
    input: Input,
) -> Result<Reply<Created>, ApiError> {
    let name = input.read(|fields| {
        let name = fields.string("name")?;
        check_name(fields, &name)?;
        Ok(name)
    })?;
    let store = app.commit(move |engine| engine.create_store(&name)).await??;
    Ok(Reply::created(store.into()))
}

pub(in crate::server) fn list_operation() -> Operation {
    let body = shape().must("stores", list_of(store())).must("continuation_token", shapes::token()).closed();
    Operation::new(Verb::Get, "/stores", Tag::Stores, "ListStores", "List the stores.")
        .paged()
        .query("name", name(), "Only stores of this name.")
        .strict_if_asked()
        .answers(StatusCode::OK, "A page of stores.", body.named("ListStoresResponse"))
        .fails([Code::PageSizeInvalid, Code::InvalidContinuationToken])
}

/// `GET /stores`
pub(in crate::server) async fn list<D: Database>(
    State(app): State<App<D>>,
    Known(caller): Known,
    parameters: Parameters,
) -> Result<Reply<Stores>, ApiError> {
    let (page, name) = parameters.read(|fields| {
        let page = PageRequest::read(fields)?;
        let name = fields.string("name")?;
        if name.is_empty() {
            return Ok((page, None));
        }
        check_name(fields, &name)?;
        Ok((page, Some(name)))
    })?;
    let after = token::to_stores(&page.token)?;
    let only = caller.scope().and_then(of_scope);
    let found = app
        .run_query(move |engine| match only {
            None => engine.stores(name.as_deref(), after, page.size),
            Some(stores) => engine.stores_among(&stores, name.as_deref(), after, page.size),
        })
        .await?;
    Ok(Reply::ok(Stores {
        stores: found.items.into_iter().map(Store::from).collect(),
        continuation_token: found.next.map(token::of_stores).unwrap_or_default(),
    }))
}

/// The stores that a scope lists; `None`: it has all.
fn of_scope(scope: &Scope) -> Option<Box<[StoreId]>> {
    match &scope.stores {
        ScopeStores::All => None,
        ScopeStores::Listed(stores) => Some(stores.clone()),
    }
}

pub(in crate::server) fn get_operation() -> Operation {
    Operation::new(Verb::Get, "/stores/{store_id}", Tag::Stores, "GetStore", "Get a store.")
        .answers(StatusCode::OK, "The store.", store())
        .fails([Code::StoreNotFound])
}

/// `GET /stores/{store_id}`
pub(in crate::server) async fn get<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
) -> Result<Reply<Store>, ApiError> {
    let found = app.run_query(move |engine| engine.store(store)).await?;
    Ok(Reply::ok(found.into()))
}

pub(in crate::server) fn delete_operation() -> Operation {
    let summary = "Delete a store with everything in it.";
    Operation::new(Verb::Delete, "/stores/{store_id}", Tag::Stores, "DeleteStore", summary)
        .answers_nothing("The store is not there any more, or never was.")
}

/// `DELETE /stores/{store_id}`: 204, also where there is no such store.
pub(in crate::server) async fn delete<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
) -> Result<StatusCode, ApiError> {
    app.commit(move |engine| engine.delete_store(store)).await??;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::server) fn update_operation() -> Operation {
    let summary = "Not implemented, as in OpenFGA.";
    Operation::new(Verb::Patch, "/stores/{store_id}", Tag::Stores, "UpdateStore", summary)
        .fails([Code::Unimplemented])
}

/// `PATCH /stores/{store_id}`, which OpenFGA names and does not have either.
pub(in crate::server) async fn update() -> ApiError {
    ApiError::new(Code::Unimplemented, "UpdateStore is not implemented by this version of Tenure")
}

/// The name of a store, as [`check_name`] takes it.
fn name() -> Schema {
    let (least, most) = NAME_BYTES.into_inner();
    text().with("minLength", least).with("maxLength", most).with("pattern", "^[A-Za-z0-9 .\\-/^_&@]+$")
}

fn created() -> Shape {
    shape()
        .must("id", shapes::id())
        .must("name", name())
        .must("created_at", shapes::instant())
        .must("updated_at", shapes::instant())
}

fn store() -> Schema {
    created().must("deleted_at", shapes::instant().nullable()).closed().named("Store")
}

fn check_name(fields: &Fields, name: &str) -> Result<(), ApiError> {
    // OpenFGA's pattern would let line breaks and tabs through, which have no place in a name.
    let allowed = |c: char| c.is_ascii_alphanumeric() || " .-/^_&@".contains(c);
    if NAME_BYTES.contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let expected = "expected 3 to 64 letters, digits, spaces and characters of `.-/^_&@`";
    Err(ApiError::invalid(&fields.path("name"), expected))
}
