//! The texts of modules become one model.
//!
//! First all types and conditions are taken, then extensions add their relations, both in the order of the files. What
//! is there twice keeps its first definition, so that one mistake does not make others. The rules of models hold for
//! the whole; a violation is told in the file that has its place.

use std::collections::HashMap;

use super::diagnostics::ModuleDiagnostics;
use super::mod_file::MOD_FILE_NAME;
use crate::model::{AuthorizationModel, Condition, SchemaVersion, TypeDefinition, limits};
use crate::schema::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::read::{locate, narrow, parse_text};
use crate::schema::rules::{Place, Suggestions, Violation, check_names, validate_language};
use crate::schema::source::{Location, Source};
use crate::schema::syntax::{ConditionSpans, Header, Lowered, Span, Spans, TypeSpans};

/// The text of one file of a modular model.
#[derive(Debug, Clone, Copy)]
pub struct ModuleText<'a> {
    /// The file's path as `fga.mod` has it; it becomes the origin of what the file defines.
    pub path: &'a str,
    /// What stands in it.
    pub text: &'a str,
}

/// Joins the files of a modular model and checks everything that OpenFGA's tools check, and what its server would refuse.
///
/// # Errors
/// All errors found. With errors of syntax, or with definitions that conflict, those and what is wrong with names: a
/// model with gaps has too many followers of one mistake.
pub fn combine(files: &[ModuleText<'_>]) -> Result<AuthorizationModel, ModuleDiagnostics> {
    let mut joined = Joined::new(files)?;
    let violations =
        if joined.found.is_empty() { validate_language(&joined.model) } else { check_names(&joined.model) };
    for violation in violations {
        joined.violated(violation);
    }
    joined.finish()
}

/// [`combine`], but checks the syntax and what the files say of each other only. Names may refer to nothing.
///
/// # Errors
/// All errors of syntax, and all conflicts.
pub fn combine_unchecked(files: &[ModuleText<'_>]) -> Result<AuthorizationModel, ModuleDiagnostics> {
    Joined::new(files)?.finish()
}

/// The model so far, with the file of each of its parts, as an index into `files`. All lists mirror the model's.
struct Joined<'a> {
    files: &'a [ModuleText<'a>],
    /// Of each file, `None` where it has errors of syntax.
    sources: Vec<Option<Source<'a>>>,
    model: AuthorizationModel,
    spans: Spans,
    type_files: Vec<TypeFiles>,
    condition_files: Vec<usize>,
    type_indices: HashMap<Box<str>, usize>,
    condition_indices: HashMap<Box<str>, usize>,
    found: Vec<Found>,
    suggestions: Suggestions,
}

/// Where a type and each of its relations stand.
struct TypeFiles {
    own: usize,
    relations: Vec<usize>,
}

/// What is wrong.
enum Found {
    /// A file with errors of syntax.
    Syntax(usize, Diagnostics),
    /// An error in a file that can be read, or, without one, in the whole.
    Single(Option<usize>, Diagnostic),
}

/// A type that adds relations to one that is defined elsewhere.
struct Extension {
    file: usize,
    definition: TypeDefinition,
    spans: TypeSpans,
}

impl<'a> Joined<'a> {
    /// Reads and joins all files that can be read. What is wrong so far is in `found`.
    fn new(files: &'a [ModuleText<'a>]) -> Result<Self, ModuleDiagnostics> {
        check_size(files)?;
        let mut joined = Self {
            files,
            sources: Vec::with_capacity(files.len()),
            model: AuthorizationModel {
                schema_version: SchemaVersion::V1_2,
                types: Vec::new(),
                conditions: Vec::new(),
            },
            spans: Spans::default(),
            type_files: Vec::new(),
            condition_files: Vec::new(),
            type_indices: HashMap::new(),
            condition_indices: HashMap::new(),
            found: Vec::new(),
            suggestions: Suggestions::new(),
        };
        let mut extensions = Vec::new();
        for (index, file) in files.iter().enumerate() {
            match parse_text(file.text) {
                Ok((source, lowered)) => {
                    joined.sources.push(Some(source));
                    joined.file(index, lowered, &mut extensions);
                }
                Err(diagnostics) => {
                    joined.sources.push(None);
                    joined.found.push(Found::Syntax(index, diagnostics));
                }
            }
        }
        for extension in extensions {
            joined.extend(extension);
        }
        Ok(joined)
    }

    fn file(&mut self, file: usize, lowered: Lowered, extensions: &mut Vec<Extension>) {
        let Lowered { header, model, spans, extensions: extending, .. } = lowered;
        if !matches!(header, Header::Module(_)) {
            let message = "this file is a model of its own, not a module".into();
            let help = Some("start it with `module` and a name instead of `model` and `schema`".into());
            return self.tell(file, spans.version, message, help);
        }
        let types = model.types.into_iter().zip(spans.types);
        for (index, (mut definition, spans)) in types.enumerate() {
            let path = self.path(file);
            if extending.binary_search(&index).is_ok() {
                for relation in &mut definition.relations {
                    relation.origin.file = Some(path.into());
                }
                extensions.push(Extension { file, definition, spans });
            } else {
                definition.origin.file = Some(path.into());
                self.add_type(file, definition, spans);
            }
        }
        for (mut condition, spans) in model.conditions.into_iter().zip(spans.conditions) {
            condition.origin.file = Some(self.path(file).into());
            self.add_condition(file, condition, spans);
        }
    }

    fn add_type(&mut self, file: usize, definition: TypeDefinition, spans: TypeSpans) {
        let name = &definition.name;
        if let Some(first) = self.type_indices.get(name).and_then(|&index| self.type_files.get(index)) {
            let message = format!("the type `{name}` is already defined in `{}`", self.path(first.own));
            let help = Some(format!("write `extend type {name}` to add relations to it"));
            return self.tell(file, Some(spans.name), message, help);
        }
        self.type_indices.insert(name.clone(), self.model.types.len());
        self.type_files.push(TypeFiles { own: file, relations: vec![file; definition.relations.len()] });
        self.model.types.push(definition);
        self.spans.types.push(spans);
    }

    fn add_condition(&mut self, file: usize, condition: Condition, spans: ConditionSpans) {
        let name = &condition.name;
        if let Some(&first) = self.condition_indices.get(name).and_then(|&i| self.condition_files.get(i)) {
            let message = format!("the condition `{name}` is already defined in `{}`", self.path(first));
            return self.tell(file, Some(spans.name), message, None);
        }
        self.condition_indices.insert(name.clone(), self.model.conditions.len());
        self.condition_files.push(file);
        self.model.conditions.push(condition);
        self.spans.conditions.push(spans);
    }

    fn extend(&mut self, extension: Extension) {
        let Extension { file, definition, spans } = extension;
        let name = &definition.name;
        let Some(&index) = self.type_indices.get(name) else {
            let help = self.suggestions.nearest(name, self.model.types.iter().map(|t| &*t.name));
            let message = format!("the type `{name}` does not exist, so that it cannot be extended");
            return self.tell(file, Some(spans.name), message, help);
        };
        for (relation, spans) in definition.relations.into_iter().zip(spans.relations) {
            let (Some(extended), Some(extended_spans), Some(files)) = (
                self.model.types.get_mut(index),
                self.spans.types.get_mut(index),
                self.type_files.get_mut(index),
            ) else {
                return;
            };
            match extended.relations.iter().position(|earlier| earlier.name == relation.name) {
                None => {
                    extended.relations.push(relation);
                    extended_spans.relations.push(spans);
                    files.relations.push(file);
                }
                Some(at) => {
                    let first = files.relations.get(at).copied().map_or("", |first| self.path(first));
                    let message = format!(
                        "the relation `{}` of `{name}` is already defined in `{first}`",
                        relation.name
                    );
                    self.tell(file, Some(spans.name), message, None);
                }
            }
        }
    }

    fn path(&self, file: usize) -> &'a str {
        self.files.get(file).map_or("", |file| file.path)
    }

    /// Tells of an error in a file that could be read; without a span, at its start.
    fn tell(&mut self, file: usize, span: Option<Span>, message: String, help: Option<String>) {
        let source = self.sources.get(file).and_then(Option::as_ref);
        let location = source.zip(span).map(|(source, span)| source.locate(span)).unwrap_or_default();
        self.found.push(Found::Single(Some(file), Diagnostic::new(location, message, help)));
    }

    fn violated(&mut self, violation: Violation) {
        let Violation { place, message, help, .. } = violation;
        match self.file_of(place) {
            Some(file) => {
                let source = self.sources.get(file).and_then(Option::as_ref);
                let span = locate(&self.spans, place).zip(source);
                let span = span.map(|(span, source)| narrow(source, &self.model, place, span));
                self.tell(file, span, message, help);
            }
            None => {
                let diagnostic = Diagnostic::new(Location::default(), message, help);
                self.found.push(Found::Single(None, diagnostic));
            }
        }
    }

    /// The file that has a place of the model; none has the model as a whole.
    fn file_of(&self, place: Place) -> Option<usize> {
        match place {
            Place::Model => None,
            Place::Type { type_index } => self.type_files.get(type_index).map(|files| files.own),
            Place::Relation { type_index, relation_index }
            | Place::Restriction { type_index, relation_index, .. }
            | Place::Leaf { type_index, relation_index, .. } => {
                self.type_files.get(type_index)?.relations.get(relation_index).copied()
            }
            Place::Condition { condition_index }
            | Place::Parameter { condition_index, .. }
            | Place::Expression { condition_index }
            | Place::InExpression { condition_index, .. } => {
                self.condition_files.get(condition_index).copied()
            }
        }
    }

    fn finish(self) -> Result<AuthorizationModel, ModuleDiagnostics> {
        if self.found.is_empty() {
            return Ok(self.model);
        }
        let mut whole = Vec::new();
        let mut single: Vec<Vec<Diagnostic>> = self.files.iter().map(|_| Vec::new()).collect();
        let mut syntax: Vec<Option<Diagnostics>> = self.files.iter().map(|_| None).collect();
        for found in self.found {
            match found {
                Found::Syntax(file, diagnostics) => {
                    if let Some(slot) = syntax.get_mut(file) {
                        *slot = Some(diagnostics);
                    }
                }
                Found::Single(file, diagnostic) => {
                    file.and_then(|file| single.get_mut(file)).unwrap_or(&mut whole).push(diagnostic);
                }
            }
        }
        let whole = (!whole.is_empty()).then(|| (MOD_FILE_NAME.into(), Diagnostics::new("", whole)));
        let of_files = self.files.iter().zip(single.into_iter().zip(syntax));
        let of_files = of_files.filter_map(|(file, (single, syntax))| {
            let diagnostics =
                syntax.or_else(|| (!single.is_empty()).then(|| Diagnostics::new(file.text, single)))?;
            Some((Box::from(file.path), diagnostics))
        });
        Err(ModuleDiagnostics::new(whole.into_iter().chain(of_files).collect()))
    }
}

fn check_size(files: &[ModuleText<'_>]) -> Result<(), ModuleDiagnostics> {
    let bytes = files.iter().fold(0_usize, |sum, file| sum.saturating_add(file.text.len()));
    let message = if files.len() > limits::MODULE_FILES_MAX {
        format!("the model has {} files; at most {} are read", files.len(), limits::MODULE_FILES_MAX)
    } else if bytes > limits::MODULES_BYTES_MAX {
        format!("the model's files are {bytes} bytes long; at most {} are read", limits::MODULES_BYTES_MAX)
    } else {
        return Ok(());
    };
    let diagnostic = Diagnostic::new(Location::default(), message, None);
    Err(ModuleDiagnostics::new(vec![(MOD_FILE_NAME.into(), Diagnostics::new("", vec![diagnostic]))]))
}
