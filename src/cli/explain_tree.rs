//! The tree of an explanation, drawn for a terminal.
//!
//! What is drawn is what says why. Of what holds only the ways that hold are drawn; of what does not, the ways on which
//! there is something: a tuple of the subject's, one that does not count, or an operand that holds. The others are one
//! line each. Everything is drawn where that is asked for.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::Value;

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
        // Where nothing says why, it is that nothing is there, on the object itself at the least.
        let bare = (!tree.tells()).then(|| tree.object());
        self.branch(tree, "", bare).draw(out)
    }

    /// A node as a branch; `above` is the object that the branch above it speaks of, `bare` the one whose relations are all
    /// drawn.
    fn branch(self, node: &Node, above: &str, bare: Option<&str>) -> Branch {
        let (mut text, mut object) = node.describe(above);
        let mut parts: Vec<&Node> = node.children.iter().collect();
        // What a node consists of alone is said in its own line.
        let mut shown = node;
        while let ([only], true) = (&*parts, node.kind != Kind::Union) {
            let joined = match (shown.kind, only.kind) {
                // The alternatives of a relation stand right below it, and so do its own tuples.
                (Kind::Relation, Kind::Union) | (Kind::Relation, Kind::Tuples) => String::new(),
                (Kind::Relation, Kind::Intersection) => ": all of".to_owned(),
                (Kind::Relation, Kind::Difference | Kind::From) => format!(": {}", only.words(object)),
                (Kind::Tuples, Kind::Tuple) if only.children.is_empty() => {
                    format!(": {}", only.words(object))
                }
                // A live tuple is said along with what it names.
                (Kind::Tuple, Kind::Relation) if shown.state == "live" && shown.outcome == only.outcome => {
                    text = only.words("") + &shown.terms();
                    String::new()
                }
                _ => break,
            };
            text.push_str(&joined);
            text.push_str(&only.remark());
            if !only.name.is_empty() {
                object = only.object();
            }
            shown = only;
            parts = only.children.iter().collect();
        }
        let is_bare = node.kind == Kind::Relation && bare == Some(node.object());
        if !is_bare && !self.is_drawn_below(node) {
            return Branch::leaf(self.label(node, &(node.words(above) + &node.remark())));
        }
        let label = self.label(node, &text);
        let children = match shown.kind {
            Kind::Difference => self.difference(&parts, object, bare),
            _ => {
                let kept = parts.into_iter().filter(|part| self.is_drawn(node, part));
                kept.map(|part| self.branch(part, object, bare)).collect()
            }
        };
        Branch { label, children }
    }

    /// The two sides of a difference: the second one is in the way where it holds.
    fn difference(self, sides: &[&Node], object: &str, bare: Option<&str>) -> Vec<Branch> {
        let mut branches = Vec::new();
        if let Some(base) = sides.first() {
            branches.push(self.branch(base, object, bare));
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
                true => Branch { label, children: vec![self.branch(subtract, object, bare)] },
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

/// A tree of the server, as text without colours; as it is where it is none.
pub fn drawn(tree: &Value) -> String {
    let Ok(node) = Node::deserialize(tree) else { return tree.to_string() };
    let (allowed, paint) = (node.outcome == Outcome::True, Paint { colored: false });
    let mut text = Vec::new();
    match (Drawing { allowed, full: false, paint }).draw(&node, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => tree.to_string(),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn drawn(tree: Value, allowed: bool, full: bool) -> String {
        let node: Node = serde_json::from_value(tree).unwrap();
        let mut out = Vec::new();
        Drawing { allowed, full, paint: Paint { colored: false } }.draw(&node, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn node(kind: &str, name: &str, outcome: &str, children: Vec<Value>) -> Value {
        let decides = outcome == "true";
        json!({ "kind": kind, "name": name, "outcome": outcome, "decides": decides, "children": children })
    }

    fn tuple(user: &str, state: &str, outcome: &str, children: Vec<Value>) -> Value {
        let key = json!({ "user": user, "relation": "r", "object": "park:p1",
                          "expires_at": "2027-01-31T12:00:00Z", "paused": state.starts_with("paused"),
                          "condition": { "name": "c", "context": {} } });
        json!({ "kind": "tuple", "tuple_key": key, "state": state, "outcome": outcome, "decides": outcome == "true",
                "children": children })
    }

    #[test]
    fn every_kind_of_node_is_drawn_in_full() {
        let member = node(
            "relation",
            "group:g#member",
            "false",
            vec![node("tuples", "group:g#member", "false", vec![])],
        );
        let mut repeated = node("relation", "park:p1#owner", "unknown", vec![]);
        repeated["note"] = json!("repeated");
        let mut failed = node("relation", "park:p1#guest", "error", vec![]);
        failed["error"] = json!("no x");
        let mut cut = node("from", "park:p1#parent", "not_evaluated", vec![]);
        (cut["note"], cut["computed"]) = (json!("limit"), json!("viewer"));
        let tree = node(
            "relation",
            "park:p1#viewer",
            "false",
            vec![node(
                "union",
                "",
                "false",
                vec![
                    node(
                        "tuples",
                        "park:p1#viewer",
                        "false",
                        vec![
                            tuple("user:anne", "paused_and_expired", "false", vec![]),
                            tuple("group:g#member", "live", "false", vec![member]),
                            tuple("user:*", "condition_false", "false", vec![]),
                        ],
                    ),
                    node("difference", "", "false", vec![repeated, failed]),
                    node("intersection", "", "not_evaluated", vec![cut]),
                ],
            )],
        );
        assert_eq!(
            drawn(tree, false, true),
            "\
✗ park:p1#viewer
├─ ✗ directly
│  ├─ ✗ user:anne, paused, expired 2027-01-31T12:00:00Z
│  ├─ ✗ group:g#member, until 2027-01-31T12:00:00Z (no tuple)
│  └─ ✗ user:*, condition `c` is false
├─ ✗ owner but not guest
│  ├─ ? owner (shown elsewhere)
│  └─ ! but not
│     └─ ! guest (no x)
└─ … all of
   └─ … viewer from parent (not all is shown)
"
        );
    }

    #[test]
    fn of_what_holds_only_what_holds_is_drawn_and_what_decides_is_marked() {
        let holds = |name: &str| {
            let tuples = vec![tuple("user:anne", "live", "true", vec![])];
            node("relation", name, "true", vec![node("tuples", name, "true", tuples)])
        };
        let mut other = holds("park:p1#owner");
        other["decides"] = json!(false);
        let parts = vec![holds("park:p1#member"), other, node("relation", "park:p1#guest", "false", vec![])];
        let tree = node("relation", "park:p1#viewer", "true", vec![node("union", "", "true", parts)]);
        assert_eq!(
            drawn(tree, true, false),
            "\
✓ park:p1#viewer ◂
├─ ✓ member: user:anne, until 2027-01-31T12:00:00Z ◂
└─ ✓ owner: user:anne, until 2027-01-31T12:00:00Z
"
        );
    }

    #[test]
    fn what_does_not_hold_and_says_nothing_is_one_line() {
        let nothing =
            |name: &str| node("relation", name, "false", vec![node("tuples", name, "false", vec![])]);
        let both = node("intersection", "", "false", vec![nothing("park:p1#a"), nothing("park:p1#b")]);
        let one = node("difference", "", "false", vec![nothing("park:p1#c"), nothing("park:p1#d")]);
        let tree =
            node("relation", "park:p1#viewer", "false", vec![node("union", "", "false", vec![both, one])]);
        assert_eq!(drawn(tree, false, false), "✗ park:p1#viewer\n├─ ✗ a and b\n└─ ✗ c but not d\n");
    }

    #[test]
    fn what_is_excluded_is_said_to_be_in_the_way() {
        let holds = |name: &str| {
            let tuples = vec![tuple("user:anne", "live", "true", vec![])];
            node("relation", name, "true", vec![node("tuples", name, "true", tuples)])
        };
        let sides = vec![holds("park:p1#viewer"), holds("park:p1#blocked")];
        let tree = node("relation", "park:p1#reader", "false", vec![node("difference", "", "false", sides)]);
        assert_eq!(
            drawn(tree, false, false),
            "\
✗ park:p1#reader: viewer but not blocked
├─ ✓ viewer: user:anne, until 2027-01-31T12:00:00Z
└─ ✗ but not
   └─ ✓ blocked: user:anne, until 2027-01-31T12:00:00Z
"
        );
    }
}
