//! The syntax: a text becomes a model, or errors with their places.
//!
//! [`lexer`] splits the text, [`grammar`] says what it may look like, [`automaton`] makes that quick to ask, [`parser`]
//! reads the text with the look-ahead of [`predict`], and [`lower`] builds the model. Whether the model makes sense is decided elsewhere.

mod automaton;
mod grammar;
mod lexer;
mod lower;
mod parser;
mod predict;
mod spans;
mod token;

use std::collections::BTreeSet;

pub(super) use lower::{Header, Lowered};
pub(super) use spans::Span;

use self::parser::SyntaxError;
use self::token::{Kind, KindSet, Token};
use super::source::Source;
use crate::model::limits;

/// An error of syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The bytes of the cleaned text.
    pub(super) span: Span,
    pub(super) extent: Extent,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// How many columns an error takes, as OpenFGA's tools count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those of its characters.
    Span,
    /// None: what cannot be read is no token.
    Unreadable,
    /// The end of the text has no characters, but a name.
    End,
}

/// Reads a text. The model is complete only if there are no problems.
pub(super) fn read(source: &Source<'_>) -> (Lowered, Vec<Problem>) {
    let lexed = lexer::lex(source.cleaned());
    let tokens = &lexed.tokens;
    let mut problems: Vec<Problem> = lexed
        .unreadable
        .iter()
        .take(limits::DIAGNOSTICS_MAX)
        .map(|r| Problem {
            extent: Extent::Unreadable,
            ..problem(r.clone(), unreadable(source.slice(r.clone())))
        })
        .collect();
    if let Some(deep) = too_deep(tokens) {
        let message = format!("parentheses are nested more than {} deep", limits::REWRITE_DEPTH_MAX);
        problems.push(problem(deep.start..deep.end, message));
        let empty = lexer::lex("");
        let (tree, _) = parser::parse(&empty.tokens, 0);
        return (lower::lower(source, &empty.tokens, &tree), problems);
    }
    let (tree, errors) = parser::parse(tokens, limits::DIAGNOSTICS_MAX);
    let reader = Reader { source, tokens };
    problems.extend(errors.iter().map(|e| reader.describe(e)));
    let mut lowered = lower::lower(source, tokens, &tree);
    for (span, message) in std::mem::take(&mut lowered.problems) {
        problems.push(problem(span, message));
    }
    problems.sort_by_key(|p| p.span.start);
    (lowered, problems)
}

fn problem(span: Span, message: String) -> Problem {
    Problem { span, extent: Extent::Span, message, help: None }
}

fn unreadable(text: &str) -> String {
    if text.starts_with(['"', '\'']) {
        "the string is not closed".into()
    } else {
        format!(
            "unexpected character {}",
            quote(text.get(..text.chars().next().map_or(0, char::len_utf8)).unwrap_or(""))
        )
    }
}

/// User input in backticks, shortened, without characters that would disturb a terminal.
pub(super) fn quote(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    let mut quoted = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == CHARACTERS_MAX {
            quoted.push('…');
            break;
        }
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    quoted.push('`');
    quoted
}

/// The first parenthesis of a definition that is nested too deep. Those of an expression do not count.
fn too_deep(tokens: &[Token]) -> Option<Token> {
    let mut depth = 0_usize;
    let mut in_definition = true;
    tokens.iter().copied().find(|token| {
        match token.kind {
            Kind::Define | Kind::Condition => {
                in_definition = token.kind == Kind::Define;
                depth = 0;
            }
            Kind::LeftParen if in_definition => depth += 1,
            Kind::RightParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limits::REWRITE_DEPTH_MAX
    })
}

/// Puts errors into words.
struct Reader<'a> {
    source: &'a Source<'a>,
    tokens: &'a [Token],
}

impl Reader<'_> {
    fn kind(&self, at: usize) -> Kind {
        self.tokens.get(at).map_or(Kind::End, |t| t.kind)
    }

    fn describe(&self, error: &SyntaxError) -> Problem {
        let end = self.source.cleaned().len();
        let token = self.tokens.get(error.at).copied().unwrap_or(Token { kind: Kind::End, start: end, end });
        let text = |token: Token| quote(self.source.slice(token.start..token.end));
        // Space that should not be there is there for the sake of what follows it.
        let next = self.tokens.get(error.at + 1).filter(|t| !matches!(t.kind, Kind::Newline | Kind::End));
        let found = match (token.kind, next) {
            (Kind::Whitespace, Some(&next)) if !error.missing => text(next),
            (Kind::Whitespace | Kind::Newline | Kind::End, _) => token.kind.describe().to_owned(),
            _ => text(token),
        };
        let expected = expected(error.expected);
        let message = match (error.missing, expected) {
            (_, None) => format!("unexpected {found}"),
            (false, Some(expected)) => format!("unexpected {found}, expected {expected}"),
            (true, Some(expected)) => format!("missing {expected} before {found}"),
        };
        Problem {
            span: token.start..token.end,
            extent: if token.kind == Kind::End { Extent::End } else { Extent::Span },
            message,
            help: self.help(error.at).map(Into::into),
        }
    }

    /// Advice for what people write most often by mistake.
    fn help(&self, at: usize) -> Option<&'static str> {
        let before = |n: usize| at.checked_sub(n).map(|i| self.kind(i));
        match self.kind(at) {
            Kind::Whitespace if matches!(self.kind(at + 1), Kind::And | Kind::Or | Kind::ButNot) => {
                Some("operators of different kinds need parentheses: `(a and b) or c`")
            }
            Kind::LeftBracket if matches!(before(2), Some(Kind::And | Kind::Or | Kind::ButNot)) => {
                Some("a type restriction comes first in a definition: `[user] or editor`")
            }
            Kind::RightBracket if matches!(before(1), Some(Kind::LeftBracket | Kind::Whitespace)) => {
                Some("a type restriction names at least one type: `[user]`")
            }
            Kind::Define => Some("the relations of a type follow a line `relations`"),
            Kind::Type if before(1).is_none() => {
                Some("a model starts with a line `model` and a line `schema 1.1`")
            }
            Kind::ParameterContainer | Kind::RightParen if before(1) == Some(Kind::Less) => {
                Some("containers hold plain types: `map<string>`")
            }
            _ => None,
        }
    }
}

/// A list of what was expected, if it is short enough to help. White space is named only where nothing else is.
fn expected(set: KindSet) -> Option<String> {
    const ALTERNATIVES_MAX: usize = 6;
    let all = [
        Kind::Model,
        Kind::Module,
        Kind::Schema,
        Kind::SchemaVersion,
        Kind::Type,
        Kind::Extend,
        Kind::Relations,
        Kind::Relation,
        Kind::Define,
        Kind::Condition,
        Kind::Identifier,
        Kind::ParameterType,
        Kind::ParameterContainer,
        Kind::LeftBracket,
        Kind::LeftParen,
        Kind::LeftBrace,
        Kind::Colon,
        Kind::Comma,
        Kind::Less,
        Kind::Greater,
        Kind::Hash,
        Kind::Star,
        Kind::And,
        Kind::Or,
        Kind::ButNot,
        Kind::From,
        Kind::With,
        Kind::RightBracket,
        Kind::RightParen,
        Kind::RightBrace,
    ];
    let layout = [Kind::Whitespace, Kind::Newline, Kind::End];
    // Where a name fits, the keywords that may serve as names would only make the list long.
    let is_name = set.contains(Kind::Identifier);
    let as_name = |k: Kind| {
        is_name
            && matches!(
                k,
                Kind::Model | Kind::Module | Kind::Schema | Kind::Type | Kind::Extend | Kind::Relation
            )
    };
    let mut words: Vec<_> = all
        .iter()
        .filter(|&&k| set.contains(k) && !as_name(k) && k != Kind::Hash)
        .map(|k| k.describe())
        .collect();
    if words.is_empty() {
        words = layout.iter().filter(|&&k| set.contains(k)).map(|k| k.describe()).collect();
    }
    let unique: BTreeSet<_> = words.iter().collect();
    if words.len() > ALTERNATIVES_MAX || unique.len() < words.len() {
        return None;
    }
    let last = words.pop()?;
    Some(if words.is_empty() { last.to_owned() } else { format!("{} or {last}", words.join(", ")) })
}
