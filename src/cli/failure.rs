//! Why a command failed: the message, the help that stands apart from it, and the exit code.

use std::io;
use std::process::ExitCode;

use thiserror::Error;

use super::client::ClientError;
use super::tuple_file::TupleFileError;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The server could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server refused, and the command knows what to do about it.
    #[error("{reason}")]
    Advised {
        /// The refusal.
        reason: ClientError,
        /// What to do.
        help: &'static str,
    },
    /// The file of tuples cannot be used.
    #[error(transparent)]
    TupleFile(#[from] TupleFileError),
    /// A file cannot be read.
    #[error("cannot read `{name}`: {reason}")]
    Read {
        /// The file.
        name: String,
        /// Why.
        reason: io::Error,
    },
    /// A part of a command's input is wrong; the text says which.
    #[error("{0}")]
    Input(String),
    /// A model has errors; the text shows each with its place.
    #[error("{rendered}")]
    Model {
        /// The errors as they are to be printed.
        rendered: String,
    },
    /// A write of many tuples stopped half way.
    #[error("{reason}\n  {done} of {total} tuples were {verb} before it; none of the {chunk} from number {} on was", done + 1)]
    Partly {
        /// Why.
        reason: ClientError,
        /// What was done: `written`, `deleted`, `paused`.
        verb: &'static str,
        /// How many the server has acknowledged.
        done: usize,
        /// How many the file has.
        total: usize,
        /// How many stood in the request that failed.
        chunk: usize,
    },
    /// Something long stopped half way.
    #[error("{reason}\n  {done}")]
    Stopped {
        /// Why.
        reason: Box<Failure>,
        /// What was done before it, and how to go on.
        done: String,
    },
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// What to do about it.
    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Client(error) => error.help(),
            Self::Advised { help, .. } => Some(help),
            Self::Stopped { reason, .. } => reason.help(),
            Self::Partly { verb: "written", .. } => {
                Some("to go on, mend the cause and run the same command with `--on-duplicate ignore`")
            }
            _ => None,
        }
    }

    /// Prints it to standard error and answers the exit code.
    pub fn report(&self) -> ExitCode {
        // Whoever reads the output has heard enough (`tenure read | head`). No reason to speak, but no success either:
        // a denial that could not be printed must not look like an allowance.
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Self::Model { rendered } => eprintln!("{}", rendered.trim_end()),
            _ => eprintln!("error: {self}"),
        }
        if let Some(help) = self.help() {
            eprintln!("help: {help}");
        }
        ExitCode::from(2)
    }
}
