//! Authorization models: write, read, list. Their JSON form is `schema/`'s.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::callers::Permission;
use crate::cooperation;
use crate::engine::Engine;
use crate::model::limits::{MODEL_BODY_VALUES_MAX, MODELS_PAGE_BYTES_MAX};
use crate::model::{AuthorizationModel, ModelId, StoreId};
use crate::schema::json::{self, JsonErrorKind, Style};
use crate::server::app::App;
use crate::server::authentication::Known;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, ModelPath, Parameters, StorePath};
use crate::server::fields::lower_camel;
use crate::server::openapi::authorization_model;
use crate::server::openapi::schema::{list_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::paging::PageRequest;
use crate::server::reply::Reply;
use crate::server::token;
use crate::store::Database;
use axum::http::StatusCode;

#[derive(Serialize)]
pub(in crate::server) struct Written {
    authorization_model_id: String,
}

#[derive(Serialize)]
pub(in crate::server) struct Model {
    authorization_model: Box<RawValue>,
}

#[derive(Serialize)]
pub(in crate::server) struct Models {
    authorization_models: Vec<Box<RawValue>>,
    continuation_token: String,
}

/// A model with the identifier that its store gave it.
#[derive(Serialize)]
struct Shown {
    id: String,
    #[serde(flatten)]
    model: Value,
}

/// A model as an answer shows it, as text: a tree of its values takes twenty times as much and must not outlast this.
fn shown(id: ModelId, model: &AuthorizationModel) -> Result<Box<RawValue>, ApiError> {
    let shown = Shown { id: id.to_string(), model: json::to_value(model, Style::Wire) };
    to_raw_value(&shown).map_err(|error| ApiError::internal(error.to_string()))
}

/// Some of a store's models, as an answer shows them.
struct ModelPage {
    models: Vec<Box<RawValue>>,
    /// Behind which one the next page starts, if there is one.
    next: Option<ModelId>,
}

impl ModelPage {
    /// The page behind `before`: at most so many models, at least one where there is one, and none more once they take
    /// `bytes_max`.
    fn read<D: Database>(
        engine: &Engine<D>,
        store: StoreId,
        before: Option<ModelId>,
        models_max: usize,
        bytes_max: usize,
    ) -> Result<Self, ApiError> {
        let (mut models, mut bytes) = (Vec::new(), 0);
        let mut failed = None;
        let next = engine.models(store, before, models_max, &mut |id, model| {
            match shown(id, &model) {
                Ok(shown) => {
                    bytes += shown.get().len();
                    models.push(shown);
                }
                Err(error) => failed = Some(error),
            }
            let more = bytes < bytes_max && failed.is_none();
            if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed.map_or(Ok(Self { models, next }), Err)
    }
}

pub(in crate::server) fn write_operation() -> Operation {
    let path = "/stores/{store_id}/authorization-models";
    let summary = "Write an authorization model, which becomes the newest of the store.";
    let body = shape().must("authorization_model_id", shapes::id()).closed();
    Operation::new(Verb::Post, path, Tag::Models, "WriteAuthorizationModel", summary)
        .takes(authorization_model::given().named("WriteAuthorizationModelRequest"))
        .answers(
            StatusCode::CREATED,
            "The new model's identifier.",
            body.named("WriteAuthorizationModelResponse"),
        )
        .names_revision()
        .fails([
            Code::InvalidAuthorizationModel,
            Code::TypeDefinitionsTooFew,
            Code::TypeInvalidPattern,
            Code::RelationsInvalidPattern,
            Code::ExceededEntityLimit,
            Code::StoreNotFound,
            Code::Cooperation(cooperation::Code::ModelPinned),
            Code::Cooperation(cooperation::Code::Forbidden),
        ])
        .fails_with("ModelError", [("rule", text().nullable().says("The cooperation rule that refuses."))])
}

/// `POST /stores/{store_id}/authorization-models`
pub(in crate::server) async fn write<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    Known(caller): Known,
    input: Input,
) -> Result<Reply<Written>, ApiError> {
    let model = parse(&input)?;
    let cooperations = Arc::clone(&app.cooperations);
    let by_admin = caller.has(Permission::Admin);
    let committed = app.commit(move |_| cooperations.write_model(store, model, by_admin)).await??;
    let id =
        committed.model.ok_or_else(|| ApiError::internal("a model was committed without an identifier"))?;
    Ok(Reply::created(Written { authorization_model_id: id.to_string() }).with(id, committed.revision))
}

pub(in crate::server) fn get_operation() -> Operation {
    let path = "/stores/{store_id}/authorization-models/{id}";
    let body = shape().must("authorization_model", authorization_model::shown()).closed();
    Operation::new(Verb::Get, path, Tag::Models, "ReadAuthorizationModel", "Get an authorization model.")
        .answers(StatusCode::OK, "The model.", body.named("ReadAuthorizationModelResponse"))
        .names_model()
        .fails([Code::AuthorizationModelNotFound, Code::StoreNotFound])
}

/// `GET /stores/{store_id}/authorization-models/{id}`
pub(in crate::server) async fn get<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    ModelPath(id): ModelPath,
) -> Result<Reply<Model>, ApiError> {
    let read = move |engine: &Engine<D>| -> Result<_, ApiError> {
        let model = engine.model(store, id)?;
        shown(id, &model)
    };
    let authorization_model = app.in_turn(read).await??;
    Ok(Reply::ok(Model { authorization_model }).of_model(id))
}

pub(in crate::server) fn list_operation() -> Operation {
    let path = "/stores/{store_id}/authorization-models";
    let summary = "List the authorization models of a store, the newest first.";
    let note = "A page of large models holds fewer than were asked for, at least one; its token goes on behind the last.";
    let models = list_of(authorization_model::shown());
    let body = shape().must("authorization_models", models).must("continuation_token", shapes::token());
    Operation::new(Verb::Get, path, Tag::Models, "ReadAuthorizationModels", summary)
        .note(note)
        .paged()
        .strict_if_asked()
        .answers(StatusCode::OK, "A page of models.", body.closed().named("ReadAuthorizationModelsResponse"))
        .fails([Code::PageSizeInvalid, Code::InvalidContinuationToken, Code::StoreNotFound])
}

/// `GET /stores/{store_id}/authorization-models`
pub(in crate::server) async fn list<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    parameters: Parameters,
) -> Result<Reply<Models>, ApiError> {
    let page = parameters.read(PageRequest::read)?;
    let before = token::to_models(store, &page.token)?;
    let read =
        move |engine: &Engine<D>| ModelPage::read(engine, store, before, page.size, MODELS_PAGE_BYTES_MAX);
    let ModelPage { models, next } = app.in_turn(read).await??;
    Ok(Reply::ok(Models {
        authorization_models: models,
        continuation_token: next.map(|before| token::of_models(store, before)).unwrap_or_default(),
    }))
}

fn parse(input: &Input) -> Result<AuthorizationModel, ApiError> {
    let value = input.value(MODEL_BODY_VALUES_MAX)?;
    let model = json::from_value(&value).map_err(|error| {
        let code = match &error.kind {
            // OpenFGA knows of this one, and refuses it as a model.
            JsonErrorKind::SchemaVersion(version) if version.contains("1.0") => {
                Code::InvalidAuthorizationModel
            }
            JsonErrorKind::Syntax(_)
            | JsonErrorKind::Type { .. }
            | JsonErrorKind::Twice(_)
            | JsonErrorKind::Choice(..)
            | JsonErrorKind::SchemaVersion(_)
            | JsonErrorKind::Depth { .. } => Code::ValidationError,
            _ => Code::InvalidAuthorizationModel,
        };
        ApiError::new(code, error.to_string())
    })?;
    if model.types.is_empty() {
        let expected = "value must contain at least 1 item(s)";
        return Err(ApiError::field(Code::TypeDefinitionsTooFew, "type_definitions", expected));
    }
    if input.strict {
        known("", &value, &json::to_value(&model, Style::Wire))?;
    }
    Ok(model)
}

/// Refuses what was given and is not part of the model that was read from it: an unknown field.
fn known(path: &str, given: &Value, read: &Value) -> Result<(), ApiError> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            for (name, value) in given {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match read
                    .get(name)
                    .or_else(|| read.get(&snake(name)))
                    .or_else(|| read.get(&lower_camel(name)))
                {
                    Some(read) => known(&at, value, read)?,
                    // A model that was read has an identifier, and may be written again.
                    None if is_empty(value) || at == "id" => {}
                    None => return Err(ApiError::invalid(&at, "unknown field")),
                }
            }
            Ok(())
        }
        (Value::Array(given), Value::Array(read)) => {
            let mut pairs = given.iter().zip(read).enumerate();
            pairs.try_for_each(|(index, (given, read))| known(&format!("{path}[{index}]"), given, read))
        }
        _ => Ok(()),
    }
}

/// What protobuf's JSON takes for unset.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::super::super::still;
    use super::*;
    use crate::schema;

    #[test]
    fn a_page_holds_at_least_one_model_and_none_behind_those_that_fill_it() {
        let engine = still::engine();
        let store = engine.create_store("models").unwrap().id;
        let model = schema::parse("model\n  schema 1.1\ntype user").unwrap();
        let mut ids: Vec<_> =
            (0..5).map(|_| engine.write_model(store, model.clone()).unwrap().model.unwrap()).collect();
        ids.reverse();
        let bytes = shown(ids[0], &model).map_err(|error| error.message).unwrap().get().len();
        for (bytes_max, sizes) in
            [(1, vec![1; 5]), (bytes, vec![1; 5]), (bytes + 1, vec![2, 2, 1]), (usize::MAX, vec![3, 2])]
        {
            let (mut before, mut found, mut told) = (None, Vec::new(), String::new());
            loop {
                let page = ModelPage::read(&engine, store, before, 3, bytes_max);
                let ModelPage { models, next } = page.map_err(|error| error.message).unwrap();
                found.push(models.len());
                models.iter().for_each(|model| told.push_str(model.get()));
                before = next;
                if next.is_none() {
                    break;
                }
            }
            assert_eq!(found, sizes, "{bytes_max}");
            let places: Vec<_> = ids.iter().map(|id| told.find(&id.to_string())).collect();
            assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
        }
    }
}
