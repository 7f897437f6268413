//! Invitations to the platform and into an organization, the outbox, and the record of the commands.

use serde_json::{Value, json};

use crate::cooperation::{Coop, acme};

fn outbox(coop: &Coop, after: &str) -> Vec<Value> {
    let query = if after.is_empty() { String::new() } else { format!("?after={after}") };
    let found = coop.get("", &format!("/notifications{query}")).done(200);
    found["notifications"].as_array().unwrap().clone()
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

#[test]
fn r41_staff_invite_to_the_platform_and_accepting_makes_an_organization_with_a_portfolio() {
    let coop = acme();
    let new = || json!({"kind": "platform", "email": " New@Example.org"});
    coop.post("", "/invitations", new()).refused(400, "actor_required", "");
    coop.post("admin", "/invitations", new()).refused(403, "forbidden", "R41");
    coop.put("", "/platform/staff/second", json!({})).done(204);
    let sent = coop.post("second", "/invitations", new()).done(201);
    assert_eq!(
        (&sent["email"], &sent["status"], &sent["expires_at"], &sent["language"]),
        (&json!("new@example.org"), &json!("sent"), &json!("2026-01-15T00:00:00Z"), &json!("en"))
    );
    let path = format!("/invitations/{}", id(&sent));
    assert_eq!(coop.get("nobody", &path).done(200)["kind"], "platform");
    let accept = |actor: &str, body: Value| coop.post(actor, &format!("{path}/accept"), body);
    let body = json!({"user": "new", "organization": {"id": "newco", "name": "New Co"}, "portfolio": {"name": "First"}});
    accept("", body.clone()).refused(400, "actor_required", "");
    accept("new", json!({"user": "new"})).refused(400, "invalid_argument", "");
    accept("second", body.clone()).refused(403, "forbidden", "R40");
    let as_nobody = json!({"user": "nobody", "organization": {"name": "x"}});
    accept("nobody", as_nobody).refused(403, "forbidden", "R40");
    let taken = json!({"user": "new", "organization": {"id": "acme", "name": "New Co"}});
    accept("new", taken).refused(409, "already_exists", "");
    assert_eq!(accept("new", body.clone()).done(200)["organization"], "newco");
    let me = coop.get("new", "/users/new").done(200);
    assert_eq!((&me["role"], &me["email"]), (&json!("admin"), &json!("new@example.org")));
    let portfolios: Vec<_> = coop
        .naming("organization:newco")
        .into_iter()
        .filter(|tuple| tuple.starts_with("portfolio"))
        .collect();
    assert_eq!(portfolios.len(), 1);
    accept("new", body).refused(409, "not_pending", "R22");
    assert_eq!(coop.get("", &path).done(200)["status"], "accepted");
    let kinds: Vec<_> =
        outbox(&coop, "").iter().map(|n| (n["kind"].clone(), n["recipient"].clone())).collect();
    assert_eq!(
        kinds,
        [
            (json!("invitation"), json!("new@example.org")),
            (json!("invitation_accepted"), json!("second@example.org"))
        ]
    );
}

#[test]
fn r41_and_r42_who_is_in_an_organization_must_leave_it_first() {
    let coop = acme();
    coop.put("", "/platform/staff/second", json!({})).done(204);
    let platform = json!({"kind": "platform", "email": "stranger@example.org"});
    let platform = id(&coop.post("second", "/invitations", platform).done(201));
    let body = json!({"user": "stranger", "organization": {"name": "x"}});
    coop.post("stranger", &format!("/invitations/{platform}/accept"), body).refused(
        409,
        "already_member",
        "R41",
    );
    let into = json!({"kind": "organization", "organization": "acme", "email": "stranger@example.org", "role": "member"});
    let into = id(&coop.post("admin", "/invitations", into).done(201));
    let accept =
        || coop.post("stranger", &format!("/invitations/{into}/accept"), json!({"user": "stranger"}));
    accept().refused(409, "already_member", "R42");
    coop.delete("stranger", "/organizations/other/members/stranger?confirm=other").done(204);
    assert_eq!(accept().done(200)["organization"], "acme");
    assert_eq!(coop.get("stranger", "/users/stranger").done(200)["role"], "member");
}

#[test]
fn r42_an_admin_invites_with_a_role_and_the_right_is_checked_again() {
    let coop = acme();
    coop.put("", "/organizations/acme/members/second", json!({"role": "admin"})).done(201);
    let new = || json!({"kind": "organization", "organization": "acme", "email": "nobody@example.org", "role": "moderator", "language": "de"});
    for (actor, status, code, rule) in [
        ("moderator", 403, "forbidden", "R42"),
        ("stranger", 404, "not_found", ""),
        ("", 400, "actor_required", ""),
    ] {
        coop.post(actor, "/invitations", new()).refused(status, code, rule);
    }
    let mut past = new();
    past["expires_at"] = json!("2026-01-01T00:00:00Z");
    coop.post("second", "/invitations", past).refused(400, "invalid_argument", "");
    let sent = id(&coop.post("second", "/invitations", new()).done(201));
    let accept = || coop.post("nobody", &format!("/invitations/{sent}/accept"), json!({"user": "nobody"}));
    coop.patch("admin", "/organizations/acme/members/second", json!({"paused": true})).done(200);
    accept().refused(403, "forbidden", "R42");
    coop.patch("admin", "/organizations/acme/members/second", json!({"paused": false})).done(200);
    accept().done(200);
    assert!(coop.has("nobody", "moderator", "organization:acme"));
}

#[test]
fn r40_an_invitation_is_declined_taken_back_sent_again_and_expires() {
    let coop = acme();
    let send = || {
        let new = json!({"kind": "organization", "organization": "acme", "email": "nobody@example.org", "role": "member"});
        id(&coop.post("admin", "/invitations", new).done(201))
    };
    let post = |actor: &str, id: &str, what: &str| {
        coop.send(actor, "POST", &format!("/invitations/{id}/{what}"), None)
    };
    let status = |id: &str| coop.get("", &format!("/invitations/{id}")).done(200)["status"].clone();
    let (declined, revoked, expired) = (send(), send(), send());
    post("member", &declined, "decline").refused(403, "forbidden", "R40");
    post("nobody", &declined, "decline").done(200);
    post("nobody", &declined, "decline").refused(409, "not_pending", "R22");
    coop.delete("moderator", &format!("/invitations/{revoked}")).refused(403, "forbidden", "R42");
    coop.delete("admin", &format!("/invitations/{revoked}")).done(204);
    post("admin", &revoked, "resend").refused(409, "not_pending", "R22");
    post("stranger", &expired, "resend").refused(403, "forbidden", "R42");
    post("admin", &expired, "resend").done(200);
    assert_eq!(outbox(&coop, "").last().unwrap()["kind"], "invitation_reminder");
    coop.server.set_clock("2026-01-15T00:00:00Z");
    assert_eq!([status(&declined), status(&revoked), status(&expired)], ["declined", "revoked", "expired"]);
    let accept = coop.post("nobody", &format!("/invitations/{expired}/accept"), json!({"user": "nobody"}));
    accept.refused(409, "expired", "R40");
    coop.get("", "/invitations/none").refused(404, "not_found", "");
}

#[test]
fn r44_the_outbox_is_read_from_a_cursor_and_waited_for() {
    let coop = acme();
    let send = |coop: &Coop, n: usize| {
        let email = format!("user{n}@example.org");
        let new = json!({"kind": "organization", "organization": "acme", "email": email, "role": "member", "language": "fr"});
        coop.post("admin", "/invitations", new).done(201);
    };
    (0..3).for_each(|n| send(&coop, n));
    let all = outbox(&coop, "");
    assert_eq!(
        (all.len(), &all[0]["language"], &all[0]["at"]),
        (3, &json!("fr"), &json!("2026-01-01T00:00:00Z"))
    );
    let cursor = all[0]["cursor"].as_str().unwrap();
    assert_eq!(outbox(&coop, cursor), all[1..]);
    let first = coop.get("", "/notifications?limit=1").done(200);
    assert_eq!(first["notifications"], json!([all[0]]));
    coop.get("admin", "/notifications").refused(403, "forbidden", "");
    for query in ["?limit=0", "?after=x", "?wait_s=61", "?wait_s=-1", "?more=1"] {
        coop.get("", &format!("/notifications{query}")).refused(400, "invalid_argument", "");
    }
    let last = all[2]["cursor"].as_str().unwrap().to_owned();
    assert_eq!(
        coop.get("", &format!("/notifications?after={last}&wait_s=1")).done(200)["notifications"],
        json!([])
    );
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| coop.get("", &format!("/notifications?after={last}&wait_s=10")).done(200));
        std::thread::sleep(std::time::Duration::from_millis(100));
        send(&coop, 3);
        assert_eq!(waiting.join().unwrap()["notifications"][0]["recipient"], "user3@example.org");
    });
}

#[test]
fn r47_every_command_is_recorded_refused_ones_too() {
    let coop = acme();
    let record = |actor: &str, query: &str| {
        let found = coop.get(actor, &format!("/audit/commands{query}")).done(200);
        found["entries"].as_array().unwrap().clone()
    };
    let before = record("", "?limit=500").len();
    let revision = coop.revision();
    coop.patch("admin", "/organizations/acme", json!({"name": "Renamed"})).done(200);
    coop.patch("member", "/organizations/acme", json!({"name": "Mine"})).refused(403, "forbidden", "R3");
    coop.patch("stranger", "/organizations/acme", json!({"name": 7})).refused(400, "invalid_argument", "");
    let new = &record("", "?limit=500")[before..];
    assert_eq!(
        new[0],
        json!({
            "cursor": new[0]["cursor"], "at": "2026-01-01T00:00:00Z", "actor": "user:admin",
            "command": "organization.rename", "target": "organizations/acme", "input": {"name": "Renamed"},
            "outcome": "done", "organizations": ["acme"], "cooperation": null, "revision": revision + 1,
        })
    );
    let said = |entry: &Value| (entry["actor"].clone(), entry["outcome"].clone(), entry["revision"].clone());
    assert_eq!(said(&new[1]), (json!("user:member"), json!("forbidden"), json!(revision + 1)));
    assert_eq!(said(&new[2]), (json!("user:stranger"), json!("invalid_argument"), json!(revision + 1)));
    assert_eq!(record("", "?actor=user:member").len(), 1);
    let own = record("admin", "?limit=500");
    assert!(own.iter().all(|entry| entry["organizations"].as_array().unwrap().contains(&json!("acme"))));
    assert_eq!(own.last(), Some(&new[1]));
    let cursor = new[0]["cursor"].as_str().unwrap();
    assert_eq!(record("admin", &format!("?after={cursor}")), new[1..2]);
    assert!(record("", "?to=2026-01-01T00:00:00Z").is_empty());
    assert_eq!(record("", "?from=2026-01-01T00:00:00Z&limit=500").len(), before + 3);
    coop.get("admin", "/audit/commands?organization=other").refused(404, "not_found", "");
    coop.get("moderator", "/audit/commands").refused(403, "forbidden", "R47");
    coop.get("nobody", "/audit/commands").refused(404, "not_found", "");
}
