//! Assertions: questions with the answers that a model is expected to give, kept for those who test it.

use axum::extract::State;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::cel::canonical;
use crate::engine::CheckRequest;
use crate::model::limits::{ASSERTIONS_BYTES_MAX, ASSERTIONS_MAX, CONTEXTUAL_TUPLES_PER_ASSERTION_MAX};
use crate::model::{AssertedTuple, Assertion, Instant, TupleKey, TupleRecord};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, ModelPath, StorePath};
use crate::server::fields::Fields;
use crate::server::openapi::schema::{boolean, list_of, shape};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::routes::check;
use crate::server::wire::{self, ShownTuple};
use crate::store::Database;
use axum::http::StatusCode;

/// Where the assertions of a model are.
const PATH: &str = "/stores/{store_id}/assertions/{id}";

#[derive(Serialize)]
pub(in crate::server) struct Assertions {
    authorization_model_id: String,
    assertions: Vec<Shown>,
}

/// An assertion as an answer shows it.
#[derive(Serialize)]
struct Shown {
    tuple_key: Key,
    expectation: bool,
    contextual_tuples: Vec<Contextual>,
    context: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Key {
    object: String,
    relation: Box<str>,
    user: String,
}

pub(in crate::server) fn write_operation() -> Operation {
    let tuples = list_of(shapes::given_tuple()).with("maxItems", CONTEXTUAL_TUPLES_PER_ASSERTION_MAX);
    let assertion = shape()
        .must("tuple_key", shapes::given_key())
        .may("expectation", boolean())
        .may("contextual_tuples", tuples)
        .may("context", shapes::context())
        .open();
    let assertions = list_of(assertion.named("GivenAssertion")).with("maxItems", ASSERTIONS_MAX);
    let summary = "Replace the assertions of an authorization model.";
    Operation::new(Verb::Put, PATH, Tag::Assertions, "WriteAssertions", summary)
        .takes(shape().may("assertions", assertions).open().named("WriteAssertionsRequest"))
        .answers_nothing("They are written.")
        .names_revision()
        .fails([
            Code::AssertionsTooMany,
            Code::ExceededEntityLimit,
            Code::TupleKeyNotSpecified,
            Code::AuthorizationModelNotFound,
            Code::StoreNotFound,
        ])
}

/// `PUT /stores/{store_id}/assertions/{id}`
pub(in crate::server) async fn write<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    ModelPath(model): ModelPath,
    input: Input,
) -> Result<Reply<()>, ApiError> {
    let assertions = input.read(|fields| {
        let assertions = fields.objects("assertions", assertion)?;
        check_size(&fields.path("assertions"), &assertions)?;
        Ok(assertions)
    })?;
    let committed = app.commit(move |engine| engine.write_assertions(store, model, assertions)).await??;
    Ok(Reply::no_content().with(model, committed.revision))
}

pub(in crate::server) fn read_operation() -> Operation {
    let assertion = shape()
        .must("tuple_key", shapes::key().closed().named("AssertionTupleKey"))
        .must("expectation", boolean())
        .must("contextual_tuples", list_of(shapes::shown_tuple()))
        .must("context", shapes::context().nullable())
        .closed();
    let body = shape()
        .must("authorization_model_id", shapes::id())
        .must("assertions", list_of(assertion.named("Assertion")))
        .closed();
    let summary = "Get the assertions of an authorization model.";
    Operation::new(Verb::Get, PATH, Tag::Assertions, "ReadAssertions", summary)
        .answers(StatusCode::OK, "The assertions.", body.named("ReadAssertionsResponse"))
        .names_model()
        .fails([Code::AuthorizationModelNotFound, Code::StoreNotFound])
}

/// `GET /stores/{store_id}/assertions/{id}`
pub(in crate::server) async fn read<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    ModelPath(model): ModelPath,
) -> Result<Reply<Assertions>, ApiError> {
    let assertions = app.run_query(move |engine| engine.assertions(store, model)).await?;
    let assertions = assertions.into_iter().map(Shown::new).collect::<Result<_, _>>()?;
    let body = Assertions { authorization_model_id: model.to_string(), assertions };
    Ok(Reply::ok(body).of_model(model))
}

fn assertion(fields: &mut Fields) -> Result<Assertion, ApiError> {
    let CheckRequest { object, relation, subject } = check::tuple_key(fields)?;
    let contextual_tuples = fields.objects("contextual_tuples", wire::asserted_tuple)?;
    if contextual_tuples.len() > CONTEXTUAL_TUPLES_PER_ASSERTION_MAX {
        let (max, found) = (CONTEXTUAL_TUPLES_PER_ASSERTION_MAX, contextual_tuples.len());
        let expected = format!("value must contain no more than {max} item(s), found {found}");
        return Err(ApiError::invalid(&fields.path("contextual_tuples"), expected));
    }
    Ok(Assertion {
        key: TupleKey { object, relation, subject },
        expected: fields.boolean("expectation")?,
        contextual_tuples,
        context: fields.map("context")?.map(|context| canonical(context).into()),
    })
}

fn check_size(path: &str, assertions: &[Assertion]) -> Result<(), ApiError> {
    if assertions.len() > ASSERTIONS_MAX {
        let found = assertions.len();
        let expected = format!("value must contain no more than {ASSERTIONS_MAX} item(s), found {found}");
        return Err(ApiError::field(Code::AssertionsTooMany, path, expected));
    }
    if assertions.iter().map(Assertion::bytes).sum::<usize>() > ASSERTIONS_BYTES_MAX {
        let message = format!("The number of bytes exceeds the allowed limit of {ASSERTIONS_BYTES_MAX}");
        return Err(ApiError::new(Code::ExceededEntityLimit, message));
    }
    Ok(())
}

impl Shown {
    fn new(assertion: Assertion) -> Result<Self, ApiError> {
        let Assertion { key, expected, contextual_tuples, context } = assertion;
        let context = context.map(|context| RawValue::from_string(context.into())).transpose();
        Ok(Self {
            tuple_key: Key {
                object: key.object.to_string(),
                relation: key.relation,
                user: key.subject.to_string(),
            },
            expectation: expected,
            contextual_tuples: contextual_tuples.into_iter().map(Contextual).collect(),
            context: context.map_err(|error| ApiError::internal(error.to_string()))?,
        })
    }
}

struct Contextual(AssertedTuple);

impl Serialize for Contextual {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AssertedTuple { key, lifetime, condition } = &self.0;
        // The instant of writing is not shown.
        let record =
            TupleRecord { lifetime: *lifetime, condition: condition.clone(), written_at: Instant::MIN };
        ShownTuple { key, record: Some(&record) }.serialize(serializer)
    }
}
