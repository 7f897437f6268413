//! The HTTP API as clients see it: whole answers, every error, limits, and the process itself.

mod bad_input;
mod batch_check;
mod changes;
mod check;
mod config;
mod expand;
mod fixture;
mod middleware;
mod models;
mod process;
mod program;
mod read;
mod stores;
mod wire_rules;
mod write;
