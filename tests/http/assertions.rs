//! Assertions: written as a whole, read back, validated as OpenFGA does.

use serde_json::{Value, json};

use crate::fixture::{Answer, Server, key};

const UNKNOWN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

impl Server {
    fn put_assertions(&self, assertions: Value) -> Answer {
        let path = format!("/stores/{}/assertions/{}", self.store, self.model);
        let body = json!({"assertions": assertions}).to_string();
        self.send("PUT", &path, &[], Some(&body))
    }

    #[track_caller]
    fn assertions(&self) -> Value {
        let answer = self.get(&format!("/assertions/{}", self.model));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*self.model));
        assert_eq!(answer.body["authorization_model_id"], json!(self.model));
        assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.body);
        answer.body["assertions"].clone()
    }
}

fn asserting(tuple: &str) -> Value {
    json!({"tuple_key": key(tuple), "expectation": true})
}

fn with(mut assertion: Value, field: &str, value: Value) -> Value {
    assertion[field] = value;
    assertion
}

#[test]
fn assertions_are_written_as_a_whole_and_read_back_complete() {
    let server = Server::new();
    assert_eq!(server.assertions(), json!([]));
    let first = asserting("document:1#viewer@user:a");
    let contextual = json!([
        {"user": "user:b", "relation": "owner", "object": "document:1"},
        {"user": "user:c", "relation": "owner", "object": "document:1", "expires_at": "2027-01-01T00:00:00Z", "paused": true},
    ]);
    let second = json!({
        "tuple_key": key("document:1#can_read@group:eng#member"),
        "contextual_tuples": contextual,
        "context": {"b": [1.0, null], "a": "x"},
    });
    let written = server.put_assertions(json!([first, second]));
    assert_eq!((written.status, &written.body), (204, &Value::Null));
    assert_eq!(written.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    assert_eq!(written.header("Tenure-Revision"), Some("2"));
    assert_eq!(
        server.assertions(),
        json!([
            {
                "tuple_key": {"object": "document:1", "relation": "viewer", "user": "user:a"},
                "expectation": true,
                "contextual_tuples": [],
                "context": null,
            },
            {
                "tuple_key": {"object": "document:1", "relation": "can_read", "user": "group:eng#member"},
                "expectation": false,
                "contextual_tuples": [
                    {"user": "user:b", "relation": "owner", "object": "document:1", "condition": null},
                    {
                        "user": "user:c", "relation": "owner", "object": "document:1", "condition": null,
                        "expires_at": "2027-01-01T00:00:00Z", "paused": true,
                    },
                ],
                "context": {"a": "x", "b": [1, null]},
            },
        ])
    );

    assert_eq!(server.put_assertions(json!([asserting("document:2#viewer@user:*")])).status, 204);
    assert_eq!(server.assertions().as_array().unwrap().len(), 1, "in the place of the others");
    for body in [None, Some("{}"), Some(r#"{"assertions":null}"#), Some(r#"{"assertions":[]}"#)] {
        server.put_assertions(json!([asserting("document:2#viewer@user:*")]));
        let path = format!("/stores/{}/assertions/{}", server.store, server.model);
        assert_eq!(server.send("PUT", &path, &[], body).status, 204);
        assert_eq!(server.assertions(), json!([]), "{body:?}");
    }
}

#[test]
fn what_was_written_decides_nothing_and_shows_in_no_changes() {
    let server = Server::new();
    server.put_assertions(json!([asserting("document:1#viewer@user:a")]));
    assert!(!server.allows("document:1#viewer@user:a"));
    assert!(server.tuples().is_empty());
    assert_eq!(server.get("/changes").body["changes"], json!([]));
}

#[test]
fn a_model_that_is_not_there_has_no_assertions() {
    let server = Server::new();
    let missing = format!("Authorization Model '{UNKNOWN}' not found");
    let body = json!({"assertions": [asserting("document:1#viewer@user:a")]}).to_string();
    let (store, model) = (server.store.clone(), server.model.clone());
    for (store, model, message) in [
        (&*store, UNKNOWN, missing.clone()),
        (UNKNOWN, &*model, format!("Authorization Model '{model}' not found")),
    ] {
        let path = format!("/stores/{store}/assertions/{model}");
        assert_eq!(server.send("GET", &path, &[], None).fails(400, "authorization_model_not_found"), message);
        let written = server.send("PUT", &path, &[], Some(&body));
        assert_eq!(written.fails(400, "authorization_model_not_found"), message);
    }
    let path = format!("/stores/{store}/assertions/xyz");
    server.send("GET", &path, &[], None).fails(400, "validation_error");
    server.send("PUT", &path, &[], Some(&body)).fails(400, "validation_error");
    server.send("DELETE", &format!("/stores/{store}"), &[], None);
    let path = format!("/stores/{store}/assertions/{model}");
    server.send("GET", &path, &[], None).fails(400, "authorization_model_not_found");
}

#[test]
fn a_question_must_be_one_that_the_model_can_answer() {
    let server = Server::new();
    for (tuple, message) in [
        ("nope:1#viewer@user:a", "type 'nope' not found"),
        ("document:1#nope@user:a", "relation 'document#nope' not found"),
        ("document:1#viewer@nope:a", "invalid subject `nope:a`: type 'nope' not found"),
        ("document:1#viewer@group:a#nope", "invalid subject `group:a#nope`: relation 'group#nope' not found"),
    ] {
        assert_eq!(server.put_assertions(json!([asserting(tuple)])).fails(400, "validation_error"), message);
    }
    // What no tuple could say may be asked all the same.
    assert_eq!(server.put_assertions(json!([asserting("document:1#viewer@group:a")])).status, 204);
    let none = json!([asserting("document:1#viewer@user:a"), {"expectation": true}]);
    let message = server.put_assertions(none).fails(400, "tuple_key_value_not_specified");
    assert_eq!(message, "invalid assertions[1].tuple_key: value is required");
    for (field, value) in [
        ("user", "user"),
        ("user", ""),
        ("user", "user:a b"),
        ("relation", ""),
        ("object", "document"),
        ("object", ""),
    ] {
        let mut assertion = asserting("document:1#viewer@user:a");
        assertion["tuple_key"][field] = json!(value);
        let message = server.put_assertions(json!([assertion])).fails(400, "validation_error");
        assert!(message.starts_with(&format!("invalid assertions[0].tuple_key.{field}: ")), "{message}");
    }
    let valid = || asserting("document:1#viewer@user:a");
    for wrong in
        [json!(null), with(valid(), "expectation", json!("yes")), with(valid(), "context", json!([1]))]
    {
        server.put_assertions(json!([wrong])).fails(400, "validation_error");
    }
    assert_eq!(server.assertions().as_array().unwrap().len(), 1, "what was refused has changed nothing");
}

#[test]
fn a_contextual_tuple_must_be_one_that_could_be_written() {
    let server = Server::new();
    let put = |tuple: Value| {
        let assertion = with(asserting("document:1#viewer@user:a"), "contextual_tuples", json!([tuple]));
        server.put_assertions(json!([assertion]))
    };
    for (tuple, reason) in [
        ("nope:1#viewer@user:a", "type 'nope' not found"),
        (
            "document:2#viewer@document:1",
            "type 'document' is not an allowed type restriction for 'document#viewer'",
        ),
        (
            "document:2#can_read@user:a",
            "type 'user' is not an allowed type restriction for 'document#can_read'",
        ),
    ] {
        let message = put(key(tuple)).fails(400, "validation_error");
        assert_eq!(message, format!("Invalid tuple '{tuple}'. Reason: {reason}"));
    }
    for wrong in
        [json!({"user": "user:a"}), with(key("document:1#viewer@user:a"), "condition", json!({"name": ""}))]
    {
        put(wrong).fails(400, "validation_error");
    }
    let message = put(with(key("document:1#viewer@user:a"), "expires_at", json!("soon")))
        .fails(400, "validation_error");
    assert!(message.starts_with("invalid assertions[0].contextual_tuples[0].expires_at: "), "{message}");
}

#[test]
fn assertions_are_bounded() {
    let server = Server::new();
    let many = |count: usize| json!(vec![asserting("document:1#viewer@user:a"); count]);
    assert_eq!(server.put_assertions(many(100)).status, 204);
    let message = server.put_assertions(many(101)).fails(400, "assertions_too_many_items");
    assert_eq!(message, "invalid assertions: value must contain no more than 100 item(s), found 101");

    let contextual = |count: usize| {
        let tuples: Vec<Value> = (0..count).map(|n| key(&format!("document:{n}#viewer@user:a"))).collect();
        json!([with(asserting("document:1#viewer@user:a"), "contextual_tuples", json!(tuples))])
    };
    assert_eq!(server.put_assertions(contextual(20)).status, 204);
    let message = server.put_assertions(contextual(21)).fails(400, "validation_error");
    assert_eq!(
        message,
        "invalid assertions[0].contextual_tuples: value must contain no more than 20 item(s), found 21"
    );

    let large = |bytes: usize| {
        let context = json!({"x": "y".repeat(bytes)});
        let assertion = with(asserting("document:1#viewer@user:a"), "context", context);
        json!([assertion, asserting("document:1#viewer@user:a")])
    };
    // Two questions of 24 bytes, and the context's `{"x":""}`.
    let rest = 2 * 24 + 8;
    assert_eq!(server.put_assertions(large(64_000 - rest)).status, 204);
    let message = server.put_assertions(large(64_001 - rest)).fails(400, "exceeded_entity_limit");
    assert_eq!(message, "The number of bytes exceeds the allowed limit of 64000");
}
