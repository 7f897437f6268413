//! Plays commands against the server and the model side by side, and compares.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tenure::cooperation::COOPERATION_MODEL;
use tenure::model::{Clock, Instant};
use tenure::schema;
use tenure::schema::json::{Style, to_value};
use tower::ServiceExt;

use crate::command::{Command, JobRole, Micros};
use crate::fixture::Server;
use crate::generate::{USERS, resources};
use crate::rules::World;

/// Longest batch of checks that the server takes.
const CHECKS_OF_A_BATCH: usize = 50;

/// One sequence: a store of its own on a server, and the model of what is in it. The server's clock never runs backwards, so
/// that each sequence begins at another instant; the model's begins at 0.
pub struct Stage<'s> {
    server: &'s Server,
    store: String,
    began: Micros,
    pub world: World,
    cooperations: Vec<String>,
    invitations: Vec<String>,
}

impl<'s> Stage<'s> {
    pub fn new(server: &'s Server) -> Self {
        let began = server.clock().now().unix_micros();
        let (cooperations, invitations) = (Vec::new(), Vec::new());
        let store = server.create_store();
        let stage = Self { server, store, began, world: World::default(), cooperations, invitations };
        let model = to_value(&schema::parse(COOPERATION_MODEL).unwrap(), Style::Compact);
        let (status, answer) = stage.send("POST", "/authorization-models", None, Some(model));
        assert_eq!(status, 201, "{answer}");
        stage
    }

    /// Sends a request for the store. Answers are not held against the API's description here: that is done by all tests
    /// of the wire, and would take longer than everything else.
    fn send(&self, method: &str, path: &str, actor: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(format!("/stores/{}{path}", self.store));
        if let Some(user) = actor {
            request = request.header("Tenure-Actor", format!("user:{user}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).unwrap();
        self.server.runtime().block_on(async {
            let answer = self.server.router().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
        })
    }

    /// Plays a command on both sides; says what is different.
    pub fn play(&mut self, command: &Command) -> Result<(), String> {
        let made = (self.world.cooperations_made, self.world.invitations.len());
        let predicted = self.world.play(command);
        let Some(request) = command.request(self.began, &self.cooperations, &self.invitations) else {
            let now = Instant::from_unix_micros(self.began + self.world.now).unwrap();
            self.server.set_clock(&now.to_string());
            return Ok(());
        };
        let (status, answer) = self.send(request.method, &request.path, request.actor, request.body);
        let expected = predicted.map_or_else(|refused| refused.wire(), |status| (status, ""));
        let code = if status < 400 { "" } else { answer["code"].as_str().unwrap_or("?") };
        if (status, code) != expected {
            return Err(format!("answered {status} {answer}\n  the rules say {expected:?}"));
        }
        let text = |field: &str| answer[field].as_str().map(str::to_owned);
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
            Command::Limit { cooperation, .. } | Command::Accept { cooperation, .. } => *cooperation,
            Command::Offer { .. } => self.world.cooperations_made.saturating_sub(1),
            _ => return Ok(()),
        };
        let Some(found) = found.filter(|_| self.world.cooperations.contains_key(&number)) else {
            return Ok(());
        };
        let expected = self.world.status(number);
        if found == expected { Ok(()) } else { Err(format!("status `{found}`; the rules say `{expected}`")) }
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
            let (status, answer) = self.send("POST", "/batch-check", None, Some(json!({"checks": checks})));
            assert_eq!(status, 200, "{answer}");
            for (number, (user, role, resource)) in some.iter().enumerate() {
                let allowed = answer["result"][number.to_string()]["allowed"].as_bool();
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
