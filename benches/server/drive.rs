//! The load tester as a process of its own, and what it says.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::process::Server;

/// A store of a server, filled with the cooperation workload.
#[derive(Clone)]
pub struct Store {
    pub id: String,
    pub model: String,
}

/// What a run came to.
pub struct Figures {
    pub per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Processor time of the server for each request, in microseconds.
    pub processor_us: f64,
}

fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.args(["load", "--json", "--server", &server.url()]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Makes and fills a store.
pub fn fill(server: &Server, data: &[&str]) -> Store {
    let arguments: Vec<&str> =
        data.iter().copied().chain(["--keep", "--warmup", "0s", "--requests", "1"]).collect();
    let report = report(command(server, &arguments).spawn().unwrap(), true);
    let text = |name: &str| report[name].as_str().unwrap().to_owned();
    Store { id: text("store"), model: text("model") }
}

/// Loads the store as `arguments` say.
pub fn load(server: &Server, store: &Store, arguments: &[&str]) -> Figures {
    let before = server.processor_s();
    let report = report(begin(server, store, arguments), true);
    figures(&report, server.processor_s() - before)
}

/// [`load`], of a server whose answers mean nothing.
pub fn load_unverified(server: &Server, store: &Store, arguments: &[&str]) -> Figures {
    let before = server.processor_s();
    let report = report(begin(server, store, arguments), false);
    figures(&report, server.processor_s() - before)
}

/// Begins to load the store and leaves it running.
pub fn begin(server: &Server, store: &Store, arguments: &[&str]) -> Child {
    let mut command = command(server, arguments);
    command.args(["--skip-write", "--store", &store.id, "--model", &store.model]).spawn().unwrap()
}

/// Waits until it is through.
pub fn finish(running: Child) -> Figures {
    figures(&report(running, true), f64::NAN)
}

fn report(running: Child, verified: bool) -> Value {
    let output = running.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!verified || output.status.success(), "{}{complaint}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"))
}

fn figures(report: &Value, processor_s: f64) -> Figures {
    let [of_one] = report["operations"].as_array().unwrap().as_slice() else {
        panic!("one operation: {report}")
    };
    let errors: u64 = of_one["errors"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(errors, 0, "{of_one}");
    let number = |value: &Value| value.as_f64().unwrap();
    // The warm-up costs the server, too.
    let load = &report["load"];
    let all = number(&of_one["requests"]) * (1.0 + number(&load["warmup_s"]) / number(&report["measured_s"]));
    Figures {
        per_s: number(&of_one["rate_per_s"]),
        p50_us: number(&of_one["latency_us"]["p50"]),
        p99_us: number(&of_one["latency_us"]["p99"]),
        processor_us: processor_s * 1e6 / all,
    }
}
