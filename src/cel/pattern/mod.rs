//! Regular expressions: the syntax of RE2, as Go reads it, translated to that of the `regex` crate.
//!
//! The two look alike and differ: here `\d`, `\w`, `\s` and `\b` know ASCII only, `[a&&b]` is no intersection, `a{,2}` is a
//! text, and `a**` is an error. A pattern is read once into its parts; each part is written so that it means the same.
//! `\B` is refused, because it has no counterpart.

mod class;

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use self::class::NEVER;
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
mod tests;
