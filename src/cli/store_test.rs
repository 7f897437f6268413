//! `tenure model test`: runs the tests of store files in memory and says what failed.
//!
//! Each test is decided by the same engine that the server runs, on a store of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::model_file::GivenModel;
use super::store_file::{CheckAssertion, ModelSource, StoreFile, StoreTest, StoreTuple};
use super::store_file_lists::{ListAssertion, ListQuestion};
use super::tuple_file::{self, Format, GivenTuple};
use crate::cel::{Context, canonical};
use crate::engine::{CheckRequest, Engine, QueryContext, WriteRequest};
use crate::model::limits::EvaluationLimits;
use crate::model::{AuthorizationModel, Clock, Instant, Lifetime, StoreId, Subject, TupleCondition};
use crate::store::memory::MemoryDatabase;
use crate::store::{Field, OnDuplicate, Write as TupleWrite};

/// Run the tests of store files (`*.fga.yaml`) in memory, without a server
#[derive(Debug, Args)]
#[command(after_help = "\
Additions to the format: `expires_at` and `paused` on a tuple, and `at`, the instant that a test is decided for.

Exit code: 0 all passed, 1 some failed, 2 a file cannot be used.")]
pub struct TestArgs {
    /// The store files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object for programs
    #[arg(long)]
    json: bool,
}

/// What came of one file.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Assertions that held.
    pub passed: usize,
    /// Those that did not.
    pub failed: Vec<FailedAssertion>,
}

/// An assertion that did not hold.
#[derive(Debug, Serialize)]
pub struct FailedAssertion {
    /// The test's name.
    pub test: String,
    /// The question: a tuple, or a list.
    pub check: String,
    /// The answer that was expected.
    pub expected: Outcome,
    /// The answer that was given; `None` where there was none.
    pub got: Option<Outcome>,
    /// Why there was none.
    pub error: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Whether it is allowed.
    Decision(bool),
    /// Everything in the list.
    List(BTreeSet<String>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision(true) => f.write_str("allowed"),
            Self::Decision(false) => f.write_str("denied"),
            Self::List(items) if items.is_empty() => f.write_str("an empty list"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(String::as_str).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

impl TestArgs {
    /// Runs all files. Answers whether every assertion held.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let mut all = Report::default();
        for path in &self.files {
            let report = test_file(path)?;
            if !self.json {
                print(out, path, &report)?;
            }
            all.passed += report.passed;
            all.failed.extend(report.failed);
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{} passed, {} failed", all.passed, all.failed.len())?;
        }
        Ok(all.failed.is_empty())
    }
}

/// Runs the tests of the store file at `path`.
pub fn test_file(path: &Path) -> Result<Report, Failure> {
    if path.extension().is_some_and(|ending| ending == "fga") {
        return Err(Failure::Input(format!(
            "`{}` is a model; the tests are in a store file (`*.fga.yaml`), and `tenure model check` checks a model",
            path.display()
        )));
    }
    let text = read_text(path)?;
    let file =
        StoreFile::parse(path, &text, &read_tuples).map_err(|error| Failure::Input(error.to_string()))?;
    let model = model(&file, path)?;
    let mut report = Report::default();
    for test in &file.tests {
        let tuples: Vec<_> = file.tuples_of(test).collect();
        run_test(&model, test, &tuples, &mut report)
            .map_err(|reason| Failure::Input(format!("{}: {}: {reason}", path.display(), test.name)))?;
    }
    Ok(report)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|reason| Failure::Read { name: path.display().to_string(), reason })
}

fn read_tuples(path: &Path) -> Result<Vec<StoreTuple>, String> {
    let format = Format::of(path).map_err(|error| error.to_string())?;
    let text = fs::File::open(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    let given =
        tuple_file::read(&path.display().to_string(), format, text).map_err(|error| error.to_string())?;
    given.into_iter().map(stored).collect()
}

fn stored(given: GivenTuple) -> Result<StoreTuple, String> {
    let condition = given.condition.map(|condition| {
        let GivenCondition { name, context } = serde_json::from_value(condition)
            .map_err(|error| format!("the condition of `{}`: {error}", given.key))?;
        Ok::<_, String>(TupleCondition { name, context: canonical(context).into() })
    });
    let expires_at = match given.expires_at {
        Field::Set(end) => Some(end),
        Field::Absent | Field::Clear => None,
    };
    let lifetime = Lifetime { expires_at, paused: given.paused.unwrap_or(false) };
    Ok(StoreTuple { key: given.key, lifetime, condition: condition.transpose()? })
}

/// A condition as files of tuples have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenCondition {
    name: Box<str>,
    #[serde(default)]
    context: Context,
}

fn model(file: &StoreFile, path: &Path) -> Result<AuthorizationModel, Failure> {
    let model = match &file.model {
        // Its lines are not those of the file, so that its name must not be the file's.
        ModelSource::Inline(text) => {
            GivenModel::text(format!("the model of {}", path.display()), text.clone())
        }
        ModelSource::File(path) => GivenModel::open(path)?,
    };
    model.checked().map_err(|failure| match (failure, &file.model) {
        (Failure::Model { rendered }, ModelSource::Inline(_)) => {
            let rendered = format!(
                "{}\nnote: lines are counted from the first one below `model:` in {}",
                rendered.trim_end(),
                path.display()
            );
            Failure::Model { rendered }
        }
        (failure, _) => failure,
    })
}

/// The instant of a test.
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }
}

/// Decides one test in a store of its own. An error is one of the test's set-up.
fn run_test(
    model: &AuthorizationModel,
    test: &StoreTest,
    tuples: &[&StoreTuple],
    report: &mut Report,
) -> Result<(), String> {
    // Where no tuple expires, any instant gives the same answers.
    let at = test.at.unwrap_or(Instant::MIN);
    let engine = Engine::new(MemoryDatabase::new(Arc::new(Still(at))), EvaluationLimits::default());
    let store = engine.create_store("test").map_err(|error| error.to_string())?.id;
    engine.write_model(store, model.clone()).map_err(|error| error.to_string())?;
    let write = |tuple: &&StoreTuple| TupleWrite {
        key: tuple.key.clone(),
        condition: tuple.condition.clone().map_or(Field::Absent, Field::Set),
        expires_at: tuple.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(tuple.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    };
    let request = WriteRequest { writes: tuples.iter().map(write).collect(), ..WriteRequest::default() };
    engine.write(store, request).map_err(|error| error.to_string())?;
    for CheckAssertion { subject, relation, object, context, expected } in &test.checks {
        let question =
            CheckRequest { object: object.clone(), relation: relation.clone(), subject: subject.clone() };
        let answer = engine.check(store, &query_context(context), &question);
        let got = answer.map(|answer| Outcome::Decision(answer.value.allowed));
        let got = got.map_err(|error| error.to_string());
        report.add(test, format!("{object}#{relation}@{subject}"), Outcome::Decision(*expected), got);
    }
    for ListAssertion { question, context, expected } in &test.lists {
        let got = list(&engine, store, &query_context(context), question).map(Outcome::List);
        report.add(test, question.to_string(), Outcome::List(expected.clone()), got);
    }
    Ok(())
}

fn query_context(context: &Context) -> QueryContext {
    QueryContext { context: context.clone(), ..QueryContext::default() }
}

/// Asks for a list, which must be whole.
fn list(
    engine: &Engine<MemoryDatabase>,
    store: StoreId,
    context: &QueryContext,
    question: &ListQuestion,
) -> Result<BTreeSet<String>, String> {
    let (items, partial) = match question {
        ListQuestion::Objects(request) => {
            let (answer, _) =
                engine.list_objects(store, context, request, &|| true).map_err(|error| error.to_string())?;
            let names = answer.value.items.iter().map(|id| format!("{}:{id}", request.object_type));
            (names.collect(), answer.value.partial)
        }
        ListQuestion::Users(request) => {
            let (answer, _) =
                engine.list_users(store, context, request, &|| true).map_err(|error| error.to_string())?;
            (answer.value.items.iter().map(Subject::to_string).collect(), answer.value.partial)
        }
    };
    partial.map_or(Ok(items), |partial| Err(format!("the list is not whole: {partial}")))
}

impl Report {
    /// Takes in what came of an assertion.
    fn add(&mut self, test: &StoreTest, check: String, expected: Outcome, got: Result<Outcome, String>) {
        if got.as_ref() == Ok(&expected) {
            self.passed += 1;
            return;
        }
        let (got, error) = match got {
            Ok(got) => (Some(got), None),
            Err(error) => (None, Some(error)),
        };
        self.failed.push(FailedAssertion { test: test.name.clone(), check, expected, got, error });
    }
}

fn print(out: &mut impl Write, path: &Path, report: &Report) -> io::Result<()> {
    for failed in &report.failed {
        let got = match (&failed.got, &failed.error) {
            (Some(got), _) => got.to_string(),
            (None, error) => format!("the error: {}", error.as_deref().unwrap_or("none")),
        };
        let FailedAssertion { test, check, expected, .. } = failed;
        writeln!(out, "FAIL {}: {test}: {check}: expected {expected}, got {got}", path.display())?;
    }
    Ok(())
}
