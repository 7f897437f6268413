//! What the logs say of single checks.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Program, command, fails};

const MODEL: &str = r#"{"schema_version": "1.1", "type_definitions": [
    {"type": "user"},
    {"type": "group", "relations": {"member": {"this": {}}},
     "metadata": {"relations": {"member": {"directly_related_user_types": [{"type": "user"}, {"type": "group", "relation": "member"}]}}}},
    {"type": "park", "relations": {"viewer": {"this": {}}},
     "metadata": {"relations": {"viewer": {"directly_related_user_types": [{"type": "user"}, {"type": "group", "relation": "member"}]}}}}
]}"#;

/// A server whose log is in a file, with a store.
struct Logged {
    program: Program,
    store: String,
    directory: TempDir,
}

impl Logged {
    fn start(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let log = fs::File::create(directory.path().join("stderr")).unwrap();
        let data = directory.path().join("data");
        let mut command = command(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        command.args(["--log", "warn", "--log-format", "json"]).args(arguments);
        let child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut logged = Self { program: Program::listening(child), store: String::new(), directory };
        let (status, store) = logged.program.send("POST", "/stores", r#"{"name": "plants"}"#);
        assert_eq!(status, 201);
        logged.store = store["id"].as_str().unwrap().to_owned();
        assert_eq!(logged.post("authorization-models", &serde_json::from_str(MODEL).unwrap()).0, 201);
        logged
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.program.send("POST", &format!("/stores/{}/{path}", self.store), &body.to_string())
    }

    fn write(&self, tuples: &[(&str, &str, &str)]) -> u64 {
        let keys: Vec<Value> = tuples.iter().map(|tuple| key(*tuple)).collect();
        let (status, answer) = self.post("write", &json!({"writes": {"tuple_keys": keys}}));
        assert_eq!(status, 200, "{answer}");
        answer["revision"].as_u64().unwrap()
    }

    fn check(&self, tuple: (&str, &str, &str)) -> Value {
        self.post("check", &json!({"tuple_key": key(tuple)})).1
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// The lines of the server's own log.
    fn lines(&self) -> Vec<Value> {
        lines(&self.path("stderr"))
    }
}

fn key((user, relation, object): (&str, &str, &str)) -> Value {
    json!({"user": user, "relation": relation, "object": object})
}

/// The whole lines of a file of JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.starts_with('{'));
    whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many groups a user is in, and how many others see a park: whoever asks has to look at all of one or the other.
const WIDE: usize = 3_000;

/// A server on which it takes a while to find out that a user does not see a park, and another one does.
fn with_wide_park(arguments: &[&str]) -> Logged {
    let logged = Logged::start(arguments);
    let numbers: Vec<usize> = (0..WIDE).collect();
    for chunk in numbers.chunks(50) {
        let mine: Vec<String> = chunk.iter().map(|number| format!("group:mine{number}")).collect();
        let theirs: Vec<String> = chunk.iter().map(|number| format!("group:theirs{number}#member")).collect();
        let mine = mine.iter().map(|group| ("user:busy", "member", group.as_str()));
        let theirs = theirs.iter().map(|group| (group.as_str(), "viewer", "park:wide"));
        logged.write(&mine.chain(theirs).collect::<Vec<_>>());
    }
    logged.write(&[("user:anne", "viewer", "park:p1")]);
    logged
}

/// Asks what takes long until it took longer than a millisecond and was explained; its line.
fn slow_check(logged: &Logged) -> Value {
    until("a check is slow", || {
        logged.check(("user:busy", "viewer", "park:wide"));
        logged.lines().into_iter().find(|line| line["message"] == "slow check" && line["tree"].is_string())
    })
}

#[test]
fn a_slow_check_is_logged_with_what_was_asked_and_the_tree_that_explain_draws() {
    let arguments =
        [["--slow-check-ms", "1"], ["--decision-cache-bytes", "0"], ["--request-timeout-ms", "60000"]];
    let logged = with_wide_park(arguments.as_flattened());
    let line = slow_check(&logged);
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["store"], logged.store.as_str());
    assert!(line["request_id"].as_str().unwrap().len() == 26, "{line}");
    assert_eq!((&line["relation"], &line["object"]), (&json!("viewer"), &json!("park:wide")));
    assert_eq!((&line["allowed"], &line["cached"]), (&json!(false), &json!(false)));
    assert!(line["duration_us"].as_u64().unwrap() > 1_000, "{line}");
    assert!(line["reads"].as_u64().unwrap() as usize >= WIDE, "{line}");
    assert_eq!(line["revision"].as_u64().unwrap() as usize, 1 + WIDE / 50 + 1, "{line}");
    let tree = line["tree"].as_str().unwrap().trim_start();
    assert_eq!(line["subject"], "user:busy");

    // The same tree as the command line draws of the same question.
    let explained = std::process::Command::new(crate::BINARY)
        .args(["explain", "user:busy", "viewer", "park:wide", "--server"])
        .arg(format!("http://{}", logged.program.address))
        .args(["--store", &logged.store])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let drawn = String::from_utf8(explained.stdout).unwrap();
    assert!(drawn.contains(tree), "{drawn}\n---\n{tree}");
    let (_, metrics) = logged.metrics();
    assert!(metrics.contains("tenure_slow_checks_total "), "{metrics}");
    assert!(!metrics.contains("tenure_slow_checks_explained_total 0\n"), "{metrics}");
}

#[test]
fn no_check_is_slow_where_none_is_to_be() {
    let logged = with_wide_park(&["--slow-check-ms", "0", "--decision-cache-bytes", "0"]);
    for _ in 0..5 {
        assert_eq!(logged.check(("user:busy", "viewer", "park:wide"))["allowed"], false);
    }
    assert!(!logged.metrics().1.contains("tenure_slow_checks"));
    assert_eq!(logged.lines(), Vec::<Value>::new());
}

#[test]
fn the_decision_log_has_a_line_for_every_check_of_every_route() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("decisions.ndjson");
    let mut logged = Logged::start(&["--decision-log", path.to_str().unwrap()]);
    assert_eq!(logged.write(&[("user:anne", "viewer", "park:p1")]), 2);
    let asked = ("user:anne", "viewer", "park:p1");
    assert_eq!(logged.check(asked)["allowed"], true);
    assert_eq!(logged.check(asked)["allowed"], true);
    let given = json!({"tuple_key": key(("user:bert", "viewer", "park:p1")),
        "contextual_tuples": {"tuple_keys": [key(("user:bert", "viewer", "park:p1"))]}});
    assert_eq!(logged.post("check", &given).1["allowed"], true);
    let checks = json!({"checks": [
        {"correlation_id": "a", "tuple_key": key(("user:carl", "viewer", "park:p1"))},
        {"correlation_id": "b", "tuple_key": key(("user:anne", "owner", "park:p1"))},
    ]});
    let (_, answer) = logged.post("batch-check", &checks);
    assert_eq!(answer["result"]["a"]["allowed"], false, "{answer}");
    let evaluation = json!({"subject": {"type": "user", "id": "dora"}, "action": {"name": "viewer"},
        "resource": {"type": "park", "id": "p1"}});
    assert_eq!(logged.post("access/v1/evaluation", &evaluation).1["decision"], false);
    // A question about what does not exist is decided by nobody.
    let nowhere = "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/check";
    assert_eq!(logged.program.send("POST", nowhere, &given.to_string()).0, 400);
    logged.program.signal("-TERM");
    assert_eq!(logged.program.wait().code(), Some(0));

    let found = lines(&path);
    let subjects: Vec<&str> = found.iter().map(|line| line["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["user:anne", "user:anne", "user:bert", "user:carl", "user:anne", "user:dora"]);
    let allowed: Vec<&Value> = found.iter().map(|line| &line["allowed"]).collect();
    assert_eq!(
        allowed,
        [&json!(true), &json!(true), &json!(true), &json!(false), &Value::Null, &json!(false)]
    );
    let cached: Vec<&Value> = found.iter().map(|line| &line["cached"]).collect();
    assert_eq!(cached[..2], [&json!(false), &json!(true)]);
    assert_eq!(found[2]["contextual_tuples"], 1);
    assert_eq!(found[4]["error"], "validation_error");
    for line in &found {
        assert_eq!(line["store"], logged.store.as_str());
        assert_eq!(line["object"], "park:p1");
        assert_eq!(line["revision"], 2, "{line}");
        assert_eq!(line["model"].as_str().unwrap().len(), 26);
        assert!(line["at"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["duration_us"].is_u64() && line["reads"].is_u64());
    }
    assert_eq!(found[3]["request_id"], found[4]["request_id"], "one request");
    assert_ne!(found[0]["request_id"], found[1]["request_id"]);
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o007, 0, "others may not read who may do what: {mode:o}");
}

#[test]
fn a_sample_of_the_decisions_is_as_large_as_it_was_asked_to_be() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("decisions.ndjson");
    let arguments = ["--decision-log", path.to_str().unwrap(), "--decision-log-sample", "0.1"];
    let mut logged = Logged::start(&arguments);
    let check = |number: usize| {
        let tuple = key((&format!("user:{number}"), "viewer", "park:p1"));
        json!({"correlation_id": number.to_string(), "tuple_key": tuple})
    };
    for batch in 0..20 {
        let checks: Vec<Value> = (0..50).map(|number| check(batch * 50 + number)).collect();
        assert_eq!(logged.post("batch-check", &json!({"checks": checks})).0, 200);
    }
    logged.program.signal("-TERM");
    assert_eq!(logged.program.wait().code(), Some(0));
    let found = lines(&path).len();
    assert!((95..=105).contains(&found), "{found} of 1000");
}

#[test]
fn a_decision_log_that_was_moved_away_is_opened_anew_at_sighup() {
    let directory = TempDir::new().unwrap();
    let (path, moved) = (directory.path().join("decisions.ndjson"), directory.path().join("moved.ndjson"));
    let logged = Logged::start(&["--decision-log", path.to_str().unwrap()]);
    logged.check(("user:before", "viewer", "park:p1"));
    until("the decision is written", || (lines(&path).len() == 1).then_some(()));
    fs::rename(&path, &moved).unwrap();
    logged.program.signal("-HUP");
    until("the file is made anew", || path.exists().then_some(()));
    logged.check(("user:after", "viewer", "park:p1"));
    let found = until("the decision is written", || Some(lines(&path)).filter(|found| !found.is_empty()));
    assert_eq!(found[0]["subject"], "user:after");
    assert_eq!(lines(&moved).len(), 1);
}

#[test]
fn sighup_ends_no_server_that_has_nothing_to_open_anew() {
    let logged = Logged::start(&[]);
    logged.program.signal("-HUP");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(logged.check(("user:anne", "viewer", "park:p1"))["allowed"], false);
}

#[test]
fn a_disk_that_takes_no_decision_costs_no_check_and_is_counted() {
    let logged = Logged::start(&["--decision-log", "/dev/full"]);
    for number in 0..5 {
        assert_eq!(logged.check((&format!("user:{number}"), "viewer", "park:p1"))["allowed"], false);
    }
    until("all are counted as dropped", || {
        logged.metrics().1.contains("tenure_decision_log_dropped_total 5\n").then_some(())
    });
    assert!(logged.metrics().1.contains("tenure_decision_log_lines_total 0\n"));
    let complaints: Vec<Value> = logged
        .lines()
        .into_iter()
        .filter(|line| line["message"].as_str().unwrap().contains("decisions cannot be logged"))
        .collect();
    assert_eq!(complaints.len(), 1, "once, not for each");
}

#[test]
fn no_check_waits_for_a_decision_log_that_stands_still_and_the_log_says_what_is_missing() {
    // More than wait in the queue and fit into a pipe.
    const BATCHES: usize = 400;
    const PER_BATCH: usize = 50;
    let directory = TempDir::new().unwrap();
    let pipe = directory.path().join("decisions");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut file = fs::File::open(pipe).unwrap();
            // Nothing is read until all is decided.
            told.recv().unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut file, &mut text).unwrap();
            text
        }
    });
    let mut logged = Logged::start(&["--decision-log", pipe.to_str().unwrap()]);
    let check = |number: usize| {
        let tuple = key(("user:anne", "viewer", "park:p1"));
        json!({"correlation_id": number.to_string(), "tuple_key": tuple})
    };
    let checks = json!({"checks": (0..PER_BATCH).map(check).collect::<Vec<_>>()});
    for _ in 0..BATCHES {
        assert_eq!(logged.post("batch-check", &checks).0, 200);
    }
    assert!(!logged.metrics().1.contains("tenure_decision_log_dropped_total 0\n"), "some had no room");
    go_on.send(()).unwrap();
    logged.program.signal("-TERM");
    assert_eq!(logged.program.wait().code(), Some(0));
    let text = reader.join().unwrap();
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let missing: u64 = found.iter().filter_map(|line| line["dropped"].as_u64()).sum();
    let written = found.iter().filter(|line| line["subject"] == "user:anne").count();
    assert!(missing > 0);
    assert_eq!(written + missing as usize, BATCHES * PER_BATCH, "each is there or counted");
}

#[test]
fn settings_of_the_logs_that_cannot_be_are_refused() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let start = |arguments: &[&str]| {
        let mut command = command(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        fails(command)
    };
    for sample in ["0", "1.5", "-1", "NaN"] {
        let (code, message) = start(&[&format!("--decision-log-sample={sample}")]);
        assert_eq!(code, 2);
        assert!(
            message.contains("`decision_log_sample` is ") && message.contains("expected more than 0"),
            "{message}"
        );
    }
    let (code, message) = start(&["--slow-check-ms", "3600001"]);
    assert_eq!((code, message.as_str()), (2, "error: `slow_check_ms` is 3600001; expected 0 to 3600000\n"));
    let (code, message) = start(&["--decision-log", "/proc/none/decisions"]);
    assert_eq!(code, 1);
    assert!(message.starts_with("error: cannot open the decision log `/proc/none/decisions`: "), "{message}");
}

impl Logged {
    fn metrics(&self) -> (u16, String) {
        crate::get(&self.program.address, "/metrics")
    }
}
