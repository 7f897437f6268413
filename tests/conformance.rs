//! The given OpenFGA cases: every check and every list whose model has no conditions, in process.
//!
//! The data is not part of the project: it is read from `../shared/conformance`, or from where
//! `TENURE_CONFORMANCE_DIR` says, and the test says so where it is absent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tenure::cel::{Context, canonical};
use tenure::engine::{
    CheckRequest, ContextualTuple, Engine, EngineError, ListObjectsRequest, ListUsersRequest, QueryContext,
    UserFilter, WriteRequest,
};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{
    Instant, Lifetime, Object, StoreId, Subject, SystemClock, TupleCondition, TupleKey, TupleRecord,
};
use tenure::schema;
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};

#[derive(Deserialize)]
struct File {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    name: String,
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    model: String,
    tuples: Option<Vec<Tuple>>,
    #[serde(rename = "checkAssertions")]
    checks: Option<Vec<Check>>,
    #[serde(rename = "listObjectsAssertions")]
    list_objects: Option<Vec<ListObjects>>,
    #[serde(rename = "listUsersAssertions")]
    list_users: Option<Vec<ListUsers>>,
}

#[derive(Deserialize, Clone)]
struct Tuple {
    object: String,
    relation: String,
    user: String,
    condition: Option<GivenCondition>,
}

#[derive(Deserialize, Clone)]
struct GivenCondition {
    name: String,
    context: Option<Context>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    tuple: Tuple,
    contextual_tuples: Option<Vec<Tuple>>,
    context: Option<Context>,
    #[serde(default)]
    expectation: bool,
    error_code: Option<u32>,
}

impl Tuple {
    fn key(&self) -> TupleKey {
        TupleKey::parse(&self.object, &self.relation, &self.user).unwrap()
    }

    fn condition(&self) -> Option<TupleCondition> {
        let GivenCondition { name, context } = self.condition.as_ref()?;
        let context = canonical(context.clone().unwrap_or_default()).into();
        Some(TupleCondition { name: name.as_str().into(), context })
    }

    fn contextual(&self) -> ContextualTuple {
        let written_at = Instant::MIN;
        let record = TupleRecord { lifetime: Lifetime::default(), condition: self.condition(), written_at };
        ContextualTuple { key: self.key(), record }
    }
}

fn write(tuple: &Tuple) -> Write {
    Write {
        key: tuple.key(),
        condition: tuple.condition().map_or(Field::Absent, Field::Set),
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListObjects {
    request: ObjectsRequest,
    contextual_tuples: Option<Vec<Tuple>>,
    context: Option<Context>,
    expectation: Option<Vec<String>>,
    error_code: Option<u32>,
}

#[derive(Deserialize)]
struct ObjectsRequest {
    user: String,
    #[serde(rename = "type")]
    object_type: String,
    relation: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListUsers {
    request: UsersRequest,
    contextual_tuples: Option<Vec<Tuple>>,
    context: Option<Context>,
    expectation: Option<Vec<String>>,
    error_code: Option<u32>,
}

#[derive(Deserialize)]
struct UsersRequest {
    filters: Vec<String>,
    object: String,
    relation: String,
}

/// OpenFGA's number of an error. What the model does not have is another error of a list than of a check.
fn code(error: &EngineError, of_a_list: bool) -> u32 {
    match error {
        EngineError::TooComplex { .. } => 2002,
        EngineError::TypeNotFound { .. } if of_a_list => 2021,
        EngineError::RelationNotFound { .. } if of_a_list => 2022,
        EngineError::InvalidTuple { .. } => 2027,
        _ => 2000,
    }
}

/// A stage under way.
struct Run<'r> {
    engine: &'r Engine<MemoryDatabase>,
    store: StoreId,
    name: String,
    /// Tuples that are given with each query.
    given: &'r [Tuple],
    asked: usize,
    failures: &'r mut Vec<String>,
}

impl Run<'_> {
    fn context(&self, more: Option<&[Tuple]>, context: Option<&Context>) -> QueryContext {
        let given = more.unwrap_or_default().iter().chain(self.given);
        QueryContext {
            contextual_tuples: given.map(Tuple::contextual).collect(),
            context: context.cloned().unwrap_or_default(),
            ..QueryContext::default()
        }
    }

    fn judge<T: PartialEq + std::fmt::Debug>(
        &mut self,
        question: String,
        expected: Result<T, u32>,
        got: Result<T, u32>,
    ) {
        self.asked += 1;
        if got != expected {
            self.failures.push(format!("{}: {question}: expected {expected:?}, got {got:?}", self.name));
        }
    }

    fn check(&mut self, check: &Check) {
        let Tuple { object, relation, user, condition: _ } = &check.tuple;
        let request = CheckRequest {
            object: Object::parse(object).unwrap(),
            relation: relation.as_str().into(),
            subject: Subject::parse(user).unwrap(),
        };
        let context = self.context(check.contextual_tuples.as_deref(), check.context.as_ref());
        let answer = self.engine.check(self.store, &context, &request);
        let got = answer.map(|answer| answer.value.allowed).map_err(|error| code(&error, false));
        let expected = check.error_code.map_or(Ok(check.expectation), Err);
        self.judge(format!("{object}#{relation}@{user}"), expected, got);
    }

    /// What a list expects; each of it is also what a check says.
    fn expected(
        &mut self,
        wanted: Option<&[String]>,
        code: Option<u32>,
        check: impl Fn(&str) -> Check,
    ) -> Result<BTreeSet<String>, u32> {
        let wanted: BTreeSet<String> = wanted.unwrap_or_default().iter().cloned().collect();
        for item in &wanted {
            self.check(&check(item));
        }
        code.map_or(Ok(wanted), Err)
    }

    fn list_objects(&mut self, list: &ListObjects) {
        let ObjectsRequest { user, object_type, relation } = &list.request;
        let expected = self.expected(list.expectation.as_deref(), list.error_code, |object| Check {
            tuple: Tuple {
                object: object.to_owned(),
                relation: relation.clone(),
                user: user.clone(),
                condition: None,
            },
            contextual_tuples: list.contextual_tuples.clone(),
            context: list.context.clone(),
            expectation: true,
            error_code: None,
        });
        let request = ListObjectsRequest {
            subject: Subject::parse(user).unwrap(),
            relation: relation.as_str().into(),
            object_type: object_type.as_str().into(),
        };
        let context = self.context(list.contextual_tuples.as_deref(), list.context.as_ref());
        let answer = self.engine.list_objects(self.store, &context, &request, &|| true);
        let got = answer.map_err(|error| code(&error, true)).map(|(answer, _)| {
            assert_eq!(answer.value.partial, None, "{}", self.name);
            answer.value.items.iter().map(|id| format!("{object_type}:{id}")).collect()
        });
        self.judge(format!("objects {user} {relation} {object_type}"), expected, got);
    }

    fn list_users(&mut self, list: &ListUsers) {
        let UsersRequest { filters, object, relation } = &list.request;
        let expected = self.expected(list.expectation.as_deref(), list.error_code, |user| Check {
            tuple: Tuple {
                object: object.clone(),
                relation: relation.clone(),
                user: user.to_owned(),
                condition: None,
            },
            contextual_tuples: list.contextual_tuples.clone(),
            context: list.context.clone(),
            expectation: true,
            error_code: None,
        });
        let (type_name, of) = filters[0].split_once('#').map_or((&*filters[0], None), |(a, b)| (a, Some(b)));
        let request = ListUsersRequest {
            object: Object::parse(object).unwrap(),
            relation: relation.as_str().into(),
            filter: UserFilter { type_name: type_name.into(), relation: of.map(Into::into) },
        };
        let context = self.context(list.contextual_tuples.as_deref(), list.context.as_ref());
        let answer = self.engine.list_users(self.store, &context, &request, &|| true);
        let got = answer.map_err(|error| code(&error, true)).map(|(answer, _)| {
            assert_eq!(answer.value.partial, None, "{}", self.name);
            answer.value.items.iter().map(Subject::to_string).collect()
        });
        self.judge(format!("users {object}#{relation} {filters:?}"), expected, got);
    }
}

/// Runs a test, its tuples written, or given with each query instead. Answers how many assertions it has.
fn run(test: &Test, contextual: bool, failures: &mut Vec<String>) -> usize {
    let engine = Engine::new(MemoryDatabase::new(Arc::new(SystemClock)), EvaluationLimits::default());
    let store = engine.create_store("conformance").unwrap().id;
    let mut asked = 0;
    for (number, stage) in test.stages.iter().enumerate() {
        let name = format!("{}/{number}{}", test.name, if contextual { " contextual" } else { "" });
        let model = schema::parse(&stage.model)
            .unwrap_or_else(|errors| panic!("{name}: {}", errors.render(&name, false)));
        engine.write_model(store, model).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tuples = stage.tuples.as_deref().unwrap_or_default();
        if !contextual {
            let request =
                WriteRequest { writes: tuples.iter().map(write).collect(), ..WriteRequest::default() };
            engine.write(store, request).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let given = if contextual { tuples } else { &[] };
        let mut run = Run { engine: &engine, store, name, given, asked: 0, failures };
        stage.checks.iter().flatten().for_each(|check| run.check(check));
        stage.list_objects.iter().flatten().for_each(|list| run.list_objects(list));
        stage.list_users.iter().flatten().for_each(|list| run.list_users(list));
        asked += run.asked;
    }
    asked
}

/// The tests of a file; `None` where it is not present.
fn tests_of(name: &str) -> Option<Vec<Test>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    let data = std::env::var_os("TENURE_CONFORMANCE_DIR").map_or(default, PathBuf::from);
    let path = data.join("openfga").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not present", path.display());
        return None;
    };
    // JSON, which a context is in, has no such number; it stands here for a value that is none.
    let text = text.replace(": .inf", ": infinite").replace(": -.inf", ": infinite");
    let file: File = serde_saphyr::from_str(&text).unwrap();
    Some(file.tests)
}

#[test]
fn the_given_assertions_hold() {
    hold("consolidated_1_1_tests.yaml", 1_000);
}

#[test]
fn the_given_assertions_about_conditions_hold() {
    hold("abac_tests.yaml", 100);
}

/// Every assertion of a file holds, and there are at least so many.
fn hold(name: &str, least: usize) {
    let Some(tests) = tests_of(name) else { return };
    let mut asked = 0;
    let mut failures = Vec::new();
    for test in &tests {
        asked += run(test, false, &mut failures);
        let tuples = test.stages[0].tuples.as_ref().map_or(0, Vec::len);
        if test.stages.len() == 1 && tuples <= 90 {
            asked += run(test, true, &mut failures);
        }
    }
    println!("{asked} assertions");
    assert!(asked > least, "{asked} assertions only");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
