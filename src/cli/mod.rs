//! The command line: what a person or a script types, and what they are shown.
//!
//! One file per group of commands. All but `serve` and those that work on files speak to a server over HTTP, through
//! the one client. This part may name every other; none may name it.

mod check;
mod client;
mod expand;
mod failure;
mod model;
mod output;
mod read;
mod store;
pub mod store_file;
pub mod store_test;
mod tuple_file;
pub mod workload;
mod write;

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use check::Decision;
use failure::Failure;

/// An authorization engine: relationship tuples that may expire and pause, and OpenFGA's HTTP API
#[derive(Debug, Parser)]
#[command(name = "tenure", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  tenure serve --data ./data
  export TENURE_STORE=$(tenure store create plants --quiet)
  tenure model write schema/cooperation.fga
  tenure write organization:sun admin user:anne
  tenure check user:anne can_manage_members organization:sun

Exit code: 0 done (check: allowed), 1 denied, 2 not done or not answered.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Store(store::StoreCommand),
    #[command(subcommand)]
    Model(ModelCommand),
    Write(write::WriteArgs),
    Read(read::ReadArgs),
    Changes(read::ChangesArgs),
    Check(check::CheckArgs),
    Expand(expand::ExpandArgs),
}

/// Read, check, convert, write and test authorization models
#[derive(Debug, Subcommand)]
enum ModelCommand {
    #[command(flatten)]
    File(model::ModelCommand),
    Test(store_test::TestArgs),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout());
    let outcome = run(Cli::parse().command, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    outcome.unwrap_or_else(|failure| failure.report())
}

fn run(command: Command, out: &mut impl io::Write) -> Result<ExitCode, Failure> {
    match command {
        Command::Store(command) => command.run(out)?,
        Command::Model(ModelCommand::File(command)) => return Ok(command.run()),
        Command::Model(ModelCommand::Test(args)) => {
            return Ok(if args.run(out)? { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
        Command::Write(args) => args.run(out)?,
        Command::Read(args) => args.run(out)?,
        Command::Changes(args) => args.run(out)?,
        Command::Check(args) => {
            return Ok(match args.run(out)? {
                Decision::Allowed => ExitCode::SUCCESS,
                Decision::Denied => ExitCode::from(1),
            });
        }
        Command::Expand(args) => args.run(out)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }
}
