//! The command line against a running server: what the README shows, and what goes wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

mod commands;
mod coop;
mod explain;
mod impostor;
mod keys;
mod load;
// The one way to start the program; not all of it is needed here.
#[allow(dead_code)]
#[path = "../http/program.rs"]
mod program;
mod readme;
mod tls;
mod transfer;
mod watch;

use std::process::Command;

/// A command that nothing in the surroundings leads elsewhere: no settings of Tenure, no proxy.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENURE_")) {
        command.env_remove(name);
    }
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command
}

/// The built program.
const BINARY: &str = env!("CARGO_BIN_EXE_tenure");
