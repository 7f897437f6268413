//! What literals mean: numbers, texts with their escape sequences, bytes.

use super::ast::Literal;
use super::lexer::Token;

/// The value of a literal's token; `None` for a token that is none.
pub(super) fn literal(token: Token<'_>, negative: bool) -> Option<Result<Literal, &'static str>> {
    Some(match token {
        Token::Int(text) => int(text, negative).map(Literal::Int).ok_or("invalid int literal"),
        Token::Uint(text) => uint(text).map(Literal::Uint).ok_or("invalid uint literal"),
        Token::Double(text) => double(text, negative).map(Literal::Double).ok_or("invalid double literal"),
        Token::String(text) => unescape(text, false)
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(|text| Literal::String(text.into()))
            .ok_or("invalid unicode code point"),
        Token::Bytes(text) => {
            unescape(text, true).map(|bytes| Literal::Bytes(bytes.into())).ok_or("unable to unescape string")
        }
        Token::True => Ok(Literal::Bool(true)),
        Token::False => Ok(Literal::Bool(false)),
        Token::Null => Ok(Literal::Null),
        _ => return None,
    })
}

fn int(text: &str, negative: bool) -> Option<i64> {
    let magnitude = i128::from(uint(text)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn uint(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn double(text: &str, negative: bool) -> Option<f64> {
    let magnitude: f64 = text.parse().ok()?;
    magnitude.is_finite().then_some(if negative { -magnitude } else { magnitude })
}

/// The bytes that a text's token stands for. In a text, `\x` and octal escapes are characters; in bytes, they are bytes.
fn unescape(token: &str, as_bytes: bool) -> Option<Vec<u8>> {
    let raw = token.strip_prefix(['r', 'R']);
    let quoted = raw.unwrap_or(token);
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| quoted.starts_with(quote))?;
    let body = quoted.strip_prefix(quote)?.strip_suffix(quote)?.replace("\r\n", "\n").replace('\r', "\n");
    if raw.is_some() {
        return Some(body.into_bytes());
    }
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body.as_str();
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = escape(escaped, as_bytes, &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// Reads one escape sequence, without its backslash; gives what follows it.
fn escape<'a>(text: &'a str, as_bytes: bool, into: &mut Vec<u8>) -> Option<&'a str> {
    let first = text.chars().next()?;
    let (code, length, is_byte) = match first {
        'a' => (7, 1, true),
        'b' => (8, 1, true),
        'f' => (12, 1, true),
        'n' => (10, 1, true),
        'r' => (13, 1, true),
        't' => (9, 1, true),
        'v' => (11, 1, true),
        '"' | '\'' | '\\' | '?' | '`' => (u32::from(first), 1, true),
        '0'..='3' => (u32::from_str_radix(text.get(..3)?, 8).ok()?, 3, as_bytes),
        'x' | 'X' => (u32::from_str_radix(text.get(1..3)?, 16).ok()?, 3, as_bytes),
        'u' if !as_bytes => (u32::from_str_radix(text.get(1..5)?, 16).ok()?, 5, false),
        'U' if !as_bytes => (u32::from_str_radix(text.get(1..9)?, 16).ok()?, 9, false),
        _ => return None,
    };
    if is_byte {
        into.push(u8::try_from(code).ok()?);
    } else {
        into.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text.get(length..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::lexer::lex;

    #[track_caller]
    fn check(text: &str, expected: Result<Literal, &str>) {
        let token = lex(text).unwrap()[0].0;
        assert_eq!(literal(token, false).unwrap(), expected);
    }

    #[test]
    fn numbers_are_64_bits_wide() {
        check("9223372036854775807", Ok(Literal::Int(i64::MAX)));
        check("9223372036854775808", Err("invalid int literal"));
        check("18446744073709551615u", Ok(Literal::Uint(u64::MAX)));
        check("0xFF", Ok(Literal::Int(255)));
        check("1e400", Err("invalid double literal"));
        assert_eq!(literal(Token::Int("9223372036854775808"), true), Some(Ok(Literal::Int(i64::MIN))));
    }

    #[test]
    fn escapes_are_characters_in_texts_and_bytes_in_bytes() {
        check(r"'\x41\101\u00e9\U0001F600\n\`'", Ok(Literal::String("AAé😀\n`".into())));
        check(r"'\xff'", Ok(Literal::String("ÿ".into())));
        check(r"b'\xff\377é'", Ok(Literal::Bytes([255, 255, 0xc3, 0xa9].into())));
        check(r"r'\n'", Ok(Literal::String(r"\n".into())));
        check("'''a\r\nb\rc'''", Ok(Literal::String("a\nb\nc".into())));
        check(r"'\ud800'", Err("invalid unicode code point"));
        check(r"b'\u00e9'", Err("unable to unescape string"));
    }
}
