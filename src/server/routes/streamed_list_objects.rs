//! StreamedListObjects: the same list, each object on a line of its own as soon as it is found.
//!
//! A list that ends before its end closes with a line that has an `error`. Before the first line an error is an
//! answer of its own status; its body has the gateway's form, and beside it the one that every other error has.

use std::ops::ControlFlow;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use axum::response::IntoResponse;
use serde::Serialize;
use tokio::sync::oneshot;

use super::list_objects::{object, refused, request};
use crate::engine::{EngineError, ListObjectsRequest, Partial};
use crate::eval::{ListEnd, Recipient};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::lines::{self, ErrorLine, Writer};
use crate::server::metrics::{Purpose, Refused};
use crate::server::openapi::schema::{Schema, anything, integer, list_of, one_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply;
use crate::store::Database;

#[derive(Serialize)]
struct Line<'a> {
    result: Found<'a>,
}

#[derive(Serialize)]
struct Found<'a> {
    object: &'a str,
}

pub(in crate::server) fn operation() -> Operation {
    let path = "/stores/{store_id}/streamed-list-objects";
    let summary = "List the objects of a type with which a user has a relation, each as soon as it is found.";
    let found = shape().must("object", shapes::object()).closed();
    let result = shape().must("result", found.named("StreamedListObjectsResponse")).closed();
    let error = shape().must("error", status()).closed();
    let line = one_of([result, error]).named("StreamResultOfStreamedListObjectsResponse");
    Operation::new(Verb::Post, path, Tag::Queries, "StreamedListObjects", summary)
        .note("The answer has one JSON value on each line; a list that ends before its end closes with an error.")
        .takes(super::list_objects::given("StreamedListObjectsRequest"))
        .streams("The objects, one on each line.", "application/json", line)
        .names_revision()
        .fails(super::list_objects::FAILURES)
        .fails_with("StreamedError", [("error", status())])
}

/// An error in the gateway's form.
fn status() -> Schema {
    shape()
        .must("code", integer(0).says("gRPC's number."))
        .must("message", text())
        .must("details", list_of(anything()).with("maxItems", 0))
        .closed()
        .named("Status")
}

/// `POST /stores/{store_id}/streamed-list-objects`
pub(in crate::server) async fn streamed_list_objects<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Response<Body>, Refusal> {
    let (mut context, request) = input.read(request)?;
    let Ok(permit) = app.streams.clone().try_acquire_owned() else {
        app.metrics.refused(Refused::Streams);
        return Err(ApiError::new(Code::TooManyRequests, "too many streams are open; try again later").into());
    };
    let (writer, lines) = lines::lines(app.config.stream_timeout);
    context.wanted = writer.wanted();
    let (head, begun) = oneshot::channel();
    let metrics = app.metrics.clone();
    app.reach(store, &context).await;
    let running = app.spawn(move |engine| {
        let ListObjectsRequest { object_type, .. } = &request;
        let mut stream = Stream { object_type, writer };
        let mut head = Some(head);
        let mut begin = |model, revision| {
            if let Some(head) = head.take() {
                drop(head.send(Ok((model, revision))));
            }
        };
        let outcome = engine.stream_objects(store, &context, &request, &mut begin, &mut stream);
        if let Ok((_, counts)) = &outcome {
            metrics.evaluated(store, Purpose::List, counts.made());
        }
        let outcome = outcome.map(|(answer, _)| answer.value);
        metrics.listed(outcome.as_ref().map(|end| *end == ListEnd::Whole));
        match (outcome, head) {
            (Err(error), Some(head)) => drop(head.send(Err(error))),
            (outcome, _) => stream.end(outcome),
        }
        drop(permit);
    });
    let (model, revision) = match begun.await {
        Ok(head) => head.map_err(refused)?,
        Err(_) => return Err(running.failure().await.into()),
    };
    // The list goes on by itself: to its end, until the reader goes away, or to its deadline.
    let mut response = Response::new(Body::new(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply::name(response.headers_mut(), Some(model), Some(revision));
    Ok(response)
}

/// Writes what is found.
struct Stream<'s> {
    object_type: &'s str,
    writer: Writer,
}

impl Recipient<str> for Stream<'_> {
    fn take(&mut self, result: &str) -> ControlFlow<()> {
        let object = object(self.object_type, result);
        self.writer.line(&Line { result: Found { object: &object } })
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        self.writer.go_on()
    }
}

impl Stream<'_> {
    fn end(self, outcome: Result<ListEnd, EngineError>) {
        let error = match outcome {
            Ok(ListEnd::Whole) => None,
            Ok(ListEnd::Limited(limit)) => Some(EngineError::TooComplex { limit }.into()),
            Ok(ListEnd::Ended) if self.writer.is_late() => {
                Some(ApiError::new(Code::DeadlineExceeded, Partial::Stopped.to_string()))
            }
            // Within a check of the list.
            Err(EngineError::Stopped) => {
                Some(ApiError::new(Code::DeadlineExceeded, Partial::Stopped.to_string()))
            }
            // Nobody reads.
            Ok(ListEnd::Ended) => None,
            Err(error) => {
                let answer = ApiError::from(error.clone());
                if answer.code.status().is_server_error() {
                    tracing::error!(%error, "a list that is streamed failed");
                }
                Some(answer)
            }
        };
        self.writer.end(error.as_ref().map(ErrorLine::new).as_ref());
    }
}

/// An error before the first line.
pub(in crate::server) struct Refusal(ApiError);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    #[serde(flatten)]
    line: ErrorLine<'a>,
    code: &'static str,
    message: &'a str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let Self(error) = self;
        let body =
            RefusalBody { line: ErrorLine::new(&error), code: error.code.name(), message: &error.message };
        let body = Json(body).into_response().into_body();
        let (mut head, _) = error.into_response().into_parts();
        head.headers.remove(axum::http::header::CONTENT_LENGTH);
        Response::from_parts(head, body)
    }
}
