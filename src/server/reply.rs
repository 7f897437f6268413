//! An answer with the headers that say what it was computed from.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::trace_span;

use super::error::ApiError;
use crate::engine::Answer;
use crate::model::{Id, ModelId, Revision, TRACE_TARGET};

/// The model that was used.
pub(super) const MODEL_ID: HeaderName = HeaderName::from_static("openfga-authorization-model-id");
/// The store that was asked.
pub(super) const STORE_ID: HeaderName = HeaderName::from_static("openfga-store-id");
/// The revision of the data.
pub(super) const REVISION: HeaderName = HeaderName::from_static("tenure-revision");

/// There may be more results than the answer has.
pub(super) const PARTIAL: HeaderName = HeaderName::from_static("tenure-partial");

/// Headers of most answers: what they are, by which model and revision, of which store, and to which request.
const HEADERS: usize = 8;

/// A body with its status and headers.
pub(super) struct Reply<T> {
    status: StatusCode,
    body: T,
    model: Option<ModelId>,
    revision: Option<Revision>,
    partial: bool,
}

impl Reply<()> {
    /// Done, and nothing to say, 204.
    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::ok(()) }
    }
}

impl<T: Serialize> Reply<T> {
    /// An answer, 200.
    pub(super) fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body, model: None, revision: None, partial: false }
    }

    /// Something new, 201.
    pub(super) fn created(body: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(body) }
    }

    /// The answer to a query, 200.
    pub(super) fn computed<A>(answer: &Answer<A>, body: T) -> Self {
        Self::ok(body).with(answer.model, answer.revision)
    }

    /// Names the model.
    pub(super) fn of_model(self, model: ModelId) -> Self {
        Self { model: Some(model), ..self }
    }

    /// Names the revision, where there is one.
    pub(super) fn of_revision(self, revision: Option<Revision>) -> Self {
        Self { revision, ..self }
    }

    /// Names the model and the revision.
    pub(super) fn with(self, model: ModelId, revision: Revision) -> Self {
        Self { model: Some(model), revision: Some(revision), ..self }
    }

    /// Says whether there may be more results.
    pub(super) fn partial(self, partial: bool) -> Self {
        Self { partial, ..self }
    }
}

/// Names the model and the revision.
pub(super) fn name(headers: &mut HeaderMap, model: Option<ModelId>, revision: Option<Revision>) {
    if let Some(value) = model.and_then(id_value) {
        headers.insert(MODEL_ID, value);
    }
    if let Some(revision) = revision {
        headers.insert(REVISION, HeaderValue::from(revision.0));
    }
}

/// An identifier as the value of a header.
pub(super) fn id_value(id: Id) -> Option<HeaderValue> {
    id.read_text(HeaderValue::from_str).ok()
}

/// A body of JSON, with room for the headers that an answer gets.
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let _traced = trace_span!(target: TRACE_TARGET, "encode").entered();
        let mut response = match self.status {
            StatusCode::NO_CONTENT => self.status.into_response(),
            status => match serde_json::to_vec(&self.body) {
                Ok(body) => json(status, body),
                Err(error) => return ApiError::internal(error.to_string()).into_response(),
            },
        };
        name(response.headers_mut(), self.model, self.revision);
        if self.partial {
            response.headers_mut().insert(PARTIAL, HeaderValue::from_static("true"));
        }
        response
    }
}
