//! The lexer: an expression becomes tokens, the longest match first. White space and `//` comments are left out.

use super::error::Problem;

/// A token. Literals and names keep their text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Int(&'a str),
    Uint(&'a str),
    Double(&'a str),
    /// With its quotes and its `r`.
    String(&'a str),
    /// With its quotes and its `r`, without its `b`.
    Bytes(&'a str),
    Ident(&'a str),
    /// A name in backticks, without them.
    Quoted(&'a str),
    True,
    False,
    Null,
    In,
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":",
    "+", "*", "/", "%",
];

/// All tokens with their places, the last one being the end.
pub(super) fn lex(text: &str) -> Result<Vec<(Token<'_>, usize)>, Problem> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += blank_bytes(text.get(at..).unwrap_or_default());
        let rest = text.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            tokens.push((Token::End, at));
            return Ok(tokens);
        };
        let (token, bytes) = token(rest).map_err(|message| Problem::new(at, message))?.ok_or_else(|| {
            Problem::new(at, format!("Syntax error: token recognition error at: '{}'", first.escape_debug()))
        })?;
        tokens.push((token, at));
        at += bytes;
    }
}

/// Bytes of white space and comments at the start.
fn blank_bytes(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']);
        if !rest.starts_with("//") {
            return text.len() - rest.len();
        }
        rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
    }
}

/// The token at the start and its length in bytes, if there is one.
fn token(text: &str) -> Result<Option<(Token<'_>, usize)>, &'static str> {
    if let Some(found) = number(text) {
        return Ok(Some(found));
    }
    if let Some(found) = string(text)? {
        return Ok(Some(found));
    }
    let word_bytes = text
        .bytes()
        .enumerate()
        .take_while(|(i, b)| b.is_ascii_alphabetic() || *b == b'_' || (*i > 0 && b.is_ascii_digit()))
        .count();
    if let Some(word) = text.get(..word_bytes).filter(|word| !word.is_empty()) {
        let token = match word {
            "true" => Token::True,
            "false" => Token::False,
            "null" => Token::Null,
            "in" => Token::In,
            _ => Token::Ident(word),
        };
        return Ok(Some((token, word_bytes)));
    }
    if let Some(quoted) = text.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(name, _)| name)
        && !quoted.is_empty()
        && quoted.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/ ".contains(&b))
    {
        return Ok(Some((Token::Quoted(quoted), quoted.len() + 2)));
    }
    let symbol = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol));
    Ok(symbol.map(|symbol| (Token::Symbol(symbol), symbol.len())))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn number(text: &str) -> Option<(Token<'_>, usize)> {
    let after = |bytes: usize| text.get(bytes..).unwrap_or_default();
    let with_suffix = |bytes: usize| {
        if after(bytes).starts_with(['u', 'U']) {
            Some((Token::Uint(text.get(..bytes)?), bytes + 1))
        } else {
            Some((Token::Int(text.get(..bytes)?), bytes))
        }
    };
    if let Some(hex) = text.strip_prefix("0x") {
        let count = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
        if count > 0 {
            return with_suffix(2 + count);
        }
    }
    let whole = digits(text);
    let fraction = after(whole).strip_prefix('.').map_or(0, digits);
    if whole == 0 && fraction == 0 {
        return None;
    }
    let mantissa = if fraction > 0 { whole + 1 + fraction } else { whole };
    let exponent = exponent_bytes(after(mantissa));
    if fraction == 0 && exponent == 0 {
        return with_suffix(whole);
    }
    Some((Token::Double(text.get(..mantissa + exponent)?), mantissa + exponent))
}

fn exponent_bytes(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    match digits(unsigned) {
        0 => 0,
        count => text.len() - unsigned.len() + count,
    }
}

/// A text or bytes at the start. What only begins like one is not one, but unterminated.
fn string(text: &str) -> Result<Option<(Token<'_>, usize)>, &'static str> {
    let unprefixed = text.strip_prefix(['b', 'B']);
    let is_bytes = unprefixed.is_some();
    let literal = unprefixed.unwrap_or(text);
    let raw = literal.strip_prefix(['r', 'R']);
    let body = raw.unwrap_or(literal);
    let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote)) else {
        return Ok(None);
    };
    let prefix = text.len() - body.len();
    let Some(length) = quoted_bytes(body, quote, raw.is_some())? else {
        return Err("Syntax error: the text is not terminated");
    };
    let total = prefix + length;
    let token = literal.get(..total - usize::from(is_bytes)).unwrap_or_default();
    Ok(Some((if is_bytes { Token::Bytes(token) } else { Token::String(token) }, total)))
}

/// Bytes from the opening quote to the closing one, both included.
fn quoted_bytes(text: &str, quote: &str, raw: bool) -> Result<Option<usize>, &'static str> {
    let mut at = quote.len();
    loop {
        let Some(rest) = text.get(at..) else { return Ok(None) };
        let Some(first) = rest.chars().next() else { return Ok(None) };
        if rest.starts_with(quote) {
            return Ok(Some(at + quote.len()));
        }
        at += match first {
            '\n' | '\r' if quote.len() == 1 => return Ok(None),
            '\\' if !raw => escape_bytes(rest).ok_or("Syntax error: the escape sequence is not valid")?,
            other => other.len_utf8(),
        };
    }
}

/// Bytes of the escape sequence at the start, if it is one.
fn escape_bytes(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let hex = |from: usize, count: usize| {
        let digits = bytes.get(from..from + count)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(from + count)
    };
    match bytes.get(1)? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => Some(2),
        b'0'..=b'3' => bytes.get(2..4)?.iter().all(|b| (b'0'..=b'7').contains(b)).then_some(4),
        b'x' | b'X' => hex(2, 2),
        b'u' => hex(2, 4),
        b'U' => hex(2, 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[Token<'_>]) {
        let tokens: Vec<Token<'_>> = lex(text).unwrap().into_iter().map(|(token, _)| token).collect();
        assert_eq!(tokens.split_last(), Some((&Token::End, expected)));
    }

    #[test]
    fn the_longest_match_wins() {
        use Token::{Double, Ident, Int, Symbol, Uint};
        check("1 1u 0x1F 0x1Fu", &[Int("1"), Uint("1"), Int("0x1F"), Uint("0x1F")]);
        check("1.5 .5 1e3 1.5e-3", &[Double("1.5"), Double(".5"), Double("1e3"), Double("1.5e-3")]);
        check(
            "1.a 1e 0xg",
            &[Int("1"), Symbol("."), Ident("a"), Int("1"), Ident("e"), Int("0"), Ident("xg")],
        );
        check("a<=b", &[Ident("a"), Symbol("<="), Ident("b")]);
        check("inn in", &[Ident("inn"), Token::In]);
    }

    #[test]
    fn comments_and_white_space_are_left_out() {
        check("// a\n1 // b", &[Token::Int("1")]);
        check("// all of it", &[]);
    }

    #[test]
    fn texts_have_four_quotes_and_two_prefixes() {
        use Token::{Bytes, String};
        check(
            r#"'a\'b' "a" r'\' b'a' bR"\""#,
            &[String(r"'a\'b'"), String("\"a\""), String(r"r'\'"), Bytes("'a'"), Bytes("R\"\\\"")],
        );
        check("'''a\n'b'''  \"\"\"\"\"\"", &[String("'''a\n'b'''"), String("\"\"\"\"\"\"")]);
    }

    #[test]
    fn what_is_no_token_is_told_with_its_place() {
        assert_eq!(lex("a = b").unwrap_err().at, 2);
        assert_eq!(lex("a 'b").unwrap_err().at, 2);
        assert_eq!(lex(r"'\q'").unwrap_err().at, 0);
        assert_eq!(lex("a `").unwrap_err().at, 2);
        assert_eq!(lex("'a\nb'").unwrap_err().at, 0);
    }
}
