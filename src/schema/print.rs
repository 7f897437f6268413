//! From a model to its text.
//!
//! The layout is that of OpenFGA's tools. What was read from a text and is printed reads back as the same model; the
//! exceptions are a module's origins, which become comments. Nothing is checked here beyond what the language can
//! express at all.

use std::fmt::Write;

use thiserror::Error;

use super::{Diagnostics, check_syntax};
use crate::model::{
    AuthorizationModel, Condition, Origin, ParameterType, RelationDefinition, RestrictionKind, Rewrite,
    SchemaVersion, TypeDefinition, TypeRestriction, limits,
};

/// The language has no words for a model that the JSON form can hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrintError {
    /// Type restrictions can stand only once, first in a definition.
    #[error(
        "the relation `{relation}` of `{type_name}` has type restrictions where the language allows none"
    )]
    Restrictions {
        /// The relation's type.
        type_name: String,
        /// The relation.
        relation: String,
    },
    /// Operators are nested too deep.
    #[error("the operators of the relation `{relation}` of `{type_name}` are nested too deep")]
    Depth {
        /// The relation's type.
        type_name: String,
        /// The relation.
        relation: String,
    },
    /// A name or an expression is none in the language: the JSON form takes a type named `{user`.
    #[error("the language cannot express `{line}`: {reason}")]
    Unreadable {
        /// The line that would have been printed.
        line: String,
        /// Why it cannot be read.
        reason: String,
    },
}

/// The model's text, with a line break at the end. Types, relations and conditions keep their order, except that those
/// of a modular model are grouped by module.
///
/// # Errors
/// The first part that the language cannot express: what is printed can be read.
pub fn print(model: &AuthorizationModel) -> Result<String, PrintError> {
    let version = match model.schema_version {
        SchemaVersion::V1_1 => "1.1",
        SchemaVersion::V1_2 => "1.2",
    };
    let mut text = format!("model\n  schema {version}\n");
    let is_modular = model.types.iter().any(|t| t.origin.module.is_some());
    for definition in by_module(&model.types, is_modular, |t| (&t.origin, &t.name)) {
        text.push('\n');
        text.push_str("type ");
        text.push_str(&definition.name);
        text.push_str(&origin_comment(&definition.origin, ""));
        if !definition.relations.is_empty() {
            text.push_str("\n  relations");
        }
        for relation in by_module(&definition.relations, is_modular, |r| (&r.origin, &r.name)) {
            text.push('\n');
            text.push_str(&print_relation(definition, relation)?);
        }
        text.push('\n');
    }
    let is_modular = model.conditions.iter().any(|c| c.origin.module.is_some());
    for condition in by_module(&model.conditions, is_modular, |c| (&c.origin, &c.name)) {
        text.push('\n');
        text.push_str(&print_condition(condition));
    }
    match check_syntax(&text) {
        Ok(()) => Ok(text),
        Err(found) => Err(unreadable(&text, &found)),
    }
}

fn unreadable(text: &str, found: &Diagnostics) -> PrintError {
    let first = found.iter().next();
    let line = first.and_then(|first| text.lines().nth(first.line_index())).unwrap_or_default();
    let reason = first.map(|first| first.message().to_owned()).unwrap_or_default();
    PrintError::Unreadable { line: line.trim().to_owned(), reason }
}

/// The items in the order in which to print them: with modules, those without one first, then by module, file, name.
fn by_module<T>(items: &[T], is_modular: bool, key: impl Fn(&T) -> (&Origin, &str)) -> Vec<&T> {
    let mut sorted: Vec<&T> = items.iter().collect();
    if is_modular {
        sorted.sort_by(|a, b| {
            let ((a_origin, a_name), (b_origin, b_name)) = (key(a), key(b));
            (&a_origin.module, &a_origin.file, a_name).cmp(&(&b_origin.module, &b_origin.file, b_name))
        });
    }
    sorted
}

/// What to put behind a definition of a modular model, so that the reader sees where it came from.
fn origin_comment(origin: &Origin, by: &str) -> String {
    if origin.module.is_none() && origin.file.is_none() {
        return String::new();
    }
    // A line break would end the comment.
    let part = |part: &Option<Box<str>>| part.as_deref().unwrap_or_default().escape_debug().to_string();
    format!(" #{by} module: {}, file: {}", part(&origin.module), part(&origin.file))
}

fn print_relation(definition: &TypeDefinition, relation: &RelationDefinition) -> Result<String, PrintError> {
    let of = || (definition.name.to_string(), relation.name.to_string());
    let mut printer = Printer { restrictions: &relation.restrictions, text: String::new() };
    match printer.rewrite(&relation.rewrite, 1, true) {
        Ok(()) => {}
        Err(Unprintable::Restrictions) => {
            let (type_name, relation) = of();
            return Err(PrintError::Restrictions { type_name, relation });
        }
        Err(Unprintable::Depth) => {
            let (type_name, relation) = of();
            return Err(PrintError::Depth { type_name, relation });
        }
    }
    let comment = origin_comment(&relation.origin, " extended by:");
    Ok(format!("    define {}: {}{comment}", relation.name, printer.text))
}

enum Unprintable {
    Restrictions,
    Depth,
}

/// Prints one definition.
struct Printer<'a> {
    restrictions: &'a [TypeRestriction],
    text: String,
}

impl Printer<'_> {
    /// `first`: nothing of the definition stands before, so that type restrictions may.
    fn rewrite(&mut self, rewrite: &Rewrite, depth: usize, first: bool) -> Result<(), Unprintable> {
        if depth > limits::REWRITE_DEPTH_MAX + 1 {
            return Err(Unprintable::Depth);
        }
        match rewrite {
            Rewrite::This if !first => return Err(Unprintable::Restrictions),
            Rewrite::This => {
                let list: Vec<_> = self.restrictions.iter().map(print_restriction).collect();
                self.text.push_str(&format!("[{}]", list.join(", ")));
            }
            Rewrite::Computed(relation) => self.text.push_str(relation),
            Rewrite::TupleToUserset { tupleset, computed } => {
                self.text.push_str(&format!("{computed} from {tupleset}"));
            }
            Rewrite::Union(children) => self.operands(&direct_first(children), " or ", depth, first)?,
            Rewrite::Intersection(children) => {
                self.operands(&direct_first(children), " and ", depth, first)?
            }
            Rewrite::Difference { base, subtract } => {
                self.operands(&[&**base, &**subtract], " but not ", depth, first)?;
            }
        }
        Ok(())
    }

    fn operands(
        &mut self,
        operands: &[&Rewrite],
        operator: &str,
        depth: usize,
        first: bool,
    ) -> Result<(), Unprintable> {
        if depth > 1 {
            self.text.push('(');
        }
        for (count, operand) in operands.iter().enumerate() {
            if count > 0 {
                self.text.push_str(operator);
            }
            self.rewrite(operand, depth + 1, first && count == 0)?;
        }
        if depth > 1 {
            self.text.push(')');
        }
        Ok(())
    }
}

/// The operands with the type restrictions first, which in a union or intersection changes nothing.
fn direct_first(children: &[Rewrite]) -> Vec<&Rewrite> {
    let mut operands: Vec<&Rewrite> = children.iter().collect();
    if let Some(at) = operands.iter().position(|o| matches!(o, Rewrite::This)) {
        let direct = operands.remove(at);
        operands.insert(0, direct);
    }
    operands
}

fn print_restriction(restriction: &TypeRestriction) -> String {
    let mut text = restriction.type_name.to_string();
    match &restriction.kind {
        RestrictionKind::Object => {}
        RestrictionKind::Wildcard => text.push_str(":*"),
        // Writing to a string cannot fail.
        RestrictionKind::Userset(relation) => _ = write!(text, "#{relation}"),
    }
    if let Some(condition) = &restriction.condition {
        _ = write!(text, " with {condition}");
    }
    text
}

fn print_condition(condition: &Condition) -> String {
    let parameters: Vec<_> = condition
        .parameters
        .iter()
        .map(|p| format!("{}: {}", p.name, print_parameter(&p.parameter_type)))
        .collect();
    format!(
        "condition {}({}) {{\n  {}\n}}{}\n",
        condition.name,
        parameters.join(", "),
        condition.expression,
        origin_comment(&condition.origin, "")
    )
}

fn print_parameter(parameter: &ParameterType) -> String {
    match parameter {
        ParameterType::Any => "any".into(),
        ParameterType::Bool => "bool".into(),
        ParameterType::String => "string".into(),
        ParameterType::Int => "int".into(),
        ParameterType::Uint => "uint".into(),
        ParameterType::Double => "double".into(),
        ParameterType::Duration => "duration".into(),
        ParameterType::Timestamp => "timestamp".into(),
        ParameterType::IpAddress => "ipaddress".into(),
        ParameterType::Map(inner) => format!("map<{}>", print_parameter(inner)),
        ParameterType::List(inner) => format!("list<{}>", print_parameter(inner)),
    }
}
