//! An answer with the headers that say what it was computed from.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::engine::Answer;
use crate::model::{ModelId, Revision};

/// The model that was used.
pub(super) const MODEL_ID: HeaderName = HeaderName::from_static("openfga-authorization-model-id");
/// The store that was asked.
pub(super) const STORE_ID: HeaderName = HeaderName::from_static("openfga-store-id");
/// The revision of the data.
pub(super) const REVISION: HeaderName = HeaderName::from_static("tenure-revision");

/// A body with its status and headers.
pub(super) struct Reply<T> {
    status: StatusCode,
    body: T,
    model: Option<ModelId>,
    revision: Option<Revision>,
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
        Self { status: StatusCode::OK, body, model: None, revision: None }
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

    /// Names the model and the revision.
    pub(super) fn with(self, model: ModelId, revision: Revision) -> Self {
        Self { model: Some(model), revision: Some(revision), ..self }
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let mut response = match self.status {
            StatusCode::NO_CONTENT => self.status.into_response(),
            status => (status, Json(self.body)).into_response(),
        };
        let headers = response.headers_mut();
        if let Some(value) = self.model.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
            headers.insert(MODEL_ID, value);
        }
        if let Some(revision) = self.revision {
            headers.insert(REVISION, HeaderValue::from(revision.0));
        }
        response
    }
}
