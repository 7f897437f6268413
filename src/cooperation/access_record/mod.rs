//! The access record (R48): every check that concerns a cooperation, with its decision and why.
//!
//! A check that is decided for the first time hands over its question, its decision and what it was decided at, and goes on. A
//! thread finds out on that same revision whether a cooperation is concerned, and which, and leaves a remark with the
//! decision that is kept. As long as both hold, the same check hands over no more than the remark's code, its instant and its
//! revision. The thread adds what is to be recorded to a journal of the store, many entries in one row and many rows in one
//! commit. When it cannot keep up, checks wait: nothing is left out. A crash loses what was not committed yet,
//! which is what was checked within [`AccessRecordOptions::delay`] at the most; a graceful stop loses nothing. Where the
//! database refuses writes, checks go on and are not recorded, and the log says so.
//!
//! - `queue`: from checks to the thread. `concern`: what a check has to do with a cooperation. `recorder`: the thread.
//! - `block`: the entries as they are kept. `reading`: the record as it is read.

mod block;
mod concern;
mod queue;
mod reading;
mod recorder;

pub use reading::{AccessEntries, AccessFilter, AccessPlace, read};
pub use recorder::{AccessRecordOptions, AccessRecorder};

use crate::model::{Instant, Revision};

/// The journal that has the record.
pub(super) const JOURNAL: &str = "access";

/// A check that concerned a cooperation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// The instant that it was decided for.
    pub at: Instant,
    /// The revision that it was decided on.
    pub revision: Revision,
    /// Who asked for access, by identifier.
    pub user: Box<str>,
    /// To what: `type:id`.
    pub resource: Box<str>,
    /// The relation asked.
    pub role: Box<str>,
    /// The decision.
    pub allowed: bool,
    /// Why, as [`Concern::reason`](concern::Concern::reason) names it.
    pub reason: Box<str>,
    /// The cooperation that is concerned, by identifier.
    pub cooperation: Box<str>,
}

#[cfg(test)]
mod tests;
