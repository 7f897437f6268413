//! BatchCheck: whole answers, errors of one check and of the call.

use serde_json::{Value, json};

use crate::fixture::{Server, key};

fn item(id: &str, tuple: &str) -> Value {
    json!({"correlation_id": id, "tuple_key": key(tuple)})
}

#[test]
fn each_check_has_its_own_answer_or_error() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let mut contextual = item("contextual", "document:2#viewer@user:anne");
    contextual["contextual_tuples"] = json!({"tuple_keys": [key("document:2#owner@user:anne")]});
    let mut invalid = item("invalid-tuple", "document:2#viewer@user:anne");
    invalid["contextualTuples"] = json!({"tupleKeys": [key("document:2#owner@group:a#member")]});
    let body = json!({
        "checks": [
            item("allowed", "document:1#viewer@user:anne"),
            item("denied", "document:1#viewer@user:bob"),
            contextual,
            item("unknown_relation", "document:1#eats@user:anne"),
            item("malformed", "document:1#viewer@anne"),
            invalid,
        ],
        "authorization_model_id": server.model,
    });
    let answer = server.send_undescribed("POST", &server.path("/batch-check"), &[], Some(&body.to_string()));
    assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    let message = |id: &str| answer.body["result"][id]["error"]["message"].clone();
    assert!(message("invalid-tuple").as_str().unwrap().contains("document:2#owner@group:a#member"));
    let expected = json!({
        "result": {
            "allowed": {"allowed": true, "stable_until": null},
            "denied": {"allowed": false, "stable_until": null},
            "contextual": {"allowed": true, "stable_until": null},
            "unknown_relation": {"error": {
                "input_error": "validation_error",
                "message": "relation 'document#eats' not found",
            }},
            "malformed": {"error": {
                "input_error": "validation_error",
                "message": "invalid checks[4].tuple_key.user: `anne` has no `:`; expected `type:id`",
            }},
            "invalid-tuple": {"error": {"input_error": "invalid_tuple", "message": message("invalid-tuple")}},
        },
        "revision": 2,
    });
    answer.is(expected);
}

#[test]
fn what_is_wrong_with_the_call_refuses_the_whole() {
    let server = Server::new();
    let fails =
        |checks: Value| server.post("/batch-check", json!({"checks": checks})).fails(400, "validation_error");
    assert!(fails(json!([])).contains("requires at least one check"));
    let many: Vec<_> = (0..51).map(|n| item(&n.to_string(), "document:1#viewer@user:anne")).collect();
    assert_eq!(
        fails(json!(many)),
        "invalid checks: batchCheck received 51 checks, the maximum allowed is 50"
    );
    let twice = json!([item("a", "document:1#viewer@user:anne"), item("a", "document:1#viewer@user:bob")]);
    assert_eq!(fails(twice), "invalid checks[1].correlation_id: received duplicate correlation id: a");
    for id in ["", "with space", &"x".repeat(37)] {
        let message = fails(json!([item(id, "document:1#viewer@user:anne")]));
        assert!(message.starts_with("invalid checks[0].correlation_id: expected 1 to 36"), "{message}");
    }
    let mut empty = Server::new();
    empty.store = empty.create_store();
    let body = json!({"checks": [item("a", "document:1#viewer@user:anne")]});
    empty.post("/batch-check", body).fails(400, "latest_authorization_model_not_found");
}

#[test]
fn a_check_that_meets_a_limit_fails_alone() {
    let server = Server::new();
    let chain: Vec<_> = (0..60).map(|n| format!("group:{n}#member@group:{}#member", n + 1)).collect();
    server.write(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    server.write(&["group:60#member@user:anne"]);
    let body = json!({"checks": [item("deep", "group:0#member@user:anne"), item("near", "group:60#member@user:anne")]});
    let result = server.post("/batch-check", body).body["result"].clone();
    assert_eq!(result["deep"]["error"]["input_error"], "authorization_model_resolution_too_complex");
    assert_eq!(result["near"], json!({"allowed": true, "stable_until": null}));
}
