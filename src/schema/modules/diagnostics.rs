//! Errors in several files.

use std::fmt;

use crate::schema::diagnostic::{Diagnostic, Diagnostics};

/// The errors in the files of a modular model, each with the file that it is in; never empty.
///
/// What concerns the model as a whole is told about [`MOD_FILE_NAME`](super::MOD_FILE_NAME), without a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDiagnostics {
    files: Vec<(Box<str>, Diagnostics)>,
}

impl ModuleDiagnostics {
    /// `files` have at least one error.
    pub(super) fn new(files: Vec<(Box<str>, Diagnostics)>) -> Self {
        Self { files }
    }

    /// The files that have errors, with them, in the order in which the files were given.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Diagnostics)> {
        self.files.iter().map(|(path, found)| (&**path, found))
    }

    /// Every error with its file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Diagnostic)> {
        self.files().flat_map(|(path, found)| found.iter().map(move |one| (path, one)))
    }
}

impl fmt::Display for ModuleDiagnostics {
    /// One line for each: `file:line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (path, one)) in self.iter().enumerate() {
            let separator = if count == 0 { "" } else { "\n" };
            write!(f, "{separator}{path}:{}:{}: {}", one.line(), one.column(), one.message())?;
        }
        for (path, found) in self.files().filter(|(_, found)| found.left_out() > 0) {
            write!(f, "\n{path}: and {} more errors", found.left_out())?;
        }
        Ok(())
    }
}

impl std::error::Error for ModuleDiagnostics {}
