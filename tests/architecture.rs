//! What each part may know (docs/architecture.md): arrows go down only, and what is to stay behind one door does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The parts, lowest first. A part may name only those before it.
const PARTS: [&str; 11] =
    ["model", "cel", "schema", "store", "callers", "eval", "cache", "engine", "cooperation", "server", "cli"];

/// Where the load tester has many requests under way at once, and where commands listen for a signal. All else waits.
const ASYNC_CLI: [&str; 3] = ["cli/load/connection.rs", "cli/load/drive.rs", "cli/interrupt.rs"];

/// What may be named only below these paths.
const BEHIND_ONE_DOOR: [(&str, &[&str]); 8] = [
    ("rocksdb::", &["store/rocks/"]),
    ("bincode::", &["store/rocks/records.rs", "store/rocks/records_tests.rs"]),
    ("axum::", &["server/", "cli/serve.rs"]),
    ("tokio::", &["server/", "cli/serve.rs", ASYNC_CLI[0], ASYNC_CLI[1], ASYNC_CLI[2]]),
    ("hyper::client::", &["cli/load/connection.rs"]),
    ("opentelemetry", &["server/traces.rs", "cli/serve_traces.rs", "cli/serve.rs"]),
    ("SystemClock", &["model/time.rs", "model/mod.rs", "cli/", "main.rs"]),
    ("SystemTime::now", &["model/time.rs"]),
];

fn sources() -> Vec<(String, String)> {
    fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        (name, code(&fs::read_to_string(&path).unwrap()))
    };
    paths.into_iter().map(read).collect()
}

/// The text without comments, so that a module's documentation may speak of what its code may not name.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The part that a file belongs to; `None` for the crate's roots.
fn part(name: &str) -> Option<usize> {
    let first = name.split('/').next()?;
    PARTS.iter().position(|part| *part == first)
}

/// The parts that a text names: `crate::eval::…`, `crate::{eval::…, store::…}`, `tenure::eval::…`.
fn named(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for root in ["crate::", "tenure::"] {
        for rest in text.split(root).skip(1) {
            let group = rest.strip_prefix('{').map(|rest| rest.split('}').next().unwrap_or(rest));
            let names: Vec<&str> = match group {
                Some(group) => group.split(',').map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let word: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.extend(PARTS.iter().position(|part| *part == word));
            }
        }
    }
    found
}

#[test]
fn arrows_go_down_only() {
    let mut wrong = Vec::new();
    let mut parts_seen = 0;
    for (name, text) in sources() {
        let Some(own) = part(&name) else { continue };
        parts_seen |= 1 << own;
        for other in named(&text) {
            if other > own {
                wrong.push(format!("{name} names `{}`, which is above `{}`", PARTS[other], PARTS[own]));
            }
        }
    }
    assert!(parts_seen > 0, "no sources found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_across_a_group_is_seen() {
    assert_eq!(named("use crate::{eval::Plan, model::Id};"), [5, 0]);
    assert_eq!(named("crate::server::api(); tenure::cli::run()"), [9, 10]);
    assert_eq!(named("crate_store::x"), []);
}

#[test]
fn every_file_belongs_to_a_part() {
    for (name, _) in sources() {
        assert!(part(&name).is_some() || name == "lib.rs" || name == "main.rs", "{name} belongs to no part");
    }
}

#[test]
fn what_stays_behind_one_door_is_named_nowhere_else() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (what, doors) in BEHIND_ONE_DOOR {
            if text.contains(what) && !doors.iter().any(|door| name.starts_with(door)) {
                wrong.push(format!("{name} names `{what}`, which belongs to {doors:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    const LINES_MAX: usize = 700;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (name, _) in sources() {
        let lines = fs::read_to_string(root.join(&name)).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines; give each subject its own file");
    }
}
