//! BatchCheck: several checks at one revision and one instant.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;

use crate::engine::{BatchCheckItem, CheckAnswer, EngineError};
use crate::model::Revision;
use crate::model::limits::CHECKS_PER_BATCH_MAX;
use crate::server::app::{App, witness};
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::fields::Fields;
use crate::server::metrics::Purpose;
use crate::server::openapi::schema::{boolean, choice, list_of, map_of, one_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::{routes, wire};
use crate::store::Database;
use axum::http::StatusCode;

/// Longest correlation id, in bytes.
const CORRELATION_ID_BYTES_MAX: usize = 36;

#[derive(Serialize)]
pub(in crate::server) struct BatchChecked {
    result: BTreeMap<String, Outcome>,
    revision: Revision,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Decided { allowed: bool, stable_until: Option<String> },
    Failed { error: Failed },
}

#[derive(Serialize)]
struct Failed {
    /// Codes of the client's mistakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_error: Option<&'static str>,
    /// Codes of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    internal_error: Option<&'static str>,
    message: String,
}

/// A check that can be asked, or what is wrong with it: that concerns it alone.
struct Item {
    correlation_id: String,
    check: Result<BatchCheckItem, ApiError>,
}

pub(in crate::server) fn operation() -> Operation {
    let id = format!("[A-Za-z0-9_-]{{1,{CORRELATION_ID_BYTES_MAX}}}");
    let item = shape()
        .must("tuple_key", shapes::given_key())
        .may("contextual_tuples", shapes::contextual_tuples())
        .may("context", shapes::context())
        .must("correlation_id", text().with("pattern", format!("^{id}$")))
        .open();
    let checks =
        list_of(item.named("BatchCheckItem")).with("minItems", 1).with("maxItems", CHECKS_PER_BATCH_MAX);
    let decided = shape().must("allowed", boolean()).must("stable_until", shapes::stable_until()).closed();
    let input_error =
        choice([Code::ValidationError, Code::InvalidTuple, Code::ResolutionTooComplex].map(Code::name));
    let internal = [Code::InternalError, Code::DeadlineExceeded, Code::Unavailable].map(Code::name);
    let error = |kind, codes| shape().must(kind, codes).must("message", text()).closed();
    let failed = one_of([error("input_error", input_error), error("internal_error", choice(internal))]);
    let failed = shape().must("error", failed.named("CheckError")).closed();
    let body = shape()
        .must("result", map_of(one_of([decided, failed]).named("BatchCheckSingleResult")))
        .must("revision", shapes::revision())
        .closed();
    let summary = "Ask several checks at one revision and one instant.";
    Operation::new(Verb::Post, "/stores/{store_id}/batch-check", Tag::Queries, "BatchCheck", summary)
        .takes(shapes::query(shape().must("checks", checks)).open().named("BatchCheckRequest"))
        .answers(StatusCode::OK, "The decisions, by correlation id.", body.named("BatchCheckResponse"))
        .names_revision()
        .fails(routes::check::FAILURES)
}

/// `POST /stores/{store_id}/batch-check`
pub(in crate::server) async fn batch_check<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<BatchChecked>, ApiError> {
    let (context, items) = input.read(|fields| {
        let items = fields.objects("checks", item)?;
        Ok((wire::query_context(fields)?, items))
    })?;
    check_whole(&items)?;

    let mut result = BTreeMap::new();
    let (mut ids, mut checks) = (Vec::new(), Vec::new());
    for Item { correlation_id, check } in items {
        match check {
            Ok(check) => {
                ids.push(correlation_id);
                checks.push(check);
            }
            Err(error) => drop(result.insert(correlation_id, failed(error))),
        }
    }
    let (answer, counts) = app
        .run_evaluation(store, context, move |engine, context| {
            engine.batch_check_until(store, context, checks, None, witness(input.watch.as_ref()))
        })
        .await?;
    app.metrics.evaluated(store, Purpose::Batch, counts.made());
    for (id, outcome) in ids.into_iter().zip(&answer.value) {
        app.metrics.checked(store, outcome.as_ref());
        result.insert(id, shown(outcome));
    }
    let revision = answer.revision;
    Ok(Reply::computed(&answer, BatchChecked { result, revision }))
}

/// Reads one check. Its shape concerns the whole call, what it names only itself.
fn item(fields: &mut Fields) -> Result<Item, ApiError> {
    let correlation_id = fields.string("correlation_id")?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=CORRELATION_ID_BYTES_MAX).contains(&correlation_id.len()) || !correlation_id.bytes().all(allowed)
    {
        let expected = format!("expected 1 to {CORRELATION_ID_BYTES_MAX} letters, digits, `_` and `-`");
        return Err(ApiError::invalid(&fields.path("correlation_id"), expected));
    }
    let context = wire::context(fields)?;
    let check = routes::check::tuple_key(fields);
    let contextual_tuples = wire::contextual_tuples(fields);
    let check =
        check.and_then(|check| Ok(BatchCheckItem { check, contextual_tuples: contextual_tuples?, context }));
    Ok(Item { correlation_id, check })
}

fn check_whole(items: &[Item]) -> Result<(), ApiError> {
    if items.is_empty() {
        return Err(ApiError::invalid(
            "checks",
            "batch check requires at least one check to evaluate, no checks were received",
        ));
    }
    if items.len() > CHECKS_PER_BATCH_MAX {
        let found = items.len();
        let expected =
            format!("batchCheck received {found} checks, the maximum allowed is {CHECKS_PER_BATCH_MAX}");
        return Err(ApiError::invalid("checks", expected));
    }
    let mut seen = std::collections::HashSet::new();
    match items.iter().enumerate().find(|(_, item)| !seen.insert(&item.correlation_id)) {
        None => Ok(()),
        Some((index, item)) => Err(ApiError::invalid(
            &format!("checks[{index}].correlation_id"),
            format!("received duplicate correlation id: {}", item.correlation_id),
        )),
    }
}

fn shown(outcome: &Result<CheckAnswer, EngineError>) -> Outcome {
    match outcome {
        Ok(answer) => Outcome::Decided {
            allowed: answer.allowed,
            stable_until: wire::optional_instant(answer.stable_until),
        },
        Err(error) => failed(error.clone().into()),
    }
}

fn failed(error: ApiError) -> Outcome {
    let (name, ours) = (error.code.name(), error.code.status().is_server_error());
    let (input_error, internal_error) = match error.code {
        _ if ours => (None, Some(name)),
        // The codes that an item may have, as the API's description lists them.
        Code::InvalidTuple | Code::ResolutionTooComplex => (Some(name), None),
        _ => (Some(Code::ValidationError.name()), None),
    };
    Outcome::Failed { error: Failed { input_error, internal_error, message: error.message } }
}
