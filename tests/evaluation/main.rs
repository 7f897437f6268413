//! The evaluator against a second, naive one.

mod generate;
mod limits;
mod oracle;
mod property;
