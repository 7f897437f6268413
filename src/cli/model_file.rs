//! Models in files, in the DSL, as JSON, or as a directory of modules: the one place that reads them and shows what is
//! wrong.

use std::fmt;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::model::{AuthorizationModel, limits};
use crate::schema::json;
use crate::schema::modules::{
    MOD_FILE_NAME, ModFile, ModuleDiagnostics, ModuleText, combine, combine_unchecked,
};
use crate::schema::{Diagnostics, parse, parse_unchecked, validate};

/// A model that was read and not yet looked at, with its name for messages.
pub struct GivenModel {
    name: String,
    form: Form,
}

enum Form {
    /// A text whose first character is `{` is JSON, any other the DSL.
    Text(String),
    Modules(Modules),
}

/// The files that an `fga.mod` lists, each with its path there.
struct Modules {
    directory: PathBuf,
    files: Vec<(Box<str>, String)>,
}

impl GivenModel {
    /// A text that stands somewhere else than in a file of its own.
    pub fn text(name: String, text: String) -> Self {
        Self { name, form: Form::Text(text) }
    }

    /// Reads a file, a directory with an `fga.mod`, or such a file itself; `-` is the standard input.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let name = "<stdin>".to_owned();
            return match read_bounded(io::stdin().lock(), limits::MODEL_SOURCE_BYTES_MAX) {
                Ok(text) => Ok(Self::text(name, text)),
                Err(reason) => Err(Failure::Read { name, reason }),
            };
        }
        if path.is_dir() {
            return Modules::open(&path.join(MOD_FILE_NAME));
        }
        // OpenFGA's tools look at the ending only.
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(MOD_FILE_NAME)) {
            return Modules::open(path);
        }
        let name = path.display().to_string();
        match read_file(path, limits::MODEL_SOURCE_BYTES_MAX) {
            Ok(text) => Ok(Self::text(name, text)),
            Err(reason) => Err(Failure::Read { name, reason }),
        }
    }

    /// The model, with its form checked but not its meaning.
    pub fn unchecked(&self) -> Result<AuthorizationModel, Failure> {
        let text = match &self.form {
            Form::Modules(modules) => return modules.shown(combine_unchecked(&modules.texts())),
            Form::Text(text) => text,
        };
        if is_json(text) {
            return self.json_model();
        }
        let read = parse_unchecked(text).map_err(|errors| show(&self.name, &errors))?;
        match read.module {
            None => Ok(read.model),
            Some(module) => Err(self.wrong(&format!(
                "this is the module `{module}`, not a model; give the directory of its `{MOD_FILE_NAME}`"
            ))),
        }
    }

    /// The model, if it is one that OpenFGA's server would take.
    pub fn checked(&self) -> Result<AuthorizationModel, Failure> {
        let text = match &self.form {
            Form::Modules(modules) => return modules.shown(combine(&modules.texts())),
            Form::Text(text) => text,
        };
        if !is_json(text) {
            return parse(text).map_err(|errors| show(&self.name, &errors));
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
        match &self.form {
            Form::Text(text) => json::from_str(text).map_err(|error| self.wrong(&error)),
            Form::Modules(_) => Err(self.wrong(&"these are modules; expected a model as JSON")),
        }
    }

    fn wrong(&self, error: &impl fmt::Display) -> Failure {
        Failure::Model { rendered: format!("error: {error}\n --> {}", self.name) }
    }
}

impl Modules {
    fn open(mod_file: &Path) -> Result<GivenModel, Failure> {
        let name = mod_file.display().to_string();
        let text = match read_file(mod_file, limits::MOD_FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(reason) => return Err(Failure::Read { name, reason }),
        };
        let list = ModFile::parse(&text).map_err(|errors| show(&name, &errors))?;
        let directory = mod_file.parent().unwrap_or(Path::new("")).to_owned();
        let mut files = Vec::new();
        let mut unreadable = Vec::new();
        let mut bytes = 0_usize;
        for (index, path) in list.paths().enumerate() {
            match read_file(&directory.join(path), limits::MODEL_SOURCE_BYTES_MAX) {
                Ok(text) => {
                    bytes = bytes.saturating_add(text.len());
                    files.push((path.into(), text));
                }
                Err(reason) => unreadable.push((index, format!("the file cannot be read: {reason}"))),
            }
            if bytes > limits::MODULES_BYTES_MAX {
                // Enough for it to be said that they are too long.
                break;
            }
        }
        match list.refuse(unreadable) {
            Some(errors) => Err(show(&name, &errors)),
            None => Ok(GivenModel { name, form: Form::Modules(Self { directory, files }) }),
        }
    }

    fn texts(&self) -> Vec<ModuleText<'_>> {
        self.files.iter().map(|(path, text)| ModuleText { path, text }).collect()
    }

    fn shown(
        &self,
        outcome: Result<AuthorizationModel, ModuleDiagnostics>,
    ) -> Result<AuthorizationModel, Failure> {
        outcome.map_err(|errors| {
            let shown = errors.files().map(|(path, errors)| render(&self.directory.join(path), errors));
            Failure::Model { rendered: shown.collect() }
        })
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn show(name: &str, errors: &Diagnostics) -> Failure {
    Failure::Model { rendered: render(Path::new(name), errors) }
}

fn render(file: &Path, errors: &Diagnostics) -> String {
    let colored = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    errors.render(&file.display().to_string(), colored)
}

fn read_file(path: &Path, bytes_max: usize) -> io::Result<String> {
    std::fs::File::open(path).and_then(|file| read_bounded(file, bytes_max))
}

/// One byte more than the parser takes is enough for it to say that the text is too long.
fn read_bounded(reader: impl Read, bytes_max: usize) -> io::Result<String> {
    let max = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    reader.take(max).read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // The bound may have cut a character in two.
        Err(error) if error.as_bytes().len() > bytes_max => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())),
    }
}
