//! `tenure model check|print|to-json|from-json`: authorization models in files. No server or store is involved.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::model_file::GivenModel;
use crate::model::AuthorizationModel;
use crate::schema::json::{self, Style};
use crate::schema::print;

/// What to do with a model.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Check a model and show what is wrong with it
    Check(Input),
    /// Print a model in the DSL's usual layout; its comments are lost
    Print(Input),
    /// Print a model as JSON
    ToJson(Input),
    /// Print a model that is given as JSON in the DSL
    FromJson(Input),
}

/// Where the model is.
#[derive(Debug, Args)]
pub struct Input {
    /// The model, in the DSL or as JSON, or the directory of an `fga.mod`; `-` is the standard input
    file: PathBuf,
}

impl ModelCommand {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let (Self::Check(input) | Self::Print(input) | Self::ToJson(input) | Self::FromJson(input)) = self;
        let given = GivenModel::open(&input.file)?;
        match self {
            Self::Check(_) => given.checked().map(drop),
            Self::Print(_) => Ok(write!(out, "{}", in_dsl(&given.unchecked()?)?)?),
            Self::ToJson(_) => Ok(write!(out, "{}", as_json(&given.unchecked()?))?),
            Self::FromJson(_) => Ok(write!(out, "{}", in_dsl(&given.json_model()?)?)?),
        }
    }
}

fn in_dsl(model: &AuthorizationModel) -> Result<String, Failure> {
    print(model).map_err(|error| Failure::Model { rendered: format!("error: {error}") })
}

/// Indented for a terminal, on one line for another program.
fn as_json(model: &AuthorizationModel) -> String {
    let value = json::to_value(model, Style::Compact);
    if io::stdout().is_terminal() { format!("{value:#}\n") } else { format!("{value}\n") }
}
