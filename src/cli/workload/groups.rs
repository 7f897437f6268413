//! The workload *groups*: groups within groups, groups of many members, documents shared with many groups.
//!
//! It is made of copies of one shape: a document that a user sees directly, one shared with ten groups within each
//! other, one with a wide group, and one with many groups of three members. Each copy has users of its own.

use super::random::Draw;
use super::{Question, Tuple, Workload, object, question, tuple, user};
use crate::model::{Object, Subject};

/// The model, in the DSL.
pub(super) const MODEL: &str = "model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type document
  relations
    define viewer: [user, group#member]
";

/// Groups within groups, in hops from the document to the user's own group.
const DEPTH: u32 = 10;
const WIDE_MEMBERS: u32 = 10_000;
const SHARED_GROUPS: u32 = 1_000;
const SHARED_GROUP_MEMBERS: u32 = 3;
/// Tuples of a copy beside the members of the wide group and the groups of the shared document.
const TUPLES_FIXED: u64 = 13;

/// Copies of the shape.
#[derive(Debug, Clone)]
pub struct Groups {
    copies: u32,
    wide_members: u32,
    shared_groups: u32,
}

/// A document that a user sees directly, one shared with ten groups within each other, one with a group of 10,000
/// members, and one with 1,000 groups of three members.
pub fn groups() -> Workload {
    let ask = |what: &str, who: &str, allowed| {
        question(document(0, what), "viewer", user(&format!("0-{who}")), allowed)
    };
    let questions = vec![
        ("direct tuple", ask("direct", "direct", true)),
        ("nested groups, depth 10", ask("nested", "nested", true)),
        ("nested groups, depth 10, denied", ask("nested", "direct", false)),
        ("group of 10,000", ask("wide", "wide-7777", true)),
        ("group of 10,000, denied", ask("wide", "nested", false)),
        ("1,000 groups", ask("shared", "shared-777-1", true)),
        ("1,000 groups, denied", ask("shared", "nested", false)),
    ];
    let one = Groups { copies: 1, wide_members: WIDE_MEMBERS, shared_groups: SHARED_GROUPS };
    Workload { model: MODEL, tuples: one.tuples().collect(), questions }
}

impl Groups {
    /// As many copies of the whole shape as come to about so many tuples; where not one fits, a smaller one.
    pub fn about(tuples: u64) -> Self {
        let of_groups = u64::from(SHARED_GROUPS * (SHARED_GROUP_MEMBERS + 1));
        let whole = TUPLES_FIXED + u64::from(WIDE_MEMBERS) + of_groups;
        let copies = u32::try_from(tuples / whole).unwrap_or(u32::MAX);
        if copies > 0 {
            return Self { copies, wide_members: WIDE_MEMBERS, shared_groups: SHARED_GROUPS };
        }
        let part = |of: u32| u32::try_from(u64::from(of) * tuples / whole).unwrap_or(of).max(2);
        Self { copies: 1, wide_members: part(WIDE_MEMBERS), shared_groups: part(SHARED_GROUPS) }
    }

    /// The tuples, no key twice.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        (0..self.copies).flat_map(|copy| self.copy(copy))
    }

    fn copy(&self, copy: u32) -> impl Iterator<Item = Tuple> {
        let nested = (1..DEPTH).map(move |depth| {
            tuple(group(copy, "nested", depth), "member", members(group(copy, "nested", depth + 1)))
        });
        let wide = (0..self.wide_members)
            .map(move |number| tuple(group(copy, "wide", 0), "member", wide_member(copy, number)));
        let shared = (0..self.shared_groups).flat_map(move |number| {
            let of = move || group(copy, "shared", number);
            let share = tuple(document(copy, "shared"), "viewer", members(of()));
            let own = (0..SHARED_GROUP_MEMBERS)
                .map(move |own| tuple(of(), "member", shared_member(copy, number, own)));
            [share].into_iter().chain(own)
        });
        let single = [
            tuple(document(copy, "direct"), "viewer", one(copy, "direct")),
            tuple(document(copy, "nested"), "viewer", members(group(copy, "nested", 1))),
            tuple(group(copy, "nested", DEPTH), "member", one(copy, "nested")),
            tuple(document(copy, "wide"), "viewer", members(group(copy, "wide", 0))),
        ];
        single.into_iter().chain(nested).chain(wide).chain(shared)
    }

    /// A question with this answer.
    pub fn question(&self, allowed: bool, draw: &mut Draw) -> Question {
        let copy = draw.below(self.copies);
        let wide = wide_member(copy, draw.below(self.wide_members));
        let (number, own) = (draw.below(self.shared_groups), draw.below(SHARED_GROUP_MEMBERS));
        let shared = shared_member(copy, number, own);
        let (what, who) = match (draw.below(4), allowed) {
            (0, true) => ("direct", one(copy, "direct")),
            (0, false) => ("direct", wide),
            (1, true) => ("nested", one(copy, "nested")),
            (1, false) => ("nested", shared),
            (2, true) => ("wide", wide),
            (2, false) => ("wide", shared),
            (_, true) => ("shared", shared),
            (_, false) => ("shared", wide),
        };
        question(document(copy, what), "viewer", who, allowed)
    }
}

/// A tuple of no question.
pub(super) fn unrelated(id: &str) -> Tuple {
    tuple(object("document", id.to_owned()), "viewer", one(0, "direct"))
}

fn document(copy: u32, what: &str) -> Object {
    object("document", format!("{copy}-{what}"))
}

fn group(copy: u32, what: &str, number: u32) -> Object {
    object("group", format!("{copy}-{what}-{number}"))
}

fn members(of: Object) -> Subject {
    Subject::Userset(of, "member".into())
}

fn one(copy: u32, what: &str) -> Subject {
    user(&format!("{copy}-{what}"))
}

fn wide_member(copy: u32, number: u32) -> Subject {
    user(&format!("{copy}-wide-{number}"))
}

fn shared_member(copy: u32, group: u32, number: u32) -> Subject {
    user(&format!("{copy}-shared-{group}-{number}"))
}
