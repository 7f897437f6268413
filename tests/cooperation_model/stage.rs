//! Plays commands against the server and the model side by side, and compares.

use serde_json::json;
use tenure::cooperation::COOPERATION_MODEL;
use tenure::model::Instant;
use tenure::schema;
use tenure::schema::json::{Style, to_value};

use crate::command::{Command, JobRole, Micros};
use crate::fixture::{NOW, Server};
use crate::generate::{USERS, resources};
use crate::rules::World;

/// Longest batch of checks that the server takes.
const CHECKS_OF_A_BATCH: usize = 50;

pub struct Stage {
    server: Server,
    pub world: World,
    cooperations: Vec<String>,
    invitations: Vec<String>,
}

impl Stage {
    pub fn new() -> Self {
        let server = Server::new();
        let model = to_value(&schema::parse(COOPERATION_MODEL).unwrap(), Style::Compact);
        let written = server.post("/authorization-models", model);
        assert_eq!(written.status, 201, "{}", written.body);
        let now = NOW.parse::<Instant>().unwrap().unix_micros();
        Self { server, world: World::at(now), cooperations: Vec::new(), invitations: Vec::new() }
    }

    /// Plays a command on both sides; says what is different.
    pub fn play(&mut self, command: &Command) -> Result<(), String> {
        let made = (self.world.cooperations_made, self.world.invitations.len());
        let predicted = self.world.play(command);
        let Some(request) = command.request(&self.cooperations, &self.invitations) else {
            self.set_clock(self.world.now);
            return Ok(());
        };
        let actor = request.actor.map(|user| format!("user:{user}"));
        let headers: Vec<(&str, &str)> = actor.iter().map(|actor| ("Tenure-Actor", &**actor)).collect();
        let path = format!("/stores/{}{}", self.server.store, request.path);
        let body = request.body.map(|body| body.to_string());
        let answer = self.server.send(request.method, &path, &headers, body.as_deref());
        let expected = predicted.map_or_else(|refused| refused.wire(), |status| (status, ""));
        let code = if answer.status < 400 { "" } else { answer.body["code"].as_str().unwrap_or("?") };
        if (answer.status, code) != expected {
            return Err(format!("answered {} {}\n  the rules say {expected:?}", answer.status, answer.body));
        }
        let text = |field: &str| answer.body[field].as_str().map(str::to_owned);
        if self.world.cooperations_made > made.0 {
            self.cooperations.push(text("id").ok_or("a cooperation without id")?);
        }
        if self.world.invitations.len() > made.1 {
            let field = if self.world.cooperations_made > made.0 { "invitation" } else { "id" };
            self.invitations.push(text(field).ok_or("an invitation without id")?);
        }
        self.compare_status(command, text("status"))
    }

    /// What the answer to a command on a cooperation says of its status.
    fn compare_status(&self, command: &Command, found: Option<String>) -> Result<(), String> {
        let number = match command {
            Command::Limit { cooperation, .. } => *cooperation,
            Command::Offer { .. } => self.world.cooperations_made.saturating_sub(1),
            _ => return Ok(()),
        };
        let Some(found) = found.filter(|_| self.world.cooperations.contains_key(&number)) else {
            return Ok(());
        };
        let expected = self.world.status(number);
        if found == expected { Ok(()) } else { Err(format!("status `{found}`; the rules say `{expected}`")) }
    }

    fn set_clock(&self, now: Micros) {
        self.server.set_clock(&Instant::from_unix_micros(now).unwrap().to_string());
    }

    /// Compares everybody's role on everything.
    pub fn compare_roles(&self) -> Result<(), String> {
        let mut questions = Vec::new();
        for user in USERS {
            for resource in resources() {
                questions.extend(JobRole::ALL.map(|role| (user, role, resource)));
            }
        }
        for some in questions.chunks(CHECKS_OF_A_BATCH) {
            let check = |(number, (user, role, resource)): (usize, &(&str, JobRole, &str))| {
                let key =
                    json!({"user": format!("user:{user}"), "relation": role.text(), "object": resource});
                json!({"tuple_key": key, "correlation_id": number.to_string()})
            };
            let checks: Vec<_> = some.iter().enumerate().map(check).collect();
            let answer = self.server.post("/batch-check", json!({"checks": checks}));
            assert_eq!(answer.status, 200, "{}", answer.body);
            for (number, (user, role, resource)) in some.iter().enumerate() {
                let allowed = answer.body["result"][number.to_string()]["allowed"].as_bool();
                let expected = self.world.holds(user, *role, resource);
                if allowed != Some(expected) {
                    return Err(format!(
                        "{user} {} {resource}: {allowed:?}; the rules say {expected}",
                        role.text()
                    ));
                }
            }
        }
        Ok(())
    }
}
