//! `at_least_revision`: waited for, answered, refused.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tenure::model::limits::EvaluationLimits;
use tenure::server::ServerConfig;

use crate::fixture::{Server, answer, key, queries, with};

/// A server that waits for far longer than anything here takes.
fn patient() -> Server {
    let (revision_wait, request_timeout) = (Duration::from_secs(100), Duration::from_secs(200));
    let config = ServerConfig { revision_wait, request_timeout, ..ServerConfig::default() };
    Server::with(&config, EvaluationLimits::default())
}

#[test]
fn a_revision_that_was_not_reached_is_waited_for_a_while_and_then_refused() {
    let config = ServerConfig { revision_wait: Duration::from_millis(300), ..ServerConfig::default() };
    let server = Server::with(&config, EvaluationLimits::default());
    for (operation, body) in queries() {
        for reached in [json!(0), json!(1), json!("1")] {
            assert_eq!(server.post(operation, with(&body, "at_least_revision", reached)).status, 200);
        }
        let began = Instant::now();
        let refused = server.post(operation, with(&body, "at_least_revision", json!(2)));
        assert_eq!(
            refused.fails(409, "revision_not_reached"),
            "revision 2 has not been reached; the newest one is 1"
        );
        assert!(began.elapsed() >= config.revision_wait, "{operation}");
        server.post(operation, with(&body, "at_least_revision", json!(-1))).fails(400, "validation_error");
    }
}

#[test]
fn a_revision_that_is_reached_meanwhile_is_answered() {
    let server = patient();
    for (n, (operation, body)) in (1..).zip(queries()) {
        // Two commits are missing, and the first of them is not enough.
        let body = with(&body, "at_least_revision", json!(2 * n + 1)).to_string();
        let path = format!("/stores/{}{operation}", server.store);
        let request = Request::builder().method("POST").uri(path).body(Body::from(body)).unwrap();
        let waiting = server.runtime().spawn(answer(server.router(), request));
        for part in ["a", "b"] {
            server.write(&[&format!("document:{n}{part}#viewer@user:anne")]);
        }
        let answer = server.runtime().block_on(waiting).unwrap();
        assert_eq!((answer.status, &answer.body["revision"]), (200, &json!(2 * n + 1)), "{operation}");
    }
}

#[test]
fn a_store_that_is_not_there_or_goes_is_not_waited_for() {
    let server = patient();
    let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "at_least_revision": 9}).to_string();
    let request = |store: &str| {
        let path = format!("/stores/{store}/check");
        Request::builder().method("POST").uri(path).body(Body::from(body.clone())).unwrap()
    };
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let answered = server.runtime().block_on(answer(server.router(), request(unknown)));
    answered.fails(400, "latest_authorization_model_not_found");
    let waiting = server.runtime().spawn(answer(server.router(), request(&server.store)));
    assert_eq!(server.send("DELETE", &format!("/stores/{}", server.store), &[], None).status, 204);
    server.runtime().block_on(waiting).unwrap().fails(400, "latest_authorization_model_not_found");
}

#[test]
fn whoever_waits_for_a_revision_keeps_no_thread_from_others() {
    // More than there are threads for queries.
    const WAITING: usize = 600;
    let server = patient();
    let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "at_least_revision": 2}).to_string();
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let path = format!("/stores/{}/check", server.store);
            let request = Request::builder().method("POST").uri(path).body(Body::from(body.clone())).unwrap();
            server.runtime().spawn(answer(server.router(), request))
        })
        .collect();
    assert!(!server.allows("document:1#viewer@user:anne"));
    server.write(&["document:1#viewer@user:anne"]);
    for waiting in waiting {
        assert_eq!(server.runtime().block_on(waiting).unwrap().body["allowed"], true);
    }
}
