//! Every request body: whatever is sent, the answer is no 5xx, and an error says its code and a message.
//!
//! The input: a line with the number of the route, then the body.

#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tenure::engine::Engine;
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Instant, MonotonicClock, SystemClock};
use tenure::server::{self, ServerConfig};
use tenure::store::memory::MemoryDatabase;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Method and path below the store.
const ROUTES: [(&str, &str); 18] = [
    ("POST", "/check"),
    ("POST", "/batch-check"),
    ("POST", "/expand"),
    ("POST", "/list-objects"),
    ("POST", "/list-users"),
    ("POST", "/streamed-list-objects"),
    ("POST", "/explain"),
    ("POST", "/read"),
    ("POST", "/write"),
    ("POST", "/authorization-models"),
    ("PUT", "/assertions/MODEL"),
    ("POST", "/access/v1/evaluation"),
    ("POST", "/access/v1/evaluations"),
    ("POST", "/access/v1/search/subject"),
    ("POST", "/access/v1/search/resource"),
    ("POST", "/access/v1/search/action"),
    ("PATCH", ""),
    ("POST", ""),
];

const MODEL: &str = r#"
model
  schema 1.1
type user
type group
  relations
    define member: [user, user with open, group#member, user:*]
type folder
  relations
    define viewer: [user, group#member with open]
type document
  relations
    define parent: [folder, folder with open]
    define editor: [user, group#member]
    define blocked: [user]
    define viewer: [user:*, user with open] or editor or viewer from parent
    define reader: viewer but not blocked
    define both: viewer and editor
condition open(x: bool, n: int, tags: list<string>) {
  x && n < 10 && "a" in tags
}
"#;

struct Fixture {
    router: Router,
    store: String,
    model: String,
    requests_left: u32,
}

/// Requests after which the server is made anew: what was written must not pile up.
const REQUESTS_PER_SERVER: u32 = 1_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static FIXTURE: Mutex<Option<Fixture>> = Mutex::new(None);

impl Fixture {
    fn new() -> Self {
        let clock = MonotonicClock::new(Arc::new(SystemClock), Instant::MIN);
        let engine = Engine::new(MemoryDatabase::new(Arc::new(clock)), EvaluationLimits::default());
        let store = engine.create_store("fuzzed").expect("a store").id;
        let model = tenure::schema::parse(MODEL).expect("a model");
        let model = engine.write_model(store, model).expect("a valid model").model.expect("its id");
        let router = server::router(Arc::new(engine), &ServerConfig::default());
        Self { router, store: store.to_string(), model: model.to_string(), requests_left: REQUESTS_PER_SERVER }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (head, body) = bytes.split_at(end);
    let number: usize = std::str::from_utf8(head).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (method, path) = ROUTES[number % ROUTES.len()];
    let mut fixture = FIXTURE.lock().expect("no request panics");
    if fixture.as_ref().is_some_and(|fixture| fixture.requests_left == 0) {
        *fixture = None;
    }
    let fixture = fixture.get_or_insert_with(Fixture::new);
    fixture.requests_left -= 1;
    let path = path.replace("MODEL", &fixture.model);
    let path = if method == "POST" && path.is_empty() {
        "/stores".to_owned()
    } else {
        format!("/stores/{}{path}", fixture.store)
    };
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if number / ROUTES.len() % 2 == 1 {
        request = request.header("Tenure-Strict", "true");
    }
    // The fixed model answers, whatever was written meanwhile.
    let body = String::from_utf8_lossy(&body[1..]).replace("MODEL", &fixture.model);
    let request = request.body(Body::from(body)).expect("a request");
    RUNTIME.block_on(async {
        let response = fixture.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        assert!(!status.is_server_error(), "{status}: {}", String::from_utf8_lossy(&bytes));
        if status.is_client_error() {
            let error: Value = serde_json::from_slice(&bytes).expect("an error in JSON");
            assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
        }
    });
});
