//! What a server takes of a connection before it is a request: how large, how slow, how many, and where one ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tempfile::{TempDir, tempdir};

use crate::program::Program;

const SOON: [&str; 4] = ["--header-read-timeout-ms", "300", "--request-timeout-ms", "1000"];

fn start(arguments: &[&str]) -> (TempDir, Program) {
    let directory = tempdir().unwrap();
    let program = Program::start(&directory.path().join("data"), arguments);
    (directory, program)
}

/// All that comes back for these bytes until the server closes, as it does soon where nothing more comes.
fn raw(program: &Program, bytes: &[u8]) -> String {
    let mut stream = program.connect();
    // It may close before everything was sent.
    drop(stream.write_all(bytes));
    until_closed(&mut stream)
}

fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of all answers.
fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let (_directory, program) = start(&SOON);
    let head = |target: &str, headers: &str| {
        statuses(&raw(
            &program,
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes(),
        ))
    };
    let headers = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    assert_eq!(head("/healthz", &headers(90)), [200]);
    assert_eq!(head("/healthz", &headers(101)), [431]);
    assert_eq!(head("/healthz", &format!("X-Large: {}\r\n", "y".repeat(100_000))), [200]);
    assert_eq!(head("/healthz", &format!("X-Large: {}\r\n", "y".repeat(300_000))), [431]);
    assert_eq!(head(&format!("/healthz?{}", "y".repeat(60_000)), ""), [200]);
    assert_eq!(head(&format!("/healthz?{}", "y".repeat(70_000)), ""), [414]);
}

#[test]
fn a_head_that_does_not_arrive_and_a_connection_that_is_idle_are_closed() {
    let (_directory, program) = start(&SOON);
    let began = Instant::now();
    for (bytes, expected) in [
        ("", [].as_slice()),
        ("GET /healthz HTTP/1.1\r\nHost: loc", &[]),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", &[200]),
    ] {
        let mut stream = program.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(statuses(&until_closed(&mut stream)), expected, "{bytes:?}");
    }
    // One that comes byte by byte has no more time.
    let mut stream = program.connect();
    for byte in "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: yyyyyyyyyyyyyyyyyyyyyy\r\n\r\n".bytes() {
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(until_closed(&mut stream), "");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_connection_more_than_there_may_be_waits_until_one_is_closed() {
    let (_directory, program) = start(&["--connections-max", "2"]);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    };
    let answered = |stream: &mut TcpStream| {
        let mut piece = [0; 1024];
        stream.read(&mut piece).is_ok_and(|read| piece[..read].starts_with(b"HTTP/1.1 200"))
    };
    let [mut first, mut second, mut third] = [(); 3].map(|()| program.connect());
    for stream in [&mut first, &mut second] {
        ask(stream);
        assert!(answered(stream));
    }
    ask(&mut third);
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(!answered(&mut third));
    drop(first);
    third.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(answered(&mut third));
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let (_directory, program) = start(&SOON);
    let both = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\
                POST /stores HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{\"name\":\"abc\"}\
                GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&raw(&program, both.as_bytes())), [200, 201, 404]);
}

/// What a proxy in front could take for the end of a request where the server does not, or the other way round.
#[test]
fn where_a_request_ends_is_certain_or_it_is_refused() {
    let (_directory, program) = start(&SOON);
    let hidden = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = |headers: &str, body: &str| {
        let request = format!("POST /stores HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}");
        let answers = raw(&program, request.as_bytes());
        (statuses(&answers), answers)
    };
    let body = "{\"name\":\"abc\"}";
    let chunked = format!("e\r\n{body}\r\n0\r\n\r\n");
    assert_eq!(post("Transfer-Encoding: chunked\r\nConnection: close\r\n", &chunked).0, [201]);
    // A length and chunks: the chunks count (RFC 9112, section 6.3), and nothing behind them is read.
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let (found, answers) = post(headers, &format!("{chunked}{hidden}"));
        assert!(found == [201] && answers.contains("connection: close"), "{headers:?}: {answers}");
    }
    for (headers, body) in [
        // Two lengths.
        ("Content-Length: 14\r\nContent-Length: 0\r\n", format!("{body}{hidden}")),
        ("Content-Length: 14, 0\r\n", format!("{body}{hidden}")),
        ("Content-Length: +14\r\n", format!("{body}{hidden}")),
        ("Content-Length: -1\r\n", hidden.to_owned()),
        ("Content-Length: 0x0e\r\n", format!("{body}{hidden}")),
        // Encodings that end nowhere.
        ("Transfer-Encoding: identity\r\n", format!("{body}{hidden}")),
        ("Transfer-Encoding: chunked, identity\r\n", format!("{chunked}{hidden}")),
        ("Transfer-Encoding: xchunked\r\n", format!("{chunked}{hidden}")),
        // Lines that one reads as a header and another does not.
        ("Transfer-Encoding : chunked\r\n", format!("{chunked}{hidden}")),
        ("X-Folded: a\r\n Content-Length: 14\r\n", format!("{body}{hidden}")),
        ("Content-Length: 14\r\n\tX: a\r\n", format!("{body}{hidden}")),
        ("X-Null: a\0b\r\nContent-Length: 14\r\n", format!("{body}{hidden}")),
        ("Content-Length: 14\rX: a\r\n", format!("{body}{hidden}")),
    ] {
        let (found, answers) = post(headers, &body);
        assert_eq!(found, [400], "{headers:?}: {answers}");
    }
    // Chunks whose size is none: the body cannot be read, and nothing behind it is.
    for chunks in [
        format!("zz\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("-e\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("0xe\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("10000000000000000e\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("e\r\n{body}XX0\r\n\r\n{hidden}"),
        format!("e\n{body}\r\n0\r\n\r\n{hidden}"),
    ] {
        let (found, answers) = post("Transfer-Encoding: chunked\r\n", &chunks);
        assert_eq!(found, [400], "{chunks:?}: {answers}");
    }
    let stores = program.send("GET", "/stores", "").1;
    assert_eq!(stores["stores"].as_array().unwrap().len(), 3, "of all these three were right");
}

#[test]
fn another_version_of_http_is_not_spoken() {
    let (_directory, program) = start(&SOON);
    let second = raw(&program, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(!second.contains(" 200 "), "{second}");
    assert_eq!(statuses(&raw(&program, b"GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n")), [400]);
}
