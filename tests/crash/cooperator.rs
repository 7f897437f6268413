//! Somebody who gives commands of the cooperation rules, each of which changes tuples and documents together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Figures;
use crate::server::Client;
use crate::world::{Known, Random};

const MEMBERS: u64 = 4;
const ROLES: [&str; 3] = ["member", "external", "moderator"];

/// What the commands leave.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// Whether the cooperation is paused.
    paused: bool,
    /// The role of each member of the organization that invited.
    roles: BTreeMap<String, String>,
}

/// Pauses and resumes a cooperation, and gives members other roles.
#[derive(Clone)]
pub struct Cooperator {
    store: String,
    cooperation: String,
    known: Known<State>,
}

impl Cooperator {
    pub fn new(client: &Client, store: String) -> Self {
        let ask = |actor: &str, method: &str, path: &str, body: Value| {
            client.ask(actor, method, &format!("/stores/{store}{path}"), &body)
        };
        let members = (0..MEMBERS).map(|number| format!("m{number}"));
        for user in ["anna", "ben"].map(String::from).into_iter().chain(members) {
            ask("", "PUT", &format!("/users/{user}"), json!({"email": format!("{user}@example.org")}));
        }
        for (id, admin) in [("alpha", "anna"), ("beta", "ben")] {
            ask("", "POST", "/organizations", json!({"id": id, "name": id, "admin": admin}));
        }
        let invite = json!({"partner": {"organization": "beta"}});
        let invited = ask("anna", "POST", "/organizations/alpha/cooperations", invite);
        let cooperation = invited["id"].as_str().unwrap().to_owned();
        ask("ben", "POST", &format!("/cooperations/{cooperation}/accept"), json!({}));
        let known = Known::new(State { paused: false, roles: BTreeMap::new() });
        Self { store, cooperation, known }
    }

    pub fn store(&self) -> &str {
        &self.store
    }

    pub fn is_unanswered(&self) -> bool {
        self.known.unanswered.is_some()
    }

    pub fn compare(&mut self, client: &Client, figures: &mut Figures) {
        let mut found = State { paused: false, roles: BTreeMap::new() };
        let cooperation = format!("cooperation:{}", self.cooperation);
        for tuple in client.tuples(&self.store) {
            let field = |name: &str| tuple[name].as_str().unwrap().to_owned();
            if field("object") == cooperation && field("relation") == "partner" {
                found.paused = tuple["paused"].as_bool().unwrap_or_default();
            }
            if field("object") == "organization:alpha" && field("user").starts_with("user:m") {
                let one = found.roles.insert(field("user"), field("relation"));
                assert_eq!(one, None, "a member has one role");
            }
        }
        let path = format!("/stores/{}/cooperations/{}", self.store, self.cooperation);
        let shown = client.ask("anna", "GET", &path, &json!({}));
        assert_eq!(shown["paused"], found.paused, "{shown}");
        self.known.compare(found, figures);
    }

    /// Gives commands until there is no answer any more.
    pub fn write_until_killed(&mut self, client: &Client, mut random: Random) {
        while self.command(client, &mut random).is_some() {}
    }

    fn command(&mut self, client: &Client, random: &mut Random) -> Option<()> {
        let mut after = self.known.acknowledged.clone();
        let (actor, method, path, body) = if random.one_in(2) {
            after.paused = !after.paused;
            ("anna", "PATCH", format!("cooperations/{}", self.cooperation), json!({"paused": after.paused}))
        } else {
            let user = format!("m{}", random.below(MEMBERS));
            let role = ROLES[usize::try_from(random.below(3)).unwrap()];
            after.roles.insert(format!("user:{user}"), role.to_owned());
            ("", "PUT", format!("organizations/alpha/members/{user}"), json!({"role": role}))
        };
        self.known.unanswered = Some(after);
        let (status, answer) =
            client.send(actor, method, &format!("/stores/{}/{path}", self.store), &body)?;
        assert!(matches!(status, 200 | 201), "{method} {path}: {status} {answer}");
        self.known.acknowledged = self.known.unanswered.take().unwrap();
        self.known.commits += 1;
        Some(())
    }
}
