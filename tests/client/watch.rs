//! `tenure watch`: what it shows, and how it goes on when the connection breaks.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::commands::{Ended, Fixture};
use crate::program::Program;

/// A running `tenure watch --json`; killed if a test ends before it does.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The object of the next change.
    fn object(&mut self) -> String {
        let line = self.lines.next().expect("another change").unwrap();
        let change: Value = serde_json::from_str(&line).unwrap();
        change["tuple_key"]["object"].as_str().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end: its exit code and what it complained of.
    fn end(mut self) -> (Option<i32>, String) {
        assert!(self.lines.next().is_none(), "no more changes");
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), error)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn changes_are_shown_as_they_are_in_the_log() {
    let fixture = Fixture::new();
    fixture.ok(&["write", "user:anne", "viewer", "park:p1", "--expires-at", "2099-01-01T00:00:00Z"]);
    fixture.ok(&["write", "user:bert", "viewer", "park:p1", "park:p2"]);
    fixture.ok(&["write", "user:anne", "viewer", "park:p1", "--delete"]);
    let shown = fixture.ok(&["watch", "--after", "0", "--count", "4"]);
    assert_eq!(shown, fixture.ok(&["changes"]));
    assert!(shown.contains("until 2099-01-01T00:00:00Z"), "{shown}");
    let rest = fixture.ok(&["watch", "--after", "3.1", "--count", "2", "--json", "--type", "park"]);
    let rest: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rest.len(), &rest[0]["tuple_key"]["object"]), (2, &Value::from("park:p2")));
    assert_eq!((&rest[1]["operation"], &rest[1]["revision"]), (&"TUPLE_OPERATION_DELETE".into(), &4.into()));
}

#[test]
fn it_goes_on_where_it_was_when_the_server_comes_back() {
    let mut fixture = Fixture::new();
    let write = |fixture: &Fixture, object: &str| drop(fixture.ok(&["write", "user:anne", "viewer", object]));
    write(&fixture, "park:p1");
    let mut watching =
        Watching::start(&mut fixture.command(&["watch", "--after", "1", "--json", "--count", "5"]));
    assert_eq!(watching.object(), "park:p1");
    for round in 0..2 {
        write(&fixture, &format!("park:before-{round}"));
        assert_eq!(watching.object(), format!("park:before-{round}"));
        fixture.server.signal("-TERM");
        assert!(fixture.server.wait().success());
        let (data, address) = (fixture.directory.path().join("data"), fixture.server.address.clone());
        fixture.server = Program::start(&data, &["--listen", &address]);
        write(&fixture, &format!("park:after-{round}"));
        assert_eq!(watching.object(), format!("park:after-{round}"));
    }
    let (code, error) = watching.end();
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("unavailable: the server stops; "), "{error}");
    assert!(error.contains("; trying again in 1 s\n"), "{error}");
}

#[test]
fn what_will_not_get_better_ends_it() {
    let fixture = Fixture::new();
    let refused = fixture.run(&["watch", "--after", "9"]);
    assert_eq!(refused.code, 2);
    assert!(refused.error.starts_with("error: revision_not_reached: revision 9 "), "{}", refused.error);
    let refused = fixture.run(&["watch", "--after", "now"]);
    assert!(refused.error.contains("expected a revision, such as `12`"), "{}", refused.error);
    let refused = fixture.run(&["watch", "--store", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert_eq!(refused.code, 2);
    assert!(refused.error.contains("`tenure store list`"), "{}", refused.error);

    fixture.ok(&["write", "user:anne", "viewer", "park:p1"]);
    let mut watching = Watching::start(&mut fixture.command(&["watch", "--after", "1", "--json"]));
    assert_eq!(watching.object(), "park:p1");
    fixture.ok(&["store", "delete", &fixture.store]);
    let (code, error) = watching.end();
    assert_eq!(code, Some(2));
    assert!(error.starts_with("error: store_id_not_found: "), "{error}");
}

#[test]
fn ctrl_c_ends_it() {
    let fixture = Fixture::new();
    fixture.ok(&["write", "user:anne", "viewer", "park:p1"]);
    let mut watching = Watching::start(&mut fixture.command(&["watch", "--after", "1", "--json"]));
    assert_eq!(watching.object(), "park:p1");
    watching.signal("-INT");
    let (code, error) = watching.end();
    assert_eq!((code, error.as_str()), (None, ""), "ended by the signal");
}

/// Answers one request after the other with these, and gives back their heads, in lower case.
fn answer_each(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let mut kept = Vec::new();
        let serve = |answer: &String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            // One whose answer is no whole one stays silent.
            if answer.ends_with("\n\n") {
                kept.push(stream);
            }
            String::from_utf8(head).unwrap().to_lowercase()
        };
        answers.iter().map(serve).collect()
    });
    (address, served)
}

#[test]
fn a_silent_connection_and_a_server_in_trouble_are_tried_again_with_the_last_id() {
    let stream = |events: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}");
    let first = stream("id: 3.2\ndata: {\"n\": 1}\n\nid: 4\n\nid: 5.1\ndata: {\"cut\"");
    let silent = stream(":\nid: 6\n\n");
    let trouble = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 37\r\n\r\n\
                   {\"code\":\"unavailable\",\"message\":\"x\"}\n";
    let last = stream("id: 7.1\ndata: {\"n\": 2}\n\n");
    let (address, served) = answer_each(vec![first, silent, trouble.to_owned(), last]);
    let arguments =
        ["watch", "--json", "--count", "2", "--timeout-s", "1", "--after", "3", "--token", "s3cret"];
    let mut command = crate::clean(crate::BINARY);
    command.args(arguments).env("TENURE_SERVER", format!("http://{address}"));
    let ended: Ended = command.env("TENURE_STORE", "01ARZ3NDEKTSV4RRFFQ69G5FAV").output().unwrap().into();
    assert_eq!((ended.code, ended.out.as_str()), (0, "{\"n\": 1}\n{\"n\": 2}\n"), "{}", ended.error);
    let heads = served.join().unwrap();
    let ids: Vec<_> = heads
        .iter()
        .map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: ")).map(str::to_owned))
        .collect();
    assert_eq!(ids, [None, Some("4".to_owned()), Some("6".to_owned()), Some("6".to_owned())]);
    assert!(heads.iter().all(|head| head.contains("\r\nauthorization: bearer s3cret\r\n")));
    let complaints: Vec<_> = ended.error.lines().collect();
    assert!(complaints[0].contains(" ended the stream; trying again in 1 s"), "{complaints:?}");
    assert!(complaints[1].contains(" broke: ") && complaints[1].ends_with("again in 1 s"), "{complaints:?}");
    assert!(complaints[2].contains("unavailable: x (HTTP 503); trying again in 2 s"), "{complaints:?}");
}
