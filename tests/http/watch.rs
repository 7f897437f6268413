//! Watch: order, resuming, heartbeats, ends, limits, slow readers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tenure::engine::{Engine, WriteRequest};
use tenure::model::TupleKey;
use tenure::model::limits::EvaluationLimits;
use tenure::server::{Api, ServerConfig};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::described::API;
use crate::fixture::{NOW, Server, answer, api, key};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// An open watch.
struct Watch<'a> {
    runtime: &'a Runtime,
    headers: HeaderMap,
    body: BodyDataStream,
    text: String,
}

/// What stands between two empty lines.
#[derive(Debug, Default, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl<'a> Watch<'a> {
    fn open(server: &'a Server, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = Request::builder().uri(format!("/stores/{}/watch{query}", server.store));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Self::send(server.runtime(), server.router(), request.body(Body::empty()).unwrap())
    }

    fn send(runtime: &'a Runtime, router: Api, request: Request<Body>) -> Self {
        let response = runtime.block_on(router.oneshot(request)).unwrap();
        let (head, body) = response.into_parts();
        assert_eq!(head.status, 200);
        let judged = API.judge_answer("GET", "/stores/x/watch", 200, &head.headers, b"");
        assert_eq!(judged, Ok(()));
        Self { runtime, headers: head.headers, body: body.into_data_stream(), text: String::new() }
    }

    /// The next event, heartbeats too; `None` at the end of the stream.
    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => event.id = id.to_owned(),
                        Some(("event", name)) => event.name = name.to_owned(),
                        Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                        _ => assert!(line.starts_with(':'), "{line:?}"),
                    }
                }
                self.text = rest.to_owned();
                return Some(event);
            }
            let received = self.runtime.block_on(async { timeout(LONG, self.body.next()).await });
            match received.unwrap() {
                Some(bytes) => self.text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap()),
                None => {
                    assert_eq!(self.text, "");
                    return None;
                }
            }
        }
    }

    /// The next change: its id, and its tuple with a sign for its operation.
    fn change(&mut self) -> (String, String) {
        loop {
            let event = self.next().unwrap();
            if event.data != Value::Null {
                assert_eq!(event.name, "", "{event:?}");
                assert_eq!(API.judge_event(&event.data), Ok(()));
                return (event.id, shown(&event.data));
            }
        }
    }

    fn changes(&mut self, count: usize) -> Vec<(String, String)> {
        (0..count).map(|_| self.change()).collect()
    }

    /// Waits for a heartbeat: the place that the client goes on from.
    fn heartbeat(&mut self) -> String {
        let event = self.next().unwrap();
        assert_eq!((event.name.as_str(), &event.data), ("", &Value::Null));
        event.id
    }
}

fn shown(change: &Value) -> String {
    let part = |name: &str| change["tuple_key"][name].as_str().unwrap().to_owned();
    let sign = match change["operation"].as_str().unwrap() {
        "TUPLE_OPERATION_WRITE" => '+',
        "TUPLE_OPERATION_DELETE" => '-',
        other => panic!("{other}"),
    };
    format!("{sign}{}#{}@{}", part("object"), part("relation"), part("user"))
}

/// A server whose heartbeats come as soon as nothing else does.
fn lively() -> Server {
    let config = ServerConfig { watch_heartbeat: Duration::from_millis(20), ..ServerConfig::default() };
    Server::with(&config, EvaluationLimits::default())
}

fn owned(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    changes.iter().map(|(id, tuple)| ((*id).to_owned(), (*tuple).to_owned())).collect()
}

#[test]
fn a_watch_is_a_stream_of_events_from_now_on() {
    let server = Server::new();
    server.write(&["document:0#viewer@user:anne"]);
    let mut watch = Watch::open(&server, "", &[]);
    let header = |name: &str| watch.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("Content-Type"), "text/event-stream");
    assert_eq!(header("Cache-Control"), "no-cache");
    assert_eq!(header("Openfga-Store-Id"), server.store);
    assert!(watch.headers.contains_key("X-Request-Id"));
    assert_eq!(
        watch.heartbeat(),
        "2",
        "where it begins, so that a client that is cut off at once misses nothing"
    );

    let mut tuple = key("document:1#viewer@user:anne");
    tuple["expires_at"] = json!("2027-01-01T00:00:00Z");
    server.write_keys(json!([tuple]));
    server.set_clock("2026-01-01T00:00:01Z");
    let deletes = json!({"tuple_keys": [key("document:1#viewer@user:anne")]});
    assert_eq!(server.post("/write", json!({"deletes": deletes})).status, 200);
    let event = |id: &str, data: Value| Event { id: id.to_owned(), name: String::new(), data };
    let written = json!({
        "tuple_key": {
            "user": "user:anne", "relation": "viewer", "object": "document:1", "condition": null,
            "expires_at": "2027-01-01T00:00:00Z", "paused": false,
        },
        "operation": "TUPLE_OPERATION_WRITE",
        "timestamp": NOW,
        "revision": 3,
    });
    assert_eq!(watch.next(), Some(event("3.1", written)));
    let deleted = json!({
        "tuple_key": {"user": "user:anne", "relation": "viewer", "object": "document:1", "condition": null},
        "operation": "TUPLE_OPERATION_DELETE",
        "timestamp": "2026-01-01T00:00:01Z",
        "revision": 4,
    });
    assert_eq!(watch.next(), Some(event("4.1", deleted)));
}

#[test]
fn a_watch_shows_what_the_log_of_changes_shows() {
    let server = Server::new();
    let mut tuple = key("document:1#viewer@user:anne");
    tuple["expires_at"] = json!("2027-01-01T00:00:00Z");
    server.write_keys(json!([tuple, key("folder:1#viewer@user:bob")]));
    tuple["paused"] = json!(true);
    let update = json!({"writes": {"tuple_keys": [tuple], "on_duplicate": "update"}});
    assert_eq!(server.post("/write", update).status, 200);
    let deletes = json!({"tuple_keys": [key("folder:1#viewer@user:bob")]});
    assert_eq!(server.post("/write", json!({"deletes": deletes})).status, 200);
    let listed = server.get("/changes").body["changes"].as_array().unwrap().clone();
    let mut watch = Watch::open(&server, "?after=0", &[]);
    let watched = listed.iter().map(|_| {
        let mut data = watch.next().unwrap().data;
        data.as_object_mut().unwrap().remove("revision");
        data
    });
    assert_eq!(watched.collect::<Vec<_>>(), listed);
}

#[test]
fn who_caused_a_change_is_told_where_it_is_known() {
    let server = Server::new();
    let engine = Arc::new(Engine::new(MemoryDatabase::new(server.clock()), EvaluationLimits::default()));
    let router = api(Arc::clone(&engine), &ServerConfig::default());
    let store = engine.create_store("first").unwrap().id;
    let model = "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define viewer: [user]\n";
    engine.write_model(store, tenure::schema::parse(model).unwrap()).unwrap();
    let write = Write {
        key: TupleKey::parse("document:1", "viewer", "user:anne").unwrap(),
        condition: Field::Absent,
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    };
    let request =
        WriteRequest { actor: Some("user:bob".into()), writes: vec![write], ..WriteRequest::default() };
    engine.write(store, request).unwrap();
    let request =
        Request::builder().uri(format!("/stores/{store}/watch?after=0")).body(Body::empty()).unwrap();
    let mut watch = Watch::send(server.runtime(), router, request);
    assert_eq!(watch.next().unwrap().data["actor"], "user:bob");
}

#[test]
fn changes_come_in_the_order_of_the_log_from_any_place_in_it() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:a", "document:1#viewer@user:b"]);
    let body = json!({
        "writes": {"tuple_keys": [key("document:1#viewer@user:c"), key("document:1#viewer@user:d")]},
        "deletes": {"tuple_keys": [key("document:1#viewer@user:b"), key("document:1#viewer@user:a")]},
    });
    assert_eq!(server.post("/write", body).status, 200);
    server.write(&["document:2#viewer@user:a"]);
    let all = owned(&[
        ("2.1", "+document:1#viewer@user:a"),
        ("2.2", "+document:1#viewer@user:b"),
        ("3.1", "-document:1#viewer@user:b"),
        ("3.2", "-document:1#viewer@user:a"),
        ("3.3", "+document:1#viewer@user:c"),
        ("3.4", "+document:1#viewer@user:d"),
        ("4.1", "+document:2#viewer@user:a"),
    ]);
    for beginning in ["?after=0", "?after=1", "?after=2.0", "?after=1&type=", "?after=1&type=document"] {
        assert_eq!(Watch::open(&server, beginning, &[]).changes(7), all, "{beginning}");
    }
    // Wherever the connection broke, in the middle of a commit too.
    for (told, (id, _)) in all.iter().enumerate() {
        let rest = &all[told + 1..];
        let mut resumed = Watch::open(&server, "?after=0", &[("Last-Event-ID", id)]);
        assert_eq!(resumed.changes(rest.len()), rest, "{id}");
        assert_eq!(Watch::open(&server, &format!("?after={id}"), &[]).changes(rest.len()), rest, "{id}");
    }
    assert_eq!(Watch::open(&server, "?after=2", &[]).changes(5), all[2..]);
    assert_eq!(Watch::open(&server, "?after=4", &[]).heartbeat(), "4");
    assert_eq!(Watch::open(&server, "?after=2", &[("Last-Event-ID", "")]).changes(5), all[2..]);
}

#[test]
fn a_watch_of_one_type_moves_on_past_everything_else() {
    let server = lively();
    server.write(&["folder:1#viewer@user:a", "document:1#viewer@user:a"]);
    let mut watch = Watch::open(&server, "?after=0&type=folder", &[]);
    assert_eq!(watch.change(), ("2.1".to_owned(), "+folder:1#viewer@user:a".to_owned()));
    assert_eq!(watch.heartbeat(), "2", "the rest of the commit has passed");
    server.write(&["document:2#viewer@user:a"]);
    assert_eq!(server.post("/authorization-models", crate::fixture::model()).status, 201);
    while watch.heartbeat() != "4" {}
    server.write(&["document:3#viewer@user:a", "folder:2#viewer@user:a"]);
    loop {
        let event = watch.next().unwrap();
        if event.data != Value::Null {
            assert_eq!((event.id.as_str(), shown(&event.data).as_str()), ("5.2", "+folder:2#viewer@user:a"));
            break;
        }
    }
}

#[test]
fn a_silent_watch_has_heartbeats() {
    let server = lively();
    let mut watch = Watch::open(&server, "", &[]);
    for _ in 0..3 {
        assert_eq!(watch.heartbeat(), "1");
    }
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let server = Server::new();
    let refused = |query: &str, headers: &[(&str, &str)], status: u16, code: &str| {
        let path = format!("/stores/{}/watch{query}", server.store);
        server.send("GET", &path, headers, None).fails(status, code)
    };
    assert_eq!(
        refused("?after=2", &[], 409, "revision_not_reached"),
        "revision 2 has not been reached; the newest one is 1"
    );
    refused("?after=0", &[("Last-Event-ID", "2.1")], 409, "revision_not_reached");
    let expected = "expected a revision, such as `12`, or a place in it, such as `12.3`; found \"x\"";
    assert_eq!(refused("?after=x", &[], 400, "validation_error"), format!("invalid after: {expected}"));
    assert_eq!(
        refused("?after=0", &[("Last-Event-ID", "x")], 400, "validation_error"),
        format!("invalid Last-Event-ID: {expected}")
    );
    assert_eq!(refused("?aftr=1", &[], 400, "validation_error"), "invalid aftr: unknown field");
    refused("?type=a:b", &[], 400, "type_invalid_pattern");
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    server.send("GET", &format!("/stores/{unknown}/watch"), &[], None).fails(404, "store_id_not_found");
    server.send("GET", "/stores/nothing/watch", &[], None).fails(400, "validation_error");
}

#[test]
fn the_end_of_a_store_is_the_end_of_its_watches() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:a"]);
    let mut behind = Watch::open(&server, "?after=0", &[]);
    let mut waiting = Watch::open(&server, "", &[]);
    assert_eq!(waiting.heartbeat(), "2");
    assert_eq!(server.send("DELETE", &format!("/stores/{}", server.store), &[], None).status, 204);
    for watch in [&mut waiting, &mut behind] {
        let end = watch.next().unwrap();
        assert_eq!((end.id.as_str(), end.name.as_str()), ("", "end"));
        let message = format!("store `{}` does not exist", server.store);
        assert_eq!(end.data, json!({"code": "store_id_not_found", "message": message}));
        assert_eq!(watch.next(), None);
    }
}

#[test]
fn one_watch_too_many_is_turned_away_until_another_ends() {
    let config = ServerConfig { watches_max: 2, concurrent_requests_max: 1, ..ServerConfig::default() };
    let server = Server::with(&config, EvaluationLimits::default());
    let open = || {
        let metrics = server.send("GET", "/metrics", &[], None).body;
        let count = metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix("tenure_watches "));
        count.unwrap().to_owned()
    };
    let first = Watch::open(&server, "", &[]);
    let _second = Watch::open(&server, "", &[]);
    assert_eq!(open(), "2");
    let turned_away = server.get("/watch");
    assert_eq!(turned_away.header("Retry-After"), Some("1"));
    assert_eq!(turned_away.fails(429, "too_many_requests"), "too many watches are open; try again later");
    assert_eq!(server.get("").status, 200, "an open watch is no request that is being served");
    drop(first);
    assert_eq!(open(), "1");
    Watch::open(&server, "", &[]);
}

#[test]
fn a_reader_that_does_not_read_slows_no_writer_and_misses_nothing() {
    const COMMITS: usize = 3_000;
    let server = Server::new();
    let mut slow = Watch::open(&server, "", &[]);
    assert_eq!(slow.heartbeat(), "1");
    // Nothing drives the stream while this writes.
    for n in 0..COMMITS {
        server.write(&[&format!("document:{n}#viewer@user:a"), &format!("folder:{n}#viewer@user:a")]);
    }
    let expected = |n: usize| {
        let (commit, part) = (n / 2, n % 2);
        (
            format!("{}.{}", commit + 2, part + 1),
            format!("+{}:{commit}#viewer@user:a", ["document", "folder"][part]),
        )
    };
    for n in 0..2 * COMMITS {
        assert_eq!(slow.change(), expected(n));
    }
}

#[test]
fn readers_that_come_and_go_while_many_write_miss_nothing_and_see_nothing_twice() {
    const WRITERS: usize = 4;
    const COMMITS: usize = 250;
    let server = lively();
    let router = server.router();
    let path = format!("/stores/{}/write", server.store);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (router, path) = (router.clone(), path.clone());
            server.runtime().spawn(async move {
                for n in 0..COMMITS {
                    let tuple = |part: usize| key(&format!("document:{writer}-{n}-{part}#viewer@user:a"));
                    let body = json!({"writes": {"tuple_keys": [tuple(0), tuple(1), tuple(2)]}}).to_string();
                    let request = Request::builder().method("POST").uri(&path).body(Body::from(body));
                    assert_eq!(answer(router.clone(), request.unwrap()).await.status, 200);
                }
            })
        })
        .collect();
    let (mut seen, mut last) = (Vec::new(), "1".to_owned());
    let mut round = 0;
    while seen.len() < WRITERS * COMMITS * 3 {
        let mut watch = Watch::open(&server, "", &[("Last-Event-ID", &last)]);
        // A prime, so that it breaks off everywhere in a commit.
        round = (round + 1) % 17;
        for _ in 0..=round {
            let Some(event) = watch.next() else { panic!("the stream ended") };
            last = event.id;
            if event.data != Value::Null {
                seen.push((last.clone(), shown(&event.data)));
            }
        }
    }
    for writer in writers {
        server.runtime().block_on(writer).unwrap();
    }
    assert_eq!(Watch::open(&server, "?after=0", &[]).changes(seen.len()), seen);
}
