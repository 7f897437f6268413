//! The command line: one file per group of commands.

pub mod model;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A Zanzibar-style authorization engine.
#[derive(Debug, Parser)]
#[command(name = "tenure", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check, print and convert authorization models
    #[command(subcommand)]
    Model(model::ModelCommand),
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Model(command) => command.run(),
    }
}
