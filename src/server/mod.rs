//! The HTTP server: OpenFGA's API with Tenure's additions.
//!
//! Wire formats stand here and nowhere else: a request is read into the words of the model and the engine, and
//! their answers are written out. Nothing here may decide an authorization question, and nothing may reach the
//! database but through the engine.
//!
//! - `routes/`: one file per operation.
//! - `fields`, `wire`, `extract`, `paging`, `token`: reading requests; `reply`, `lines`, `error`: writing answers.
//! - `middleware`, `metrics`: what surrounds a request; `origins`: which web pages may make one.
//! - `listen`: connections, and stopping gracefully; `revisions`, `watches`: waiting for commits.
//! - `base_url`: where clients reach the server.

mod app;
mod base_url;
mod config;
mod error;
mod extract;
mod fields;
mod lines;
mod listen;
mod metrics;
mod middleware;
mod origins;
mod paging;
mod reply;
mod revisions;
mod routes;
mod token;
mod watches;
mod wire;

pub use base_url::{BaseUrl, BaseUrlError};
pub use config::ServerConfig;
pub use listen::serve;
pub use origins::{CorsOrigin, CorsOrigins};

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::engine::Engine;
use crate::model::limits::STREAMS_MAX;
use crate::store::Database;
use app::App;
use error::{ApiError, Code};

/// Every route of the server, on `engine`.
pub fn router<D: Database>(engine: Arc<Engine<D>>, config: &ServerConfig) -> Router {
    let config = Arc::new(config.clone());
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let watches = Arc::new(watches::Watches::new(&engine, config.watches_max));
    let app = App { engine, config, metrics: Arc::new(metrics::Metrics::new()), streams, watches };
    // Probes and metrics are answered however many requests are being served.
    let routes = api(&app).merge(operations());
    routes
        .fallback(undefined::<D>)
        .method_not_allowed_fallback(method_not_allowed::<D>)
        .layer(DefaultBodyLimit::max(app.config.body_bytes_max))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(option_layer(app.config.cors_origins.layer()))
        .layer(from_fn_with_state(app.clone(), origins::guard))
        .layer(from_fn_with_state(app.clone(), middleware::observe))
        .with_state(app)
}

fn operations<D: Database>() -> Router<App<D>> {
    Router::new()
        .route("/healthz", get(routes::health::healthz))
        .route("/readyz", get(routes::health::readyz))
        .route("/metrics", get(metrics::show))
}

fn api<D: Database>(app: &App<D>) -> Router<App<D>> {
    let of_a_store = Router::new()
        .route(
            "/stores/{store_id}",
            get(routes::stores::get).delete(routes::stores::delete).patch(routes::stores::update),
        )
        .route(
            "/stores/{store_id}/authorization-models",
            get(routes::models::list).post(routes::models::write),
        )
        .route("/stores/{store_id}/authorization-models/{id}", get(routes::models::get))
        .route("/stores/{store_id}/write", post(routes::write::write))
        .route("/stores/{store_id}/read", post(routes::read::read))
        .route("/stores/{store_id}/changes", get(routes::changes::changes))
        .route("/stores/{store_id}/watch", get(routes::watch::watch))
        .route("/stores/{store_id}/check", post(routes::check::check))
        .route("/stores/{store_id}/batch-check", post(routes::batch_check::batch_check))
        .route("/stores/{store_id}/expand", post(routes::expand::expand))
        .route("/stores/{store_id}/explain", post(routes::explain::explain))
        .route("/stores/{store_id}/list-objects", post(routes::list_objects::list_objects))
        .route(
            "/stores/{store_id}/streamed-list-objects",
            post(routes::streamed_list_objects::streamed_list_objects),
        )
        .route("/stores/{store_id}/list-users", post(routes::list_users::list_users))
        .route(
            "/stores/{store_id}/assertions/{id}",
            get(routes::assertions::read).put(routes::assertions::write),
        )
        .merge(routes::authzen::of_a_store())
        .route_layer(from_fn(middleware::name_store));
    let permits = Arc::new(Semaphore::new(app.config.concurrent_requests_max));
    Router::new()
        .route("/stores", get(routes::stores::list).post(routes::stores::create))
        .merge(of_a_store)
        .merge(routes::authzen::of_the_configured_store(app))
        .route_layer(from_fn_with_state(app.clone(), middleware::deadline))
        .route_layer(from_fn_with_state(permits, middleware::shed))
}

async fn undefined<D: Database>(State(app): State<App<D>>, request: Request) -> ApiError {
    middleware::take_in(&app, request).await;
    ApiError::new(Code::UndefinedEndpoint, "Not Found")
}

async fn method_not_allowed<D: Database>(State(app): State<App<D>>, request: Request) -> ApiError {
    middleware::take_in(&app, request).await;
    ApiError::new(Code::MethodNotAllowed, "Method Not Allowed")
}
