//! Lists by example: whom a list of users names beside a wildcard, and what lists cost.

use tenure::engine::{
    EngineError, ListObjectsRequest, ListUsersRequest, Listed, Partial, QueryContext, UserFilter,
};
use tenure::eval::{LimitReached, ReadCounts};
use tenure::model::limits::{EvaluationLimits, ListLimits};
use tenure::model::{Object, Subject};

use crate::limits::World;

/// What a list found, whether that is all, and what it read.
type Outcome = Result<(Vec<String>, Option<Partial>, ReadCounts), EngineError>;

fn list_objects(world: &World, question: &str) -> Outcome {
    list_objects_while(world, question, &|| true)
}

fn list_objects_while(world: &World, question: &str, go_on: &dyn Fn() -> bool) -> Outcome {
    let [subject, relation, object_type] = question.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{question}")
    };
    let request = ListObjectsRequest {
        subject: Subject::parse(subject).unwrap(),
        relation: relation.into(),
        object_type: object_type.into(),
    };
    let asked = world.engine.list_objects(world.store, &QueryContext::default(), &request, go_on);
    let (answer, counts) = asked?;
    let Listed { items, partial } = answer.value;
    let mut ids: Vec<_> = items.iter().map(|id| id.to_string()).collect();
    ids.sort();
    Ok((ids, partial, counts))
}

fn list_users(world: &World, question: &str) -> Outcome {
    list_users_while(world, question, &|| true)
}

fn list_users_while(world: &World, question: &str, go_on: &dyn Fn() -> bool) -> Outcome {
    let [object, relation, filter] = question.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{question}")
    };
    let (type_name, of) = filter.split_once('#').map_or((filter, None), |(of, name)| (of, Some(name)));
    let request = ListUsersRequest {
        object: Object::parse(object).unwrap(),
        relation: relation.into(),
        filter: UserFilter { type_name: type_name.into(), relation: of.map(Into::into) },
    };
    let asked = world.engine.list_users(world.store, &QueryContext::default(), &request, go_on);
    let (answer, counts) = asked?;
    let Listed { items, partial } = answer.value;
    let mut names: Vec<_> = items.iter().map(Subject::to_string).collect();
    names.sort();
    Ok((names, partial, counts))
}

const SUBTRACTED_TWICE: &str = "
model
  schema 1.1
type user
type page
  relations
    define reader: [user, user:*] but not banned
    define banned: [user, user:*] but not pardoned
    define pardoned: [user, user:*]
";

/// Who reads the page, by tuples that are written `relation user`.
fn readers(tuples: &[&str]) -> Vec<String> {
    let tuples: Vec<_> = tuples.iter().map(|tuple| format!("page:1 {tuple}")).collect();
    let world = World::new(EvaluationLimits::default(), SUBTRACTED_TWICE, &tuples.join("\n"));
    let (names, partial, _) = list_users(&world, "page:1 reader user").unwrap();
    assert_eq!(partial, None);
    names
}

#[test]
fn who_is_taken_out_of_a_wildcard_is_not_named() {
    assert_eq!(readers(&["reader user:*", "banned user:eve"]), ["user:*"]);
    assert_eq!(readers(&["reader user:*", "reader user:eve", "banned user:eve"]), ["user:*"]);
    assert_eq!(readers(&["reader user:eve", "banned user:*"]), [""; 0]);
}

#[test]
fn who_is_named_beside_a_wildcard_is_told_beside_it() {
    assert_eq!(readers(&["reader user:*", "reader user:ann"]), ["user:*", "user:ann"]);
}

#[test]
fn a_wildcard_that_is_taken_away_leaves_whom_something_lets_in() {
    assert_eq!(readers(&["reader user:*", "banned user:*", "pardoned user:ann"]), ["user:ann"]);
    assert_eq!(readers(&["reader user:ann", "banned user:*", "pardoned user:*"]), ["user:ann"]);
}

#[test]
fn beside_a_wildcard_a_pardon_is_told_only_of_whom_it_concerns() {
    let tuples =
        ["reader user:*", "banned user:ann", "banned user:eve", "pardoned user:ann", "pardoned user:zoe"];
    assert_eq!(readers(&tuples), ["user:*", "user:ann"]);
    assert_eq!(readers(&["reader user:*", "pardoned user:zoe"]), ["user:*"]);
    assert_eq!(readers(&["reader user:*", "banned user:ann", "pardoned user:*"]), ["user:*", "user:ann"]);
}

#[test]
fn an_intersection_names_whom_one_side_names_and_the_other_lets_in() {
    let model = "
model
  schema 1.1
type user
type page
  relations
    define open: [user, user:*]
    define paid: [user, user:*]
    define reader: open and paid
";
    let readers = |tuples: &str| {
        let world = World::new(EvaluationLimits::default(), model, tuples);
        list_users(&world, "page:1 reader user").unwrap().0
    };
    assert_eq!(readers("page:1 open user:*\npage:1 paid user:ann"), ["user:ann"]);
    assert_eq!(readers("page:1 open user:*\npage:1 open user:bob\npage:1 paid user:ann"), ["user:ann"]);
    let both = "page:1 open user:*\npage:1 paid user:*\npage:1 open user:bob";
    assert_eq!(readers(both), ["user:*", "user:bob"]);
}

/// Pages that groups read, but for who is banned.
pub const GROUPS: &str = "
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type page
  relations
    define reader: [user, group#member]
    define banned: [user]
    define editor: reader but not banned
";

#[test]
fn usersets_are_told_only_where_they_are_asked_for() {
    let tuples = "page:1 reader group:a#member\ngroup:a member group:b#member\ngroup:b member user:ann";
    let world = World::new(EvaluationLimits::default(), GROUPS, tuples);
    assert_eq!(list_users(&world, "page:1 editor user").unwrap().0, ["user:ann"]);
    assert_eq!(
        list_users(&world, "page:1 editor group#member").unwrap().0,
        ["group:a#member", "group:b#member"]
    );
    assert_eq!(list_users(&world, "page:1 editor group").unwrap().0, [""; 0]);
    assert_eq!(list_objects(&world, "group:b#member editor page").unwrap().0, ["1"]);
    assert_eq!(
        list_objects(&world, "group:b#member member group").unwrap().0,
        ["a", "b"],
        "a userset is in itself"
    );
}

/// Pages 1 to `n`, which ann reads through two groups, and one that she is banned from.
fn shelf(n: usize) -> World {
    let mut tuples =
        "group:b member user:ann\ngroup:a member group:b#member\npage:1 banned user:ann\n".to_owned();
    for page in 1..=n {
        tuples.push_str(&format!("page:{page} reader group:a#member\n"));
    }
    World::new(EvaluationLimits::default(), GROUPS, &tuples)
}

#[test]
fn along_alternatives_a_list_reads_each_entry_once_and_checks_nothing() {
    let world = shelf(100);
    let (pages, partial, counts) = list_objects(&world, "user:ann reader page").unwrap();
    assert_eq!((pages.len(), partial), (100, None));
    // The two groups and the pages; of each group, what it is a member of and what it reads.
    assert_eq!((counts.points, counts.entries), (0, 102));
    assert!(counts.scans <= 6, "{counts:?}");
    let (users, _, counts) = list_users(&world, "page:7 reader user").unwrap();
    assert_eq!((users, counts.points), (vec!["user:ann".to_owned()], 0));
}

#[test]
fn what_an_operator_leads_to_is_checked_and_no_more() {
    let world = shelf(100);
    let (pages, _, counts) = list_objects(&world, "user:ann editor page").unwrap();
    assert_eq!(pages.len(), 99);
    let one = counts.total().div_ceil(100);
    assert!(one <= 12, "{one} reads for each page");
}

#[test]
fn a_candidate_that_is_too_deep_is_left_out_and_the_list_says_so() {
    let mut tuples = "page:near reader user:ann\npage:near reader group:30#member\n".to_owned();
    for n in 0..30 {
        tuples.push_str(&format!("group:{n} member group:{}#member\n", n + 1));
    }
    tuples.push_str("group:30 member user:ann\npage:far reader group:0#member\n");
    let world = World::new(EvaluationLimits::default(), GROUPS, &tuples);
    let too_deep = Some(Partial::Limit(LimitReached::Depth { hops: 25 }));
    for relation in ["reader", "editor"] {
        let (pages, partial, _) = list_objects(&world, &format!("user:ann {relation} page")).unwrap();
        assert_eq!((pages, partial), (vec!["near".to_owned()], too_deep), "{relation}");
        let users = list_users(&world, &format!("page:far {relation} user"));
        assert!(matches!(users, Err(EngineError::TooComplex { .. })), "nobody is left: {users:?}");
        assert_eq!(list_users(&world, &format!("page:near {relation} user")).unwrap().0, ["user:ann"]);
    }
    let (groups, partial, _) = list_objects(&world, "user:ann member group").unwrap();
    assert_eq!((groups.len(), partial), (26, too_deep), "as many hops as a check takes");
}

#[test]
fn what_a_list_keeps_in_mind_is_bounded() {
    let lists = ListLimits { kept_bytes_max: 10_000, ..ListLimits::default() };
    let World { engine, store } = shelf(1_000);
    let world = World { engine: engine.with_list_limits(lists), store };
    let (pages, partial, _) = list_objects(&world, "user:ann reader page").unwrap();
    assert!(!pages.is_empty() && pages.len() < 200, "{} pages", pages.len());
    assert_eq!(partial, Some(Partial::Limit(LimitReached::Kept { bytes: 10_000 })));
}

#[test]
fn who_would_not_wait_gets_what_was_found() {
    let world = shelf(100);
    let asked = std::cell::Cell::new(0);
    let list = |calls: u32| {
        asked.set(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() <= calls
        };
        list_objects_while(&world, "user:ann editor page", &go_on)
    };
    assert!(matches!(list(0), Err(EngineError::Stopped)));
    let (pages, partial, _) = list(40).unwrap();
    assert_eq!(partial, Some(Partial::Stopped));
    assert!((1..40).contains(&pages.len()), "{}", pages.len());
    assert_eq!(list(1_000).unwrap().0.len(), 99);
}

/// A list of what one live tuple leads to, among any number that have expired.
struct LongScan {
    list: fn(&World, &str, &dyn Fn() -> bool) -> Outcome,
    question: &'static str,
    live: &'static str,
    expired: fn(usize) -> String,
    /// How many of the questions within the scan come when something was found already.
    found_before: usize,
}

#[test]
fn whoever_waits_is_asked_within_a_scan_too() {
    let user = "page:1 reader user:0\n";
    let scans = [
        LongScan {
            list: list_objects_while,
            question: "user:0 reader page",
            live: user,
            expired: |n| format!("page:{n} reader user:0 1"),
            found_before: 3,
        },
        LongScan {
            list: list_users_while,
            question: "page:1 reader user",
            live: user,
            expired: |n| format!("page:1 reader user:{n} 1"),
            found_before: 3,
        },
        LongScan {
            list: list_users_while,
            question: "page:1 reader user",
            live: "group:a member user:0\npage:1 reader group:a#member\n",
            expired: |n| format!("page:1 reader group:b{n}#member 1"),
            found_before: 0,
        },
        LongScan {
            list: list_users_while,
            question: "page:1 editor user",
            live: user,
            expired: |n| format!("page:1 reader user:{n} 1"),
            found_before: 0,
        },
    ];
    for LongScan { list, question, live, expired, found_before } in scans {
        let asked = |n: usize, calls: usize| {
            let tuples: Vec<_> = (2..n + 2).map(expired).collect();
            let world =
                World::new(EvaluationLimits::default(), GROUPS, &format!("{live}{}", tuples.join("\n")));
            let asked = std::cell::Cell::new(0);
            let go_on = || {
                asked.set(asked.get() + 1);
                asked.get() <= calls
            };
            let outcome = list(&world, question, &go_on);
            (asked.get(), outcome)
        };
        let few = asked(10, usize::MAX).0;
        let (many, whole) = asked(4_010, usize::MAX);
        let (found, partial, _) = whole.unwrap();
        assert_eq!((many - few, partial, found.len()), (3, None, 1), "{question}");
        let within_the_scan = (0..many).filter(|calls| match asked(4_010, *calls).1 {
            Ok((names, partial, counts)) => {
                assert_eq!((names, partial), (found.clone(), Some(Partial::Stopped)), "{question}");
                counts.entries < 4_010
            }
            Err(error) => {
                assert!(matches!(error, EngineError::Stopped), "{question}: {error}");
                false
            }
        });
        assert_eq!(within_the_scan.count(), found_before, "{question}");
    }
}
