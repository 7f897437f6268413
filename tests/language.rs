//! OpenFGA's own cases for its language: what it transforms into what, and which errors it gives where.
//!
//! The cases are not part of this repository. They are read from `TENURE_CONFORMANCE_DIR`, by default
//! `../shared/conformance` beside it; without them these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its data does not read")]

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::NonFiniteFloatPolicy;
use tenure::model::AuthorizationModel;
use tenure::schema::json::{Style, from_str, to_value};
use tenure::schema::modules::{ModFile, ModuleText, combine, combine_unchecked};
use tenure::schema::{Diagnostic, Diagnostics, check_syntax, parse, parse_unchecked, print, validate};

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

impl Expected {
    fn place(&self) -> Place {
        (self.line.start, self.column.start, self.column.end)
    }
}

fn place(diagnostic: &Diagnostic) -> Place {
    let columns = diagnostic.column_range();
    (diagnostic.line_index(), columns.start, columns.end)
}

/// Compares places as sets: where one mistake has several errors at one place, fewer may be told.
fn compare(cases: &Path, run: impl Fn(&str) -> Result<(), Diagnostics>) {
    let text = read_to_string(cases).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap();
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in cases.iter().filter(|c| !c.skip) {
        let expected = case.expected_errors.iter().flatten();
        let expected: BTreeSet<Place> = expected.map(Expected::place).collect();
        let diagnostics = run(&case.dsl).err();
        let found: BTreeSet<Place> = diagnostics.iter().flat_map(|d| d.iter()).map(place).collect();
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

#[derive(Deserialize)]
struct ModFileCase {
    name: String,
    #[serde(rename = "modFile")]
    mod_file: String,
    json: Option<String>,
    #[serde(default)]
    skip: bool,
    #[serde(default)]
    expected_errors: Vec<Expected>,
}

#[test]
fn lists_of_modules_are_read_as_in_openfga() {
    let Some(path) = cases("openfga/language/fga-mod-transformer-cases.yaml") else { return };
    let cases: Vec<ModFileCase> = serde_saphyr::from_str(&read_to_string(path).unwrap()).unwrap();
    assert!(!cases.is_empty());
    for case in cases.iter().filter(|case| !case.skip) {
        let read = ModFile::parse(&case.mod_file);
        let found: BTreeSet<Place> =
            read.as_ref().err().into_iter().flat_map(Diagnostics::iter).map(place).collect();
        let expected: BTreeSet<Place> = case.expected_errors.iter().map(Expected::place).collect();
        assert_eq!(found, expected, "{}", case.name);
        if let (Ok(read), Some(json)) = (read, &case.json) {
            let json: Value = serde_json::from_str(json).unwrap();
            let files = json.pointer("/contents/value").and_then(Value::as_array).unwrap();
            let files: Vec<_> = files.iter().map(|file| file.get("value").and_then(Value::as_str)).collect();
            assert_eq!(read.paths().map(Some).collect::<Vec<_>>(), files, "{}", case.name);
        }
    }
}

#[derive(Deserialize)]
struct ExpectedInFile {
    #[serde(default)]
    file: String,
    #[serde(flatten)]
    at: Option<Expected>,
}

/// The files of a directory that are modules, by name.
fn module_files(directory: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "fga"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Asserts that exactly the expected places have errors; some errors are expected without a place.
fn compare_modules(name: &str, files: &[ModuleText<'_>], expected: &[ExpectedInFile]) {
    let errors = combine(files).unwrap_err();
    let found: BTreeSet<(String, Place)> =
        errors.iter().map(|(file, d)| (file.to_owned(), place(d))).collect();
    let placed = expected.iter().filter(|e| !e.file.is_empty());
    let placed: BTreeSet<(String, Place)> =
        placed.map(|e| (e.file.clone(), e.at.as_ref().unwrap().place())).collect();
    let without_place = expected.iter().filter(|e| e.file.is_empty()).count();
    let missing: Vec<_> = placed.difference(&found).collect();
    let others: Vec<_> = found.difference(&placed).collect();
    assert!(
        missing.is_empty() && others.len() == without_place,
        "{name}\n  missing {missing:?}\n  others  {others:?}\n{errors}"
    );
}

#[test]
fn modules_transform_as_in_openfga() {
    let Some(directory) = cases("openfga/transformer-module") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let case = entry.unwrap().path();
        let read = |name: &str| read_to_string(case.join(name)).ok();
        let name = case.display().to_string();
        let files = module_files(&case.join("module"));
        let texts: Vec<_> = files.iter().map(|(path, text)| ModuleText { path, text }).collect();
        if read("test.skip").is_some() {
            continue;
        }
        count += 1;
        if let Some(expected) = read("expected_errors.json") {
            compare_modules(&name, &texts, &serde_json::from_str::<Vec<_>>(&expected).unwrap());
        }
        let Some(json) = read("authorization-model.json") else { continue };
        let from_json = from_str(&json).unwrap_or_else(|e| panic!("{name}: {e}"));
        if !texts.is_empty() {
            let combined = combine_unchecked(&texts).unwrap_or_else(|e| panic!("{name}:\n{e}"));
            let expected: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(to_value(&combined, Style::Compact), expected, "{name}");
            assert_eq!(validate(&combined), [], "{name}");
        }
        let printed = print(&from_json).unwrap();
        if let Some(dsl) = read("combined-sourceinfo.fga") {
            assert_eq!(printed, dsl, "{name}");
        }
        if let Some(dsl) = read("combined.fga") {
            let bare = |line: &str| line.split(" #").next().unwrap().to_owned() + "\n";
            assert_eq!(printed.lines().map(bare).collect::<String>(), dsl, "{name}");
        }
    }
    assert!(count > 0, "no cases");
}

#[test]
fn models_transform_as_in_openfga() {
    let Some(directory) = cases("openfga/transformer") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let case = entry.unwrap().path();
        let read = |name: &str| read_to_string(case.join(name)).ok();
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

/// Asserts that the modules that an `fga.mod` lists are a model that OpenFGA would take.
fn takes_modules(mod_file: &Path) {
    let name = mod_file.display();
    let list = ModFile::parse(&read_to_string(mod_file).unwrap()).unwrap_or_else(|e| panic!("{name}:\n{e}"));
    let directory = mod_file.parent().unwrap();
    let read = |path: &str| (path.to_owned(), read_to_string(directory.join(path)).unwrap());
    let files: Vec<_> = list.paths().map(read).collect();
    let texts: Vec<_> = files.iter().map(|(path, text)| ModuleText { path, text }).collect();
    let model = combine(&texts).unwrap_or_else(|e| panic!("{name}:\n{e}"));
    assert_eq!(validate(&model), [], "{name}");
    assert_eq!(
        from_str(&to_value(&model, Style::Compact).to_string()).map(|m| m.types),
        Ok(sorted(model).types)
    );
}

/// The model with its relations in the order of JSON.
fn sorted(mut model: AuthorizationModel) -> AuthorizationModel {
    model.types.iter_mut().for_each(|t| t.relations.sort_by(|a, b| a.name.cmp(&b.name)));
    model
}

/// The texts of all models in a file, or in the files below a directory.
fn models(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            models(&entry.unwrap().path(), found);
        }
        return;
    }
    let text = read_to_string(path).unwrap();
    let name = path.display().to_string();
    match path.extension().and_then(|e| e.to_str()) {
        Some("fga") => found.push((name, text)),
        Some("mod") => takes_modules(path),
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
