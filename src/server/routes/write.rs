//! Write: tuples written and deleted in one commit.

use axum::extract::State;
use serde::Serialize;

use crate::cooperation;
use crate::engine::WriteRequest;
use crate::model::limits::{PRECONDITIONS_PER_WRITE_MAX, TUPLES_PER_WRITE_MAX};
use crate::model::{Revision, TupleKey};
use crate::server::app::App;
use crate::server::authentication::Known;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::fields::Fields;
use crate::server::openapi::schema::{choice, list_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::wire::{self, GivenTuple};
use crate::store::{Database, Delete, OnDuplicate, OnMissing, Precondition, Requirement, Write};
use axum::http::StatusCode;

/// An addition: OpenFGA's answer is empty.
#[derive(Serialize)]
pub(in crate::server) struct Written {
    revision: Revision,
}

pub(in crate::server) fn operation() -> Operation {
    let path = "/stores/{store_id}/write";
    let summary = "Write and delete tuples, all of them or none.";
    let on_duplicate = choice(["error", "ignore", "update"]).says(
        "What becomes of a tuple that exists already; `update`, an addition, has it take the condition and the lifetime \
         given.",
    );
    let writes = shape()
        .must(
            "tuple_keys",
            list_of(shapes::given_tuple()).with("minItems", 1).with("maxItems", TUPLES_PER_WRITE_MAX),
        )
        .may("on_duplicate", on_duplicate);
    let on_missing =
        choice(["error", "ignore"]).says("What becomes of the deletion of a tuple that does not exist.");
    let deletes = shape()
        .must(
            "tuple_keys",
            list_of(shapes::given_key()).with("minItems", 1).with("maxItems", TUPLES_PER_WRITE_MAX),
        )
        .may("on_missing", on_missing);
    let must = choice(["exist", "not_exist", "live"]);
    let precondition = shape().must("tuple_key", shapes::given_key()).must("must", must).open();
    let preconditions = list_of(precondition.named("Precondition"))
        .with("maxItems", PRECONDITIONS_PER_WRITE_MAX)
        .says("An addition: each must hold when this is committed, or nothing is written.");
    let request = shape()
        .may("writes", writes.open().named("WriteRequestWrites"))
        .may("deletes", deletes.open().named("WriteRequestDeletes"))
        .may("preconditions", preconditions)
        .may("authorization_model_id", shapes::model());
    let body = shape().must("revision", shapes::revision()).closed();
    Operation::new(Verb::Post, path, Tag::Tuples, "Write", summary)
        .takes(request.open().named("WriteRequest"))
        .answers(StatusCode::OK, "It is written, and durable.", body.named("WriteResponse"))
        .names_revision()
        .fails([
            Code::InvalidWriteInput,
            Code::ExceededEntityLimit,
            Code::TupleKeyNotSpecified,
            Code::DuplicateTuples,
            Code::WriteFailed,
            Code::Aborted,
            Code::PreconditionFailed,
            Code::LatestModelNotFound,
            Code::AuthorizationModelNotFound,
            Code::StoreNotFound,
            Code::Cooperation(cooperation::Code::Forbidden),
        ])
        .fails_with("WriteError", [("rule", text().nullable().says("The cooperation rule that refuses."))])
}

/// `POST /stores/{store_id}/write`
pub(in crate::server) async fn write<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    Known(caller): Known,
    input: Input,
) -> Result<Reply<Written>, ApiError> {
    let request = input.read(request)?;
    let (model, committed) = app.write(store, &caller, request).await?;
    let revision = committed.revision;
    Ok(Reply::ok(Written { revision }).with(model, revision))
}

fn request(fields: &mut Fields) -> Result<WriteRequest, ApiError> {
    let writes = fields.object("writes", writes)?.unwrap_or_default();
    let deletes = fields.object("deletes", deletes)?.unwrap_or_default();
    let preconditions = fields.objects("preconditions", precondition)?;
    let model = wire::model_id(fields)?;
    if writes.is_empty() && deletes.is_empty() {
        return Err(ApiError::new(
            Code::InvalidWriteInput,
            "Invalid input. Make sure you provide at least one write, or at least one delete",
        ));
    }
    limit(writes.len().saturating_add(deletes.len()), "write operations", TUPLES_PER_WRITE_MAX)?;
    limit(preconditions.len(), "preconditions", PRECONDITIONS_PER_WRITE_MAX)?;
    Ok(WriteRequest { model, preconditions, deletes, writes, ..WriteRequest::default() })
}

fn limit(count: usize, entity: &str, max: usize) -> Result<(), ApiError> {
    if count <= max {
        return Ok(());
    }
    let message = format!("The number of {entity} exceeds the allowed limit of {max}");
    Err(ApiError::new(Code::ExceededEntityLimit, message))
}

fn writes(fields: &mut Fields) -> Result<Vec<Write>, ApiError> {
    let on_duplicate = match fields.string("on_duplicate")?.as_str() {
        "" | "error" => OnDuplicate::Error,
        "ignore" => OnDuplicate::Ignore,
        "update" => OnDuplicate::Update,
        _ => return Err(one_of(fields, "on_duplicate", "`error`, `ignore` and `update`")),
    };
    let writes = fields.objects("tuple_keys", |fields| {
        let GivenTuple { key, condition, expires_at, paused } = wire::tuple(fields)?;
        Ok(Write { key, condition, expires_at, paused, on_duplicate })
    })?;
    at_least_one(fields, writes)
}

fn at_least_one<T>(fields: &Fields, tuples: Vec<T>) -> Result<Vec<T>, ApiError> {
    if tuples.is_empty() {
        return Err(ApiError::invalid(&fields.path("tuple_keys"), "value must contain at least 1 item(s)"));
    }
    Ok(tuples)
}

fn deletes(fields: &mut Fields) -> Result<Vec<Delete>, ApiError> {
    let on_missing = match fields.string("on_missing")?.as_str() {
        "" | "error" => OnMissing::Error,
        "ignore" => OnMissing::Ignore,
        _ => return Err(one_of(fields, "on_missing", "`error` and `ignore`")),
    };
    let deletes =
        fields.objects("tuple_keys", |fields| Ok(Delete { key: wire::tuple_key(fields)?, on_missing }))?;
    at_least_one(fields, deletes)
}

fn precondition(fields: &mut Fields) -> Result<Precondition, ApiError> {
    let key: TupleKey = fields.object("tuple_key", wire::tuple_key)?.ok_or_else(|| {
        ApiError::field(Code::TupleKeyNotSpecified, &fields.path("tuple_key"), "value is required")
    })?;
    let must = match fields.string("must")?.as_str() {
        "exist" => Requirement::Exist,
        "not_exist" => Requirement::NotExist,
        "live" => Requirement::Live,
        _ => return Err(one_of(fields, "must", "`exist`, `not_exist` and `live`")),
    };
    Ok(Precondition { key, must })
}

fn one_of(fields: &Fields, name: &str, values: &str) -> ApiError {
    ApiError::invalid(&fields.path(name), format!("expected one of {values}"))
}
