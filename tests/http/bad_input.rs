//! Bad input: each kind has an error that names the field and what was expected, and changes nothing.
//!
//! Models that break rules stand in `models`, cyclic and too deep data in `check`, data directories in `process`.

use serde_json::{Value, json};
use tenure::model::limits::{BODY_VALUES_MAX, CONTEXT_VALUES_MAX, VALUES_PER_OBJECT};

use crate::fixture::{Server, key, with};

/// Every operation with a body.
const OPERATIONS: [&str; 6] =
    ["/write", "/read", "/check", "/batch-check", "/expand", "/authorization-models"];

#[test]
fn malformed_json_is_refused_on_every_route() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    for operation in OPERATIONS {
        for body in
            ["{", "nonsense", r#"{"a":1}}"#, r#"{"a":}"#, "\u{feff}{}", r#"{"writes":{"tuple_keys":[}]}"#]
        {
            let message = server.post_text(operation, body).fails(400, "validation_error");
            assert!(message.starts_with("malformed JSON: "), "{operation} {body}: {message}");
        }
    }
    let message = server.post_text("/write", &"[".repeat(100_000)).fails(400, "validation_error");
    assert!(message.contains("recursion limit"), "{message}");
    assert_eq!(server.tuples(), ["document:1#viewer@user:anne"]);
}

/// A write of one tuple with these fields is refused with this message, and nothing is written.
#[track_caller]
fn refused(fields: Value, code: &str, message: &str) {
    let server = Server::new();
    let mut tuple = key("document:1#viewer@user:anne");
    tuple.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = json!({"writes": {"tuple_keys": [key("document:1#viewer@user:bob"), tuple]}});
    assert_eq!(server.post("/write", body).fails(400, code), message);
    assert!(server.tuples().is_empty());
    let changes = server.get("/changes").body;
    assert_eq!(changes["changes"], json!([]));
}

#[test]
fn a_field_of_the_wrong_type_is_refused() {
    let at = "invalid writes.tuple_keys[1]";
    let code = "validation_error";
    refused(json!({"user": 7}), code, &format!("{at}.user: expected a string, found the number 7"));
    refused(json!({"object": ["a"]}), code, &format!("{at}.object: expected a string, found a list"));
    refused(
        json!({"paused": "yes"}),
        code,
        &format!("{at}.paused: expected true or false, found the text \"yes\""),
    );
    refused(
        json!({"expires_at": 1_800_000_000}),
        code,
        &format!("{at}.expires_at: expected an instant in RFC 3339, as text, found the number 1800000000"),
    );
    refused(
        json!({"expires_at": "soon"}),
        code,
        &format!(
            "{at}.expires_at: `soon` is not an instant; expected RFC 3339, for example `2027-01-31T12:00:00Z`"
        ),
    );
    refused(
        json!({"condition": "c"}),
        code,
        &format!("{at}.condition: expected an object, found the text \"c\""),
    );
    refused(
        json!({"condition": {"name": "c"}}),
        code,
        &format!("{at}.condition.name: the name is too short; at least 2 characters are expected"),
    );
    refused(
        json!({"condition": {"name": "cc", "context": []}}),
        code,
        &format!("{at}.condition.context: expected an object, found a list"),
    );
    let server = Server::new();
    let message = server.post("/write", json!({"writes": []})).fails(400, code);
    assert_eq!(message, "invalid writes: expected an object, found a list");
    let message = server.post("/check", json!({"tuple_key": "document:1"})).fails(400, code);
    assert_eq!(message, "invalid tuple_key: expected an object, found the text \"document:1\"");
}

#[test]
fn over_long_identifiers_are_refused() {
    let at = "invalid writes.tuple_keys[1]";
    let long = "x".repeat(600);
    let cut = |text: &str| text.chars().take(64).collect::<String>();
    let object = format!("document:{long}");
    refused(
        json!({"object": object}),
        "validation_error",
        &format!("{at}.object: `{}…` is 609 bytes long; at most 256 are allowed", cut(&object)),
    );
    let user = format!("user:{long}");
    refused(
        json!({"user": user}),
        "validation_error",
        &format!("{at}.user: `{}…` is 605 bytes long; at most 512 are allowed", cut(&user)),
    );
    refused(
        json!({"relation": "r".repeat(51)}),
        "validation_error",
        &format!(
            "{at}.relation: the name is 51 bytes long; at most 50 are allowed; expected 1 to 50 bytes without `:`, \
             `#`, `@` and white space"
        ),
    );
}

#[test]
fn control_characters_and_white_space_are_refused() {
    let at = "invalid writes.tuple_keys[1]";
    refused(
        json!({"object": "document:a\u{0}b"}),
        "validation_error",
        &format!("{at}.object: the id of `document:a\u{0}b` contains '\\0', which is not allowed here"),
    );
    refused(
        json!({"object": "document:a b"}),
        "validation_error",
        &format!("{at}.object: the id of `document:a b` contains ' ', which is not allowed here"),
    );
    refused(
        json!({"user": "user:a\u{7f}"}),
        "validation_error",
        &format!("{at}.user: the id of `user:a\u{7f}` contains '\\u{{7f}}', which is not allowed here"),
    );
    refused(
        json!({"relation": "view\ner"}),
        "validation_error",
        &format!(
            "{at}.relation: the name contains '\\n', which is not allowed here; expected 1 to 50 bytes without `:`, \
             `#`, `@` and white space"
        ),
    );
}

#[test]
fn malformed_identifiers_are_refused() {
    let at = "invalid writes.tuple_keys[1]";
    let code = "validation_error";
    refused(json!({"user": "anne"}), code, &format!("{at}.user: `anne` has no `:`; expected `type:id`"));
    refused(json!({"user": ""}), code, &format!("{at}.user: `` has no `:`; expected `type:id`"));
    refused(
        json!({"user": "group:*#member"}),
        code,
        &format!("{at}.user: `group:*#member` is a wildcard; expected one object, `type:id`"),
    );
    refused(
        json!({"object": "document:*"}),
        code,
        &format!("{at}.object: `document:*` is a wildcard; expected one object, `type:id`"),
    );
    refused(
        json!({"object": ""}),
        "validation_error",
        &format!("{at}.object: `` has no `:`; expected `type:id`"),
    );
    refused(
        json!({"object": "document:1#viewer"}),
        code,
        &format!("{at}.object: the id of `document:1#viewer` contains '#', which is not allowed here"),
    );
}

/// A write of one tuple is refused, its message has this in it, and nothing is written.
#[track_caller]
fn not_allowed(tuple: Value, expected: &str) {
    let server = Server::new();
    let body = json!({"writes": {"tuple_keys": [key("document:1#viewer@user:bob"), tuple]}});
    let message = server.post("/write", body).fails(400, "validation_error");
    assert!(message.contains(expected), "{message}");
    assert!(server.tuples().is_empty());
}

#[test]
fn unknown_types_and_relations_are_refused() {
    not_allowed(
        key("robot:1#viewer@user:anne"),
        "Invalid tuple 'robot:1#viewer@user:anne'. Reason: type 'robot' not found",
    );
    not_allowed(key("document:1#eats@user:anne"), "relation 'document#eats' not found");
    not_allowed(key("document:1#viewer@robot:1"), "type 'robot' not found");
    not_allowed(key("document:1#viewer@group:1#boss"), "relation 'group#boss' not found");
}

#[test]
fn tuples_that_the_model_does_not_allow_are_refused() {
    for tuple in [
        "document:1#owner@group:eng#member",
        "document:1#owner@user:*",
        "document:1#parent@user:anne",
        "document:1#can_read@user:anne",
        "document:1#viewer@folder:f",
    ] {
        not_allowed(key(tuple), &format!("Invalid tuple '{tuple}'. Reason: "));
    }
    let mut conditional = key("document:1#viewer@user:anne");
    conditional["condition"] = json!({"name": "in_office", "context": {}});
    not_allowed(conditional, "Invalid tuple 'document:1#viewer@user:anne'. Reason: undefined condition");
}

#[test]
fn a_context_that_is_too_large_is_refused() {
    let server = Server::new();
    let mut tuple = key("document:1#viewer@user:anne");
    tuple["condition"] = json!({"name": "cc", "context": {"text": "x".repeat(40_000)}});
    let message =
        server.post("/write", json!({"writes": {"tuple_keys": [tuple]}})).fails(400, "validation_error");
    assert_eq!(
        message,
        "invalid writes.tuple_keys[0].condition.context: condition context size limit exceeded: 40011 bytes exceeds \
         32768 bytes"
    );
}

#[test]
fn control_characters_in_the_context_of_a_query_are_refused() {
    let server = Server::new();
    let tuple = || key("document:1#viewer@user:anne");
    let list = || json!({"type": "document", "relation": "viewer", "user": "user:anne"});
    let users = json!({
        "object": {"type": "document", "id": "1"}, "relation": "viewer", "user_filters": [{"type": "user"}],
    });
    let (subject, resource) = (json!({"type": "user", "id": "anne"}), json!({"type": "document", "id": "1"}));
    let access = || json!({"subject": subject, "resource": resource, "action": {"name": "viewer"}});
    let queries = [
        ("/check", json!({"tuple_key": tuple()})),
        ("/explain", json!({"tuple_key": tuple()})),
        ("/list-objects", list()),
        ("/streamed-list-objects", list()),
        ("/list-users", users),
        ("/access/v1/evaluation", access()),
        ("/access/v1/search/subject", access()),
        ("/access/v1/search/resource", access()),
        ("/access/v1/search/action", access()),
    ];
    let contexts = [
        (json!({"x": "a\u{1}"}), r#"context value "a\u{1}""#),
        (json!({"x\n": "a"}), r#"context key "x\n""#),
        (json!({"x": [{"y": ["a", "\u{85}"]}]}), r#"context value "\u{85}""#),
        (json!({"x": [{"y\u{7f}": null}]}), r#"context key "y\u{7f}""#),
    ];
    for (context, what) in &contexts {
        let expected = format!("invalid context: {what} contains forbidden characters");
        for (operation, body) in &queries {
            let answer = server.post(operation, with(body, "context", context.clone()));
            let error = (&answer.body["code"], &answer.body["message"]);
            assert_eq!(
                (answer.status, error),
                (400, (&json!("validation_error"), &json!(expected))),
                "{operation}"
            );
        }
        let item = json!({"tuple_key": tuple(), "correlation_id": "a", "context": context});
        let error = json!({"input_error": "validation_error", "message": expected});
        let answer = server.post("/batch-check", json!({"checks": [item]}));
        assert_eq!(answer.body["result"]["a"]["error"], error);
    }

    let properties = json!({"x": "a\u{1}"});
    let expected = r#"invalid context: context value "a\u{1}" contains forbidden characters"#;
    for part in ["subject", "resource", "action"] {
        let mut body = access();
        body[part]["properties"] = properties.clone();
        let message = server.post("/access/v1/evaluation", body.clone()).fails(400, "validation_error");
        assert_eq!(message, expected, "{part}");
        let answer = server.post("/access/v1/evaluations", json!({"evaluations": [body]}));
        let evaluation =
            json!({"decision": false, "context": {"error": {"status": 400, "message": expected}}});
        assert_eq!(answer.body["evaluations"], json!([evaluation]), "{part}");
    }

    let harmless = json!({"x": ["zero width \u{200b}", {"größe": 1}]});
    let answer = server.post("/check", json!({"tuple_key": tuple(), "context": harmless}));
    assert_eq!(answer.body["allowed"], false);
}

#[test]
fn the_contexts_of_a_query_may_have_so_many_values_together_on_every_route() {
    let server = Server::new();
    let (subject, resource) = (json!({"type": "user", "id": "anne"}), json!({"type": "document", "id": "1"}));
    let access = || json!({"subject": subject, "resource": resource, "action": {"name": "viewer"}});
    let tuple = || key("document:1#viewer@user:anne");
    let list = || json!({"type": "document", "relation": "viewer", "user": "user:anne"});
    let users = json!({"object": resource, "relation": "viewer", "user_filters": [{"type": "user"}]});
    let bound = format!(
        "too many values; all contexts and properties of a request may have {CONTEXT_VALUES_MAX} together, where an \
         object counts as {VALUES_PER_OBJECT}"
    );
    #[track_caller]
    fn is_refused(server: &Server, operation: &str, body: Value, expected: &str) {
        let answer = server.post(operation, body);
        let error = (answer.status, &answer.body["code"], &answer.body["message"]);
        assert_eq!(error, (400, &json!("validation_error"), &json!(expected)), "{operation}");
    }
    // So many values as a context, which is an object with one list.
    let values = |number: usize| json!({"values": vec![0; number - VALUES_PER_OBJECT - 1]});
    for (operation, body) in [
        ("/check", json!({"tuple_key": tuple()})),
        ("/explain", json!({"tuple_key": tuple()})),
        ("/list-objects", list()),
        ("/streamed-list-objects", list()),
        ("/list-users", users),
        ("/access/v1/evaluation", access()),
        ("/access/v1/evaluations", access()),
        ("/access/v1/search/subject", access()),
        ("/access/v1/search/resource", access()),
        ("/access/v1/search/action", access()),
    ] {
        let most = server.post(operation, with(&body, "context", values(CONTEXT_VALUES_MAX)));
        assert_eq!(most.status, 200, "{operation}: {}", most.body);
        let body = with(&body, "context", values(CONTEXT_VALUES_MAX + 1));
        is_refused(&server, operation, body, &format!("invalid context: {bound}"));
    }

    // All of a batch, and all parts of a question, together.
    let half = || values(CONTEXT_VALUES_MAX / 2 + 1);
    let item = |id: &str| json!({"tuple_key": tuple(), "correlation_id": id, "context": half()});
    assert_eq!(server.post("/batch-check", json!({"checks": [item("a")]})).status, 200);
    let two = json!({"checks": [item("a"), item("b")]});
    is_refused(&server, "/batch-check", two, &format!("invalid checks[1].context: {bound}"));
    for part in ["subject", "resource", "action"] {
        let mut body = with(&access(), "context", half());
        body[part]["properties"] = half();
        for operation in ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"] {
            if (part, operation) == ("action", "search/action") {
                continue;
            }
            // Which of the two is read first differs.
            let answer = server.post(&format!("/access/v1/{operation}"), body.clone());
            let message = answer.fails(400, "validation_error");
            let places = [format!("{part}.properties"), "context".to_owned()];
            assert!(places.iter().any(|at| message == format!("invalid {at}: {bound}")), "{message}");
        }
    }
    // Defaults are there once, however many items take them.
    let evaluations = |items: Value| with(&with(&access(), "context", half()), "evaluations", items);
    assert_eq!(server.post("/access/v1/evaluations", evaluations(json!(vec![json!({}); 50]))).status, 200);
    let own = evaluations(json!([{"context": half()}]));
    is_refused(&server, "/access/v1/evaluations", own, &format!("invalid evaluations[0].context: {bound}"));
}

#[test]
fn a_body_of_too_many_values_is_refused() {
    let server = Server::new();
    let objects = vec![r#"{"":0}"#; 70_000].join(",");
    let body = format!(r#"{{"unknown":[{objects}]}}"#);
    let expected = format!(
        "invalid request body: too many values; at most {BODY_VALUES_MAX} are allowed, where an object counts as \
         {VALUES_PER_OBJECT}"
    );
    for operation in OPERATIONS.iter().filter(|operation| **operation != "/authorization-models") {
        let message = server.post_text(operation, &body).fails(400, "validation_error");
        assert_eq!(message, expected, "{operation}");
    }
}

#[test]
fn a_write_to_an_unknown_store_is_refused() {
    let server = Server::new();
    let body = json!({"writes": {"tuple_keys": [key("document:1#viewer@user:anne")]}}).to_string();
    let path = "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/write";
    let message =
        server.send("POST", path, &[], Some(&body)).fails(400, "latest_authorization_model_not_found");
    assert!(message.contains("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "{message}");
    let path = "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV";
    server.send("GET", path, &[], None).fails(404, "store_id_not_found");
}
