//! Plays a scenario: sets the clock, sends what its sentences say, and compares.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use tenure::model::{Clock, Instant};
use tenure::schema::json::{Style, to_value};

use crate::file::{Scenario, Step, World};
use crate::fixture::{Answer, Server};
use crate::pattern;
use crate::phrases::{self, Request};

/// The job roles, each with those that include it, itself first.
const ROLES: [&str; 4] = ["operator", "technical_manager", "asset_manager", "viewer"];

/// Plays a scenario; says where it went differently.
pub fn play(world: &World, scenario: &Scenario) -> Result<(), String> {
    let fails = |place: String, reason: String| format!("- {}\n    {place}: {reason}", scenario.name);
    let mut stage = Stage::new();
    for sentence in &world.world {
        stage.given(sentence, world).map_err(|reason| fails(format!("world: {sentence}"), reason))?;
    }
    for sentence in &scenario.given {
        stage.given(sentence, world).map_err(|reason| fails(format!("given: {sentence}"), reason))?;
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        let place = || {
            let told = step.when.as_deref().or(step.at.as_deref()).unwrap_or("then");
            format!("step {}: {told}", index + 1)
        };
        stage.step(step).map_err(|reason| fails(place(), reason))?;
    }
    Ok(())
}

struct Stage {
    server: Server,
    /// The ids of what was made, by the names that the scenario gave.
    names: BTreeMap<String, String>,
}

impl Stage {
    fn new() -> Self {
        let mut server = Server::new();
        server.store = server.create_store();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/cooperation.fga");
        let model = tenure::schema::parse(&fs::read_to_string(path).unwrap()).unwrap();
        let written = server.post("/authorization-models", to_value(&model, Style::Wire));
        assert_eq!(written.status, 201, "{}", written.body);
        Self { server, names: BTreeMap::new() }
    }

    /// Plays a sentence, or those of a story, which must succeed.
    fn given(&mut self, sentence: &str, world: &World) -> Result<(), String> {
        if let Some(story) = world.stories.get(sentence) {
            return story.iter().try_for_each(|sentence| {
                self.given(sentence, world).map_err(|reason| format!("{sentence}: {reason}"))
            });
        }
        let (_, answer) = self.perform(sentence, None)?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(shown(&answer)) }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        if let Some(at) = &step.at {
            let to = self.instant(at)?;
            self.server.set_clock(&to.to_string());
        }
        if let Some(sentence) = &step.when {
            let before = self.revision();
            let (request, answer) = self.perform(sentence, step.with.as_ref())?;
            let expected = step.then.as_ref().ok_or("`when` without `then`")?;
            if !is_outcome(&answer, expected) {
                return Err(format!("{}, not {expected}", shown(&answer)));
            }
            if answer.status >= 400 && self.revision() != before {
                return Err("it was refused and yet something was written".to_owned());
            }
            // What is done by a command is done once: reading and refusals write nothing.
            if request.method == "GET" && self.revision() != before {
                return Err("reading wrote something".to_owned());
            }
            if let Some(pattern) = &step.answer {
                let pattern = self.named(pattern);
                if let Some(difference) = pattern::difference(&pattern, &answer.body, "answer") {
                    return Err(difference);
                }
            }
        } else if step.with.is_some() || step.then.is_some() || step.answer.is_some() {
            return Err("`with`, `then` and `answer` belong to a `when`".to_owned());
        }
        for (resource, users) in &step.roles {
            for (user, role) in users {
                self.compare_roles(resource, user, role)?;
            }
        }
        for (question, expected) in &step.checks {
            let parts: Vec<_> = question.split(' ').collect();
            let [user, relation, object] = parts[..] else { return Err(format!("no check: {question}")) };
            if self.check(user, relation, object) != *expected {
                return Err(format!("{question} is {}", !expected));
            }
        }
        Ok(())
    }

    /// Sends what a sentence says and remembers what was made by its name.
    fn perform(&mut self, sentence: &str, with: Option<&Value>) -> Result<(Request, Answer), String> {
        let request = phrases::read(sentence, |name| self.id(name))?;
        let body = self.body(&request, with)?;
        let actor = request.actor.as_ref().map(|actor| format!("user:{actor}"));
        let headers: Vec<(&str, &str)> = actor.iter().map(|actor| ("Tenure-Actor", &**actor)).collect();
        let path = format!("/stores/{}{}", self.server.store, request.path);
        let answer = self.server.send(&request.method, &path, &headers, body.as_deref());
        if let Some(name) = &request.called {
            for (field, name) in [("id", name.clone()), ("invitation", format!("{name}.invitation"))] {
                if let Some(id) = answer.body[field].as_str() {
                    self.names.insert(name, id.to_owned());
                }
            }
        }
        Ok((request, answer))
    }

    fn body(&self, request: &Request, with: Option<&Value>) -> Result<Option<String>, String> {
        if let Some(Value::String(text)) = with {
            return Ok(Some(text.clone()));
        }
        let mut fields: Map<String, Value> = match &*request.body {
            "" => Map::new(),
            text => serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))?,
        };
        if let Some(until) = &request.until {
            fields.insert("expires_at".to_owned(), self.instant(until)?.to_string().into());
        }
        if let Some(with) = with {
            let named = self.named(with);
            let more = named.as_object().ok_or("`with` is neither fields nor a text")?;
            fields.extend(more.clone());
        }
        let empty = request.body.is_empty() && fields.is_empty();
        Ok((!empty).then(|| Value::Object(fields).to_string()))
    }

    /// An instant: `+3d` from now, or as it is.
    fn instant(&self, text: &str) -> Result<Instant, String> {
        if text == "now" {
            return Ok(self.server.clock().now());
        }
        let Some(sign) = text.chars().next().filter(|sign| ['+', '-'].contains(sign)) else {
            return text.parse().map_err(|error| format!("{error}"));
        };
        let unit = text.trim_start_matches(|c: char| c == sign || c.is_ascii_digit());
        let number: i64 =
            text[1..text.len() - unit.len()].parse().map_err(|_| format!("no duration: {text}"))?;
        let micros = match unit {
            "us" => 1,
            "s" => 1_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(format!("no duration: {text}; expected us, s, h or d")),
        };
        let number = if sign == '-' { -number } else { number };
        Ok(self.server.clock().now().saturating_add_micros(number * micros))
    }

    fn id(&self, name: &str) -> String {
        self.names.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The value with the ids in the place of `$name`.
    fn named(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(phrases::path(text, &|name: &str| self.id(name))),
            Value::Array(entries) => entries.iter().map(|entry| self.named(entry)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), self.named(value))).collect())
            }
            other => other.clone(),
        }
    }

    fn compare_roles(&self, resource: &str, user: &str, expected: &str) -> Result<(), String> {
        let named: Vec<&str> = match expected {
            "none" => Vec::new(),
            roles => roles.split(" + ").collect(),
        };
        if let Some(unknown) = named.iter().find(|role| !ROLES.contains(role)) {
            return Err(format!("no job role: {unknown}"));
        }
        let includes = |role: &str, part: &str| role == part || role == "operator" || part == "viewer";
        for role in ROLES {
            let expected = named.iter().any(|named| includes(named, role));
            if self.check(user, role, resource) != expected {
                let has = if expected { "is not" } else { "is" };
                return Err(format!("{user} {has} {role} on {resource}; expected: {}", named.join(" + ")));
            }
        }
        Ok(())
    }

    fn check(&self, user: &str, relation: &str, object: &str) -> bool {
        let object = match object.strip_prefix("cooperation:") {
            Some(name) => format!("cooperation:{}", self.id(name)),
            None => object.to_owned(),
        };
        self.server.allows(&format!("{object}#{relation}@user:{user}"))
    }

    fn revision(&self) -> Value {
        let key = json!({"user": "user:nobody", "relation": "viewer", "object": "park:nowhere"});
        let answer = self.server.post("/check", json!({"tuple_key": key}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["revision"].clone()
    }
}

fn shown(answer: &Answer) -> String {
    format!("answered {} {}", answer.status, answer.body)
}

/// Whether the answer is `ok`, a status, or a status and a code.
fn is_outcome(answer: &Answer, expected: &Value) -> bool {
    let expected = expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
    let (status, code) = expected.split_once(' ').map_or((&*expected, None), |(s, c)| (s, Some(c)));
    let status = match status {
        "ok" => (200..300).contains(&answer.status),
        number => number == answer.status.to_string(),
    };
    // A refusal is told apart by its code, which must be named.
    let named = code.is_some() || answer.status < 400;
    status && named && code.is_none_or(|code| answer.body["code"] == code)
}
