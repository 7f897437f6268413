//! What is counted and measured, and `GET /metrics`. Names begin with `tenure_` and end with their unit.
//!
//! No label may take a value that a client chooses freely: routes are those of the router, never paths.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::app::App;
use super::authentication::Known;
use super::cache_metrics::CacheMetrics;
use super::error::ApiError;
use super::histograms::{Costs, Durations};
use super::observation::{Observation, ObservationMetrics};
use super::openapi::{Operation, Tag, Verb};
use super::process_metrics::ProcessMetrics;
use super::storage_metrics::StorageMetrics;
use super::store_metrics::{OfStore, StoreMetrics};
use crate::callers::Stores;
use crate::engine::{CheckAnswer, Engine};
use crate::model::StoreId;
use crate::store::Database;

/// The metrics of one server.
pub(super) struct Metrics {
    registry: Registry,
    /// Those whose names do not begin with ours.
    of_process: Registry,
    /// Those that name stores, which not everybody may know.
    by_store: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Durations>,
    /// Those of the routes that there are, by verb and path, so that a request looks nothing up under a lock.
    of_routes: OnceLock<HashMap<String, Vec<(&'static str, OfRoute)>>>,
    /// In the order of [`Refused::ALL`].
    refused: [Counter; Refused::ALL.len()],
    in_flight: Gauge,
    watches: Gauge,
    allowed: Counter,
    denied: Counter,
    undecided: Counter,
    lists: Family<OutcomeLabels, Counter>,
    reads: Counter<u64, AtomicU64>,
    costs: CostsOf,
    of_stores: StoreMetrics,
}

/// What evaluations cost, by what they are for.
struct CostsOf {
    check: Costs,
    batch: Costs,
    list: Costs,
    explanation: Costs,
}

/// What an evaluation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Check,
    Batch,
    List,
    Explanation,
}

/// What a request is refused by with 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The requests that are served at once.
    Load,
    /// The processors: more is asked than can be answered.
    Busy,
    /// Its caller's requests in a second.
    Rate,
    /// Its caller's requests under way.
    Concurrency,
    /// The tokens of its address that were not valid.
    Attempts,
    /// The watches that are open.
    Watches,
    /// The lists that are streamed.
    Streams,
}

impl Refused {
    const ALL: [Self; 7] =
        [Self::Load, Self::Busy, Self::Rate, Self::Concurrency, Self::Attempts, Self::Watches, Self::Streams];

    const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Busy => "busy",
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
            Self::Attempts => "attempts",
            Self::Watches => "watches",
            Self::Streams => "streams",
        }
    }
}

/// What is counted of one route.
struct OfRoute {
    /// Whether it asks something and changes nothing.
    is_query: bool,
    /// Requests answered with 200.
    ok: Counter,
    durations: Durations,
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
struct PurposeLabels {
    purpose: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Metrics {
    /// Nothing counted yet but what the engine does.
    pub(super) fn new<D: Database>(engine: &Arc<Engine<D>>, observation: Option<&Arc<Observation>>) -> Self {
        let mut registry = Registry::with_prefix("tenure");
        registry.register_collector(Box::new(CacheMetrics(Arc::clone(engine))));
        registry.register_collector(Box::new(StorageMetrics(Arc::clone(engine))));
        let of_stores = StoreMetrics::default();
        let mut by_store = Registry::with_prefix("tenure");
        by_store.register_collector(Box::new(of_stores.clone()));
        let mut of_process = Registry::default();
        of_process.register_collector(Box::new(ProcessMetrics));
        if let Some(observation) = observation {
            registry.register_collector(Box::new(ObservationMetrics(Arc::clone(observation))));
        }
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let durations = Family::default();
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's; without those that were turned away (429)",
            Unit::Seconds,
            durations.clone(),
        );
        let refusals = Family::<LimitLabels, Counter>::default();
        let refused =
            Refused::ALL.map(|by| refusals.get_or_create(&LimitLabels { limit: by.name() }).clone());
        registry.register(
            "requests_refused",
            "Requests answered 429, by the limit that refused them",
            refusals,
        );
        let in_flight = Gauge::default();
        registry.register("http_requests_in_flight", "Requests being served", in_flight.clone());
        let watches = Gauge::default();
        registry.register("watches", "Watches open", watches.clone());
        let checks = Family::<OutcomeLabels, Counter>::default();
        let of_outcome = |outcome| checks.get_or_create(&OutcomeLabels { outcome }).clone();
        let (allowed, denied, undecided) = (of_outcome("allowed"), of_outcome("denied"), of_outcome("error"));
        registry.register("checks", "Checks decided, those of batches included", checks);
        let lists = Family::default();
        registry.register("lists", "Lists of objects and users answered, streams included", lists.clone());
        let reads = Counter::default();
        registry.register(
            "evaluation_reads",
            "Point reads and scanned entries of evaluations; what is kept is not read again",
            reads.clone(),
        );
        let costs = Family::<PurposeLabels, Costs>::default();
        let of = |purpose| costs.get_or_create(&PurposeLabels { purpose }).clone();
        let of_purposes = CostsOf {
            check: of("check"),
            batch: of("batch"),
            list: of("list"),
            explanation: of("explanation"),
        };
        registry.register("evaluation_cost_reads", "Evaluations, by what they read", costs);
        let of_routes = OnceLock::new();
        Self {
            registry,
            of_process,
            by_store,
            requests,
            durations,
            of_routes,
            refused,
            in_flight,
            watches,
            allowed,
            denied,
            undecided,
            lists,
            reads,
            costs: of_purposes,
            of_stores,
        }
    }

    /// All of them as `/metrics` shows them; those by store only `with_stores`.
    fn text(&self, with_stores: bool) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let by_store = with_stores.then_some(&self.by_store);
        for registry in [&self.of_process].into_iter().chain(by_store) {
            text::encode_registry(&mut text, registry)?;
        }
        // The one that writes the end, too.
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Takes in which routes there are, each a verb, a path, and whether it asks something and changes nothing; once.
    pub(super) fn know<'a>(&self, routes: impl Iterator<Item = (&'static str, &'a str, bool)>) {
        let mut known: HashMap<String, Vec<(&'static str, OfRoute)>> = HashMap::new();
        for (method, path, is_query) in routes {
            let route = path.to_owned();
            let ok = RequestLabels { method, route: route.clone(), status: StatusCode::OK.as_u16() };
            let ok = self.requests.get_or_create(&ok).clone();
            let durations = self.durations.get_or_create(&RouteLabels { method, route }).clone();
            known.entry(path.to_owned()).or_default().push((method, OfRoute { is_query, ok, durations }));
        }
        let _known_already = self.of_routes.set(known);
    }

    fn of_route(&self, method: &str, route: &str) -> Option<&OfRoute> {
        let of_path = self.of_routes.get()?.get(route)?;
        of_path.iter().find(|(own, _)| *own == method).map(|(_, of_route)| of_route)
    }

    /// Whether a route asks something and changes nothing.
    pub(super) fn is_query(&self, method: &Method, route: &str) -> bool {
        self.of_route(known(method), route).is_some_and(|of_route| of_route.is_query)
    }

    /// A request begins; it is in flight until the guard is dropped.
    pub(super) fn begin(&self) -> Counted {
        Counted::one(&self.in_flight)
    }

    /// A watch begins; it is open until the guard is dropped.
    pub(super) fn watch(&self) -> Counted {
        Counted::one(&self.watches)
    }

    /// A request is refused.
    pub(super) fn refused(&self, by: Refused) {
        if let Some(counter) = self.refused.get(by as usize) {
            counter.inc();
        }
    }

    /// A request was answered; says whether its route asks something and changes nothing.
    pub(super) fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) -> bool {
        let method = known(method);
        let labels = || RequestLabels { method, route: route.to_owned(), status: status.as_u16() };
        match self.of_route(method, route) {
            Some(of_route) => {
                match status {
                    StatusCode::OK => drop(of_route.ok.inc()),
                    _ => drop(self.requests.get_or_create(&labels()).inc()),
                }
                // Being turned away takes no time, and must not make the others look quick.
                if status != StatusCode::TOO_MANY_REQUESTS {
                    of_route.durations.observe(took);
                }
                of_route.is_query
            }
            None => {
                self.requests.get_or_create(&labels()).inc();
                let labels = RouteLabels { method, route: route.to_owned() };
                self.durations.get_or_create(&labels).observe(took);
                false
            }
        }
    }

    /// A request that names a store was answered.
    pub(super) fn answered_for(&self, store: StoreId, status: StatusCode) {
        let failed = status.is_client_error() || status.is_server_error();
        if failed {
            self.of_stores.count(store, OfStore::Failures, 1);
        } else {
            self.of_stores.know(store);
        }
        self.of_stores.count(store, OfStore::Requests, 1);
    }

    /// A check was decided, or failed.
    pub(super) fn checked<E>(&self, store: StoreId, outcome: Result<&CheckAnswer, E>) {
        let (counter, of_store) = match outcome {
            Ok(CheckAnswer { allowed: true, .. }) => (&self.allowed, OfStore::Allowed),
            Ok(CheckAnswer { allowed: false, .. }) => (&self.denied, OfStore::Denied),
            Err(_) => (&self.undecided, OfStore::Undecided),
        };
        counter.inc();
        if outcome.is_ok() {
            self.of_stores.know(store);
        }
        self.of_stores.count(store, of_store, 1);
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

    /// An evaluation on a store read so much.
    pub(super) fn evaluated(&self, store: StoreId, purpose: Purpose, reads: u64) {
        if reads > 0 {
            self.reads.inc_by(reads);
        }
        self.of_stores.count(store, OfStore::Reads, reads);
        let CostsOf { check, batch, list, explanation } = &self.costs;
        let costs = match purpose {
            Purpose::Check => check,
            Purpose::Batch => batch,
            Purpose::List => list,
            Purpose::Explanation => explanation,
        };
        costs.observe(reads);
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
        .note(
            "Those by store are there for whoever may know which stores there are: for a key for all stores.",
        )
        .answers_text("The metrics, as OpenMetrics has them.", OPENMETRICS)
}

/// `GET /metrics`
pub(super) async fn show<D: Database>(
    State(app): State<App<D>>,
    Known(caller): Known,
) -> Result<impl IntoResponse, ApiError> {
    let knows_all_stores = caller.scope().is_none_or(|scope| scope.stores == Stores::All);
    let body = app.metrics.text(knows_all_stores).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], body))
}
