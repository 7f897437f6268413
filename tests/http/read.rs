//! Read: patterns, pages, lifetimes.

use serde_json::{Value, json};

use crate::fixture::{NOW, Server, key};

const TUPLES: [&str; 5] = [
    "document:1#owner@user:anne",
    "document:1#viewer@group:eng#member",
    "document:1#viewer@user:bob",
    "document:2#viewer@user:bob",
    "folder:1#viewer@user:bob",
];

fn found(server: &Server, pattern: Value) -> Vec<String> {
    let answer = server.post("/read", json!({"tuple_key": pattern}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = |tuple: &Value| {
        let part = |name: &str| tuple["key"][name].as_str().unwrap().to_owned();
        format!("{}#{}@{}", part("object"), part("relation"), part("user"))
    };
    let mut found: Vec<_> = answer.body["tuples"].as_array().unwrap().iter().map(text).collect();
    found.sort();
    found
}

#[test]
fn a_tuple_is_shown_complete() {
    let server = Server::new();
    server.write(&["document:1#owner@user:anne"]);
    server
        .post("/read", json!({"tuple_key": {"object": "document:1"}, "consistency": "HIGHER_CONSISTENCY"}))
        .is(json!({
            "tuples": [{
                "key": {"user": "user:anne", "relation": "owner", "object": "document:1", "condition": null},
                "timestamp": NOW,
            }],
            "continuation_token": "",
        }));
}

#[test]
fn a_page_names_the_revision_that_it_is_of() {
    let server = Server::new();
    let revision_of = |request: Value| {
        let page = server.post("/read", request);
        let revision: u64 = page.header("Tenure-Revision").unwrap().parse().unwrap();
        (revision, page.body["continuation_token"].clone())
    };
    let (empty, _) = revision_of(json!({}));
    server.write(&TUPLES);
    let (first, token) = revision_of(json!({"page_size": 2}));
    let (second, token) = revision_of(json!({"page_size": 2, "continuation_token": token}));
    server.write(&["document:3#viewer@user:bob"]);
    let (third, _) = revision_of(json!({"continuation_token": token}));
    assert_eq!([first, second, third], [empty + 1, empty + 1, empty + 2]);
}

#[test]
fn tuples_are_found_by_object_relation_and_user() {
    let server = Server::new();
    server.write(&TUPLES);
    assert_eq!(found(&server, Value::Null), TUPLES);
    assert_eq!(found(&server, json!({"object": "document:1"})), TUPLES[..3]);
    assert_eq!(found(&server, json!({"object": "document:1", "relation": "viewer"})), TUPLES[1..3]);
    assert_eq!(found(&server, json!({"object": "document:", "user": "user:bob"})), TUPLES[2..4]);
    assert_eq!(found(&server, json!({"object": "document:1", "user": "user:bob"})), TUPLES[2..3]);
    assert_eq!(found(&server, json!({"object": "document:1", "user": "group:eng#member"})), TUPLES[1..2]);
    assert_eq!(
        found(&server, json!({"object": "document:1", "user": "user:bob", "relation": "owner"})),
        [""; 0]
    );
}

#[test]
fn a_pattern_without_type_or_with_a_type_alone_is_refused() {
    let server = Server::new();
    server.write(&TUPLES);
    for pattern in [
        json!({}),
        json!({"user": "user:bob"}),
        json!({"relation": "viewer"}),
        json!({"object": "document:"}),
    ] {
        let message = server.post("/read", json!({"tuple_key": pattern})).fails(400, "validation_error");
        assert!(message.contains("object type field is required"), "{message}");
    }
}

#[test]
fn pages_join_to_the_whole() {
    let server = Server::new();
    let keys: Vec<_> = (0..7).map(|n| format!("document:1#viewer@user:{n}")).collect();
    server.write(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let mut users = Vec::new();
    let mut token = String::new();
    loop {
        let body =
            json!({"tuple_key": {"object": "document:1"}, "page_size": 3, "continuation_token": token});
        let page = server.post("/read", body).body;
        let tuples = page["tuples"].as_array().unwrap();
        assert!(tuples.len() <= 3);
        users.extend(tuples.iter().map(|tuple| tuple["key"]["user"].as_str().unwrap().to_owned()));
        token = page["continuation_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    users.sort();
    assert_eq!(users, (0..7).map(|n| format!("user:{n}")).collect::<Vec<_>>());
}

#[test]
fn tokens_of_another_store_another_list_or_nobody_are_refused() {
    let mut server = Server::new();
    server.write(&TUPLES);
    let page = server.post("/read", json!({"page_size": 1})).body;
    let tuples = page["continuation_token"].as_str().unwrap().to_owned();
    let changes = server.get("/changes?page_size=1").body["continuation_token"].as_str().unwrap().to_owned();
    let refuse = |server: &Server, token: &str| {
        let body = json!({"page_size": 1, "continuation_token": token});
        server.post("/read", body).fails(400, "invalid_continuation_token");
    };
    for token in [&*changes, "AAAA"] {
        refuse(&server, token);
    }
    // What cannot be a token is malformed input, as OpenFGA has it.
    for token in ["not base64 !", "AAAA===", &"A".repeat(6000)] {
        let body = json!({"page_size": 1, "continuation_token": token});
        server.post("/read", body).fails(400, "validation_error");
    }
    server.store = server.create_store();
    refuse(&server, &tuples);
}

#[test]
fn what_is_not_live_is_left_out_unless_asked_for() {
    let server = Server::new();
    let mut paused = key("document:1#viewer@user:anne");
    paused["paused"] = json!(true);
    server.write_keys(json!([paused, key("document:1#viewer@user:bob")]));
    assert_eq!(found(&server, json!({"object": "document:1"})), ["document:1#viewer@user:bob"]);
    assert_eq!(server.tuples().len(), 2);
}

#[test]
fn a_store_that_does_not_exist_has_no_tuples() {
    let server = Server::new();
    let path = "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/read";
    server.send("POST", path, &[], Some("{}")).is(json!({"tuples": [], "continuation_token": ""}));
}

#[test]
fn page_sizes_are_1_to_100() {
    let server = Server::new();
    for size in [json!(0), json!(101), json!(-1)] {
        let message = server.post("/read", json!({"page_size": size})).fails(400, "page_size_invalid");
        assert!(message.starts_with("invalid page_size: value must be inside range [1, 100]"), "{message}");
    }
    server.post("/read", json!({"page_size": "many"})).fails(400, "validation_error");
    server.get("/changes?page_size=0").fails(400, "page_size_invalid");
    server.send("GET", "/stores?page_size=1000", &[], None).fails(400, "page_size_invalid");
    server.get("/authorization-models?page_size=x").fails(400, "validation_error");
}
