//! What a collector of traces is sent.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Program, command, fails, read_answer};

/// Takes traces over HTTP, as OpenTelemetry's collector does.
struct Collector {
    address: String,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let messages = Arc::<Mutex<Vec<Value>>>::default();
        let all = Arc::clone(&messages);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let all = Arc::clone(&all);
                thread::spawn(move || take(stream.unwrap(), &all));
            }
        });
        Self { address, messages }
    }

    /// All spans so far.
    fn spans(&self) -> Vec<Value> {
        let messages = self.messages.lock().unwrap();
        let of_scope = |scope: &Value| scope["spans"].as_array().unwrap().clone();
        let of_resource = |resource: &Value| {
            assert_eq!(attribute(&resource["resource"], "service.name"), json!({"stringValue": "tenure"}));
            resource["scopeSpans"].as_array().unwrap().iter().flat_map(of_scope).collect::<Vec<_>>()
        };
        let resources = messages.iter().flat_map(|message| message["resourceSpans"].as_array().unwrap());
        resources.flat_map(of_resource).collect()
    }

    /// The spans of a trace, once the one of the request, which ends last, is there.
    fn trace(&self, id: &str) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let spans: Vec<Value> = self.spans().into_iter().filter(|span| span["traceId"] == id).collect();
            if spans.iter().any(|span| span["kind"] == 2) {
                return spans;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the trace {id} does not arrive");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Answers the messages of a connection.
fn take(stream: TcpStream, all: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_ascii_lowercase());
        }
        assert_eq!(head[0], "post /v1/traces http/1.1");
        let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        assert!(header("content-type").unwrap().starts_with("application/json"));
        let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        all.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        (&stream)
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            .unwrap();
    }
}

fn attribute(of: &Value, key: &str) -> Value {
    let attributes = of["attributes"].as_array().unwrap();
    attributes
        .iter()
        .find(|attribute| attribute["key"] == key)
        .map_or(Value::Null, |attribute| attribute["value"].clone())
}

/// A server with a store.
struct Traced {
    program: Program,
    store: String,
    _directory: TempDir,
}

impl Traced {
    fn start(collector: &str, arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let endpoint = format!("http://{collector}");
        let arguments = [&["--otlp-endpoint", &endpoint], arguments].concat();
        let program = Program::start(directory.path(), &arguments);
        let (_, store) = program.send("POST", "/stores", r#"{"name": "plants"}"#);
        let traced = Self { store: store["id"].as_str().unwrap().to_owned(), program, _directory: directory };
        let model = json!({"schema_version": "1.1", "type_definitions": [{"type": "user"},
            {"type": "park", "relations": {"viewer": {"this": {}}},
             "metadata": {"relations": {"viewer": {"directly_related_user_types": [{"type": "user"}]}}}}]});
        assert_eq!(traced.post("authorization-models", "", &model).0, 201);
        traced
    }

    /// Sends a request that is part of a trace; empty: of none.
    fn post(&self, path: &str, traceparent: &str, body: &Value) -> (u16, Value) {
        let (mut stream, body) = (self.program.connect(), body.to_string());
        let parent =
            if traceparent.is_empty() { String::new() } else { format!("traceparent: {traceparent}\r\n") };
        let (store, length) = (&self.store, body.len());
        write!(
            stream,
            "POST /stores/{store}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{parent}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        read_answer(stream)
    }

    fn check(&self, traceparent: &str) -> (u16, Value) {
        let key = json!({"user": "user:anne", "relation": "viewer", "object": "park:p1"});
        self.post("check", traceparent, &json!({"tuple_key": key}))
    }
}

/// A trace of a client, and its span that asks.
fn parent(number: u32, flags: &str) -> (String, String, String) {
    let (trace, span) = (format!("4bf92f3577b34da6a3ce929d{number:08x}"), format!("00f067aa{number:08x}"));
    let header = format!("00-{trace}-{span}-{flags}");
    (trace, span, header)
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found: Vec<&Value> = spans.iter().filter(|span| span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

fn names(spans: &[Value]) -> BTreeSet<&str> {
    spans.iter().map(|span| span["name"].as_str().unwrap()).collect()
}

#[test]
fn a_request_is_a_span_of_its_clients_trace_with_one_for_each_phase() {
    let collector = Collector::start();
    let traced = Traced::start(&collector.address, &[]);
    // The first check of a model is looked at twice: it is compiled where it keeps nobody else waiting.
    let key = json!({"user": "user:anne", "relation": "viewer", "object": "park:other"});
    assert_eq!(traced.post("check", "", &json!({"tuple_key": key})).0, 200);
    let (trace, client, header) = parent(1, "01");
    assert_eq!(traced.check(&header).0, 200);
    let spans = collector.trace(&trace);
    let request = named(&spans, "POST /stores/{store_id}/check");
    assert_eq!(request["parentSpanId"], client.as_str());
    assert_eq!(attribute(request, "http.response.status_code"), json!({"intValue": "200"}));
    assert_eq!(attribute(request, "http.route"), json!({"stringValue": "/stores/{store_id}/check"}));
    assert_eq!(attribute(request, "tenure.store"), json!({"stringValue": traced.store}));
    assert_eq!(request["status"], json!({}));
    let phases = ["cache", "decode", "encode", "evaluate", "resolve"];
    assert_eq!(names(&spans), phases.into_iter().chain(["POST /stores/{store_id}/check"]).collect());
    let instant = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    for phase in phases {
        let span = named(&spans, phase);
        assert_eq!((&span["parentSpanId"], &span["kind"]), (&request["spanId"], &json!(1)), "{phase}");
        let (began, ended) = (instant(span, "startTimeUnixNano"), instant(span, "endTimeUnixNano"));
        assert!(began <= ended && instant(request, "startTimeUnixNano") <= began, "{phase}");
        assert!(ended <= instant(request, "endTimeUnixNano"), "{phase}");
    }
    assert_eq!(attribute(named(&spans, "cache"), "tenure.hit"), json!({"boolValue": false}));
    assert_eq!(attribute(named(&spans, "evaluate"), "tenure.allowed"), json!({"boolValue": false}));
    assert!(attribute(named(&spans, "evaluate"), "tenure.reads")["intValue"].is_string());

    let (trace, _, header) = parent(2, "01");
    assert_eq!(traced.check(&header).0, 200);
    let spans = collector.trace(&trace);
    assert!(!names(&spans).contains("evaluate"), "a kept decision served");
    assert_eq!(attribute(named(&spans, "cache"), "tenure.hit"), json!({"boolValue": true}));
}

#[test]
fn a_write_has_a_span_for_its_commit_and_a_batch_one_for_each_evaluation() {
    let collector = Collector::start();
    let traced = Traced::start(&collector.address, &[]);
    let (trace, _, header) = parent(3, "01");
    let key = |user: &str| json!({"user": format!("user:{user}"), "relation": "viewer", "object": "park:p1"});
    assert_eq!(traced.post("write", &header, &json!({"writes": {"tuple_keys": [key("anne")]}})).0, 200);
    let spans = collector.trace(&trace);
    let commit = named(&spans, "commit");
    assert_eq!(commit["parentSpanId"], named(&spans, "POST /stores/{store_id}/write")["spanId"]);
    assert_eq!(named(&spans, "resolve")["parentSpanId"], commit["spanId"]);

    let (trace, _, header) = parent(4, "01");
    let check = |user: &str| json!({"correlation_id": user, "tuple_key": key(user)});
    assert_eq!(traced.post("batch-check", &header, &json!({"checks": [check("a"), check("b")]})).0, 200);
    let spans = collector.trace(&trace);
    let request = named(&spans, "POST /stores/{store_id}/batch-check");
    let evaluations: Vec<_> = spans.iter().filter(|span| span["name"] == "evaluate").collect();
    assert_eq!(evaluations.len(), 2);
    assert!(
        evaluations.iter().all(|span| span["parentSpanId"] == request["spanId"]),
        "on another thread too"
    );
}

#[test]
fn what_a_client_does_not_trace_is_traced_by_the_sample_alone() {
    let collector = Collector::start();
    let mut traced = Traced::start(&collector.address, &["--otlp-sample", "0"]);
    let (not_traced, _, header) = parent(5, "00");
    assert_eq!(traced.check(&header).0, 200);
    assert_eq!(traced.check("").0, 200);
    assert_eq!(traced.check("00-not-a-trace").0, 200);
    let (wanted, _, header) = parent(6, "01");
    assert_eq!(traced.check(&header).0, 200);
    traced.program.signal("-TERM");
    assert_eq!(traced.program.wait().code(), Some(0));
    let spans = collector.spans();
    assert!(!spans.is_empty(), "what waits is sent at the end");
    assert!(spans.iter().all(|span| span["traceId"] == wanted.as_str()), "{not_traced}: {spans:#?}");
}

#[test]
fn an_error_of_the_server_is_one_of_its_span_and_one_of_the_client_is_not() {
    let collector = Collector::start();
    let traced = Traced::start(&collector.address, &[]);
    let (trace, _, header) = parent(7, "01");
    let key = json!({"user": "user:anne", "relation": "owner", "object": "park:p1"});
    assert_eq!(traced.post("check", &header, &json!({"tuple_key": key})).0, 400);
    let spans = collector.trace(&trace);
    let request = named(&spans, "POST /stores/{store_id}/check");
    assert_eq!(attribute(request, "http.response.status_code"), json!({"intValue": "400"}));
    assert_eq!(request["status"], json!({}));
}

#[test]
fn a_collector_that_is_not_there_costs_no_request_and_is_told_once() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("log");
    // Nobody listens on the port of a listener that is gone.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = command(&["--data", directory.path().join("data").to_str().unwrap()]);
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--log",
        "warn",
        "--otlp-endpoint",
        &format!("http://{nobody}"),
    ]);
    command.stdout(std::process::Stdio::piped()).stderr(fs::File::create(&log).unwrap());
    let mut program = Program::listening(command.spawn().unwrap());
    for _ in 0..3 {
        assert_eq!(program.send("GET", "/stores", "").0, 200);
        thread::sleep(Duration::from_millis(1_100));
    }
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
    let told = fs::read_to_string(&log).unwrap();
    assert_eq!(told.matches("traces cannot be sent and are left out").count(), 1, "{told}");
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    let directory = TempDir::new().unwrap();
    let mut command = command(&["--data", directory.path().to_str().unwrap()]);
    command.args(["--otlp-endpoint", "https://collector.example"]);
    let (code, message) = fails(command);
    assert_eq!(code, 2);
    assert!(
        message.starts_with("error: `otlp_endpoint` is `https://collector.example`; expected the address"),
        "{message}"
    );
}
