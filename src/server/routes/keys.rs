//! The keys of callers: make, list, revoke.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use crate::callers::{ApiKey, CallerLimits, KeyError, KeyRequest, Permission, Scope, Stores};
use crate::model::limits::{CALLER_LIMIT_MAX, KEY_NAME_BYTES_MAX, STORES_PER_KEY_MAX};
use crate::model::{Id, StoreId};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, Parameters};
use crate::server::fields::{Fields, Given, wrong_type};
use crate::server::openapi::schema::{Schema, Shape, choice, integer, list_of, shape, text};
use crate::server::openapi::{Operation, Routes, Tag, Verb, shapes};
use crate::server::paging::PageRequest;
use crate::server::reply::Reply;
use crate::server::{token, wire};
use crate::store::Database;

const PATH: &str = "/keys";
const RATE: &str = "requests_per_second";
const CONCURRENCY: &str = "concurrent_requests";

pub(in crate::server) fn routes<D: Database>() -> Routes<D> {
    Routes::new().on(create_operation(), create).on(list_operation(), list).on(revoke_operation(), revoke)
}

#[derive(Serialize)]
struct Key {
    id: String,
    name: Box<str>,
    permissions: Vec<Permission>,
    /// `null`: all.
    stores: Option<Vec<String>>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// `null`: as the server has it for all.
    requests_per_second: Option<NonZeroU32>,
    concurrent_requests: Option<NonZeroU32>,
}

impl From<&ApiKey> for Key {
    fn from(key: &ApiKey) -> Self {
        let stores = match &key.scope.stores {
            Stores::All => None,
            Stores::Listed(stores) => Some(stores.iter().map(StoreId::to_string).collect()),
        };
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            permissions: key.scope.permissions.iter().collect(),
            stores,
            created_at: wire::instant(key.created_at),
            expires_at: wire::optional_instant(key.expires_at),
            revoked_at: wire::optional_instant(key.revoked_at),
            requests_per_second: key.limits.requests_per_second,
            concurrent_requests: key.limits.concurrent_requests,
        }
    }
}

fn key() -> Shape {
    shape()
        .must("id", shapes::id())
        .must("name", name())
        .must("permissions", permissions())
        .must("stores", stores().nullable().says("The stores that it is for; null: all of them."))
        .must("created_at", shapes::instant())
        .must("expires_at", shapes::instant().nullable().says("From then on it is refused; null: never."))
        .must("revoked_at", shapes::instant().nullable())
        .must(RATE, limit().nullable().says("Null: as the server has it for all keys."))
        .must(CONCURRENCY, limit().nullable().says("Null: as the server has it for all keys."))
}

fn limit() -> Schema {
    integer(1).with("maximum", CALLER_LIMIT_MAX)
}

fn name() -> Schema {
    text().with("minLength", 1).with("maxLength", KEY_NAME_BYTES_MAX).says("What people call it.")
}

fn permissions() -> Schema {
    list_of(choice(Permission::ALL.map(Permission::name))).with("minItems", 1)
}

fn stores() -> Schema {
    list_of(shapes::id()).with("minItems", 1).with("maxItems", STORES_PER_KEY_MAX)
}

/// A key that was made, with the only sight of its token.
#[derive(Serialize)]
pub(in crate::server) struct Created {
    #[serde(flatten)]
    key: Key,
    token: String,
}

fn create_operation() -> Operation {
    let request = shape()
        .must("name", name())
        .must("permissions", permissions())
        .may("stores", stores().says("The stores that it is for; left out: all of them."))
        .may("expires_at", shapes::instant())
        .may(RATE, limit().says("Most requests in a second; left out: as the server has it for all keys."))
        .may(
            CONCURRENCY,
            limit().says("Most requests under way at once, streams included; left out: the same."),
        );
    let body = key().must("token", text().says("What callers send as bearer token; it is not shown again."));
    let summary = "Make a key. As soon as there is one, callers have to say who they are.";
    Operation::new(Verb::Post, PATH, Tag::Server, "CreateKey", summary)
        .takes_strictly(request.closed().named("CreateKeyRequest"))
        .answers(StatusCode::CREATED, "The key and its token.", body.closed().named("CreateKeyResponse"))
        .fails([Code::ValidationError, Code::ExceededEntityLimit, Code::Unavailable])
}

/// `POST /keys`
async fn create<D: Database>(
    State(app): State<App<D>>,
    mut input: Input,
) -> Result<Reply<Created>, ApiError> {
    // What narrows a key must not be lost to a misspelt name.
    input.strict = true;
    let request = input.read(request)?;
    let callers = Arc::clone(&app.callers);
    let made = app.commit(move |engine| callers.keys().create(engine.database(), request, engine.now()));
    let (key, token) = made.await?.map_err(|error| failed(&error))?;
    Ok(Reply::created(Created { key: Key::from(&*key), token: token.reveal().to_owned() }))
}

fn request(fields: &mut Fields) -> Result<KeyRequest, ApiError> {
    let name = fields.string("name")?;
    let permissions = texts(fields, "permissions")?.unwrap_or_default();
    let path = fields.path("permissions");
    let read = |text: String| text.parse::<Permission>().map_err(|error| ApiError::invalid(&path, error));
    let permissions = permissions.into_iter().map(read).collect::<Result<_, _>>()?;
    let stores = match texts(fields, "stores")? {
        None => Stores::All,
        Some(stores) => {
            let path = fields.path("stores");
            let read = |text: String| text.parse::<StoreId>().map_err(|()| wire::not_an_id(&path));
            Stores::listed(stores.into_iter().map(read).collect::<Result<Vec<_>, _>>()?)
        }
    };
    // An empty text is no instant, and no way to say that it does not end.
    let expires_at = wire::given_instant(fields, "expires_at")?;
    let limits = CallerLimits {
        requests_per_second: given_limit(fields, RATE)?,
        concurrent_requests: given_limit(fields, CONCURRENCY)?,
    };
    Ok(KeyRequest { name, scope: Scope { permissions, stores }, expires_at, limits })
}

fn given_limit(fields: &mut Fields, name: &str) -> Result<Option<NonZeroU32>, ApiError> {
    let Some(given) = fields.integer(name)? else { return Ok(None) };
    let limit =
        u32::try_from(given).ok().filter(|limit| *limit <= CALLER_LIMIT_MAX).and_then(NonZeroU32::new);
    let expected = || format!("expected 1 to {CALLER_LIMIT_MAX}, found {given}");
    limit.map(Some).ok_or_else(|| ApiError::invalid(&fields.path(name), expected()))
}

/// A list of texts; `None` where it is absent. `null` is no list: it could be meant to be an empty one.
fn texts(fields: &mut Fields, name: &str) -> Result<Option<Vec<String>>, ApiError> {
    let path = fields.path(name);
    let wrong = |found: &serde_json::Value| wrong_type(&path, "a list of strings", found);
    let items = match fields.given(name)? {
        Given::Absent => return Ok(None),
        Given::Value(serde_json::Value::Array(items)) => items,
        Given::Value(other) => return Err(wrong(&other)),
        Given::Null => return Err(wrong(&serde_json::Value::Null)),
    };
    let text = |item| match item {
        serde_json::Value::String(text) => Ok(text),
        other => Err(wrong(&other)),
    };
    items.into_iter().map(text).collect::<Result<_, _>>().map(Some)
}

#[derive(Serialize)]
pub(in crate::server) struct KeyPage {
    keys: Vec<Key>,
    continuation_token: String,
}

fn list_operation() -> Operation {
    let body = shape()
        .must("keys", list_of(key().closed().named("Key")))
        .must("continuation_token", shapes::token());
    let summary =
        "List the keys, in the order in which they were made. No secret is kept that could be shown.";
    Operation::new(Verb::Get, PATH, Tag::Server, "ListKeys", summary)
        .paged()
        .strict_if_asked()
        .answers(StatusCode::OK, "A page of keys.", body.closed().named("ListKeysResponse"))
        .fails([Code::PageSizeInvalid, Code::InvalidContinuationToken])
}

/// `GET /keys`
async fn list<D: Database>(
    State(app): State<App<D>>,
    parameters: Parameters,
) -> Result<Reply<KeyPage>, ApiError> {
    let page = parameters.read(PageRequest::read)?;
    let after = token::to_keys(&page.token)?;
    let mut found = app.callers.keys().list(after, page.size.saturating_add(1));
    let more = found.len() > page.size;
    found.truncate(page.size);
    let last = found.last().filter(|_| more);
    let continuation_token = last.map(|key| token::of_keys(key.id)).unwrap_or_default();
    let keys = found.iter().map(|key| Key::from(&**key)).collect();
    Ok(Reply::ok(KeyPage { keys, continuation_token }))
}

fn revoke_operation() -> Operation {
    let summary = "Revoke a key. It is refused at once, and streams that it has opened end.";
    Operation::new(Verb::Delete, format!("{PATH}/{{key}}"), Tag::Server, "RevokeKey", summary)
        .answers_nothing("It is revoked, or was already.")
        .fails([Code::KeyNotFound, Code::ValidationError, Code::Unavailable])
}

/// `DELETE /keys/{key}`
async fn revoke<D: Database>(
    State(app): State<App<D>>,
    Path(id): Path<String>,
) -> Result<Reply<()>, ApiError> {
    let id: Id = id.parse().map_err(|()| wire::not_an_id("key"))?;
    let callers = Arc::clone(&app.callers);
    let revoked = app.commit(move |engine| callers.keys().revoke(engine.database(), id, engine.now()));
    revoked.await?.map_err(|error| failed(&error))?;
    Ok(Reply::no_content())
}

fn failed(error: &KeyError) -> ApiError {
    let field = match error {
        KeyError::Name => "name",
        KeyError::NoPermission => "permissions",
        KeyError::Stores => "stores",
        KeyError::Expired(_) => "expires_at",
        KeyError::NotFound(_) => return ApiError::new(Code::KeyNotFound, error.to_string()),
        KeyError::TooMany => return ApiError::new(Code::ExceededEntityLimit, error.to_string()),
        KeyError::Internal(reason) => return ApiError::internal(reason),
        KeyError::Commit(error) => return error.clone().into(),
    };
    ApiError::invalid(field, error)
}
