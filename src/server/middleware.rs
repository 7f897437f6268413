//! What surrounds every request: its id, its line in the log, its metrics, its limits, and what becomes of a panic.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::field::display;
use tracing::{Instrument, Span, debug, error, info, info_span, warn};
use ulid::Ulid;

use super::app::App;
use super::authentication::{self, Admitted, RouteNeeds};
use super::error::{ApiError, Code, Failure};
use super::extract;
use super::metrics::Refused;
use super::origins;
use super::reply::{STORE_ID, id_value};
use super::routes;
use super::traces;
use crate::callers::{Caller, UnderWay};
use crate::model::limits::REQUEST_ID_BYTES_MAX;
use crate::model::{Id, StoreId};
use crate::store::Database;

/// Names a request in the answer and in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a request is led to.
pub(super) struct Place<'a> {
    /// `None` where no route takes it.
    pub(super) route: Option<&'a str>,
    /// The store that the path names, where that was read already.
    pub(super) store: Option<StoreId>,
}

/// [`observed`], as a layer of the router.
pub(super) async fn observe<D: Database>(
    State((app, needs)): State<(App<D>, Arc<RouteNeeds>)>,
    request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let place = Place { route: matched.as_ref().map(MatchedPath::as_str), store: None };
    let span = |id: &str| info_span!("request", request_id = id);
    observed((&app, &needs), place, request, span, |request| next.run(request)).await
}

/// Gives the request an id, counts it, refuses it where it comes from a page or somebody that may not call, turns a panic
/// into an answer, and writes a line in the log: at `debug` for a query that succeeded, which are many.
pub(super) async fn observed<D: Database, F: Future<Output = Response>>(
    (app, needs): (&App<D>, &RouteNeeds),
    place: Place<'_>,
    mut request: Request,
    span: impl FnOnce(&str) -> Span,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let began = Stopwatch::now();
    let route = place.route.unwrap_or("none");
    let in_flight = app.metrics.begin();
    let method = request.method().clone();
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    // It was made, or looked at, so that it is one.
    let request_id = id.to_str().unwrap_or_default();

    let traced = traces::request(&method, route, request.headers());
    // What is logged meanwhile names the request too.
    let span = span(request_id);
    let mut known = None;
    let mut response = match origins::refusal(&app.config.cors_origins, &request) {
        Some(refusal) => refusal.into_response(),
        None => {
            let (mut parts, body) = request.into_parts();
            match authentication::admit(app, needs, &place, &mut parts).await {
                Err(refusal) => {
                    discard(app, body).await;
                    refusal.into_response()
                }
                Ok(Admitted { caller, under_way }) => {
                    known = Some(caller.clone());
                    parts.extensions.insert(caller);
                    let request = Request::from_parts(parts, body);
                    // Nothing that a panic may have left half done is looked at again: a request changes only what it
                    // commits. It is pinned here, so that what is put around it does not move it: it is large.
                    let answering = pin!(answer(request));
                    let answered = AssertUnwindSafe(answering).catch_unwind().instrument(span);
                    let answered = answered.instrument(traced.clone()).await;
                    let answered = answered.unwrap_or_else(|panic| panicked(&*panic));
                    until_sent(answered, under_way)
                }
            }
        }
    };
    drop(in_flight);

    let (took, status) = (began.elapsed(), response.status());
    let is_query = app.metrics.answered(&method, route, status, took);
    let store = response.headers().get(STORE_ID).and_then(|value| value.to_str().ok());
    traces::answered(&traced, request_id, store, status);
    let failure = response.extensions().get::<Failure>();
    macro_rules! answered {
        ($level:ident $(, $cause:ident)?) => {{
            let code = failure.map(|failure| failure.code);
            let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            let status = status.as_u16();
            let caller = known.as_ref().and_then(Caller::name).map(display);
            $level!(request_id, %method, route, store, caller, status, code, duration_us $(, $cause)?, "answered")
        }};
    }
    match failure.and_then(|failure| failure.internal.as_deref()) {
        Some(cause) => answered!(error, cause),
        None if status.is_server_error() => answered!(warn),
        None if status.as_u16() < 400 && is_query => answered!(debug),
        None => answered!(info),
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// A stream, whose length nobody knows, is under way until it ends; anything else is done with its head.
fn until_sent(response: Response, under_way: Option<UnderWay>) -> Response {
    match under_way {
        Some(under_way) if response.body().size_hint().exact().is_none() => response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _until_the_body_is_dropped = &under_way;
                frame
            }))
        }),
        _ => response,
    }
}

/// The client's id, where it is one that can stand in a log and in a header as it is; otherwise a new one.
fn request_id(request: &Request) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b);
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(allowed)
    };
    match request.headers().get(REQUEST_ID).filter(sane) {
        Some(value) => value.clone(),
        None => {
            let made = Id::from_bits(Ulid::generate().0);
            id_value(made).unwrap_or(HeaderValue::from_static("unknown"))
        }
    }
}

/// What a panic becomes: the client learns nothing of it but the request's id, and the server goes on.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::internal(format!("panicked: {text}")).into_response()
}

/// [`limited`], as a layer of the router.
pub(super) async fn limit<D: Database>(
    State((app, permits)): State<(App<D>, Arc<Semaphore>)>,
    matched: Option<MatchedPath>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    // Only what is an identifier goes into a header and into the log.
    let store = params.ok().and_then(|params| {
        let (_, text) = params.iter().find(|(name, _)| *name == "store_id")?;
        text.parse::<StoreId>().ok()
    });
    let route = matched.as_ref().map(MatchedPath::as_str);
    // Most checks are decided without a turn, and their bodies tell which.
    let takes_turn = route
        .is_some_and(|route| route != routes::check::PATH && app.metrics.is_query(request.method(), route));
    if takes_turn && app.turns.are_taken() {
        discard(&app, request.into_body()).await;
        return named(&app, store, app.busy().into_response());
    }
    let answer = |head, body: Bytes| next.run(Request::from_parts(head, Body::from(body)));
    limited(&app, &permits, store, request, answer).await
}

/// Turns away what comes while too many requests are served already, holds the others to the deadline, and names the
/// store of the path in the answer, whether it exists or not.
///
/// OpenFGA has no answer for too many: an overloaded one answers 500 or 422, which its SDKs retry at once or not at all.
/// Upon a 429 they wait as long as `Retry-After` says.
pub(super) async fn limited<D: Database, F: Future<Output = Response>>(
    app: &App<D>,
    permits: &Semaphore,
    store: Option<StoreId>,
    request: Request,
    answer: impl FnOnce(Parts, Bytes) -> F,
) -> Response {
    let response = match permits.try_acquire() {
        Ok(_permit) => deadline(app, request, answer).await,
        Err(_) => {
            app.metrics.refused(Refused::Load);
            let message = "too many requests are being served; try again later";
            ApiError::new(Code::TooManyRequests, message).into_response()
        }
    };
    named(app, store, response)
}

/// Counts an answer for the store that its request names, and names it in the answer.
fn named<D: Database>(app: &App<D>, store: Option<StoreId>, mut response: Response) -> Response {
    if let Some(store) = store {
        app.metrics.answered_for(store, response.status());
    }
    if let Some(value) = store.and_then(id_value) {
        response.headers_mut().insert(STORE_ID, value);
    }
    response
}

/// Takes in the whole body, then has the request answered, and ends what takes too long together.
///
/// The body comes first since a connection on which an answer overtakes it has to be closed, and a client that keeps
/// connections, as the SDKs do, would find its next request on a broken one. Whoever is late is told: the client, whose
/// body did not arrive, or this server. A write may then have been committed all the same, as a whole: that is so for
/// every answer that does not arrive.
async fn deadline<D: Database, F: Future<Output = Response>>(
    app: &App<D>,
    request: Request,
    answer: impl FnOnce(Parts, Bytes) -> F,
) -> Response {
    let longest = app.config.request_timeout;
    let end = Instant::now() + longest;
    let (head, body) = request.into_parts();
    let body = match timeout_at(end, pin!(extract::body(body, app))).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return error.into_response(),
        Err(_) => {
            let ms = longest.as_millis();
            let message = format!("the request's body did not arrive within {ms} milliseconds");
            return ApiError::new(Code::RequestTimeout, message).into_response();
        }
    };
    match timeout_at(end, pin!(answer(head, body))).await {
        Ok(response) => response,
        Err(_) => ApiError::new(Code::DeadlineExceeded, "Request Deadline Exceeded").into_response(),
    }
}

/// Lets the body of a request pass that will not be done, as far as it is within its limit and in time, so that its answer
/// does not overtake it. Nothing of it is kept.
pub(super) async fn discard<D: Database>(app: &App<D>, mut body: Body) {
    let mut left = app.config.body_bytes_max;
    let passing = async {
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    drop(timeout(app.config.request_timeout, passing).await);
}
