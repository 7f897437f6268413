//! A store of 1,000,000 tuples in which a few lists have 10,000 entries each.

use super::{Tuple, object, tuple, user};
use crate::engine::{ListObjectsRequest, ListUsersRequest, UserFilter};
use crate::model::Subject;

/// The model, in the DSL.
pub const MODEL: &str = "model
  schema 1.1

type user

type group
  relations
    define member: [user]

type document
  relations
    define viewer: [user, group#member]
    define blocked: [user]
    define reader: viewer but not blocked
";

/// How many entries each list has.
pub const LISTED: u32 = 10_000;
/// How many more are blocked, where some are.
const BLOCKED: u32 = 1_000;
const GROUPS: u32 = 100;
const TUPLES: u32 = 1_000_000;
/// How many users hold what is in no list.
const OTHERS: u32 = 1_000;

/// A list of [`LISTED`] entries.
#[derive(Debug, Clone)]
pub enum Listing {
    /// Of objects.
    Objects(ListObjectsRequest),
    /// Of users.
    Users(ListUsersRequest),
}

/// The tuples, no key twice, those of the lists among the others.
pub fn tuples() -> impl Iterator<Item = Tuple> {
    let view = |id: String, subject: Subject| tuple(object("document", id), "viewer", subject);
    let member = |group: &str| Subject::Userset(object("group", group.to_owned()), "member".into());
    let belongs = |group: String, who: &str| tuple(object("group", group), "member", user(who));
    let block = |id: &str, who: &str| tuple(object("document", id.to_owned()), "blocked", user(who));
    let lists = (0..LISTED + BLOCKED).flat_map(move |n| {
        let mut made = vec![
            view(format!("checked-{n}"), user("checked")),
            view("checked".to_owned(), user(&format!("checked-{n}"))),
        ];
        if n < LISTED {
            made.push(view(format!("direct-{n}"), user("direct")));
            made.push(view(format!("grouped-{n}"), member("all")));
            made.push(view("direct".to_owned(), user(&format!("direct-{n}"))));
            made.push(belongs(format!("part-{}", n % GROUPS), &format!("grouped-{n}")));
        } else {
            made.push(block(&format!("checked-{n}"), "checked"));
            made.push(block("checked", &format!("checked-{n}")));
        }
        made
    });
    let groups = (0..GROUPS).map(move |n| view("grouped".to_owned(), member(&format!("part-{n}"))));
    let all = std::iter::once(belongs("all".to_owned(), "grouped"));
    let others = (0..).map(move |n: u32| view(format!("other-{n}"), user(&format!("other-{}", n % OTHERS))));
    lists.chain(groups).chain(all).chain(others).take(TUPLES as usize)
}

/// The lists, each with its name.
pub fn listings() -> Vec<(&'static str, Listing)> {
    let objects = |relation: &str, who: &str| {
        let object_type = "document".into();
        Listing::Objects(ListObjectsRequest { subject: user(who), relation: relation.into(), object_type })
    };
    let users = |relation: &str, id: &str| {
        let filter = UserFilter { type_name: "user".into(), relation: None };
        let object = object("document", id.to_owned());
        Listing::Users(ListUsersRequest { object, relation: relation.into(), filter })
    };
    vec![
        ("10,000 objects", objects("viewer", "direct")),
        ("10,000 objects through a group", objects("viewer", "grouped")),
        ("10,000 objects, each checked", objects("reader", "checked")),
        ("10,000 users", users("viewer", "direct")),
        ("10,000 users through 100 groups", users("viewer", "grouped")),
        ("10,000 users, each checked", users("reader", "checked")),
    ]
}
