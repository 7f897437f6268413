//! From a text to a model: syntax, then the rules, with the place of each violation in the text.
//!
//! This file joins the parts; it has no rule of its own except those about the first lines of a text.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::rules::{LeafPart, Place, RestrictionPart, Violation, validate_language};
use super::source::{Location, Source};
use super::syntax::{Extent, Header, Lowered, Span, Spans, read};
use crate::model::{AuthorizationModel, limits};

/// Reads a model and checks everything that OpenFGA's tools check in a text, and what its server would refuse.
///
/// # Errors
/// All errors found. With errors of syntax, only those: a model with gaps has too many followers of one mistake.
pub fn parse(text: &str) -> Result<AuthorizationModel, Diagnostics> {
    let (source, lowered) = parse_text(text)?;
    let at_start = |message: &str| {
        let diagnostic = Diagnostic::new(Location::default(), message.into(), None);
        Diagnostics::new(text, vec![diagnostic])
    };
    match &lowered.header {
        Header::Model(_) => {}
        Header::Missing => return Err(at_start("the schema version is missing")),
        Header::Module(_) => {
            return Err(at_start("this is a module: the schema version of its model is missing"));
        }
    }
    let violations = validate_language(&lowered.model);
    if violations.is_empty() {
        return Ok(lowered.model);
    }
    let place = |v: Violation| {
        let span = locate(&lowered.spans, v.place);
        let span = span.map(|span| narrow(&source, &lowered.model, v.place, span));
        let location = span.map(|s| source.locate(s)).unwrap_or_default();
        Diagnostic::new(location, v.message, v.help)
    };
    Err(Diagnostics::new(text, violations.into_iter().map(place).collect()))
}

/// A text as it was read, before any rule about what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The model, or a module's part of one.
    pub model: AuthorizationModel,
    /// The module's name, if the text is a module.
    pub module: Option<Box<str>>,
    /// Indices of the types that extend a type of another module, in ascending order.
    pub extensions: Vec<usize>,
}

/// Reads a model or a module, and checks its syntax and its schema version only. Names may refer to nothing.
///
/// # Errors
/// All errors of syntax, or the unknown schema version.
pub fn parse_unchecked(text: &str) -> Result<Unchecked, Diagnostics> {
    let (_, lowered) = parse_text(text)?;
    let module = match lowered.header {
        Header::Module(name) => Some(name),
        Header::Model(_) | Header::Missing => None,
    };
    Ok(Unchecked { model: lowered.model, module, extensions: lowered.extensions })
}

/// Checks the syntax of a text alone; even the schema version may be unknown.
///
/// # Errors
/// All errors of syntax.
pub fn check_syntax(text: &str) -> Result<(), Diagnostics> {
    read_text(text).map(|_| ())
}

/// Reads a text whose schema version, if it has one, is known.
pub(super) fn parse_text(text: &str) -> Result<(Source<'_>, Lowered), Diagnostics> {
    let (source, lowered) = read_text(text)?;
    if let (Header::Model(version), Some(span)) = (&lowered.header, &lowered.spans.version)
        && !matches!(&**version, "1.1" | "1.2")
    {
        let message = format!("the schema version `{version}` is not supported");
        let help = Some("write `schema 1.1`".into());
        let diagnostic = Diagnostic::new(source.locate(span.clone()), message, help);
        return Err(Diagnostics::new(text, vec![diagnostic]));
    }
    Ok((source, lowered))
}

fn read_text(text: &str) -> Result<(Source<'_>, Lowered), Diagnostics> {
    if text.len() > limits::MODEL_SOURCE_BYTES_MAX {
        let message = format!(
            "the text is {} bytes long; at most {} are read",
            text.len(),
            limits::MODEL_SOURCE_BYTES_MAX
        );
        return Err(Diagnostics::new("", vec![Diagnostic::new(Location::default(), message, None)]));
    }
    let source = Source::new(text);
    let (lowered, problems) = read(&source);
    if problems.is_empty() {
        return Ok((source, lowered));
    }
    // OpenFGA's tools write `<EOF>` for the end of a text and count it.
    const END_CHARACTERS: usize = "<EOF>".len();
    let mut found = Vec::with_capacity(problems.len());
    for problem in problems {
        let mut location = source.locate(problem.span);
        let columns = &mut location.columns;
        match problem.extent {
            Extent::Span => {}
            Extent::Unreadable => columns.end = columns.start,
            Extent::End => columns.end = columns.start + END_CHARACTERS,
        }
        found.push(Diagnostic::new(location, problem.message, problem.help));
    }
    Err(Diagnostics::new(text, found))
}

/// Where in the text a place of the model is.
pub(super) fn locate(spans: &Spans, place: Place) -> Option<Span> {
    let relation = |type_index: usize, index: usize| spans.types.get(type_index)?.relations.get(index);
    match place {
        Place::Model => None,
        Place::Type { type_index } => spans.types.get(type_index).map(|t| t.name.clone()),
        Place::Relation { type_index, relation_index } => {
            relation(type_index, relation_index).map(|r| r.name.clone())
        }
        Place::Restriction { type_index, relation_index, restriction_index, part } => {
            let restriction = relation(type_index, relation_index)?.restrictions.get(restriction_index)?;
            match part {
                RestrictionPart::Type => Some(restriction.type_name.clone()),
                RestrictionPart::Subject => Some(restriction.subject.clone()),
                RestrictionPart::Condition => restriction.condition.clone(),
            }
        }
        Place::Leaf { type_index, relation_index, leaf_index, part } => {
            let leaf = relation(type_index, relation_index)?.leaves.get(leaf_index)?;
            match part {
                LeafPart::Whole => Some(leaf.whole.clone()),
                LeafPart::Tupleset => leaf.tupleset.clone(),
            }
        }
        Place::Condition { condition_index } => spans.conditions.get(condition_index).map(|c| c.name.clone()),
        Place::Parameter { condition_index, parameter_index } => {
            spans.conditions.get(condition_index)?.parameters.get(parameter_index).cloned()
        }
        Place::Expression { condition_index } | Place::InExpression { condition_index, .. } => {
            spans.conditions.get(condition_index).map(|c| c.expression.clone())
        }
    }
}

/// The part of `span`, where the text of a place is, that the place means: of an expression, the word at the offset.
pub(super) fn narrow(source: &Source<'_>, model: &AuthorizationModel, place: Place, span: Span) -> Span {
    let Place::InExpression { condition_index, offset } = place else { return span };
    let expression = model.conditions.get(condition_index).map(|condition| &*condition.expression);
    let within = |expression| locate_in_expression(source, &span, expression, offset);
    expression.and_then(within).unwrap_or(span)
}

/// Where in the text an offset of an expression is: the word there, or the character. `None` if the text has comments in
/// the expression, which are not in the model.
fn locate_in_expression(source: &Source<'_>, span: &Span, expression: &str, offset: usize) -> Option<Span> {
    let text = source.slice(span.clone());
    let rest = expression.get(offset..)?;
    if text.trim() != expression || rest.is_empty() {
        return None;
    }
    let word: usize = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum();
    let length = if word == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { word };
    let start = span.start + (text.len() - text.trim_start().len()) + offset;
    Some(start..start + length)
}
