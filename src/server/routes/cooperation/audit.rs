//! The outbox, and the record of the commands.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout_at;

use super::{Call, answers, found, id, instant, operation, query, size};
use crate::cooperation::Work;
use crate::cooperation::audit::{self, CommandFilter, Entries};
use crate::cooperation::{self, Actor, CommandRecord, EntityId, Notification, Refusal};
use crate::model::Revision;
use crate::model::limits::{COOPERATION_PAGE_SIZE_MAX, PAGE_SIZE_DEFAULT};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{anything, integer, list_of, map_of, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

/// Longest wait for a notification that a request may ask for, in seconds; it ends with the request's time in any case.
const WAIT_S_MAX: usize = 60;

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new().on(notifications_operation(), notifications).on(commands_operation(), commands)
}

#[derive(Serialize)]
struct Notifications {
    notifications: Vec<ShownNotification>,
}

#[derive(Serialize)]
struct ShownNotification {
    cursor: String,
    kind: Box<str>,
    recipient: cooperation::Email,
    language: Box<str>,
    payload: Value,
    at: String,
}

impl From<audit::Entry<Notification>> for ShownNotification {
    fn from(entry: audit::Entry<Notification>) -> Self {
        let Notification { kind, recipient, language, payload } = entry.value;
        let (cursor, at) = (entry.cursor.to_string(), wire::instant(entry.at));
        Self { cursor, kind, recipient, language, payload, at }
    }
}

fn notifications_operation() -> Operation {
    let notification = shape()
        .must("cursor", shapes::id().says("Its place: what to go on behind."))
        .must("kind", text())
        .must("recipient", text().says("An email."))
        .must("language", text())
        .must("payload", map_of(anything()))
        .must("at", shapes::instant())
        .closed();
    let body = shape().must("notifications", list_of(notification.named("Notification"))).closed();
    let wait = integer(0).with("maximum", WAIT_S_MAX);
    let summary = "What a mailer has to send, the oldest first.";
    let operation = operation(Verb::Get, "/notifications", "ListNotifications", summary)
        .query("after", shapes::id(), "Only what lies behind this place.")
        .query("limit", page_size(), "Most notifications.")
        .query("wait_s", wait, "Seconds to wait for one, where there is none.");
    answers(operation, StatusCode::OK, "The notifications.", body)
}

/// `GET /stores/{store_id}/notifications`
async fn notifications<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<impl Serialize>, ApiError> {
    let (after, limit, wait) = call.query(|fields| {
        let wait = fields.integer("wait_s")?.unwrap_or(0);
        let wait = u64::try_from(wait).ok().filter(|wait| *wait <= WAIT_S_MAX as u64);
        let expected = || ApiError::invalid("wait_s", format!("expected 0 to {WAIT_S_MAX}"));
        Ok((cursor(fields)?, limit(fields)?, Duration::from_secs(wait.ok_or_else(expected)?)))
    })?;
    let (store, actor) = (call.store, call.actor);
    // What is left of the request's time is for the answer.
    let wait = wait.min(app.config.request_timeout / 3 * 2);
    let end = tokio::time::Instant::from_std(Stopwatch::now() + wait);
    // From here on, so that nothing is missed between looking and waiting.
    let mut news = app.watches.revisions.news(store);
    loop {
        let (cooperations, actor) = (Arc::clone(&app.cooperations), actor.clone());
        let run = move |work: &mut Work<'_, D>| audit::notifications(work, after, limit);
        let done = app.spawn(move |_| cooperations.query(store, &actor, run)).outcome().await??;
        if done.value.items.is_empty() && timeout_at(end, news.next()).await.is_ok() {
            continue;
        }
        let notifications = done.value.items.into_iter().map(ShownNotification::from).collect();
        return Ok(found(done.revision, Notifications { notifications }));
    }
}

#[derive(Serialize)]
struct Commands {
    entries: Vec<ShownCommand>,
    /// What to give as `after` for more; empty where there is no more yet.
    continuation_token: String,
}

#[derive(Serialize)]
struct ShownCommand {
    cursor: String,
    at: String,
    actor: Box<str>,
    command: Box<str>,
    target: Box<str>,
    input: Value,
    outcome: Box<str>,
    organizations: Vec<EntityId>,
    cooperation: Option<EntityId>,
    revision: Revision,
}

impl From<audit::Entry<CommandRecord>> for ShownCommand {
    fn from(entry: audit::Entry<CommandRecord>) -> Self {
        let CommandRecord { actor, command, target, input, refused, organizations, cooperation } =
            entry.value;
        Self {
            cursor: entry.cursor.to_string(),
            at: wire::instant(entry.at),
            actor,
            command,
            target,
            input,
            outcome: refused.unwrap_or_else(|| "done".into()),
            organizations,
            cooperation,
            revision: entry.revision,
        }
    }
}

fn commands_operation() -> Operation {
    let entry = shape()
        .must("cursor", shapes::id().says("Its place: what to go on behind."))
        .must("at", shapes::instant())
        .must("actor", text().says("`user:id`, or `system`."))
        .must("command", text())
        .must("target", text().says("On what: the path behind the store's."))
        .must("input", map_of(anything()).says("What was given beside that."))
        .must("outcome", text().says("`done`, or the code of the refusal."))
        .must("organizations", list_of(shapes::entity_id()).says("Those that it concerned."))
        .must("cooperation", shapes::entity_id().nullable())
        .must("revision", shapes::revision())
        .closed();
    let body = shape()
        .must("entries", list_of(entry.named("CommandEntry")))
        .must(
            "continuation_token",
            text().says("What to give as `after` for more; empty where there is none yet."),
        )
        .closed();
    let summary = "The record of the commands, the oldest first, refused ones too.";
    let operation = operation(Verb::Get, "/audit/commands", "ListCommands", summary)
        .query("after", shapes::id(), "Only what lies behind this place.")
        .query("limit", page_size(), "Most entries.")
        .query("actor", text(), "Only what this actor did: `user:id`, or `system`.")
        .query("organization", shapes::entity_id(), "Only what concerned this organization.")
        .query("cooperation", shapes::entity_id(), "Only what concerned this cooperation.")
        .query("from", shapes::instant(), "Only from this instant on.")
        .query("to", shapes::instant(), "Only before this instant.");
    answers(operation, StatusCode::OK, "The entries.", body)
}

/// `GET /stores/{store_id}/audit/commands`
async fn commands<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<impl Serialize>, ApiError> {
    let read = |call: &Call| call.query(command_filter);
    let run = |work: &mut Work<'_, D>, filter: CommandFilter| audit::commands(work, &filter);
    let done = query(&app, call, read, run).await?;
    let Entries { items, next } = done.value;
    let continuation_token = next.map(|next| next.to_string()).unwrap_or_default();
    let entries = items.into_iter().map(ShownCommand::from).collect();
    Ok(found(done.revision, Commands { entries, continuation_token }))
}

fn command_filter(fields: &mut Fields) -> Result<CommandFilter, ApiError> {
    let actor = super::text_if_any(fields, "actor")?;
    let actor = actor.map(|text| match text.as_str() {
        "system" => Ok(Actor::System),
        text => Actor::parse(text).map_err(|_| Refusal::field("actor", "expected `user:id`, or `system`")),
    });
    Ok(CommandFilter {
        after: cursor(fields)?,
        actor: actor.transpose()?.map(|actor| actor.to_string().into()),
        organization: id(fields, "organization")?,
        cooperation: id(fields, "cooperation")?,
        from: instant(fields, "from")?.flatten(),
        to: instant(fields, "to")?.flatten(),
        limit: limit(fields)?,
    })
}

fn page_size() -> crate::server::openapi::schema::Schema {
    integer(1).with("maximum", COOPERATION_PAGE_SIZE_MAX).with("default", PAGE_SIZE_DEFAULT)
}

/// Reads `after`: the cursor of an entry.
pub(super) fn cursor<P: FromStr<Err = ()>>(fields: &mut Fields) -> Result<Option<P>, ApiError> {
    match fields.string("after")? {
        text if text.is_empty() => Ok(None),
        text => match text.parse() {
            Ok(cursor) => Ok(Some(cursor)),
            Err(()) => Err(ApiError::invalid(&fields.path("after"), "expected the cursor of an entry")),
        },
    }
}

/// Reads `limit`.
pub(super) fn limit(fields: &mut Fields) -> Result<usize, ApiError> {
    size(fields, "limit", PAGE_SIZE_DEFAULT, COOPERATION_PAGE_SIZE_MAX)
}
