//! Check: answers, contextual tuples, revisions, refusals.

use serde_json::{Value, json};

use crate::fixture::{Server, key};

#[test]
fn an_answer_is_complete() {
    let server = Server::new();
    let mut expiring = key("document:1#owner@user:anne");
    expiring["expires_at"] = json!("2027-01-01T00:00:00Z");
    server.write_keys(json!([expiring]));
    let answer = server.post(
        "/check",
        json!({
            "tuple_key": key("document:1#can_read@user:anne"),
            "contextual_tuples": {"tuple_keys": []},
            "authorization_model_id": server.model,
            "trace": false,
            "context": {"unused": 1},
            "consistency": "MINIMIZE_LATENCY",
        }),
    );
    assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    assert_eq!(answer.header("Openfga-Store-Id"), Some(&*server.store));
    assert_eq!(answer.header("Tenure-Revision"), Some("2"));
    assert!(answer.header("X-Request-Id").is_some());
    answer.is(json!({
        "allowed": true, "resolution": "", "revision": 2, "stable_until": "2027-01-01T00:00:00Z",
    }));
    let denied = server.post("/check", json!({"tuple_key": key("document:1#can_read@user:eve")}));
    denied.is(json!({"allowed": false, "resolution": "", "revision": 2, "stable_until": null}));
}

#[test]
fn contextual_tuples_count_and_stand_in_place_of_stored_ones() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let check = |user: &str, tuples: Value| {
        let body = json!({
            "tuple_key": key(&format!("document:1#viewer@{user}")),
            "contextual_tuples": {"tuple_keys": tuples},
        });
        server.post("/check", body).body["allowed"].as_bool().unwrap()
    };
    let mut paused = key("document:1#viewer@user:anne");
    paused["paused"] = json!(true);
    assert!(check("user:bob", json!([key("document:1#parent@folder:f"), key("folder:f#viewer@user:bob")])));
    assert!(!check("user:anne", json!([paused])));
    assert!(server.allows("document:1#viewer@user:anne"), "for the one request only");
}

#[test]
fn contextual_tuples_are_checked_as_those_to_be_written() {
    let server = Server::new();
    let fails = |tuples: Value, code: &str| {
        let body = json!({
            "tuple_key": key("document:1#viewer@user:anne"),
            "contextual_tuples": {"tuple_keys": tuples},
        });
        server.post("/check", body).fails(400, code)
    };
    for tuple in ["document:1#parent@user:anne", "document:1#nothing@user:anne", "robot:1#viewer@user:anne"] {
        let message = fails(json!([key(tuple)]), "invalid_tuple");
        assert!(message.contains(tuple), "{message}");
    }
    let message =
        fails(json!([{"user": "anne", "relation": "viewer", "object": "document:1"}]), "invalid_tuple");
    assert!(message.starts_with("invalid contextual_tuples.tuple_keys[0].user: "), "{message}");
    let many: Vec<_> = (0..101).map(|n| key(&format!("document:1#viewer@user:{n}"))).collect();
    let message = fails(json!(many), "validation_error");
    assert!(
        message.contains("contextual_tuples.tuple_keys: value must contain no more than 100"),
        "{message}"
    );
    let mut other = key("document:1#viewer@user:bob");
    other["paused"] = json!(true);
    fails(json!([key("document:1#viewer@user:bob"), other]), "duplicate_contextual_tuple");
}

#[test]
fn the_same_contextual_tuple_twice_is_one() {
    let server = Server::new();
    let twice = json!([key("document:1#viewer@user:anne"), key("document:1#viewer@user:anne")]);
    let body =
        json!({"tuple_key": key("document:1#viewer@user:anne"), "contextual_tuples": {"tuple_keys": twice}});
    assert_eq!(server.post("/check", body).body["allowed"], true);
}

#[test]
fn what_the_model_does_not_have_is_refused() {
    let server = Server::new();
    let message =
        |tuple: &str| server.post("/check", json!({"tuple_key": key(tuple)})).fails(400, "validation_error");
    assert_eq!(message("robot:1#viewer@user:anne"), "type 'robot' not found");
    assert_eq!(message("document:1#eats@user:anne"), "relation 'document#eats' not found");
    assert!(message("document:1#viewer@robot:1").contains("type 'robot' not found"));
    assert!(message("document:1#viewer@group:1#boss").contains("relation 'group#boss' not found"));
}

#[test]
fn a_missing_tuple_key_and_a_missing_model_have_their_own_codes() {
    let server = Server::new();
    server.post("/check", json!({})).fails(400, "tuple_key_value_not_specified");
    let body = json!({"tuple_key": key("document:1#viewer@user:anne")}).to_string();
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let path = format!("/stores/{unknown}/check");
    assert_eq!(
        server.send("POST", &path, &[], Some(&body)).fails(400, "latest_authorization_model_not_found"),
        "No authorization models found for store '01ARZ3NDEKTSV4RRFFQ69G5FAV'"
    );
    let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "authorization_model_id": unknown});
    server.post("/check", body).fails(400, "authorization_model_not_found");
    let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "authorization_model_id": "newest"});
    let message = server.post("/check", body).fails(400, "validation_error");
    assert!(message.starts_with("invalid authorization_model_id: "), "{message}");
}

#[test]
fn cyclic_data_is_false_and_no_error() {
    let server = Server::new();
    server.write(&[
        "group:a#member@group:b#member",
        "group:b#member@group:a#member",
        "document:1#viewer@group:a#member",
    ]);
    assert!(!server.allows("document:1#viewer@user:anne"));
}

#[test]
fn a_chain_over_the_depth_limit_is_refused() {
    let server = Server::new();
    let chain: Vec<_> = (0..60).map(|n| format!("group:{n}#member@group:{}#member", n + 1)).collect();
    server.write(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    server.write(&["group:60#member@user:anne"]);
    let body = json!({"tuple_key": key("group:0#member@user:anne")});
    server.post("/check", body).fails(400, "authorization_model_resolution_too_complex");
    assert!(server.allows("group:50#member@user:anne"));
}
