//! Exit codes, errors, pages and chunks, and what is sent.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::Program;
use crate::{BINARY, clean};

const MODEL: &str = "\
model
  schema 1.1

type user

type park
  relations
    define viewer: [user]
";

/// A server with a store that has the model.
pub struct Fixture {
    pub directory: TempDir,
    pub server: Program,
    pub store: String,
}

pub struct Ended {
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Fixture {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let server = Program::start(&directory.path().join("data"), &[]);
        let mut fixture = Self { directory, server, store: String::new() };
        fixture.store = fixture.ok(&["store", "create", "plants", "--quiet"]).trim().to_owned();
        let model = fixture.file("model.fga", MODEL);
        fixture.ok(&["model", "write", &model]);
        fixture
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The program with these arguments, for the store on the server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clean(BINARY);
        command.args(arguments);
        self.lead_home(&mut command);
        command
    }

    /// Tells a command where the server and the store are.
    pub fn lead_home(&self, command: &mut Command) {
        command.env("TENURE_SERVER", format!("http://{}", self.server.address));
        if !self.store.is_empty() {
            command.env("TENURE_STORE", &self.store);
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.error.as_str()), (0, ""), "{arguments:?}");
        ended.out
    }

    fn tuples(&self) -> usize {
        self.ok(&["read"]).lines().skip(1).count()
    }
}

pub fn run_against(address: &str, arguments: &[&str]) -> Ended {
    let store = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let mut command = clean(BINARY);
    command.args(arguments).env("TENURE_SERVER", format!("http://{address}")).env("TENURE_STORE", store);
    command.output().unwrap().into()
}

/// `count` tuples, one a line. That of the number `broken`, from 0, is of a relation that the model does not have.
fn lines(count: usize, broken: Option<usize>) -> String {
    let line = |number| {
        let relation = if broken == Some(number) { "owner" } else { "viewer" };
        json!({ "user": format!("user:{number}"), "relation": relation, "object": "park:p1" }).to_string()
            + "\n"
    };
    (0..count).map(line).collect()
}

#[test]
fn the_exit_code_of_check_is_the_answer() {
    let fixture = Fixture::new();
    fixture.ok(&["write", "user:anne", "viewer", "park:p1"]);
    let allowed = fixture.run(&["check", "user:anne", "viewer", "park:p1"]);
    assert_eq!((allowed.code, allowed.out.as_str()), (0, "allowed (revision 2)\n"));
    let denied = fixture.run(&["check", "user:bert", "viewer", "park:p1"]);
    assert_eq!((denied.code, denied.out.as_str()), (1, "denied (revision 2)\n"));
    let contextual =
        ["check", "user:bert", "viewer", "park:p1", "--contextual-tuple", "user:bert viewer park:p1"];
    assert_eq!(fixture.run(&contextual).code, 0);
    let unanswered = fixture.run(&["check", "user:anne", "owner", "park:p1"]);
    assert_eq!((unanswered.code, unanswered.out.as_str()), (2, ""));
    assert!(unanswered.error.starts_with("error: validation_error: "), "{}", unanswered.error);
    let malformed = fixture.run(&["check", "anne", "viewer", "park:p1"]);
    assert_eq!(malformed.code, 2);
    assert_eq!(malformed.error, "error: SUBJECT: `anne` has no `:`; expected `type:id`\n");
    assert_eq!(fixture.run(&["check", "user:anne"]).code, 2);
}

#[test]
fn a_denial_that_nobody_reads_is_no_success() {
    let fixture = Fixture::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = clean(BINARY);
    command
        .args(["check", "user:bert", "viewer", "park:p1", "--store", &fixture.store])
        .env("TENURE_SERVER", format!("http://{}", fixture.server.address))
        .stdout(writer);
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn json_is_the_answer_of_the_server_as_it_is() {
    let fixture = Fixture::new();
    fixture.ok(&["write", "user:anne", "viewer", "park:p1", "--expires-at", "2099-01-01T00:00:00Z"]);
    let same = |arguments: &[&str], path: &str, body: Value| {
        let (status, expected) =
            fixture.server.send("POST", &format!("/stores/{}/{path}", fixture.store), &body.to_string());
        assert_eq!(status, 200);
        let printed = fixture.ok(&[arguments, &["--json"]].concat());
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), expected);
        assert_eq!(printed.matches('\n').count(), 1, "one line: {printed}");
    };
    let key = json!({ "user": "user:anne", "relation": "viewer", "object": "park:p1" });
    same(&["check", "user:anne", "viewer", "park:p1"], "check", json!({ "tuple_key": key }));
    same(&["read", "--object", "park:p1"], "read", json!({ "tuple_key": { "object": "park:p1" } }));
    let key = json!({ "relation": "viewer", "object": "park:p1" });
    same(&["expand", "viewer", "park:p1"], "expand", json!({ "tuple_key": key }));
}

#[test]
fn lists_go_to_the_last_page() {
    let fixture = Fixture::new();
    let file = fixture.file("tuples.ndjson", &lines(250, None));
    assert_eq!(fixture.ok(&["write", "--file", &file]), "250 tuples written, revision 4\n");
    assert_eq!(fixture.tuples(), 250);
    assert_eq!(fixture.ok(&["changes"]).lines().count(), 251);
    assert_eq!(fixture.ok(&["changes", "--type", "user"]), "no changes\n");
    assert_eq!(fixture.ok(&["read", "--json"]).lines().count(), 3, "one line for each page");
    assert_eq!(fixture.ok(&["write", "--delete", "--file", &file]), "250 tuples deleted, revision 7\n");
    assert_eq!(fixture.ok(&["read"]), "no tuples\n");
}

#[test]
fn a_store_that_does_not_exist_is_not_an_empty_one() {
    let fixture = Fixture::new();
    for command in [&["read"][..], &["read", "--json"], &["changes"], &["model", "list"]] {
        let refused = fixture.run(&[command, &["--store", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]].concat());
        assert_eq!(refused.code, 2, "{command:?}: {}", refused.out);
        assert!(refused.error.contains("store_id_not_found"), "{command:?}: {}", refused.error);
    }
}

#[test]
fn a_file_that_stops_half_way_says_how_far_it_came_and_can_go_on() {
    let fixture = Fixture::new();
    let file = fixture.file("tuples.ndjson", &lines(250, Some(150)));
    let stopped = fixture.run(&["write", "--file", &file]);
    assert_eq!(stopped.code, 2);
    assert!(
        stopped.error.contains("invalid_tuple") || stopped.error.contains("validation_error"),
        "{}",
        stopped.error
    );
    assert!(
        stopped
            .error
            .contains("100 of 250 tuples were written before it; none of the 100 from number 101 on was"),
        "{}",
        stopped.error
    );
    assert_eq!(fixture.tuples(), 100);
    let mended = fixture.file("tuples.ndjson", &lines(250, None));
    assert_eq!(fixture.run(&["write", "--file", &mended]).code, 2, "the first hundred are there already");
    fixture.ok(&["write", "--file", &mended, "--on-duplicate", "ignore"]);
    assert_eq!(fixture.tuples(), 250);
}

#[test]
fn a_malformed_file_is_refused_before_anything_is_sent() {
    let fixture = Fixture::new();
    let mut text = lines(250, None);
    text.push_str(
        r#"{"user":"user:x","relation":"viewer","object":"park:p1","expire_at":"2027-01-31T12:00:00Z"}"#,
    );
    let file = fixture.file("tuples.ndjson", &text);
    let refused = fixture.run(&["write", "--file", &file]);
    assert_eq!(refused.code, 2);
    assert!(refused.error.contains("line 251: unknown field `expire_at`"), "{}", refused.error);
    assert_eq!(fixture.ok(&["read"]), "no tuples\n");
}

#[test]
fn a_pause_is_resumed_and_what_is_gone_is_not_brought_back() {
    let fixture = Fixture::new();
    let tuple = ["user:anne", "viewer", "park:p1"];
    let write = |options: &[&str]| fixture.run(&[&["write"], &tuple[..], options].concat());
    assert_eq!(write(&["--expires-at", "2099-01-01T00:00:00Z"]).code, 0);
    assert_eq!(write(&["--pause"]).out, "1 tuple paused, revision 3\n");
    assert_eq!(write(&["--pause"]).out, "nothing changed, revision 3\n");
    assert_eq!(fixture.ok(&["read"]), "no tuples\n");
    let shown = fixture.ok(&["read", "--include-inactive"]);
    assert!(shown.contains("paused, until 2099-01-01T00:00:00Z"), "{shown}");
    assert_eq!(write(&["--resume"]).out, "1 tuple resumed, revision 4\n");
    let check = fixture.run(&["check", "user:anne", "viewer", "park:p1", "--at-least-revision", "4"]);
    assert_eq!(
        check.out, "allowed, stable until 2099-01-01T00:00:00Z (revision 4)\n",
        "the expiration has stayed"
    );
    assert_eq!(fixture.run(&["expand", "viewer", "park:p1", "--at-least-revision", "5"]).code, 2);
    assert_eq!(write(&["--never-expires"]).out, "1 tuple renewed, revision 5\n");
    assert_eq!(write(&["--delete"]).code, 0);
    for change in [&["--pause"][..], &["--resume"], &["--renew", "+1d"], &["--never-expires"]] {
        let refused = write(change);
        assert_eq!(refused.code, 2, "{change:?}");
        assert!(refused.error.starts_with("error: precondition_failed: "), "{}", refused.error);
        assert!(refused.error.contains("\nhelp: each tuple must exist"), "{}", refused.error);
    }
    assert_eq!(fixture.ok(&["read", "--include-inactive"]), "no tuples\n");
}

#[test]
fn a_typing_error_in_a_change_makes_no_tuple() {
    let fixture = Fixture::new();
    fixture.ok(&["write", "user:anne", "viewer", "park:p1"]);
    let both = ["write", "user:anne", "viewer", "park:p1", "park:p2"];
    assert_eq!(fixture.run(&[&both[..], &["--pause"]].concat()).code, 2);
    assert_eq!(fixture.tuples(), 1, "and nothing was paused");
    let upsert = fixture.run(&[&both[..], &["--paused", "--on-duplicate", "update"]].concat());
    assert_eq!(upsert.code, 2);
    assert!(upsert.error.contains("--pause"), "{}", upsert.error);
    assert_eq!(fixture.tuples(), 1);
}

#[test]
fn a_tuple_that_exists_is_not_claimed_to_have_been_written() {
    let fixture = Fixture::new();
    let write =
        |options: &[&str]| fixture.run(&[&["write", "user:anne", "viewer", "park:p1"], options].concat());
    assert_eq!(write(&[]).out, "1 tuple written, revision 2\n");
    let again = write(&["--paused"]);
    assert_eq!(again.code, 2);
    assert!(again.error.contains("\nhelp: a tuple that exists is changed with --pause"), "{}", again.error);
    assert_eq!(write(&["--on-duplicate", "ignore"]).out, "nothing changed, revision 2\n");
}

#[test]
fn a_store_that_does_not_exist_is_said_with_where_to_look() {
    let fixture = Fixture::new();
    let absent = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for arguments in
        [&["store", "get", absent][..], &["check", "user:a", "viewer", "park:p1", "--store", absent]]
    {
        let ended = fixture.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.error.contains("`tenure store list`"), "{}", ended.error);
    }
}

#[test]
fn a_proxy_is_not_asked_for_an_address_of_this_machine() {
    let fixture = Fixture::new();
    // Nobody listens there.
    let proxy = "http://127.0.0.1:1";
    let output = Command::new(BINARY)
        .args(["store", "list", "--server", &format!("http://{}", fixture.server.address)])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .envs([("HTTP_PROXY", proxy), ("http_proxy", proxy), ("ALL_PROXY", proxy)])
        .output()
        .unwrap();
    let ended: Ended = output.into();
    assert_eq!((ended.code, ended.error.as_str()), (0, ""));
}

#[test]
fn a_model_comes_back_as_it_was_written() {
    let fixture = Fixture::new();
    let shown = fixture.ok(&["model", "get"]);
    let (id, text) = shown.split_once('\n').unwrap();
    assert_eq!(text, MODEL);
    let id = id.strip_prefix("# ").unwrap();
    assert_eq!(fixture.ok(&["model", "get", id]), shown);
    let listed = fixture.ok(&["model", "list"]);
    assert_eq!(listed.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>(), [id, "1.1", "2"]);
    let wrong = fixture.file("wrong.fga", &MODEL.replace("[user]", "[usr]"));
    let refused = fixture.run(&["model", "write", &wrong]);
    assert_eq!(refused.code, 2);
    assert!(refused.error.contains("wrong.fga:8:"), "the place is shown: {}", refused.error);
    assert_eq!(fixture.run(&["model", "check", &wrong]).code, 1);
    assert_eq!(fixture.ok(&["model", "list"]), listed, "nothing was sent");
}

#[test]
fn a_model_that_is_no_store_file_or_stands_in_one_is_said() {
    let fixture = Fixture::new();
    let model = fixture.file("model.fga", MODEL);
    let refused = fixture.run(&["model", "test", &model]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.error.contains("model.fga` is a model; the tests are in a store file"),
        "{}",
        refused.error
    );
    let inline = format!("model: |\n  {}", MODEL.replace("[user]", "[usr]").replace('\n', "\n  "));
    let wrong = fixture.file("wrong.fga.yaml", &inline);
    let refused = fixture.run(&["model", "test", &wrong]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.error.contains("--> the model of ") && refused.error.contains("yaml:8:21"),
        "{}",
        refused.error
    );
    assert!(refused.error.contains("note: lines are counted from the first one below"), "{}", refused.error);
    let condition = format!("{MODEL}\ncondition inside(x: int) {{\n  x < 3\n}}\n")
        .replace("[user]", "[user with inside]");
    fixture.ok(&["model", "check", &fixture.file("condition.fga", &condition)]);
    let refused = fixture.file("refused.fga", &condition.replace("x < 3", "x < y"));
    let refused = fixture.run(&["model", "check", &refused]);
    assert_eq!(refused.code, 1);
    assert!(refused.error.contains("`y`") || refused.error.contains("'y'"), "{}", refused.error);
}

#[test]
fn the_files_of_a_stopped_server_are_checked() {
    let mut fixture = Fixture::new();
    fixture.ok(&["write", "user:anne", "viewer", "park:p1"]);
    let data = fixture.directory.path().join("data").to_str().unwrap().to_owned();
    let running = fixture.run(&["store", "verify", "--data", &data]);
    assert_eq!(running.code, 2);
    assert!(running.error.contains("is in use; is a server running on it?"), "{}", running.error);
    fixture.server.signal("-TERM");
    assert!(fixture.server.wait().success());
    let checked = fixture.ok(&["store", "verify", "--data", &data]);
    assert_eq!(checked, "stores: 1, commits: 2, tuples: 1, models: 1\ndifferences: 0\n");

    let misspelt = format!("{data}s");
    let refused = fixture.run(&["store", "verify", "--data", &misspelt]);
    assert_eq!((refused.code, refused.error), (2, format!("error: there is no database in `{misspelt}`\n")));
    assert!(!Path::new(&misspelt).exists(), "nothing was made");
}

#[test]
fn no_server_is_said_with_what_to_do() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ended = run_against(&address, &["check", "user:anne", "viewer", "park:p1"]);
    assert_eq!(ended.code, 2);
    assert!(ended.error.starts_with(&format!("error: cannot reach http://{address}: ")), "{}", ended.error);
    assert!(ended.error.contains("is the server running?"), "{}", ended.error);
    assert!(ended.error.contains("tenure serve --data DIR"), "{}", ended.error);
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = run_against(&address, &["read", "--timeout-s", "1"]);
    assert_eq!(ended.code, 2);
    assert!(ended.error.contains(&format!("http://{address} did not answer within 1 s")), "{}", ended.error);
}

#[test]
fn an_address_that_cannot_be_is_said() {
    for server in ["127.0.0.1:1", "http://", "ftp://x", "http://x/?y"] {
        let ended: Ended = clean(BINARY).args(["store", "list", "--server", server]).output().unwrap().into();
        assert_eq!(ended.code, 2, "{server}");
        assert!(ended.error.contains("http://HOST:PORT"), "{server}: {}", ended.error);
    }
}

/// Answers one request with `answer` and gives back its head, in lower case.
fn answer_one(answer: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap().to_lowercase()
    });
    (address, served)
}

#[test]
fn every_request_is_strict_and_carries_the_key() {
    let (address, served) = answer_one(
        "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n{\"stores\":[],\"continuation_token\":\"\"}\n",
    );
    let ended = run_against(&address, &["store", "list", "--token", "s3cret"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "no stores\n"), "{}", ended.error);
    let head = served.join().unwrap();
    assert!(head.contains("\r\ntenure-strict: true\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer s3cret\r\n"), "{head}");
}

#[test]
fn a_redirect_is_not_followed_with_the_key() {
    let (address, served) =
        answer_one("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    let ended = run_against(&address, &["store", "list", "--token", "s3cret"]);
    assert_eq!(ended.code, 2);
    assert!(ended.error.contains("HTTP 302"), "{}", ended.error);
    served.join().unwrap();
}

#[test]
fn the_example_of_the_repository_can_be_loaded() {
    let fixture = Fixture::new();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let path = |name: &str| schema.join(name).to_str().unwrap().to_owned();
    fixture.ok(&["model", "write", &path("cooperation.fga")]);
    fixture.ok(&["write", "--file", &path("cooperation.fga.yaml")]);
    assert_eq!(fixture.run(&["check", "user:nora", "technical_manager", "park:deich"]).code, 0);
    assert_eq!(fixture.run(&["check", "user:nora", "operator", "park:deich"]).code, 1);
}

#[test]
fn a_directory_of_modules_is_written_and_shown_with_its_origins() {
    let fixture = Fixture::new();
    fixture.file("fga.mod", "schema: '1.2'\ncontents:\n  - core.fga\n  - parks.fga\n");
    fixture.file("core.fga", "module core\n\ntype user\n");
    fixture.file(
        "parks.fga",
        "module parks\n\nextend type user\n  relations\n    define boss: [user]\n\ntype park\n",
    );
    let directory = fixture.directory.path().to_str().unwrap();
    fixture.ok(&["model", "write", directory]);
    let shown = fixture.ok(&["model", "get"]);
    let (_, shown) = shown.split_once('\n').unwrap();
    let expected = "model\n  schema 1.2\n\ntype user # module: core, file: core.fga\n  relations\n    define boss: [user] # extended by: module: \
                    parks, file: parks.fga\n\ntype park # module: parks, file: parks.fga\n";
    assert_eq!(shown, expected);
    let refused =
        fixture.run(&["model", "write", fixture.directory.path().join("core.fga").to_str().unwrap()]);
    assert_eq!(refused.code, 2);
    assert!(refused.error.contains("this is a module"), "{}", refused.error);
}
