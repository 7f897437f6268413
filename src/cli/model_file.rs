//! Models in files, in the DSL or as JSON: the one place that reads them and shows what is wrong.

use std::fmt;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use super::failure::Failure;
use crate::model::{AuthorizationModel, limits};
use crate::schema::json;
use crate::schema::{Diagnostics, parse, parse_unchecked, validate};

/// The text of a model, with its name for messages. A text whose first character is `{` is JSON.
pub struct ModelText {
    name: String,
    text: String,
}

impl ModelText {
    /// A text that stands somewhere else than in a file of its own.
    pub fn new(name: String, text: String) -> Self {
        Self { name, text }
    }

    /// Reads a file; `-` is the standard input.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "<stdin>".to_owned() } else { path.display().to_string() };
        let text = if is_stdin {
            read_bounded(io::stdin().lock())
        } else {
            std::fs::File::open(path).and_then(read_bounded)
        };
        match text {
            Ok(text) => Ok(Self { name, text }),
            Err(reason) => Err(Failure::Read { name, reason }),
        }
    }

    /// The model, with its form checked but not its meaning.
    pub fn unchecked(&self) -> Result<AuthorizationModel, Failure> {
        if self.is_json() {
            return self.json_model();
        }
        let read = parse_unchecked(&self.text).map_err(|errors| self.show(&errors))?;
        match read.module {
            None => Ok(read.model),
            Some(module) => Err(self.wrong(&format!("this is the module `{module}`, not a model"))),
        }
    }

    /// The model, if it is one that OpenFGA's server would take.
    pub fn checked(&self) -> Result<AuthorizationModel, Failure> {
        if !self.is_json() {
            return parse(&self.text).map_err(|errors| self.show(&errors));
        }
        let model = self.json_model()?;
        let violations = validate(&model);
        if violations.is_empty() {
            return Ok(model);
        }
        let lines = violations.iter().take(limits::DIAGNOSTICS_MAX).map(|violation| {
            let help =
                violation.help.as_deref().map(|help| format!("\n  = help: {help}")).unwrap_or_default();
            format!("error: {}\n --> {}{help}\n", violation.message, self.name)
        });
        Err(Failure::Model { rendered: lines.collect::<Vec<_>>().join("\n") })
    }

    /// The model of a text that is to be JSON.
    pub fn json_model(&self) -> Result<AuthorizationModel, Failure> {
        json::from_str(&self.text).map_err(|error| self.wrong(&error))
    }

    fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    fn wrong(&self, error: &impl fmt::Display) -> Failure {
        Failure::Model { rendered: format!("error: {error}\n --> {}", self.name) }
    }

    fn show(&self, errors: &Diagnostics) -> Failure {
        let colored = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Failure::Model { rendered: errors.render(&self.name, colored) }
    }
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
