//! What the metrics say, and that the dashboard and the alerts ask for nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::Program;
use crate::{get, repository};

/// A server on which everything is on, that has done a bit of everything.
pub struct Busy {
    program: Program,
    store: String,
    _directory: TempDir,
}

impl Busy {
    pub fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let decisions = directory.path().join("decisions.ndjson");
        let program =
            Program::start(&directory.path().join("data"), &["--decision-log", decisions.to_str().unwrap()]);
        let (_, store) = program.send("POST", "/stores", r#"{"name": "plants"}"#);
        let store = store["id"].as_str().unwrap().to_owned();
        let busy = Self { program, store, _directory: directory };
        let model = json!({"schema_version": "1.1", "type_definitions": [{"type": "user"},
            {"type": "park", "relations": {"viewer": {"this": {}}},
             "metadata": {"relations": {"viewer": {"directly_related_user_types": [{"type": "user"}]}}}}]});
        assert_eq!(busy.post("authorization-models", &model), 201);
        let anne = json!({"user": "user:anne", "relation": "viewer", "object": "park:p1"});
        assert_eq!(busy.post("write", &json!({"writes": {"tuple_keys": [anne]}})), 200);
        for user in ["anne", "bert", "anne"] {
            let key = json!({"user": format!("user:{user}"), "relation": "viewer", "object": "park:p1"});
            assert_eq!(busy.post("check", &json!({"tuple_key": key})), 200);
        }
        let nowhere = json!({"user": "user:anne", "relation": "owner", "object": "park:p1"});
        assert_eq!(busy.post("check", &json!({"tuple_key": nowhere})), 400);
        let list = json!({"type": "park", "relation": "viewer", "user": "user:anne"});
        assert_eq!(busy.post("list-objects", &list), 200);
        busy
    }

    fn post(&self, path: &str, body: &Value) -> u16 {
        self.program.send("POST", &format!("/stores/{}/{path}", self.store), &body.to_string()).0
    }

    pub fn samples(&self) -> Samples {
        Samples::read(&get(&self.program.address, "/metrics").1)
    }
}

/// What is served: by name, each sample's labels and value.
#[derive(Debug)]
pub struct Samples(BTreeMap<String, Vec<(Labels, f64)>>);

type Labels = BTreeMap<String, String>;

impl Samples {
    fn read(text: &str) -> Self {
        let mut samples: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) =
                name.split_once('{').map_or((name, ""), |(name, rest)| (name, &rest[..rest.len() - 1]));
            let labels = labels.split_terminator("\",").filter(|label| !label.is_empty()).map(|label| {
                let (key, value) = label.split_once("=\"").unwrap();
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            });
            samples.entry(name.to_owned()).or_default().push((labels.collect(), value.parse().unwrap()));
        }
        assert!(text.ends_with("# EOF\n"));
        Self(samples)
    }

    /// Whether something of this name is served.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The one sample with these labels.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let all = self.0.get(name).unwrap_or_else(|| panic!("{name} is not served"));
        let fits =
            |own: &Labels| labels.iter().all(|(key, value)| own.get(*key).is_some_and(|own| own == value));
        let found: Vec<f64> = all.iter().filter(|(own, _)| fits(own)).map(|(_, value)| *value).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {all:?}");
        found[0]
    }
}

#[test]
fn metrics_tell_what_checks_cost_and_whose_they_were() {
    let busy = Busy::start();
    let store = busy.store.as_str();
    let samples = busy.samples();
    for (outcome, count) in [("allowed", 2.0), ("denied", 1.0), ("error", 1.0)] {
        assert_eq!(
            samples.value("tenure_store_checks_total", &[("store", store), ("outcome", outcome)]),
            count
        );
        assert_eq!(
            samples.value("tenure_store_checks_total", &[("store", "other"), ("outcome", outcome)]),
            0.0
        );
    }
    // The model, the write, four checks and a list.
    assert_eq!(samples.value("tenure_store_requests_total", &[("store", store)]), 7.0);
    assert_eq!(samples.value("tenure_store_failures_total", &[("store", store)]), 1.0);
    let reads = samples.value("tenure_evaluation_reads_total", &[]);
    assert!(reads >= 3.0, "{reads}");
    assert_eq!(samples.value("tenure_store_evaluation_reads_total", &[("store", store)]), reads);
    let of = |purpose| samples.value("tenure_evaluation_cost_reads_sum", &[("purpose", purpose)]);
    assert_eq!(of("check") + of("list"), reads);
    assert_eq!((of("batch"), of("explanation")), (0.0, 0.0));
    let checks = samples.value("tenure_evaluation_cost_reads_count", &[("purpose", "check")]);
    assert_eq!(checks, 3.0, "the one that failed cost nothing");
}

#[test]
fn stores_that_do_not_exist_are_not_named() {
    let busy = Busy::start();
    let made_up = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let key = json!({"user": "user:anne", "relation": "viewer", "object": "park:p1"});
    let body = json!({"tuple_key": key}).to_string();
    assert_eq!(busy.program.send("POST", &format!("/stores/{made_up}/check"), &body).0, 400);
    assert_eq!(busy.program.send("GET", &format!("/stores/{made_up}"), "").0, 404);
    let samples = busy.samples();
    assert_eq!(samples.value("tenure_store_requests_total", &[("store", "other")]), 2.0);
    assert_eq!(samples.value("tenure_store_failures_total", &[("store", "other")]), 2.0);
    assert!(samples.0["tenure_store_requests_total"].iter().all(|(labels, _)| labels["store"] != made_up));
}

#[test]
fn metrics_tell_of_commits_the_storage_and_the_process() {
    let busy = Busy::start();
    let samples = busy.samples();
    assert_eq!(samples.value("tenure_ready", &[]), 1.0);
    // A store, a model and a write, one by one.
    assert_eq!(samples.value("tenure_commit_group_size_sum", &[]), 3.0);
    assert_eq!(samples.value("tenure_commit_group_size_count", &[]), 3.0);
    assert!(samples.value("tenure_commit_write_duration_seconds_count", &[]) >= 3.0);
    assert!(samples.value("tenure_commit_write_duration_seconds_sum", &[]) > 0.0);
    assert!(samples.value("tenure_storage_rows", &[("table", "tuples")]) >= 1.0);
    assert!(samples.value("tenure_storage_memtable_bytes", &[("table", "changelog")]) > 0.0);
    assert!(samples.value("tenure_storage_wal_bytes", &[]) > 0.0);
    assert!(samples.value("tenure_storage_block_cache_capacity_bytes", &[]) > 1e6);
    assert!(samples.value("tenure_storage_snapshots", &[]) >= 1.0, "the view that is shown is one");
    assert!(samples.value("process_resident_memory_bytes", &[]) > 1e6);
    assert!(samples.value("process_open_fds", &[]) > 3.0);
    assert!(samples.value("process_max_fds", &[]) > samples.value("process_open_fds", &[]));
    assert!(samples.value("process_cpu_seconds_total", &[]) >= 0.0);
}

/// What of PromQL our expressions use.
const WORDS: [&str; 19] = [
    "sum",
    "min",
    "max",
    "rate",
    "increase",
    "histogram_quantile",
    "topk",
    "by",
    "time",
    "and",
    "or",
    "label_values",
    "on",
    "ignoring",
    "group_left",
    "up",
    "le",
    "instance",
    "job",
];

/// Metrics that an expression names, and labels.
fn named(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    // Within quotes there are values, within brackets durations.
    let mut plain = String::new();
    let (mut quoted, mut bracketed) = (false, false);
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => bracketed = true,
            ']' if !quoted => bracketed = false,
            c if !quoted && !bracketed => plain.push(c),
            _ => {}
        }
    }
    assert!(!quoted && !bracketed, "{expression}");
    let mut word = String::new();
    let mut before = ' ';
    let mut braces = false;
    let mut grouping = false;
    for c in plain.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        let found = std::mem::take(&mut word);
        if found == "by" {
            grouping = true;
        } else if !found.is_empty() && !found.starts_with(|c: char| c.is_ascii_digit()) && before != '$' {
            match braces || grouping {
                true => drop(labels.insert(found)),
                false if WORDS.contains(&found.as_str()) => {}
                false => drop(metrics.insert(found)),
            }
        }
        before = c;
        match c {
            '{' => braces = true,
            '}' => braces = false,
            ')' => grouping = false,
            _ => {}
        }
    }
    (metrics, labels)
}

/// Every expression below a value of JSON, whatever field it stands in.
fn expressions(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" || name == "query" && text.contains('(') => {
                        into.push(text.clone())
                    }
                    value => expressions(value, into),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, into)),
        _ => {}
    }
}

/// Holds that expressions name what is served, and labels that are.
fn hold(expressions: &[String], samples: &Samples) -> BTreeSet<String> {
    let of_prometheus = ["le", "instance", "job"].map(str::to_owned);
    let labels: BTreeSet<&String> =
        samples.0.values().flatten().flat_map(|(labels, _)| labels.keys()).chain(&of_prometheus).collect();
    let mut all = BTreeSet::new();
    for expression in expressions {
        let (metrics, used) = named(expression);
        for metric in &metrics {
            assert!(samples.0.contains_key(metric), "{metric} is not served: {expression}");
        }
        for label in &used {
            assert!(labels.contains(label), "nothing has the label {label}: {expression}");
        }
        all.extend(metrics);
    }
    all
}

#[test]
fn the_dashboard_asks_for_what_is_served() {
    let text = fs::read_to_string(repository("deploy/grafana/tenure.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    let samples = Busy::start().samples();
    let asked = hold(&found, &samples);
    // And leaves out nothing that is served.
    let family = |name: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let asked: BTreeSet<String> = asked.iter().map(|name| family(name)).collect();
    let left_out: Vec<&String> = samples.0.keys().filter(|name| !asked.contains(&family(name))).collect();
    assert_eq!(left_out, ["tenure_decision_cache_entries"], "served and not shown");

    let ids: Vec<&Value> = dashboard["panels"].as_array().unwrap().iter().map(|panel| &panel["id"]).collect();
    assert_eq!(ids.iter().map(|id| id.to_string()).collect::<BTreeSet<_>>().len(), ids.len(), "each once");
}

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(repository("deploy/prometheus/alerts.yaml")).unwrap();
    let rules: Rules = serde_saphyr::from_str(&text).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// The names of the alerts, in their order.
pub fn alerts() -> Vec<String> {
    rules().into_iter().map(|rule| rule.alert).collect()
}

#[test]
fn the_alerts_ask_for_what_is_served() {
    let rules = rules();
    assert!(rules.len() > 10);
    let expressions: Vec<String> = rules.iter().map(|rule| rule.expr.clone()).collect();
    hold(&expressions, &Busy::start().samples());
    for Rule { alert, labels, annotations, .. } in &rules {
        assert!(["critical", "warning"].contains(&labels["severity"].as_str()), "{alert}");
        assert!(annotations["summary"].contains("{{ $labels.instance }}"), "{alert} does not say where");
    }
}

#[test]
fn names_in_expressions_are_told_apart() {
    let (metrics, labels) = named(
        r#"histogram_quantile(0.99, sum by (le, route) (rate(tenure_a_bucket{instance=~"$instance",status="5.."}[5m]))) > 0.1 and tenure_b == 0"#,
    );
    assert_eq!(metrics.into_iter().collect::<Vec<_>>(), ["tenure_a_bucket", "tenure_b"]);
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["instance", "le", "route", "status"]);
}
