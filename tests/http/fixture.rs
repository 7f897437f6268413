//! A server on a database in memory, asked without a socket, and a model and clock to test with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};
use tenure::callers::Callers;
use tenure::engine::Engine;
use tenure::model::limits::{EvaluationLimits, ListLimits};
use tenure::model::{Clock, Instant};
use tenure::server::{self, Api, ServerConfig};
use tenure::store::Database;
use tenure::store::memory::MemoryDatabase;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::described::API;

/// When the clock of every test stands at first.
pub const NOW: &str = "2026-01-01T00:00:00Z";

/// A clock that is set by hand.
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_unix_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `null` where the body is empty, a text where it is no JSON.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer is this error; returns its message.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> String {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.body.as_object().unwrap().len(), 2, "{}", self.body);
        self.body["message"].as_str().unwrap().to_owned()
    }

    /// The answer is exactly this, 200.
    #[track_caller]
    pub fn is(self, expected: Value) {
        assert_eq!((self.status, &self.body), (200, &expected));
    }
}

/// A server with one store that has [`model`].
pub struct Server {
    runtime: Runtime,
    engine: Arc<Engine<MemoryDatabase>>,
    router: Api,
    config: ServerConfig,
    clock: Arc<TestClock>,
    pub store: String,
    pub model: String,
}

impl Server {
    pub fn new() -> Self {
        Self::with(&ServerConfig::default(), EvaluationLimits::default())
    }

    pub fn with(config: &ServerConfig, limits: EvaluationLimits) -> Self {
        Self::made(config, limits, ListLimits::default())
    }

    pub fn with_lists(limits: EvaluationLimits, lists: ListLimits) -> Self {
        Self::made(&ServerConfig::default(), limits, lists)
    }

    fn made(config: &ServerConfig, limits: EvaluationLimits, lists: ListLimits) -> Self {
        let now: Instant = NOW.parse().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(now.unix_micros())));
        let engine = Engine::new(MemoryDatabase::new(clock.clone()), limits).with_list_limits(lists);
        let engine = Arc::new(engine);
        let router = api(Arc::clone(&engine), config);
        let mut server = Self {
            runtime: Runtime::new().unwrap(),
            engine,
            router,
            config: config.clone(),
            clock,
            store: String::new(),
            model: String::new(),
        };
        server.store = server.create_store();
        let written = server.post("/authorization-models", model());
        assert_eq!(written.status, 201, "{}", written.body);
        server.model = written.body["authorization_model_id"].as_str().unwrap().to_owned();
        server
    }

    /// The same, with a configuration that may name its store.
    pub fn configured(mut self, config: impl FnOnce(&str) -> ServerConfig) -> Self {
        self.config = config(&self.store);
        self.router = api(Arc::clone(&self.engine), &self.config);
        self
    }

    /// The same, for other callers.
    pub fn called_by(mut self, callers: impl FnOnce(Callers) -> Callers) -> Self {
        let callers = Arc::new(callers(Callers::load(self.engine.database()).unwrap()));
        self.router = server::api(Arc::clone(&self.engine), &self.config, callers);
        self
    }

    /// Another store, without a model.
    pub fn create_store(&self) -> String {
        let created = self.send("POST", "/stores", &[], Some(r#"{"name":"test store"}"#));
        assert_eq!(created.status, 201, "{}", created.body);
        created.body["id"].as_str().unwrap().to_owned()
    }

    pub fn set_clock(&self, to: &str) {
        let to: Instant = to.parse().unwrap();
        self.clock.0.store(to.unix_micros(), Ordering::SeqCst);
    }

    pub fn clock(&self) -> Arc<TestClock> {
        Arc::clone(&self.clock)
    }

    pub fn router(&self) -> Api {
        self.router.clone()
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Sends a request with any path, which must be as the API is described if it is accepted.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let answer = self.send_undescribed(method, path, headers, body);
        if let (200..300, Some(body)) = (answer.status, body) {
            let strict = headers.contains(&("Tenure-Strict", "true"));
            let judged = API.judge_request(method, path, strict, body);
            assert_eq!(judged, Ok(()), "{method} {path} {body}");
        }
        answer
    }

    /// Sends a request that may be unlike its description in a part that is answered with an error of its own.
    pub fn send_undescribed(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        let request = request.body(sent).unwrap();
        self.runtime.block_on(answer(self.router.clone(), request))
    }

    /// Sends a request for the store.
    pub fn post(&self, operation: &str, body: Value) -> Answer {
        self.send("POST", &self.path(operation), &[], Some(&body.to_string()))
    }

    /// The same, with the body as it is.
    pub fn post_text(&self, operation: &str, body: &str) -> Answer {
        self.send("POST", &self.path(operation), &[], Some(body))
    }

    /// The same, refusing unknown fields.
    pub fn post_strictly(&self, operation: &str, body: Value) -> Answer {
        self.send("POST", &self.path(operation), &[("Tenure-Strict", "true")], Some(&body.to_string()))
    }

    pub fn get(&self, operation: &str) -> Answer {
        self.send("GET", &self.path(operation), &[], None)
    }

    pub fn path(&self, operation: &str) -> String {
        format!("/stores/{}{operation}", self.store)
    }

    /// Writes tuples, which must succeed.
    #[track_caller]
    pub fn write(&self, tuples: &[&str]) {
        let keys: Vec<Value> = tuples.iter().map(|text| key(text)).collect();
        self.write_keys(json!(keys));
    }

    /// Writes tuples with conditions or lifetimes, which must succeed.
    #[track_caller]
    pub fn write_keys(&self, keys: Value) {
        let answer = self.post("/write", json!({"writes": {"tuple_keys": keys}}));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Every stored tuple, as `object#relation@user`, live or not, sorted.
    pub fn tuples(&self) -> Vec<String> {
        let answer = self.post("/read", json!({"page_size": 100, "include_inactive": true}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let text = |tuple: &Value| {
            let part = |name: &str| tuple["key"][name].as_str().unwrap().to_owned();
            format!("{}#{}@{}", part("object"), part("relation"), part("user"))
        };
        let mut tuples: Vec<_> = answer.body["tuples"].as_array().unwrap().iter().map(text).collect();
        tuples.sort();
        tuples
    }

    /// Whether a check is allowed.
    #[track_caller]
    pub fn allows(&self, tuple: &str) -> bool {
        let answer = self.post("/check", json!({"tuple_key": key(tuple)}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["allowed"].as_bool().unwrap()
    }
}

/// Everything that a server answers, for those that the database has keys of.
pub fn api<D: Database>(engine: Arc<Engine<D>>, config: &ServerConfig) -> Api {
    let callers = Callers::load(engine.database()).unwrap();
    server::api(engine, config, Arc::new(callers))
}

/// Sends a request to a router and reads the whole answer, which must be as the API is described.
pub async fn answer(router: Api, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let status = parts.status.as_u16();
    let judged = API.judge_answer(&method, &path, status, &parts.headers, &bytes);
    assert_eq!(judged, Ok(()), "{method} {path}");
    let body = match &*bytes {
        [] => Value::Null,
        bytes => serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned())),
    };
    Answer { status, headers: parts.headers, body }
}

/// `object#relation@user` as a tuple key.
pub fn key(text: &str) -> Value {
    let (object, rest) = text.split_once('#').unwrap();
    let (relation, user) = rest.split_once('@').unwrap();
    json!({"user": user, "relation": relation, "object": object})
}

/// Each query, by the path of its route and a body that is answered.
pub fn queries() -> [(&'static str, Value); 3] {
    let tuple = key("document:1#viewer@user:anne");
    [
        ("/check", json!({"tuple_key": tuple})),
        ("/batch-check", json!({"checks": [{"tuple_key": tuple, "correlation_id": "a"}]})),
        ("/expand", json!({"tuple_key": {"object": "document:1", "relation": "viewer"}})),
    ]
}

/// A body with one more field.
pub fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[name] = value;
    body
}

/// Users, groups in groups, folders, and documents with every kind of rewrite.
pub fn model() -> Value {
    let this = || json!({"this": {}});
    let computed = |relation: &str| json!({"computedUserset": {"relation": relation}});
    let user = || json!({"type": "user"});
    let member = || json!({"type": "group", "relation": "member"});
    json!({
        "schema_version": "1.1",
        "type_definitions": [
            {"type": "user"},
            {
                "type": "group",
                "relations": {"member": this()},
                "metadata": {"relations": {"member": {"directly_related_user_types": [user(), member()]}}},
            },
            {
                "type": "folder",
                "relations": {"viewer": this()},
                "metadata": {"relations": {"viewer": {"directly_related_user_types": [user()]}}},
            },
            {
                "type": "document",
                "relations": {
                    "parent": this(),
                    "owner": this(),
                    "blocked": this(),
                    "viewer": {"union": {"child": [
                        this(),
                        computed("owner"),
                        {"tupleToUserset": {
                            "tupleset": {"relation": "parent"},
                            "computedUserset": {"relation": "viewer"},
                        }},
                    ]}},
                    "can_read": {"difference": {"base": computed("viewer"), "subtract": computed("blocked")}},
                    "can_share": {"intersection": {"child": [computed("viewer"), computed("owner")]}},
                },
                "metadata": {"relations": {
                    "parent": {"directly_related_user_types": [{"type": "folder"}]},
                    "owner": {"directly_related_user_types": [user()]},
                    "blocked": {"directly_related_user_types": [user()]},
                    "viewer": {"directly_related_user_types": [user(), {"type": "user", "wildcard": {}}, member()]},
                }},
            },
        ],
    })
}
