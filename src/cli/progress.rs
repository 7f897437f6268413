//! Progress bars, on a terminal only: what a script reads has none.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

const REDRAWS_A_SECOND: u8 = 10;

/// A bar on standard error for so many of something; nothing where that is no terminal. `None`: how many is not known.
pub fn bar(what: &'static str, length: Option<u64>) -> ProgressBar {
    styled(what, length, "{human_pos}", "{human_len}", "{rate}")
}

/// The same, for bytes.
pub fn bytes(what: &'static str, length: Option<u64>) -> ProgressBar {
    styled(what, length, "{bytes}", "{total_bytes}", "{bytes_per_sec}")
}

fn styled(what: &'static str, length: Option<u64>, done: &str, all: &str, speed: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, target());
    let template = match length {
        Some(_) => format!("{{prefix}} {{wide_bar}} {done}/{all} {speed} {{eta}} {{msg}}"),
        None => format!("{{prefix}} {{spinner}} {done} {speed} {{msg}}"),
    };
    if let Ok(style) = ProgressStyle::with_template(&template) {
        let rate = |state: &ProgressState, to: &mut dyn fmt::Write| {
            // A bar that cannot be drawn is no error.
            let _ = write!(to, "{:.0}/s", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate));
    }
    bar.set_prefix(what);
    bar
}

/// A bar for a span of time, to which a text is added.
pub fn clock(what: &'static str, length: Option<Duration>) -> ProgressBar {
    let millis = length.map(|length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
    let bar = ProgressBar::with_draw_target(millis, target());
    let template = if length.is_some() {
        "{prefix} {wide_bar} {elapsed} {msg}"
    } else {
        "{prefix} {spinner} {elapsed} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}

fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    }
}
