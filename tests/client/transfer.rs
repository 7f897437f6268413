//! `tenure import` and `tenure export`: a store into a file and back, again and again, and what is in the way.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands::{Ended, Fixture, run_against};
use crate::impostor::{Reply, impostor};

const CONDITIONAL: &str = "\
model
  schema 1.1

type user

type group
  relations
    define member: [user]

type park
  relations
    define viewer: [user, user:*, group#member, user with inside]

condition inside(cidr: string, at: int) {
  cidr == \"10.0.0.0/8\" && at > 3
}
";

/// Tuples of every kind: lifetimes past and to come, pauses, conditions, wildcards, usersets, names that need quotes.
const KINDS: &str = r#"{"user":"user:*","relation":"viewer","object":"park:p1"}
{"user":"user:anne","relation":"member","object":"group:g","expires_at":"2099-01-31T12:00:00Z"}
{"user":"user:bob","relation":"member","object":"group:g","expires_at":"2001-01-31T12:00:00.500Z","paused":true}
{"user":"group:g#member","relation":"viewer","object":"park:p2","paused":true}
{"user":"user:carl","relation":"viewer","object":"park:p2","condition":{"name":"inside","context":{"cidr":"10.0.0.0/8"}}}
{"user":"user:dora","relation":"viewer","object":"park:p2","condition":{"name":"inside","context":{}}}
{"user":"user:\"e\",f","relation":"viewer","object":"park:p,3"}
"#;

fn conditional() -> Fixture {
    let fixture = Fixture::new();
    let model = fixture.file("conditional.fga", CONDITIONAL);
    fixture.ok(&["model", "write", &model]);
    fixture
}

/// Another store with the same model.
fn other(fixture: &Fixture) -> String {
    let store = fixture.ok(&["store", "create", "other", "--quiet"]).trim().to_owned();
    let model = fixture.file("conditional.fga", CONDITIONAL);
    fixture.ok(&["model", "write", &model, "--store", &store]);
    store
}

fn sorted(lines: &str) -> Vec<Value> {
    let mut values: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    values.sort_by_key(Value::to_string);
    values
}

/// `count` tuples, one a line.
fn lines(count: usize) -> String {
    let line = |number: usize| {
        let object = format!("park:{}", number % 7);
        json!({ "user": format!("user:{number}"), "relation": "viewer", "object": object }).to_string() + "\n"
    };
    (0..count).map(line).collect()
}

#[test]
fn what_is_exported_is_what_was_imported() {
    let fixture = conditional();
    let file = fixture.file("kinds.ndjson", KINDS);
    assert_eq!(fixture.ok(&["import", &file]), "7 tuples written\n");
    let exported = fixture.ok(&["export"]);
    assert_eq!(sorted(&exported), sorted(KINDS));
    for (format, name) in [("ndjson", "again.ndjson"), ("csv", "again.csv")] {
        let store = other(&fixture);
        let file = fixture.file(name, &fixture.ok(&["export", "--format", format]));
        assert_eq!(fixture.ok(&["import", &file, "--store", &store]), "7 tuples written\n");
        assert_eq!(fixture.ok(&["export", "--store", &store]), exported, "{format}");
    }
}

#[test]
fn many_tuples_go_there_and_back() {
    let fixture = conditional();
    let file = fixture.file("many.ndjson", &lines(2_345));
    assert_eq!(fixture.ok(&["import", &file, "--parallel", "8"]), "2345 tuples written\n");
    let csv = fixture.ok(&["export", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 2_346);
    assert_eq!(
        csv.lines().next().unwrap(),
        "user,relation,object,condition_name,condition_context,expires_at,paused"
    );
    assert_eq!(sorted(&fixture.ok(&["export"])), sorted(&lines(2_345)));
}

#[test]
fn a_second_run_skips_what_is_there_and_says_so() {
    let fixture = conditional();
    let part = fixture.file("part.ndjson", &lines(150));
    fixture.ok(&["import", &part]);
    let all = fixture.file("all.ndjson", &lines(320));
    let text = fixture.ok(&["import", &all]);
    assert_eq!(text, "170 tuples written\n150 tuples skipped: they exist as the file has them\n");
    let text = fixture.ok(&["import", &all]);
    assert_eq!(text, "0 tuples written\n320 tuples skipped: they exist as the file has them\n");
    assert_eq!(sorted(&fixture.ok(&["export"])), sorted(&lines(320)));
}

#[test]
fn what_is_there_is_found_on_objects_with_few_and_with_many_tuples() {
    let fixture = conditional();
    // One object has more than a page of them, some have a few, and some one each.
    let line = |number: usize| {
        let object = match number % 4 {
            0 | 1 => "many".to_owned(),
            2 => format!("few-{}", number / 40),
            _ => format!("one-{number}"),
        };
        let key = json!({ "user": format!("user:{number}"), "relation": "viewer", "object": format!("park:{object}") });
        key.to_string() + "\n"
    };
    let all: String = (0..400).map(line).collect();
    let even = fixture.file("even.ndjson", &(0..400).step_by(3).map(line).collect::<String>());
    assert_eq!(fixture.ok(&["import", &even]), "134 tuples written\n");
    let file = fixture.file("all.ndjson", &all);
    let expected = "266 tuples written\n134 tuples skipped: they exist as the file has them\n";
    assert_eq!(fixture.ok(&["import", &file]), expected);
    assert_eq!(sorted(&fixture.ok(&["export"])), sorted(&all));
}

#[test]
fn what_exists_otherwise_is_left_counted_or_updated_as_asked() {
    let fixture = conditional();
    let plain = "user:anne viewer park:p1";
    fixture.ok(&[&["write"], &plain.split(' ').collect::<Vec<_>>()[..]].concat());
    let text = r#"{"user":"user:new","relation":"viewer","object":"park:p1"}
{"user":"user:anne","relation":"viewer","object":"park:p1","expires_at":"2099-01-31T12:00:00Z"}
"#;
    let file = fixture.file("ends.ndjson", text);
    let ended = fixture.run(&["import", &file]);
    assert_eq!((ended.code, ended.error.as_str()), (1, ""));
    let expected = "1 tuple written\n1 tuple skipped that exist with another lifetime or condition, the first in line 2; \
                    --on-duplicate update would change them\n";
    assert_eq!(ended.out, expected);
    let ended = fixture.run(&["import", &file, "--json"]);
    assert_eq!(ended.code, 1);
    let outcome: Value = serde_json::from_str(&ended.out).unwrap();
    let expected = json!({ "written": 0, "existed": 1, "existed_otherwise": 1, "first_otherwise": "line 2" });
    assert_eq!(outcome, expected);

    let ended = fixture.run(&["import", &file, "--on-duplicate", "error"]);
    assert_eq!(ended.code, 2);
    assert!(ended.error.contains("line 1 of "), "{}", ended.error);
    assert!(ended.error.contains("write_failed_due_to_invalid_input"), "{}", ended.error);

    let text = fixture.ok(&["import", &file, "--on-duplicate", "update"]);
    assert_eq!(text, "2 tuples accepted; those that existed were updated\n");
    assert!(fixture.ok(&["export"]).contains(r#""object":"park:p1","expires_at":"2099-01-31T12:00:00Z"}"#));
}

#[test]
fn an_export_that_is_imported_with_updates_restores_what_was_changed_meanwhile() {
    let fixture = conditional();
    fixture.ok(&["import", &fixture.file("kinds.ndjson", KINDS)]);
    let before = fixture.ok(&["export"]);
    let file = fixture.file("before.ndjson", &before);
    fixture.ok(&["write", "user:*", "viewer", "park:p1", "--pause"]);
    fixture.ok(&["write", "user:dora", "viewer", "park:p2", "--renew", "2099-01-01T00:00:00Z"]);
    assert_ne!(fixture.ok(&["export"]), before);
    fixture.ok(&["import", &file, "--on-duplicate", "update"]);
    assert_eq!(fixture.ok(&["export"]), before);
}

#[test]
fn a_tuple_that_is_refused_is_named_with_its_line_and_the_rest_can_follow() {
    let fixture = conditional();
    let mut text: Vec<String> = lines(250).lines().map(str::to_owned).collect();
    text[136] = text[136].replace("viewer", "owner");
    let file = fixture.file("broken.ndjson", &text.join("\n"));
    let ended = fixture.run(&["import", &file, "--parallel", "1"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    let first = ended.error.lines().next().unwrap();
    assert!(first.starts_with(&format!("error: line 137 of `{file}`: ")), "{}", ended.error);
    assert!(
        ended.error.contains("136 tuples written, all before line 101 are in the store"),
        "{}",
        ended.error
    );
    assert!(ended.error.contains("to go on there: --from-line 101"), "{}", ended.error);
    text[136] = text[136].replace("owner", "viewer");
    let file = fixture.file("broken.ndjson", &text.join("\n"));
    let text = fixture.ok(&["import", &file, "--from-line", "101"]);
    assert_eq!(text, "114 tuples written\n36 tuples skipped: they exist as the file has them\n");
    assert_eq!(sorted(&fixture.ok(&["export"])), sorted(&lines(250)));
}

#[test]
fn a_line_that_is_no_tuple_stops_behind_those_before_it() {
    let fixture = conditional();
    let file = fixture.file(
        "bad.csv",
        "user,relation,object\nuser:a,viewer,park:1\nuser:b,viewer,park:1\nbob,viewer,park:1\n",
    );
    let ended = fixture.run(&["import", &file]);
    assert_eq!(ended.code, 2);
    let expected = format!(
        "error: line 4 of `{file}`: `bob` has no `:`; expected `type:id`\n  2 tuples written, all before that are in the \
         store; run it again: it goes on\n"
    );
    assert_eq!(ended.error, expected);
    assert_eq!(fixture.ok(&["export"]).lines().count(), 2);
}

#[test]
fn ctrl_c_says_where_to_go_on() {
    let fixture = conditional();
    let mut command = fixture.command(&["import", "-", "--format", "ndjson", "--parallel", "1"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut file = child.stdin.take().unwrap();
    file.write_all(lines(100).as_bytes()).unwrap();
    let began = Instant::now();
    while fixture.ok(&["export"]).lines().count() < 100 {
        assert!(began.elapsed() < Duration::from_secs(20), "the first hundred were not written");
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    // The signal is seen before the next lines are.
    thread::sleep(Duration::from_millis(500));
    let all = lines(300);
    file.write_all(all.lines().skip(100).map(|line| format!("{line}\n")).collect::<String>().as_bytes())
        .unwrap();
    drop(file);
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    let said = "error: interrupted\n  100 tuples written, all before line 101 are in the store; to go on there: --from-line \
                101\n";
    assert_eq!(ended.error, said);
    let file = fixture.file("all.ndjson", &all);
    assert_eq!(fixture.ok(&["import", &file, "--from-line", "101"]), "200 tuples written\n");
    assert_eq!(sorted(&fixture.ok(&["export"])), sorted(&all));
}

#[test]
fn the_standard_input_is_a_file_too() {
    let fixture = conditional();
    let mut command = fixture.command(&["import", "-", "--format", "ndjson"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines(3).as_bytes()).unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!((ended.code, ended.out.as_str()), (0, "3 tuples written\n"));
    let ended = fixture.run(&["import", "tuples.yaml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.error.contains("import takes NDJSON and CSV"), "{}", ended.error);
    let ended = fixture.run(&["import", "-"]);
    assert_eq!(
        (ended.code, ended.error.as_str()),
        (2, "error: tuples on the standard input need --format\n")
    );
}

#[test]
fn a_store_that_does_not_exist_is_said() {
    let fixture = conditional();
    let file = fixture.file("some.ndjson", &lines(1));
    for arguments in [&["import", &file][..], &["export"]] {
        let ended = fixture.run(&[arguments, &["--store", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]].concat());
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        assert!(ended.error.starts_with("error: store_id_not_found: "), "{}", ended.error);
    }
    let ended = fixture.run(&["import", "nowhere.ndjson"]);
    assert_eq!(ended.code, 2);
    assert!(ended.error.starts_with("error: cannot read `nowhere.ndjson`: "), "{}", ended.error);
    assert!(!fs::exists("nowhere.ndjson").unwrap());
}

/// The pages of a store that has one tuple on each: the first page at revision 1, the second at the given one.
fn two_pages(body: &str, second: Option<u64>) -> Reply {
    let request: Value = serde_json::from_str(body).unwrap();
    let (object, next, revision) = match request["continuation_token"].as_str() {
        Some("") => ("park:p1", "next", second.map(|_| 1)),
        Some("next") => ("park:p2", "", second),
        other => panic!("{other:?}"),
    };
    let key = json!({ "user": "user:a", "relation": "viewer", "object": object, "condition": null });
    let tuples = json!([{ "key": key, "timestamp": "2027-01-31T12:00:00Z" }]);
    Reply { revision, ..Reply::ok(json!({ "tuples": tuples, "continuation_token": next })) }
}

fn pages_of(path: &str, body: &str, second: Option<u64>) -> Reply {
    if path.ends_with("/read") { two_pages(body, second) } else { Reply::ok(json!({})) }
}

const TWO: &str = "{\"user\":\"user:a\",\"relation\":\"viewer\",\"object\":\"park:p1\"}\n\
                   {\"user\":\"user:a\",\"relation\":\"viewer\",\"object\":\"park:p2\"}\n";

#[test]
fn an_export_that_is_not_of_one_moment_says_so() {
    let steady = run_against(&impostor(|path, body| pages_of(path, body, Some(1))), &["export"]);
    assert_eq!((steady.code, steady.out.as_str(), steady.error.as_str()), (0, TWO, ""));
    let changed = run_against(&impostor(|path, body| pages_of(path, body, Some(3))), &["export"]);
    assert_eq!((changed.code, changed.out.as_str()), (1, TWO));
    assert!(changed.error.starts_with("the store was changed during the export, from revision 1 to 3: "));
    let plain = run_against(&impostor(|path, body| pages_of(path, body, None)), &["export"]);
    assert_eq!((plain.code, plain.out.as_str()), (0, TWO));
    let said = "this server does not say whether the store was changed during the export\n";
    assert_eq!(plain.error, said);
}

#[test]
fn a_lifetime_is_not_written_to_a_server_that_does_not_know_it() {
    let fixture = conditional();
    let address = impostor(|path, body| {
        let whole = body.contains("\"user:1\"") && !body.contains("expires_at");
        assert!(!path.ends_with("/write") || whole, "{body}");
        Reply::ok(json!({ "tuples": [], "continuation_token": "" }))
    });
    let plain = fixture.file("plain.ndjson", &lines(2));
    assert_eq!(run_against(&address, &["import", &plain]).out, "2 tuples written\n");
    for lifetime in ["\"expires_at\":\"2027-01-31T12:00:00Z\"", "\"paused\":true"] {
        let ends = format!(
            "{}{{\"user\":\"user:b\",\"relation\":\"viewer\",\"object\":\"park:p\",{lifetime}}}\n",
            lines(1)
        );
        let file = fixture.file("ends.ndjson", &ends);
        let ended = run_against(&address, &["import", &file]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        let said = format!("error: line 2 of `{file}`: it has a lifetime, which this server does not know");
        assert!(ended.error.starts_with(&said), "{}", ended.error);
        assert!(ended.error.ends_with("\n  nothing was written\n"), "{}", ended.error);
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let fixture = conditional();
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let address = impostor(|path, _| {
        if path.ends_with("/write") && ASKED.fetch_add(1, Ordering::Relaxed) < 2 {
            return Reply {
                status: 429,
                ..Reply::ok(json!({ "code": "too_many_requests", "message": "x" }))
            };
        }
        Reply::ok(json!({ "tuples": [], "continuation_token": "" }))
    });
    let file = fixture.file("some.ndjson", &lines(3));
    let ended = run_against(&address, &["import", &file]);
    assert_eq!((ended.out.as_str(), ended.error.as_str()), ("3 tuples written\n", ""));
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
}

#[test]
fn an_empty_store_is_exported_and_an_empty_file_imported() {
    let fixture = conditional();
    assert_eq!(fixture.ok(&["export"]), "");
    let file = fixture.file("empty.ndjson", "");
    assert_eq!(fixture.ok(&["import", &file]), "0 tuples written\n");
}
