//! How much one caller may ask: in a second, and at once.

use std::num::NonZeroU32;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::response::Response;
use serde_json::{Value, json};
use tenure::callers::CallerLimits;
use tenure::server::ServerConfig;
use tower::ServiceExt as _;

use crate::fixture::{Answer, Server, key};
use crate::keys::{guarded, make, send_as};

/// Makes a key with limits of its own; returns its id and its token.
fn limited(server: &Server, root: &str, limits: Value) -> (String, String) {
    let mut body = json!({"name": "limited", "permissions": ["read", "check"]});
    body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let made = send_as(server, root, "POST", "/keys", Some(body)).done(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

fn check(server: &Server, token: &str) -> Answer {
    let body = json!({"tuple_key": key("document:1#viewer@user:anne")});
    send_as(server, token, "POST", &server.path("/check"), Some(body))
}

/// Opens a watch, and reads nothing of it.
fn watch(server: &Server, token: &str) -> Response {
    let request = Request::get(server.path("/watch")).header("Authorization", format!("Bearer {token}"));
    server.runtime().block_on(server.router().oneshot(request.body(Body::empty()).unwrap())).unwrap()
}

/// The count of one line of the metrics.
fn refused(server: &Server, root: &str, limit: &str) -> u64 {
    let metrics = send_as(server, root, "GET", "/metrics", None);
    let line = format!("tenure_requests_refused_total{{limit=\"{limit}\"}} ");
    let text = metrics.body.as_str().unwrap();
    text.lines().find_map(|found| found.strip_prefix(&*line)).unwrap().parse().unwrap()
}

#[test]
fn a_key_makes_no_more_requests_in_a_second_than_it_may_and_disturbs_no_other() {
    let (server, root) = guarded();
    let (_, first) = limited(&server, &root, json!({"requests_per_second": 4}));
    let (_, second) = limited(&server, &root, json!({"requests_per_second": 2}));
    for _ in 0..2 {
        check(&server, &first).done(200);
        check(&server, &second).done(200);
        // Another route, and the short way to checks, count together.
        send_as(&server, &first, "POST", &server.path("/read"), Some(json!({}))).done(200);
    }
    let over = check(&server, &first);
    assert_eq!(over.header("Retry-After"), Some("1"));
    assert_eq!(
        over.fails(429, "too_many_requests"),
        "you may make 4 requests a second; try again in 1 seconds"
    );
    send_as(&server, &first, "POST", &server.path("/read"), Some(json!({}))).fails(429, "too_many_requests");
    check(&server, &second).fails(429, "too_many_requests");
    for _ in 0..50 {
        check(&server, &root).done(200);
    }
    assert_eq!((refused(&server, &root, "rate"), refused(&server, &root, "concurrency")), (3, 0));
    // Where the clock moves, and nothing else, there is room again.
    server.set_clock("2026-01-01T00:00:00.25Z");
    check(&server, &first).done(200);
    check(&server, &first).fails(429, "too_many_requests");
    check(&server, &second).fails(429, "too_many_requests");
    server.set_clock("2026-01-01T00:00:01Z");
    for _ in 0..2 {
        check(&server, &second).done(200);
    }
    check(&server, &second).fails(429, "too_many_requests");
}

#[test]
fn what_is_forbidden_counts_and_what_is_answered_to_anybody_does_not() {
    let (server, root) = guarded();
    let (_, token) = limited(&server, &root, json!({"requests_per_second": 2}));
    for _ in 0..5 {
        assert_eq!(send_as(&server, &token, "GET", "/healthz", None).status, 200);
    }
    send_as(&server, &token, "GET", "/keys", None).fails(403, "forbidden");
    send_as(&server, &token, "GET", "/keys", None).fails(403, "forbidden");
    send_as(&server, &token, "GET", "/keys", None).fails(429, "too_many_requests");
    check(&server, &token).fails(429, "too_many_requests");
}

#[test]
fn a_batch_is_one_request() {
    let (server, root) = guarded();
    let (_, token) = limited(&server, &root, json!({"requests_per_second": 1}));
    let item =
        |n: u32| json!({"tuple_key": key("document:1#viewer@user:anne"), "correlation_id": n.to_string()});
    let batch = json!({"checks": (0..50).map(item).collect::<Vec<_>>()});
    send_as(&server, &token, "POST", &server.path("/batch-check"), Some(batch)).done(200);
    check(&server, &token).fails(429, "too_many_requests");
}

#[test]
fn a_stream_keeps_its_place_until_it_ends() {
    let (server, root) = guarded();
    let (_, token) = limited(&server, &root, json!({"concurrent_requests": 2}));
    let (_, other) = limited(&server, &root, json!({"concurrent_requests": 1}));
    let (first, second) = (watch(&server, &token), watch(&server, &token));
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let over = check(&server, &token);
    assert_eq!(over.header("Retry-After"), Some("1"));
    assert_eq!(
        over.fails(429, "too_many_requests"),
        "you may have 2 requests under way at once; try again later"
    );
    assert_eq!(watch(&server, &token).status().as_u16(), 429);
    // What is answered as a whole gives its place back with its answer.
    for _ in 0..5 {
        check(&server, &other).done(200);
    }
    drop(first);
    for _ in 0..5 {
        check(&server, &token).done(200);
    }
    drop(second);
    assert_eq!((refused(&server, &root, "concurrency"), refused(&server, &root, "rate")), (2, 0));
}

#[test]
fn a_streamed_list_that_was_read_to_its_end_gives_its_place_back() {
    let (server, root) = guarded();
    let (_, token) = limited(&server, &root, json!({"concurrent_requests": 1}));
    let body = json!({"type": "document", "relation": "viewer", "user": "user:anne"}).to_string();
    let request = Request::post(server.path("/streamed-list-objects"))
        .header("Authorization", format!("Bearer {token}"))
        .body(Body::from(body));
    let response = server.runtime().block_on(server.router().oneshot(request.unwrap())).unwrap();
    assert_eq!(response.status(), 200);
    check(&server, &token).fails(429, "too_many_requests");
    server.runtime().block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
    check(&server, &token).done(200);
}

#[test]
fn a_key_that_was_revoked_is_unknown_whatever_its_limits() {
    let (server, root) = guarded();
    let (id, token) = limited(&server, &root, json!({"requests_per_second": 1, "concurrent_requests": 1}));
    let open = watch(&server, &token);
    check(&server, &token).fails(429, "too_many_requests");
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    check(&server, &token).fails(401, "unauthenticated");
    let bytes = server.runtime().block_on(to_bytes(open.into_body(), usize::MAX)).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("event: end"));
}

#[test]
fn a_key_without_limits_of_its_own_has_those_of_the_server() {
    let (server, root) = guarded();
    let (_, plain) = make(&server, &root, &["check"], None);
    let (_, generous) = limited(&server, &root, json!({"requests_per_second": 5}));
    let caller_limits = CallerLimits { requests_per_second: NonZeroU32::new(2), ..CallerLimits::default() };
    let server = server.configured(|_| ServerConfig { caller_limits, ..ServerConfig::default() });
    for (token, most) in [(&plain, 2), (&generous, 5)] {
        for _ in 0..most {
            check(&server, token).done(200);
        }
        check(&server, token).fails(429, "too_many_requests");
    }
    // Keys and limits are read again at the start.
    let open = Server::new().configured(|_| ServerConfig { caller_limits, ..ServerConfig::default() });
    for _ in 0..10 {
        assert!(!open.allows("document:1#viewer@user:anne"), "nobody is told from another");
    }
}
