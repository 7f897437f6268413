//! ListObjects, StreamedListObjects, ListUsers: answers, what ends them early, refusals.

use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};

use axum::body::Body;
use axum::http::Request;
use hyper::body::Body as _;
use serde_json::{Value, json};
use tenure::engine::{Engine, WriteRequest};
use tenure::model::limits::{EvaluationLimits, ListLimits, STREAMS_MAX};
use tenure::model::{StoreId, SystemClock, TupleKey};
use tenure::schema;
use tenure::server::{Api, ServerConfig};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::fixture::{Answer, Server, api, key};

fn documents(user: &str) -> Value {
    json!({"type": "document", "relation": "can_read", "user": user})
}

fn readers(document: &str) -> Value {
    json!({
        "object": {"type": "document", "id": document},
        "relation": "can_read",
        "user_filters": [{"type": "user"}],
    })
}

/// A request with one field more, or another value of it.
fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

fn sorted(list: &Value) -> Vec<String> {
    let mut texts: Vec<_> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    texts.sort();
    texts
}

/// The lines of a stream: the objects, sorted, and the error that ends it, if one does.
fn lines(answer: &Answer) -> (Vec<String>, Option<Value>) {
    let text = match &answer.body {
        Value::Null => String::new(),
        // One line is one JSON document.
        Value::Object(_) => answer.body.to_string(),
        other => other.as_str().unwrap().to_owned(),
    };
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = match lines.last() {
        Some(last) if last["error"].is_object() => lines.pop().map(|line| line["error"].clone()),
        _ => None,
    };
    let mut objects: Vec<_> =
        lines.iter().map(|line| line["result"]["object"].as_str().unwrap().to_owned()).collect();
    objects.sort();
    (objects, error)
}

#[test]
fn answers_are_complete() {
    let server = Server::new();
    server.write(&[
        "document:1#viewer@user:anne",
        "document:2#viewer@group:g#member",
        "group:g#member@user:anne",
        "document:3#viewer@user:*",
        "document:3#blocked@user:anne",
    ]);
    let more = |request: Value| {
        let request = with(request, "authorization_model_id", json!(server.model));
        let request = with(request, "context", json!({"unused": 1}));
        let request = with(request, "at_least_revision", json!(2));
        with(request, "consistency", json!("HIGHER_CONSISTENCY"))
    };
    let whole = |answer: &Answer| {
        assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
        assert_eq!(answer.header("Openfga-Store-Id"), Some(&*server.store));
        assert_eq!(answer.header("Tenure-Revision"), Some("2"));
        assert_eq!(answer.header("Tenure-Partial"), None);
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
    };
    let objects = server.post("/list-objects", more(documents("user:anne")));
    whole(&objects);
    assert_eq!(sorted(&objects.body["objects"]), [r#""document:1""#, r#""document:2""#]);
    assert_eq!(objects.body["revision"], 2);

    let streamed = server.post("/streamed-list-objects", more(documents("user:anne")));
    whole(&streamed);
    assert_eq!(lines(&streamed), (vec!["document:1".to_owned(), "document:2".to_owned()], None));

    let users = server.post("/list-users", more(readers("3")));
    whole(&users);
    users.is(json!({"users": [{"wildcard": {"type": "user"}}], "revision": 2}));
    let users = server.post("/list-users", readers("2"));
    users.is(json!({"users": [{"object": {"type": "user", "id": "anne"}}], "revision": 2}));
    let filter = json!([{"type": "group", "relation": "member"}]);
    let users = server.post("/list-users", with(readers("2"), "user_filters", filter));
    users.is(
        json!({"users": [{"userset": {"type": "group", "id": "g", "relation": "member"}}], "revision": 2}),
    );
}

#[test]
fn who_holds_nothing_gets_an_empty_list() {
    let server = Server::new();
    server.post("/list-objects", documents("user:eve")).is(json!({"objects": [], "revision": 1}));
    server.post("/list-users", readers("1")).is(json!({"users": [], "revision": 1}));
    let streamed = server.post("/streamed-list-objects", documents("user:eve"));
    assert_eq!((streamed.status, lines(&streamed)), (200, (Vec::new(), None)));
}

#[test]
fn lifetimes_hold_in_every_list() {
    let server = Server::new();
    let mut expiring = key("document:1#viewer@user:anne");
    expiring["expires_at"] = json!("2026-01-02T00:00:00Z");
    let mut paused = key("document:2#viewer@user:anne");
    paused["paused"] = json!(true);
    server.write_keys(json!([expiring, paused]));
    let listed = || {
        let objects = server.post("/list-objects", documents("user:anne")).body["objects"].clone();
        let streamed = lines(&server.post("/streamed-list-objects", documents("user:anne"))).0;
        assert_eq!(objects, json!(streamed));
        let users = |id| server.post("/list-users", readers(id)).body["users"].as_array().unwrap().len();
        (objects, users("1"), users("2"))
    };
    assert_eq!(listed(), (json!(["document:1"]), 1, 0));
    server.set_clock("2026-01-02T00:00:00Z");
    assert_eq!(listed(), (json!([]), 0, 0), "an expiration is exclusive");
}

#[test]
fn contextual_tuples_count_and_stand_in_place_of_stored_ones() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let mut paused = key("document:1#viewer@user:anne");
    paused["paused"] = json!(true);
    let given = json!([paused, key("document:2#parent@folder:f"), key("folder:f#viewer@user:anne")]);
    let request = with(documents("user:anne"), "contextual_tuples", json!({"tuple_keys": given}));
    let objects = server.post("/list-objects", request.clone());
    assert_eq!(objects.body["objects"], json!(["document:2"]));
    assert_eq!(lines(&server.post("/streamed-list-objects", request)).0, ["document:2"]);
    // Here they are a list.
    let users = |id| server.post("/list-users", with(readers(id), "contextual_tuples", given.clone())).body;
    assert_eq!(users("1")["users"], json!([]));
    assert_eq!(users("2")["users"], json!([{"object": {"type": "user", "id": "anne"}}]));
}

#[test]
fn what_the_model_does_not_have_is_refused_with_codes_of_its_own() {
    let server = Server::new();
    let objects = |name: &str, value: &str, code: &str| {
        let request = with(documents("user:anne"), name, json!(value));
        let message = server.post("/list-objects", request.clone()).fails(400, code);
        let streamed = server.post("/streamed-list-objects", request);
        let error = json!({"code": 3, "message": message, "details": []});
        assert_eq!(streamed.status, 400);
        assert_eq!(streamed.body, json!({"error": error, "code": code, "message": message}));
        message
    };
    assert_eq!(objects("type", "robot", "type_not_found"), "type 'robot' not found");
    assert_eq!(objects("relation", "nothing", "relation_not_found"), "relation 'document#nothing' not found");
    for user in ["robot:1", "group:1#nothing", "anne", ""] {
        objects("user", user, "validation_error");
    }
    for name in ["", "a#b", "a b"] {
        objects("type", name, "type_invalid_pattern");
        objects("relation", name, "validation_error");
    }
    let users = |name: &str, value: Value, code: &str| {
        server.post("/list-users", with(readers("1"), name, value)).fails(400, code)
    };
    assert_eq!(
        users("object", json!({"type": "robot", "id": "1"}), "type_not_found"),
        "type 'robot' not found"
    );
    users("relation", json!("nothing"), "relation_not_found");
    users("user_filters", json!([{"type": "robot"}]), "type_not_found");
    users("user_filters", json!([{"type": "group", "relation": "nothing"}]), "relation_not_found");
    users("user_filters", json!([{"type": ""}]), "type_invalid_pattern");
    users("object", json!({"type": "", "id": "1"}), "type_invalid_pattern");
    assert_eq!(users("object", Value::Null, "validation_error"), "invalid object: value is required");
    for filters in [json!([]), Value::Null, json!([{"type": "user"}, {"type": "group"}])] {
        assert_eq!(
            users("user_filters", filters, "validation_error"),
            "invalid user_filters: value must contain exactly 1 item(s)"
        );
    }
    let tuple = key("document:1#viewer@robot:1");
    users("contextual_tuples", json!([tuple]), "invalid_tuple");
    objects_with_tuple(&server, &tuple);
}

fn objects_with_tuple(server: &Server, tuple: &Value) {
    let request = with(documents("user:anne"), "contextual_tuples", json!({"tuple_keys": [tuple]}));
    server.post("/list-objects", request).fails(400, "invalid_tuple");
}

#[test]
fn a_store_without_a_model_cannot_be_asked_for_a_list() {
    let mut server = Server::new();
    server.store = server.create_store();
    server.post("/list-objects", documents("user:anne")).fails(400, "latest_authorization_model_not_found");
    server.post("/list-users", readers("1")).fails(400, "latest_authorization_model_not_found");
    let streamed = server.post("/streamed-list-objects", documents("user:anne"));
    assert_eq!(streamed.body["code"], "latest_authorization_model_not_found");
}

#[test]
fn a_list_that_a_limit_ends_says_so_and_one_that_just_fits_does_not() {
    for (results_max, partial) in [(2, Some("true")), (3, None)] {
        let lists = ListLimits { results_max, ..ListLimits::default() };
        let server = Server::with_lists(EvaluationLimits::default(), lists);
        server.write(&[
            "document:1#viewer@user:anne",
            "document:2#viewer@user:anne",
            "document:3#viewer@user:anne",
            "document:1#viewer@user:bob",
            "document:1#viewer@user:carl",
        ]);
        let objects = server.post("/list-objects", documents("user:anne"));
        assert_eq!(objects.header("Tenure-Partial"), partial);
        assert_eq!(objects.body["objects"].as_array().unwrap().len(), results_max);
        let users = server.post("/list-users", readers("1"));
        assert_eq!(users.header("Tenure-Partial"), partial);
        assert_eq!(users.body["users"].as_array().unwrap().len(), results_max);
        let (objects, error) = lines(&server.post("/streamed-list-objects", documents("user:anne")));
        assert_eq!((objects.len(), error), (3, None), "a stream has no such limit");
    }
}

#[test]
fn a_limit_that_leaves_nothing_is_an_error() {
    let lists = ListLimits { reads_max: 1, ..ListLimits::default() };
    let server = Server::with_lists(EvaluationLimits::default(), lists);
    server.write(&["document:1#viewer@group:g#member", "group:g#member@user:anne"]);
    let too_complex = "authorization_model_resolution_too_complex";
    server.post("/list-objects", documents("user:anne")).fails(400, too_complex);
    server.post("/list-users", readers("1")).fails(400, too_complex);
    let streamed = server.post("/streamed-list-objects", documents("user:anne"));
    assert_eq!(streamed.status, 200);
    let (objects, error) = lines(&streamed);
    let error = error.unwrap();
    assert!(objects.is_empty());
    assert_eq!((&error["code"], &error["details"]), (&json!(3), &json!([])));
    assert!(error["message"].as_str().unwrap().contains("more than 1 reads"), "{error}");
}

#[test]
fn lists_are_counted() {
    let lists = ListLimits { results_max: 1, ..ListLimits::default() };
    let server = Server::with_lists(EvaluationLimits::default(), lists);
    server.write(&["document:1#viewer@user:anne", "document:2#viewer@user:anne"]);
    server.post("/list-objects", documents("user:anne"));
    server.post("/list-users", readers("1"));
    server.post("/streamed-list-objects", documents("user:anne"));
    server.post("/list-objects", with(documents("user:anne"), "type", json!("robot")));
    let metrics = server.send("GET", "/metrics", &[], None);
    let text = metrics.body.as_str().unwrap();
    for line in [
        r#"tenure_lists_total{outcome="whole"} 2"#,
        r#"tenure_lists_total{outcome="partial"} 1"#,
        r#"tenure_lists_total{outcome="error"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

mod streams {
    //! A list too long to be read at once.

    use super::*;

    const DOCUMENTS: usize = 100_000;

    struct Long {
        runtime: Runtime,
        router: Api,
        store: StoreId,
    }

    impl Long {
        fn new(config: &ServerConfig) -> Self {
            let database = MemoryDatabase::new(Arc::new(SystemClock));
            let engine = Engine::new(database, EvaluationLimits::default());
            let store = engine.create_store("long").unwrap().id;
            let model =
                "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define viewer: [user]\n";
            engine.write_model(store, schema::parse(model).unwrap()).unwrap();
            let write = |n: usize| Write {
                key: TupleKey::parse(&format!("document:{n}"), "viewer", "user:anne").unwrap(),
                condition: Field::Absent,
                expires_at: Field::Absent,
                paused: Field::Absent,
                on_duplicate: OnDuplicate::Error,
            };
            let writes = (0..DOCUMENTS).map(write).collect();
            engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
            let router = api(Arc::new(engine), config);
            Self { runtime: Runtime::new().unwrap(), router, store }
        }

        fn open(&self) -> (u16, Body) {
            let body = json!({"type": "document", "relation": "viewer", "user": "user:anne"}).to_string();
            let request = Request::post(format!("/stores/{}/streamed-list-objects", self.store));
            let request = request.body(Body::from(body)).unwrap();
            let response = self.runtime.block_on(self.router.clone().oneshot(request)).unwrap();
            (response.status().as_u16(), response.into_body())
        }

        /// The next chunk of a body.
        fn chunk(&self, body: &mut Body) -> Option<String> {
            let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx));
            let frame = self.runtime.block_on(next)?.unwrap();
            Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
        }

        fn rest(&self, body: &mut Body) -> Vec<Value> {
            let text: String = std::iter::from_fn(|| self.chunk(body)).collect();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }

        /// How many lists ended so, waited for.
        fn ended(&self, outcome: &str) -> bool {
            let line = format!("tenure_lists_total{{outcome=\"{outcome}\"}} 1");
            let began = Stopwatch::now();
            while began.elapsed() < Duration::from_secs(10) {
                if self.metrics().lines().any(|found| found == line) {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            false
        }

        fn metrics(&self) -> String {
            let request = Request::get("/metrics").body(Body::empty()).unwrap();
            let answer = crate::fixture::answer(self.router.clone(), request);
            self.runtime.block_on(answer).body.as_str().unwrap().to_owned()
        }

        fn reads(&self) -> usize {
            let metrics = self.metrics();
            let reads =
                metrics.lines().find_map(|line| line.strip_prefix("tenure_evaluation_reads_total ")).unwrap();
            reads.parse().unwrap()
        }
    }

    #[test]
    fn a_slow_reader_holds_the_list_up_and_gets_all_of_it() {
        let long = Long::new(&ServerConfig::default());
        let (status, mut body) = long.open();
        assert_eq!(status, 200);
        let first = long.chunk(&mut body).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert!(!long.metrics().contains("tenure_lists_total{"), "the list ended though nobody read it");
        let lines = long.rest(&mut body);
        assert_eq!(first.lines().count() + lines.len(), DOCUMENTS);
        assert!(lines.iter().all(|line| line["result"]["object"].is_string()));
        assert!(long.ended("whole"));
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_list() {
        let long = Long::new(&ServerConfig::default());
        let (_, mut body) = long.open();
        long.chunk(&mut body).unwrap();
        drop(body);
        assert!(long.ended("partial"));
        assert!(long.reads() < DOCUMENTS / 2, "{} reads", long.reads());
    }

    #[test]
    fn the_deadline_ends_a_list_whose_reader_is_too_slow_and_the_last_line_says_so() {
        let stream_timeout = Duration::from_millis(100);
        let long = Long::new(&ServerConfig { stream_timeout, ..ServerConfig::default() });
        let (_, mut body) = long.open();
        long.chunk(&mut body).unwrap();
        assert!(long.ended("partial"));
        let mut lines = long.rest(&mut body);
        let last = lines.pop().unwrap();
        assert_eq!(last["error"]["code"], 4, "{last}");
        assert!(lines.len() < DOCUMENTS / 2, "{} lines", lines.len());
        assert!(lines.iter().all(|line| line["result"]["object"].is_string()));
    }

    #[test]
    fn no_more_streams_are_opened_than_there_may_be() {
        let long = Long::new(&ServerConfig::default());
        let mut open: Vec<_> = (0..STREAMS_MAX).map(|_| long.open()).collect();
        assert!(open.iter().all(|(status, _)| *status == 200));
        assert_eq!(long.open().0, 429);
        open.pop();
        let again = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(5));
            long.open().0
        });
        assert!(again.take(1000).any(|status| status == 200), "a stream that ended makes room");
    }
}
