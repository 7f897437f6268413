//! Workloads: tuples and questions of known shapes, made from a seed.
//!
//! The benches, loading a server and comparisons use the same ones, so that figures can be held side by side. How
//! tuples are stored and decided is not known here: the answer to each question follows from how the tuples were
//! made.

mod cooperation;
mod lists;
mod random;

pub use cooperation::{Cooperation, Kind, MODEL as COOPERATION_MODEL, Skew};
pub use lists::{LISTED, Listing, MODEL as LISTS_MODEL, listings, tuples as list_tuples};

use crate::engine::CheckRequest;
use crate::model::{Lifetime, Object, Subject, TupleKey};
use random::Random;

/// A tuple of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuple {
    /// Its key.
    pub key: TupleKey,
    /// When it counts.
    pub lifetime: Lifetime,
}

/// A question with the answer to it.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked.
    pub check: CheckRequest,
    /// Whether it is to be allowed.
    pub allowed: bool,
}

/// A workload with few questions, each about one thing.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The model, in the DSL.
    pub model: &'static str,
    /// The tuples, no key twice.
    pub tuples: Vec<Tuple>,
    /// The questions, each with its name.
    pub questions: Vec<(&'static str, Question)>,
}

const GROUPS_MODEL: &str = "model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type document
  relations
    define viewer: [user, group#member]
";

const HIERARCHY_MODEL: &str = "model
  schema 1.1

type user

type folder
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent

type document
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent
";

/// Groups within groups, in hops from the document to the user's own group.
const GROUPS_DEPTH: u32 = 10;
const WIDE_GROUP_MEMBERS: u32 = 10_000;
const GROUPS_SHARED_WITH: u32 = 1_000;

const FOLDERS_DEPTH: u32 = 20;
/// Rows of folders, each within the one before it.
const FOLDER_ROWS: u32 = 500;
const DOCUMENTS: u32 = 100_000;

/// A document that a user sees directly, one shared with ten groups within each other, one with a group of 10,000
/// members, and one with 1,000 groups of three members.
pub fn groups() -> Workload {
    let document = |id: &str| object("document", id.to_owned());
    let group = |id: &str, number: u32| object("group", format!("{id}-{number}"));
    let member = |of: Object| Subject::Userset(of, "member".into());
    let mut tuples = vec![tuple(document("direct"), "viewer", user("direct"))];
    tuples.push(tuple(document("nested"), "viewer", member(group("nested", 1))));
    for depth in 1..GROUPS_DEPTH {
        tuples.push(tuple(group("nested", depth), "member", member(group("nested", depth + 1))));
    }
    tuples.push(tuple(group("nested", GROUPS_DEPTH), "member", user("nested")));
    tuples.push(tuple(document("wide"), "viewer", member(group("wide", 0))));
    for number in 0..WIDE_GROUP_MEMBERS {
        tuples.push(tuple(group("wide", 0), "member", user(&format!("wide-{number}"))));
    }
    for number in 0..GROUPS_SHARED_WITH {
        tuples.push(tuple(document("shared"), "viewer", member(group("shared", number))));
        for own in 0..3 {
            tuples.push(tuple(group("shared", number), "member", user(&format!("shared-{number}-{own}"))));
        }
    }
    let ask = |id: &str, who: &str, allowed| question(document(id), "viewer", user(who), allowed);
    let questions = vec![
        ("direct tuple", ask("direct", "direct", true)),
        ("nested groups, depth 10", ask("nested", "nested", true)),
        ("nested groups, depth 10, denied", ask("nested", "direct", false)),
        ("group of 10,000", ask("wide", "wide-7777", true)),
        ("group of 10,000, denied", ask("wide", "nested", false)),
        ("1,000 groups", ask("shared", "shared-777-1", true)),
        ("1,000 groups, denied", ask("shared", "nested", false)),
    ];
    Workload { model: GROUPS_MODEL, tuples, questions }
}

/// One park shared with `count` partners at mixed roles; asked by the admin of one of them, and by the admin of an
/// organization that has a cooperation of its own, with somebody else.
pub fn partners(count: u32) -> Workload {
    let organization = |id: &str| object("organization", id.to_owned());
    let park = || object("park", "shared".into());
    let mut tuples = vec![
        tuple(park(), "owner", Subject::Object(organization("owner"))),
        tuple(organization("owner"), "admin", user("owner-admin")),
    ];
    let mut cooperation = |id: &str, initiator: &str, partner: &str| {
        let cooperation = || object("cooperation", id.to_owned());
        tuples.push(tuple(organization(partner), "admin", user(&format!("{partner}-admin"))));
        tuples.push(tuple(cooperation(), "initiator", Subject::Object(organization(initiator))));
        tuples.push(tuple(cooperation(), "linked", Subject::Object(organization(partner))));
        tuples.push(tuple(cooperation(), "partner", Subject::Object(organization(partner))));
    };
    cooperation("other", "elsewhere", "stranger");
    for number in 0..count {
        cooperation(&format!("shared-{number}"), "owner", &format!("partner-{number}"));
    }
    for number in 0..count {
        let share = match number % 3 {
            0 => "viewer_share",
            1 => "technical_manager_share",
            _ => "asset_manager_share",
        };
        let by = Subject::Object(object("cooperation", format!("shared-{number}")));
        tuples.push(tuple(park(), share, by));
    }
    let partner = format!("partner-{}-admin", count.saturating_mul(7) / 10);
    let questions = vec![
        ("allowed", question(park(), "viewer", user(&partner), true)),
        ("denied", question(park(), "viewer", user("stranger-admin"), false)),
    ];
    Workload { model: COOPERATION_MODEL, tuples, questions }
}

/// 500 rows of 20 folders within each other and 100,000 documents in the innermost ones; each row is seen by one user
/// through its outermost folder.
pub fn hierarchy(seed: u64) -> Workload {
    let mut random = Random::new(seed);
    let folder = |row: u32, depth: u32| object("folder", format!("{row}-{depth}"));
    let document = |number: u32| object("document", number.to_string());
    let viewer = |row: u32| user(&format!("row-{row}"));
    let mut tuples = Vec::new();
    for row in 0..FOLDER_ROWS {
        tuples.push(tuple(folder(row, 0), "viewer", viewer(row)));
        for depth in 1..FOLDERS_DEPTH {
            tuples.push(tuple(folder(row, depth), "parent", Subject::Object(folder(row, depth - 1))));
        }
    }
    let mut questions = Vec::new();
    for number in 0..DOCUMENTS {
        let row = random.below(FOLDER_ROWS);
        let within = Subject::Object(folder(row, FOLDERS_DEPTH - 1));
        tuples.push(tuple(document(number), "parent", within));
        if number == DOCUMENTS / 2 {
            let other = (row + 1) % FOLDER_ROWS;
            questions.push(("folders, depth 20", question(document(number), "viewer", viewer(row), true)));
            let denied = question(document(number), "viewer", viewer(other), false);
            questions.push(("folders, depth 20, denied", denied));
        }
    }
    Workload { model: HIERARCHY_MODEL, tuples, questions }
}

fn object(type_name: &str, id: String) -> Object {
    Object { type_name: type_name.into(), id: id.into() }
}

fn user(id: &str) -> Subject {
    Subject::Object(object("user", id.to_owned()))
}

fn tuple(object: Object, relation: &str, subject: Subject) -> Tuple {
    let key = TupleKey { object, relation: relation.into(), subject };
    Tuple { key, lifetime: Lifetime::default() }
}

fn question(object: Object, relation: &str, subject: Subject, allowed: bool) -> Question {
    Question { check: CheckRequest { object, relation: relation.into(), subject }, allowed }
}

#[cfg(test)]
#[path = "workload_tests.rs"]
mod tests;
