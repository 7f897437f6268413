//! Evaluation and evaluations: one question, or several in one request.

use axum::extract::State;
use serde::Serialize;

use super::entities::{self, Entities, Question};
use super::{AskedModel, AskedStore, Asking, EVALUATION, EVALUATIONS, query};
use crate::engine::{Answer, BatchCheckItem, CheckAnswer, Engine, EngineError, QueryContext};
use crate::model::limits::CHECKS_PER_BATCH_MAX;
use crate::model::{ModelId, StoreId};
use crate::server::app::{App, witness};
use crate::server::error::ApiError;
use crate::server::extract::Input;
use crate::server::fields::Fields;
use crate::server::metrics::Purpose;
use crate::server::observation::Watch;
use crate::server::openapi::Operation;
use crate::server::openapi::schema::{Schema, Shape, boolean, choice, integer, list_of, one_of, shape, text};
use crate::server::openapi::shapes;
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;
use axum::http::StatusCode;

/// The answer to one question.
#[derive(Serialize)]
pub(super) struct Decision {
    decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// What there is to say beside the decision.
#[derive(Serialize)]
#[serde(untagged)]
enum Context {
    /// Time alone may change the decision from this instant on.
    Ends { stable_until: String },
    /// There is no decision; it counts as a denial.
    Failed { error: Failed },
}

#[derive(Serialize)]
pub(super) struct Failed {
    status: u16,
    message: String,
}

/// The answer to several questions.
#[derive(Serialize)]
pub(super) struct Decisions {
    /// The answer where the request was one question, as the specification has it.
    #[serde(flatten)]
    single: Option<Decision>,
    evaluations: Vec<Decision>,
}

/// Of which decision the first one ends the evaluations.
struct Semantic(Option<bool>);

/// What evaluations ask.
enum Asked {
    One(Question),
    Many(Vec<Question>, Semantic),
}

pub(super) fn evaluation_operation(asking: Asking) -> Operation {
    let summary = "Ask whether a subject may do something with a resource.";
    let request = entities::asked(shape(), Shape::must).open().named("EvaluationRequest");
    asking
        .operation(EVALUATION, "Evaluation", summary)
        .takes(request)
        .answers(StatusCode::OK, "The decision.", decision())
        .names_revision()
}

/// `POST /access/v1/evaluation`
pub(super) async fn evaluation<D: Database>(
    State(app): State<App<D>>,
    store: AskedStore,
    AskedModel(model): AskedModel,
    input: Input,
) -> Result<Reply<Decision>, ApiError> {
    let question = input.read(|fields| {
        let entities = Entities::read(fields)?;
        entities.question(|name| fields.path(name))
    })?;
    let answer = ask(&app, store.id, model, question, input.watch).await?;
    Ok(Reply::computed(&answer, Decision::new(&answer.value)))
}

pub(super) fn evaluations_operation(asking: Asking) -> Operation {
    let summary = "Ask several questions in one request.";
    let semantics = choice(["execute_all", "deny_on_first_deny", "permit_on_first_permit"])
        .says("Whether all questions are answered, or none behind the first that is denied, or permitted.");
    let options = shape().may("evaluations_semantic", semantics).open();
    let item = entities::asked(shape(), Shape::may).open().named("EvaluationsItem");
    let request = entities::asked(shape(), Shape::may)
        .may("options", options.named("EvaluationsOptions"))
        .may("evaluations", list_of(item).with("maxItems", CHECKS_PER_BATCH_MAX));
    let body = shape()
        .may("decision", boolean())
        .may("context", decision_context())
        .must("evaluations", list_of(decision()))
        .closed();
    asking
        .operation(EVALUATIONS, "Evaluations", summary)
        .note("What an item lacks, it takes from the request. Without items the request is one question.")
        .takes(request.open().named("EvaluationsRequest"))
        .answers(
            StatusCode::OK,
            "The decisions, in the order of the questions.",
            body.named("EvaluationsResponse"),
        )
        .names_revision()
}

/// A decision, as [`Decision`] is written.
fn decision() -> Schema {
    shape()
        .must("decision", boolean())
        .may("context", decision_context())
        .closed()
        .named("EvaluationResponse")
}

fn decision_context() -> Schema {
    let until =
        shapes::instant().says("Up to this instant, exclusive, time alone cannot change the decision.");
    let ends = shape().must("stable_until", until).closed();
    let failed = shape().must("error", failed()).closed();
    one_of([ends, failed]).named("EvaluationResponseContext")
}

/// Why there is no decision.
pub(super) fn failed() -> Schema {
    shape().must("status", integer(400)).must("message", text()).closed().named("EvaluationError")
}

/// `POST /access/v1/evaluations`
pub(super) async fn evaluations<D: Database>(
    State(app): State<App<D>>,
    store: AskedStore,
    AskedModel(model): AskedModel,
    input: Input,
) -> Result<Reply<Decisions>, ApiError> {
    let (questions, Semantic(until)) = match input.read(asked)? {
        Asked::Many(questions, semantic) => (questions, semantic),
        Asked::One(question) => {
            let answer = ask(&app, store.id, model, question, input.watch).await?;
            let decision = || Decision::new(&answer.value);
            let body = Decisions { single: Some(decision()), evaluations: vec![decision()] };
            return Ok(Reply::computed(&answer, body));
        }
    };
    let context = QueryContext { model, ..QueryContext::default() };
    let ask = move |engine: &Engine<D>, context: &QueryContext| {
        // Each is made when it is its turn, and gone before the next.
        let checks = questions.into_iter().map(item);
        engine.batch_check_until(store.id, context, checks, until, witness(input.watch.as_ref()))
    };
    let (answer, counts) = app.run_evaluation(store.id, context, ask).await?;
    app.metrics.evaluated(store.id, Purpose::Batch, counts.made());
    let decision = |outcome: &Result<CheckAnswer, EngineError>| {
        app.metrics.checked(store.id, outcome.as_ref());
        outcome.as_ref().map_or_else(|error| Decision::failed(error.clone().into()), Decision::new)
    };
    let evaluations = answer.value.iter().map(decision).collect();
    Ok(Reply::computed(&answer, Decisions { single: None, evaluations }))
}

/// Reads everything that evaluations ask. What cannot be read, or lacks a part, concerns the whole request.
fn asked(fields: &mut Fields) -> Result<Asked, ApiError> {
    let defaults = Entities::read(fields)?;
    let semantic = fields.object("options", semantic)?.unwrap_or(Semantic(None));
    let questions = fields.objects_if("evaluations", may_be_asked, |fields| {
        let entities = Entities::read(fields)?.or(&defaults);
        entities.question(|name| fields.path(name))
    })?;
    if questions.is_empty() {
        return Ok(Asked::One(defaults.question(|name| fields.path(name))?));
    }
    Ok(Asked::Many(questions, semantic))
}

/// Whether so many evaluations may be asked in one request.
fn may_be_asked(found: usize) -> Result<(), ApiError> {
    if found <= CHECKS_PER_BATCH_MAX {
        return Ok(());
    }
    let expected = format!("received {found} evaluations, the maximum allowed is {CHECKS_PER_BATCH_MAX}");
    Err(ApiError::invalid("evaluations", expected))
}

/// Reads `evaluations_semantic`.
fn semantic(fields: &mut Fields) -> Result<Semantic, ApiError> {
    match fields.string("evaluations_semantic")?.as_str() {
        "" | "execute_all" => Ok(Semantic(None)),
        "deny_on_first_deny" => Ok(Semantic(Some(false))),
        "permit_on_first_permit" => Ok(Semantic(Some(true))),
        _ => Err(ApiError::invalid(
            &fields.path("evaluations_semantic"),
            "expected one of `execute_all`, `deny_on_first_deny` and `permit_on_first_permit`",
        )),
    }
}

async fn ask<D: Database>(
    app: &App<D>,
    store: StoreId,
    model: Option<ModelId>,
    question: Question,
    watch: Option<Watch>,
) -> Result<Answer<CheckAnswer>, ApiError> {
    let (check, context) = question.into_check();
    let context = query(model, context);
    let outcome = app.check(store, context, check, watch).await;
    app.metrics.checked(store, outcome.as_ref().map(|(answer, _)| &answer.value));
    let (answer, counts) = outcome?;
    app.metrics.evaluated(store, Purpose::Check, counts.made());
    Ok(answer)
}

fn item(question: Question) -> BatchCheckItem {
    let (check, context) = question.into_check();
    BatchCheckItem { check, contextual_tuples: Vec::new(), context }
}

impl Decision {
    fn new(answer: &CheckAnswer) -> Self {
        let ends = |until| Context::Ends { stable_until: wire::instant(until) };
        Self { decision: answer.allowed, context: answer.stable_until.map(ends) }
    }

    /// A question that has no answer is denied.
    fn failed(error: ApiError) -> Self {
        Self { decision: false, context: Some(Context::Failed { error: Failed::new(error) }) }
    }
}

impl Failed {
    pub(super) fn new(error: ApiError) -> Self {
        Self { status: error.code.status().as_u16(), message: error.message }
    }
}
