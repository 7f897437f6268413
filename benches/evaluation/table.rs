//! The summary: medians of one run side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tenure::eval::ReadCounts;

/// What is measured of a case, under these names.
pub const TENURE: &str = "tenure";
pub const BARE: &str = "bare";
pub const SHARED: &str = "bare-shared";

/// One case of the summary.
struct Row {
    case: String,
    /// What the questions of the case took together, and how many they were; nothing for what asks none.
    reads: Option<(ReadCounts, usize)>,
}

/// The cases of a run, and where their measurements are.
pub struct Table {
    dir: PathBuf,
    began: SystemTime,
    rows: Vec<Row>,
}

impl Table {
    /// A table of what is measured from now on and stored in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), began: SystemTime::now(), rows: Vec::new() }
    }

    /// Adds a case and prints what its questions read.
    pub fn add(&mut self, case: &str, reads: &[ReadCounts]) {
        let add = |sum: ReadCounts, own: &ReadCounts| ReadCounts {
            points: sum.points + own.points,
            scans: sum.scans + own.scans,
            entries: sum.entries + own.entries,
        };
        let sum = reads.iter().fold(ReadCounts::default(), add);
        let row = Row { case: case.into(), reads: (!reads.is_empty()).then_some((sum, reads.len())) };
        if let Some([points, scans, entries]) = row.means() {
            println!("{case}: {points} points, {scans} scans, {entries} entries");
        }
        self.rows.push(row);
    }

    /// The median of a measurement of this run, in nanoseconds.
    fn median(&self, case: &str, what: &str) -> Option<f64> {
        let path = self.dir.join(case).join(what).join("new/estimates.json");
        // One that a filter left out may be there from another run.
        if fs::metadata(&path).ok()?.modified().ok()? < self.began {
            return None;
        }
        let estimates: serde_json::Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }

    /// How much longer one case takes than another.
    fn compare(&self, case: &str, other: &str) -> Option<f64> {
        Some(self.median(case, TENURE)? / self.median(other, TENURE)?)
    }

    /// Prints the measured cases, and the quotients of these pairs of them.
    pub fn print(&self, pairs: &[(&str, &str)]) {
        println!("\n| Case | Points | Scans | Entries | Tenure | Bare | Ratio | Bare, shared | Ratio |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        for row in &self.rows {
            let Some(own) = self.median(&row.case, TENURE) else { continue };
            let [points, scans, entries] = row.means().unwrap_or_default();
            let [bare, shared] = [BARE, SHARED].map(|what| match self.median(&row.case, what) {
                Some(bare) => format!("{} | {:.2}", duration(bare), own / bare),
                None => " | ".into(),
            });
            let case = &row.case;
            println!("| {case} | {points} | {scans} | {entries} | {} | {bare} | {shared} |", duration(own));
        }
        println!();
        for (case, other) in pairs {
            if let Some(quotient) = self.compare(case, other) {
                println!("`{case}` takes {quotient:.2} times as long as `{other}`.");
            }
        }
    }
}

impl Row {
    /// Point reads, scans and entries of one question.
    fn means(&self) -> Option<[String; 3]> {
        let (sum, questions) = self.reads?;
        let mean = |total: u64| {
            let mean = total as f64 / questions as f64;
            if mean.fract() == 0.0 { format!("{mean}") } else { format!("{mean:.1}") }
        };
        Some([sum.points, sum.scans, sum.entries].map(mean))
    }
}

fn duration(nanos: f64) -> String {
    match nanos {
        _ if nanos < 1e3 => format!("{nanos:.0} ns"),
        _ if nanos < 1e6 => format!("{:.2} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}
