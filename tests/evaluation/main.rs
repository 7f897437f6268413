//! The evaluator against a second, naive one.

mod generate;
mod oracle;
mod property;
