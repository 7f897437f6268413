//! The tree of an explanation, drawn for a terminal.
//!
//! What is drawn is what says why. Of what holds only the ways that hold are drawn; of what does not, the ways on which
//! there is something: a tuple of the subject's, one that does not count, or an operand that holds. The others are one
//! line each. Everything is drawn where that is asked for.

use std::io::{self, Write};

use serde::Deserialize;

use super::output::{Branch, Paint, ShownTuple, Style};

/// A node, as the server answers it.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    kind: Kind,
    #[serde(default)]
    name: String,
    computed: Option<String>,
    tuple_key: Option<ShownTuple>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    contextual: bool,
    outcome: Outcome,
    error: Option<String>,
    decides: bool,
    note: Option<String>,
    #[serde(default)]
    children: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Relation,
    Union,
    Intersection,
    Difference,
    Tuples,
    From,
    Tuple,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    True,
    False,
    Unknown,
    Error,
    NotEvaluated,
}

/// How a tree is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawing {
    /// Whether the decision is an allowance.
    pub allowed: bool,
    /// Whether to draw everything.
    pub full: bool,
    /// The colours.
    pub paint: Paint,
}

impl Drawing {
    /// Draws the tree.
    pub fn draw(self, tree: &Node, out: &mut impl Write) -> io::Result<()> {
        self.branch(tree, "").draw(out)
    }

    /// A node as a branch; `above` is the object that the branch above it speaks of.
    fn branch(self, node: &Node, above: &str) -> Branch {
        let (mut text, object) = node.describe(above);
        let mut parts: Vec<&Node> = node.children.iter().collect();
        // What a node consists of alone is said in its own line.
        let mut shown = node;
        while let ([only], true) = (&*parts, node.kind != Kind::Union) {
            let joined = match (shown.kind, only.kind) {
                // The alternatives of a relation stand right below it, and so do its own tuples.
                (Kind::Relation, Kind::Union) | (Kind::Relation, Kind::Tuples) => String::new(),
                (Kind::Relation, Kind::Intersection) => ": all of".to_owned(),
                (Kind::Relation, Kind::Difference) => ": one but not the other".to_owned(),
                (Kind::Relation, Kind::From) => format!(": {}", only.describe(object).0),
                (Kind::Tuples, Kind::Tuple) if only.children.is_empty() => {
                    format!(": {}", only.describe(object).0)
                }
                // A live tuple is said along with what it names.
                (Kind::Tuple, Kind::Relation) if shown.state == "live" && shown.outcome == only.outcome => {
                    let terms = shown.terms();
                    text = format!("{}{terms}", only.describe("").0);
                    String::new()
                }
                _ => break,
            };
            text.push_str(&joined);
            text.push_str(&only.remark());
            shown = only;
            parts = only.children.iter().collect();
        }
        let object = if shown.kind == Kind::Relation { shown.object() } else { object };
        if !self.is_drawn_below(node) {
            return Branch::leaf(self.label(node, &(node.words(above) + &node.remark())));
        }
        let label = self.label(node, &text);
        let children = match shown.kind {
            Kind::Difference => self.difference(&parts, object),
            _ => {
                let kept = parts.into_iter().filter(|part| self.is_drawn(node, part));
                kept.map(|part| self.branch(part, object)).collect()
            }
        };
        Branch { label, children }
    }

    /// The two sides of a difference: the second one is in the way where it holds.
    fn difference(self, sides: &[&Node], object: &str) -> Vec<Branch> {
        let mut branches = Vec::new();
        if let Some(base) = sides.first() {
            branches.push(self.branch(base, object));
        }
        if let Some(subtract) = sides.get(1) {
            let outcome = match subtract.outcome {
                Outcome::True => Outcome::False,
                Outcome::False => Outcome::True,
                other => other,
            };
            let label = self.marked(outcome, subtract.decides, "but not");
            let below = subtract.outcome != Outcome::False || self.full || !self.allowed && subtract.tells();
            branches.push(match below {
                true => Branch { label, children: vec![self.branch(subtract, object)] },
                false => Branch::leaf(format!("{label} {}", subtract.words(object))),
            });
        }
        branches
    }

    /// Whether a part of a node is drawn at all: of what holds in one of several ways only those.
    fn is_drawn(self, whole: &Node, part: &Node) -> bool {
        let choice = matches!(part.kind, Kind::Tuple) || !whole.is_conjunction();
        self.full || !choice || whole.outcome != Outcome::True || part.outcome == Outcome::True
    }

    /// Whether anything is drawn below a node.
    fn is_drawn_below(self, node: &Node) -> bool {
        match node.outcome {
            _ if self.full => true,
            Outcome::True => true,
            _ => !self.allowed && node.tells(),
        }
    }

    fn label(self, node: &Node, text: &str) -> String {
        self.marked(node.outcome, node.decides, text)
    }

    fn marked(self, outcome: Outcome, decides: bool, text: &str) -> String {
        let (glyph, style) = match outcome {
            Outcome::True => ("✓", Style::Green),
            Outcome::False => ("✗", Style::Red),
            Outcome::Unknown => ("?", Style::Red),
            Outcome::Error => ("!", Style::Red),
            Outcome::NotEvaluated => ("…", Style::Dim),
        };
        let glyph = self.paint.style(glyph, style);
        // Of a denial everything that fails decides.
        if self.allowed && decides {
            return format!("{glyph} {} ◂", self.paint.style(text, Style::Bold));
        }
        format!("{glyph} {text}")
    }
}

impl Node {
    /// The object that a node speaks of.
    fn object(&self) -> &str {
        self.name.split_once('#').map_or("", |(object, _)| object)
    }

    /// The node in words, and the object that its parts speak of.
    fn describe<'n>(&'n self, above: &'n str) -> (String, &'n str) {
        let text = match self.kind {
            Kind::Union => "any of".to_owned(),
            Kind::Intersection => "all of".to_owned(),
            Kind::Difference => "one but not the other".to_owned(),
            _ => self.words(above),
        };
        let object = if self.name.is_empty() { above } else { self.object() };
        (text + &self.remark(), object)
    }

    /// The node in one line, operators with what they are made of.
    fn words(&self, above: &str) -> String {
        let relation = self.name.split_once('#').map_or(&*self.name, |(_, relation)| relation);
        let joined = |word: &str| {
            let operand = |part: &Self| match part.kind {
                Kind::Union | Kind::Intersection | Kind::Difference => format!("({})", part.words(above)),
                _ => part.words(above),
            };
            self.children.iter().map(operand).collect::<Vec<_>>().join(word)
        };
        match self.kind {
            Kind::Relation if self.object() == above => relation.to_owned(),
            Kind::Relation => self.name.clone(),
            Kind::Union => joined(" or "),
            Kind::Intersection => joined(" and "),
            Kind::Difference => joined(" but not "),
            Kind::Tuples => "directly".to_owned(),
            Kind::From => format!("{} from {relation}", self.computed.as_deref().unwrap_or("?")),
            Kind::Tuple => self.tuple_key.as_ref().map_or("?", |key| &key.user).to_owned() + &self.terms(),
        }
    }

    /// When a tuple counts, or why it does not.
    fn terms(&self) -> String {
        let Some(ShownTuple { terms, .. }) = &self.tuple_key else { return String::new() };
        let end = terms.expires_at.as_deref().unwrap_or("?");
        let condition = terms.condition.as_ref().map_or("?", |condition| &condition.name);
        let mut text = match &*self.state {
            "paused" => ", paused".to_owned(),
            "expired" => format!(", expired {end}"),
            "paused_and_expired" => format!(", paused, expired {end}"),
            "not_admitted" => ", which the model does not admit".to_owned(),
            "condition_false" => format!(", condition `{condition}` is false"),
            "condition_failed" => format!(", condition `{condition}` cannot be evaluated"),
            _ if terms.expires_at.is_some() => format!(", until {end}"),
            _ => String::new(),
        };
        if self.contextual {
            text.push_str(", given with the question");
        }
        text
    }

    /// What more there is to say of a node.
    fn remark(&self) -> String {
        let nothing = matches!(self.kind, Kind::Tuples | Kind::From) && self.children.is_empty();
        let mut text = match self.note.as_deref() {
            Some("repeated") => " (shown elsewhere)".to_owned(),
            Some("limit") => " (not all is shown)".to_owned(),
            Some("unreachable") => " (nobody of this kind, by the model)".to_owned(),
            Some("itself") => " (the subject itself)".to_owned(),
            Some(other) => format!(" ({other})"),
            None if nothing => " (no tuple)".to_owned(),
            None => String::new(),
        };
        if let Some(error) = &self.error {
            text.push_str(&format!(" ({error})"));
        }
        text
    }

    /// Whether each of its parts is needed, and not one of them.
    fn is_conjunction(&self) -> bool {
        match self.kind {
            Kind::Intersection | Kind::Difference => true,
            Kind::Relation => self.children.iter().any(Self::is_conjunction),
            Kind::Union | Kind::Tuples | Kind::From | Kind::Tuple => false,
        }
    }

    /// Whether something in it says why: that it holds or has no answer, or a tuple of the subject's.
    fn tells(&self) -> bool {
        let own = self.kind == Kind::Tuple && self.children.is_empty();
        own || self.outcome != Outcome::False || self.children.iter().any(Self::tells)
    }
}
