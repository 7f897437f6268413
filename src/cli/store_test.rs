//! `tenure model test`: runs the tests of store files in memory and says what failed.
//!
//! Each test is decided by the same engine that the server runs, on a store of its own. What this version cannot
//! evaluate is counted apart and never as passed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::model_file::GivenModel;
use super::store_file::{CheckAssertion, ModelSource, StoreFile, StoreTest, StoreTuple};
use super::tuple_file::{self, Format, GivenTuple};
use crate::engine::{CheckRequest, Engine, QueryContext, WriteRequest};
use crate::model::limits::EvaluationLimits;
use crate::model::{AuthorizationModel, Clock, Instant, Lifetime};
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
    /// Assertions about lists, which this version does not evaluate.
    pub not_evaluated: usize,
}

/// An assertion that did not hold.
#[derive(Debug, Serialize)]
pub struct FailedAssertion {
    /// The test's name.
    pub test: String,
    /// The question, as a tuple.
    pub check: String,
    /// The answer that was expected.
    pub expected: bool,
    /// The answer that was given; `None` where there was none.
    pub got: Option<bool>,
    /// Why there was none.
    pub error: Option<String>,
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
            all.not_evaluated += report.not_evaluated;
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            if all.not_evaluated > 0 {
                writeln!(
                    out,
                    "{} assertions about lists were not evaluated: this version cannot",
                    all.not_evaluated
                )?;
            }
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
        report.not_evaluated += test.list_objects + test.list_users;
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
    if given.condition.is_some() {
        return Err(format!("`{}` has a condition: conditions are not evaluated by this version", given.key));
    }
    let expires_at = match given.expires_at {
        Field::Set(end) => Some(end),
        Field::Absent | Field::Clear => None,
    };
    let lifetime = Lifetime { expires_at, paused: given.paused.unwrap_or(false) };
    Ok(StoreTuple { key: given.key, lifetime, condition: None })
}

fn model(file: &StoreFile, path: &Path) -> Result<AuthorizationModel, Failure> {
    let (name, model) = match &file.model {
        // Its lines are not those of the file, so that its name must not be the file's.
        ModelSource::Inline(text) => {
            (path, GivenModel::text(format!("the model of {}", path.display()), text.clone()))
        }
        ModelSource::File(path) => (path.as_path(), GivenModel::open(path)?),
    };
    let model = model.checked().map_err(|failure| match (failure, &file.model) {
        (Failure::Model { rendered }, ModelSource::Inline(_)) => {
            let rendered = format!(
                "{}\nnote: lines are counted from the first one below `model:` in {}",
                rendered.trim_end(),
                path.display()
            );
            Failure::Model { rendered }
        }
        (failure, _) => failure,
    })?;
    match model.conditions.first() {
        Some(condition) => Err(Failure::Input(format!(
            "{}: condition `{}`: conditions are not evaluated by this version",
            name.display(),
            condition.name
        ))),
        None => Ok(model),
    }
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
    for assertion in &test.checks {
        let CheckAssertion { subject, relation, object, context: _, expected } = assertion;
        let question =
            CheckRequest { object: object.clone(), relation: relation.clone(), subject: subject.clone() };
        let answer = engine.check(store, &QueryContext::default(), &question);
        match answer {
            Ok(answer) if answer.value.allowed == *expected => report.passed += 1,
            other => report.failed.push(FailedAssertion {
                test: test.name.clone(),
                check: format!("{object}#{relation}@{subject}"),
                expected: *expected,
                got: other.as_ref().ok().map(|answer| answer.value.allowed),
                error: other.err().map(|error| error.to_string()),
            }),
        }
    }
    Ok(())
}

fn print(out: &mut impl Write, path: &Path, report: &Report) -> io::Result<()> {
    let word = |allowed: bool| if allowed { "allowed" } else { "denied" };
    for failed in &report.failed {
        let got = match (failed.got, &failed.error) {
            (Some(got), _) => word(got).to_owned(),
            (None, error) => format!("the error: {}", error.as_deref().unwrap_or("none")),
        };
        let FailedAssertion { test, check, expected, .. } = failed;
        writeln!(out, "FAIL {}: {test}: {check}: expected {}, got {got}", path.display(), word(*expected))?;
    }
    Ok(())
}
