//! Read: the stored tuples that match a pattern. The model plays no part.

use axum::extract::State;
use serde::{Serialize, Serializer};

use crate::engine::{ReadRequest, StoredTuple};
use crate::model::{Object, check_type};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::fields::Fields;
use crate::server::openapi::schema::{boolean, list_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::paging::PageRequest;
use crate::server::reply::{REVISION, Reply};
use crate::server::token;
use crate::server::wire::{self, ShownTuple};
use crate::store::Database;
use axum::http::StatusCode;

#[derive(Serialize)]
pub(in crate::server) struct Tuples {
    tuples: Vec<Shown>,
    continuation_token: String,
}

#[derive(Serialize)]
struct Shown {
    #[serde(serialize_with = "show_key")]
    key: StoredTuple,
    timestamp: String,
}

fn show_key<S: Serializer>(tuple: &StoredTuple, serializer: S) -> Result<S::Ok, S::Error> {
    ShownTuple { key: &tuple.key, record: Some(&tuple.record) }.serialize(serializer)
}

pub(in crate::server) fn operation() -> Operation {
    let summary = "Read the stored tuples that match a pattern.";
    let object = text().says("`type:id`, or `type:` for every object of the type.");
    let pattern = shape()
        .may("user", shapes::user())
        .may("relation", shapes::relation())
        .may("object", object)
        .open()
        .named("ReadRequestTupleKey");
    let inactive = boolean().says("An addition: show tuples that are paused or have expired, too.");
    let request = shapes::page(shape().may("tuple_key", pattern))
        .may("consistency", shapes::consistency())
        .may("include_inactive", inactive);
    let tuple = shape().must("key", shapes::shown_tuple()).must("timestamp", shapes::instant()).closed();
    let body =
        shape().must("tuples", list_of(tuple.named("Tuple"))).must("continuation_token", shapes::token());
    Operation::new(Verb::Post, "/stores/{store_id}/read", Tag::Tuples, "Read", summary)
        .takes(request.open().named("ReadRequest"))
        .answers(StatusCode::OK, "A page of tuples.", body.closed().named("ReadResponse"))
        .shows(REVISION, false)
        .fails([Code::PageSizeInvalid, Code::InvalidContinuationToken, Code::StoreNotFound])
}

/// `POST /stores/{store_id}/read`
pub(in crate::server) async fn read<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<Tuples>, ApiError> {
    let request = input.read(|fields| {
        let mut request = fields.object("tuple_key", pattern)?.unwrap_or_default();
        let page = PageRequest::read(fields)?;
        wire::consistency(fields)?;
        request.include_inactive = fields.boolean("include_inactive")?;
        request.after = token::to_tuples(store, &page.token)?;
        request.limit = page.size;
        Ok(request)
    })?;
    let (found, revision) = app.run_query(move |engine| engine.read(store, &request)).await?;
    let shown = |tuple: StoredTuple| Shown { timestamp: wire::instant(tuple.record.written_at), key: tuple };
    Ok(Reply::ok(Tuples {
        continuation_token: found.next.map(|after| token::of_tuples(store, &after)).unwrap_or_default(),
        tuples: found.items.into_iter().map(shown).collect(),
    })
    .of_revision(revision))
}

/// The pattern: a type of object, with an identifier or a subject or both, and a relation where one is given.
fn pattern(fields: &mut Fields) -> Result<ReadRequest, ApiError> {
    let mut request = ReadRequest::default();
    object(fields, &mut request)?;
    let user = fields.string("user")?;
    if !user.is_empty() {
        request.subject = Some(wire::subject_of(fields, &user)?);
    }
    let relation = fields.string("relation")?;
    if !relation.is_empty() {
        request.relation = Some(wire::relation_of(fields, relation)?);
    }
    if request.object_type.is_none() || (request.object_id.is_none() && request.subject.is_none()) {
        return Err(ApiError::new(
            Code::ValidationError,
            "the 'tuple_key' field was provided but the object type field is required and both the object id and \
             user cannot be empty",
        ));
    }
    Ok(request)
}

/// `type:id`, or `type:` for every object of the type.
fn object(fields: &mut Fields, request: &mut ReadRequest) -> Result<(), ApiError> {
    let text = fields.string("object")?;
    if text.is_empty() {
        return Ok(());
    }
    if let Some(type_name) = text.strip_suffix(':').filter(|type_name| !type_name.contains(':')) {
        if let Err(error) = check_type(type_name) {
            return Err(ApiError::invalid(&fields.path("object"), format!("the type {error}")));
        }
        request.object_type = Some(type_name.into());
        return Ok(());
    }
    let Object { type_name, id } = wire::object_of(fields, &text)?;
    request.object_type = Some(type_name);
    request.object_id = Some(id);
    Ok(())
}
