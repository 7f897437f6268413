//! The given OpenFGA cases: every check assertion whose model has no conditions, in process.
//!
//! The data is not part of the project: it is read from `../shared/conformance`, or from where
//! `TENURE_CONFORMANCE_DIR` says, and the test says so where it is absent. List assertions and conditions are not
//! evaluated by this version.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tenure::engine::{CheckRequest, ContextualTuple, Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Instant, Lifetime, Object, Subject, SystemClock, TupleKey, TupleRecord};
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
}

#[derive(Deserialize, Clone)]
struct Tuple {
    object: String,
    relation: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    tuple: Tuple,
    contextual_tuples: Option<Vec<Tuple>>,
    #[serde(default)]
    expectation: bool,
    error_code: Option<u32>,
}

impl Tuple {
    fn key(&self) -> TupleKey {
        TupleKey::parse(&self.object, &self.relation, &self.user).unwrap()
    }

    fn contextual(&self) -> ContextualTuple {
        let written_at = Instant::MIN;
        let record = TupleRecord { lifetime: Lifetime::default(), condition: None, written_at };
        ContextualTuple { key: self.key(), record }
    }
}

fn write(tuple: &Tuple) -> Write {
    Write {
        key: tuple.key(),
        condition: Field::Absent,
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
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
        for check in stage.checks.as_deref().unwrap_or_default() {
            let given = check.contextual_tuples.as_deref().unwrap_or_default().iter();
            let more = if contextual { tuples } else { &[] };
            let context = QueryContext {
                contextual_tuples: given.chain(more).map(Tuple::contextual).collect(),
                ..QueryContext::default()
            };
            let Tuple { object, relation, user } = &check.tuple;
            let request = CheckRequest {
                object: Object::parse(object).unwrap(),
                relation: relation.as_str().into(),
                subject: Subject::parse(user).unwrap(),
            };
            let answer = engine.check(store, &context, &request).map(|answer| answer.value.allowed);
            let as_expected = match (&answer, check.error_code) {
                (Ok(allowed), None) => *allowed == check.expectation,
                (answer, code) => answer.is_err() == code.is_some(),
            };
            asked += 1;
            if !as_expected {
                let expected = (check.expectation, check.error_code);
                failures.push(format!(
                    "{name}: {object}#{relation}@{user}: expected {expected:?}, got {answer:?}"
                ));
            }
        }
    }
    asked
}

#[test]
fn the_given_check_assertions_hold() {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    let data = std::env::var_os("TENURE_CONFORMANCE_DIR").map_or(default, PathBuf::from);
    let mut asked = 0;
    let mut failures = Vec::new();
    let path = data.join("openfga/consolidated_1_1_tests.yaml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not present", path.display());
        return;
    };
    let file: File = serde_saphyr::from_str(&text).unwrap();
    for test in &file.tests {
        if test.stages.iter().any(|stage| stage.model.lines().any(|line| line.starts_with("condition "))) {
            continue;
        }
        asked += run(test, false, &mut failures);
        let tuples = test.stages[0].tuples.as_ref().map_or(0, Vec::len);
        if test.stages.len() == 1 && tuples <= 90 {
            asked += run(test, true, &mut failures);
        }
    }
    println!("{asked} assertions");
    assert!(asked > 300, "{asked} assertions only");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
