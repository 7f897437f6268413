//! `tenure load` against a server, and against what is not quite one.

use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands::{Ended, Fixture, run_against};
use crate::impostor::{Reply, impostor};

/// A run that is as short as can be, on the smallest data.
fn load<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["load", "--tuples", "1", "--warmup", "100ms"];
    for (option, value) in [("--data-set", "github"), ("--duration", "500ms")] {
        if !more.contains(&option) {
            arguments.extend([option, value]);
        }
    }
    [&arguments, more].concat()
}

fn report(fixture: &Fixture, more: &[&str]) -> Value {
    let text = fixture.ok(&load(&[&["--json"], more].concat()));
    serde_json::from_str(&text).unwrap()
}

fn operation<'a>(report: &'a Value, name: &str) -> &'a Value {
    let operations = report["operations"].as_array().unwrap();
    operations.iter().find(|operation| operation["operation"] == name).unwrap()
}

#[test]
fn every_shape_and_operation_is_answered_rightly() {
    let fixture = Fixture::new();
    for shape in ["cooperation", "groups", "hierarchy", "github"] {
        let mix = "check=4,batch-check=2,list-objects=2,write=2";
        // As long as it takes: how quick the machine is decides nothing.
        let so_many = ["--requests", "400", "--duration", "10m"];
        let shaped = ["--data-set", shape, "--mix", mix, "--connections", "4", "--lifetimes"];
        let report = report(&fixture, &[&shaped[..], &so_many].concat());
        for name in ["check", "batch-check", "list-objects", "write"] {
            let figures = operation(&report, name);
            assert!(figures["requests"].as_u64().unwrap() > 0, "{shape}: {figures}");
            assert_eq!((&figures["wrong"], &figures["errors"]), (&json!(0), &json!({})), "{shape}");
            let latency = &figures["latency_us"];
            let at = |name: &str| latency[name].as_f64().unwrap();
            assert!(
                0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("p99.9"),
                "{shape}: {latency}"
            );
            // Every answer to a question was compared.
            let verified = if name == "write" { json!(0) } else { figures["requests"].clone() };
            assert_eq!(figures["verified"], verified, "{shape}: {name}");
        }
        assert_eq!(report["unsent"], 0);
    }
    // The stores that were made are gone.
    assert_eq!(fixture.ok(&["store", "list"]).lines().count(), 2);
}

#[test]
fn the_table_says_what_its_figures_mean() {
    let fixture = Fixture::new();
    let text = fixture.ok(&load(&["--connections", "2", "--deny-share", "0.25"]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("github, 608 tuples, seed 1; "), "{text}");
    assert!(
        lines[1].starts_with("closed loop, 2 connections; 0.5 s measured after 0.1 s; 25 % denials, "),
        "{text}"
    );
    let heading: Vec<&str> = lines[3].split_whitespace().collect();
    let expected = ["OPERATION", "REQUESTS", "PER", "SECOND", "P50", "P90", "P99", "P99.9", "MAX", "ERRORS"];
    assert_eq!(heading, expected);
    assert!(lines[4].starts_with("check  ") && lines[4].ends_with("  0"), "{text}");
    assert!(lines[6].starts_with("check: ") && lines[6].ends_with(" answers verified, 0 wrong"), "{text}");
}

#[test]
fn a_store_is_kept_and_loaded_again_without_writing() {
    let fixture = Fixture::new();
    let text = fixture.ok(&load(&["--keep", "--data-set", "hierarchy"]));
    let again = text.lines().last().unwrap().trim();
    let arguments: Vec<&str> = again.strip_prefix("tenure ").unwrap().split(' ').collect();
    let text = fixture.ok(&[&arguments[..], &["--duration", "200ms", "--warmup", "0s"]].concat());
    assert!(text.starts_with("hierarchy, about 1 tuples that were there, seed 1; "), "{text}");
    let store = arguments.iter().skip_while(|word| **word != "--store").nth(1).unwrap();
    // The same tuples once more, where they are.
    let arguments = load(&["--store", store, "--data-set", "hierarchy"]);
    fixture.ok(&arguments);
    assert!(fixture.ok(&["store", "list"]).contains(store));
}

#[test]
fn an_open_loop_asks_as_often_as_it_says() {
    let fixture = Fixture::new();
    let report = report(&fixture, &["--rate", "100", "--duration", "2s", "--connections", "4"]);
    let checks = operation(&report, "check");
    assert_eq!(checks["requests"], 200);
    assert_eq!(report["load"]["rate_per_s"], 100.0);
}

#[test]
fn so_many_requests_are_measured_as_asked_for() {
    let fixture = Fixture::new();
    for more in [&["--connections", "3"][..], &["--connections", "3", "--rate", "500"]] {
        let arguments = [
            "load",
            "--data-set",
            "github",
            "--tuples",
            "1",
            "--requests",
            "123",
            "--warmup",
            "50ms",
            "--json",
        ];
        let text = fixture.ok(&[&arguments[..], more].concat());
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(operation(&report, "check")["requests"], 123, "{more:?}");
    }
}

#[test]
fn a_plot_is_drawn() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("latency.svg");
    fixture.ok(&load(&["--plot", path.to_str().unwrap()]));
    let svg = std::fs::read_to_string(path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert_eq!(svg.matches("<polyline").count(), 4);
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn what_contradicts_itself_or_cannot_be_is_refused() {
    let fixture = Fixture::new();
    for (arguments, message) in [
        (&["--mix", "read"][..], "`read` is no operation"),
        (&["--deny-share", "2"], "expected a share from 0 to 1"),
        (&["--duration", "10"], "expected a span such as 500ms"),
        (&["--rate", "0"], "expected requests a second"),
        (&["--skip-write"], "--store"),
        (&["--store", "x"], "not the id of a store"),
        (&["--store", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--keep"], "cannot be used with"),
        (&["--plot", "/nowhere/latency.svg"], "cannot write `/nowhere/latency.svg`"),
        (&["--store", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], "store_id_not_found"),
    ] {
        let ended = fixture.run(&load(arguments));
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.error.contains(message), "{arguments:?}: {}", ended.error);
    }
}

#[test]
fn a_store_of_the_surroundings_is_not_loaded() {
    let fixture = Fixture::new();
    let before = fixture.ok(&["read"]);
    fixture.ok(&load(&[]));
    assert_eq!(fixture.ok(&["read"]), before);
}

#[test]
fn ctrl_c_shows_what_was_measured_and_deletes_the_store() {
    let fixture = Fixture::new();
    let arguments = [
        "load",
        "--data-set",
        "github",
        "--tuples",
        "1",
        "--duration",
        "10m",
        "--warmup",
        "0s",
        "--connections",
        "2",
    ];
    let child = fixture.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The store is there when the data is being written; the load follows it.
    let began = Instant::now();
    while fixture.ok(&["store", "list"]).lines().count() < 3 {
        assert!(began.elapsed() < Duration::from_secs(20), "no store was made");
    }
    thread::sleep(Duration::from_secs(3));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.error, "");
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("interrupted: this is what was measured until then"), "{}", ended.out);
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(fixture.ok(&["store", "list"]).lines().count(), 2);
}

/// What is needed before the load: a store, a model, tuples; and the end of the store.
fn prepared(path: &str) -> Option<Reply> {
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    match path.rsplit('/').next().unwrap() {
        "stores" => Some(Reply { status: 201, ..Reply::ok(json!({ "id": id })) }),
        "authorization-models" => {
            Some(Reply { status: 201, ..Reply::ok(json!({ "authorization_model_id": id })) })
        }
        "write" => Some(Reply::ok(json!({}))),
        "check" => None,
        _ => Some(Reply { status: 204, body: String::new(), revision: None }),
    }
}

fn allowed() -> Reply {
    Reply::ok(json!({ "allowed": true }))
}

#[test]
fn a_server_that_answers_wrongly_is_found_out() {
    let address = impostor(|path, _| prepared(path).unwrap_or_else(allowed));
    let ended = run_against(&address, &load(&["--connections", "2"]));
    assert_eq!(ended.code, 1, "{}", ended.error);
    assert!(ended.out.contains("check: WRONG: check {\"tuple_key\":"), "{}", ended.out);
    let verified = ended.out.lines().find(|line| line.contains("answers verified")).unwrap();
    assert!(!verified.ends_with(", 0 wrong"), "{verified}");
}

#[test]
fn errors_are_counted_by_kind() {
    let address = impostor(|path, _| {
        let refusal = json!({ "code": "resource_exhausted", "message": "x" });
        prepared(path).unwrap_or_else(|| Reply { status: 503, ..Reply::ok(refusal) })
    });
    let ended = run_against(&address, &load(&["--connections", "2"]));
    assert_eq!(ended.code, 1, "{}", ended.error);
    assert!(ended.out.contains(" errors: HTTP 503 resource_exhausted\n"), "{}", ended.out);
}

#[test]
fn a_server_that_stands_still_is_not_asked_less_in_an_open_loop() {
    // Each check takes 100 ms, and one connection is there for 50 requests a second: they queue up, and the last has
    // waited for about four fifths of what all of them take.
    let address = impostor(|path, _| {
        prepared(path).unwrap_or_else(|| {
            thread::sleep(Duration::from_millis(100));
            allowed()
        })
    });
    let arguments = [
        "load",
        "--data-set",
        "github",
        "--tuples",
        "1",
        "--deny-share",
        "0",
        "--connections",
        "1",
        "--rate",
        "50",
    ];
    let more = ["--warmup", "0s", "--duration", "1s", "--json"];
    let ended = run_against(&address, &[&arguments[..], &more].concat());
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.error);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let checks = operation(&report, "check");
    assert_eq!(checks["requests"], 50);
    let longest = checks["latency_us"]["max"].as_f64().unwrap();
    assert!(longest > 3_900_000.0, "{longest} us: the wait was left out");
}

#[test]
fn what_could_not_be_sent_is_said() {
    let address = impostor(|path, _| {
        prepared(path).unwrap_or_else(|| {
            thread::sleep(Duration::from_millis(200));
            allowed()
        })
    });
    let arguments = [
        "load",
        "--data-set",
        "github",
        "--tuples",
        "1",
        "--deny-share",
        "0",
        "--connections",
        "1",
        "--rate",
        "50",
    ];
    let more = ["--warmup", "0s", "--duration", "1s", "--timeout-s", "1"];
    let ended = run_against(&address, &[&arguments[..], &more].concat());
    assert_eq!(ended.code, 1, "{}", ended.error);
    assert!(ended.out.contains(" requests were due and could not be sent"), "{}", ended.out);
}

#[test]
fn a_server_that_is_gone_is_said() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ended = run_against(&address, &load(&[]));
    assert_eq!(ended.code, 2);
    assert!(ended.error.starts_with(&format!("error: cannot reach http://{address}: ")), "{}", ended.error);
}
