//! Characters and classes of them: `\d`, `\p{Greek}`, `[a-z[:digit:]]`, `\x{1F600}`.

use regex::Regex;

use super::{Part, Reader};

/// A class that no character is in.
pub(super) const NEVER: &str = r"[^\x{0}-\x{10ffff}]";

impl Reader<'_> {
    /// What follows an opening bracket.
    pub(super) fn class(&mut self) -> Result<Part, String> {
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

    /// `\d`, `\p{Greek}` and their like, as they stand in a class.
    pub(super) fn class_escape(&mut self) -> Result<Option<String>, String> {
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
    pub(super) fn char_escape(&mut self) -> Result<u32, String> {
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
}

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
