//! What OpenFGA has and this version has not: told apart from paths that nobody knows, so that who uses an SDK learns
//! which of its operations is missing.

use axum::Router;
use axum::routing::{MethodRouter, post};

use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::store::Database;

/// The operations of a store.
pub(in crate::server) fn of_a_store<D: Database>() -> Router<App<D>> {
    Router::new()
        .route("/stores/{store_id}/list-objects", posted("ListObjects"))
        .route("/stores/{store_id}/streamed-list-objects", posted("StreamedListObjects"))
        .route("/stores/{store_id}/list-users", posted("ListUsers"))
}

fn posted<D: Database>(name: &'static str) -> MethodRouter<App<D>> {
    post(move || missing(name))
}

/// The answer of an operation that there is not.
pub(super) async fn missing(name: &'static str) -> ApiError {
    ApiError::new(Code::Unimplemented, format!("{name} is not implemented by this version of Tenure"))
}
