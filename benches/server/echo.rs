//! The yardstick: an axum handler that takes the same request apart and writes an answer of the same form, and that is all.

use std::net::SocketAddr;

use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    tuple_key: Key,
    #[serde(default)]
    authorization_model_id: String,
    #[serde(default)]
    consistency: String,
}

#[derive(Deserialize)]
struct Key {
    user: String,
    relation: String,
    object: String,
}

#[derive(Serialize)]
struct Answer {
    allowed: bool,
    resolution: &'static str,
    revision: u64,
    stable_until: Option<String>,
}

async fn check(Json(request): Json<Request>) -> Json<Answer> {
    let Request { tuple_key, authorization_model_id, consistency } = request;
    // It looks at all of it, so that nothing of it is left unparsed, and allows everything.
    let looked = tuple_key.user.len() + tuple_key.relation.len() + tuple_key.object.len();
    let revision = (looked + authorization_model_id.len() + consistency.len()) as u64;
    Json(Answer { allowed: looked > 0, resolution: "", revision, stable_until: None })
}

/// Serves until the process is ended.
pub fn serve(address: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let router = Router::new().route("/stores/{store_id}/check", post(check));
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}
