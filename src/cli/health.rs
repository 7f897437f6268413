//! `tenure health`: whether a server answers, for what watches over it and has no HTTP client, as a container's check has none.

use std::io::Write;

use clap::Args;

use super::client::{Client, ServerArgs};
use super::failure::Failure;
use super::output;

/// Ask whether a server answers, or with --ready whether it does all that it is asked
///
/// Exit code: 0 yes, 2 no.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure health
  tenure health --ready --server http://127.0.0.1:9090 --timeout-s 2")]
pub struct HealthArgs {
    /// Ask whether it accepts writes too, which it refuses for a while after a commit has failed
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl HealthArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let path = if self.ready { "/readyz" } else { "/healthz" };
        let answer = Client::new(&self.server).get(path, &[])?;
        if self.server.json {
            output::raw(out, &answer)?;
        } else {
            writeln!(out, "{}", if self.ready { "ready" } else { "healthy" })?;
        }
        Ok(())
    }
}
