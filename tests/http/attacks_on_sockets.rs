//! What is sent byte by byte: requests in requests, two lengths of one body, other versions of HTTP. Whatever a connection
//! carries, a request is answered by what it says itself, never by the authority of the one before it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

use serde_json::json;

use crate::fixture::model;
use crate::program::Program;

/// A server that asks for keys, and a tuple that whoever has one sees.
struct Target {
    program: Program,
    path: String,
    token: String,
    _data: tempfile::TempDir,
}

const BODY: &str = r#"{"tuple_key":{"user":"user:anne","relation":"viewer","object":"document:1"}}"#;

impl Target {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let program = Program::start(data.path(), &[]);
        let send = |path: &str, body: serde_json::Value| {
            let (status, answer) = program.send("POST", path, &body.to_string());
            assert!(status < 300, "{answer}");
            answer
        };
        let store = send("/stores", json!({"name": "target"}))["id"].as_str().unwrap().to_owned();
        send(&format!("/stores/{store}/authorization-models"), model());
        let tuple = json!({"user": "user:anne", "relation": "viewer", "object": "document:1"});
        send(&format!("/stores/{store}/write"), json!({"writes": {"tuple_keys": [tuple]}}));
        let key = send("/keys", json!({"name": "one", "permissions": ["check"]}));
        let token = key["token"].as_str().unwrap().to_owned();
        Self { program, path: format!("/stores/{store}/check"), token, _data: data }
    }

    /// A request with these lines in its head and this behind it.
    fn request(&self, head: &str, body: &str) -> String {
        format!("POST {} HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}", self.path)
    }

    fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    /// A check by somebody without a token.
    fn stranger(&self) -> String {
        self.request(&format!("Content-Length: {}\r\n", BODY.len()), BODY)
    }

    /// All that comes back for these bytes until the server waits or hangs up.
    fn talk(&self, bytes: &str) -> String {
        let mut stream = self.program.connect();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        // The server may have hung up before it has read all of it.
        let _ = stream.write_all(bytes.as_bytes());
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            }
        }
        String::from_utf8(answer).unwrap()
    }
}

fn statuses(answers: &str) -> Vec<&str> {
    let behind = answers.split("HTTP/1.").skip(1);
    behind.map(|answer| &answer[2..5]).filter(|status| *status != "100").collect()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn a_request_in_the_wake_of_another_is_answered_by_its_own_authority() {
    let target = Target::new();
    let (known, stranger) = (target.authorization(), target.stranger());
    let length = format!("Content-Length: {}\r\n", BODY.len());
    let own = target.request(&format!("{known}{length}"), BODY);
    assert_eq!(statuses(&target.talk(&own)), ["200"]);
    assert_eq!(statuses(&target.talk(&stranger)), ["401"]);
    // One behind the other, each is answered for itself.
    for (bytes, expected) in [
        (format!("{own}{stranger}"), vec!["200", "401"]),
        (format!("{stranger}{own}"), vec!["401", "200"]),
        (target.request(&format!("{known}Transfer-Encoding: chunked\r\n"), &chunked(BODY)) + &stranger, vec!["200", "401"]),
        (target.request(&format!("{known}{length}Expect: 100-continue\r\n"), BODY) + &stranger, vec!["200", "401"]),
        // The inner request is the body of the outer one.
        (target.request(&format!("Content-Length: {}\r\n", own.len()), &own) + &stranger, vec!["401", "401"]),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{own}{stranger}", own.len()),
            vec!["200", "401"],
        ),
        // What asks for another protocol goes on in this one.
        (
            target.request(
                &format!("{known}{length}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
                BODY,
            ) + &stranger,
            vec!["200", "401"],
        ),
        (
            target.request(&format!("{length}Connection: Upgrade\r\nUpgrade: websocket\r\n"), BODY) + &own,
            vec!["401", "200"],
        ),
        (format!("{}{stranger}", own.replacen("HTTP/1.1", "HTTP/1.0", 1)), vec!["200"]),
        (stranger.replacen("HTTP/1.1", "HTTP/1.0", 1), vec!["401"]),
    ] {
        assert_eq!(statuses(&target.talk(&bytes)), expected, "{bytes}");
    }
}

#[test]
fn a_body_of_two_lengths_never_lets_a_second_request_in() {
    let target = Target::new();
    let (known, stranger) = (target.authorization(), target.stranger());
    let length = BODY.len();
    let chunks = chunked(BODY);
    let heads = [
        (format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunks.len()), &*chunks),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".to_owned(), &*chunks),
        ("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(), &*chunks),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), &*chunks),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), &*chunks),
        ("Transfer-Encoding : chunked\r\n".to_owned(), &*chunks),
        ("Transfer-Encoding:\u{b}chunked\r\n".to_owned(), &*chunks),
        ("X: y\rTransfer-Encoding: chunked\r\n".to_owned(), &*chunks),
        (format!("Content-Length: {length}\r\nContent-Length: 5\r\n"), BODY),
        (format!("Content-Length: {length}, 5\r\n"), BODY),
        (format!("Content-Length: +{length}\r\n"), BODY),
        ("Content-Length: -1\r\n".to_owned(), BODY),
        ("Content-Length: 18446744073709551616\r\n".to_owned(), BODY),
        (format!("Content-Length: 0x{length:x}\r\n"), BODY),
        (format!("Content-Length : {length}\r\n"), BODY),
        (format!("Content-Length:\r\n {length}\r\n"), BODY),
        (format!("Content-Length: {length}\r\nX: a\0b\r\n"), BODY),
    ];
    for (head, body) in heads {
        let answers = target.talk(&(target.request(&format!("{known}{head}"), body) + &stranger));
        assert_eq!(statuses(&answers).len(), 1, "{head:?}: {answers}");
        // And where the stranger comes first, what is hidden in its body is not answered.
        let hidden = target.request(&format!("{known}Content-Length: {length}\r\n"), BODY);
        let answers = target.talk(&(target.request(&head, body) + &hidden));
        assert!(!answers.contains("allowed"), "{head:?}: {answers}");
    }
}

#[test]
fn what_is_no_request_of_this_version_is_refused_and_the_server_goes_on() {
    let mut target = Target::new();
    let own = target.request(&format!("{}Content-Length: {}\r\n", target.authorization(), BODY.len()), BODY);
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(),
        "GET /healthz\r\n".to_owned(),
        own.replacen("HTTP/1.1", "HTTP/1.2", 1),
        own.replacen("HTTP/1.1", "HTTP/2.0", 1),
        own.replacen("POST ", "POST\t", 1),
        own.replacen("Authorization: ", "Authorization:\r\n ", 1),
        own.replacen("Content-Length", "X: a\0b\r\nContent-Length", 1),
        "\u{16}\u{3}\u{1}\0\0".to_owned(),
    ] {
        let answers = target.talk(&bytes);
        assert!(!answers.contains("HTTP/1.1 200"), "{bytes:?}: {answers}");
    }
    // The whole address in the place of the path is the same request.
    let whole = own.replacen("POST ", "POST http://elsewhere.example", 1);
    assert_eq!(statuses(&target.talk(&whole)), ["200"]);
    let stranger = target.stranger().replacen("POST ", &format!("POST http://{}:@x", target.token), 1);
    assert_eq!(statuses(&target.talk(&stranger)), ["401"]);
    assert!(target.program.runs());
}
