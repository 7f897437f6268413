//! ReadChanges: every write and delete, in order.

use axum::extract::State;
use serde::{Serialize, Serializer};

use crate::engine::{Changes, ChangesRequest};
use crate::model::check_type;
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Parameters, StorePath};
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Shape, choice, list_of, shape};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::paging::PageRequest;
use crate::server::reply::Reply;
use crate::server::token;
use crate::server::wire::{self, ShownTuple};
use crate::store::{Database, LogPosition, LoggedChange};
use axum::http::StatusCode;

/// The values of `TupleOperation`.
const WRITE: &str = "TUPLE_OPERATION_WRITE";
const DELETE: &str = "TUPLE_OPERATION_DELETE";

#[derive(Serialize)]
pub(in crate::server) struct Page {
    changes: Vec<Shown>,
    continuation_token: String,
}

/// A change.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(serialize_with = "show_key")]
    tuple_key: LoggedChange,
    operation: &'static str,
    timestamp: String,
}

fn show_key<S: Serializer>(change: &LoggedChange, serializer: S) -> Result<S::Ok, S::Error> {
    ShownTuple { key: &change.key, record: change.after.as_ref() }.serialize(serializer)
}

pub(in crate::server) fn operation() -> Operation {
    let summary = "List the writes and deletes of tuples, the oldest first.";
    let token = shapes::token().says("Where to go on, also once there is something new.");
    let change = change().closed().named("TupleChange");
    let body = shape().must("changes", list_of(change)).must("continuation_token", token).closed();
    Operation::new(Verb::Get, "/stores/{store_id}/changes", Tag::Tuples, "ReadChanges", summary)
        .query("type", shapes::type_name(), "Only changes of objects of this type.")
        .paged()
        .query("start_time", shapes::instant(), "Only changes from this instant on.")
        .strict_if_asked()
        .answers(StatusCode::OK, "A page of changes.", body.named("ReadChangesResponse"))
        .fails([
            Code::PageSizeInvalid,
            Code::InvalidContinuationToken,
            Code::ContinuationTokenTypeMismatch,
            Code::TypeInvalidPattern,
            Code::StoreNotFound,
        ])
}

/// A change, as [`Shown`] is written.
pub(super) fn change() -> Shape {
    shape()
        .must("tuple_key", shapes::shown_tuple())
        .must("operation", choice([WRITE, DELETE]))
        .must("timestamp", shapes::instant())
}

/// `GET /stores/{store_id}/changes`
pub(in crate::server) async fn changes<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    parameters: Parameters,
) -> Result<Reply<Page>, ApiError> {
    let (page, object_type, start) = parameters.read(|fields| {
        let page = PageRequest::read(fields)?;
        let object_type = object_type(fields)?;
        let start = match fields.string("start_time")? {
            text if text.is_empty() => None,
            text => {
                let parsed = text.parse();
                Some(parsed.map_err(|error| ApiError::invalid(&fields.path("start_time"), error))?)
            }
        };
        Ok((page, object_type, start))
    })?;
    if start.is_some_and(|start| start >= app.engine.now()) {
        return Err(ApiError::invalid("start_time", "the start time must be before the present"));
    }
    let after = token::to_changes(store, &object_type, &page.token)?;
    let wanted = (!object_type.is_empty()).then(|| object_type.as_str().into());
    let request = ChangesRequest { object_type: wanted, after, start, limit: page.size };
    let found = app.run_query(move |engine| engine.changes(store, &request)).await?;
    let continuation_token = match (found.position, after) {
        // Nothing new: the client comes again with what it has.
        (position, Some(after)) if position == after => page.token,
        (position, None) if position == LogPosition::default() => String::new(),
        (position, _) => token::of_changes(store, &object_type, position),
    };
    let Changes { items, .. } = found;
    Ok(Reply::ok(Page { changes: items.into_iter().map(shown).collect(), continuation_token }))
}

/// Reads `type`; empty where unset.
pub(super) fn object_type(fields: &mut Fields) -> Result<String, ApiError> {
    let text = fields.string("type")?;
    match check_type(&text) {
        Err(error) if !text.is_empty() => {
            Err(ApiError::field(Code::TypeInvalidPattern, &fields.path("type"), format!("the name {error}")))
        }
        _ => Ok(text),
    }
}

pub(super) fn shown(change: LoggedChange) -> Shown {
    let operation = if change.after.is_some() { WRITE } else { DELETE };
    Shown { operation, timestamp: wire::instant(change.at), tuple_key: change }
}
