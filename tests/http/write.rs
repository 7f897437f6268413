//! Write: one commit, its refusals, duplicates, lifetimes, preconditions.

use serde_json::{Value, json};

use crate::fixture::{Server, key};

/// The tuple with more fields.
fn with(text: &str, fields: Value) -> Value {
    let mut key = key(text);
    key.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    key
}

/// The one tuple of this user, as Read shows it.
fn shown(server: &Server, user: &str) -> Value {
    let read = server.post("/read", json!({"include_inactive": true}));
    let tuples = read.body["tuples"].as_array().unwrap();
    tuples.iter().find(|tuple| tuple["key"]["user"] == user).unwrap()["key"].clone()
}

#[test]
fn writes_and_deletes_are_one_commit() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let answer = server.post(
        "/write",
        json!({
            "writes": {"tuple_keys": [key("document:1#viewer@user:bob"), key("document:1#viewer@user:*")]},
            "deletes": {"tuple_keys": [key("document:1#viewer@user:anne")]},
            "authorization_model_id": server.model,
        }),
    );
    assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    assert_eq!(answer.header("Openfga-Store-Id"), Some(&*server.store));
    // The model was the first commit, the tuple the second.
    assert_eq!(answer.header("Tenure-Revision"), Some("3"));
    answer.is(json!({"revision": 3}));
    assert_eq!(server.tuples(), ["document:1#viewer@user:*", "document:1#viewer@user:bob"].map(String::from));
}

#[test]
fn a_tuple_that_exists_is_refused_with_the_words_of_openfga() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let body = json!({"writes": {"tuple_keys": [key("document:1#viewer@user:new"), key("document:1#viewer@user:anne")]}});
    assert_eq!(
        server.post("/write", body).fails(400, "write_failed_due_to_invalid_input"),
        "cannot write a tuple which already exists: user: 'user:anne', relation: 'viewer', object: 'document:1': \
         tuple to be written already existed or the tuple to be deleted did not exist"
    );
    let body = json!({"deletes": {"tuple_keys": [key("document:1#viewer@user:anne"), key("document:1#viewer@user:eve")]}});
    assert_eq!(
        server.post("/write", body).fails(400, "write_failed_due_to_invalid_input"),
        "cannot delete a tuple which does not exist: user: 'user:eve', relation: 'viewer', object: 'document:1': \
         tuple to be written already existed or the tuple to be deleted did not exist"
    );
    assert_eq!(server.tuples(), ["document:1#viewer@user:anne"], "nothing of either was done");
}

#[test]
fn nothing_to_write_is_refused() {
    let server = Server::new();
    for body in [json!({}), json!({"writes": null, "deletes": null})] {
        server.post("/write", body).fails(400, "invalid_write_input");
    }
    for part in ["writes", "deletes"] {
        let message = server.post("/write", json!({part: {"tuple_keys": []}})).fails(400, "validation_error");
        assert!(message.contains(&format!("{part}.tuple_keys")), "{message}");
    }
}

#[test]
fn the_same_tuple_twice_is_refused() {
    let server = Server::new();
    let twice = json!([key("document:1#viewer@user:anne"), key("document:1#viewer@user:anne")]);
    let once = json!([key("document:1#viewer@user:anne")]);
    for body in [
        json!({"writes": {"tuple_keys": twice}}),
        json!({"deletes": {"tuple_keys": twice, "on_missing": "ignore"}}),
        json!({"writes": {"tuple_keys": once}, "deletes": {"tuple_keys": once, "on_missing": "ignore"}}),
    ] {
        let message = server.post("/write", body).fails(400, "cannot_allow_duplicate_tuples_in_one_request");
        assert_eq!(
            message,
            "duplicate tuple in write: user: 'user:anne', relation: 'viewer', object: 'document:1'"
        );
    }
    assert!(server.tuples().is_empty());
}

#[test]
fn more_than_100_tuples_are_refused() {
    let server = Server::new();
    let keys = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|n| key(&format!("document:1#viewer@user:{n}"))).collect()
    };
    let body = json!({"writes": {"tuple_keys": keys(0, 60)}, "deletes": {"tuple_keys": keys(60, 101)}});
    assert_eq!(
        server.post("/write", body).fails(400, "exceeded_entity_limit"),
        "The number of write operations exceeds the allowed limit of 100"
    );
    assert!(server.tuples().is_empty());
    assert_eq!(server.post("/write", json!({"writes": {"tuple_keys": keys(0, 100)}})).status, 200);
}

#[test]
fn an_implicit_tuple_is_refused() {
    let server = Server::new();
    let body = json!({"writes": {"tuple_keys": [key("group:a#member@group:a#member")]}});
    let message = server.post("/write", body).fails(400, "validation_error");
    assert!(message.starts_with("cannot write a tuple that is implicit"), "{message}");
}

#[test]
fn duplicates_and_missing_ones_are_ignored_where_asked() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let answer = server.post(
        "/write",
        json!({
            "writes": {
                "tuple_keys": [key("document:1#viewer@user:anne"), key("document:1#viewer@user:bob")],
                "on_duplicate": "ignore",
            },
            "deletes": {"tuple_keys": [key("document:1#viewer@user:eve")], "onMissing": "ignore"},
        }),
    );
    answer.is(json!({"revision": 3}));
    let nothing =
        json!({"writes": {"tuple_keys": [key("document:1#viewer@user:bob")], "on_duplicate": "ignore"}});
    server.post("/write", nothing).is(json!({"revision": 3}));
}

#[test]
fn ignoring_a_duplicate_that_differs_is_a_conflict() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let keys = json!([with("document:1#viewer@user:anne", json!({"paused": true}))]);
    let body = json!({"writes": {"tuple_keys": keys, "on_duplicate": "ignore"}});
    let message = server.post("/write", body).fails(409, "Aborted");
    assert!(message.contains("already exists with a different condition"), "{message}");
    assert_eq!(shown(&server, "user:anne"), with("document:1#viewer@user:anne", json!({"condition": null})));
}

#[test]
fn other_words_for_what_happens_to_duplicates_are_refused() {
    let server = Server::new();
    let keys = json!([key("document:1#viewer@user:anne")]);
    let message = |body| server.post("/write", body).fails(400, "validation_error");
    assert_eq!(
        message(json!({"writes": {"tuple_keys": keys, "on_duplicate": "replace"}})),
        "invalid writes.on_duplicate: expected one of `error`, `ignore` and `update`"
    );
    assert_eq!(
        message(json!({"deletes": {"tuple_keys": keys, "on_missing": "update"}})),
        "invalid deletes.on_missing: expected one of `error` and `ignore`"
    );
}

#[test]
fn an_update_sets_what_is_given_leaves_what_is_absent_and_clears_what_is_null() {
    let server = Server::new();
    let until = "2027-01-01T00:00:00Z";
    server.write_keys(json!([with("document:1#viewer@user:anne", json!({"expires_at": until}))]));
    let update = |fields: Value| {
        let keys = json!([with("document:1#viewer@user:anne", fields)]);
        server.post("/write", json!({"writes": {"tuple_keys": keys, "on_duplicate": "update"}})).is(server
            .post("/check", json!({"tuple_key": key("document:1#viewer@user:anne")}))
            .body["revision"]
            .as_u64()
            .map(|revision| json!({"revision": revision}))
            .unwrap());
        shown(&server, "user:anne")
    };
    let lifetime = |fields: Value| {
        let mut expected = with("document:1#viewer@user:anne", fields);
        expected["condition"] = Value::Null;
        expected
    };
    assert_eq!(update(json!({"paused": true})), lifetime(json!({"paused": true, "expires_at": until})));
    assert!(!server.allows("document:1#viewer@user:anne"));
    assert_eq!(update(json!({"expiresAt": null})), lifetime(json!({"paused": true, "expires_at": null})));
    assert_eq!(update(json!({"paused": null})), lifetime(json!({})));
    assert!(server.allows("document:1#viewer@user:anne"));
}

#[test]
fn lifetimes_are_shown_only_where_there_is_one_and_decide() {
    let server = Server::new();
    let until = "2026-01-02T00:00:00.5Z";
    server.write_keys(json!([
        with("document:1#viewer@user:anne", json!({"expiresAt": until})),
        with("document:1#viewer@user:bob", json!({"paused": true})),
        with("document:1#viewer@user:carl", json!({"paused": false, "expires_at": null})),
    ]));
    let expected = |user: &str, fields: Value| {
        let mut expected = with(&format!("document:1#viewer@{user}"), fields);
        expected["condition"] = Value::Null;
        expected
    };
    assert_eq!(
        shown(&server, "user:anne"),
        expected("user:anne", json!({"expires_at": "2026-01-02T00:00:00.500Z", "paused": false}))
    );
    assert_eq!(shown(&server, "user:bob"), expected("user:bob", json!({"expires_at": null, "paused": true})));
    assert_eq!(shown(&server, "user:carl"), expected("user:carl", json!({})));
    let allowed = |user: &str| server.allows(&format!("document:1#viewer@{user}"));
    assert_eq!([allowed("user:anne"), allowed("user:bob"), allowed("user:carl")], [true, false, true]);
    server.set_clock("2026-01-02T00:00:00.5Z");
    assert!(!allowed("user:anne"), "the end is exclusive");
}

#[test]
fn preconditions_hold_or_nothing_is_written() {
    let server = Server::new();
    server.write_keys(json!([
        key("document:1#viewer@user:anne"),
        with("document:1#viewer@user:bob", json!({"paused": true})),
    ]));
    let before = server.tuples();
    let write = |user: &str, must: &str, new: &str| {
        let precondition = json!({"tuple_key": key(&format!("document:1#viewer@{user}")), "must": must});
        let writes = json!({"tuple_keys": [key(&format!("document:1#viewer@{new}"))]});
        server.post("/write", json!({"writes": writes, "preconditions": [precondition]}))
    };
    for (user, must) in [("user:eve", "exist"), ("user:bob", "not_exist"), ("user:bob", "live")] {
        let message = write(user, must, "user:new").fails(409, "precondition_failed");
        assert!(message.contains(&format!("document:1#viewer@{user}")), "{message}");
        assert_eq!(server.tuples(), before);
    }
    for (n, (user, must)) in
        [("user:bob", "exist"), ("user:eve", "not_exist"), ("user:anne", "live")].into_iter().enumerate()
    {
        assert_eq!(write(user, must, &format!("user:new{n}")).status, 200);
    }
    let message = write("user:anne", "vanish", "user:x").fails(400, "validation_error");
    assert_eq!(message, "invalid preconditions[0].must: expected one of `exist`, `not_exist` and `live`");
}

#[test]
fn a_stale_tuple_can_be_deleted_whatever_the_model_says() {
    let server = Server::new();
    server.write(&["folder:1#viewer@user:anne"]);
    let other = json!({"schema_version": "1.1", "type_definitions": [{"type": "user"}]});
    assert_eq!(server.post("/authorization-models", other).status, 201);
    let body = json!({"deletes": {"tuple_keys": [key("folder:1#viewer@user:anne")]}});
    assert_eq!(server.post("/write", body).status, 200);
    assert!(server.tuples().is_empty());
}
