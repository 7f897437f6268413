//! `tenure explain`: why a check decides as it does, when that ends, and what would turn a denial.
//!
//! The tree is drawn in `explain_tree`; here is what stands around it. Every change that is offered comes with the command
//! that makes it, as it can be typed.

use std::env;
use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::question;
use super::client::{Client, StoreArgs};
use super::explain_tree::{Drawing, Node};
use super::failure::Failure;
use super::output::{self, Paint, ShownTuple, Style};
use super::query::{ContextualForm, QueryArgs};
use super::write::{Expiry, expiry};
use crate::model::{Instant, SystemClock};

/// How long a tuple is renewed for in a command that is offered, in days.
const RENEWED_DAYS: i64 = 30;

/// Why does this subject hold this relation on this object, or why not, and until when?
///
/// Draws what was looked at, and for a denial shows the commands that would turn it, each of them verified. Exit code: 0
/// allowed, 1 denied, 2 not answered.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure explain user:carl technical_manager park:p1
  tenure explain user:carl technical_manager park:p1 --at +30d
  tenure explain user:carl viewer park:p1 --full | less

In the tree: ✓ holds, ✗ does not, ? is neither (a circle through `but not`), ! has no answer, … was not looked at.
◂ marks what an allowance rests on.")]
pub struct ExplainArgs {
    /// Who: `type:id`, `type:id#relation` or `type:*`
    subject: String,
    /// Which relation
    relation: String,
    /// On what, `type:id`
    object: String,
    /// Decide for another instant, on the tuples as they are now: an instant such as 2027-01-31T12:00:00Z, or `+12h` or
    /// `+30d` from now by this machine's clock
    #[arg(long, value_name = "T", value_parser = expiry)]
    at: Option<Expiry>,
    /// Draw everything that was looked at, not only what says why
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Deserialize)]
struct Explained {
    allowed: bool,
    revision: u64,
    at: String,
    stable_until: Option<String>,
    ends_at: Option<String>,
    begins_at: Option<String>,
    tree: Node,
    reasons: Vec<Reason>,
    incomplete: Vec<String>,
}

#[derive(Deserialize)]
struct Reason {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    kind: Kind,
    tuple_key: ShownTuple,
    #[serde(default)]
    contextual: bool,
    ceiling: Option<ShownTuple>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Resume,
    Renew,
    RaiseCeiling,
    Remove,
    Add,
}

impl ExplainArgs {
    /// Runs the command. Answers whether the subject holds the relation.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let mut request = question(&self.subject, &self.relation, &self.object)?;
        self.query.add_to(&mut request, ContextualForm::Keys);
        self.add_instant(&mut request);
        let path = format!("/stores/{}/explain", self.store.store);
        let answer = Client::new(&self.store.server).post(&path, &request.into())?;
        let explained: Explained = answer.read()?;
        if self.store.server.json {
            output::raw(out, &answer)?;
        } else {
            self.print(out, &explained, Paint::stdout())?;
        }
        Ok(explained.allowed)
    }

    fn add_instant(&self, request: &mut Map<String, Value>) {
        if let Some(at) = self.at {
            request.insert("at".to_owned(), at.at(&SystemClock).to_string().into());
        }
    }

    fn print(&self, out: &mut impl Write, explained: &Explained, paint: Paint) -> Result<(), Failure> {
        let Explained { allowed, revision, at, tree, reasons, .. } = explained;
        let (word, style) = if *allowed { ("allowed", Style::Green) } else { ("denied", Style::Red) };
        let when = self.at.map_or_else(String::new, |_| format!(" at {at}"));
        writeln!(out, "{}{when} (revision {revision})", paint.style(word, style))?;
        Drawing { allowed: *allowed, full: self.full, paint }.draw(tree, out)?;
        for line in explained.times() {
            writeln!(out, "{line}")?;
        }
        if !reasons.is_empty() {
            writeln!(out, "would be allowed by:")?;
        } else if !allowed && !explained.is_incomplete("reasons") {
            writeln!(out, "no change of one tuple, or of a few together, would turn it")?;
        }
        // Renewed from now on, or from the instant that was asked for on.
        let from = self.at.and_then(|_| at.parse().ok());
        for (index, reason) in reasons.iter().enumerate() {
            let lines = reason.changes.iter().map(Change::describe).collect::<Vec<_>>().join("; ");
            writeln!(out, "  {}. {lines}", index + 1)?;
            for command in reason.commands(from, &self.target()) {
                writeln!(out, "     {}", paint.style(&command, Style::Bold))?;
            }
        }
        if explained.is_incomplete("reasons") {
            let other = if reasons.is_empty() { "there may be" } else { "there may be other" };
            writeln!(out, "{other} changes that would turn it: a limit ended the search")?;
        }
        Ok(())
    }

    /// The options that a command needs to reach the same store, where the environment does not say it.
    fn target(&self) -> String {
        let mut options = String::new();
        let store = self.store.store.to_string();
        if env::var("TENURE_STORE").ok().as_deref() != Some(&store) {
            options.push_str(&format!(" --store {store}"));
        }
        let server = &self.store.server.connection.server;
        let known = env::var("TENURE_SERVER").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
        if known.trim_end_matches('/') != server {
            options.push_str(&format!(" --server {}", quoted(server)));
        }
        options
    }
}

impl Explained {
    fn is_incomplete(&self, part: &str) -> bool {
        self.incomplete.iter().any(|own| own == part)
    }

    /// When the decision changes, line by line.
    fn times(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(until) = &self.stable_until {
            lines.push(format!("stable until: {until}"));
        }
        match (self.allowed, &self.ends_at, &self.begins_at) {
            (true, Some(end), _) if self.is_incomplete("ends_at") => {
                lines.push(format!("ends:         not before {end}; a limit ended the search"));
            }
            (true, Some(end), _) => lines.push(format!("ends:         {end}")),
            (true, None, _) => lines.push("ends:         never".to_owned()),
            (false, _, _) if self.is_incomplete("begins_at") => {
                lines.push("begins:       not found out; a limit ended the search".to_owned());
            }
            (false, _, Some(begin)) => lines.push(format!("begins:       {begin}")),
            (false, _, None) => {}
        }
        lines
    }
}

impl Change {
    /// Why the tuple is in the way.
    fn describe(&self) -> String {
        let ShownTuple { user, relation, object, terms } = &self.tuple_key;
        let tuple = format!("{object}#{relation}@{user}");
        let given = if self.contextual { ", as the request gives it," } else { "" };
        match self.kind {
            Kind::Resume => format!("{tuple}{given} is paused"),
            Kind::Renew => {
                let end = terms.expires_at.as_ref().map_or_else(String::new, |end| format!(" {end}"));
                format!("{tuple}{given} has expired{end}")
            }
            Kind::RaiseCeiling => {
                let ceiling = self.ceiling.as_ref().map_or("another relation", |ceiling| &ceiling.relation);
                format!("{tuple} is not there, {ceiling} is the ceiling")
            }
            Kind::Remove => format!("{tuple}{given} stands in the way"),
            Kind::Add => format!("{tuple} is not there"),
        }
    }
}

impl Reason {
    /// The commands that make the changes, one for each tuple; none for those that the request gives.
    fn commands(&self, renewed_from: Option<Instant>, target: &str) -> Vec<String> {
        let mut commands: Vec<(String, &ShownTuple)> = Vec::new();
        for change in self.changes.iter().filter(|change| !change.contextual) {
            let key = &change.tuple_key;
            let option = match change.kind {
                Kind::Resume => " --resume".to_owned(),
                Kind::Renew => format!(" --renew {}", renewal(renewed_from)),
                Kind::Remove => " --delete".to_owned(),
                Kind::RaiseCeiling | Kind::Add => String::new(),
            };
            let is_same = |known: &&mut (String, &ShownTuple)| {
                (&known.1.user, &known.1.relation, &known.1.object) == (&key.user, &key.relation, &key.object)
            };
            match commands.iter_mut().find(is_same) {
                Some((known, _)) => known.push_str(&option),
                None => {
                    let words = [&key.user, &key.relation, &key.object].map(|word| quoted(word)).join(" ");
                    commands.push((format!("tenure write {words}{option}"), key));
                }
            }
        }
        commands.into_iter().map(|(command, _)| command + target).collect()
    }
}

/// The end of a tuple that is renewed, as `tenure write` takes it.
fn renewal(from: Option<Instant>) -> String {
    const DAY_MICROS: i64 = 86_400 * 1_000_000;
    match from {
        None => format!("+{RENEWED_DAYS}d"),
        Some(from) => from.saturating_add_micros(RENEWED_DAYS * DAY_MICROS).to_string(),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    // `#` begins a comment at the beginning of a word only, and none begins with it.
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-#".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(changes: Value) -> Reason {
        serde_json::from_value(json!({ "changes": changes })).unwrap()
    }

    fn tuple(relation: &str) -> Value {
        json!({ "user": "user:anne", "relation": relation, "object": "park:p1", "condition": null,
                "expires_at": "2026-01-31T12:00:00Z", "paused": true })
    }

    #[test]
    fn a_reason_comes_with_the_commands_that_make_it() {
        let paused = json!({ "kind": "resume", "tuple_key": tuple("viewer") });
        let expired = json!({ "kind": "renew", "tuple_key": tuple("viewer") });
        let missing = json!({ "kind": "add", "tuple_key": tuple("member") });
        let blocked = json!({ "kind": "remove", "tuple_key": tuple("blocked") });
        let both = reason(json!([paused, expired, missing, blocked]));
        assert_eq!(
            both.commands(None, ""),
            [
                "tenure write user:anne viewer park:p1 --resume --renew +30d",
                "tenure write user:anne member park:p1",
                "tenure write user:anne blocked park:p1 --delete",
            ]
        );
        let at = Some("2030-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(
            reason(json!([expired])).commands(at, " --store X"),
            ["tenure write user:anne viewer park:p1 --renew 2030-01-31T00:00:00Z --store X"]
        );
    }

    #[test]
    fn what_is_given_with_the_request_cannot_be_written() {
        let given = json!({ "kind": "resume", "tuple_key": tuple("viewer"), "contextual": true });
        let given = reason(json!([given]));
        assert!(given.commands(None, "").is_empty());
        let text = given.changes[0].describe();
        assert_eq!(text, "park:p1#viewer@user:anne, as the request gives it, is paused");
    }

    #[test]
    fn every_kind_of_change_says_why() {
        let describe = |change: Value| serde_json::from_value::<Change>(change).unwrap().describe();
        let of = |kind: &str| describe(json!({ "kind": kind, "tuple_key": tuple("viewer") }));
        assert_eq!(of("resume"), "park:p1#viewer@user:anne is paused");
        assert_eq!(of("renew"), "park:p1#viewer@user:anne has expired 2026-01-31T12:00:00Z");
        assert_eq!(of("remove"), "park:p1#viewer@user:anne stands in the way");
        assert_eq!(of("add"), "park:p1#viewer@user:anne is not there");
        let raise =
            json!({ "kind": "raise_ceiling", "tuple_key": tuple("manager"), "ceiling": tuple("viewer") });
        assert_eq!(describe(raise), "park:p1#manager@user:anne is not there, viewer is the ceiling");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted("group:eng#member"), "group:eng#member");
        assert_eq!(quoted("user:*"), "'user:*'");
        assert_eq!(quoted("user:a|b$c'd"), r"'user:a|b$c'\''d'");
    }

    fn times(answer: Value) -> String {
        let mut whole = json!({ "allowed": true, "revision": 1, "at": "2026-01-01T00:00:00Z", "stable_until": null,
            "ends_at": null, "begins_at": null, "reasons": [], "incomplete": [],
            "tree": { "kind": "relation", "name": "park:p1#viewer", "outcome": "true", "decides": true } });
        whole.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        serde_json::from_value::<Explained>(whole).unwrap().times().join("\n")
    }

    #[test]
    fn the_times_say_what_is_known_of_them() {
        let (t, u) = ("2027-01-31T12:00:00Z", "2028-01-31T12:00:00Z");
        assert_eq!(times(json!({})), "ends:         never");
        assert_eq!(
            times(json!({ "stable_until": t, "ends_at": u })),
            format!("stable until: {t}\nends:         {u}")
        );
        assert_eq!(
            times(json!({ "ends_at": t, "incomplete": ["ends_at"] })),
            format!("ends:         not before {t}; a limit ended the search")
        );
        assert_eq!(times(json!({ "allowed": false })), "");
        assert_eq!(times(json!({ "allowed": false, "begins_at": t })), format!("begins:       {t}"));
        assert_eq!(
            times(json!({ "allowed": false, "incomplete": ["begins_at"] })),
            "begins:       not found out; a limit ended the search"
        );
    }
}
