//! Watch: every committed change in order, as server-sent events.
//!
//! A watch reads the log at its own pace, a few changes at a time, and only when those before them were taken by its
//! client; the writer does no more than wake it. It must never miss a change, tell one twice, or keep a snapshot while
//! it waits.

use std::convert::Infallible;
use std::vec;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, Span, error};

use super::changes::{self, Shown};
use crate::callers::Caller;
use crate::engine::{WatchRequest, Watched};
use crate::model::limits::CHANGES_PER_WATCH_STEP_MAX;
use crate::model::{Revision, StoreId};
use crate::server::app::App;
use crate::server::authentication::Known;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Parameters, StorePath};
use crate::server::listen::{Connection, Streaming};
use crate::server::openapi::schema::text;
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::revisions::News;
use crate::server::watches::WatchPlace;
use crate::store::{Database, LogPosition, LoggedChange};

/// The id of the last event that a client has: it goes on from there.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies not to collect events before they pass them on.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The name of the last event of a stream that the server ends.
const END: &str = "end";

/// A change as [ReadChanges](super::changes) shows it, with what a watcher may want to know besides.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    change: Shown,
    revision: Revision,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Box<str>>,
}

/// Why a stream ended, in the form of an error.
#[derive(Serialize)]
struct Ended<'a> {
    code: &'static str,
    message: &'a str,
}

pub(in crate::server) fn operation() -> Operation {
    let summary = "An addition: every committed change in order, as server-sent events.";
    let place = || text().with("pattern", "^[0-9]+([.][0-9]+)?$");
    let revision = shapes::revision().says("The revision that it was committed with.");
    let told = changes::change().must("revision", revision).may("actor", text().says("Who made the change."));
    Operation::new(Verb::Get, "/stores/{store_id}/watch", Tag::Tuples, "Watch", summary)
        .note("The data of an event is a change, its id the place to go on from, also as `Last-Event-ID`.")
        .note("A comment with an id comes where nothing changes for a while.")
        .note("An event of the name `end`, whose data is an `Error`, is the last one where the server ends the stream.")
        .query("after", place(), "The id of the event to go on behind, or a revision; without it, what comes from now on.")
        .query("type", shapes::type_name(), "Only changes of objects of this type.")
        .header(&LAST_EVENT_ID, place(), "The id of the last event that the client has; it counts more than `after`.")
        .streams("Events, for as long as the client listens.", "text/event-stream", told.closed().named("WatchedChange"))
        .fails([Code::TypeInvalidPattern, Code::StoreNotFound, Code::RevisionNotReached])
}

/// `GET /stores/{store_id}/watch`
pub(in crate::server) async fn watch<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    Known(caller): Known,
    connection: Option<Extension<Connection>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let (after, object_type) = parameters.read_strictly(|fields| {
        let after = match fields.string("after")? {
            text if text.is_empty() => None,
            text => Some(position(&fields.path("after"), &text)?),
        };
        Ok((after, changes::object_type(fields)?))
    })?;
    // A client that comes again sends the address that it first came with.
    let after = last_event_id(&headers)?.or(after);
    let place = app.watches.place(&app.metrics)?;
    let after = app.run_query(move |engine| engine.watch_start(store, after)).await?;
    let watcher = Watcher {
        news: app.watches.revisions.news(store),
        app,
        store,
        caller,
        request: WatchRequest {
            object_type: (!object_type.is_empty()).then(|| object_type.into()),
            after,
            limit: CHANGES_PER_WATCH_STEP_MAX,
        },
        found: Vec::new().into_iter(),
        caught_up: false,
        // At once: where it begins is told even before there is any change.
        heartbeat_at: Instant::now(),
        connection: connection.map(|Extension(connection)| connection.stream()),
        ended: false,
        _place: place,
    };
    let span = Span::current();
    let events = stream::unfold(watcher, move |mut watcher| {
        let next = async move {
            let event = watcher.next().await?;
            Some((Ok::<_, Infallible>(event), watcher))
        };
        next.instrument(span.clone())
    });
    let mut response = Sse::new(events).into_response();
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<LogPosition>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else { return Ok(None) };
    position("Last-Event-ID", &String::from_utf8_lossy(value.as_bytes())).map(Some)
}

fn position(field: &str, text: &str) -> Result<LogPosition, ApiError> {
    text.parse().map_err(|error| ApiError::invalid(field, format!("{error}; found {text:?}")))
}

/// One client that watches a store.
struct Watcher<D: Database> {
    app: App<D>,
    store: StoreId,
    caller: Caller,
    /// What is to be read next.
    request: WatchRequest,
    /// What was read and not told yet.
    found: vec::IntoIter<LoggedChange>,
    /// Whether nothing more was there when the log was last read.
    caught_up: bool,
    news: News,
    /// When something is to be told though nothing has changed.
    heartbeat_at: Instant,
    connection: Option<Streaming>,
    ended: bool,
    _place: WatchPlace,
}

impl<D: Database> Watcher<D> {
    /// The next event, as soon as there is one; `None` behind the last.
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let event = match self.proceed().await {
            Ok(event) => event,
            Err(error) => self.end(&error),
        };
        self.heartbeat_at = Instant::now() + self.app.config.watch_heartbeat;
        Some(event)
    }

    async fn proceed(&mut self) -> Result<Event, ApiError> {
        loop {
            // A stream outlasts what a single request would: nothing more is told to a key that was revoked or has expired.
            if !self.app.callers.still_knows(&self.caller, self.app.engine.now()) {
                return Err(ApiError::new(
                    Code::Unauthenticated,
                    "who asked is not known any more: the key was revoked, or has expired",
                ));
            }
            if let Some(change) = self.found.next() {
                return told(change);
            }
            if self.connection.as_ref().is_some_and(|connection| connection.is_stopping()) {
                let message = "the server stops; go on behind the last id when it is back";
                return Err(ApiError::new(Code::Unavailable, message));
            }
            if self.caught_up {
                self.wait().await;
            } else {
                self.read().await?;
            }
            // All that was found has been told, so that the place to go on from is the client's too.
            if self.found.as_slice().is_empty() && self.heartbeat_at <= Instant::now() {
                return Ok(Event::default().comment("").id(self.request.after.to_string()));
            }
        }
    }

    /// Reads on in the log.
    async fn read(&mut self) -> Result<(), ApiError> {
        let (store, request) = (self.store, self.request.clone());
        let reading = self.app.watches.read().await;
        let watched = self.app.spawn(move |engine| engine.watch(store, &request)).outcome().await;
        drop(reading);
        let Watched { items, position, caught_up } = watched??;
        self.found = items.into_iter();
        self.request.after = position;
        self.caught_up = caught_up;
        Ok(())
    }

    /// Waits until there may be more to read, or for one of the reasons not to.
    async fn wait(&mut self) {
        let stopping = async {
            match &self.connection {
                Some(connection) => connection.stopping().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopping => {}
            () = self.news.next() => self.caught_up = false,
            () = sleep_until(self.heartbeat_at) => {}
        }
    }

    fn end(&mut self, error: &ApiError) -> Event {
        self.ended = true;
        if let Some(cause) = error.cause() {
            error!(store = %self.store, cause, "a watch failed");
        }
        let ended = Ended { code: error.code.name(), message: &error.message };
        // Without its data, where that should fail, the name says enough.
        let event = || Event::default().event(END);
        event().json_data(&ended).unwrap_or_else(|_| event().data(ended.code))
    }
}

fn told(change: LoggedChange) -> Result<Event, ApiError> {
    let LogPosition { revision, .. } = change.position;
    let event = Event::default().id(change.position.to_string());
    let told = Told { revision, actor: change.actor.clone(), change: changes::shown(change) };
    event.json_data(&told).map_err(|error| ApiError::internal(error.to_string()))
}
