//! ReadChanges: order, kinds, types, tokens, start times.

use serde_json::{Value, json};

use crate::fixture::{NOW, Server, key};

fn token(page: &Value) -> String {
    page["continuation_token"].as_str().unwrap().to_owned()
}

fn count(page: &Value) -> usize {
    page["changes"].as_array().unwrap().len()
}

#[test]
fn writes_and_deletes_are_shown_in_order() {
    let server = Server::new();
    let mut expiring = key("document:1#viewer@user:anne");
    expiring["expires_at"] = json!("2027-01-01T00:00:00Z");
    server.write_keys(json!([expiring]));
    server.set_clock("2026-01-01T00:00:01Z");
    let deletes = json!({"tuple_keys": [key("document:1#viewer@user:anne")]});
    assert_eq!(server.post("/write", json!({"deletes": deletes})).status, 200);
    let page = server.get("/changes");
    let token = token(&page.body);
    assert!(!token.is_empty(), "a reader can always go on");
    page.is(json!({
        "changes": [
            {
                "tuple_key": {
                    "user": "user:anne", "relation": "viewer", "object": "document:1", "condition": null,
                    "expires_at": "2027-01-01T00:00:00Z", "paused": false,
                },
                "operation": "TUPLE_OPERATION_WRITE",
                "timestamp": NOW,
            },
            {
                "tuple_key": {"user": "user:anne", "relation": "viewer", "object": "document:1", "condition": null},
                "operation": "TUPLE_OPERATION_DELETE",
                "timestamp": "2026-01-01T00:00:01Z",
            },
        ],
        "continuation_token": token,
    }));
}

#[test]
fn a_reader_that_has_everything_gets_its_token_back_until_there_is_more() {
    let server = Server::new();
    server.get("/changes").is(json!({"changes": [], "continuation_token": ""}));
    server.write(&["document:1#viewer@user:anne", "document:1#viewer@user:bob"]);
    let first = server.get("/changes?page_size=1").body;
    let second = server.get(&format!("/changes?page_size=1&continuation_token={}", token(&first))).body;
    assert_eq!((count(&first), count(&second)), (1, 1));
    let path = format!("/changes?continuation_token={}", token(&second));
    server.get(&path).is(json!({"changes": [], "continuation_token": token(&second)}));
    server.write(&["document:2#viewer@user:anne"]);
    assert_eq!(count(&server.get(&path).body), 1);
}

#[test]
fn changes_of_one_type_are_read_alone_and_their_token_stays_theirs() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne", "folder:1#viewer@user:anne"]);
    let folders = server.get("/changes?type=folder").body;
    assert_eq!(count(&folders), 1);
    assert_eq!(folders["changes"][0]["tuple_key"]["object"], "folder:1");
    let token = token(&folders);
    for query in [format!("type=document&continuation_token={token}"), format!("continuation_token={token}")]
    {
        server.get(&format!("/changes?{query}")).fails(400, "query_string_type_continuation_token_mismatch");
    }
    server.get("/changes?type=a:b").fails(400, "type_invalid_pattern");
}

#[test]
fn changes_are_read_from_a_time_on_and_a_token_goes_before_it() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    server.set_clock("2026-01-01T00:10:00Z");
    server.write(&["document:2#viewer@user:anne"]);
    server.set_clock("2026-01-01T00:20:00Z");
    let late = server.get("/changes?start_time=2026-01-01T00:05:00Z").body;
    assert_eq!(count(&late), 1);
    assert_eq!(late["changes"][0]["tuple_key"]["object"], "document:2");
    let all = server.get("/changes?page_size=1").body;
    let path = format!("/changes?start_time=2026-01-01T00:15:00Z&continuation_token={}", token(&all));
    assert_eq!(count(&server.get(&path).body), 1, "the token decides");
}

#[test]
fn a_start_time_must_lie_in_the_past() {
    let server = Server::new();
    for time in [NOW, "2026-01-01T00:00:01Z"] {
        let message = server.get(&format!("/changes?start_time={time}")).fails(400, "validation_error");
        assert_eq!(message, "invalid start_time: the start time must be before the present");
    }
    let message = server.get("/changes?start_time=yesterday").fails(400, "validation_error");
    assert!(message.starts_with("invalid start_time: `yesterday`"), "{message}");
}

#[test]
fn an_update_is_a_write() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let mut paused = key("document:1#viewer@user:anne");
    paused["paused"] = json!(true);
    let body = json!({"writes": {"tuple_keys": [paused], "on_duplicate": "update"}});
    assert_eq!(server.post("/write", body).status, 200);
    let page = server.get("/changes").body;
    assert_eq!(count(&page), 2);
    assert_eq!(page["changes"][1]["operation"], "TUPLE_OPERATION_WRITE");
    assert_eq!(page["changes"][1]["tuple_key"]["paused"], true);
}
