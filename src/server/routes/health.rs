//! Whether the server lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::server::app::App;
use crate::store::Database;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// `GET /healthz`: the process answers.
pub(in crate::server) async fn healthz() -> Response {
    Json(Health { status: "SERVING" }).into_response()
}

/// `GET /readyz`: everything can be done. Once a commit failed, reads go on but nothing can be written any more.
pub(in crate::server) async fn readyz<D: Database>(State(app): State<App<D>>) -> Response {
    match app.engine.ready() {
        Ok(_) => healthz().await,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "NOT_SERVING" })).into_response(),
    }
}
