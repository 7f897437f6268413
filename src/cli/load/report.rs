//! What a run comes to: a table for people, a document for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::drive::Run;
use super::measure::Measure;
use super::requests::Operation;
use crate::cli::output::{Table, count};

/// Percentiles of the document and the plot, in percent.
const PERCENTILES: [f64; 14] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0];

/// Everything that says what figures mean, and the figures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the tester.
    pub tenure: &'static str,
    /// Address of the server.
    pub server: String,
    /// The store.
    pub store: String,
    /// The model.
    pub model: String,
    /// What the data is.
    pub data_set: DataReport,
    /// How it was loaded.
    pub load: LoadReport,
    /// Whether it ended before its time.
    pub interrupted: bool,
    /// How long was measured, in seconds.
    pub measured_s: f64,
    /// Requests of an open loop that were due and never sent; no figure has them.
    pub unsent: u64,
    /// The figures.
    pub operations: Vec<OperationReport>,
}

/// What the data is.
#[derive(Debug, Serialize)]
pub struct DataReport {
    /// Its shape.
    pub shape: String,
    /// How many tuples were written, or `null` where they were there.
    pub tuples_written: Option<u64>,
    /// About how many were asked for.
    pub tuples_asked: u64,
    /// What it was drawn from.
    pub seed: u64,
    /// Whether tuples have lifetimes.
    pub lifetimes: bool,
}

/// How it was loaded.
#[derive(Debug, Serialize)]
pub struct LoadReport {
    /// Weights of the operations.
    pub mix: BTreeMap<&'static str, f64>,
    /// Requests a second that were due; `null` in a closed loop.
    pub rate_per_s: Option<f64>,
    /// Connections.
    pub connections: usize,
    /// Threads of the tester.
    pub threads: usize,
    /// Processors of this machine.
    pub processors: usize,
    /// Time before the measured one, in seconds.
    pub warmup_s: f64,
    /// Share of questions with the answer no.
    pub deny_share: f64,
    /// How many questions there were.
    pub distinct: usize,
    /// How often the same was asked.
    pub skew: &'static str,
    /// Checks in a batch.
    pub batch_size: usize,
    /// Tuples in a write.
    pub write_size: usize,
    /// What questions said of consistency.
    pub consistency: Option<&'static str>,
}

/// The figures of one operation.
#[derive(Debug, Serialize)]
pub struct OperationReport {
    /// Which.
    pub operation: &'static str,
    /// Answered requests, each with a latency below.
    pub requests: u64,
    /// Answers a second.
    pub rate_per_s: f64,
    /// Decisions a second.
    pub decisions_per_s: f64,
    /// Latencies, in microseconds.
    pub latency_us: LatencyReport,
    /// Requests without an answer, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Answers that were compared with what is known.
    pub verified: u64,
    /// Those that were wrong.
    pub wrong: u64,
    /// One of them.
    pub wrong_example: Option<String>,
    /// Lists that were not whole, so that nothing could be said.
    pub not_verifiable: u64,
    /// Latency by percentile.
    pub percentiles: Vec<PercentileReport>,
    /// Latency over time.
    pub over_time: Vec<IntervalReport>,
}

/// Latencies, in microseconds.
#[derive(Debug, Serialize)]
pub struct LatencyReport {
    /// The mean.
    pub mean: f64,
    /// Half are no longer.
    pub p50: f64,
    /// Nine of ten are no longer.
    pub p90: f64,
    /// 99 of 100 are no longer.
    pub p99: f64,
    /// 999 of 1,000 are no longer.
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
}

/// A point of the curve over percentiles.
#[derive(Debug, Serialize)]
pub struct PercentileReport {
    /// In percent.
    pub percentile: f64,
    /// In microseconds.
    pub latency_us: f64,
}

/// A part of the time.
#[derive(Debug, Serialize)]
pub struct IntervalReport {
    /// Its beginning, in seconds from that of the measured time.
    pub from_s: f64,
    /// Its length, in seconds.
    pub length_s: f64,
    /// Answered requests that were to begin in it.
    pub requests: u64,
    /// Latencies of those, in microseconds.
    pub p50_us: u64,
    /// The same.
    pub p99_us: u64,
    /// The same.
    pub max_us: u64,
}

/// The figures of a run.
pub fn operations(run: &Run) -> Vec<OperationReport> {
    run.measures
        .by_operation()
        .map(|(operation, measure)| figures(operation, measure, run.measured))
        .collect()
}

fn figures(operation: Operation, measure: &Measure, measured: Duration) -> OperationReport {
    let per_second =
        |count: u64| if measured.is_zero() { 0.0 } else { count as f64 / measured.as_secs_f64() };
    let latency = &measure.latency;
    OperationReport {
        operation: operation.name(),
        requests: latency.len(),
        rate_per_s: per_second(measure.completed),
        decisions_per_s: per_second(measure.decisions),
        latency_us: LatencyReport {
            mean: latency.mean() / 1_000.0,
            p50: micros(latency, 50.0),
            p90: micros(latency, 90.0),
            p99: micros(latency, 99.0),
            p99_9: micros(latency, 99.9),
            max: latency.max() as f64 / 1_000.0,
        },
        errors: measure.errors.clone(),
        verified: measure.right + measure.wrong,
        wrong: measure.wrong,
        wrong_example: measure.wrong_example.clone(),
        not_verifiable: measure.unknown,
        percentiles: percentiles(latency),
        over_time: over_time(measure),
    }
}

fn micros(latency: &Histogram<u64>, percentile: f64) -> f64 {
    latency.value_at_percentile(percentile) as f64 / 1_000.0
}

fn percentiles(latency: &Histogram<u64>) -> Vec<PercentileReport> {
    let point = |percentile| PercentileReport { percentile, latency_us: micros(latency, percentile) };
    PERCENTILES.into_iter().filter(|_| !latency.is_empty()).map(point).collect()
}

fn over_time(measure: &Measure) -> Vec<IntervalReport> {
    let length_s = measure.timeline.width.as_secs_f64();
    let intervals =
        measure.timeline.intervals.iter().enumerate().filter(|(_, interval)| !interval.is_empty());
    let report = |(index, interval): (usize, &Histogram<u64>)| IntervalReport {
        from_s: index as f64 * length_s,
        length_s,
        requests: interval.len(),
        p50_us: interval.value_at_percentile(50.0),
        p99_us: interval.value_at_percentile(99.0),
        max_us: interval.max(),
    };
    intervals.map(report).collect()
}

impl Report {
    /// Whether every request was answered, and rightly.
    pub fn is_clean(&self) -> bool {
        self.unsent == 0
            && self.operations.iter().all(|operation| operation.errors.is_empty() && operation.wrong == 0)
    }

    /// Prints it for people.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n{}\n", self.about_data(), self.about_load())?;
        let mut table = Table::new([
            "OPERATION",
            "REQUESTS",
            "PER SECOND",
            "P50",
            "P90",
            "P99",
            "P99.9",
            "MAX",
            "ERRORS",
        ]);
        let rows: Vec<_> = self.operations.iter().map(OperationReport::row).collect();
        table.print(out, &rows)?;
        if self.operations.is_empty() {
            writeln!(out, "nothing was measured")?;
        }
        writeln!(out)?;
        for operation in &self.operations {
            operation.print_notes(out)?;
        }
        if self.unsent > 0 {
            writeln!(
                out,
                "{} were due and could not be sent: the server does not keep up, and no latency above has them",
                count(usize::try_from(self.unsent).unwrap_or(usize::MAX), "request")
            )?;
        }
        if self.interrupted {
            writeln!(out, "interrupted: this is what was measured until then")?;
        }
        Ok(())
    }

    fn about_data(&self) -> String {
        let DataReport { shape, tuples_written, tuples_asked, seed, lifetimes } = &self.data_set;
        let tuples = match tuples_written {
            Some(tuples) => format!("{} tuples", grouped(*tuples)),
            None => format!("about {} tuples that were there", grouped(*tuples_asked)),
        };
        let lifetimes = if *lifetimes { " with lifetimes" } else { "" };
        format!("{shape}, {tuples}{lifetimes}, seed {seed}; store {} at {}", self.store, self.server)
    }

    fn about_load(&self) -> String {
        let load = &self.load;
        let loop_kind = match load.rate_per_s {
            Some(rate) => {
                format!("open loop, {rate} requests a second, up to {} connections", load.connections)
            }
            None => format!("closed loop, {} connections", load.connections),
        };
        format!(
            "{loop_kind}; {:.1} s measured after {:.1} s; {:.0} % denials, {} different questions, {}",
            self.measured_s,
            load.warmup_s,
            load.deny_share * 100.0,
            grouped(load.distinct as u64),
            load.skew,
        )
    }
}

impl OperationReport {
    fn row(&self) -> [String; 9] {
        let latency = &self.latency_us;
        let shown = |micros: f64| if self.requests == 0 { "-".to_owned() } else { duration(micros) };
        [
            self.operation.to_owned(),
            grouped(self.requests),
            rate(self.rate_per_s),
            shown(latency.p50),
            shown(latency.p90),
            shown(latency.p99),
            shown(latency.p99_9),
            shown(latency.max),
            grouped(self.errors.values().sum()),
        ]
    }

    fn print_notes(&self, out: &mut impl Write) -> io::Result<()> {
        let name = self.operation;
        if name == Operation::BatchCheck.name() {
            writeln!(out, "{name}: {} decisions a second", rate(self.decisions_per_s))?;
        }
        if self.verified > 0 {
            writeln!(
                out,
                "{name}: {} answers verified, {} wrong",
                grouped(self.verified),
                grouped(self.wrong)
            )?;
        }
        if self.not_verifiable > 0 {
            writeln!(out, "{name}: {} lists were not whole and not verified", grouped(self.not_verifiable))?;
        }
        if let Some(example) = &self.wrong_example {
            writeln!(out, "{name}: WRONG: {example}")?;
        }
        for (kind, count) in &self.errors {
            writeln!(out, "{name}: {} errors: {kind}", grouped(*count))?;
        }
        Ok(())
    }
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rate(per_second: f64) -> String {
    if per_second < 100.0 { format!("{per_second:.1}") } else { grouped(per_second.round() as u64) }
}

/// A latency with three digits and its unit.
pub fn duration(micros: f64) -> String {
    let (value, unit) = match micros {
        _ if micros < 1_000.0 => (micros, "µs"),
        _ if micros < 1_000_000.0 => (micros / 1_000.0, "ms"),
        _ => (micros / 1_000_000.0, "s"),
    };
    let digits = match value {
        _ if value < 10.0 => 2,
        _ if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.25, 99.94, 1_234.4].map(rate), ["0.2", "99.9", "1,234"]);
        assert_eq!(
            [1.234, 12.34, 123.4, 1_234.0, 123_400.0, 1_234_000.0].map(duration),
            ["1.23 µs", "12.3 µs", "123 µs", "1.23 ms", "123 ms", "1.23 s"]
        );
    }
}
