//! The lexer: the cleaned text becomes tokens.
//!
//! The longest match wins, and among equals a keyword wins over a name, as in OpenFGA's lexer. A condition's header
//! has words of its own (`string`, `map`), so the lexer knows when it is in one. It never fails: a character that
//! starts no token is reported and skipped.

use std::ops::Range;

use super::token::{Kind, Token};

/// Tokens, and the parts of the text that are none.
pub(super) struct Lexed {
    /// Ends with one [`Kind::End`].
    pub(super) tokens: Vec<Token>,
    /// What could not be read.
    pub(super) unreadable: Vec<Range<usize>>,
}

/// Splits the cleaned text into tokens.
pub(super) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        text,
        at: 0,
        in_header: false,
        body_follows: false,
        balanced: true,
        lexed: Vec::new(),
        bad: Vec::new(),
    };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.push(Kind::End, 0);
    Lexed { tokens: lexer.lexed, unreadable: lexer.bad }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Between the word `condition` and the `)` of its parameters.
    in_header: bool,
    /// After that `)`, before the expression's `{`.
    body_follows: bool,
    /// Cleared by the first expression whose braces do not pair up: looking ahead for the end of each following one
    /// too would make the time quadratic.
    balanced: bool,
    lexed: Vec<Token>,
    bad: Vec<Range<usize>>,
}

/// What the text starts with.
enum Lexeme {
    Token(Kind, usize),
    /// `//` to the end of the line, inside an expression.
    Comment(usize),
    /// No token: skip so many bytes.
    Unreadable(usize),
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.lexed.push(Token { kind, start: self.at, end: self.at + length });
        self.at += length;
    }

    fn take(&mut self, lexeme: Lexeme) {
        match lexeme {
            Lexeme::Token(kind, length) => self.push(kind, length),
            Lexeme::Comment(length) => self.at += length,
            Lexeme::Unreadable(length) => {
                self.bad.push(self.at..self.at + length);
                self.at += length;
            }
        }
    }

    fn step(&mut self) {
        if self.in_header {
            let lexeme = header_lexeme(self.rest());
            if matches!(lexeme, Lexeme::Token(Kind::RightParen, _)) {
                self.in_header = false;
                self.body_follows = true;
            }
            return self.take(lexeme);
        }
        let lexeme = lexeme(self.rest());
        match lexeme {
            Lexeme::Token(Kind::Condition, _) => {
                self.in_header = true;
                self.body_follows = false;
            }
            Lexeme::Token(Kind::LeftBrace, length) if self.body_follows => {
                self.body_follows = false;
                self.push(Kind::LeftBrace, length);
                return self.body();
            }
            Lexeme::Token(Kind::Whitespace | Kind::Newline, _) => {}
            _ => self.body_follows = false,
        }
        self.take(lexeme);
    }

    /// Reads an expression up to the brace that pairs with its first. If there is none it reads nothing, and the
    /// expression ends at the first `}`.
    fn body(&mut self) {
        if !self.balanced {
            return;
        }
        let (start, tokens, unreadable) = (self.at, self.lexed.len(), self.bad.len());
        let mut open = 1_usize;
        while self.at < self.text.len() {
            let lexeme = match lexeme(self.rest()) {
                Lexeme::Token(Kind::LeftBrace, length) => {
                    open += 1;
                    Lexeme::Token(Kind::Cel, length)
                }
                Lexeme::Token(Kind::RightBrace, length) => {
                    open -= 1;
                    if open == 0 {
                        return;
                    }
                    Lexeme::Token(Kind::Cel, length)
                }
                other => other,
            };
            self.take(lexeme);
        }
        self.balanced = false;
        self.at = start;
        self.lexed.truncate(tokens);
        self.bad.truncate(unreadable);
    }
}

/// The lexeme at the start of `text`, which is not empty, inside a condition's header.
fn header_lexeme(text: &str) -> Lexeme {
    if let Some(space) = space(text) {
        return space;
    }
    let kind = match text.bytes().next() {
        Some(b'(') => Kind::LeftParen,
        Some(b')') => Kind::RightParen,
        Some(b'<') => Kind::Less,
        Some(b'>') => Kind::Greater,
        Some(b':') => Kind::Colon,
        Some(b',') => Kind::Comma,
        _ => {
            let length = identifier(text);
            return match text.get(..length).unwrap_or_default() {
                "" => Lexeme::Unreadable(first_character(text)),
                "map" | "list" => Lexeme::Token(Kind::ParameterContainer, length),
                "bool" | "string" | "int" | "uint" | "double" | "duration" | "timestamp" | "ipaddress" => {
                    Lexeme::Token(Kind::ParameterType, length)
                }
                _ => Lexeme::Token(Kind::Identifier, length),
            };
        }
    };
    Lexeme::Token(kind, 1)
}

/// The lexeme at the start of `text`, which is not empty.
fn lexeme(text: &str) -> Lexeme {
    if let Some(space) = space(text) {
        return space;
    }
    if text.starts_with("//") {
        return Lexeme::Comment(text.find('\n').unwrap_or(text.len()));
    }
    let name = word(text);
    let literal = literal(text);
    match (name, literal) {
        (Some((_, name)), Some(Lexeme::Token(kind, length))) if length > name => Lexeme::Token(kind, length),
        (Some((kind, length)), _) => Lexeme::Token(kind, length),
        (None, Some(literal)) => literal,
        (None, None) => symbol(text),
    }
}

/// White space, or a run of it with at least one line break.
fn space(text: &str) -> Option<Lexeme> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\u{c}' | '\r' | '\n');
    let length = text.find(|c| !is_space(c)).unwrap_or(text.len());
    let run = text.get(..length).filter(|run| !run.is_empty())?;
    Some(Lexeme::Token(if run.contains(['\n', '\r']) { Kind::Newline } else { Kind::Whitespace }, length))
}

/// A keyword or a name, with its length.
fn word(text: &str) -> Option<(Kind, usize)> {
    const BUT_NOT: &str = "but not";
    let plain = identifier(text);
    if plain == 0 {
        return None;
    }
    let extended = extended_identifier(text);
    if text.starts_with(BUT_NOT) && plain.max(extended) < BUT_NOT.len() {
        return Some((Kind::ButNot, BUT_NOT.len()));
    }
    if extended > plain {
        return Some((Kind::ExtendedIdentifier, extended));
    }
    let kind = match text.get(..plain).unwrap_or_default() {
        "and" => Kind::And,
        "or" => Kind::Or,
        "from" => Kind::From,
        "with" => Kind::With,
        "module" => Kind::Module,
        "model" => Kind::Model,
        "schema" => Kind::Schema,
        "extend" => Kind::Extend,
        "type" => Kind::Type,
        "relations" => Kind::Relations,
        "relation" => Kind::Relation,
        "define" => Kind::Define,
        "condition" => Kind::Condition,
        "in" | "true" | "false" | "null" => Kind::Cel,
        _ => Kind::Identifier,
    };
    Some((kind, plain))
}

/// Length of the name at the start: a letter or `_`, then letters, digits, `_` and `-`.
fn identifier(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(text.len())
}

/// Length of the extended name at the start: as a name, with single `/`, `.` and `-` between its parts.
fn extended_identifier(text: &str) -> usize {
    if identifier(text) == 0 {
        return 0;
    }
    let mut length = 0;
    let mut joint = false;
    for (at, character) in text.char_indices() {
        match character {
            '/' | '.' | '-' if !joint => joint = true,
            c if c.is_ascii_alphanumeric() || c == '_' => {
                joint = false;
                length = at + 1;
            }
            _ => break,
        }
    }
    length
}

/// A number or a string.
fn literal(text: &str) -> Option<Lexeme> {
    number(text).or_else(|| string(text))
}

/// Length of the run of characters at the start that satisfy `is`.
fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

fn number(text: &str) -> Option<Lexeme> {
    let tail = |from: usize| text.get(from..).unwrap_or_default();
    let whole = run(text, |c| c.is_ascii_digit());
    let fraction = tail(whole).strip_prefix('.').map_or(0, |rest| run(rest, |c| c.is_ascii_digit()));
    if whole == 0 && fraction == 0 {
        return None;
    }
    if let Some(rest) = text.strip_prefix("0x") {
        let digits = run(rest, |c| c.is_ascii_hexdigit());
        if digits > 0 {
            let unsigned = rest.get(digits..).unwrap_or_default().starts_with(['u', 'U']);
            return Some(Lexeme::Token(Kind::Cel, 2 + digits + usize::from(unsigned)));
        }
    }
    let mantissa = if fraction > 0 { whole + 1 + fraction } else { whole };
    let exponent = exponent(tail(mantissa));
    if exponent > 0 {
        return Some(Lexeme::Token(Kind::Cel, mantissa + exponent));
    }
    if fraction > 0 && whole > 0 {
        return Some(Lexeme::Token(Kind::SchemaVersion, mantissa));
    }
    let unsigned = fraction == 0 && tail(mantissa).starts_with(['u', 'U']);
    Some(Lexeme::Token(Kind::Cel, mantissa + usize::from(unsigned)))
}

fn exponent(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let sign = usize::from(rest.starts_with(['+', '-']));
    let digits = run(rest.get(sign..).unwrap_or_default(), |c| c.is_ascii_digit());
    if digits > 0 { 1 + sign + digits } else { 0 }
}

/// A string: quoted once or three times, with `b` (bytes) and `r` (raw) before it.
fn string(text: &str) -> Option<Lexeme> {
    let bytes = usize::from(text.starts_with(['b', 'B']) && !text.is_empty());
    let after_bytes = text.get(bytes..).unwrap_or_default();
    let raw = after_bytes.starts_with(['r', 'R']);
    let prefix = bytes + usize::from(raw);
    let quoted = text.get(prefix..).unwrap_or_default();
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let triple = if quote == '"' { "\"\"\"" } else { "'''" };
    if let Some(rest) = quoted.strip_prefix(triple)
        && let Some(length) = closed(rest, triple, raw, true)
    {
        return Some(Lexeme::Token(Kind::Cel, prefix + 3 + length));
    }
    let single = triple.get(..1).unwrap_or_default();
    let rest = quoted.get(1..).unwrap_or_default();
    match closed(rest, single, raw, false) {
        Some(length) => Some(Lexeme::Token(Kind::Cel, prefix + 1 + length)),
        // With a prefix the text starts with a name, which is read instead.
        None if prefix > 0 => None,
        None => {
            let length = run(rest, |c| !matches!(c, '\n' | '\r'));
            let next = rest.get(length..).map_or(0, first_character);
            Some(Lexeme::Unreadable(1 + length + next))
        }
    }
}

/// Length of a string's content up to and with the closing `quote`.
fn closed(text: &str, quote: &str, raw: bool, many_lines: bool) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at + quote.len());
        }
        let character = rest.chars().next()?;
        if !many_lines && matches!(character, '\n' | '\r') {
            return None;
        }
        at += if character == '\\' && !raw { 1 + escape(rest.get(1..)?)? } else { character.len_utf8() };
    }
}

/// Length of the escape sequence whose `\` was read.
fn escape(text: &str) -> Option<usize> {
    let hex = |digits: usize| {
        let found = run(text.get(1..)?, |c| c.is_ascii_hexdigit());
        (found >= digits).then_some(1 + digits)
    };
    match text.bytes().next()? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => Some(1),
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => {
            let octal = |c: char| ('0'..='7').contains(&c);
            (run(text.get(1..3)?, octal) == 2).then_some(3)
        }
        _ => None,
    }
}

fn symbol(text: &str) -> Lexeme {
    let two = text.get(..2).unwrap_or_default();
    if matches!(two, "==" | "!=" | "<=" | ">=" | "&&" | "||") {
        return Lexeme::Token(Kind::Cel, 2);
    }
    let kind = match text.bytes().next() {
        Some(b'#') => Kind::Hash,
        Some(b':') => Kind::Colon,
        Some(b',') => Kind::Comma,
        Some(b'<') => Kind::Less,
        Some(b'>') => Kind::Greater,
        Some(b'[') => Kind::LeftBracket,
        Some(b']') => Kind::RightBracket,
        Some(b'{') => Kind::LeftBrace,
        Some(b'}') => Kind::RightBrace,
        Some(b'(') => Kind::LeftParen,
        Some(b')') => Kind::RightParen,
        Some(b'*') => Kind::Star,
        Some(b'.' | b'-' | b'!' | b'?' | b'+' | b'/' | b'%') => Kind::Cel,
        // Half of a symbol: what stands where the other half should be is skipped with it.
        Some(b'=' | b'&' | b'|') => {
            return Lexeme::Unreadable(1 + text.get(1..).map_or(0, first_character));
        }
        _ => return Lexeme::Unreadable(first_character(text)),
    };
    Lexeme::Token(kind, 1)
}

/// Length of the first character; 0 if there is none.
fn first_character(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(Kind, &str)]) {
        let lexed = lex(text);
        let found: Vec<_> = lexed.tokens.iter().map(|t| (t.kind, &text[t.start..t.end])).collect();
        let mut expect = expect.to_vec();
        expect.push((Kind::End, ""));
        assert_eq!(found, expect);
    }

    #[test]
    fn the_longest_match_wins_and_keywords_win_ties() {
        use Kind::*;
        check(
            "type types but not a.b a--b",
            &[
                (Type, "type"),
                (Whitespace, " "),
                (Identifier, "types"),
                (Whitespace, " "),
                (ButNot, "but not"),
                (Whitespace, " "),
                (ExtendedIdentifier, "a.b"),
                (Whitespace, " "),
                (Identifier, "a--b"),
            ],
        );
        check(
            "1.1 1.1e3 12u 0xFFu .5",
            &[
                (SchemaVersion, "1.1"),
                (Whitespace, " "),
                (Cel, "1.1e3"),
                (Whitespace, " "),
                (Cel, "12u"),
                (Whitespace, " "),
                (Cel, "0xFFu"),
                (Whitespace, " "),
                (Cel, ".5"),
            ],
        );
    }

    #[test]
    fn a_line_break_takes_the_space_around_it() {
        check("a \n\n  b", &[(Kind::Identifier, "a"), (Kind::Newline, " \n\n  "), (Kind::Identifier, "b")]);
    }

    #[test]
    fn braces_pair_inside_an_expression() {
        use Kind::*;
        check(
            r#"condition c(){{"}":r'\'}// }"#,
            &[
                (Condition, "condition"),
                (Whitespace, " "),
                (Identifier, "c"),
                (LeftParen, "("),
                (RightParen, ")"),
                (LeftBrace, "{"),
                (LeftBrace, "{"),
                (Cel, r#""}""#),
                (Colon, ":"),
                (Cel, r"r'\'"),
                (RightBrace, "}"),
            ],
        );
        check(
            "condition c(){{}}",
            &[
                (Condition, "condition"),
                (Whitespace, " "),
                (Identifier, "c"),
                (LeftParen, "("),
                (RightParen, ")"),
                (LeftBrace, "{"),
                (Cel, "{"),
                (Cel, "}"),
                (RightBrace, "}"),
            ],
        );
    }

    #[test]
    fn what_is_no_token_is_reported() {
        let bad = |text| lex(text).unreadable.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>();
        assert_eq!(bad("a @b"), [(2, 3)]);
        assert_eq!(bad("ä"), [(0, 2)]);
        assert_eq!(bad("\"abc"), [(0, 4)]);
        assert_eq!(bad("\0"), [(0, 1)]);
        assert_eq!(bad("a = b"), [(2, 4)]);
    }
}
