//! Searches: who may, on what, and what may be done.

use std::hash::Hash;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::entities::{self, merged};
use super::evaluation::{self, Failed};
use super::page::{self, Fingerprint, Page, PageRequest};
use super::{AskedModel, AskedStore, Asking, SEARCH_ACTION, SEARCH_RESOURCE, SEARCH_SUBJECT, query};
use crate::cel::{Context, canonical};
use crate::engine::{
    Counted, Engine, EngineError, HeldRelations, ListObjectsRequest, ListUsersRequest, Listed, QueryContext,
    UserFilter,
};
use crate::model::{Object, StoreId, Subject};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::Input;
use crate::server::fields::Fields;
use crate::server::metrics::Purpose;
use crate::server::openapi::schema::{Schema, Shape, list_of, shape, text};
use crate::server::openapi::{Operation, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

/// What a search has found.
#[derive(Serialize)]
pub(super) struct Found<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Page>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Notes>,
    results: Vec<T>,
}

/// What there is to say beside the results.
#[derive(Serialize)]
struct Notes {
    /// Actions of which it could not be decided whether they are allowed.
    undecided: Vec<Undecided>,
}

#[derive(Serialize)]
struct Undecided {
    name: Box<str>,
    error: Failed,
}

#[derive(Serialize)]
pub(super) struct Action {
    name: Box<str>,
}

/// A subject or a resource.
#[derive(Serialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    type_name: Box<str>,
    id: Box<str>,
}

/// A search: what is given, everything that conditions may look at, and the page that is wanted.
struct Search<T> {
    given: T,
    context: Context,
    page: PageRequest,
}

/// Who may do this with that?
#[derive(Hash)]
struct SubjectSearch {
    subject_type: Box<str>,
    action: Box<str>,
    resource: Object,
}

/// With what may they do this?
#[derive(Hash)]
struct ResourceSearch {
    subject: Subject,
    action: Box<str>,
    resource_type: Box<str>,
}

/// What may they do with that?
#[derive(Hash)]
struct ActionSearch {
    subject: Subject,
    resource: Object,
}

pub(super) fn subject_operation(asking: Asking) -> Operation {
    let asked = shape()
        .must("subject", entities::all_of_type().named("SubjectType"))
        .must("action", entities::action_given())
        .must("resource", entities::entity().named("Resource"));
    search(asking, SEARCH_SUBJECT, "SubjectSearch", "List who may do something with a resource.")
        .takes(given(asked).named("SubjectSearchRequest"))
        .answers(StatusCode::OK, "The subjects.", found(found_entity(), None).named("SubjectSearchResponse"))
        .names_revision()
        .may_be_partial()
}

/// `POST /access/v1/search/subject`
pub(super) async fn subject<D: Database>(
    State(app): State<App<D>>,
    store: AskedStore,
    AskedModel(model): AskedModel,
    input: Input,
) -> Result<Reply<Found<Entity>>, ApiError> {
    let search = input.read(|fields| {
        let (subject_type, of_subject) = required(fields, "subject", entities::any_of_type)?;
        let (action, of_action) = required(fields, "action", entities::action)?;
        let (resource, of_resource) = required(fields, "resource", entities::resource)?;
        let given = SubjectSearch { subject_type, action, resource };
        Search::read(fields, given, [of_subject, of_resource, of_action])
    })?;
    let fingerprint = search.fingerprint("subject");
    let Search { given, context, page } = search;
    let SubjectSearch { subject_type: type_name, action: relation, resource: object } = given;
    let request = ListUsersRequest { object, relation, filter: UserFilter { type_name, relation: None } };
    let outcome = app
        .run_list(store.id, query(model, context), move |engine, context, go_on| {
            engine.list_users(store.id, context, &request, go_on)
        })
        .await?;
    let entity = |subject| match subject {
        Subject::Object(Object { type_name, id }) => Some(Entity { type_name, id }),
        Subject::Wildcard(type_name) => Some(Entity { type_name, id: "*".into() }),
        // Not asked for.
        Subject::Userset(..) => None,
    };
    entities_found(&app, store.id, page, &fingerprint, outcome, entity)
}

pub(super) fn resource_operation(asking: Asking) -> Operation {
    let asked = shape()
        .must("subject", entities::entity().named("Subject"))
        .must("action", entities::action_given())
        .must("resource", entities::all_of_type().named("ResourceType"));
    search(asking, SEARCH_RESOURCE, "ResourceSearch", "List with what a subject may do something.")
        .takes(given(asked).named("ResourceSearchRequest"))
        .answers(
            StatusCode::OK,
            "The resources.",
            found(found_entity(), None).named("ResourceSearchResponse"),
        )
        .names_revision()
        .may_be_partial()
}

/// `POST /access/v1/search/resource`
pub(super) async fn resource<D: Database>(
    State(app): State<App<D>>,
    store: AskedStore,
    AskedModel(model): AskedModel,
    input: Input,
) -> Result<Reply<Found<Entity>>, ApiError> {
    let search = input.read(|fields| {
        let (subject, of_subject) = required(fields, "subject", entities::subject)?;
        let (action, of_action) = required(fields, "action", entities::action)?;
        let (resource_type, of_resource) = required(fields, "resource", entities::any_of_type)?;
        let given = ResourceSearch { subject, action, resource_type };
        Search::read(fields, given, [of_subject, of_resource, of_action])
    })?;
    let fingerprint = search.fingerprint("resource");
    let Search { given, context, page } = search;
    let ResourceSearch { subject, action: relation, resource_type: type_name } = given;
    let request = ListObjectsRequest { subject, relation, object_type: type_name.clone() };
    let outcome = app
        .run_list(store.id, query(model, context), move |engine, context, go_on| {
            engine.list_objects(store.id, context, &request, go_on)
        })
        .await?;
    let entity = |id| Some(Entity { type_name: type_name.clone(), id });
    entities_found(&app, store.id, page, &fingerprint, outcome, entity)
}

pub(super) fn action_operation(asking: Asking) -> Operation {
    let asked = shape()
        .must("subject", entities::entity().named("Subject"))
        .must("resource", entities::entity().named("Resource"));
    let action = shape().must("name", shapes::relation()).closed().named("FoundAction");
    let undecided = shape().must("name", shapes::relation()).must("error", evaluation::failed()).closed();
    let undecided =
        list_of(undecided).says("Actions of which it could not be decided whether they are allowed.");
    let notes = shape().must("undecided", undecided).closed();
    search(asking, SEARCH_ACTION, "ActionSearch", "List what a subject may do with a resource.")
        .takes(given(asked).named("ActionSearchRequest"))
        .answers(StatusCode::OK, "The actions.", found(action, Some(notes)).named("ActionSearchResponse"))
        .names_revision()
}

fn search(asking: Asking, path: &str, id: &str, summary: &'static str) -> Operation {
    asking.operation(path, id, summary).fails([Code::InvalidContinuationToken])
}

/// What every search has beside its entities.
fn given(asked: Shape) -> Schema {
    asked.may("context", shapes::context()).may("page", page::given()).open()
}

/// What a search has found, as [`Found`] is written.
fn found(result: Schema, notes: Option<Schema>) -> Schema {
    let found = shape().may("page", page::shown()).must("results", list_of(result));
    match notes {
        None => found,
        Some(notes) => found.may("context", notes),
    }
    .closed()
}

fn found_entity() -> Schema {
    shape().must("type", shapes::type_name()).must("id", text()).closed().named("FoundEntity")
}

/// `POST /access/v1/search/action`
pub(super) async fn action<D: Database>(
    State(app): State<App<D>>,
    store: AskedStore,
    AskedModel(model): AskedModel,
    input: Input,
) -> Result<Reply<Found<Action>>, ApiError> {
    let search = input.read(|fields| {
        let (subject, of_subject) = required(fields, "subject", entities::subject)?;
        let (resource, of_resource) = required(fields, "resource", entities::resource)?;
        Search::read(fields, ActionSearch { subject, resource }, [of_subject, of_resource, Map::new()])
    })?;
    let fingerprint = search.fingerprint("action");
    let Search { given: ActionSearch { subject, resource }, context, page } = search;
    let context = query(model, context);
    let ask = move |engine: &Engine<D>, context: &QueryContext| {
        engine.relations_held(store.id, context, &resource, &subject)
    };
    let (answer, counts) = app.run_evaluation(store.id, context, ask).await?;
    app.metrics.evaluated(store.id, Purpose::List, counts.made());
    let (model, revision) = (answer.model, answer.revision);
    let HeldRelations { held, undecided } = answer.value;
    let actions = held.into_iter().map(|name| Action { name }).collect();
    let (results, page) = page.cut(store.id, &fingerprint, actions, |action| &action.name)?;
    let undecided: Vec<_> = undecided
        .into_iter()
        .map(|(name, error)| Undecided { name, error: Failed::new(error.into()) })
        .collect();
    let context = (!undecided.is_empty()).then_some(Notes { undecided });
    Ok(Reply::ok(Found { page, context, results }).with(model, revision))
}

/// What a list came to.
type Outcome<T> = Result<Counted<Listed<T>>, EngineError>;

/// The page of what a list has found. Where a limit ended it, the answer says so as the lists themselves do.
fn entities_found<D: Database, T>(
    app: &App<D>,
    store: StoreId,
    page: PageRequest,
    fingerprint: &Fingerprint,
    outcome: Outcome<T>,
    entity: impl Fn(T) -> Option<Entity>,
) -> Result<Reply<Found<Entity>>, ApiError> {
    app.metrics.listed(outcome.as_ref().map(|(answer, _)| answer.value.partial.is_none()));
    let (answer, counts) = outcome?;
    app.metrics.evaluated(store, Purpose::List, counts.made());
    let Listed { items, partial } = answer.value;
    let entities = items.into_iter().filter_map(entity).collect();
    let (results, page) = page.cut(store, fingerprint, entities, |entity| &entity.id)?;
    let found = Found { page, context: None, results };
    Ok(Reply::ok(found).with(answer.model, answer.revision).partial(partial.is_some()))
}

impl<T: Hash> Search<T> {
    /// Reads what every search has beside its entities; `properties` are those of the subject, the resource and the action.
    fn read(
        fields: &mut Fields,
        given: T,
        [subject, resource, action]: [Map<String, Value>; 3],
    ) -> Result<Self, ApiError> {
        let context = wire::context(fields)?;
        let context =
            merged([("subject", subject), ("resource", resource), ("action", action), ("", context)]);
        Ok(Self { given, context, page: PageRequest::read(fields)? })
    }

    fn fingerprint(&self, kind: &str) -> Fingerprint {
        Fingerprint::new((kind, &self.given, canonical(self.context.clone())))
    }
}

/// Reads an entity that must be given: it, and its properties.
fn required<T>(
    fields: &mut Fields,
    name: &str,
    read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
) -> Result<(T, Map<String, Value>), ApiError> {
    Ok(entities::required(fields, name, read)?.into_parts())
}
