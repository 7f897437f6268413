//! The HTTP server: OpenFGA's API with Tenure's additions.
//!
//! Wire formats stand here and nowhere else: a request is read into the words of the model and the engine, and
//! their answers are written out. Nothing here may decide an authorization question, and nothing may reach the
//! database but through the engine.
//!
//! - `routes/`: one file per operation. `openapi/`: how they are described, and registered with that.
//! - `fields`, `wire`, `extract`, `paging`, `token`: reading requests; `reply`, `lines`, `error`: writing answers.
//! - `middleware`, `metrics` with `histograms` and the other `…_metrics`: what surrounds a request; `origins`: which web pages may make one.
//! - `observation/`: what an operator sees of single checks; `traces`: what OpenTelemetry is told of a request.
//! - `listen`: connections, and stopping gracefully; `revisions`, `watches`: waiting for commits.
//! - `base_url`: where clients reach the server.

mod app;
mod base_url;
mod cache_metrics;
mod config;
mod error;
mod extract;
mod fields;
mod histograms;
mod lines;
mod listen;
mod metrics;
mod middleware;
mod observation;
mod openapi;
mod origins;
mod paging;
mod process_metrics;
mod reply;
mod revisions;
mod routes;
mod storage_metrics;
mod store_metrics;
mod token;
mod traces;
mod watches;
mod wire;

pub use base_url::{BaseUrl, BaseUrlError};
pub use config::ServerConfig;
pub use listen::serve;
pub use observation::{DecisionLog, TreeDrawing};
pub use origins::{CorsOrigin, CorsOrigins};

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use tokio::sync::Semaphore;
use tracing::error;

use crate::cooperation::{AccessRecorder, Cooperations};
use crate::engine::Engine;
use crate::model::limits::STREAMS_MAX;
use crate::store::Database;
use app::App;
use error::{ApiError, Code};
use openapi::{Operation, Routes};

/// Every route of the server, on `engine`.
pub fn router<D: Database>(engine: Arc<Engine<D>>, config: &ServerConfig) -> Router {
    let config = Arc::new(config.clone());
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let watches = Arc::new(watches::Watches::new(&engine, config.watches_max));
    // Without its thread nothing could be recorded; a machine that has none left serves nothing for long either.
    let access = AccessRecorder::start(&engine, config.access_record)
        .inspect_err(|error| error!(%error, "checks are not recorded"))
        .ok()
        .map(Arc::new);
    let cooperations = Arc::new(Cooperations::new(Arc::clone(&engine)));
    let observation = observation::Observation::new(&config);
    let metrics = Arc::new(metrics::Metrics::new(&engine, observation.as_ref()));
    let app = App { engine, cooperations, access, config, metrics, observation, streams, watches };
    // Probes, metrics and the description of the API are answered however many requests are being served.
    let of_the_server = Routes::new().on(metrics::operation(), metrics::show);
    let guarded = |operation: Operation| operation.fails([Code::Forbidden, Code::InternalError]);
    let probes = Routes::new()
        .on(routes::health::healthz_operation(), routes::health::healthz)
        .on(routes::health::readyz_operation(), routes::health::readyz);
    let routes = api(&app).merge(of_the_server).all(guarded).merge(probes);
    app.metrics.know(routes.names());
    let mut router = routes
        .described(guarded)
        .fallback(undefined::<D>)
        .method_not_allowed_fallback(method_not_allowed::<D>);
    // Each layer costs every request a few allocations, so that there are as few as can be.
    if let Some(cors) = app.config.cors_origins.layer() {
        router = router.layer(cors);
    }
    router.layer(from_fn_with_state(app.clone(), middleware::observe)).with_state(app)
}

fn api<D: Database>(app: &App<D>) -> Routes<D> {
    let of_a_store = routes::of_a_store().all(Operation::names_store);
    let of_the_configured_store = routes::authzen::of_the_configured_store()
        .within(&[], |router| {
            router.route_layer(from_fn_with_state(app.clone(), routes::authzen::name_configured_store))
        })
        .all(Operation::names_store);
    let permits = Arc::new(Semaphore::new(app.config.concurrent_requests_max));
    let limited = (app.clone(), permits);
    // What the body's limit, the deadline and the shedding answer; the database may be closed under any.
    let codes = [
        Code::ValidationError,
        Code::RequestTimeout,
        Code::DeadlineExceeded,
        Code::TooManyRequests,
        Code::Unavailable,
    ];
    routes::of_stores()
        .merge(of_a_store)
        .merge(of_the_configured_store)
        .within(&codes, |router| router.route_layer(from_fn_with_state(limited, middleware::limit)))
}

async fn undefined<D: Database>(State(app): State<App<D>>, request: Request) -> ApiError {
    middleware::take_in(&app, request).await;
    ApiError::new(Code::UndefinedEndpoint, "Not Found")
}

async fn method_not_allowed<D: Database>(State(app): State<App<D>>, request: Request) -> ApiError {
    middleware::take_in(&app, request).await;
    ApiError::new(Code::MethodNotAllowed, "Method Not Allowed")
}
