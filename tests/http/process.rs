//! The process: starting, stopping, and what it says when it cannot start.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::tempdir;

use crate::fixture::{key, model};
use crate::program::{Program, command, fails, read_answer};

#[test]
fn what_was_written_is_there_after_a_restart() {
    let directory = tempdir().unwrap();
    let mut program = Program::start(directory.path(), &[]);
    let (status, store) = program.send("POST", "/stores", r#"{"name": "acme"}"#);
    assert_eq!(status, 201);
    let id = store["id"].as_str().unwrap();
    let (status, _) =
        program.send("POST", &format!("/stores/{id}/authorization-models"), &model().to_string());
    assert_eq!(status, 201);
    let body = json!({"writes": {"tuple_keys": [key("document:1#owner@user:anne")]}}).to_string();
    assert_eq!(program.send("POST", &format!("/stores/{id}/write"), &body).0, 200);
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));

    let mut program = Program::start(directory.path(), &[]);
    assert_eq!(program.send("GET", &format!("/stores/{id}"), "").1["name"], "acme");
    let body = json!({"tuple_key": key("document:1#can_read@user:anne")}).to_string();
    let (status, answer) = program.send("POST", &format!("/stores/{id}/check"), &body);
    assert_eq!((status, &answer["allowed"], &answer["revision"]), (200, &json!(true), &json!(2)));
    program.signal("-INT");
    assert_eq!(program.wait().code(), Some(0));
}

/// Sends the head of a request, and returns when it has been read, and the body is waited for.
fn begin(open: &mut TcpStream, body_bytes: usize) {
    let head = "POST /stores HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n";
    write!(open, "{head}Content-Length: {body_bytes}\r\n\r\n").unwrap();
    let mut answer = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    open.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn open_requests_are_finished_before_the_end_and_new_ones_refused() {
    let directory = tempdir().unwrap();
    let mut program = Program::start(directory.path(), &["--request-timeout-ms", "15000"]);
    let mut open = program.connect();
    let body = r#"{"name": "finished"}"#;
    begin(&mut open, body.len());
    program.signal("-TERM");
    let began = Instant::now();
    while TcpStream::connect(&program.address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "it goes on accepting");
        std::thread::sleep(Duration::from_millis(10));
    }
    open.write_all(body.as_bytes()).unwrap();
    let (status, store) = read_answer(open);
    assert_eq!((status, store["name"].as_str()), (201, Some("finished")));
    assert_eq!(program.wait().code(), Some(0));
    let program = Program::start(directory.path(), &[]);
    assert_eq!(program.send("GET", "/stores", "").1["stores"].as_array().unwrap().len(), 1);
}

#[test]
fn the_grace_period_bounds_the_wait_for_open_requests() {
    let directory = tempdir().unwrap();
    let arguments = ["--grace-period-ms", "100", "--request-timeout-ms", "500"];
    let mut program = Program::start(directory.path(), &arguments);
    let mut open = program.connect();
    begin(&mut open, 100);
    let began = Instant::now();
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn asked_a_second_time_it_stops_at_once_and_keeps_what_was_written() {
    let directory = tempdir().unwrap();
    let arguments = ["--grace-period-ms", "60000", "--request-timeout-ms", "60000"];
    for (first, second) in [("-INT", "-INT"), ("-TERM", "-INT")] {
        let mut program = Program::start(directory.path(), &arguments);
        assert_eq!(program.send("POST", "/stores", r#"{"name": "kept"}"#).0, 201);
        let mut open = program.connect();
        write!(open, "POST /stores HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        program.signal(first);
        std::thread::sleep(Duration::from_millis(200));
        assert!(program.runs(), "an open request is waited for");
        program.signal(second);
        assert_eq!(program.wait().code(), Some(0));
    }
    let program = Program::start(directory.path(), &[]);
    assert_eq!(program.send("GET", "/stores", "").1["stores"].as_array().unwrap().len(), 2);
}

/// Every write to `/dev/full` fails.
#[cfg(target_os = "linux")]
#[test]
fn it_serves_although_nothing_can_be_printed() {
    let directory = tempdir().unwrap();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    let mut command = command(&["--data", data.to_str().unwrap(), "--listen", &free]);
    let child = command.stdout(full()).stderr(full()).spawn().unwrap();
    let mut program = Program::of(child, &free);
    let began = Instant::now();
    while TcpStream::connect(&program.address).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20) && program.runs(), "it does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(program.send("GET", "/readyz", "").0, 200);
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn the_log_says_what_was_started_and_leaves_out_what_there_is_not() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let log = directory.path().join("log");
    let mut command = command(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    let child = command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let mut program = Program::listening(child);
    assert_eq!(program.send("GET", "/stores", "").0, 200);
    assert_eq!(program.send("POST", "/stores", r#"{"name":"first"}"#).0, 201);
    assert_eq!(program.send("GET", "/nothing", "").0, 404);
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
    let text = fs::read_to_string(log).unwrap();
    let line = |part: &str| {
        text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {text}"))
    };
    let started = line("authentication=\"none\"");
    let address = format!("address={}", program.address);
    for part in
        [concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), "data=", "request_timeout_ms=3000", &address]
    {
        assert!(started.contains(part), "{part}: {started}");
    }
    assert!(!text.contains("listening on"), "stdout says so already: {text}");
    let answered = line("route=\"/stores\"");
    assert!(!answered.contains(" store=") && !answered.contains(" code="), "{answered}");
    assert!(answered.contains("method=POST"), "a query that succeeded is not worth a line: {answered}");
    assert!(line("route=\"none\"").contains("code=\"undefined_endpoint\""));
}

#[test]
fn a_directory_of_other_things_is_refused() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("notes.txt"), "theirs").unwrap();
    let path = directory.path().display().to_string();
    let (code, message) = fails(command(&["--data", &path, "--listen", "127.0.0.1:0"]));
    assert_eq!(code, 1);
    assert!(
        message.starts_with(&format!("error: cannot use the data directory `{path}`: it has no database")),
        "{message}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let directory = tempdir().unwrap();
    let mut program = Program::start(directory.path(), &[]);
    let mut open = program.connect();
    write!(open, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut byte = [0];
    open.read_exact(&mut byte).unwrap();
    let began = Instant::now();
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_client_that_does_not_send_its_head_is_cut_off() {
    let directory = tempdir().unwrap();
    let program = Program::start(directory.path(), &["--header-read-timeout-ms", "200"]);
    for beginning in ["", "P", "GET /healthz HTTP/1.1\r\nHost:"] {
        let mut stream = program.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        // Closed with or without a word; a connection that stays open runs into the read timeout, an error.
        stream.read_to_end(&mut rest).unwrap();
        assert!(began.elapsed() < Duration::from_secs(10), "{beginning:?}");
    }
    assert_eq!(program.send("GET", "/healthz", "").0, 200);
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = tempdir().unwrap();
    let program = Program::start(directory.path(), &[]);
    let path = directory.path().display().to_string();
    let (code, message) = fails(command(&["--data", &path, "--listen", "127.0.0.1:0"]));
    assert_eq!(code, 1);
    assert_eq!(
        message,
        format!("error: the data directory `{path}` is in use; is a server running on it?\n")
    );
    assert_eq!(program.send("GET", "/readyz", "").0, 200, "the first one goes on");
}

#[test]
fn a_directory_that_cannot_be_one_is_refused() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        let path = path.display().to_string();
        let (code, message) = fails(command(&["--data", &path, "--listen", "127.0.0.1:0"]));
        assert_eq!(code, 1);
        assert!(
            message.starts_with(&format!("error: cannot use the data directory `{path}`: ")),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
}

#[test]
fn an_address_in_use_is_refused_and_no_directory_is_made() {
    let directory = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    let (code, message) = fails(command(&["--data", data.to_str().unwrap(), "--listen", &address]));
    assert_eq!(code, 1);
    assert!(message.starts_with(&format!("error: cannot listen on {address}: ")), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(!data.exists());
}

#[test]
fn a_directory_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = tempdir().unwrap();
    let mut program = Program::start(directory.path(), &[]);
    assert_eq!(program.send("POST", "/stores", r#"{"name": "kept"}"#).0, 201);
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
    set_format(directory.path(), 99);

    let path = directory.path().display().to_string();
    let (code, message) = fails(command(&["--data", &path, "--listen", "127.0.0.1:0"]));
    assert_eq!(code, 1);
    let expected = "has format 99, newer than 3, which this version supports";
    assert_eq!(message, format!("error: the data directory `{path}` {expected}\n"));

    set_format(directory.path(), 1);
    let program = Program::start(directory.path(), &[]);
    assert_eq!(program.send("GET", "/stores", "").1["stores"][0]["name"], "kept");
}

/// Writes the format of a data directory, as a newer version would have it.
fn set_format(path: &Path, format: u32) {
    let options = rocksdb::Options::default();
    let tables = rocksdb::DB::list_cf(&options, path).unwrap();
    let db = rocksdb::DB::open_cf(&options, path, tables).unwrap();
    db.put_cf(db.cf_handle("meta").unwrap(), [1], format.to_be_bytes()).unwrap();
}

#[test]
fn a_directory_that_is_not_writable_is_refused() {
    // A file system that nobody can write to, whoever runs the test.
    let path = "/proc/tenure";
    let (code, message) = fails(command(&["--data", path, "--listen", "127.0.0.1:0"]));
    assert_eq!(code, 1);
    assert!(message.starts_with("error: cannot use the data directory `/proc/tenure`: "), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// Reads an open watch until a line begins like this, and answers it.
fn line_of(watch: &mut impl BufRead, start: &str) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(watch.read_line(&mut line).unwrap(), 0, "the stream ended without {start}");
        if line.starts_with(start) {
            return line.trim_end().to_owned();
        }
    }
}

/// A store with the model.
fn store_of(program: &Program) -> String {
    let (_, store) = program.send("POST", "/stores", r#"{"name": "acme"}"#);
    let id = store["id"].as_str().unwrap().to_owned();
    let (status, _) =
        program.send("POST", &format!("/stores/{id}/authorization-models"), &model().to_string());
    assert_eq!(status, 201);
    id
}

fn watch(program: &Program, store: &str, query: &str) -> BufReader<TcpStream> {
    let mut stream = program.connect();
    write!(stream, "GET /stores/{store}/watch{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut stream = BufReader::new(stream);
    assert_eq!(line_of(&mut stream, "HTTP/1.1"), "HTTP/1.1 200 OK");
    stream
}

#[test]
fn a_watch_outlives_the_time_limits_of_requests_and_ends_with_the_server() {
    let directory = tempdir().unwrap();
    let arguments = [
        ["--request-timeout-ms", "300"],
        ["--header-read-timeout-ms", "200"],
        ["--watch-heartbeat-ms", "100"],
        ["--grace-period-ms", "60000"],
    ];
    let mut program = Program::start(directory.path(), arguments.as_flattened());
    let store = store_of(&program);
    let mut watch = watch(&program, &store, "");
    for _ in 0..10 {
        assert_eq!(line_of(&mut watch, "id"), "id: 1");
    }
    let began = Instant::now();
    program.signal("-TERM");
    assert_eq!(line_of(&mut watch, "event"), "event: end");
    assert!(line_of(&mut watch, "data").contains(r#""code":"unavailable""#));
    assert_eq!(program.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "the grace period is not for streams");
}

#[test]
fn a_reader_that_does_not_read_slows_no_writer_misses_nothing_and_does_not_hold_up_the_end() {
    // Far more than the buffers of both sides hold.
    const COMMITS: usize = 200;
    const TUPLES: usize = 100;
    let directory = tempdir().unwrap();
    let mut program = Program::start(directory.path(), &["--grace-period-ms", "60000"]);
    let store = store_of(&program);
    let mut stuck = watch(&program, &store, "");
    let mut slow = watch(&program, &store, "");
    let padding = "x".repeat(200);
    let name = |commit: usize, tuple: usize| format!("document:{commit}-{tuple}-{padding}");
    for commit in 0..COMMITS {
        let keys: Vec<_> =
            (0..TUPLES).map(|tuple| key(&format!("{}#viewer@user:a", name(commit, tuple)))).collect();
        let body = json!({"writes": {"tuple_keys": keys}}).to_string();
        assert_eq!(program.send("POST", &format!("/stores/{store}/write"), &body).0, 200);
    }
    for commit in 0..COMMITS {
        for tuple in 0..TUPLES {
            let id = format!("id: {}.{}", commit + 2, tuple + 1);
            while line_of(&mut slow, "id") != id {
                // Where it began.
                assert_eq!((commit, tuple), (0, 0), "{id}");
            }
            assert!(line_of(&mut slow, "data").contains(&name(commit, tuple)), "{id}");
        }
    }
    let began = Instant::now();
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "who does not take the end is cut off");
    // What had been sent.
    assert_eq!(line_of(&mut stuck, "id"), "id: 1");
}

#[test]
fn the_place_of_a_watch_whose_client_has_gone_is_free() {
    let directory = tempdir().unwrap();
    let program = Program::start(directory.path(), &["--watches-max", "1"]);
    let store = store_of(&program);
    let began = Instant::now();
    let turned_away = || program.send("GET", &format!("/stores/{store}/watch"), "");
    let mut first = watch(&program, &store, "");
    line_of(&mut first, "id");
    assert_eq!(turned_away().0, 429);
    drop(first);
    loop {
        let mut stream = program.connect();
        write!(stream, "GET /stores/{store}/watch HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        if line_of(&mut BufReader::new(stream), "HTTP/1.1") == "HTTP/1.1 200 OK" {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it is not noticed that the client has gone");
        std::thread::sleep(Duration::from_millis(20));
    }
}
