//! Figures that have a target: told as they are measured, and kept for the summary of all benchmarks.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// What a figure is to be.
#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// There is no target; the figure says what the others mean.
    None,
}

/// Tells a figure, and keeps it in `figures.tsv` beside the results of the benchmarks: what it is, the figure, the target,
/// and whether it is met.
pub fn tell(what: &str, figure: f64, target: Target) {
    let (target, met) = match target {
        Target::AtMost(most) => (format!("≤ {most}"), if figure <= most { "met" } else { "MISSED" }),
        Target::AtLeast(least) => (format!("≥ {least}"), if figure >= least { "met" } else { "MISSED" }),
        Target::None => (String::new(), ""),
    };
    println!("{what}: {} {target} {met}", rounded(figure));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures.tsv");
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{what}\t{}\t{target}\t{met}", rounded(figure)).unwrap();
}

/// Three digits, and no fraction where there are as many before it.
fn rounded(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
