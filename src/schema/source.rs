//! A text and its places: what the lexer sees of it, and how a place in that is found in the original.
//!
//! Comments and trailing white space are cut from each line before the text is read. Only ends of lines are cut, so
//! that lines and columns stay those of the original; byte offsets do not, hence [`Source::locate`]. Nothing here
//! knows the language's grammar.

use std::ops::Range;

/// A text, with its comments cut.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    original: &'a str,
    cleaned: String,
    /// For each line, where it starts in the original and in the cleaned text.
    lines: Vec<(usize, usize)>,
}

/// A place in a text, in both ways of counting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Location {
    /// The bytes of the original, within one line.
    pub(super) bytes: Range<usize>,
    /// The line, from 0.
    pub(super) line: usize,
    /// The characters of the line, from 0. The end counts the characters of the whole text that is meant, and so
    /// may lie behind the line's end if that text does.
    pub(super) columns: Range<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(original: &'a str) -> Self {
        let mut cleaned = String::with_capacity(original.len());
        let mut lines = Vec::new();
        let mut start = 0;
        for line in original.split('\n') {
            if start > 0 {
                cleaned.push('\n');
            }
            lines.push((start, cleaned.len()));
            cleaned.push_str(clean(line));
            start += line.len() + 1;
        }
        Self { original, cleaned, lines }
    }

    /// The text without comments and trailing white space.
    pub(super) fn cleaned(&self) -> &str {
        &self.cleaned
    }

    /// A part of the cleaned text; empty if `range` is none of it.
    pub(super) fn slice(&self, range: Range<usize>) -> &str {
        self.cleaned.get(range).unwrap_or_default()
    }

    /// Where a part of the cleaned text is in the original.
    pub(super) fn locate(&self, range: Range<usize>) -> Location {
        let line = self.lines.partition_point(|&(_, cleaned)| cleaned <= range.start).saturating_sub(1);
        let (original, cleaned) = self.lines.get(line).copied().unwrap_or_default();
        let first = self.slice(cleaned..range.start).chars().count();
        let width = self.slice(range.clone()).chars().count();
        let start = original + (range.start - cleaned);
        let rest = self.original.get(start..).unwrap_or_default();
        let line_rest = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r').len();
        let length = range.end.saturating_sub(range.start).min(line_rest);
        Location { bytes: start..start + length, line, columns: first..first + width }
    }
}

/// The part of a line that is not comment or trailing white space.
fn clean(line: &str) -> &str {
    if line.trim_start().starts_with('#') { "" } else { cut_comment(line).trim_end() }
}

/// Cuts a line at its first ` #` outside of a quoted string.
fn cut_comment(line: &str) -> &str {
    if !line.contains(" #") {
        return line;
    }
    let mut rest = line;
    while let Some(at) = rest.find([' ', '"', '\'']) {
        let tail = rest.get(at..).unwrap_or_default();
        if tail.starts_with(" #") {
            return line.get(..line.len() - tail.len()).unwrap_or_default();
        }
        // A quote that no other one closes does not hide a comment.
        rest = quoted(tail).or_else(|| tail.get(1..)).unwrap_or_default();
    }
    line
}

/// What follows the quoted string that `text` starts with, if it starts with one.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return text.get(at + 1..);
        }
        if character == '\\' {
            characters.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_space_are_cut_and_columns_stay() {
        let source = Source::new("a # x\r\n  # y\n\tb  \n");
        assert_eq!(source.cleaned(), "a\n\n\tb\n");
        let b = source.cleaned().find('b').unwrap();
        let location = source.locate(b..b + 1);
        assert_eq!((location.line, location.columns, location.bytes), (2, 1..2, 14..15));
    }

    #[test]
    fn a_hash_inside_a_string_is_no_comment() {
        assert_eq!(cut_comment(r#"x == "a #b" # c"#), r#"x == "a #b""#);
        assert_eq!(cut_comment(r"x == 'a \' #b' # c"), r"x == 'a \' #b'");
        assert_eq!(cut_comment("x' # c"), "x'");
        assert_eq!(cut_comment("group#member"), "group#member");
    }

    #[test]
    fn columns_count_characters_and_bytes_stay_on_the_line() {
        let source = Source::new("äö x\ny");
        let location = source.locate(5..8);
        assert_eq!((location.line, location.columns, location.bytes), (0, 3..6, 5..6));
    }
}
