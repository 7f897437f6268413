//! The HTTP server: OpenFGA's API with Tenure's additions.
//!
//! Wire formats stand here and nowhere else: a request is read into the words of the model and the engine, and
//! their answers are written out. Nothing here may decide an authorization question, and nothing may reach the
//! database but through the engine.
//!
//! - `api`: all of it as one service. `routes/`: one file per operation. `openapi/`: how they are described, and registered with that.
//! - `fields`, `wire`, `extract`, `paging`, `token`: reading requests; `reply`, `lines`, `error`: writing answers.
//! - `middleware`, `metrics` with `histograms` and the other `…_metrics`: what surrounds a request; `origins`: which web pages may
//!   make one; `hosts`: by which names the server may be called.
//! - `authentication`, `permissions`: who calls, and what each operation takes.
//! - `observation/`: what an operator sees of single checks; `traces`: what OpenTelemetry is told of a request.
//! - `listen`: connections, and stopping gracefully; `tls`: what secures them; `revisions`, `watches`: waiting for commits;
//!   `turns`: waiting for a processor, and what is shed.
//! - `base_url`: where clients reach the server.

mod api;
mod app;
mod authentication;
mod base_url;
mod cache_metrics;
mod config;
mod error;
mod extract;
mod fields;
mod histograms;
mod hosts;
mod lines;
mod listen;
mod metrics;
mod middleware;
mod observation;
mod openapi;
mod origins;
mod paging;
mod permissions;
mod process_metrics;
mod reply;
mod revisions;
mod routes;
#[cfg(test)]
mod still;
mod storage_metrics;
mod store_metrics;
mod tls;
mod token;
mod traces;
mod turns;
mod watches;
mod wire;

pub use api::Api;
pub use base_url::{BaseUrl, BaseUrlError};
pub use config::ServerConfig;
pub use hosts::HostNames;
pub use listen::serve;
pub use observation::{DecisionLog, TreeDrawing};
pub use origins::{CorsOrigin, CorsOrigins};
pub use tls::{Tls, TlsError, TlsFiles};

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use tokio::sync::Semaphore;
use tracing::error;

use crate::callers::Callers;
use crate::cooperation::{AccessRecorder, Cooperations};
use crate::engine::Engine;
use crate::model::limits::{COMMANDS_AT_ONCE_MAX, STREAMS_MAX};
use crate::store::Database;
use app::App;
use authentication::RouteNeeds;
use error::{ApiError, Code};
use openapi::{Operation, Routes};
use permissions::Needs;
use turns::Turns;

/// Everything that the server answers, on `engine`, for these callers, who must be those of its database.
pub fn api<D: Database>(engine: Arc<Engine<D>>, config: &ServerConfig, callers: Arc<Callers>) -> Api {
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
    let turns = Arc::new(Turns::new(config.queries_at_once, config.request_timeout / 3));
    let metrics = Arc::new(metrics::Metrics::new(&engine, observation.as_ref()));
    let app = App::from(app::State {
        engine,
        cooperations,
        access,
        config,
        metrics,
        observation,
        streams,
        watches,
        turns,
        commits: Arc::new(Semaphore::new(COMMANDS_AT_ONCE_MAX)),
        callers,
    });
    let permits = Arc::new(Semaphore::new(app.config.concurrent_requests_max));
    // Probes, metrics and the description of the API are answered however many requests are being served.
    // A backup takes as long as it takes.
    let of_the_server = Routes::new()
        .on(metrics::operation(), metrics::show)
        .on(routes::backups::create_operation(), routes::backups::create);
    let guarded = |operation: Operation| {
        let needs = operation.needs();
        let operation = operation.fails([Code::Forbidden, Code::InternalError]);
        match needs {
            Needs::Nothing => operation,
            _ => operation.fails([Code::BearerTokenMissing, Code::Unauthenticated, Code::TooManyRequests]),
        }
    };
    let probes = Routes::new()
        .on(routes::health::healthz_operation(), routes::health::healthz)
        .on(routes::health::readyz_operation(), routes::health::readyz);
    let routes = of_the_api(&app, &permits).merge(of_the_server).all(guarded).merge(probes);
    app.metrics.know(routes.names());
    let needs = Arc::new(RouteNeeds::new(routes.needs().chain([openapi::PLACE])));
    let mut router = routes
        .described(guarded)
        .fallback(undefined::<D>)
        .method_not_allowed_fallback(method_not_allowed::<D>);
    // Each layer costs every request a few allocations, so that there are as few as can be.
    let cors = app.config.cors_origins.layer();
    let has_cors = cors.is_some();
    if let Some(cors) = cors {
        router = router.layer(cors);
    }
    let observe = from_fn_with_state((app.clone(), Arc::clone(&needs)), middleware::observe);
    let api = Api::new(router.layer(observe).with_state(app.clone()));
    if has_cors { api } else { api.with_checks(app, needs, permits) }
}

fn of_the_api<D: Database>(app: &App<D>, permits: &Arc<Semaphore>) -> Routes<D> {
    let of_a_store = routes::of_a_store().all(Operation::names_store);
    let of_the_configured_store = routes::authzen::of_the_configured_store()
        .within(&[], |router| {
            router.route_layer(from_fn_with_state(app.clone(), routes::authzen::name_configured_store))
        })
        .all(Operation::names_store);
    let limited = (app.clone(), Arc::clone(permits));
    // What the body's limit, the deadline and the shedding answer; the database may be closed under any.
    let codes = [
        Code::ValidationError,
        Code::RequestTimeout,
        Code::DeadlineExceeded,
        Code::TooManyRequests,
        Code::Unavailable,
    ];
    routes::of_stores()
        .merge(routes::keys::routes())
        .merge(of_a_store)
        .merge(of_the_configured_store)
        .within(&codes, |router| router.route_layer(from_fn_with_state(limited, middleware::limit)))
}

async fn undefined<D: Database>(State(app): State<App<D>>, request: Request) -> ApiError {
    middleware::discard(&app, request.into_body()).await;
    ApiError::new(Code::UndefinedEndpoint, "Not Found")
}

async fn method_not_allowed<D: Database>(State(app): State<App<D>>, request: Request) -> ApiError {
    middleware::discard(&app, request.into_body()).await;
    ApiError::new(Code::MethodNotAllowed, "Method Not Allowed")
}
