//! Three organizations to test cooperations with: Helios owns plants, Nordwind is to be its partner, Zugspitze has nothing to do
//! with either.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::cooperation::Coop;

pub struct Partners {
    coop: Coop,
}

impl Deref for Partners {
    type Target = Coop;

    fn deref(&self) -> &Coop {
        &self.coop
    }
}

impl Partners {
    /// Helios: `hanna` (admin), `mona` (moderator), `mina` (member). Nordwind: `nora` (admin), `olaf` (moderator), `nils` and
    /// `nele` (members), `erik` (external). Zugspitze: `xaver` (admin). `gast` and `berta` are in none.
    ///
    /// Helios owns the portfolio `lausitz` with the park `elster`, and the parks `deich` and `heide`; Nordwind `watt`.
    pub fn new() -> Self {
        let coop = Coop::new();
        let members = [
            ("helios", &[("hanna", "admin"), ("mona", "moderator"), ("mina", "member")][..]),
            (
                "nordwind",
                &[
                    ("nora", "admin"),
                    ("olaf", "moderator"),
                    ("nils", "member"),
                    ("nele", "member"),
                    ("erik", "external"),
                ],
            ),
            ("zugspitze", &[("xaver", "admin")]),
        ];
        coop.users(&["gast", "berta"]);
        for (organization, members) in members {
            for (user, role) in members {
                coop.users(&[user]);
                if *role == "admin" {
                    let name = format!("{organization} GmbH");
                    let body = json!({"id": organization, "name": name, "admin": user});
                    coop.post("", "/organizations", body).done(201);
                } else {
                    let path = format!("/organizations/{organization}/members/{user}");
                    coop.put("", &path, json!({"role": role})).done(201);
                }
            }
        }
        let portfolio = json!({"id": "lausitz", "name": "Lausitz"});
        coop.post("hanna", "/organizations/helios/portfolios", portfolio).done(201);
        for (owner, park, portfolio) in [
            ("helios", "elster", Some("lausitz")),
            ("helios", "deich", None),
            ("helios", "heide", None),
            ("nordwind", "watt", None),
        ] {
            let body = json!({"id": park, "name": park, "portfolio": portfolio});
            coop.post("", &format!("/organizations/{owner}/parks"), body).done(201);
        }
        Self { coop }
    }

    /// Helios invites Nordwind; returns the path of the cooperation.
    pub fn invited(&self) -> String {
        let body = json!({"partner": {"organization": "nordwind"}});
        path(&self.post("hanna", "/organizations/helios/cooperations", body).done(201))
    }

    /// And Nordwind accepts.
    pub fn active(&self) -> String {
        let path = self.invited();
        self.post("nora", &format!("{path}/accept"), json!({})).done(200);
        path
    }

    /// Shares a resource, such as `parks/deich`.
    #[track_caller]
    pub fn share(&self, cooperation: &str, resource: &str, role: &str) {
        self.put("hanna", &format!("{cooperation}/shares/{resource}"), json!({"role": role})).done(200);
    }

    #[track_caller]
    pub fn delegate(&self, cooperation: &str, resource: &str, user: &str, role: &str) {
        let path = format!("{cooperation}/shares/{resource}/delegations/{user}");
        self.put("nora", &path, json!({"role": role})).done(200);
    }

    /// The highest roles of a user on a resource, by checks: `technical_manager, asset_manager`; empty: none.
    #[track_caller]
    pub fn roles(&self, user: &str, resource: &str) -> String {
        let holds = |role: &str| self.server.allows(&format!("{resource}#{role}@user:{user}"));
        if holds("operator") {
            return "operator".to_owned();
        }
        let managers: Vec<_> =
            ["technical_manager", "asset_manager"].into_iter().filter(|role| holds(role)).collect();
        if managers.is_empty() && holds("viewer") { "viewer".to_owned() } else { managers.join(", ") }
    }

    pub fn status(&self, actor: &str, cooperation: &str) -> String {
        self.get(actor, cooperation).done(200)["status"].as_str().unwrap().to_owned()
    }

    /// The kinds and recipients of all notifications.
    pub fn notified(&self) -> Vec<String> {
        let all = self.get("", "/notifications?limit=500").done(200);
        let line = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            format!("{} {}", text("kind"), text("recipient"))
        };
        all["notifications"].as_array().unwrap().iter().map(line).collect()
    }
}

/// The path of a cooperation that was answered.
pub fn path(cooperation: &Value) -> String {
    format!("/cooperations/{}", cooperation["id"].as_str().unwrap())
}
