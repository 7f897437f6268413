//! How answers are laid out for people: aligned columns, lifetimes, trees.
//!
//! Everything is written through a `Write`, so that a closed pipe is an error like any other and tests read what
//! people would.

use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use serde_json::Value;

use super::client::Answer;

/// The lifetime and the condition of a tuple, as answers show them.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Terms {
    /// From when on the tuple counts as absent.
    pub expires_at: Option<String>,
    #[serde(default)]
    paused: bool,
    /// Its condition, if it has one.
    pub condition: Option<ConditionName>,
}

/// The condition of a tuple.
#[derive(Debug, Clone, Deserialize)]
pub struct ConditionName {
    /// Its name in the model.
    pub name: String,
    #[serde(default)]
    context: Value,
}

impl Terms {
    /// In words; empty for a tuple that always counts.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if self.paused {
            parts.push("paused".to_owned());
        }
        if let Some(end) = &self.expires_at {
            parts.push(format!("until {end}"));
        }
        if let Some(ConditionName { name, context }) = &self.condition {
            let given = context.as_object().is_some_and(|fields| !fields.is_empty());
            parts.push(if given { format!("with {name} {context}") } else { format!("with {name}") });
        }
        parts.join(", ")
    }
}

/// A tuple as answers show it.
#[derive(Debug, Clone, Deserialize)]
pub struct ShownTuple {
    /// Who.
    pub user: String,
    /// Which relation.
    pub relation: String,
    /// On what.
    pub object: String,
    /// When and under which condition it counts.
    #[serde(flatten)]
    pub terms: Terms,
}

impl ShownTuple {
    /// The columns subject, relation, object, terms.
    pub fn columns(&self) -> [String; 4] {
        [self.user.clone(), self.relation.clone(), self.object.clone(), self.terms.describe()]
    }
}

/// Columns that are aligned over all rows so far. A column never gets narrower, so that the rows of a later page stand
/// under those of the first.
#[derive(Debug)]
pub struct Table<const N: usize> {
    header: Option<[&'static str; N]>,
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    /// An empty table with these headings, which are printed with the first rows.
    pub fn new(header: [&'static str; N]) -> Self {
        Self { header: Some(header), widths: header.map(str::len) }
    }

    /// Prints some rows; the headings before the first ones.
    pub fn print(&mut self, out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        if let Some(header) = self.header.take() {
            self.line(out, &header)?;
        }
        rows.iter().try_for_each(|row| self.line(out, &row.each_ref().map(String::as_str)))
    }

    /// Whether nothing has been printed.
    pub fn is_empty(&self) -> bool {
        self.header.is_some()
    }

    fn line(&self, out: &mut impl Write, cells: &[&str; N]) -> io::Result<()> {
        let padded = cells.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
    }
}

/// A node of a drawn tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The text of the node, one line.
    pub label: String,
    /// What hangs below it.
    pub children: Vec<Branch>,
}

impl Branch {
    /// A node with nothing below it.
    pub fn leaf(label: impl Into<String>) -> Self {
        Self { label: label.into(), children: Vec::new() }
    }

    /// Draws the tree.
    pub fn draw(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.label)?;
        self.draw_children(out, "")
    }

    fn draw_children(&self, out: &mut impl Write, indent: &str) -> io::Result<()> {
        let last = self.children.len().saturating_sub(1);
        for (index, child) in self.children.iter().enumerate() {
            let (joint, below) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            writeln!(out, "{indent}{joint}{}", child.label)?;
            child.draw_children(out, &format!("{indent}{below}"))?;
        }
        Ok(())
    }
}

/// How a text stands out on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// What is good.
    Green,
    /// What is not.
    Red,
    /// What matters most.
    Bold,
    /// What matters least.
    Dim,
}

/// Styles texts, or leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Whether styles are shown.
    pub colored: bool,
}

impl Paint {
    /// For the standard output: styled on a terminal, unless NO_COLOR is set.
    pub fn stdout() -> Self {
        Self { colored: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    /// The text in a style.
    pub fn style(self, text: &str, style: Style) -> String {
        if !self.colored {
            return text.to_owned();
        }
        let code = match style {
            Style::Green => 32,
            Style::Red => 31,
            Style::Bold => 1,
            Style::Dim => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Prints an answer as the server gave it, on a line of its own.
pub fn raw(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    writeln!(out, "{}", answer.body.trim_end())
}

/// `1 tuple`, `2 tuples`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_never_get_narrower() {
        let mut table = Table::new(["ID", "NAME"]);
        let row = |id: &str, name: &str| [id.to_owned(), name.to_owned()];
        let text = printed(|out| {
            table.print(out, &[row("größer", "x"), row("b", "")])?;
            table.print(out, &[row("c", "y")])
        });
        assert_eq!(text, "ID      NAME\ngrößer  x\nb\nc       y\n");
    }

    #[test]
    fn a_table_without_rows_prints_nothing() {
        let mut table = Table::new(["ID"]);
        assert_eq!(printed(|out| table.print(out, &[])), "");
        assert!(table.is_empty());
    }

    #[test]
    fn trees_are_drawn_with_boxes() {
        let inner = Branch { label: "b".to_owned(), children: vec![Branch::leaf("c"), Branch::leaf("d")] };
        let tree = Branch { label: "a".to_owned(), children: vec![inner, Branch::leaf("e")] };
        assert_eq!(printed(|out| tree.draw(out)), "a\n├─ b\n│  ├─ c\n│  └─ d\n└─ e\n");
    }

    #[test]
    fn terms_say_when_a_tuple_counts() {
        let describe = |json: &str| serde_json::from_str::<Terms>(json).unwrap().describe();
        assert_eq!(describe("{}"), "");
        assert_eq!(describe(r#"{"paused":false,"expires_at":null,"condition":null}"#), "");
        assert_eq!(
            describe(
                r#"{"paused":true,"expires_at":"2027-01-31T12:00:00Z","condition":{"name":"c","context":{}}}"#
            ),
            "paused, until 2027-01-31T12:00:00Z, with c"
        );
    }
}
