//! The guide for operators names only what there is.

use std::collections::BTreeSet;
use std::fs;

use crate::metrics::{Busy, alerts};
use crate::{ok, repository};

fn guide() -> String {
    fs::read_to_string(repository("docs/operations.md")).unwrap()
}

/// What stands in the text between backticks, but for blocks.
fn quoted(text: &str) -> BTreeSet<String> {
    let mut block = false;
    let mut outside = String::new();
    for line in text.lines() {
        match line.starts_with("```") {
            true => block = !block,
            false if block => {}
            false => outside.extend([line, "\n"]),
        }
    }
    outside.split('`').skip(1).step_by(2).map(|quoted| quoted.replace('\n', " ")).collect()
}

#[test]
fn every_option_in_the_guide_exists_and_has_the_default_that_it_says() {
    let guide = guide();
    let serve = ok(&["serve", "--help"]);
    let others = [
        &["store", "verify", "--help"][..],
        &["health", "--help"],
        &["man", "--help"],
        &["key", "create", "--help"],
    ];
    let others: String = others.map(ok).concat();
    let mut found = 0;
    for quoted in quoted(&guide) {
        // Those of other programs.
        if quoted.starts_with("docker ") || quoted.starts_with("system") {
            continue;
        }
        for option in quoted.split_whitespace().filter(|word| word.starts_with("--")) {
            let is_one = |help: &str| help.split_whitespace().any(|word| word == option);
            assert!(is_one(&serve) || is_one(&others), "there is no {option}");
            found += 1;
        }
    }
    assert!(found > 25, "{found}");
    // One line of help for each option, with its default at its end.
    let serve = serve.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows: Vec<Vec<&str>> = guide
        .lines()
        .filter(|line| line.starts_with("| `--"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 20);
    for row in rows {
        let (option, default) = (row[0].trim_matches('`'), row[2]);
        let (_, rest) =
            serve.split_once(&format!("{option} <")).unwrap_or_else(|| panic!("{option} is none of serve's"));
        let (_, rest) = rest.split_once("[default: ").unwrap_or_else(|| panic!("{option} has no default"));
        assert_eq!(rest.split(']').next(), Some(default), "{option}");
    }
}

#[test]
fn every_metric_in_the_guide_is_served() {
    let samples = Busy::start().samples();
    let quoted = quoted(&guide());
    let metrics: Vec<&String> = quoted
        .iter()
        .filter(|quoted| quoted.starts_with("tenure_") || quoted.starts_with("process_"))
        .collect();
    assert!(metrics.len() > 15);
    for metric in metrics {
        assert!(samples.has(metric), "{metric} is not served");
    }
}

#[test]
fn every_alert_is_explained_under_its_name_and_no_other_is() {
    let guide = guide();
    let explained: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(explained, alerts());
}

#[test]
fn every_file_that_the_guide_names_exists() {
    let guide = guide();
    for link in guide.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(repository("docs").join(link).exists(), "{link}");
    }
}
