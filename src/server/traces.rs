//! What OpenTelemetry is told of a request: a span for all of it, below which the engine and the server put one for each phase.
//!
//! Spans are those of `tracing`, with the target [`TRACE_TARGET`] at the finest level. Where nobody collects them (see the command
//! line's `--otlp-endpoint`) a span is a comparison, and nothing else here is done. Phases are `decode`, `resolve` (revision and
//! model), `cache`, `evaluate`, `commit` and `encode`.

use axum::http::{HeaderMap, Method, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Span, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::model::TRACE_TARGET;

/// The span of a request, as the semantic conventions for HTTP have it; a part of the client's trace, where it says that it has
/// one.
pub(super) fn request(method: &Method, route: &str, headers: &HeaderMap) -> Span {
    let span = trace_span!(
        target: TRACE_TARGET,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        tenure.request_id = Empty,
        tenure.store = Empty,
    );
    if !span.is_disabled() {
        let context = TraceContextPropagator::new().extract(&Headers(headers));
        // It fails where nobody collects spans: then the log alone has them.
        drop(span.set_parent(context));
    }
    span
}

/// Tells the span of a request what came of it.
pub(super) fn answered(span: &Span, request_id: &str, store: Option<&str>, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("tenure.request_id", request_id);
    // Of numbers, only those with a sign are numbers in OpenTelemetry.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if let Some(store) = store {
        span.record("tenure.store", store);
    }
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Headers as the propagation reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}
