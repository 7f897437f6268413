//! Whether the server lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::server::app::App;
use crate::server::openapi::schema::{Schema, choice, shape};
use crate::server::openapi::{Operation, Tag, Verb};
use crate::store::Database;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

const SERVING: &str = "SERVING";
const NOT_SERVING: &str = "NOT_SERVING";

pub(in crate::server) fn healthz_operation() -> Operation {
    Operation::new(Verb::Get, "/healthz", Tag::Server, "Healthz", "Ask whether the process answers.").answers(
        StatusCode::OK,
        "It does.",
        health(SERVING),
    )
}

pub(in crate::server) fn readyz_operation() -> Operation {
    Operation::new(Verb::Get, "/readyz", Tag::Server, "Readyz", "Ask whether everything can be done.")
        .answers(StatusCode::OK, "It can.", health(SERVING))
        .answers(StatusCode::SERVICE_UNAVAILABLE, "Nothing can be written.", health(NOT_SERVING))
}

fn health(status: &str) -> Schema {
    shape().must("status", choice([status])).closed()
}

/// `GET /healthz`: the process answers.
pub(in crate::server) async fn healthz() -> Response {
    Json(Health { status: SERVING }).into_response()
}

/// `GET /readyz`: everything can be done. When a commit has failed, reads go on, and nothing can be written until the database
/// was opened again, which it does by itself.
pub(in crate::server) async fn readyz<D: Database>(State(app): State<App<D>>) -> Response {
    match app.engine.ready() {
        Ok(_) => healthz().await,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: NOT_SERVING })).into_response(),
    }
}
