//! What surrounds a request: ids, limits, panics, metrics.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::Frame;
use serde_json::{Value, json};
use tenure::model::limits::EvaluationLimits;
use tenure::server::ServerConfig;
use tokio::sync::oneshot;

use crate::fixture::{Server, answer, api, key};

#[test]
fn a_sane_request_id_is_taken_over_and_any_other_replaced() {
    let server = Server::new();
    let id = |headers: &[(&str, &str)]| {
        let answer = server.send("GET", "/healthz", headers, None);
        answer.header("X-Request-Id").unwrap().to_owned()
    };
    let longest = "x".repeat(128);
    for sane in ["trace-1:a/b", "b3=_A.9+", &longest] {
        assert_eq!(id(&[("X-Request-Id", sane)]), sane);
    }
    let long = "x".repeat(129);
    for unfit in ["", "with space", "a\tb", "<script>", "a\"b", "größe", "a;b", &long] {
        let made = id(&[("X-Request-Id", unfit)]);
        assert_eq!(made.len(), 26, "{made}");
    }
    assert_ne!(id(&[]), id(&[]));
    let failed = server.send("GET", "/nothing", &[("X-Request-Id", "r1")], None);
    assert_eq!(failed.header("X-Request-Id"), Some("r1"));
}

#[test]
fn a_body_over_the_limit_is_refused_whether_its_size_is_told_or_not() {
    let config = ServerConfig { body_bytes_max: 4_000, ..ServerConfig::default() };
    let server = Server::with(&config, EvaluationLimits::default());
    let large = format!(r#"{{"x": "{}"}}"#, "y".repeat(4_000));
    let expected = "invalid request body: it is too large; at most 4000 bytes are allowed";
    assert_eq!(server.post_text("/write", &large).fails(400, "validation_error"), expected);
    let path = format!("/stores/{}/write", server.store);
    let length = [("Content-Length", "1000000")];
    assert_eq!(server.send("POST", &path, &length, Some(&large)).fails(400, "validation_error"), expected);
    assert_eq!(server.post_text("/read", &format!(r#"{{"x": "{}"}}"#, "y".repeat(3_900))).status, 200);
}

/// A request whose body comes late or never.
struct Slow {
    request: Request<Body>,
    /// Sends the body.
    body: oneshot::Sender<Bytes>,
    /// Told when the server asks for the body.
    asked: oneshot::Receiver<()>,
}

fn slow(path: &str) -> Slow {
    let (body, receiver) = oneshot::channel::<Bytes>();
    let (sender, asked) = oneshot::channel();
    let later = Body::new(Later { body: Some(receiver), asked: Some(sender) });
    let request = Request::builder().method("POST").uri(path).body(later).unwrap();
    Slow { request, body, asked }
}

struct Later {
    body: Option<oneshot::Receiver<Bytes>>,
    asked: Option<oneshot::Sender<()>>,
}

impl hyper::body::Body for Later {
    type Data = Bytes;
    type Error = oneshot::error::RecvError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(asked) = self.asked.take() {
            asked.send(()).unwrap();
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll(context);
        if polled.is_ready() {
            self.body = None;
        }
        polled.map(|outcome| Some(outcome.map(Frame::data)))
    }
}

#[test]
fn a_body_that_does_not_arrive_is_the_clients_delay() {
    let config = ServerConfig { request_timeout: Duration::from_millis(50), ..ServerConfig::default() };
    let server = Server::with(&config, EvaluationLimits::default());
    let slow = slow(&format!("/stores/{}/read", server.store));
    let ended = server.runtime().block_on(answer(server.router(), slow.request));
    let expected = "the request's body did not arrive within 50 milliseconds";
    assert_eq!(ended.fails(408, "request_timeout"), expected);
}

#[test]
fn too_many_requests_at_once_are_turned_away_and_probes_are_not() {
    let config = ServerConfig { concurrent_requests_max: 1, ..ServerConfig::default() };
    let server = Server::with(&config, EvaluationLimits::default());
    let slow = slow(&format!("/stores/{}/read", server.store));
    let first = server.runtime().spawn(answer(server.router(), slow.request));
    server.runtime().block_on(slow.asked).unwrap();
    let turned_away = server.post("/read", json!({}));
    assert_eq!(turned_away.header("Retry-After"), Some("1"));
    turned_away.fails(429, "too_many_requests");
    for path in ["/healthz", "/openapi.json"] {
        assert_eq!(server.send("GET", path, &[], None).status, 200);
    }
    slow.body.send(Bytes::from_static(b"{}")).unwrap();
    assert_eq!(server.runtime().block_on(first).unwrap().status, 200);
    assert_eq!(server.post("/read", json!({})).status, 200);
}

#[test]
fn a_write_whose_client_goes_away_is_done_as_a_whole_or_not_at_all() {
    let server = Server::new();
    let keys: Vec<Value> = (0..50).map(|n| key(&format!("document:1#viewer@user:{n}"))).collect();
    for round in 0..20 {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| {
                let mut key = key.clone();
                key["object"] = json!(format!("document:{round}"));
                key
            })
            .collect();
        let body = json!({"writes": {"tuple_keys": keys}}).to_string();
        let path = format!("/stores/{}/write", server.store);
        let request = Request::builder().method("POST").uri(path).body(Body::from(body)).unwrap();
        let running = server.runtime().spawn(answer(server.router(), request));
        std::thread::sleep(Duration::from_micros(50 * round));
        running.abort();
        let _cut_off_or_done = server.runtime().block_on(running);
    }
    // A query afterwards sees all of a write or nothing of it.
    for round in 0..20 {
        let body = json!({"tuple_key": {"object": format!("document:{round}")}, "page_size": 100});
        let count = server.post("/read", body).body["tuples"].as_array().unwrap().len();
        assert!(count == 0 || count == 50, "{count}");
    }
    assert_eq!(
        server.post("/write", json!({"writes": {"tuple_keys": [key("folder:1#viewer@user:a")]}})).status,
        200
    );
}

#[test]
fn metrics_have_requests_durations_checks_and_reads() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    assert!(server.allows("document:1#viewer@user:anne"));
    assert!(!server.allows("document:1#viewer@user:eve"));
    server.send("GET", "/made/up/path", &[], None);
    server.send("BREW", "/stores", &[], None);
    let answer = server.send("GET", "/metrics", &[], None);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = answer.body.as_str().unwrap();
    for line in [
        r#"tenure_http_requests_total{method="POST",route="/stores/{store_id}/check",status="200"} 2"#,
        r#"tenure_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"tenure_http_requests_total{method="other",route="/stores",status="405"} 1"#,
        r#"tenure_http_request_duration_seconds_count{method="POST",route="/stores/{store_id}/check"} 2"#,
        r#"tenure_http_requests_in_flight 1"#,
        r#"tenure_checks_total{outcome="allowed"} 1"#,
        r#"tenure_checks_total{outcome="denied"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let reads = text.lines().find_map(|line| line.strip_prefix("tenure_evaluation_reads_total ")).unwrap();
    assert!(reads.parse::<u64>().unwrap() >= 2);
    assert!(!text.contains("made/up"), "no label takes a client's value");
}

#[test]
fn metrics_have_what_the_cache_of_decisions_did() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    for _ in 0..3 {
        assert!(server.allows("document:1#viewer@user:anne"));
    }
    server.write(&["document:1#viewer@user:eve"]);
    assert!(server.allows("document:1#viewer@user:anne"));
    let metrics = server.send("GET", "/metrics", &[], None);
    let text = metrics.body.as_str().unwrap();
    for line in [
        r#"tenure_decision_cache_hits_total{decision="whole"} 3"#,
        r#"tenure_decision_cache_misses_total{decision="whole"} 1"#,
        r#"tenure_decision_cache_hits_total{decision="inner"} 0"#,
        r#"tenure_decision_cache_stripe_conflicts_total 0"#,
        r#"tenure_decision_cache_evictions_total 0"#,
        r#"tenure_decision_cache_entries 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let bytes = text.lines().find_map(|line| line.strip_prefix("tenure_decision_cache_bytes ")).unwrap();
    assert!((1..1000).contains(&bytes.parse::<u64>().unwrap()), "{bytes}");
}

mod panics {
    //! A database that panics when a store of a certain name is to be made, and takes its time over another.

    use std::sync::Weak;

    use super::*;
    use tenure::engine::Engine;
    use tenure::model::{Clock, Id, Instant, StoreId};
    use tenure::store::memory::{MemoryDatabase, MemorySnapshot};
    use tenure::store::{
        Batch, CommitError, CommitObserver, Completion, Credential, Database, StoreError, StoreInfo,
    };

    struct Panicking(MemoryDatabase);

    impl Database for Panicking {
        type Snapshot = MemorySnapshot;

        fn clock(&self) -> &dyn Clock {
            self.0.clock()
        }

        fn accepts_writes(&self) -> Result<(), StoreError> {
            Err(StoreError::WritesRefused { reason: "a secret reason".into() })
        }

        fn create_store(&self, name: &str) -> Result<StoreInfo, CommitError> {
            assert_ne!(name, "panic", "secret details");
            if name == "slow" {
                std::thread::sleep(Duration::from_millis(500));
            }
            self.0.create_store(name)
        }

        fn delete_store(&self, id: StoreId) -> Result<bool, CommitError> {
            self.0.delete_store(id)
        }

        fn store(&self, id: StoreId) -> Result<Option<StoreInfo>, StoreError> {
            Err(StoreError::Io { doing: "reading a secret place", reason: id.to_string() })
        }

        /// Takes its time over the name `slow`.
        fn stores(
            &self,
            name: Option<&str>,
            after: Option<StoreId>,
            limit: usize,
        ) -> Result<Vec<StoreInfo>, StoreError> {
            if name == Some("slow") {
                std::thread::sleep(Duration::from_millis(1_000));
            }
            self.0.stores(name, after, limit)
        }

        fn snapshot(&self, store: StoreId) -> Result<Option<MemorySnapshot>, StoreError> {
            self.0.snapshot(store)
        }

        fn submit(&self, store: StoreId, batch: Batch, done: Completion) {
            self.0.submit(store, batch, done);
        }

        fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
            self.0.credentials()
        }

        fn put_credential(&self, id: Id, value: Option<Box<[u8]>>) -> Result<(), CommitError> {
            self.0.put_credential(id, value)
        }

        fn observe(&self, observer: Weak<dyn CommitObserver>) {
            self.0.observe(observer);
        }
    }

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Instant {
            Instant::MIN
        }
    }

    #[test]
    fn a_request_that_takes_too_long_is_ended() {
        let engine =
            Engine::new(Panicking(MemoryDatabase::new(Arc::new(Fixed))), EvaluationLimits::default());
        let config = ServerConfig { request_timeout: Duration::from_millis(50), ..ServerConfig::default() };
        let router = api(Arc::new(engine), &config);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let request =
            Request::builder().method("POST").uri("/stores").body(Body::from(r#"{"name": "slow"}"#));
        let ended = runtime.block_on(answer(router, request.unwrap()));
        assert_eq!(ended.fails(500, "deadline_exceeded"), "Request Deadline Exceeded");
    }

    #[test]
    fn where_more_is_asked_than_can_be_answered_some_are_told_at_once_and_the_others_answered() {
        let engine =
            Engine::new(Panicking(MemoryDatabase::new(Arc::new(Fixed))), EvaluationLimits::default());
        let request_timeout = Duration::from_secs(15);
        let config = ServerConfig { queries_at_once: 1, request_timeout, ..ServerConfig::default() };
        let router = api(Arc::new(engine), &config);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        let ask = || runtime.spawn(answer(router.clone(), get("/stores?name=slow")));
        let early: Vec<_> = (0..60).map(|_| ask()).collect();
        std::thread::sleep(Duration::from_millis(100));
        let last = ask();
        std::thread::sleep(Duration::from_millis(100));
        // The first has its turn, one waits, and another would wait in vain.
        runtime.block_on(answer(router.clone(), get("/stores"))).fails(429, "too_many_requests");
        let answers = early.into_iter().map(|task| runtime.block_on(task).unwrap());
        let (answered, refused): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == 200);
        assert_eq!((answered.len(), refused.len()), (1, 59), "one had its turn, and the others are too late");
        for refused in refused {
            assert_eq!(refused.header("Retry-After"), Some("1"));
            let message = refused.fails(429, "too_many_requests");
            assert_eq!(message, "more is asked than can be answered; try again later");
        }
        for path in ["/healthz", "/openapi.json", "/metrics"] {
            let open = runtime.block_on(answer(router.clone(), get(path)));
            assert_eq!(open.status, 200, "{path}");
            if path == "/metrics" {
                let text = open.body.as_str().unwrap();
                assert!(text.contains("tenure_requests_refused_total{limit=\"busy\"} 60\n"), "{text}");
            }
        }
        // A write waits for the disk, not for a processor.
        let write = Request::post("/stores").body(Body::from(r#"{"name": "fine"}"#)).unwrap();
        assert_eq!(runtime.block_on(answer(router.clone(), write)).status, 201);
        assert_eq!(runtime.block_on(last).unwrap().status, 200);
        assert_eq!(runtime.block_on(answer(router.clone(), get("/stores"))).status, 200);
    }

    #[test]
    fn a_panic_and_a_failure_are_a_500_that_tells_nothing_and_the_server_goes_on() {
        let engine =
            Engine::new(Panicking(MemoryDatabase::new(Arc::new(Fixed))), EvaluationLimits::default());
        let router = api(Arc::new(engine), &ServerConfig::default());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let send = |method: &str, path: &str, body: &'static str| {
            let request = Request::builder().method(method).uri(path).header("X-Request-Id", "r7");
            runtime.block_on(answer(router.clone(), request.body(Body::from(body)).unwrap()))
        };
        let panicked = send("POST", "/stores", r#"{"name": "panic"}"#);
        assert_eq!(panicked.header("X-Request-Id"), Some("r7"));
        assert_eq!(panicked.fails(500, "internal_error"), "Internal Server Error");
        let failed = send("GET", "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV", "");
        assert_eq!(failed.header("X-Request-Id"), Some("r7"));
        assert_eq!(failed.fails(500, "internal_error"), "Internal Server Error");
        assert_eq!(send("POST", "/stores", r#"{"name": "fine"}"#).status, 201);
    }
}
