//! The settings of `tenure serve` for what an operator sees of single checks.

use std::path::PathBuf;
use std::time::Duration;

/// Longest time that can be set for a check not to be slow: an hour.
const SLOW_CHECK_MS_MAX: u64 = 3_600_000;

/// Where decisions are logged, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionLogSettings {
    /// The file.
    pub path: PathBuf,
    /// The part of the decisions that is logged, above 0, at most 1.
    pub sample: f64,
}

// The part is a number.
impl Eq for DecisionLogSettings {}

/// The time from which on a check is slow; `None` where none is. Without a setting, the default.
pub fn slow_check(ms: Option<u64>, default: Option<Duration>) -> Result<Option<Duration>, String> {
    match ms {
        None => Ok(default),
        Some(0) => Ok(None),
        Some(ms @ 1..=SLOW_CHECK_MS_MAX) => Ok(Some(Duration::from_millis(ms))),
        Some(ms) => Err(format!("`slow_check_ms` is {ms}; expected 0 to {SLOW_CHECK_MS_MAX}")),
    }
}

/// The decision log, where there is to be one.
pub fn decision_log(
    path: Option<PathBuf>,
    sample: Option<f64>,
) -> Result<Option<DecisionLogSettings>, String> {
    let sample = sample.unwrap_or(1.0);
    // What is no number is in no range.
    if !(sample > 0.0 && sample <= 1.0) {
        return Err(format!(
            "`decision_log_sample` is {sample}; expected more than 0 and at most 1, such as 0.01 for one in a hundred"
        ));
    }
    let path = path.filter(|path| !path.as_os_str().is_empty());
    Ok(path.map(|path| DecisionLogSettings { path, sample }))
}
