//! What is counted and measured, and `GET /metrics`. Names begin with `tenure_` and end with their unit.
//!
//! No label may take a value that a client chooses freely: routes are those of the router, never paths.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::app::App;
use super::cache_metrics::CacheMetrics;
use super::error::ApiError;
use super::openapi::{Operation, Tag, Verb};
use crate::engine::{CheckAnswer, Engine};
use crate::store::Database;

/// The metrics of one server.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    in_flight: Gauge,
    watches: Gauge,
    checks: Family<OutcomeLabels, Counter>,
    lists: Family<OutcomeLabels, Counter>,
    reads: Counter<u64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Metrics {
    /// Nothing counted yet but what the engine does.
    pub(super) fn new<D: Database>(engine: &Arc<Engine<D>>) -> Self {
        let mut registry = Registry::with_prefix("tenure");
        registry.register_collector(Box::new(CacheMetrics(Arc::clone(engine))));
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        // From 50 µs to 3.3 s, in powers of two.
        let durations = Family::new_with_constructor(
            (|| Histogram::new(exponential_buckets(50e-6, 2.0, 17))) as fn() -> Histogram,
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's",
            Unit::Seconds,
            durations.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("http_requests_in_flight", "Requests being served", in_flight.clone());
        let watches = Gauge::default();
        registry.register("watches", "Watches open", watches.clone());
        let checks = Family::default();
        registry.register("checks", "Checks decided, those of batches included", checks.clone());
        let lists = Family::default();
        registry.register("lists", "Lists of objects and users answered, streams included", lists.clone());
        let reads = Counter::default();
        registry.register(
            "evaluation_reads",
            "Point reads and scanned entries of evaluations; what is kept is not read again",
            reads.clone(),
        );
        Self { registry, requests, durations, in_flight, watches, checks, lists, reads }
    }

    /// A request begins; it is in flight until the guard is dropped.
    pub(super) fn begin(&self) -> Counted {
        Counted::one(&self.in_flight)
    }

    /// A watch begins; it is open until the guard is dropped.
    pub(super) fn watch(&self) -> Counted {
        Counted::one(&self.watches)
    }

    /// A request was answered.
    pub(super) fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = known(method);
        let labels = RequestLabels { method, route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route: route.to_owned() };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A check was decided, or failed.
    pub(super) fn checked<E>(&self, outcome: Result<&CheckAnswer, E>) {
        let outcome = match outcome {
            Ok(CheckAnswer { allowed: true, .. }) => "allowed",
            Ok(CheckAnswer { allowed: false, .. }) => "denied",
            Err(_) => "error",
        };
        self.checks.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A list was answered, as a whole or not, or failed.
    pub(super) fn listed<E>(&self, whole: Result<bool, E>) {
        let outcome = match whole {
            Ok(true) => "whole",
            Ok(false) => "partial",
            Err(_) => "error",
        };
        self.lists.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// An evaluation read so much.
    pub(super) fn evaluated(&self, reads: u64) {
        self.reads.inc_by(reads);
    }
}

/// One of those that a gauge counts.
pub(super) struct Counted(Gauge);

impl Counted {
    fn one(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A method as a label; clients may invent others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What the metrics are written in.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn operation() -> Operation {
    Operation::new(Verb::Get, "/metrics", Tag::Server, "Metrics", "Get the metrics.")
        .answers_text("The metrics, as OpenMetrics has them.", OPENMETRICS)
}

/// `GET /metrics`
pub(super) async fn show<D: Database>(State(app): State<App<D>>) -> Result<impl IntoResponse, ApiError> {
    let mut body = String::new();
    text::encode(&mut body, &app.metrics.registry).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], body))
}
