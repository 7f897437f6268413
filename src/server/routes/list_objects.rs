//! ListObjects: on which objects of a type does this subject hold this relation?

use std::fmt::Display;

use axum::extract::State;
use serde::Serialize;

use crate::engine::{EngineError, ListObjectsRequest, Listed, QueryContext};
use crate::model::{Revision, check_type};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::fields::Fields;
use crate::server::metrics::Purpose;
use crate::server::openapi::schema::{Schema, list_of, shape};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;
use axum::http::StatusCode;

#[derive(Serialize)]
pub(in crate::server) struct ListedObjects {
    objects: Vec<String>,
    revision: Revision,
}

pub(in crate::server) fn operation() -> Operation {
    let summary = "List the objects of a type with which a user has a relation.";
    let body =
        shape().must("objects", list_of(shapes::object())).must("revision", shapes::revision()).closed();
    Operation::new(Verb::Post, "/stores/{store_id}/list-objects", Tag::Queries, "ListObjects", summary)
        .takes(given("ListObjectsRequest"))
        .answers(StatusCode::OK, "The objects.", body.named("ListObjectsResponse"))
        .names_revision()
        .may_be_partial()
        .fails(FAILURES)
}

/// What [`request`] reads.
pub(super) fn given(name: &'static str) -> Schema {
    let asked = shape()
        .must("type", shapes::type_name())
        .must("relation", shapes::relation())
        .must("user", shapes::user());
    shapes::query(asked)
        .may("contextual_tuples", shapes::contextual_tuples())
        .may("context", shapes::context())
        .open()
        .named(name)
}

/// The codes of lists.
pub(super) const FAILURES: [Code; 10] = [
    Code::TypeInvalidPattern,
    Code::TypeNotFound,
    Code::RelationNotFound,
    Code::InvalidTuple,
    Code::DuplicateContextualTuple,
    Code::ResolutionTooComplex,
    Code::LatestModelNotFound,
    Code::AuthorizationModelNotFound,
    Code::RevisionNotReached,
    Code::StoreNotFound,
];

/// `POST /stores/{store_id}/list-objects`
pub(in crate::server) async fn list_objects<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<ListedObjects>, ApiError> {
    let (context, request) = input.read(request)?;
    let object_type = request.object_type.clone();
    let outcome = app
        .run_list(store, context, move |engine, context, go_on| {
            engine.list_objects(store, context, &request, go_on)
        })
        .await?;
    app.metrics.listed(outcome.as_ref().map(|(answer, _)| answer.value.partial.is_none()));
    let (answer, counts) = outcome.map_err(refused)?;
    app.metrics.evaluated(store, Purpose::List, counts.made());
    let Listed { items, partial } = &answer.value;
    let body = ListedObjects {
        objects: items.iter().map(|id| object(&object_type, id)).collect(),
        revision: answer.revision,
    };
    Ok(Reply::computed(&answer, body).partial(partial.is_some()))
}

/// Reads what both forms of the list are asked with.
pub(super) fn request(fields: &mut Fields) -> Result<(QueryContext, ListObjectsRequest), ApiError> {
    let request = ListObjectsRequest {
        object_type: type_name(fields)?,
        relation: wire::relation(fields)?,
        subject: wire::subject(fields)?,
    };
    let context = QueryContext {
        contextual_tuples: wire::contextual_tuples(fields)?,
        context: wire::context(fields)?,
        ..wire::query_context(fields)?
    };
    Ok((context, request))
}

/// Reads `type`.
pub(super) fn type_name(fields: &mut Fields) -> Result<Box<str>, ApiError> {
    let text = fields.string("type")?;
    match check_type(&text) {
        Ok(()) => Ok(text.into()),
        Err(error) => Err(ApiError::field(
            Code::TypeInvalidPattern,
            &fields.path("type"),
            format!("the name {error}; expected 1 to 254 bytes without `:`, `#`, `@` and white space"),
        )),
    }
}

/// An object's name in an answer.
pub(super) fn object(object_type: impl Display, id: &str) -> String {
    format!("{object_type}:{id}")
}

/// The refusal of a list: what the model does not have has codes of its own here.
pub(super) fn refused(error: EngineError) -> ApiError {
    match error {
        EngineError::TypeNotFound { .. } => ApiError::new(Code::TypeNotFound, error.to_string()),
        EngineError::RelationNotFound { .. } => ApiError::new(Code::RelationNotFound, error.to_string()),
        other => other.into(),
    }
}
