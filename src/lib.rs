//! Tenure: a Zanzibar-style authorization engine that is never stale. See the README for what it does and
//! `docs/architecture.md` for how it is built.

pub mod cache;
pub mod callers;
pub mod cel;
pub mod cli;
pub mod cooperation;
pub mod engine;
pub mod eval;
pub mod model;
pub mod schema;
pub mod server;
pub mod store;
