//! Who has what, both ways, and the record of the checks that concerned a cooperation.

use std::time::Instant as Stopwatch;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::audit::{cursor, limit};
use super::grants::job_role;
use super::resources::resource_kind;
use super::{Call, Page, answers, found, id, instant, operation, paged, query, text_if_any};
use crate::cooperation::access::{self, Access, Part, Place};
use crate::cooperation::{
    AccessEntries, AccessEntry, AccessFilter, AccessPlace, EntityId, JobRole, Refusal, Resource,
    ResourceKind, Source, Work,
};
use crate::eval::Wanted;
use crate::model::limits::{COOPERATION_PAGE_SIZE_MAX, PAGE_SIZE_DEFAULT};
use crate::model::{Object, Revision, StoreId};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Shape, choice, integer, list_of, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

/// How much of a request's time a list may take; the rest is for its answer.
const LIST_TIME_SHARE: f64 = 0.9;

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(of_user_operation(), of_user)
        .on(of_resource_operation("/parks/{park}/access", "ListParkAccess"), of_resource)
        .on(of_resource_operation("/portfolios/{portfolio}/access", "ListPortfolioAccess"), of_resource)
        .on(record_operation(), record)
}

#[derive(Serialize)]
struct Resources {
    resources: Vec<HeldResource>,
    continuation_token: String,
}

#[derive(Serialize)]
struct HeldResource {
    #[serde(rename = "type")]
    kind: Box<str>,
    id: Box<str>,
    #[serde(flatten)]
    how: How,
}

#[derive(Serialize)]
struct Everybody {
    access: Vec<Holder>,
    continuation_token: String,
}

#[derive(Serialize)]
struct Holder {
    user: Box<str>,
    #[serde(flatten)]
    how: How,
}

/// With which role, and how.
#[derive(Serialize)]
struct How {
    role: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooperation: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
}

impl How {
    fn of(access: &Access) -> Self {
        let (source, cooperation) = match &access.source {
            Source::Own => ("own", None),
            Source::Cooperation(id) => ("cooperation", Some(id.clone())),
        };
        Self { role: access.role.name(), source, cooperation, ends_at: access.ends_at.map(wire::instant) }
    }
}

fn how(shape: Shape) -> Shape {
    let ends = "When this access ends if nobody changes anything; absent: never.";
    shape
        .must("role", job_role().says("One of the highest that are held now."))
        .must("source", choice(["own", "cooperation"]))
        .may("cooperation", shapes::entity_id().says("Where it comes from a cooperation: which one."))
        .may("ends_at", shapes::instant().says(ends))
}

fn of_user_operation() -> Operation {
    let resource = how(shape().must("type", resource_kind()).must("id", shapes::entity_id())).closed();
    let body = shape()
        .must("resources", list_of(resource.named("HeldResource")))
        .must("continuation_token", shapes::token());
    let path = "/users/{user}/resources";
    let operation = operation(Verb::Get, path, "ListUserResources", "List what a user has access to now.")
        .query("type", resource_kind(), "Only resources of this type.")
        .query("role", job_role(), "Only where this is one of the highest roles held.");
    answers(paged(operation), StatusCode::OK, "The resources, with the highest roles.", body.closed())
}

/// `GET /stores/{store_id}/users/{user}/resources`
async fn of_user<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<impl Serialize>, ApiError> {
    let store = call.store();
    let read = |call: &Call| {
        let given = call.query(|fields| {
            let (kind, role) = (text_if_any(fields, "type")?, text_if_any(fields, "role")?);
            let kind = kind.map(|text| ResourceKind::parse("type", &text)).transpose()?;
            let role = role.map(|text| JobRole::parse("role", &text)).transpose()?;
            let page = Page::read(call, "resources", fields)?;
            Ok((kind, role, place(page.after())?, page.size()))
        })?;
        Ok((call.id("user")?, given))
    };
    let wanted = for_a_list(&app);
    let done = query(&app, call, read, move |work, (user, (kind, role, after, size))| {
        access::see_of_user(work, &user)?;
        let kinds = kind.as_ref().map_or(ResourceKind::ALL, std::slice::from_ref);
        let moment = work.reading().moment().as_long_as(wanted);
        let page = (after.as_ref(), size);
        Ok(access::of_user(&moment, &user, kinds, role, page)?)
    });
    let done = done.await?;
    let continuation_token = next(store, "resources", &done.value, |access| access.resource.clone());
    let held = |access: Access| {
        let how = How::of(&access);
        HeldResource { kind: access.resource.type_name, id: access.resource.id, how }
    };
    let resources = done.value.items.into_iter().map(held).collect();
    Ok(found(done.revision, Resources { resources, continuation_token }))
}

fn of_resource_operation(path: &str, id: &'static str) -> Operation {
    let holder = how(shape().must("user", shapes::entity_id())).closed();
    let body = shape()
        .must("access", list_of(holder.named("ResourceAccess")))
        .must("continuation_token", shapes::token());
    let operation = paged(operation(Verb::Get, path, id, "List everybody who has access now, and how."));
    answers(operation, StatusCode::OK, "Everybody, with the highest roles.", body.closed())
}

/// `GET /stores/{store_id}/parks/{park}/access`, and the same of portfolios
async fn of_resource<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<impl Serialize>, ApiError> {
    let store = call.store();
    let read = |call: &Call| {
        let (after, size) = call.query(|fields| {
            let page = Page::read(call, "access", fields)?;
            Ok((place(page.after())?, page.size()))
        })?;
        Ok((call.resource()?, after, size))
    };
    let wanted = for_a_list(&app);
    let run = move |work: &mut Work<'_, D>, (resource, after, size): (Resource, Option<Place>, usize)| {
        access::see_of_resource(work, &resource)?;
        let moment = work.reading().moment().as_long_as(wanted);
        let page = (after.as_ref(), size);
        Ok(access::of_resource(&moment, &resource.object(), page)?)
    };
    let done = query(&app, call, read, run).await?;
    let user = |access: &Access| Object { type_name: "user".into(), id: access.user.clone() };
    let continuation_token = next(store, "access", &done.value, user);
    let holder = |access: Access| {
        let how = How::of(&access);
        Holder { user: access.user, how }
    };
    let access = done.value.items.into_iter().map(holder).collect();
    Ok(found(done.revision, Everybody { access, continuation_token }))
}

/// For as long as a list may take that is begun now.
fn for_a_list<D: Database>(app: &App<D>) -> Wanted {
    let end = Stopwatch::now() + app.config.request_timeout.mul_f64(LIST_TIME_SHARE);
    Wanted::as_long_as(move || Stopwatch::now() < end)
}

/// The token of the page behind a part of a list; empty where there is none.
fn next(store: StoreId, list: &str, part: &Part, of: impl Fn(&Access) -> Object) -> String {
    let last = part.items.last().filter(|_| part.more);
    let place = |access: &Access| format!("{} {}", of(access), access.role.name());
    last.map(|last| super::token::of_list(store, list, &place(last))).unwrap_or_default()
}

/// Reads the place that a token names.
fn place(text: Option<&str>) -> Result<Option<Place>, ApiError> {
    let read = |text: &str| {
        let (object, role) = text.split_once(' ')?;
        Some((Object::parse(object).ok()?, JobRole::parse("role", role).ok()?))
    };
    match text {
        None => Ok(None),
        Some(text) => match read(text) {
            Some(place) => Ok(Some(place)),
            None => {
                Err(Refusal::field("continuation_token", "expected the token of an earlier answer").into())
            }
        },
    }
}

#[derive(Serialize)]
struct Record {
    entries: Vec<ShownEntry>,
    /// What to give as `after` for more; empty where there is no more yet.
    continuation_token: String,
}

#[derive(Serialize)]
struct ShownEntry {
    cursor: String,
    at: String,
    user: Box<str>,
    resource: Box<str>,
    role: Box<str>,
    decision: &'static str,
    reason: Box<str>,
    cooperation: Box<str>,
    revision: Revision,
}

impl ShownEntry {
    fn of((cursor, entry): (AccessPlace, AccessEntry)) -> Self {
        let AccessEntry { at, revision, user, resource, role, allowed, reason, cooperation } = entry;
        let (cursor, at) = (cursor.to_string(), wire::instant(at));
        let decision = if allowed { "allowed" } else { "denied" };
        Self { cursor, at, user, resource, role, decision, reason, cooperation, revision }
    }
}

fn record_operation() -> Operation {
    let entry = shape()
        .must("cursor", text().says("Its place: what to go on behind."))
        .must("at", shapes::instant())
        .must("user", shapes::entity_id())
        .must("resource", shapes::object())
        .must("role", shapes::relation().says("What was asked."))
        .must("decision", choice(["allowed", "denied"]))
        .must("reason", text())
        .must("cooperation", shapes::entity_id())
        .must("revision", shapes::revision())
        .closed();
    let says = "What to give as `after` for more; empty where there is none yet.";
    let body = shape()
        .must("entries", list_of(entry.named("AccessEntry")))
        .must("continuation_token", text().says(says))
        .closed();
    let size = integer(1).with("maximum", COOPERATION_PAGE_SIZE_MAX).with("default", PAGE_SIZE_DEFAULT);
    let summary = "The checks that concerned a cooperation, for the admins of who owns the resource.";
    let operation = operation(Verb::Get, "/audit/access", "ListAccess", summary)
        .query("after", text(), "Only what lies behind this place.")
        .query("limit", size, "Most entries.")
        .query("resource", text(), "Only of this resource: `park:id` or `portfolio:id`.")
        .query("user", shapes::entity_id(), "Only of this user.")
        .query("cooperation", shapes::entity_id(), "Only of this cooperation.")
        .query("from", shapes::instant(), "Only from this instant on.")
        .query("to", shapes::instant(), "Only before this instant.");
    answers(operation, StatusCode::OK, "The entries.", body)
}

/// `GET /stores/{store_id}/audit/access`
async fn record<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<impl Serialize>, ApiError> {
    let read = |call: &Call| call.query(|fields| Ok((filter(fields)?, cursor(fields)?, limit(fields)?)));
    // Every check that was answered before is in what is read.
    app.commit(|engine| engine.settle_checks()).await?;
    let run = |work: &mut Work<'_, D>, (filter, after, limit): (AccessFilter, Option<AccessPlace>, usize)| {
        access::record(work, &filter, after, limit)
    };
    let done = query(&app, call, read, run).await?;
    let AccessEntries { items, next } = done.value;
    let continuation_token = next.map(|next| next.to_string()).unwrap_or_default();
    let entries = items.into_iter().map(ShownEntry::of).collect();
    Ok(found(done.revision, Record { entries, continuation_token }))
}

fn filter(fields: &mut Fields) -> Result<AccessFilter, ApiError> {
    let resource = text_if_any(fields, "resource")?.map(|text| resource(&text)).transpose()?;
    let user = text_if_any(fields, "user")?;
    // As everywhere else in the API of the cooperations; `user:id` is what the checks have.
    let user = user.map(|text| EntityId::parse("user", text.strip_prefix("user:").unwrap_or(&text)));
    Ok(AccessFilter {
        resource,
        user: user.transpose()?.map(|id| (*id).into()),
        cooperation: id(fields, "cooperation")?.map(|id| (*id).into()),
        from: instant(fields, "from")?.flatten(),
        to: instant(fields, "to")?.flatten(),
    })
}

/// Reads `park:id` or `portfolio:id`.
fn resource(text: &str) -> Result<Box<str>, Refusal> {
    let expected = || Refusal::field("resource", "expected `park:id` or `portfolio:id`");
    let (kind, id) = text.split_once(':').ok_or_else(expected)?;
    let kind = ResourceKind::parse("resource", kind).map_err(|_| expected())?;
    let id = EntityId::parse("resource", id)?;
    Ok(Resource { kind, id }.to_string().into())
}
