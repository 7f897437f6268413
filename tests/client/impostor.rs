//! A server that is not Tenure: it answers as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

/// An answer.
pub struct Reply {
    pub status: u16,
    pub body: String,
    /// What `Tenure-Revision` says; a plain server has none.
    pub revision: Option<u64>,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body: body.to_string(), revision: None }
    }
}

/// Answers every request, by its path and its body, for as long as the test runs.
pub fn impostor(answer: fn(path: &str, body: &str) -> Reply) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap(), answer));
        }
    });
    address
}

/// Answers the requests of one connection; `None` at its end.
fn serve(mut stream: TcpStream, answer: fn(path: &str, body: &str) -> Reply) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let Reply { status, body, revision } =
            answer(first.split(' ').nth(1)?, std::str::from_utf8(&body).unwrap());
        let revision =
            revision.map_or_else(String::new, |revision| format!("Tenure-Revision: {revision}\r\n"));
        let head = format!("HTTP/1.1 {status} X\r\n{revision}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}
