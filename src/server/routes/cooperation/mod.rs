//! The commands and queries of the cooperation rules: users, organizations, resources, and what they share.
//!
//! One file for each subject. Here stands what all of them share: how a request is read, run and described.

mod access;
mod audit;
mod cooperations;
mod delegations;
mod grants;
mod invitations;
mod members;
mod organizations;
mod platform;
mod resources;
mod shares;
mod users;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request as HttpRequest};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cooperation::{
    self, Actor, CommandError, Cooperations, Done, Email, EntityId, Outcome, Refusal, Request, Resource,
    ResourceKind, Work,
};
use crate::model::limits::{BODY_VALUES_MAX, COOPERATION_PAGE_SIZE_MAX, PAGE_SIZE_DEFAULT};
use crate::model::{Instant, Revision, StoreId};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::body;
use crate::server::fields::{self, Fields, Given};
use crate::server::openapi::schema::{Schema, Shape, integer, list_of, shape, text};
use crate::server::openapi::{Operation, Routes, Tag, Verb, shapes};
use crate::server::reply::{REVISION, Reply};
use crate::server::token;
use crate::store::Database;

/// Who acts: `user:id`. Without it, the calling service itself.
pub(in crate::server) const ACTOR: HeaderName = HeaderName::from_static("tenure-actor");

/// All of them.
pub(in crate::server) fn routes<D: Database>() -> Routes<D> {
    users::routes()
        .merge(platform::routes())
        .merge(organizations::routes())
        .merge(members::routes())
        .merge(resources::routes())
        .merge(grants::routes())
        .merge(invitations::routes())
        .merge(cooperations::routes())
        .merge(shares::routes())
        .merge(delegations::routes())
        .merge(access::routes())
        .merge(audit::routes())
}

/// A request, before it is known whether it makes sense.
pub(super) struct Call {
    store: StoreId,
    actor: Actor,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Bytes,
    /// The path behind the store's.
    target: String,
}

impl<D: Database> FromRequest<App<D>> for Call {
    type Rejection = ApiError;

    async fn from_request(request: HttpRequest, app: &App<D>) -> Result<Self, ApiError> {
        let target = request.uri().path().splitn(4, '/').nth(3).unwrap_or_default().to_owned();
        let actor = actor(request.headers())?;
        let (mut parts, sent) = request.into_parts();
        let (path, query) = {
            use axum::extract::FromRequestParts as _;
            let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, app).await;
            let query = Query::<Vec<(String, String)>>::from_request_parts(&mut parts, app).await;
            let Path(path) = path.map_err(|error| Refusal::field("path", error))?;
            let Query(query) = query.map_err(|error| Refusal::field("query string", error))?;
            (path, query)
        };
        let store = path.iter().find(|(name, _)| name == "store_id");
        let store = store.and_then(|(_, id)| id.parse().ok());
        let store = store.ok_or_else(|| Refusal::field("store_id", "expected the id of a store"))?;
        let body = body(sent, app).await.map_err(as_refusal)?;
        Ok(Self { store, actor, path, query, body, target })
    }
}

/// Reads who acts. Given twice, either could be meant.
fn actor(headers: &HeaderMap) -> Result<Actor, Refusal> {
    let mut given = headers.get_all(ACTOR).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(Actor::System),
        (Some(value), None) => Actor::parse(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Err(Refusal::field("Tenure-Actor", "given more than once")),
    }
}

/// What the rules call an argument that makes no sense, whoever found it.
fn as_refusal(error: ApiError) -> Refusal {
    Refusal::new(cooperation::Code::InvalidArgument, error.message)
}

impl Call {
    /// An identifier in the path.
    pub(super) fn id(&self, name: &str) -> Result<EntityId, Refusal> {
        let found = self.path.iter().find(|(known, _)| known == name);
        EntityId::parse(name, found.map_or("", |(_, value)| value))
    }

    /// The resource in the path.
    pub(super) fn resource(&self) -> Result<Resource, Refusal> {
        let named = |kind: &&ResourceKind| self.path.iter().any(|(known, _)| known == kind.name());
        let kind = ResourceKind::ALL.iter().find(named).copied();
        let kind = kind.ok_or_else(|| Refusal::field("path", "it names no resource"))?;
        Ok(Resource { kind, id: self.id(kind.name())? })
    }

    /// The store of the path.
    pub(super) fn store(&self) -> StoreId {
        self.store
    }

    /// Refuses a body, and a query string, where there is nothing to say.
    pub(super) fn says_nothing(&self) -> Result<(), Refusal> {
        self.body(|_| Ok(()))?;
        self.query(|_| Ok(()))
    }

    /// Reads the body, in which unknown fields are refused.
    pub(super) fn body<T>(
        &self,
        read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
    ) -> Result<T, Refusal> {
        Fields::read_body(&self.body, true, read).map_err(as_refusal)
    }

    /// Reads the query string, in which unknown parameters are refused.
    pub(super) fn query<T>(
        &self,
        read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
    ) -> Result<T, Refusal> {
        Fields::read_query(self.query.clone(), true, read).map_err(as_refusal)
    }

    /// What the record of the command keeps of the request.
    fn input(&self) -> Value {
        let mut input = match fields::parse(&self.body, BODY_VALUES_MAX) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        for (name, value) in &self.query {
            input.entry(name.as_str()).or_insert_with(|| value.as_str().into());
        }
        Value::Object(input)
    }
}

/// Runs a command: `read` makes sense of the request, `run` decides.
pub(super) async fn command<D, I, T>(
    app: &App<D>,
    call: Call,
    name: &'static str,
    read: impl FnOnce(&Call) -> Result<I, Refusal>,
    run: impl Fn(&mut Work<'_, D>, &I) -> Outcome<T> + Send + 'static,
) -> Result<Done<T>, ApiError>
where
    D: Database,
    I: Send + 'static,
    T: Send + 'static,
{
    let run = move |cooperations: &Cooperations<D>, store, request: &Request, input: &I| {
        cooperations.command(store, request, |work| run(work, input))
    };
    command_by(app, call, name, read, run).await
}

/// Runs a command that the cooperations themselves run: `read` makes sense of the request.
pub(super) async fn command_by<D, I, T>(
    app: &App<D>,
    call: Call,
    name: &'static str,
    read: impl FnOnce(&Call) -> Result<I, Refusal>,
    run: impl FnOnce(&Cooperations<D>, StoreId, &Request, &I) -> Outcome<Done<T>> + Send + 'static,
) -> Result<Done<T>, ApiError>
where
    D: Database,
    I: Send + 'static,
    T: Send + 'static,
{
    let (read, input) = (read(&call), call.input());
    let request = Request { actor: call.actor, command: name, target: call.target, input };
    let (cooperations, store) = (Arc::clone(&app.cooperations), call.store);
    let done = app.commit(move |_| match read {
        Ok(input) => run(&cooperations, store, &request, &input),
        Err(refusal) => match cooperations.refused(store, &request, &refusal) {
            // What makes no sense is told first, of whatever store.
            Ok(()) | Err(CommandError::Refused(_)) => Err(refusal.into()),
            Err(error) => Err(error),
        },
    });
    done.await?.map_err(ApiError::from)
}

/// Answers a query.
pub(super) async fn query<D, I, T>(
    app: &App<D>,
    call: Call,
    read: impl FnOnce(&Call) -> Result<I, Refusal>,
    run: impl FnOnce(&mut Work<'_, D>, I) -> Outcome<T> + Send + 'static,
) -> Result<Done<T>, ApiError>
where
    D: Database,
    I: Send + 'static,
    T: Send + 'static,
{
    let input = read(&call)?;
    let Call { store, actor, .. } = call;
    let cooperations = Arc::clone(&app.cooperations);
    Ok(app.in_turn(move |_| cooperations.query(store, &actor, |work| run(work, input))).await??)
}

/// The answer to a command.
#[derive(Serialize)]
pub(super) struct Answered<T> {
    #[serde(flatten)]
    value: T,
    revision: Revision,
}

/// Done, 200.
pub(super) fn answered<T: Serialize>(revision: Revision, value: T) -> Reply<Answered<T>> {
    Reply::ok(Answered { value, revision }).of_revision(Some(revision))
}

/// Done, and something new is there, 201.
pub(super) fn created<T: Serialize>(revision: Revision, value: T) -> Reply<Answered<T>> {
    Reply::created(Answered { value, revision }).of_revision(Some(revision))
}

/// Done, and nothing to say, 204.
pub(super) fn nothing<T>(done: &Done<T>) -> Reply<()> {
    Reply::no_content().of_revision(Some(done.revision))
}

/// The answer to a query, 200.
pub(super) fn found<T: Serialize>(revision: Revision, value: T) -> Reply<T> {
    Reply::ok(value).of_revision(Some(revision))
}

// Reading fields.

/// A text that has to be there.
pub(super) fn required(fields: &mut Fields, name: &str) -> Result<String, ApiError> {
    match fields.given(name)? {
        Given::Value(Value::String(text)) => Ok(text),
        Given::Value(other) => Err(fields::wrong_type(&fields.path(name), "a string", &other)),
        Given::Absent | Given::Null => Err(ApiError::invalid(&fields.path(name), "it is missing")),
    }
}

/// A text that may be absent, or `null`.
pub(super) fn optional(fields: &mut Fields, name: &str) -> Result<Option<Option<String>>, ApiError> {
    match fields.given(name)? {
        Given::Absent => Ok(None),
        Given::Null => Ok(Some(None)),
        Given::Value(Value::String(text)) => Ok(Some(Some(text))),
        Given::Value(other) => Err(fields::wrong_type(&fields.path(name), "a string or null", &other)),
    }
}

/// An email that has to be there.
pub(super) fn email(fields: &mut Fields, name: &str) -> Result<Email, ApiError> {
    let text = required(fields, name)?;
    Ok(Email::parse(&fields.path(name), &text)?)
}

/// A name that is shown and has to be there.
pub(super) fn label(fields: &mut Fields, name: &str) -> Result<Box<str>, ApiError> {
    let text = required(fields, name)?;
    Ok(cooperation::label(&fields.path(name), &text)?)
}

/// An identifier that may be absent, but not `null`.
pub(super) fn id(fields: &mut Fields, name: &str) -> Result<Option<EntityId>, ApiError> {
    let text = text_if_any(fields, name)?;
    Ok(text.map(|text| EntityId::parse(&fields.path(name), &text)).transpose()?)
}

/// An identifier that has to be there.
pub(super) fn required_id(fields: &mut Fields, name: &str) -> Result<EntityId, ApiError> {
    let text = required(fields, name)?;
    Ok(EntityId::parse(&fields.path(name), &text)?)
}

/// A truth value that may be absent, but not `null`.
pub(super) fn boolean(fields: &mut Fields, name: &str) -> Result<Option<bool>, ApiError> {
    let wrong = |fields: &Fields, found| fields::wrong_type(&fields.path(name), "true or false", found);
    match fields.given(name)? {
        Given::Absent => Ok(None),
        Given::Value(Value::Bool(value)) => Ok(Some(value)),
        Given::Value(other) => Err(wrong(fields, &other)),
        Given::Null => Err(wrong(fields, &Value::Null)),
    }
}

/// A text that may be absent, but not `null`.
pub(super) fn text_if_any(fields: &mut Fields, name: &str) -> Result<Option<String>, ApiError> {
    match optional(fields, name)? {
        None => Ok(None),
        Some(None) => Err(fields::wrong_type(&fields.path(name), "a string", &Value::Null)),
        Some(Some(text)) => Ok(Some(text)),
    }
}

/// A language that may be absent, or `null`.
pub(super) fn language(fields: &mut Fields, name: &str) -> Result<Option<Box<str>>, ApiError> {
    let Some(text) = optional(fields, name)?.flatten() else { return Ok(None) };
    Ok(Some(cooperation::language(&fields.path(name), &text)?))
}

/// A whole number between 1 and `most`, in a query string; `default` where it is absent.
pub(super) fn size(fields: &mut Fields, name: &str, default: usize, most: usize) -> Result<usize, ApiError> {
    match fields.integer(name)? {
        None => Ok(default),
        Some(number) => match usize::try_from(number) {
            Ok(size) if (1..=most).contains(&size) => Ok(size),
            _ => Err(ApiError::invalid(&fields.path(name), format!("expected 1 to {most}, found {number}"))),
        },
    }
}

/// Which page of a list is wanted.
pub(super) struct Page {
    size: usize,
    /// The entry before its first.
    after: Option<String>,
}

impl Page {
    /// Reads `page_size` and `continuation_token` of the list of this name.
    pub(super) fn read(call: &Call, list: &str, fields: &mut Fields) -> Result<Self, ApiError> {
        let size = size(fields, "page_size", PAGE_SIZE_DEFAULT, COOPERATION_PAGE_SIZE_MAX)?;
        let token = fields.string("continuation_token")?;
        Ok(Self { size, after: token::to_list(call.store, list, &token)? })
    }

    /// Most entries.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The entry before its first.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Cuts a list that is sorted by `key` to the page, and tells the token of the next one; empty where there is none.
    pub(super) fn cut<T>(
        self,
        store: StoreId,
        list: &str,
        mut items: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> (Vec<T>, String) {
        if let Some(after) = &self.after {
            items.retain(|item| key(item) > after.as_str());
        }
        let more = items.len() > self.size;
        items.truncate(self.size);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| token::of_list(store, list, key(last))).unwrap_or_default();
        (items, next)
    }
}

// Describing.

/// The page of a list.
pub(super) fn paged(operation: Operation) -> Operation {
    let size = integer(1).with("maximum", COOPERATION_PAGE_SIZE_MAX).with("default", PAGE_SIZE_DEFAULT);
    let token = "Where the page starts: the token of the page before.";
    operation.query("page_size", size, "Most entries of the page.").query("continuation_token", text(), token)
}

/// An operation of the cooperation rules: who acts is a header, and every error names its rule.
pub(super) fn operation(verb: Verb, path: &str, id: &'static str, summary: &'static str) -> Operation {
    let actor = text().with("pattern", "^user:[A-Za-z0-9_.@+-]{1,128}$");
    let organization = shape().must("id", shapes::entity_id()).must("name", text()).closed();
    Operation::new(verb, format!("/stores/{{store_id}}{path}"), Tag::Cooperations, id, summary)
        .header(&ACTOR, actor, "Who acts. Without it, the caller acts as the system.")
        .fails_with(
            "Refusal",
            [
                ("rule", text().nullable().says("The rule that refuses.")),
                ("organization", organization.says("The organization that is to be confirmed.")),
                (
                    "problems",
                    list_of(text()).says("What is wrong, one by one, where that is more than one thing."),
                ),
            ],
        )
        .fails([Code::StoreNotFound])
        .fails(refusals([
            cooperation::Code::InvalidArgument,
            cooperation::Code::ActorRequired,
            cooperation::Code::NotFound,
            cooperation::Code::Forbidden,
            cooperation::Code::ModelMissing,
            cooperation::Code::Inconsistent,
        ]))
}

/// Codes of the cooperation rules, for [`Operation::fails`].
pub(super) fn refusals<const N: usize>(codes: [cooperation::Code; N]) -> [Code; N] {
    codes.map(Code::Cooperation)
}

/// An answer with a body, and the revision.
pub(super) fn answers(
    operation: Operation,
    status: StatusCode,
    says: &'static str,
    body: Schema,
) -> Operation {
    operation.answers(status, says, body).shows(REVISION, true)
}

/// Takes nothing, and answers nothing but the revision.
pub(super) fn nothing_to_say(operation: Operation) -> Operation {
    operation.answers_nothing("It is done.").shows(REVISION, true)
}

/// What a command answers: this, and the revision.
pub(super) fn with_revision(body: Shape) -> Schema {
    body.must("revision", shapes::revision()).closed()
}

/// Reads an instant that may be absent, or `null`.
pub(super) fn instant(fields: &mut Fields, name: &str) -> Result<Option<Option<Instant>>, ApiError> {
    let Some(text) = optional(fields, name)? else { return Ok(None) };
    let read = |text: String| text.parse().map_err(|error| ApiError::invalid(&fields.path(name), error));
    text.map(read).transpose().map(Some)
}
