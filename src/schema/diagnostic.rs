//! Errors with their places in a text, and how they are shown to people.
//!
//! A diagnostic holds what is wrong and where; it is made by the parts that know the language. This file only counts,
//! sorts and draws. It must never fail, whatever the text is.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::source::Location;
use crate::model::limits;

/// One error in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    help: Option<String>,
    location: Location,
}

impl Diagnostic {
    pub(super) fn new(location: Location, message: String, help: Option<String>) -> Self {
        Self { message, help, location }
    }

    /// What is wrong: lower case, no final period, user input in backticks.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if that can be guessed.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.location.line + 1
    }

    /// The column of the first character, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.location.columns.start + 1
    }

    /// The line, from 0.
    #[must_use]
    pub fn line_index(&self) -> usize {
        self.location.line
    }

    /// The characters of the line, from 0, the end exclusive. The end counts every character of what is meant: it
    /// lies behind the line's end where that goes on to the next line, and the end of the text counts as five
    /// characters, both as in OpenFGA's tools.
    #[must_use]
    pub fn column_range(&self) -> Range<usize> {
        self.location.columns.clone()
    }

    /// The bytes of the text, all on one line; empty where nothing can be pointed at.
    #[must_use]
    pub fn byte_range(&self) -> Range<usize> {
        self.location.bytes.clone()
    }
}

/// The errors in a text, in the order of their places; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    source: Box<str>,
    found: Vec<Diagnostic>,
    /// How many more there are than are kept.
    left_out: usize,
}

impl Diagnostics {
    pub(super) fn new(source: &str, mut found: Vec<Diagnostic>) -> Self {
        found.sort_by(|a, b| {
            let key = |d: &Diagnostic| (d.location.line, d.location.columns.start);
            key(a).cmp(&key(b))
        });
        let left_out = found.len().saturating_sub(limits::DIAGNOSTICS_MAX);
        found.truncate(limits::DIAGNOSTICS_MAX);
        Self { source: source.into(), found, left_out }
    }

    /// The errors, in the order of their places; at most [`limits::DIAGNOSTICS_MAX`].
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// The text they are about.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How many errors were found beyond those that are kept.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// All errors with the lines they are in, for people; `name` is what to call the text.
    #[must_use]
    pub fn render(&self, name: &str, colored: bool) -> String {
        let renderer = if colored { Renderer::styled() } else { Renderer::plain() };
        let mut rendered = String::new();
        for diagnostic in &self.found {
            rendered.push_str(&self.render_one(diagnostic, name, &renderer));
            rendered.push_str("\n\n");
        }
        if self.left_out > 0 {
            rendered.push_str(&format!("and {} more errors\n", self.left_out));
        }
        rendered
    }

    fn render_one(&self, diagnostic: &Diagnostic, name: &str, renderer: &Renderer) -> String {
        const LINE_BYTES_MAX: usize = 1000;
        let bytes = diagnostic.byte_range();
        let before = self.source.get(..bytes.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.source.get(start..).unwrap_or_default().split('\n').next().unwrap_or_default();
        let line = line.trim_end_matches('\r');
        let within = |byte: usize| line.ceil_char_boundary(byte.saturating_sub(start).min(line.len()));
        // The place of something missing is one byte wide, whatever stands there.
        let span = within(bytes.start)..within(bytes.end);
        // A line that nobody could read on a screen is not shown, nor one that would disturb the screen.
        if line.len() > LINE_BYTES_MAX || line.chars().any(|c| c.is_control() && c != '\t') {
            let help = diagnostic.help().map(|h| format!("\n  = help: {h}")).unwrap_or_default();
            return format!(
                "error: {}\n --> {name}:{}:{}{help}",
                diagnostic.message,
                diagnostic.line(),
                diagnostic.column()
            );
        }
        let snippet = Snippet::source(line)
            .line_start(diagnostic.line())
            .path(name)
            .annotation(AnnotationKind::Primary.span(span));
        let mut group = Level::ERROR.primary_title(diagnostic.message()).element(snippet);
        if let Some(help) = diagnostic.help() {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostics {
    /// One line for each: `line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, diagnostic) in self.found.iter().enumerate() {
            let separator = if count == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: {}", diagnostic.line(), diagnostic.column(), diagnostic.message)?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more errors", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
