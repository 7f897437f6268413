//! A server with one store that has the cooperation model, and what its tests say in few words.

use serde_json::{Value, json};
use tenure::cooperation::COOPERATION_MODEL;
use tenure::schema;

use crate::fixture::{Answer, Server};

/// Asks the cooperation routes of one store.
pub struct Coop {
    pub server: Server,
}

impl Coop {
    pub fn new() -> Self {
        let server = Server::new();
        let model = schema::parse(COOPERATION_MODEL).unwrap();
        let model = schema::json::to_value(&model, schema::json::Style::Compact);
        let written = server.post("/authorization-models", model);
        assert_eq!(written.status, 201, "{}", written.body);
        Self { server }
    }

    /// Sends a request for the store; `actor` is a user's id, or empty for the system.
    pub fn send(&self, actor: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/stores/{}{path}", self.server.store);
        let header = format!("user:{actor}");
        let headers: &[(&str, &str)] = if actor.is_empty() { &[] } else { &[("Tenure-Actor", &header)] };
        self.server.send(method, &path, headers, body.map(|body| body.to_string()).as_deref())
    }

    pub fn get(&self, actor: &str, path: &str) -> Answer {
        self.send(actor, "GET", path, None)
    }

    pub fn put(&self, actor: &str, path: &str, body: Value) -> Answer {
        self.send(actor, "PUT", path, Some(body))
    }

    pub fn post(&self, actor: &str, path: &str, body: Value) -> Answer {
        self.send(actor, "POST", path, Some(body))
    }

    pub fn patch(&self, actor: &str, path: &str, body: Value) -> Answer {
        self.send(actor, "PATCH", path, Some(body))
    }

    pub fn delete(&self, actor: &str, path: &str) -> Answer {
        self.send(actor, "DELETE", path, None)
    }

    /// Makes users known.
    pub fn users(&self, ids: &[&str]) {
        for id in ids {
            let put = self.put("", &format!("/users/{id}"), json!({"email": format!("{id}@example.org")}));
            assert_eq!(put.status, 200, "{}", put.body);
        }
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        let answer = self.server.post(
            "/check",
            json!({"tuple_key": {"user": "user:x", "relation": "admin", "object": "organization:x"}}),
        );
        answer.body["revision"].as_u64().unwrap()
    }
}

impl Answer {
    /// It was done, with this status; returns the body.
    #[track_caller]
    pub fn done(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// It was refused with this code, by this rule; an empty one stands for none.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str, rule: &str) -> String {
        let rule = if rule.is_empty() { Value::Null } else { rule.into() };
        let said = (self.status, self.body["code"].as_str(), &self.body["rule"]);
        assert_eq!(said, (status, Some(code), &rule), "{}", self.body);
        self.body["message"].as_str().unwrap().to_owned()
    }
}

/// An organization `acme` with a member of each role, named as the role is, one in `other`, and one in none.
pub fn acme() -> Coop {
    let coop = Coop::new();
    let roles = ["admin", "moderator", "technical", "commercial", "member", "external"];
    coop.users(&roles);
    coop.users(&["stranger", "nobody", "second"]);
    let create = |id: &str, admin: &str| {
        let body = json!({"id": id, "name": id.to_uppercase(), "admin": admin});
        coop.post("", "/organizations", body).done(201);
    };
    create("acme", "admin");
    create("other", "stranger");
    for (user, role) in [
        ("moderator", "moderator"),
        ("technical", "technical_asset_manager"),
        ("commercial", "commercial_asset_manager"),
        ("member", "member"),
        ("external", "external"),
    ] {
        coop.put("", &format!("/organizations/acme/members/{user}"), json!({ "role": role })).done(201);
    }
    coop.post("admin", "/organizations/acme/portfolios", json!({"id": "all", "name": "All"})).done(201);
    let park = json!({"id": "p1", "name": "One", "portfolio": "all"});
    coop.post("admin", "/organizations/acme/parks", park).done(201);
    coop
}

impl Coop {
    /// Whether a user has a role on an object.
    #[track_caller]
    pub fn has(&self, user: &str, role: &str, on: &str) -> bool {
        self.server.allows(&format!("{on}#{role}@user:{user}"))
    }

    /// The tuples that name somebody or something, as object or subject, sorted.
    pub fn naming(&self, what: &str) -> Vec<String> {
        let mut found = self.server.tuples();
        found.retain(|tuple| tuple.starts_with(&format!("{what}#")) || tuple.ends_with(&format!("@{what}")));
        found
    }
}
