//! Checks over HTTP: beside a bare handler, under writes, beside OpenFGA.
//!
//! Every server is a process of its own, and so is the load tester, which is the same for all of them. What is held side by
//! side is measured in short runs in alternation; a figure is the median of the rounds' ratios, so that it holds on
//! a machine that others use meanwhile. The load tester runs on the same machine and takes its share of it in each run.

// What fails here fails the run, and says where.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod batch;
mod drive;
mod echo;
#[path = "../shared/figures.rs"]
mod figures;
#[allow(dead_code)]
mod process;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use drive::{Figures, Store};
use figures::Target::{AtLeast, AtMost, None as NoTarget};
use figures::{median, tell};
use process::Server;
use tempfile::TempDir;

/// Runs of each in a comparison.
const ROUNDS: usize = 7;
/// One run.
const RUN: [&str; 4] = ["--warmup", "500ms", "--duration", "3s"];
/// Scale 1 of the cooperation workload.
const DATA: [&str; 4] = ["--tuples", "40000", "--seed", "1"];
/// Writes a second that are unrelated to what is asked.
const WRITES_PER_S: &str = "20";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, address] = arguments.as_slice()
        && first == "echo"
    {
        return echo::serve(address.parse().unwrap());
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let cases: [(&str, fn()); 4] =
        [("echo", beside_echo), ("writes", under_writes), ("batch", batch), ("openfga", beside_openfga)];
    for (name, case) in cases {
        if wanted.is_empty() || wanted.iter().any(|wanted| name == wanted.as_str()) {
            case();
        }
    }
}

/// Tenure with the workload in it.
struct Loaded {
    server: Server,
    store: Store,
    dir: TempDir,
}

impl Loaded {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let server = Server::tenure(dir.path(), &[]);
        let store = drive::fill(&server, &DATA);
        Self { server, store, dir }
    }

    /// The same data, served with other options.
    fn again(self, options: &[&str]) -> Self {
        let Self { server, store, dir } = self;
        drop(server);
        Self { server: Server::tenure(dir.path(), options), store, dir }
    }
}

/// All that one run takes.
fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    DATA.into_iter().chain(RUN).chain(more.iter().copied()).collect()
}

/// The medians of the rounds, for who wants to see more than ratios.
fn show(name: &str, runs: &[Figures]) {
    let of = |part: fn(&Figures) -> f64| median(runs.iter().map(part).collect());
    println!(
        "  {name}: {:.0} a second, p50 {:.0} us, p99 {:.0} us, {:.1} us of the server's processor time each",
        of(|run| run.per_s),
        of(|run| run.p50_us),
        of(|run| run.p99_us),
        of(|run| run.processor_us)
    );
}

/// The median of the rounds' quotients.
fn quotient(ours: &[Figures], theirs: &[Figures], part: fn(&Figures) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(our, their)| part(our) / part(their)).collect())
}

/// Checks, all of them allowed as the bare handler does, warm and without the cache.
fn beside_echo() {
    let echo = Server::echo();
    let mut loaded = Loaded::new();
    for (case, options, least) in
        [("warm", [].as_slice(), 0.8), ("cache off", &["--decision-cache-bytes", "0"], 0.4)]
    {
        loaded = loaded.again(options);
        let run = with(&[]);
        drive::load(&loaded.server, &loaded.store, &run);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(drive::load(&loaded.server, &loaded.store, &run));
            theirs.push(drive::load_unverified(&echo, &loaded.store, &run));
        }
        tell(
            &format!("check over HTTP, {case}: requests a second, of the bare handler's"),
            quotient(&ours, &theirs, |run| run.per_s),
            AtLeast(least),
        );
        let p99 = if least > 0.5 { AtMost(1.5) } else { NoTarget };
        let what = format!("check over HTTP, {case}: p99, of the bare handler's");
        tell(&what, quotient(&ours, &theirs, |run| run.p99_us), p99);
        show("Tenure", &ours);
        show("bare handler", &theirs);
    }
}

/// Checks over all users and parks while somebody else writes, beside the same without.
fn under_writes() {
    let loaded = Loaded::new();
    let run = with(&["--distinct", "200000"]);
    let writing = [&DATA[..], &["--mix", "write", "--connections", "1", "--warmup", "0s"]].concat();
    let writing = [&writing[..], &["--rate", WRITES_PER_S, "--duration", "3500ms"]].concat();
    drive::load(&loaded.server, &loaded.store, &run);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(drive::load(&loaded.server, &loaded.store, &run));
        let writer = drive::begin(&loaded.server, &loaded.store, &writing);
        beside.push(drive::load(&loaded.server, &loaded.store, &run));
        drive::finish(writer);
    }
    tell(
        &format!("checks beside {WRITES_PER_S} unrelated writes a second, of those without"),
        quotient(&beside, &alone, |run| run.per_s),
        AtLeast(0.7),
    );
    show("without writes", &alone);
    show("beside writes", &beside);
}

/// Batches of kept decisions, in process and on one core, and over HTTP, beside single checks over HTTP.
fn batch() {
    let in_process = batch::decisions_per_second();
    println!("  in process, on one core: {in_process:.0} decisions a second");
    let loaded = Loaded::new();
    let (single, many) = (with(&[]), with(&["--mix", "batch-check", "--connections", "4"]));
    drive::load(&loaded.server, &loaded.store, &single);
    let (mut singles, mut batches) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        singles.push(drive::load(&loaded.server, &loaded.store, &single));
        batches.push(drive::load(&loaded.server, &loaded.store, &many));
    }
    let single = median(singles.iter().map(|run| run.per_s).collect());
    tell(
        "decisions a second of batches in process, of single checks' over HTTP",
        in_process / single,
        AtLeast(10.0),
    );
    let per_batch = tenure::model::limits::CHECKS_PER_BATCH_MAX as f64;
    let ratio = per_batch * quotient(&batches, &singles, |run| run.per_s);
    tell("decisions a second of batches over HTTP, of single checks' over HTTP", ratio, NoTarget);
    show("single", &singles);
    show("batches", &batches);
}

/// The same data and questions on OpenFGA's own server, where there is one: named by `OPENFGA`, or on the path.
fn beside_openfga() {
    let Some(program) = openfga() else {
        println!("NOT MEASURED: OpenFGA's server; name its program by OPENFGA");
        return;
    };
    let (peer, ours) = (Server::openfga(&program), Loaded::new());
    let theirs = drive::fill(&peer, &DATA);
    let run = with(&[]);
    drive::load(&ours.server, &ours.store, &run);
    drive::load(&peer, &theirs, &run);
    let measure = |run: &[&str]| {
        let (mut our, mut their) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our.push(drive::load(&ours.server, &ours.store, run));
            their.push(drive::load(&peer, &theirs, run));
        }
        (our, their)
    };
    let (our, their) = measure(&run);
    tell("checks a second, of OpenFGA's", quotient(&our, &their, |run| run.per_s), AtLeast(10.0));
    show("Tenure", &our);
    show("OpenFGA", &their);
    let rate = format!("{:.0}", median(their.iter().map(|run| run.per_s).collect()) / 2.0);
    let (our, their) = measure(&with(&["--rate", &rate]));
    let what = format!("p99 at {rate} checks a second, half of what OpenFGA can, of OpenFGA's");
    tell(&what, quotient(&our, &their, |run| run.p99_us), AtMost(0.1));
    show("Tenure", &our);
    show("OpenFGA", &their);
}

fn openfga() -> Option<PathBuf> {
    let named = env::var_os("OPENFGA").map(PathBuf::from);
    let runs = |program: &Path| Command::new(program).arg("version").output().is_ok();
    named.into_iter().chain([PathBuf::from("openfga")]).find(|program| runs(program))
}
