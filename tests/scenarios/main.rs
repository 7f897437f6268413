//! The cooperation rules by example: every scenario of the files beside this one is played against the HTTP API, over
//! the store in memory and with a clock that a scenario sets.
//!
//! A scenario has a name, the rules that it proves, what is `given`, and steps: what somebody does (`when`), what comes of
//! it (`then`, `answer`), and who has which role afterwards (`roles`). `file.rs` says what each field means, `phrases.rs`
//! which sentences there are and which request each of them is. `world.yaml` is the world that every scenario begins
//! in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

// The one way to ask the server without a socket; not all of it is needed here.
#[allow(dead_code)]
#[path = "../http/described.rs"]
mod described;
mod file;
#[allow(dead_code)]
#[path = "../http/fixture.rs"]
mod fixture;
mod pattern;
mod phrases;
mod play;

use std::collections::{BTreeMap, BTreeSet};

use file::{Scenario, World};

/// The last rule.
const RULES: u32 = 51;

/// Rules that no sequence of commands can show, and what shows them.
const NOT_HERE: [(u32, &str); 1] =
    [(49, "takes commands that race each other: the concurrent tests of the commands")];

fn play_all(subject: &str) {
    let world = World::read();
    let scenarios = file::scenarios(subject);
    let failures: Vec<String> =
        scenarios.iter().filter_map(|scenario| play::play(&world, scenario).err()).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), scenarios.len(), failures.join("\n"));
}

macro_rules! subjects {
    ($($subject:ident),* $(,)?) => {
        /// The files, one test each.
        const SUBJECTS: &[&str] = &[$(stringify!($subject)),*];
        $(#[test] fn $subject() { play_all(stringify!($subject)); })*
    };
}

subjects!(
    bad_input,
    cooperations,
    delegations,
    grants,
    invitations,
    members,
    organizations,
    record,
    resources,
    shares,
    time,
);

#[test]
fn every_file_is_played() {
    let found: BTreeSet<String> = file::names().into_iter().filter(|name| name != "world").collect();
    assert_eq!(found, SUBJECTS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_rule_is_proven_by_a_scenario() {
    let scenarios: Vec<Scenario> = SUBJECTS.iter().flat_map(|subject| file::scenarios(subject)).collect();
    let mut proven: BTreeMap<u32, usize> = BTreeMap::new();
    for scenario in &scenarios {
        for rule in &scenario.rules {
            let number = rule.strip_prefix('R').and_then(|number| number.parse().ok());
            let number = number.filter(|number| (1..=RULES).contains(number));
            *proven
                .entry(number.unwrap_or_else(|| panic!("`{rule}` is no rule: {}", scenario.name)))
                .or_default() += 1;
        }
    }
    let elsewhere: BTreeSet<u32> = NOT_HERE.iter().map(|(rule, _)| *rule).collect();
    let without: Vec<u32> =
        (1..=RULES).filter(|rule| !proven.contains_key(rule) && !elsewhere.contains(rule)).collect();
    assert!(without.is_empty(), "rules without a scenario: {without:?}");
    for (rule, reason) in NOT_HERE {
        assert!(!proven.contains_key(&rule), "R{rule} has a scenario, and is said to have none: {reason}");
    }
}

#[test]
fn no_two_scenarios_have_the_same_name() {
    let mut names = BTreeSet::new();
    for scenario in SUBJECTS.iter().flat_map(|subject| file::scenarios(subject)) {
        assert!(names.insert(scenario.name.clone()), "{}", scenario.name);
    }
}
