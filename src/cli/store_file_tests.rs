use super::*;

const MODEL: &str = "model: |\n  model\n    schema 1.1\n  type user\n";

fn no_files(path: &Path) -> Result<Vec<StoreTuple>, String> {
    Err(format!("no file {}", path.display()))
}

fn read(text: &str) -> Result<StoreFile, String> {
    StoreFile::parse(Path::new("schema/a.fga.yaml"), text, &no_files).map_err(|error| error.to_string())
}

/// The message for a file that has a model, and `text` from line 5 on.
fn refused(text: &str) -> String {
    read(&format!("{MODEL}{text}")).unwrap_err()
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

#[test]
fn the_cooperation_rules_can_be_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/cooperation.fga.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let file = StoreFile::parse(&path, &text, &no_files).unwrap();
    assert_eq!(file.model, ModelSource::File(path.parent().unwrap().join("./cooperation.fga")));
    assert!(file.tests.len() > 50);
    for test in &file.tests {
        assert!(test.name.starts_with('R'), "{} names no rule", test.name);
        assert!(test.checks.iter().any(|check| check.expected), "{} allows nothing", test.name);
        assert!(test.checks.iter().any(|check| !check.expected), "{} denies nothing", test.name);
    }
}

#[test]
fn users_objects_and_relations_are_multiplied() {
    let file = read(&format!(
        "name: Example\n{MODEL}tests:
  - name: one
    description: why
    check:
      - users: [user:a, 'group:g#member']
        objects: [doc:1, doc:2]
        context: {{b: [1], a: x}}
        assertions: {{viewer: true, editor: false}}
      - {{user: 'user:*', object: doc:3, assertions: {{viewer: true}}}}
  - check: []
"
    ))
    .unwrap();
    assert_eq!(file.name.as_deref(), Some("Example"));
    let [one, two] = &file.tests[..] else { panic!() };
    assert_eq!((one.name.as_str(), one.description.as_deref()), ("one", Some("why")));
    assert_eq!((two.name.as_str(), two.checks.len()), ("test 2", 0));
    let asked: Vec<String> = one
        .checks
        .iter()
        .map(|c| format!("{} {} {} {}", c.subject, c.relation, c.object, c.expected))
        .collect();
    assert_eq!(
        asked,
        [
            "user:a editor doc:1 false",
            "user:a viewer doc:1 true",
            "user:a editor doc:2 false",
            "user:a viewer doc:2 true",
            "group:g#member editor doc:1 false",
            "group:g#member viewer doc:1 true",
            "group:g#member editor doc:2 false",
            "group:g#member viewer doc:2 true",
            "user:* viewer doc:3 true",
        ]
    );
    assert_eq!(canonical(one.checks[0].context.clone()), r#"{"a":"x","b":[1]}"#);
}

#[test]
fn tuples_have_lifetimes_and_conditions() {
    let file = read(&format!(
        "{MODEL}tuples:
  - {{object: doc:1, relation: viewer, user: user:a}}
  - {{object: doc:1, relation: viewer, user: user:b, expires_at: 2027-01-31T13:00:00+01:00, paused: false}}
  - {{object: doc:1, relation: viewer, user: user:c, expires_at: null, paused: true}}
  - {{object: doc:1, relation: viewer, user: user:d, condition: {{name: inside, context: {{b: 1, a: [x]}}}}}}
"
    ))
    .unwrap();
    let lifetimes: Vec<Lifetime> = file.tuples.iter().map(|tuple| tuple.lifetime).collect();
    assert_eq!(lifetimes[0], Lifetime::default());
    assert_eq!(lifetimes[1], Lifetime { expires_at: Some(at("2027-01-31T12:00:00Z")), paused: false });
    assert_eq!(lifetimes[2], Lifetime { expires_at: None, paused: true });
    let condition = file.tuples[3].condition.as_ref().unwrap();
    assert_eq!((&*condition.name, &*condition.context), ("inside", r#"{"a":["x"],"b":1}"#));
}

#[test]
fn a_tuple_of_a_test_stands_in_the_place_of_a_global_one() {
    let file = read(&format!(
        "{MODEL}tuples:
  - {{object: doc:1, relation: viewer, user: user:a}}
  - {{object: doc:1, relation: viewer, user: user:b}}
tests:
  - name: paused
    tuples:
      - {{object: doc:1, relation: viewer, user: user:a, paused: true}}
      - {{object: doc:1, relation: viewer, user: user:c}}
"
    ))
    .unwrap();
    let tuples: Vec<String> =
        file.tuples_of(&file.tests[0]).map(|t| format!("{} {}", t.key.subject, t.lifetime.paused)).collect();
    assert_eq!(tuples, ["user:b false", "user:a true", "user:c false"]);
}

#[test]
fn tuple_files_add_to_the_tuples() {
    let read_tuples = |path: &Path| match path.to_str() {
        Some("schema/more.csv") => Ok(vec![StoreTuple {
            key: TupleKey::parse("doc:1", "viewer", "user:a").unwrap(),
            lifetime: Lifetime::default(),
            condition: None,
        }]),
        other => Err(format!("unexpected {other:?}")),
    };
    let parse = |text: &str| {
        let text = format!("{MODEL}{text}");
        StoreFile::parse(Path::new("schema/a.fga.yaml"), &text, &read_tuples)
            .map_err(|error| error.to_string())
    };
    let file = parse(
        "tuple_file: more.csv\ntuple_files: [./more.csv]\ntuples:\n  - {object: doc:1, relation: viewer, user: user:a}\n",
    );
    assert!(file.unwrap_err().contains("`tuple_files`: unexpected"));
    let file = parse(
        "tuple_files: [more.csv, more.csv]\ntuples:\n  - {object: doc:1, relation: viewer, user: user:b}\n\
         tests:\n  - tuple_file: more.csv\n",
    )
    .unwrap();
    assert_eq!(file.tuples.len(), 2);
    assert_eq!(file.tests[0].tuples.len(), 1);
}

#[test]
fn the_model_stands_in_one_place() {
    let file = read("model_file: ../m/model.fga\n").unwrap();
    assert_eq!(file.model, ModelSource::File(PathBuf::from("schema/../m/model.fga")));
    assert_eq!(read("name: x\n").unwrap_err(), "schema/a.fga.yaml: needs either `model` or `model_file`");
    assert_eq!(
        refused("model_file: a.fga\n"),
        "schema/a.fga.yaml:5:13: `model_file`: stands beside `model`; give one"
    );
}

#[test]
fn lists_are_read_one_for_each_relation() {
    let file = read(&format!(
        "{MODEL}tests:
  - list_objects:
      - {{user: user:a, type: doc, assertions: {{viewer: [doc:2, doc:1], editor: []}}}}
    list_users:
      - object: doc:1
        user_filter: [{{type: group, relation: member}}]
        assertions: {{viewer: {{users: ['group:x#member']}}}}
"
    ))
    .unwrap();
    let lists = file.tests[0].lists.iter();
    let lists: Vec<_> = lists.map(|list| format!("{}: {:?}", list.question, list.expected)).collect();
    assert_eq!(
        lists,
        [
            "list_objects user:a editor doc: {}",
            r#"list_objects user:a viewer doc: {"doc:1", "doc:2"}"#,
            r#"list_users doc:1 viewer group#member: {"group:x#member"}"#,
        ]
    );
}

#[test]
fn what_is_wrong_with_a_list_is_said_with_its_place() {
    let message = refused("tests:\n  - list_objects:\n      - {user: user:a, typ: doc, assertions: {}}\n");
    assert!(message.starts_with("schema/a.fga.yaml:7:"), "{message}");
    assert!(message.contains(": test 1: ") && message.contains("`typ`"), "{message}");
    let objects = |text: &str| refused(&format!("tests:\n  - list_objects:\n      - {{{text}}}\n"));
    assert_eq!(
        objects("user: user:a, type: doc, assertions: {viewer: [folder:1]}"),
        "schema/a.fga.yaml:7:57: test 1: `assertions`: `folder:1` is not of type `doc`"
    );
    assert_eq!(
        objects("user: user:a, type: doc, assertions: {}"),
        "schema/a.fga.yaml:7:9: test 1: `assertions`: asserts nothing"
    );
    let users = |text: &str| refused(&format!("tests:\n  - list_users:\n      - {{{text}}}\n"));
    assert_eq!(
        users("object: doc:1, user_filter: [{type: a}, {type: b}], assertions: {viewer: {users: []}}"),
        "schema/a.fga.yaml:7:9: test 1: `user_filter`: needs exactly one filter"
    );
}

#[test]
fn an_unknown_key_is_named_with_its_test() {
    let message = refused(
        "tests:
  - name: first
  - name: second
    tuples:
      - {object: doc:1, relation: viewer, user: user:a, expire_at: 2027-01-31T12:00:00Z}
  - name: third
",
    );
    assert!(
        message
            .starts_with("schema/a.fga.yaml:9:57: test `second`: unknown field `expire_at`, expected one of"),
        "{message}"
    );
    let message = refused("tuple:\n  - {}\n");
    assert!(message.starts_with("schema/a.fga.yaml:5:1: unknown field `tuple`"), "{message}");
}

#[test]
fn what_is_wrong_is_said_with_test_and_field() {
    let test = |text: &str| refused(&format!("tests:\n  - name: T\n    {text}\n"));
    let tuple = |text: &str| test(&format!("tuples:\n      - {{object: doc:1, relation: viewer, {text}}}"));
    assert_eq!(
        tuple("user: alice"),
        "schema/a.fga.yaml:8:49: test `T`: `user`: `alice` has no `:`; expected `type:id`"
    );
    assert_eq!(
        tuple("user: user:a, expires_at: soon"),
        "schema/a.fga.yaml:8:69: test `T`: `expires_at`: `soon` is not an instant; expected RFC 3339, for example \
         `2027-01-31T12:00:00Z`"
    );
    assert_eq!(
        tuple("user: user:a, expires_at: 2027-01-31T12:00:00Z"),
        "schema/a.fga.yaml:6:5: test `T`: has tuples that expire, so it needs `at`, the instant that it is decided for"
    );
    assert_eq!(
        test("at: 2027-01-31"),
        "schema/a.fga.yaml:7:9: test `T`: `at`: `2027-01-31` is not an instant; expected RFC 3339, for example \
         `2027-01-31T12:00:00Z`"
    );
    let check = |text: &str| test(&format!("check:\n      - {{{text}}}"));
    assert_eq!(
        check("user: user:a, assertions: {viewer: true}"),
        "schema/a.fga.yaml:8:9: test `T`: `check`: needs either `object` or a list `objects`"
    );
    assert_eq!(
        check("user: user:a, users: [user:b], object: doc:1, assertions: {viewer: true}"),
        "schema/a.fga.yaml:8:9: test `T`: `check`: needs either `user` or a list `users`"
    );
    assert_eq!(
        check("user: user:a, objects: [doc:1, 'doc:1#viewer'], assertions: {viewer: true}"),
        "schema/a.fga.yaml:8:41: test `T`: `object`: the id of `doc:1#viewer` contains '#', which is not allowed here"
    );
    assert_eq!(
        check("user: user:a, object: doc:1, assertions: {}"),
        "schema/a.fga.yaml:8:9: test `T`: `assertions`: asserts nothing"
    );
    assert_eq!(
        check("user: user:a, object: doc:1, assertions: {'view er': true}"),
        "schema/a.fga.yaml:8:9: test `T`: `assertions`: `view er` contains ' ', which is not allowed here"
    );
    let message = check("user: user:a, object: doc:1, assertions: {viewer: maybe}");
    assert_eq!(message, "schema/a.fga.yaml:8:60: test `T`: invalid boolean (strict mode expects true/false)");
}

#[test]
fn a_tuple_with_two_lifetimes_is_refused() {
    let twice = |second: &str| {
        refused(&format!(
            "tuples:\n  - {{object: doc:1, relation: viewer, user: user:a}}\n  - {{object: doc:1, relation: viewer, user: \
             user:a{second}}}\n"
        ))
    };
    assert_eq!(
        twice(", paused: true"),
        "schema/a.fga.yaml:7:14: `doc:1#viewer@user:a` stands here twice, and not the same"
    );
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let message = refused(
        "tests:\n  - name: T\n    check:\n      - {user: user:a, object: doc:1, assertions: {a: true, a: false}}\n",
    );
    assert!(message.starts_with("schema/a.fga.yaml:8:") && message.contains("duplicate"), "{message}");
}

#[test]
fn broken_yaml_is_said_with_its_line() {
    let message = refused("tests:\n  - name: [\n");
    assert_eq!(message, "schema/a.fga.yaml:6:11: expected string scalar");
}
