//! Check: does this subject hold this relation on this object?

use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::engine::{CheckRequest, QueryContext};
use crate::model::{Revision, TRACE_TARGET, TupleKey};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::fields::Fields;
use crate::server::metrics::Purpose;
use crate::server::openapi::schema::{Shape, boolean, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;
use axum::http::StatusCode;
use tracing::trace_span;

#[derive(Serialize)]
pub(in crate::server) struct Checked {
    allowed: bool,
    /// Always empty, as in OpenFGA.
    resolution: &'static str,
    revision: Revision,
    stable_until: Option<String>,
}

pub(in crate::server) fn operation() -> Operation {
    let body = shape()
        .must("allowed", boolean())
        .must("resolution", text().with("maxLength", 0).says("Always empty, as in OpenFGA."))
        .must("revision", shapes::revision())
        .must("stable_until", shapes::stable_until())
        .closed();
    let summary = "Ask whether a user has a relation with an object.";
    Operation::new(Verb::Post, PATH, Tag::Queries, "Check", summary)
        .takes(given().open().named("CheckRequest"))
        .answers(StatusCode::OK, "The decision.", body.named("CheckResponse"))
        .names_revision()
        .fails(FAILURES)
}

/// What a check is asked with, and its explanation too.
pub(super) fn given() -> Shape {
    shapes::query(shape().must("tuple_key", shapes::given_key()))
        .may("contextual_tuples", shapes::contextual_tuples())
        .may("context", shapes::context())
        .may("trace", boolean().says("Taken and without effect, as in OpenFGA."))
}

/// The codes of what is decided about one tuple.
pub(super) const FAILURES: [Code; 8] = [
    Code::TupleKeyNotSpecified,
    Code::InvalidTuple,
    Code::DuplicateContextualTuple,
    Code::ResolutionTooComplex,
    Code::LatestModelNotFound,
    Code::AuthorizationModelNotFound,
    Code::RevisionNotReached,
    Code::StoreNotFound,
];

/// Where a check is asked.
pub(in crate::server) const PATH: &str = "/stores/{store_id}/check";

/// `POST /stores/{store_id}/check`
pub(in crate::server) async fn check<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<Checked>, ApiError> {
    let (context, request) = match plain(input.bytes()) {
        Some(read) => read,
        None => input.read(|fields| {
            let request = tuple_key(fields)?;
            let context = QueryContext {
                contextual_tuples: wire::contextual_tuples(fields)?,
                context: wire::context(fields)?,
                ..wire::query_context(fields)?
            };
            fields.boolean("trace")?;
            Ok((context, request))
        })?,
    };
    let outcome = app.check(store, context, request, input.watch).await;
    app.metrics.checked(store, outcome.as_ref().map(|(answer, _)| &answer.value));
    let (answer, counts) = outcome?;
    app.metrics.evaluated(store, Purpose::Check, counts.made());
    let body = Checked {
        allowed: answer.value.allowed,
        resolution: "",
        revision: answer.revision,
        stable_until: wire::optional_instant(answer.value.stable_until),
    };
    Ok(Reply::computed(&answer, body))
}

/// A check as nearly all clients send it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a> {
    #[serde(borrow)]
    tuple_key: PlainKey<'a>,
    #[serde(default)]
    authorization_model_id: &'a str,
    #[serde(default)]
    consistency: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainKey<'a> {
    user: &'a str,
    relation: &'a str,
    object: &'a str,
}

/// Reads a body that has these fields, as these texts, and nothing else: without a tree of values and without copies. Of
/// any other, a wrong one too, nothing is said here.
fn plain(body: &[u8]) -> Option<(QueryContext, CheckRequest)> {
    let _traced = trace_span!(target: TRACE_TARGET, "decode").entered();
    // Derived reading takes lists for objects, too; texts with a bracket in them are read the other way.
    if body.contains(&b'[') {
        return None;
    }
    let Plain { tuple_key, authorization_model_id, consistency } = serde_json::from_slice(body).ok()?;
    let model = match authorization_model_id {
        "" => None,
        id => Some(id.parse().ok()?),
    };
    if consistency.is_some_and(|given| wire::CONSISTENCY.iter().all(|(name, _)| *name != given)) {
        return None;
    }
    let PlainKey { user, relation, object } = tuple_key;
    let TupleKey { object, relation, subject } = TupleKey::parse(object, relation, user).ok()?;
    Some((QueryContext { model, ..QueryContext::default() }, CheckRequest { object, relation, subject }))
}

/// Reads `tuple_key`, which must be given.
pub(super) fn tuple_key(fields: &mut Fields) -> Result<CheckRequest, ApiError> {
    let key = fields.object("tuple_key", wire::tuple_key)?;
    let Some(key) = key else {
        return Err(ApiError::field(
            Code::TupleKeyNotSpecified,
            &fields.path("tuple_key"),
            "value is required",
        ));
    };
    Ok(CheckRequest { object: key.object, relation: key.relation, subject: key.subject })
}
