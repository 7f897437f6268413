//! What a handler takes out of a request: the store of its path, and its body or query string.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use tracing::trace_span;

use super::app::App;
use super::error::ApiError;
use super::fields::{self, Fields};
use super::observation::Watch;
use super::wire;
use crate::model::{ModelId, StoreId, TRACE_TARGET};
use crate::store::Database;

/// Asks that unknown fields be refused.
pub(super) const STRICT: HeaderName = HeaderName::from_static("tenure-strict");

/// The store that the path names. Whether it exists is not said.
pub(super) struct StorePath(pub(super) StoreId);

impl<S: Send + Sync> FromRequestParts<S> for StorePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        path_id(parts, state, "store_id").await.map(Self)
    }
}

/// The model that the path names.
pub(super) struct ModelPath(pub(super) ModelId);

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        path_id(parts, state, "id").await.map(Self)
    }
}

async fn path_id<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<StoreId, ApiError> {
    let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
    let Path(values) = path.map_err(|error| ApiError::invalid(name, error))?;
    let value = values.iter().find(|(known, _)| known == name);
    value.and_then(|(_, text)| text.parse().ok()).ok_or_else(|| wire::not_an_id(name))
}

/// The body, complete and within its limit.
pub(super) struct Input {
    bytes: Bytes,
    pub(super) strict: bool,
    /// Looks on while what it asks is decided, where somebody is to.
    pub(super) watch: Option<Watch>,
}

impl Input {
    /// A body that was taken in already.
    pub(super) fn new(headers: &HeaderMap, bytes: Bytes, watch: Option<Watch>) -> Self {
        Self { bytes, strict: is_strict(headers), watch }
    }

    /// The body as it was sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the body's fields with `read`.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let _traced = trace_span!(target: TRACE_TARGET, "decode").entered();
        Fields::read_body(&self.bytes, self.strict, read)
    }

    /// The body as it is, of at most so many values.
    pub(super) fn value(&self, values_max: usize) -> Result<Value, ApiError> {
        fields::parse(&self.bytes, values_max)
    }
}

impl<D: Database> FromRequest<App<D>> for Input {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App<D>) -> Result<Self, ApiError> {
        let strict = is_strict(request.headers());
        let watch = app.observation.as_ref().map(|observation| observation.watch(request.headers()));
        Ok(Self { bytes: body(request.into_body(), app).await?, strict, watch })
    }
}

/// The whole body of a request, within its limit.
pub(super) async fn body<D: Database>(body: Body, app: &App<D>) -> Result<Bytes, ApiError> {
    let max = app.config.body_bytes_max;
    match Limited::new(body, max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Err(error) => {
            Err(ApiError::invalid("request body", format!("it could not be read to its end: {error}")))
        }
    }
}

fn too_large(max: usize) -> ApiError {
    ApiError::invalid("request body", format!("it is too large; at most {max} bytes are allowed"))
}

/// The parameters of the query string.
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
    strict: bool,
}

impl Parameters {
    /// Reads the parameters with `read`.
    pub(super) fn read<T>(
        self,
        read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        Fields::read_query(self.pairs, self.strict, read)
    }

    /// [`read`](Self::read) on a route that OpenFGA has not: an unknown parameter is refused, as no client sends one that
    /// it does not mean.
    pub(super) fn read_strictly<T>(
        self,
        read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        Fields::read_query(self.pairs, true, read)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|error| ApiError::invalid("query string", error))?;
        Ok(Self { pairs, strict: is_strict(&parts.headers) })
    }
}

fn is_strict(headers: &HeaderMap) -> bool {
    // Whoever sends the header means it, however they spell yes.
    headers.get(STRICT).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"false"))
}
