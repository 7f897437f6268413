//! The command line: what a person or a script types, and what they are shown.
//!
//! One file per group of commands. All but `serve` and those that work on files speak to a server over HTTP, through
//! the one client. This part may name every other; none may name it.

mod backup;
mod check;
mod client;
mod coop;
mod coop_show;
mod event_stream;
mod expand;
mod explain;
mod explain_tree;
mod export;
mod failure;
mod health;
mod import;
mod interrupt;
mod key;
mod list;
mod listen_address;
mod listing;
mod load;
mod model;
mod model_file;
mod output;
mod packaging;
mod parallel;
mod progress;
mod query;
mod read;
mod serve;
mod serve_config;
mod serve_observation;
mod serve_traces;
mod store;
pub mod store_file;
mod store_file_lists;
pub mod store_test;
mod stored_model;
mod tuple_file;
mod verify;
mod watch;
pub mod workload;
mod write;

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// An authorization engine: relationship tuples that may expire and pause, and OpenFGA's HTTP API
#[derive(Debug, Parser)]
#[command(name = "tenure", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  tenure serve --data ./data
  export TENURE_STORE=$(tenure store create plants --quiet)
  tenure model write schema/cooperation.fga
  tenure write user:anne admin organization:sun
  tenure check user:anne can_manage_members organization:sun

Exit code: 0 done (check: allowed), 1 denied, or a list that may have more, 2 not done or not answered.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    #[command(subcommand)]
    Store(store::StoreCommand),
    #[command(subcommand)]
    Model(ModelCommand),
    Write(write::WriteArgs),
    Read(read::ReadArgs),
    Changes(read::ChangesArgs),
    Watch(watch::WatchArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    ListObjects(list::ListObjectsArgs),
    ListUsers(list::ListUsersArgs),
    Expand(expand::ExpandArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Load(Box<load::LoadArgs>),
    #[command(subcommand)]
    Key(key::KeyCommand),
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    #[command(subcommand)]
    Coop(coop::CoopCommand),
    Health(health::HealthArgs),
    Completions(packaging::CompletionsArgs),
    Man(packaging::ManArgs),
}

/// Check, convert and test models in files; write, list and show those of a store
#[derive(Debug, Subcommand)]
enum ModelCommand {
    #[command(flatten)]
    File(model::ModelCommand),
    /// Run the tests of store files
    Test(store_test::TestArgs),
    /// Write a model into a store, where it becomes the newest
    Write(stored_model::WriteArgs),
    /// List the models of a store, newest first
    List(stored_model::ListArgs),
    /// Show a model of a store
    Get(stored_model::GetArgs),
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
        Command::Serve(args) => return Ok(serve::run(*args)),
        Command::Store(command) => return Ok(answer(command.run(out)?)),
        Command::Model(ModelCommand::File(command)) => match command.run(out) {
            // Whether the model is right was the question, and this is the answer.
            Err(failure @ Failure::Model { .. }) => {
                failure.report();
                return Ok(ExitCode::from(1));
            }
            outcome => outcome?,
        },
        Command::Model(ModelCommand::Test(args)) => return Ok(answer(args.run(out)?)),
        Command::Model(ModelCommand::Write(args)) => args.run(out)?,
        Command::Model(ModelCommand::List(args)) => args.run(out)?,
        Command::Model(ModelCommand::Get(args)) => args.run(out)?,
        Command::Write(args) => args.run(out)?,
        Command::Read(args) => args.run(out)?,
        Command::Changes(args) => args.run(out)?,
        Command::Watch(args) => args.run(out)?,
        Command::Check(args) => return Ok(answer(args.run(out)?)),
        Command::Explain(args) => return Ok(answer(args.run(out)?)),
        Command::ListObjects(args) => return Ok(answer(args.run(out)?)),
        Command::ListUsers(args) => return Ok(answer(args.run(out)?)),
        Command::Expand(args) => args.run(out)?,
        Command::Import(args) => return Ok(answer(args.run(out)?)),
        Command::Export(args) => return Ok(answer(args.run(out)?)),
        Command::Load(args) => return Ok(answer(args.run(out)?)),
        Command::Key(command) => command.run(out)?,
        Command::Backup(command) => return Ok(answer(command.run(out)?)),
        Command::Coop(command) => command.run(out)?,
        Command::Health(args) => args.run(out)?,
        Command::Completions(args) => args.run(Cli::command(), out)?,
        Command::Man(args) => args.run(Cli::command(), out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit code for the answer to a question: 0 yes, 1 no.
fn answer(yes: bool) -> ExitCode {
    ExitCode::from(u8::from(!yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }
}
