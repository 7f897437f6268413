//! `tenure model`: checks, prints and converts authorization models in files.
//!
//! Models are read in either form; a text whose first character is `{` is JSON. No server or store is involved.

use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::model::{AuthorizationModel, limits};
use crate::schema::json::{self, Style};
use crate::schema::{parse, parse_unchecked, print, validate};

/// Something is wrong with the model.
const EXIT_DIAGNOSTICS: u8 = 1;
/// The file cannot be read, or the output cannot be written.
const EXIT_UNREADABLE: u8 = 2;

/// What to do with a model.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Check a model and show what is wrong with it
    Check(Input),
    /// Print a model in the language's usual layout
    Print(Input),
    /// Print a model as JSON
    ToJson(Input),
    /// Print a model that is given as JSON in the language
    FromJson(Input),
}

/// Where the model is.
#[derive(Debug, Args)]
pub struct Input {
    /// The model, in the language or as JSON; `-` is the standard input
    file: PathBuf,
}

/// Why a command ended early. It has been told already where that needs more than a line.
enum Failure {
    /// The model is wrong; the text says how.
    Diagnostics(String),
    /// The file or the output does not work.
    Io(String),
}

impl ModelCommand {
    /// Runs the command: 0 if all is well, 1 if the model is wrong, 2 if the file cannot be read.
    pub fn run(self) -> ExitCode {
        match self.output() {
            Ok(text) => write_out(&text),
            Err(Failure::Diagnostics(text)) => {
                eprintln!("{}", text.trim_end());
                ExitCode::from(EXIT_DIAGNOSTICS)
            }
            Err(Failure::Io(message)) => {
                eprintln!("error: {message}");
                ExitCode::from(EXIT_UNREADABLE)
            }
        }
    }

    /// What goes to the standard output.
    fn output(&self) -> Result<String, Failure> {
        match self {
            Self::Check(input) => input.read()?.check().map(|()| String::new()),
            Self::Print(input) => in_language(&input.read()?.model()?),
            Self::ToJson(input) => Ok(as_json(&input.read()?.model()?)),
            Self::FromJson(input) => {
                let source = input.read()?;
                in_language(&json::from_str(&source.text).map_err(|e| source.wrong(&e))?)
            }
        }
    }
}

fn in_language(model: &AuthorizationModel) -> Result<String, Failure> {
    print(model).map_err(|e| Failure::Diagnostics(format!("error: {e}")))
}

/// Indented for a terminal, on one line for another program.
fn as_json(model: &AuthorizationModel) -> String {
    let value = json::to_value(model, Style::Compact);
    if io::stdout().is_terminal() { format!("{value:#}\n") } else { format!("{value}\n") }
}

fn write_out(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            ExitCode::from(EXIT_UNREADABLE)
        }
    }
}

/// A text with its name.
struct Source {
    name: String,
    text: String,
}

impl Input {
    fn read(&self) -> Result<Source, Failure> {
        let is_stdin = self.file == Path::new("-");
        let name = if is_stdin { "<stdin>".to_owned() } else { self.file.display().to_string() };
        let text = if is_stdin { read_bounded(io::stdin().lock()) } else { read_file(&self.file) };
        match text {
            Ok(text) => Ok(Source { name, text }),
            Err(error) => Err(Failure::Io(format!("cannot read `{name}`: {error}"))),
        }
    }
}

fn read_file(file: &Path) -> io::Result<String> {
    read_bounded(std::fs::File::open(file)?)
}

/// One byte more than the parser takes is enough for it to say that the text is too long.
fn read_bounded(reader: impl Read) -> io::Result<String> {
    let max = u64::try_from(limits::MODEL_SOURCE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    reader.take(max).read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // The bound may have cut a character in two.
        Err(error) if error.as_bytes().len() > limits::MODEL_SOURCE_BYTES_MAX => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())),
    }
}

impl Source {
    fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    fn wrong(&self, error: &impl fmt::Display) -> Failure {
        Failure::Diagnostics(format!("error: {error}\n --> {}", self.name))
    }

    /// The model, with its form checked but not its meaning.
    fn model(&self) -> Result<AuthorizationModel, Failure> {
        if self.is_json() {
            return json::from_str(&self.text).map_err(|e| self.wrong(&e));
        }
        let read = parse_unchecked(&self.text).map_err(|d| self.show(&d))?;
        match read.module {
            None => Ok(read.model),
            Some(module) => Err(self.wrong(&format!("this is the module `{module}`, not a model"))),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        if !self.is_json() {
            return parse(&self.text).map(|_| ()).map_err(|d| self.show(&d));
        }
        let model = json::from_str(&self.text).map_err(|e| self.wrong(&e))?;
        let violations = validate(&model);
        if violations.is_empty() {
            return Ok(());
        }
        let lines = violations.iter().take(limits::DIAGNOSTICS_MAX).map(|v| {
            let help = v.help.as_deref().map(|h| format!("\n  = help: {h}")).unwrap_or_default();
            format!("error: {}\n --> {}{help}\n", v.message, self.name)
        });
        Err(Failure::Diagnostics(lines.collect::<Vec<_>>().join("\n")))
    }

    fn show(&self, diagnostics: &crate::schema::Diagnostics) -> Failure {
        let colored = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Failure::Diagnostics(diagnostics.render(&self.name, colored))
    }
}
