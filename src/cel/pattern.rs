//! Regular expressions: the syntax of RE2, as Go reads it, translated to that of the `regex` crate.
//!
//! The two look alike and differ: here `\d`, `\w`, `\s` and `\b` know ASCII only, `[a&&b]` is no intersection, `a{,2}` is a
//! text, and `a**` is an error. A pattern is read once into its parts; each part is written so that it means the same.
//! `\B` is refused, because it has no counterpart.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::model::limits::{CONDITION_NESTING_MAX, CONDITION_PATTERN_BYTES_MAX};

/// Compiles a pattern. The error says what is wrong with it.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let wrong = |what: String| format!("error parsing regexp: {what}");
    let translated = translate(pattern).map_err(wrong)?;
    RegexBuilder::new(&translated)
        .size_limit(CONDITION_PATTERN_BYTES_MAX)
        .dfa_size_limit(CONDITION_PATTERN_BYTES_MAX)
        // Each part is in a group of its own, which the limit of the language does not count.
        .nest_limit(4 * CONDITION_NESTING_MAX as u32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => wrong("expression too large".into()),
            _ => wrong("it is not supported".into()),
        })
}

/// The most that repetitions may multiply to, one inside the other.
const REPEAT_MAX: u32 = 1000;

/// The pattern in the syntax of the `regex` crate.
fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader {
        chars: pattern.chars().peekable(),
        flags: Flags::default(),
        names: Vec::new(),
        properties: HashMap::new(),
    };
    let whole = reader.alternatives(0)?;
    match reader.chars.next() {
        None => Ok(whole.text),
        Some(_) => Err("unexpected )".into()),
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_matches_newline: bool,
}

/// A translated part.
struct Part {
    text: String,
    /// What the repetitions in it multiply to.
    repeats: u32,
}

impl Part {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), repeats: 1 }
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    flags: Flags,
    /// Names of groups.
    names: Vec<String>,
    /// What each `\p{…}` so far was translated to.
    properties: HashMap<(bool, String), String>,
}

impl Reader<'_> {
    fn take(&mut self, expected: char) -> bool {
        self.chars.next_if_eq(&expected).is_some()
    }

    /// Whether the rest starts with this text.
    fn sees(&self, text: &str) -> bool {
        let mut rest = self.chars.clone();
        text.chars().all(|c| rest.next() == Some(c))
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.chars.next();
        }
    }

    /// Up to the end or the parenthesis that closes.
    fn alternatives(&mut self, depth: usize) -> Result<Part, String> {
        if depth > CONDITION_NESTING_MAX {
            return Err("expression nests too deeply".into());
        }
        let mut text = String::new();
        let mut repeats = 1;
        loop {
            let branch = self.sequence(depth)?;
            text.push_str(&branch.text);
            repeats = repeats.max(branch.repeats);
            if !self.take('|') {
                return Ok(Part { text, repeats });
            }
            text.push('|');
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Part, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut repeated = false;
        while let Some(first) = self.chars.peek().copied() {
            if matches!(first, '|' | ')') {
                break;
            }
            if let Some((min, max)) = self.repetition()? {
                if repeated {
                    return Err("invalid nested repetition operator".into());
                }
                let part = parts.last_mut().ok_or("missing argument to repetition operator")?;
                repeat(part, min, max)?;
                // Whether it is greedy makes no difference to whether it matches.
                self.take('?');
                repeated = true;
                continue;
            }
            repeated = false;
            self.chars.next();
            match first {
                '(' => parts.extend(self.group(depth)?),
                '[' => parts.push(self.class()?),
                '.' if self.flags.dot_matches_newline => parts.push(Part::new("(?s:.)")),
                '.' => parts.push(Part::new("(?-s:.)")),
                '^' if self.flags.multi_line => parts.push(Part::new("(?m:^)")),
                '^' => parts.push(Part::new(r"\A")),
                '$' if self.flags.multi_line => parts.push(Part::new("(?m:$)")),
                '$' => parts.push(Part::new(r"\z")),
                '\\' if self.sees("Q") => self.quoted(&mut parts),
                '\\' => parts.push(self.escape()?),
                literal => parts.push(self.literal(u32::from(literal))),
            }
        }
        let repeats = parts.iter().map(|part| part.repeats).max().unwrap_or(1);
        Ok(Part { text: parts.into_iter().map(|part| part.text).collect(), repeats })
    }

    /// A repetition operator, if one is next: how often at least and at most.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let simple = match self.chars.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(),
            _ => return Ok(None),
        };
        self.chars.next();
        Ok(Some(simple))
    }

    /// `{2}`, `{2,}` or `{2,3}`. Any other brace is a text.
    fn counted(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let mut rest = self.chars.clone();
        rest.next();
        let Some(min) = count(&mut rest) else { return Ok(None) };
        let max = match rest.next_if_eq(&',') {
            None => Some(min),
            Some(_) if rest.peek() == Some(&'}') => None,
            Some(_) => match count(&mut rest) {
                Some(max) => Some(max),
                None => return Ok(None),
            },
        };
        if rest.next() != Some('}') {
            return Ok(None);
        }
        self.chars = rest;
        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || min > max) {
            return Err("invalid repeat count".into());
        }
        Ok(Some((min, max)))
    }

    /// What follows an opening parenthesis: a group, or flags for the rest of the one around it.
    fn group(&mut self, depth: usize) -> Result<Option<Part>, String> {
        let outer = self.flags;
        if self.sees("?P<") || self.sees("?<") {
            while self.chars.next() != Some('<') {}
            self.name()?;
        } else if self.take('?') {
            let closed = self.group_flags()?;
            if closed {
                return Ok(None);
            }
        }
        let inner = self.alternatives(depth + 1)?;
        self.flags = outer;
        if !self.take(')') {
            return Err("missing closing )".into());
        }
        Ok(Some(Part { text: format!("(?:{})", inner.text), repeats: inner.repeats }))
    }

    fn name(&mut self) -> Result<(), String> {
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if name.is_empty() || !self.take('>') || self.names.contains(&name) {
            return Err("invalid or duplicate capture group name".into());
        }
        self.names.push(name);
        Ok(())
    }

    /// Flags after `(?`; whether the parenthesis closes behind them.
    fn group_flags(&mut self) -> Result<bool, String> {
        let invalid = || "invalid or unsupported Perl syntax".to_owned();
        let (mut flags, mut on, mut some_since_sign) = (self.flags, true, false);
        let closed = loop {
            match self.chars.next().ok_or_else(invalid)? {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_matches_newline = on,
                // Greediness makes no difference.
                'U' => {}
                '-' if on => {
                    (on, some_since_sign) = (false, false);
                    continue;
                }
                end @ (':' | ')') if on || some_since_sign => break end == ')',
                _ => return Err(invalid()),
            }
            some_since_sign = true;
        };
        self.flags = flags;
        Ok(closed)
    }

    /// `\Q…\E`
    fn quoted(&mut self, parts: &mut Vec<Part>) {
        self.skip(1);
        while self.chars.peek().is_some() && !self.sees(r"\E") {
            if let Some(c) = self.chars.next() {
                parts.push(self.literal(u32::from(c)));
            }
        }
        self.skip(2);
    }

    /// A character by its number. Half a surrogate pair is in no text.
    fn literal(&self, code: u32) -> Part {
        match char::from_u32(code) {
            None => Part::new(NEVER),
            Some(_) if self.flags.fold_case => Part::new(format!(r"(?i:\x{{{code:x}}})")),
            Some(_) => Part::new(format!(r"\x{{{code:x}}}")),
        }
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<Part, String> {
        match self.chars.peek() {
            Some('A') => {
                self.skip(1);
                return Ok(Part::new(r"\A"));
            }
            Some('z') => {
                self.skip(1);
                return Ok(Part::new(r"\z"));
            }
            Some('b') => {
                self.skip(1);
                return Ok(Part::new(r"(?-u:\b)"));
            }
            _ => {}
        }
        if let Some(class) = self.class_escape()? {
            let fold = if self.flags.fold_case { "(?i:" } else { "(?:" };
            return Ok(Part::new(format!("{fold}[{class}])")));
        }
        let code = self.char_escape()?;
        Ok(self.literal(code))
    }

    /// `\d`, `\p{Greek}` and their like, as they stand in a class.
    fn class_escape(&mut self) -> Result<Option<String>, String> {
        let Some(kind) = self.chars.peek().copied() else { return Ok(None) };
        if matches!(kind, 'p' | 'P') {
            self.skip(1);
            return self.unicode_class(kind == 'P').map(Some);
        }
        let Some(class) = perl_class(kind.to_ascii_lowercase()).filter(|_| kind.is_ascii_alphabetic()) else {
            return Ok(None);
        };
        self.skip(1);
        Ok(Some(if kind.is_ascii_uppercase() { format!("[^{class}]") } else { class.into() }))
    }

    /// The name of a category or a script, after `\p`.
    fn unicode_class(&mut self, mut negated: bool) -> Result<String, String> {
        let invalid = || "invalid character class range".to_owned();
        let mut name = String::new();
        if self.take('{') {
            loop {
                match self.chars.next().ok_or_else(invalid)? {
                    '}' => break,
                    c => name.push(c),
                }
            }
        } else {
            name.extend(self.chars.next());
        }
        if let Some(rest) = name.strip_prefix('^') {
            negated = !negated;
            name = rest.into();
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(invalid());
        }
        if name == "Any" {
            return Ok(if negated { NEVER } else { r"\x{0}-\x{10ffff}" }.into());
        }
        let key = (negated, name);
        if let Some(class) = self.properties.get(&key) {
            return Ok(class.clone());
        }
        let sign = if negated { 'P' } else { 'p' };
        let candidates = ["gc", "sc"].map(|property| format!(r"\{sign}{{{property}={}}}", key.1));
        let class = candidates.into_iter().find(|class| Regex::new(class).is_ok()).ok_or_else(invalid)?;
        self.properties.insert(key, class.clone());
        Ok(class)
    }

    /// A single character after a backslash.
    fn char_escape(&mut self) -> Result<u32, String> {
        let invalid = || "invalid escape sequence".to_owned();
        let first = self.chars.next().ok_or_else(|| "trailing backslash at end of expression".to_owned())?;
        let octal = |c: &char| ('0'..='7').contains(c);
        Ok(match first {
            // A digit alone would refer to a group.
            '1'..='7' if !self.chars.peek().is_some_and(octal) => return Err(invalid()),
            '0'..='7' => {
                let mut code = first.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.chars.next_if(octal).and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                }
                code
            }
            'x' => self.hex().filter(|code| *code <= u32::from(char::MAX)).ok_or_else(invalid)?,
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
            _ => return Err(invalid()),
        })
    }

    /// `41` or `{10ffff}`, after `\x`.
    fn hex(&mut self) -> Option<u32> {
        if !self.take('{') {
            let high = self.chars.next()?.to_digit(16)?;
            return Some(high * 16 + self.chars.next()?.to_digit(16)?);
        }
        let mut code: Option<u32> = None;
        loop {
            match self.chars.next()? {
                '}' => return code,
                digit => code = Some(code.unwrap_or(0).checked_mul(16)?.checked_add(digit.to_digit(16)?)?),
            }
        }
    }

    /// What follows an opening bracket.
    fn class(&mut self) -> Result<Part, String> {
        let negated = self.take('^');
        let mut items = String::new();
        let mut first = true;
        while first || self.chars.peek() != Some(&']') {
            first = false;
            if self.sees("[:")
                && let Some(class) = self.named_class()?
            {
                items.push_str(&class);
                continue;
            }
            if self.take('\\') {
                if let Some(class) = self.class_escape()? {
                    items.push_str(&class);
                    continue;
                }
                let low = self.char_escape()?;
                self.range(low, &mut items)?;
                continue;
            }
            let low = self.chars.next().ok_or("missing closing ]")?;
            self.range(u32::from(low), &mut items)?;
        }
        self.skip(1);
        let sign = if negated { "^" } else { "" };
        let fold = if self.flags.fold_case { "(?i:" } else { "(?:" };
        Ok(Part::new(format!("{fold}[{sign}{items}])")))
    }

    /// A range that starts with a character, or that character alone.
    fn range(&mut self, low: u32, items: &mut String) -> Result<(), String> {
        let mut high = low;
        if self.sees("-") && !self.sees("-]") {
            self.skip(1);
            high = if self.take('\\') {
                self.char_escape()?
            } else {
                u32::from(self.chars.next().ok_or("missing closing ]")?)
            };
        }
        if high < low {
            return Err("invalid character class range".into());
        }
        const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;
        let low = if SURROGATES.contains(&low) { SURROGATES.end() + 1 } else { low };
        let high = if SURROGATES.contains(&high) { SURROGATES.start() - 1 } else { high };
        if low <= high {
            items.push_str(&format!(r"\x{{{low:x}}}-\x{{{high:x}}}"));
        } else {
            items.push_str(NEVER);
        }
        Ok(())
    }

    /// `[:alpha:]`, or `None` where no `:]` follows.
    fn named_class(&mut self) -> Result<Option<String>, String> {
        let rest: String = self.chars.clone().skip(2).collect();
        let Some((name, _)) = rest.split_once(":]") else { return Ok(None) };
        let (negated, bare) = name.strip_prefix('^').map_or((false, name), |bare| (true, bare));
        let class = posix_class(bare).ok_or("invalid character class range")?;
        self.skip(name.chars().count() + 4);
        Ok(Some(if negated { format!("[^{class}]") } else { class.into() }))
    }
}

/// A class that no character is in.
const NEVER: &str = r"[^\x{0}-\x{10ffff}]";

fn perl_class(kind: char) -> Option<&'static str> {
    match kind {
        'd' => Some("0-9"),
        's' => Some(r"\t\n\x0c\r\x20"),
        'w' => Some("0-9A-Za-z_"),
        _ => None,
    }
}

fn posix_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => r"\x00-\x7f",
        "blank" => r"\t\x20",
        "cntrl" => r"\x00-\x1f\x7f",
        "digit" => "0-9",
        "graph" => r"\x21-\x7e",
        "lower" => "a-z",
        "print" => r"\x20-\x7e",
        "punct" => r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
        "space" => r"\t\n\x0b\x0c\r\x20",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}

/// A number of a repetition. Go takes no leading zeros. One that is too large stays too large.
fn count(chars: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

fn repeat(part: &mut Part, min: u32, max: Option<u32>) -> Result<(), String> {
    part.text = match (min, max) {
        (0, None) => format!("(?:{})*", part.text),
        (1, None) => format!("(?:{})+", part.text),
        (0, Some(1)) => format!("(?:{})?", part.text),
        (min, None) => format!("(?:{}){{{min},}}", part.text),
        (min, Some(max)) => format!("(?:{}){{{min},{max}}}", part.text),
    };
    // Go counts what is repeated a given number of times, at most or else at least.
    match max {
        Some(0) => part.repeats = 1,
        _ if min >= 2 || max.is_some_and(|max| max >= 2) => {
            part.repeats = part.repeats.saturating_mul(max.unwrap_or(min).max(1));
            if part.repeats > REPEAT_MAX {
                return Err("invalid repeat count".into());
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let compiled = compile(pattern).unwrap();
        for text in matching {
            assert!(compiled.is_match(text), "{pattern} should match {text:?}");
        }
        for text in others {
            assert!(!compiled.is_match(text), "{pattern} should not match {text:?}");
        }
    }

    #[test]
    fn perl_classes_know_ascii_only() {
        check(r"^\d+$", &["123"], &["１２３", "a", ""]);
        check(r"^\w$", &["a", "_"], &["é", "-"]);
        check(r"^\W$", &["é"], &["a"]);
        check(r"^\s$", &[" ", "\t"], &["\u{b}", "\u{a0}"]);
        check(r"\bb", &["b", "éb"], &["ab"]);
        check(r"^[\d-z]$", &["1", "-", "z"], &["y"]);
        check(r"^[^\w]$", &["é"], &["a"]);
    }

    #[test]
    fn classes_have_no_set_operations() {
        check(r"^[a&&b]$", &["a", "&", "b"], &["c"]);
        check(r"^[[a]$", &["[", "a"], &["]"]);
        check(r"^[]a]$", &["]", "a"], &["["]);
        check(r"^[^]a]$", &["b"], &["]"]);
        check(r"^[a-]$", &["a", "-"], &["b"]);
        check(r"^[[:alpha:][:^digit:]]$", &["a", "é"], &["1"]);
        check(r"^[[:x]$", &["[", ":", "x"], &["y"]);
    }

    #[test]
    fn flags_hold_to_the_end_of_their_group() {
        check("^(?:(?i)a)b$", &["Ab", "ab"], &["AB"]);
        check("(?i)^k$", &["k", "K", "\u{212a}"], &["x"]);
        check("(?i:^[a-c]$)", &["B"], &["D"]);
        check("^a.b$", &["axb"], &["a\nb"]);
        check("(?s)^a.b$", &["a\nb"], &[]);
        check("^b$", &["b"], &["a\nb", "b\n"]);
        check("(?m)^b$", &["a\nb\nc"], &["ab"]);
        check("(?-i)a", &["a"], &["A"]);
    }

    #[test]
    fn braces_that_are_no_repetition_are_texts() {
        check("^a{,2}$", &["a{,2}"], &["aa"]);
        check("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]);
        check("^{$", &["{"], &[]);
        check("^a{02}$", &["a{02}"], &["aa"]);
        check(r"^\Qa.b\E$", &["a.b"], &["axb"]);
        check(r"^\Qa.b", &["a.b"], &["axb"]);
        check(r"\x41\x{1F600}\101\.", &["A😀A."], &[]);
        check(r"^\p{Greek}\pN$", &["α1"], &["a1"]);
        check(r"^\P{^Greek}$", &["α"], &["a"]);
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "[",
            "(",
            ")",
            "a**",
            "a+*",
            "*",
            "|*",
            "(?P<a>x)(?P<a>y)",
            "(?P<>x)",
            "(?x)a",
            "(?i",
            "(?-)a",
            r"\8",
            r"\1",
            r"\C",
            r"\Z",
            r"\pX",
            r"\p{Foo}",
            r"\x{110000}",
            r"\xg",
            r"\",
            "[b-a]",
            "[[:foo:]]",
            "a{1001}",
            "a{2,1}",
            "(?:a{100}){100}",
            "[a",
            r"[\",
            r"\B",
            "(?:a{2}){501}",
            "(?=a)",
            "(?<!a)b",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile("(?:a{2}){500}").is_ok());
    }

    #[test]
    fn a_pattern_that_would_take_much_memory_is_refused() {
        assert_eq!(compile(r"\p{L}{1000}").unwrap_err(), "error parsing regexp: expression too large");
    }
}
