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
    /// Measured in alternation; where they are missing, the quotients of the medians stand for them.
    ratios: Option<[f64; 2]>,
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
        let mut sum = ReadCounts::default();
        reads.iter().for_each(|own| sum.add(*own));
        let row =
            Row { case: case.into(), reads: (!reads.is_empty()).then_some((sum, reads.len())), ratios: None };
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

    /// Sets how much longer the case added last takes than the bare reads, and than those with what can be shared.
    pub fn set_ratios(&mut self, ratios: [f64; 2]) {
        if let Some(row) = self.rows.last_mut() {
            row.ratios = Some(ratios);
        }
    }

    /// Prints the measured cases.
    pub fn print(&self) {
        println!("\n| Case | Points | Scans | Entries | Tenure | Bare | Ratio | Bare, shared | Ratio |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        for row in &self.rows {
            let Some(own) = self.median(&row.case, TENURE) else { continue };
            let [points, scans, entries] = row.means().unwrap_or_default();
            let beside = |what: &str, ratio: Option<f64>| match self.median(&row.case, what) {
                Some(bare) => format!("{} | {:.2}", duration(bare), ratio.unwrap_or(own / bare)),
                None => " | ".into(),
            };
            let bare = beside(BARE, row.ratios.map(|[bare, _]| bare));
            let shared = beside(SHARED, row.ratios.map(|[_, shared]| shared));
            let case = &row.case;
            println!("| {case} | {points} | {scans} | {entries} | {} | {bare} | {shared} |", duration(own));
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
