//! Keys on the command line, and what a server asks of whoever reaches it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::commands::Ended;
use crate::program::{Program, command, fails};
use crate::{BINARY, clean};

const ALL: &str = "read,check,write,model,admin,act-as";

/// Makes a key where no server runs; returns its token.
fn first_key(data: &Path, permissions: &str) -> String {
    let mut command = clean(BINARY);
    command.args(["key", "create", "ops", "--quiet", "--permissions", permissions, "--data"]).arg(data);
    let ended: Ended = command.output().unwrap().into();
    assert_eq!((ended.code, ended.error.as_str()), (0, ""));
    ended.out.trim().to_owned()
}

fn run(server: &Program, token: &str, arguments: &[&str]) -> Ended {
    let mut command: Command = clean(BINARY);
    let port = server.address.rsplit(':').next().unwrap();
    command.args(arguments).env("TENURE_SERVER", format!("http://127.0.0.1:{port}"));
    if !token.is_empty() {
        command.env("TENURE_TOKEN", token);
    }
    command.output().unwrap().into()
}

#[test]
fn with_a_key_the_server_can_be_reached_from_elsewhere_and_asks_for_it() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let root = first_key(&data, ALL);
    let server = Program::start(&data, &["--listen", "0.0.0.0:0"]);
    let refused = run(&server, "", &["store", "list"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.error.contains("bearer_token_missing") && refused.error.contains("--token"),
        "{}",
        refused.error
    );
    let store = run(&server, &root, &["store", "create", "plants", "--quiet"]);
    assert_eq!((store.code, store.error.as_str()), (0, ""));
    let store = store.out.trim();

    let made =
        run(&server, &root, &["key", "create", "shop", "-p", "check,read", "--store", store, "--json"]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert!(run(&server, token, &["store", "list"]).out.contains("plants"));
    let forbidden = run(&server, token, &["key", "list"]);
    let message = "error: forbidden: this takes a key with the permission `admin` (HTTP 403)\n";
    assert_eq!((forbidden.code, forbidden.error.as_str()), (2, message));

    let limits = ["--requests-per-second", "50", "--concurrent-requests", "8"];
    let limited = [["key", "create", "batch", "-p", "check"].as_slice(), &limits].concat();
    assert_eq!(run(&server, &root, &limited).code, 0);
    let listed = run(&server, &root, &["key", "list"]).out;
    assert!(
        listed.lines().any(|line| line.contains("batch") && line.contains("50/s, 8 at once")),
        "{listed}"
    );
    assert!(
        listed.lines().any(|line| line.contains(id) && line.contains("shop") && line.contains("read,check"))
    );
    assert!(!listed.contains(token));
    assert_eq!(run(&server, &root, &["key", "revoke", id]).out, format!("key {id} revoked\n"));
    assert!(run(&server, token, &["store", "list"]).error.contains("unauthenticated"));
    assert!(run(&server, &root, &["key", "list"]).out.contains("revoked 20"));
}

#[test]
fn a_key_is_made_offline_only_where_no_server_runs() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let _server = Program::start(&data, &[]);
    let mut command = clean(BINARY);
    command.args(["key", "create", "ops", "-p", "admin", "--data"]).arg(&data);
    let ended: Ended = command.output().unwrap().into();
    assert_eq!(ended.code, 2);
    assert!(ended.error.contains("is a server running on it?"), "{}", ended.error);
}

#[test]
fn keys_outlast_the_server_and_a_revoked_one_does_not_open_it_again() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let root = first_key(&data, "admin");
    let mut server = Program::start(&data, &[]);
    let listed = run(&server, &root, &["key", "list", "--json"]).out;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["keys"][0]["id"].as_str().unwrap();
    assert_eq!(run(&server, &root, &["key", "revoke", id]).code, 0);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));

    let mut server = Program::start(&data, &["--listen", "0.0.0.0:0"]);
    assert_eq!(server.send("GET", "/stores", "").0, 401);
    assert!(run(&server, &root, &["key", "list"]).error.contains("unauthenticated"));
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let verified: Ended =
        clean(BINARY).args(["store", "verify", "--data"]).arg(&data).output().unwrap().into();
    assert_eq!(verified.code, 0, "{}", verified.out);

    let server = Program::start(&data, &["--insecure-no-auth"]);
    assert_eq!(server.send("GET", "/stores", "").0, 200);
}

#[test]
fn a_database_without_a_key_is_not_served_to_others() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut server = Program::start(&data, &[]);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let (code, message) = fails(command(&["--data", data.to_str().unwrap(), "--listen", "0.0.0.0:0"]));
    assert_eq!(code, 1);
    for part in ["`listen` is 0.0.0.0:0", "tenure key create", "--insecure-no-auth"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}
