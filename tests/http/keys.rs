//! Keys: who is known by one, who is not, and how one is made and revoked.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::fixture::{Answer, NOW, Server, answer, key};

/// Sends a request with the token of a key.
pub fn send_as(server: &Server, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let bearer = format!("Bearer {token}");
    let body = body.map(|body| body.to_string());
    server.send(method, path, &[("Authorization", &bearer)], body.as_deref())
}

/// Makes a key with `permissions` by one that may; returns its id and its token.
pub fn make(server: &Server, by: &str, permissions: &[&str], stores: Option<&[&str]>) -> (String, String) {
    let mut body = json!({"name": "test", "permissions": permissions});
    if let Some(stores) = stores {
        body["stores"] = json!(stores);
    }
    let made = send_as(server, by, "POST", "/keys", Some(body));
    assert_eq!(made.status, 201, "{}", made.body);
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// A server with one key, which may do everything.
pub fn guarded() -> (Server, String) {
    let server = Server::new();
    let all = ["read", "check", "write", "model", "admin", "act-as"];
    let (_, root) = make(&server, "", &all, None);
    (server, root)
}

fn check_as(server: &Server, token: &str) -> Answer {
    let body = json!({"tuple_key": key("document:1#viewer@user:anne")});
    send_as(server, token, "POST", &server.path("/check"), Some(body))
}

const INVALID: &str = "the bearer token is not valid: it is unknown, has expired or was revoked";

#[test]
fn nobody_is_asked_before_there_is_a_key_and_everybody_from_then_on() {
    let server = Server::new();
    assert!(!server.allows("document:1#viewer@user:anne"));
    // A token that nobody asks for is not looked at, as before.
    assert_eq!(check_as(&server, "whatever").status, 200);
    let (_, token) = make(&server, "", &["check"], None);
    let refused = server.send("POST", &server.path("/check"), &[], Some("{}"));
    assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer"));
    assert_eq!(refused.fails(401, "bearer_token_missing"), "missing bearer token");
    assert_eq!(check_as(&server, &token).status, 200);
    for path in ["/healthz", "/readyz", "/openapi.json", "/.well-known/authzen-configuration/x"] {
        assert_ne!(server.send("GET", path, &[], None).status, 401, "{path}");
    }
    server.send("GET", "/nothing", &[], None).fails(404, "undefined_endpoint");
    server.send("PUT", "/stores", &[], None).fails(405, "method_not_allowed");
}

#[test]
fn whatever_is_wrong_with_a_token_is_refused_in_the_same_words() {
    let (server, root) = guarded();
    let body = json!({"name": "short", "permissions": ["check"], "expires_at": "2026-01-01T00:00:10Z"});
    let expiring = send_as(&server, &root, "POST", "/keys", Some(body)).done(201);
    let expiring = expiring["token"].as_str().unwrap();
    assert_eq!(check_as(&server, expiring).status, 200);
    server.set_clock("2026-01-01T00:00:10Z");
    let (id, revoked) = make(&server, &root, &["check"], None);
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    let altered = format!("{}A", &root[..root.len() - 1]);
    let altered = if altered == root { format!("{}B", &root[..root.len() - 1]) } else { altered };
    let other_id = format!("tenure_01ARZ3NDEKTSV4RRFFQ69G5FAV{}", &root[33..]);
    let prefix = &root[..root.len() - 1];
    let long = "x".repeat(100_000);
    let longer = format!("{root}{long}");
    for wrong in
        [expiring, &revoked, &altered, &other_id, prefix, &longer, &long, "x", "", &format!("{root} ")]
    {
        let refused = check_as(&server, wrong);
        assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer"));
        assert_eq!(refused.fails(401, "unauthenticated"), INVALID, "{wrong}");
    }
    assert_eq!(check_as(&server, &root).status, 200);
}

#[test]
fn one_header_with_one_token_says_who_calls() {
    let (server, root) = guarded();
    let path = server.path("/check");
    let body = json!({"tuple_key": key("document:1#viewer@user:anne")}).to_string();
    let send = |values: &[&str]| {
        let headers: Vec<_> = values.iter().map(|value| ("Authorization", *value)).collect();
        server.send("POST", &path, &headers, Some(&body))
    };
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
        assert_eq!(send(&[&format!("{scheme} {root}")]).status, 200, "{scheme}");
    }
    let good = format!("Bearer {root}");
    for twice in
        [[good.as_str(), good.as_str()], [&good, "Bearer x"], ["Bearer x", &good], ["Basic eDp5", &good]]
    {
        assert_eq!(send(&twice).fails(401, "unauthenticated"), INVALID);
    }
    for none in [
        "",
        "Bearer",
        &root,
        &format!("Basic {root}"),
        &format!("Bearer\t{root}"),
        &format!("\"Bearer {root}\""),
    ] {
        send(&[none]).fails(401, "bearer_token_missing");
    }
    send(&[&format!("Bearer {root}, Bearer {root}")]).fails(401, "unauthenticated");
    // Nowhere else is a token looked for.
    let query = format!("{path}?access_token={root}");
    server
        .send("POST", &query, &[("X-Authorization", &good)], Some(&body))
        .fails(401, "bearer_token_missing");
}

#[test]
fn a_revoked_key_is_refused_by_the_next_request() {
    let (server, root) = guarded();
    let (id, token) = make(&server, &root, &["check"], None);
    assert_eq!(check_as(&server, &token).status, 200);
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    check_as(&server, &token).fails(401, "unauthenticated");
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    let unknown = send_as(&server, &root, "DELETE", "/keys/01ARZ3NDEKTSV4RRFFQ69G5FAV", None);
    assert_eq!(unknown.fails(404, "key_not_found"), "there is no key `01ARZ3NDEKTSV4RRFFQ69G5FAV`");
    send_as(&server, &root, "DELETE", "/keys/x", None).fails(400, "validation_error");
}

#[test]
fn a_watch_ends_when_its_key_is_revoked() {
    let (server, root) = guarded();
    let (id, token) = make(&server, &root, &["read"], None);
    let request =
        Request::get(server.path("/watch?after=0")).header("Authorization", format!("Bearer {token}"));
    let response =
        server.runtime().block_on(server.router().oneshot(request.body(Body::empty()).unwrap())).unwrap();
    assert_eq!(response.status(), 200);
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    let tuple = json!({"writes": {"tuple_keys": [key("document:1#owner@user:secret")]}});
    send_as(&server, &root, "POST", &server.path("/write"), Some(tuple)).done(200);
    let bytes = server.runtime().block_on(axum::body::to_bytes(response.into_body(), usize::MAX)).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("event: end") && text.contains("unauthenticated"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_token_is_shown_once_and_nothing_else_of_a_key_is_hidden() {
    let (server, root) = guarded();
    let store = server.store.clone();
    let body = json!({
        "name": "shop", "permissions": ["act-as", "check"], "stores": [store], "expires_at": "2026-06-01T02:00:00+02:00",
        "requests_per_second": 50,
    });
    let mut made = send_as(&server, &root, "POST", "/keys", Some(body)).done(201);
    let token = made.as_object_mut().unwrap().remove("token").unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(token.as_str().unwrap().starts_with(&format!("tenure_{id}_")));
    let expected = json!({
        "id": id, "name": "shop", "permissions": ["check", "act-as"], "stores": [store], "created_at": NOW,
        "expires_at": "2026-06-01T00:00:00Z", "revoked_at": null, "requests_per_second": 50, "concurrent_requests": null,
    });
    assert_eq!(made, expected);
    let listed = send_as(&server, &root, "GET", "/keys", None).done(200);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2);
    assert!(listed["keys"].as_array().unwrap().contains(&expected), "{listed}");
    assert!(!listed.to_string().contains(&token.as_str().unwrap()[34..]));
    server.set_clock("2026-01-01T00:00:01Z");
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    let page = send_as(&server, &root, "GET", "/keys?page_size=1", None).done(200);
    let next = page["continuation_token"].as_str().unwrap();
    let rest = send_as(&server, &root, "GET", &format!("/keys?continuation_token={next}"), None).done(200);
    let both = [&page["keys"][0], &rest["keys"][0]];
    let revoked = both.iter().find(|key| key["id"] == json!(id)).unwrap();
    assert_eq!(revoked["revoked_at"], "2026-01-01T00:00:01Z");
    assert_eq!(rest["continuation_token"], "");
}

#[test]
fn a_key_that_makes_no_sense_is_refused_by_the_name_of_its_field() {
    let (server, root) = guarded();
    for (body, message) in [
        (json!({"permissions": ["read"]}), "invalid name: expected 1 to 64 bytes without control characters"),
        (json!({"name": "a"}), "invalid permissions: expected at least one permission"),
        (
            json!({"name": "a", "permissions": ["reed"]}),
            "invalid permissions: `reed` is no permission; expected one of `read`, `check`, `write`, `model`, `admin`, `act-as`",
        ),
        (
            json!({"name": "a", "permissions": ["read"], "stores": []}),
            "invalid stores: expected 1 to 100 stores, or none named for all of them",
        ),
        (
            json!({"name": "a", "permissions": ["read"], "expires_at": NOW}),
            "invalid expires_at: expected an instant in the future, found `2026-01-01T00:00:00Z`",
        ),
        (
            json!({"name": "a", "permissions": ["read"], "requests_per_second": 0}),
            "invalid requests_per_second: expected 1 to 1000000, found 0",
        ),
        (
            json!({"name": "a", "permissions": ["read"], "concurrent_requests": 4_294_967_297_u64}),
            "invalid concurrent_requests: expected 1 to 1000000, found 4294967297",
        ),
        (
            json!({"name": "a", "permissions": ["read"], "expires_at": ""}),
            "invalid expires_at: `` is not an instant; expected RFC 3339, for example `2027-01-31T12:00:00Z`",
        ),
    ] {
        let refused = send_as(&server, &root, "POST", "/keys", Some(body));
        assert_eq!(refused.fails(400, "validation_error"), message);
    }
    for body in [
        json!({"name": "a", "permissions": ["read"], "store": [server.store]}),
        json!({"name": "a", "permissions": ["read"], "stores": null}),
        json!({"name": "a", "permissions": ["read"], "stores": ["*"]}),
        json!({"name": "a", "permissions": "read"}),
    ] {
        send_as(&server, &root, "POST", "/keys", Some(body)).fails(400, "validation_error");
    }
    assert_eq!(send_as(&server, &root, "GET", "/keys", None).done(200)["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn who_fails_too_often_has_to_wait_and_who_has_a_key_has_not() {
    let (server, root) = guarded();
    server.set_clock("2026-01-01T00:00:20Z");
    for _ in 0..60 {
        check_as(&server, "wrong").fails(401, "unauthenticated");
    }
    let limited = check_as(&server, "wrong");
    assert_eq!(limited.header("Retry-After"), Some("40"));
    limited.fails(429, "too_many_requests");
    assert_eq!(check_as(&server, &root).status, 200);
    server.set_clock("2026-01-01T00:01:00Z");
    check_as(&server, "wrong").fails(401, "unauthenticated");
}

#[test]
fn the_body_of_who_is_refused_does_not_have_to_arrive_in_one_piece() {
    let (server, _) = guarded();
    let request = Request::post(server.path("/write")).body(Body::from("x".repeat(5_000_000))).unwrap();
    server.runtime().block_on(answer(server.router(), request)).fails(401, "bearer_token_missing");
}
