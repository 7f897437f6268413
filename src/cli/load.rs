//! `tenure load`: how fast a server answers, and whether it answers rightly.
//!
//! For any server that speaks OpenFGA's HTTP API, so that two of them can be held side by side. The parts: `prepare`
//! makes and fills a store; `requests` makes what is sent and knows the answers; `drive` sends it over `connection`s;
//! `measure` keeps latencies; `report` and `plot` show them.

mod connection;
mod drive;
mod measure;
mod plot;
mod prepare;
mod report;
mod requests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hyper::Uri;
use jiff::SignedDuration;

use super::client::{Client, ConnectionArgs, is_secured, store_id};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress;
use super::query::model_id;
use super::workload::{DataSet, Shape, Skew};
use crate::model::limits::{CHECKS_PER_BATCH_MAX, TUPLES_PER_WRITE_MAX};
use crate::model::{Clock as _, ModelId, StoreId, SystemClock};
use connection::Target;
use drive::{Pace, Paths, Run};
use prepare::{Loaded, Writing};
use report::{DataReport, LoadReport, Report};
use requests::{Mix, Requests, Settings};

/// Most different questions: they are all made before the run.
const DISTINCT_MAX: u64 = 5_000_000;
/// Longest warm-up and longest measured time.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);

/// Measure how fast a server answers, and whether it answers rightly
///
/// Makes a store, fills it with tuples that are drawn from a seed, asks what they decide, and deletes the store. Works with
/// every server that speaks OpenFGA's HTTP API. Without --rate the loop is closed: each connection asks again when it has
/// its answer. With --rate it is open: requests are due at fixed instants, and latencies count from there. Every answer is
/// compared with what follows from how the tuples were drawn.
///
/// Exit code: 0 all requests were answered rightly, 1 some were not, 2 not done. Ctrl-C ends a run and shows what was
/// measured.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure load
  tenure load --data-set github --tuples 1000000 --keep
  tenure load --store ID --skip-write --tuples 1000000 --data-set github --mix check=9,write=1
  tenure load --rate 2000 --duration 1m --plot latency.svg
  tenure load --server http://127.0.0.1:8081 --json > openfga.json")]
pub struct LoadArgs {
    /// What the data is like
    #[arg(long, value_name = "SHAPE", default_value = "cooperation", help_heading = "Data")]
    data_set: DataShape,
    /// About how many tuples
    #[arg(long, value_name = "N", default_value_t = 40_000, help_heading = "Data")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    tuples: u64,
    /// Draws the data and the questions; the same seed draws the same
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Data")]
    seed: u64,
    /// Write lifetimes, too: tuples that expire, have expired or are paused. For servers that know them; for others those
    /// that do not count are left out, and the answers are the same
    #[arg(long, help_heading = "Data")]
    lifetimes: bool,
    /// Load this store, and leave it there, instead of one that is made and deleted. It is given the model and the tuples
    #[arg(long, value_name = "ID", value_parser = store_id, conflicts_with = "keep", help_heading = "Data")]
    store: Option<StoreId>,
    /// The store has the data already, written with the same --data-set, --tuples and --seed
    #[arg(long, requires = "store", help_heading = "Data")]
    skip_write: bool,
    /// The model that requests name, with --skip-write [default: the store's newest]
    #[arg(long, value_name = "ID", value_parser = model_id, requires = "skip_write", help_heading = "Data")]
    model: Option<ModelId>,
    /// Do not delete the store that was made
    #[arg(long, help_heading = "Data")]
    keep: bool,

    /// What is asked, and how often in relation: check, batch-check, list-objects, write
    #[arg(long, value_name = "OPERATION[=WEIGHT],…", default_value = "check", value_parser = requests::mix)]
    #[arg(help_heading = "Load")]
    mix: Mix,
    /// Connections, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 32, help_heading = "Load")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Requests a second that are due, whatever the server does [default: as many as are answered]
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, help_heading = "Load")]
    rate: Option<f64>,
    /// How long to measure, such as 30s or 2m [default: 10s; none with --requests]
    #[arg(long, value_name = "SPAN", value_parser = span, help_heading = "Load")]
    duration: Option<Duration>,
    /// How many requests to measure at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Load")]
    requests: Option<u64>,
    /// How long to load before anything is measured
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = span, help_heading = "Load")]
    warmup: Duration,
    /// Share of the questions whose answer is no, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share, help_heading = "Load")]
    deny_share: f64,
    /// Different questions; a small data set has not so many
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Load")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=DISTINCT_MAX))]
    distinct: u64,
    /// Whether some questions are asked more often: zipf has the exponent 1.1
    #[arg(long, value_name = "SKEW", default_value = "uniform", help_heading = "Load")]
    skew: SkewName,
    /// Checks in one batch-check
    #[arg(long, value_name = "N", default_value_t = CHECKS_PER_BATCH_MAX as u64, help_heading = "Load")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch_size: u64,
    /// Tuples in one write
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=TUPLES_PER_WRITE_MAX as u64))]
    write_size: u64,
    /// What questions say of consistency; Tenure is always consistent
    #[arg(long, value_name = "WHICH", help_heading = "Load")]
    consistency: Option<Consistency>,
    /// Threads that send [default: half of the processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Load")]
    threads: Option<u16>,

    /// Print a JSON document instead of the table
    #[arg(long, help_heading = "Report")]
    json: bool,
    /// Draw latency over percentiles and over time
    #[arg(long, value_name = "FILE.svg", help_heading = "Report")]
    plot: Option<PathBuf>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The shapes of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DataShape {
    /// Organizations that share parks and portfolios with each other
    Cooperation,
    /// Groups within groups, groups of many members, documents shared with many groups
    Groups,
    /// Documents in folders, 20 within each other
    Hierarchy,
    /// Organizations, teams and repositories with roles that include each other
    Github,
}

/// How often the same is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SkewName {
    Uniform,
    Zipf,
}

/// What a question may say of consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Consistency {
    MinimizeLatency,
    HigherConsistency,
}

impl From<DataShape> for Shape {
    fn from(shape: DataShape) -> Self {
        match shape {
            DataShape::Cooperation => Self::Cooperation,
            DataShape::Groups => Self::Groups,
            DataShape::Hierarchy => Self::Hierarchy,
            DataShape::Github => Self::Github,
        }
    }
}

impl SkewName {
    fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "zipf 1.1",
        }
    }
}

impl From<SkewName> for Skew {
    fn from(skew: SkewName) -> Self {
        match skew {
            SkewName::Uniform => Self::Uniform,
            SkewName::Zipf => Self::Zipf,
        }
    }
}

/// Reads a span of time, for clap.
fn span(text: &str) -> Result<Duration, String> {
    let span: Result<SignedDuration, _> = text.parse();
    let span = span.ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| *span <= SPAN_MAX)
        .ok_or_else(|| "expected a span such as 500ms, 30s or 2m, of 24h at most".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1, such as 0.25".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=10_000_000.0).contains(rate));
    rate.ok_or_else(|| "expected requests a second, such as 2000".to_owned())
}

impl LoadArgs {
    /// Runs the command. Answers whether all requests were answered, and rightly.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        if is_secured(&self.connection.server) {
            let reason = "a load is sent by plain HTTP only, so that the server is measured and not TLS: http://HOST:PORT";
            return Err(Failure::Input(reason.to_owned()));
        }
        let interrupt = Interrupt::listen()?;
        // What cannot be written is said before the time is spent.
        let plot = self.plot.as_deref().map(|path| create(path).map(|file| (path, file))).transpose()?;
        let client = Client::connecting(&self.connection);
        let data = DataSet::about(self.data_set.into(), self.tuples, self.seed);
        let store = match self.store {
            Some(store) => store,
            None => prepare::create_store(&client)?,
        };
        let measured = self.load(&client, store, &data, &interrupt);
        let left = self.clean_up(&client, store);
        let report = measured?;
        left?;
        if let Some((path, mut file)) = plot {
            file.write_all(plot::draw(&report).as_bytes())
                .and_then(|()| file.flush())
                .map_err(|error| Failure::Input(format!("cannot write `{}`: {error}", path.display())))?;
        }
        if self.json {
            serde_json::to_writer(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            report.print(out)?;
            self.say_what_is_left(store, &report, out)?;
        }
        Ok(report.is_clean())
    }

    fn load(
        &self,
        client: &Client,
        store: StoreId,
        data: &DataSet,
        interrupt: &Interrupt,
    ) -> Result<Report, Failure> {
        let (model, tuples_written) = if self.skip_write {
            (self.model.map_or_else(|| prepare::newest_model(client, store), Ok)?, None)
        } else {
            let model = prepare::write_model(client, store, data)?;
            let writing = Writing { lifetimes: self.lifetimes, again: self.store.is_some() };
            let written = prepare::write_tuples(client, Loaded { store, model }, data, writing, interrupt)?;
            (model, Some(written))
        };
        if interrupt.has_come() {
            return Err(Failure::Input("interrupted before anything was measured".to_owned()));
        }
        let requests = Requests::new(data, self.settings(model));
        let run = self.drive(store, &requests, interrupt)?;
        Ok(self.report(store, tuples_written, &requests, &run))
    }

    fn settings(&self, model: ModelId) -> Settings {
        Settings {
            mix: self.mix.clone(),
            deny_share: self.deny_share,
            distinct: usize::try_from(self.distinct).unwrap_or(usize::MAX),
            skew: self.skew.into(),
            seed: self.seed,
            batch_size: usize::try_from(self.batch_size).unwrap_or(usize::MAX),
            write_size: usize::try_from(self.write_size).unwrap_or(usize::MAX),
            consistency: self.consistency.map(|consistency| match consistency {
                Consistency::MinimizeLatency => "MINIMIZE_LATENCY",
                Consistency::HigherConsistency => "HIGHER_CONSISTENCY",
            }),
            model,
            run: format!("w-{}", SystemClock.now().unix_micros()),
        }
    }

    fn drive(&self, store: StoreId, requests: &Requests<'_>, interrupt: &Interrupt) -> Result<Run, Failure> {
        let address: Option<Uri> = self.connection.server.parse().ok();
        let prefix = address.as_ref().map_or("", |address| address.path().trim_end_matches('/'));
        let timeout = Duration::from_secs(self.connection.timeout_s);
        let target =
            Target::new(&self.connection.server, self.connection.authorization().as_deref(), timeout);
        let target = target.zip(Paths::new(prefix, &store.to_string()));
        let (target, paths) =
            target.ok_or_else(|| Failure::Input("the address or the key cannot be sent".to_owned()))?;
        let pace = self.pace();
        let bar = progress::clock("loading", pace.duration.map(|duration| pace.warmup + duration));
        let outcome = drive::run(requests, &paths, target, pace, interrupt, |elapsed, done| {
            bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            bar.set_message(if elapsed < pace.warmup {
                "warming up".to_owned()
            } else {
                format!("{done} requests")
            });
        });
        bar.finish_and_clear();
        outcome.map_err(|error| Failure::Input(format!("{}: {error}", self.connection.server)))
    }

    fn pace(&self) -> Pace {
        let unbounded = self.requests.is_some();
        Pace {
            connections: usize::from(self.connections),
            threads: self.threads.map_or_else(|| (processors() / 2).max(1), usize::from),
            rate: self.rate,
            warmup: self.warmup,
            duration: self.duration.or((!unbounded).then_some(Duration::from_secs(10))),
            requests: self.requests,
        }
    }

    fn report(
        &self,
        store: StoreId,
        tuples_written: Option<u64>,
        requests: &Requests<'_>,
        run: &Run,
    ) -> Report {
        let Pace { connections, threads, rate, warmup, .. } = self.pace();
        let settings = requests.settings();
        let mix: BTreeMap<_, _> =
            settings.mix.0.iter().map(|(operation, weight)| (operation.name(), *weight)).collect();
        Report {
            tenure: env!("CARGO_PKG_VERSION"),
            server: self.connection.server.clone(),
            store: store.to_string(),
            model: settings.model.to_string(),
            data_set: DataReport {
                shape: self
                    .data_set
                    .to_possible_value()
                    .map(|name| name.get_name().to_owned())
                    .unwrap_or_default(),
                tuples_written,
                tuples_asked: self.tuples,
                seed: self.seed,
                lifetimes: self.lifetimes,
            },
            load: LoadReport {
                mix,
                rate_per_s: rate,
                connections,
                threads: threads.min(connections),
                processors: processors(),
                warmup_s: warmup.as_secs_f64(),
                deny_share: self.deny_share,
                distinct: requests.distinct(),
                skew: self.skew.name(),
                batch_size: settings.batch_size,
                write_size: settings.write_size,
                consistency: settings.consistency,
            },
            interrupted: run.interrupted,
            measured_s: run.measured.as_secs_f64(),
            unsent: run.unsent,
            operations: report::operations(run),
        }
    }

    /// Deletes the store where it was made here and is not to be kept.
    fn clean_up(&self, client: &Client, store: StoreId) -> Result<(), Failure> {
        if self.store.is_none() && !self.keep {
            client.delete(&format!("/stores/{store}"))?;
        }
        Ok(())
    }

    fn say_what_is_left(&self, store: StoreId, report: &Report, out: &mut impl Write) -> Result<(), Failure> {
        if self.keep {
            let DataReport { shape, tuples_asked, seed, .. } = &report.data_set;
            writeln!(
                out,
                "the store is kept; load it again with\n  tenure load --store {store} --skip-write --data-set {shape} \
                 --tuples {tuples_asked} --seed {seed}"
            )?;
        } else if self.store.is_some() && self.mix.has(requests::Operation::Write) {
            writeln!(out, "the tuples that were written under load stay in the store")?;
        }
        Ok(())
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path);
    file.map(BufWriter::new)
        .map_err(|error| Failure::Input(format!("cannot write `{}`: {error}", path.display())))
}
