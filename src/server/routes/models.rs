//! Authorization models: write, read, list. Their JSON form is `schema/`'s.

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use crate::model::{AuthorizationModel, ModelId};
use crate::schema::json;
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, ModelPath, Parameters, StorePath};
use crate::server::paging::PageRequest;
use crate::server::reply::Reply;
use crate::server::token;
use crate::store::Database;

#[derive(Serialize)]
pub(in crate::server) struct Written {
    authorization_model_id: String,
}

#[derive(Serialize)]
pub(in crate::server) struct Model {
    authorization_model: Shown,
}

#[derive(Serialize)]
pub(in crate::server) struct Models {
    authorization_models: Vec<Shown>,
    continuation_token: String,
}

/// A model with the identifier that its store gave it.
#[derive(Serialize)]
struct Shown {
    id: String,
    #[serde(flatten)]
    model: Value,
}

impl Shown {
    fn new(id: ModelId, model: &AuthorizationModel) -> Self {
        Self { id: id.to_string(), model: json::to_value(model) }
    }
}

/// `POST /stores/{store_id}/authorization-models`
pub(in crate::server) async fn write<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<Written>, ApiError> {
    let value: Value = serde_json::from_slice(&input.bytes)
        .map_err(|error| ApiError::new(Code::ValidationError, format!("malformed JSON: {error}")))?;
    let model = json::from_value(&value).map_err(|error| ApiError::new(Code::InvalidAuthorizationModel, error.to_string()))?;
    let committed = app.run_query(move |engine| engine.write_model(store, model)).await?;
    let id = committed.model.ok_or_else(|| ApiError::internal("a model was committed without an identifier"))?;
    Ok(Reply::created(Written { authorization_model_id: id.to_string() }).with(id, committed.revision))
}

/// `GET /stores/{store_id}/authorization-models/{id}`
pub(in crate::server) async fn get<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    ModelPath(id): ModelPath,
) -> Result<Reply<Model>, ApiError> {
    let model = app.run_query(move |engine| engine.model(store, id)).await?;
    Ok(Reply::ok(Model { authorization_model: Shown::new(id, &model) }).of_model(id))
}

/// `GET /stores/{store_id}/authorization-models`
pub(in crate::server) async fn list<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    parameters: Parameters,
) -> Result<Reply<Models>, ApiError> {
    let page = parameters.read(PageRequest::read)?;
    let before = token::to_models(store, &page.token)?;
    let found = app.run_query(move |engine| engine.models(store, before, page.size)).await?;
    Ok(Reply::ok(Models {
        authorization_models: found.items.iter().map(|(id, model)| Shown::new(*id, model)).collect(),
        continuation_token: found.next.map(|before| token::of_models(store, before)).unwrap_or_default(),
    }))
}
