//! OpenFGA's own cases for its language: what it transforms into what, and which errors it gives where.
//!
//! The cases are not part of this repository. They are read from `TENURE_CONFORMANCE_DIR`, by default
//! `../shared/conformance` beside it; without them these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its data does not read")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::NonFiniteFloatPolicy;
use tenure::schema::json::{Style, from_str, to_value};
use tenure::schema::{Diagnostics, check_syntax, parse, parse_unchecked, print, validate};

fn cases(what: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("TENURE_CONFORMANCE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from);
    let path = directory.join(what);
    if path.exists() {
        return Some(path);
    }
    println!("{} is not present, skipped", path.display());
    None
}

#[derive(Deserialize)]
struct Case {
    name: String,
    dsl: String,
    #[serde(default)]
    skip: bool,
    #[serde(default)]
    expected_errors: Option<Vec<Expected>>,
}

#[derive(Deserialize)]
struct Expected {
    line: Bounds,
    column: Bounds,
}

#[derive(Deserialize)]
struct Bounds {
    start: usize,
    end: usize,
}

/// Line, first column, column after the last; all from 0.
type Place = (usize, usize, usize);

/// Compares places as sets: where one mistake has several errors at one place, fewer may be told.
fn compare(cases: &Path, run: impl Fn(&str) -> Result<(), Diagnostics>) {
    let text = std::fs::read_to_string(cases).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap();
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in cases.iter().filter(|c| !c.skip) {
        let expected = case.expected_errors.iter().flatten();
        let expected: BTreeSet<Place> =
            expected.map(|e| (e.line.start, e.column.start, e.column.end)).collect();
        let diagnostics = run(&case.dsl).err();
        let found: BTreeSet<Place> = diagnostics
            .iter()
            .flat_map(|d| d.iter())
            .map(|d| (d.line_index(), d.column_range().start, d.column_range().end))
            .collect();
        if found != expected {
            let rendered = diagnostics.map(|d| d.render("case", false)).unwrap_or_default();
            failures
                .push(format!("{}\n  expected {expected:?}\n  found    {found:?}\n{rendered}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn syntax_errors_are_those_of_openfga() {
    if let Some(path) = cases("openfga/language/dsl-syntax-validation-cases.yaml") {
        compare(&path, check_syntax);
    }
}

#[test]
fn semantic_errors_are_those_of_openfga() {
    if let Some(path) = cases("openfga/language/dsl-semantic-validation-cases.yaml") {
        compare(&path, |text| parse(text).map(|_| ()));
    }
}

#[test]
fn models_transform_as_in_openfga() {
    let Some(directory) = cases("openfga/transformer") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let case = entry.unwrap().path();
        let read = |name: &str| std::fs::read_to_string(case.join(name)).ok();
        let name = case.display();
        let (Some(dsl), Some(json)) = (read("authorization-model.fga"), read("authorization-model.json"))
        else {
            continue;
        };
        count += 1;
        let from_dsl =
            parse_unchecked(&dsl).unwrap_or_else(|e| panic!("{name}:\n{}", e.render("case", false))).model;
        let expected: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(to_value(&from_dsl, Style::Compact), expected, "{name}");
        let from_json = from_str(&json).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(print(&from_json).unwrap(), dsl, "{name}");
        assert_eq!(to_value(&from_json, Style::Compact), expected, "{name}");
        for style in [Style::Compact, Style::Wire] {
            let again = from_str(&to_value(&from_dsl, style).to_string()).unwrap();
            assert_eq!(to_value(&again, Style::Compact), expected, "{name}");
        }
        assert_eq!(validate(&from_json), [], "{name}");
    }
    assert!(count > 0, "no cases");
}

/// A file with models: a store, or tests that write several models each.
#[derive(Deserialize)]
struct ModelFile {
    model: Option<String>,
    #[serde(default)]
    tests: Vec<ModelTest>,
}

#[derive(Deserialize)]
struct ModelTest {
    #[serde(default)]
    stages: Vec<ModelStage>,
}

#[derive(Deserialize)]
struct ModelStage {
    model: String,
}

/// The texts of all models in a file, or in the files below a directory.
fn models(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            models(&entry.unwrap().path(), found);
        }
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.display().to_string();
    match path.extension().and_then(|e| e.to_str()) {
        Some("fga") => found.push((name, text)),
        Some("yaml") => {
            // Other parts of such a file hold infinities, on purpose.
            let options =
                serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
            let file: ModelFile = serde_saphyr::from_str_with_options(&text, options).unwrap();
            let staged = file.tests.into_iter().flat_map(|t| t.stages).map(|s| s.model);
            found.extend(file.model.into_iter().chain(staged).map(|model| (name.clone(), model)));
        }
        _ => {}
    }
}

#[test]
fn models_that_openfga_takes_are_taken() {
    for what in ["openfga/consolidated_1_1_tests.yaml", "openfga/abac_tests.yaml", "openfga/sample-stores"] {
        let Some(path) = cases(what) else { continue };
        let mut found = Vec::new();
        models(&path, &mut found);
        assert!(!found.is_empty(), "{what}");
        for (name, text) in found {
            let read = parse_unchecked(&text)
                .unwrap_or_else(|e| panic!("{name}:\n{text}\n{}", e.render("model", false)));
            if read.module.is_some() {
                continue;
            }
            assert_eq!(validate(&read.model), [], "{name}:\n{text}");
            let wire = to_value(&read.model, Style::Wire).to_string();
            assert_eq!(validate(&from_str(&wire).unwrap()), [], "{name}");
            let printed = print(&read.model).unwrap();
            assert_eq!(parse_unchecked(&printed).unwrap().model, read.model, "{name}");
        }
    }
}
