//! Explain: answers, other instants, reasons, refusals.

use serde_json::{Value, json};

use crate::fixture::{Server, key};

fn ending(tuple: &str, lifetime: Value) -> Value {
    let mut tuple = key(tuple);
    tuple.as_object_mut().unwrap().extend(lifetime.as_object().unwrap().clone());
    tuple
}

#[test]
fn an_allowance_is_complete() {
    let server = Server::new();
    let owner = ending("document:1#owner@user:anne", json!({"expires_at": "2027-01-01T00:00:00Z"}));
    let viewer = ending("document:1#viewer@user:anne", json!({"expires_at": "2028-01-01T00:00:00Z"}));
    server.write_keys(json!([owner, viewer]));
    let body = json!({
        "tuple_key": key("document:1#can_share@user:anne"),
        "contextual_tuples": {"tuple_keys": []},
        "authorization_model_id": server.model,
        "trace": false,
        "context": {"unused": 1},
        "consistency": "MINIMIZE_LATENCY",
        "at_least_revision": 2,
        "at": null,
    });
    let answer = server.post("/explain", body);
    assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    assert_eq!(answer.header("Tenure-Revision"), Some("2"));
    let shown = |tuple: &str, end: &str| {
        ending(tuple, json!({"condition": null, "expires_at": end, "paused": false}))
    };
    let owned = json!({
        "kind": "relation", "name": "document:1#owner", "outcome": "true", "decides": true,
        "children": [{
            "kind": "tuples", "name": "document:1#owner", "outcome": "true", "decides": true,
            "children": [{
                "kind": "tuple", "tuple_key": shown("document:1#owner@user:anne", "2027-01-01T00:00:00Z"),
                "state": "live", "outcome": "true", "decides": true,
            }],
        }],
    });
    let viewed = json!({
        "kind": "relation", "name": "document:1#viewer", "outcome": "true", "decides": true,
        "children": [{
            "kind": "union", "outcome": "true", "decides": true,
            "children": [
                {
                    "kind": "tuples", "name": "document:1#viewer", "outcome": "true", "decides": true,
                    "children": [{
                        "kind": "tuple", "tuple_key": shown("document:1#viewer@user:anne", "2028-01-01T00:00:00Z"),
                        "state": "live", "outcome": "true", "decides": true,
                    }],
                },
                {
                    "kind": "relation", "name": "document:1#owner", "outcome": "true", "decides": false,
                    "note": "repeated",
                },
                {
                    "kind": "from", "name": "document:1#parent", "computed": "viewer",
                    "outcome": "false", "decides": false,
                },
            ],
        }],
    });
    answer.is(json!({
        "allowed": true,
        "revision": 2,
        "at": "2026-01-01T00:00:00Z",
        "stable_until": "2027-01-01T00:00:00Z",
        "ends_at": "2027-01-01T00:00:00Z",
        "begins_at": null,
        "tree": {
            "kind": "relation", "name": "document:1#can_share", "outcome": "true", "decides": true,
            "children": [{
                "kind": "intersection", "outcome": "true", "decides": true, "children": [viewed, owned],
            }],
        },
        "reasons": [],
        "incomplete": [],
    }));
}

#[test]
fn a_denial_says_what_would_turn_it() {
    let server = Server::new();
    let paused = ending("document:1#owner@user:anne", json!({"paused": true}));
    server.write_keys(json!([paused, key("document:1#blocked@user:anne")]));
    let answer = server.post("/explain", json!({"tuple_key": key("document:1#can_read@user:anne")}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["allowed"], false);
    let paused =
        ending("document:1#owner@user:anne", json!({"condition": null, "expires_at": null, "paused": true}));
    let blocked = ending("document:1#blocked@user:anne", json!({"condition": null}));
    let reasons = answer.body["reasons"].as_array().unwrap();
    assert_eq!(
        reasons[0],
        json!({"changes": [
            {"kind": "remove", "tuple_key": blocked},
            {"kind": "resume", "tuple_key": paused},
        ]})
    );
    let added = ending("document:1#viewer@user:anne", json!({"condition": null}));
    assert_eq!(
        reasons[1],
        json!({"changes": [
            {"kind": "remove", "tuple_key": blocked},
            {"kind": "add", "tuple_key": added},
        ]})
    );
}

#[test]
fn a_ceiling_is_shown_with_what_is_to_be_raised() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let answer = server.post("/explain", json!({"tuple_key": key("document:1#can_share@user:anne")}));
    assert_eq!(
        answer.body["reasons"],
        json!([{"changes": [{
            "kind": "raise_ceiling",
            "tuple_key": ending("document:1#owner@user:anne", json!({"condition": null})),
            "ceiling": ending("document:1#viewer@user:anne", json!({"condition": null})),
        }]}])
    );
}

#[test]
fn another_instant_is_decided_on_the_tuples_as_they_are() {
    let server = Server::new();
    server.write_keys(json!([
        ending("document:1#viewer@user:anne", json!({"expires_at": "2027-01-01T00:00:00Z"})),
        ending("document:1#blocked@user:anne", json!({"expires_at": "2026-06-01T00:00:00Z"})),
    ]));
    let explain = |at: Value| {
        let body = json!({"tuple_key": key("document:1#can_read@user:anne"), "at": at});
        let answer = server.post("/explain", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let field = |name: &str| answer.body[name].clone();
        (field("at"), field("allowed"), field("ends_at"), field("begins_at"), field("stable_until"))
    };
    let (june, january) = (json!("2026-06-01T00:00:00Z"), json!("2027-01-01T00:00:00Z"));
    let null = Value::Null;
    assert_eq!(
        explain(json!(null)),
        (json!("2026-01-01T00:00:00Z"), json!(false), null.clone(), june.clone(), june.clone())
    );
    assert_eq!(explain(june.clone()), (june, json!(true), january.clone(), null.clone(), january.clone()));
    assert_eq!(explain(january.clone()), (january, json!(false), null.clone(), null.clone(), null));
    // Finer than a microsecond is cut to the past.
    assert_eq!(explain(json!("2026-12-31T23:59:59.9999999Z")).1, json!(true));
}

#[test]
fn what_is_given_with_the_request_is_told_from_what_is_stored() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let body = json!({
        "tuple_key": key("document:1#viewer@user:anne"),
        "contextual_tuples": {"tuple_keys": [ending("document:1#viewer@user:anne", json!({"paused": true}))]},
    });
    let answer = server.post("/explain", body);
    let change = &answer.body["reasons"][0]["changes"][0];
    assert_eq!((&change["kind"], &change["contextual"]), (&json!("resume"), &json!(true)));
    assert!(answer.body["tree"].to_string().contains(r#""contextual":true"#));
}

#[test]
fn an_unknown_field_is_refused_whether_the_request_is_strict_or_not() {
    let server = Server::new();
    let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "when": "2027-01-01T00:00:00Z"});
    let message = server.post("/explain", body).fails(400, "validation_error");
    assert_eq!(message, "invalid when: unknown field");
    let mut tuple = key("document:1#viewer@user:anne");
    tuple["objekt"] = json!("document:1");
    let message = server.post("/explain", json!({"tuple_key": tuple})).fails(400, "validation_error");
    assert_eq!(message, "invalid tuple_key.objekt: unknown field");
}

#[test]
fn what_a_check_refuses_is_refused_alike() {
    let server = Server::new();
    let tuple = || key("document:1#viewer@user:anne");
    for body in [
        json!({}),
        json!({"tuple_key": key("robot:1#viewer@user:anne")}),
        json!({"tuple_key": key("document:1#eats@user:anne")}),
        json!({"tuple_key": key("document:1#viewer@robot:1")}),
        json!({"tuple_key": tuple(), "at_least_revision": 99}),
        json!({"tuple_key": tuple(), "authorization_model_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}),
        json!({"tuple_key": tuple(), "contextual_tuples": {"tuple_keys": [key("document:1#can_read@user:anne")]}}),
    ] {
        let (check, explain) = (server.post("/check", body.clone()), server.post("/explain", body.clone()));
        assert!(check.status >= 400, "{body}");
        assert_eq!((check.status, check.body), (explain.status, explain.body), "{body}");
    }
    let fails = |at: Value| {
        server.post("/explain", json!({"tuple_key": tuple(), "at": at})).fails(400, "validation_error")
    };
    assert!(fails(json!("tomorrow")).starts_with("invalid at: `tomorrow` is not an instant"));
    assert!(fails(json!(5)).starts_with("invalid at: expected an instant in RFC 3339"));
}

#[test]
fn a_long_chain_is_answered_in_json_that_common_readers_take() {
    let server = Server::new();
    let chain: Vec<_> = (0..60).map(|n| format!("group:{n}#member@group:{}#member", n + 1)).collect();
    server.write(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    server.write(&["group:60#member@user:anne"]);
    let body = |group: u32| json!({"tuple_key": key(&format!("group:{group}#member@user:anne"))});
    server.post("/explain", body(0)).fails(400, "authorization_model_resolution_too_complex");
    // Read by a reader that takes 128 levels.
    let answer = server.post("/explain", body(36));
    assert_eq!((answer.status, &answer.body["allowed"]), (200, &json!(true)), "{}", answer.body);
    assert_eq!(answer.body["incomplete"], json!(["tree"]));
    let answer = server.post("/explain", body(50));
    assert_eq!(answer.body["incomplete"], json!([]));
}
