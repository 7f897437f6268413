//! Workloads: tuples and questions of known shapes, made from a seed.
//!
//! The benches, loading a server and comparisons use the same ones, so that figures can be held side by side. How
//! tuples are stored and decided is not known here: the answer to each question follows from how the tuples were
//! made.

mod cooperation;
mod data_set;
mod github;
mod groups;
mod hierarchy;
mod lists;
mod random;

pub use cooperation::{Cooperation, Kind, MODEL as COOPERATION_MODEL};
pub use data_set::{DataSet, Shape};
pub use groups::groups;
pub use hierarchy::hierarchy;
pub use lists::{LISTED, Listing, MODEL as LISTS_MODEL, listings, tuples as list_tuples};
pub use random::{Draw, Skew};

use crate::engine::CheckRequest;
use crate::model::{Lifetime, Object, Subject, TupleKey};

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
