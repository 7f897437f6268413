//! Models by example: our own store files, every assertion of which must hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tenure::cli::store_test::test_file;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn passes(path: &Path) {
    let report = test_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(report.failed.is_empty(), "{}: {:#?}", path.display(), report.failed);
    assert!(report.passed > 0, "{}: no assertion", path.display());
}

#[test]
fn the_cooperation_rules_hold_by_the_graph_alone() {
    passes(&root().join("schema/cooperation.fga.yaml"));
}

#[test]
fn every_rule_that_the_graph_decides_has_a_test() {
    let text = fs::read_to_string(root().join("schema/cooperation.fga.yaml")).unwrap();
    for rule in [5, 6, 10, 11, 13, 14, 17, 26, 27, 33, 34, 35, 37, 38, 39] {
        let named = text.lines().any(|line| {
            let name = line.trim_start().strip_prefix("- name:").map(str::trim_start);
            name.is_some_and(|name| name.trim_start_matches(['"', '\'']).starts_with(&format!("R{rule} ")))
        });
        assert!(named, "no test is named R{rule}");
    }
}

#[test]
fn the_corpus_holds() {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join("tests/corpus")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().for_each(|path| passes(path));
}

/// OpenFGA's own example stores, which are not part of the project.
#[test]
fn the_given_example_stores_hold() {
    let default = root().join("../shared/conformance");
    let data = std::env::var_os("TENURE_CONFORMANCE_DIR").map_or(default, PathBuf::from);
    let data = data.join("openfga/sample-stores");
    let Ok(stores) = fs::read_dir(&data) else {
        eprintln!("skipped: {} is not present", data.display());
        return;
    };
    let files = stores.flat_map(|store| fs::read_dir(store.unwrap().path()).unwrap());
    let files = files.map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".fga.yaml")).collect();
    assert!(files.len() > 10, "{files:?}");
    files.iter().for_each(|path| passes(path));
}
