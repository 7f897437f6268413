//! The evaluator against a second, naive one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

mod conditions;
mod examples;
mod explain;
mod generate;
mod limits;
mod lists;
mod oracle;
mod property;
mod wanted;
