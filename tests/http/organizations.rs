//! Organizations, memberships, resources and grants.

use serde_json::{Value, json};

use crate::cooperation::{Coop, acme};

const MEMBERS: &str = "/organizations/acme/members";

fn member(user: &str) -> String {
    format!("{MEMBERS}/{user}")
}

#[test]
fn an_organization_is_made_by_the_system_and_by_staff_and_seen_by_its_members() {
    let coop = acme();
    let seen = coop.get("member", "/organizations/acme").done(200);
    let expected =
        json!({"id": "acme", "name": "ACME", "placeholder": false, "members": 6, "cooperations": 0});
    assert_eq!(seen, expected);
    coop.get("", "/organizations/acme").done(200);
    for (actor, id) in [("stranger", "acme"), ("nobody", "acme"), ("admin", "none"), ("", "none")] {
        coop.get(actor, &format!("/organizations/{id}")).refused(404, "not_found", "");
    }
    let new = |admin: &str| json!({"name": "New", "admin": admin});
    coop.post("nobody", "/organizations", new("nobody")).refused(403, "forbidden", "R41");
    coop.post("", "/organizations", new("unknown")).refused(404, "not_found", "");
    coop.post("", "/organizations", new("member")).refused(409, "already_member", "R1");
    let taken = json!({"id": "acme", "name": "New", "admin": "nobody"});
    coop.post("", "/organizations", taken).refused(409, "already_exists", "");
    coop.put("", "/platform/staff/second", json!({})).done(204);
    let made = coop.post("second", "/organizations", new("nobody")).done(201);
    assert_eq!(made["id"].as_str().unwrap().len(), 26);
    coop.delete("second", "/platform/staff/second").refused(403, "forbidden", "");
    coop.delete("", "/platform/staff/second").done(204);
    coop.delete("", "/platform/staff/second").refused(404, "not_found", "");
    coop.post("second", "/organizations", new("second")).refused(403, "forbidden", "R41");
}

#[test]
fn an_organization_is_renamed_by_its_admins() {
    let coop = acme();
    let name = || json!({"name": "Acme & Co"});
    coop.patch("", "/organizations/acme", name()).refused(400, "actor_required", "");
    coop.patch("moderator", "/organizations/acme", name()).refused(403, "forbidden", "R3");
    coop.patch("stranger", "/organizations/acme", name()).refused(404, "not_found", "");
    assert_eq!(coop.patch("admin", "/organizations/acme", name()).done(200)["name"], "Acme & Co");
}

#[test]
fn members_are_listed_in_pages() {
    let coop = acme();
    let list = |query: &str| coop.get("external", &format!("{MEMBERS}{query}")).done(200);
    let users = |page: &Value| -> Vec<String> {
        page["members"].as_array().unwrap().iter().map(|m| m["user"].as_str().unwrap().to_owned()).collect()
    };
    let whole = list("");
    assert_eq!(users(&whole), ["admin", "commercial", "external", "member", "moderator", "technical"]);
    assert_eq!(
        whole["members"][0],
        json!({"user": "admin", "role": "admin", "paused": false, "expires_at": null})
    );
    assert_eq!(whole["continuation_token"], "");
    let first = list("?page_size=4");
    let token = first["continuation_token"].as_str().unwrap();
    let second = list(&format!("?page_size=4&continuation_token={token}"));
    assert_eq!([users(&first), users(&second)].concat(), users(&whole));
    coop.get("stranger", MEMBERS).refused(404, "not_found", "");
    for query in ["?page_size=0", "?page_size=501", "?continuation_token=x", "?more=1"] {
        coop.get("admin", &format!("{MEMBERS}{query}")).refused(400, "invalid_argument", "");
    }
}

#[test]
fn r1_and_r2_a_user_is_a_member_once_with_one_role() {
    let coop = acme();
    let role = |role: &str| json!({ "role": role });
    coop.put("", &member("stranger"), role("member")).refused(409, "already_member", "R1");
    coop.put("", &member("unknown"), role("member")).refused(404, "not_found", "");
    coop.put("", &member("nobody"), role("king")).refused(400, "invalid_argument", "");
    coop.put("admin", &member("nobody"), role("member")).refused(403, "forbidden", "");
    coop.put("stranger", &member("nobody"), role("member")).refused(404, "not_found", "");
    coop.patch("admin", &member("member"), json!({"paused": true, "expires_at": "2026-06-01T00:00:00Z"}))
        .done(200);
    let changed = coop.put("", &member("member"), role("external")).done(200);
    let expected = (json!("external"), json!(true), json!("2026-06-01T00:00:00Z"));
    assert_eq!((changed["role"].clone(), changed["paused"].clone(), changed["expires_at"].clone()), expected);
    assert_eq!(coop.naming("user:member"), ["organization:acme#external@user:member"]);
    let me = coop.get("member", "/users/member").done(200);
    assert_eq!((&me["organization"], &me["role"]), (&json!("acme"), &json!("external")));
}

#[test]
fn r3_and_r4_admins_manage_members_and_moderators_assign_the_lower_roles() {
    let coop = acme();
    let change = |actor: &str, user: &str, body: Value| coop.patch(actor, &member(user), body);
    for role in ["technical_asset_manager", "commercial_asset_manager", "external", "member"] {
        change("moderator", "member", json!({ "role": role })).done(200);
    }
    for (user, role) in
        [("member", "moderator"), ("member", "admin"), ("admin", "member"), ("moderator", "member")]
    {
        change("moderator", user, json!({ "role": role })).refused(403, "forbidden", "R4");
    }
    for actor in ["technical", "commercial", "member", "external"] {
        change(actor, "member", json!({"role": "external"})).refused(403, "forbidden", "R4");
    }
    change("moderator", "member", json!({"paused": true})).refused(403, "forbidden", "R3");
    change("moderator", "member", json!({"expires_at": null})).refused(403, "forbidden", "R3");
    change("", "member", json!({"paused": true})).refused(400, "actor_required", "");
    change("stranger", "member", json!({"paused": true})).refused(404, "not_found", "");
    change("admin", "stranger", json!({"paused": true})).refused(404, "not_found", "");
    for body in
        [json!({"paused": null}), json!({"role": null}), json!({"expires_at": "tomorrow"}), json!({"x": 1})]
    {
        change("admin", "member", body).refused(400, "invalid_argument", "");
    }
    change("admin", "member", json!({"role": "admin"})).done(200);
    coop.delete("moderator", &member("external")).refused(403, "forbidden", "R3");
}

#[test]
fn r5_and_r6_a_pause_and_an_expiration_block_everything_and_resuming_brings_it_back() {
    let coop = acme();
    coop.put("admin", "/parks/p1/grants/member", json!({"role": "technical_manager"})).done(200);
    assert!(coop.has("member", "technical_manager", "park:p1"));
    coop.patch("admin", &member("member"), json!({"paused": true})).done(200);
    assert!(!coop.has("member", "viewer", "park:p1"));
    coop.get("member", "/organizations/acme").refused(404, "not_found", "");
    coop.patch("admin", &member("member"), json!({"paused": false})).done(200);
    assert!(coop.has("member", "technical_manager", "park:p1"));
    coop.patch("admin", &member("member"), json!({"expires_at": "2026-01-01T00:00:01Z"})).done(200);
    assert!(coop.has("member", "viewer", "park:p1"));
    coop.server.set_clock("2026-01-01T00:00:01Z");
    assert!(!coop.has("member", "viewer", "park:p1"));
    coop.patch("admin", &member("member"), json!({"expires_at": null})).done(200);
    assert!(coop.has("member", "technical_manager", "park:p1"));
    coop.patch("admin", &member("member"), json!({"expires_at": "2020-01-01T00:00:00Z"})).done(200);
    assert!(!coop.has("member", "viewer", "park:p1"), "an expiration in the past ends it now");
}

#[test]
fn r7_an_organization_keeps_an_admin_who_is_active_and_does_not_expire() {
    let coop = acme();
    let last = |answer: crate::fixture::Answer| answer.refused(409, "last_admin", "R7");
    last(coop.patch("admin", &member("admin"), json!({"role": "member"})));
    last(coop.patch("admin", &member("admin"), json!({"paused": true})));
    last(coop.patch("admin", &member("admin"), json!({"expires_at": "2030-01-01T00:00:00Z"})));
    last(coop.delete("admin", &member("admin")));
    last(coop.delete("admin", &format!("{}?confirm=acme", member("admin"))));
    last(coop.put("", &member("admin"), json!({"role": "member"})));
    coop.put("", &member("second"), json!({"role": "admin"})).done(201);
    coop.patch("admin", &member("second"), json!({"expires_at": "2030-01-01T00:00:00Z"})).done(200);
    last(coop.delete("admin", &member("admin")));
    coop.patch("admin", &member("second"), json!({"expires_at": null})).done(200);
    coop.delete("admin", &member("admin")).done(204);
    last(coop.delete("second", &member("second")));
}

#[test]
fn r7_the_only_member_dissolves_the_organization_by_confirming() {
    let coop = acme();
    let me = "/organizations/other/members/stranger";
    coop.post("stranger", "/organizations/other/parks", json!({"id": "p9", "name": "Nine"})).done(201);
    coop.delete("stranger", me).refused(409, "last_admin", "R7");
    coop.delete("stranger", &format!("{me}?confirm=acme")).refused(409, "last_admin", "R7");
    coop.send("stranger", "DELETE", me, Some(json!({"confirm": "other"}))).done(204);
    assert_eq!(coop.naming("organization:other"), [""; 0]);
    assert_eq!(coop.naming("park:p9"), [""; 0]);
    coop.get("", "/organizations/other").refused(404, "not_found", "");
    let again = json!({"id": "other", "name": "Other", "admin": "stranger"});
    coop.post("", "/organizations", again).refused(409, "already_exists", "");
    coop.post("", "/organizations", json!({"name": "Other", "admin": "stranger"})).done(201);
    coop.post("admin", "/organizations/acme/parks", json!({"id": "p9", "name": "x"})).refused(
        409,
        "already_exists",
        "R9",
    );
}

#[test]
fn r8_leaving_and_being_removed_take_everything_along() {
    let coop = acme();
    let grant = |user: &str| {
        for resource in ["parks/p1", "portfolios/all"] {
            coop.put("admin", &format!("/{resource}/grants/{user}"), json!({"role": "viewer"})).done(200);
        }
    };
    grant("member");
    grant("external");
    coop.patch("admin", &member("member"), json!({"paused": true})).done(200);
    coop.delete("member", &member("member")).done(204);
    assert_eq!(coop.naming("user:member"), [""; 0], "who is paused may leave");
    coop.delete("admin", &member("external")).done(204);
    assert_eq!(coop.naming("user:external"), [""; 0]);
    coop.delete("admin", &member("external")).refused(404, "not_found", "");
    coop.delete("member", &member("member")).refused(404, "not_found", "");
    coop.put("", &member("external"), json!({"role": "external"})).done(201);
    assert!(!coop.has("external", "viewer", "park:p1"), "nothing of it comes back");
    coop.delete("external", &member("moderator")).refused(403, "forbidden", "R3");
    coop.delete("", &member("external")).refused(400, "actor_required", "");
}

#[test]
fn r9_an_id_is_never_used_again_and_a_deleted_resource_leaves_no_tuple() {
    let coop = acme();
    let park = json!({"id": "p1", "name": "x"});
    coop.post("admin", "/organizations/acme/parks", park.clone()).refused(409, "already_exists", "R9");
    coop.post("stranger", "/organizations/other/parks", park.clone()).refused(409, "already_exists", "R9");
    coop.put("admin", "/parks/p1/grants/member", json!({"role": "viewer"})).done(200);
    coop.delete("admin", "/portfolios/all").done(204);
    assert_eq!(coop.naming("portfolio:all"), [""; 0]);
    assert_eq!(coop.naming("park:p1").len(), 2, "the park stays, without portfolio");
    coop.delete("admin", "/parks/p1").done(204);
    assert_eq!(coop.naming("park:p1"), [""; 0]);
    coop.delete("admin", "/parks/p1").refused(404, "not_found", "");
    coop.post("admin", "/organizations/acme/parks", park).refused(409, "already_exists", "R9");
    let made = coop.post("", "/organizations/acme/parks", json!({"name": "y"})).done(201);
    assert_eq!(made["organization"], "acme");
    coop.post("stranger", "/organizations/other/portfolios", json!({"id": "their", "name": "x"})).done(201);
    let foreign = json!({"name": "y", "portfolio": "their"});
    coop.post("", "/organizations/acme/parks", foreign.clone()).refused(403, "not_owner", "R9");
    coop.post("admin", "/organizations/acme/parks", foreign).refused(404, "not_found", "");
}

#[test]
fn r12_and_r13_admins_grant_to_members_and_no_more_than_viewer_to_externals() {
    let coop = acme();
    let grant =
        |actor: &str, user: &str, body: Value| coop.put(actor, &format!("/parks/p1/grants/{user}"), body);
    let end = "2026-06-01T00:00:00Z";
    let made = grant("admin", "member", json!({"role": "operator", "expires_at": end})).done(200);
    assert_eq!(made["expires_at"], end);
    assert!(coop.has("member", "operator", "park:p1"));
    let changed = grant("admin", "member", json!({"role": "asset_manager"})).done(200);
    assert_eq!(changed["expires_at"], end, "what is absent stays");
    assert!(!coop.has("member", "technical_manager", "park:p1"));
    let cleared = grant("admin", "member", json!({"expires_at": null})).done(200);
    assert_eq!((&cleared["role"], &cleared["expires_at"]), (&json!("asset_manager"), &json!(null)));
    grant("admin", "technical", json!({})).refused(400, "invalid_argument", "");
    grant("admin", "member", json!({"role": "king"})).refused(400, "invalid_argument", "");
    for (actor, status, code, rule) in [
        ("", 400, "actor_required", ""),
        ("moderator", 403, "forbidden", "R12"),
        ("stranger", 404, "not_found", ""),
        ("nobody", 404, "not_found", ""),
    ] {
        grant(actor, "member", json!({"role": "viewer"})).refused(status, code, rule);
    }
    grant("admin", "unknown", json!({"role": "viewer"})).refused(404, "not_found", "");
    grant("admin", "stranger", json!({"role": "viewer"})).refused(422, "not_a_member", "R12");
    grant("admin", "external", json!({"role": "operator"})).refused(422, "role_not_grantable", "R13");
    grant("admin", "external", json!({"role": "viewer"})).done(200);
    grant("admin", "technical", json!({"role": "operator"})).done(200);
    coop.patch("admin", &member("technical"), json!({"role": "external"})).done(200);
    assert!(
        coop.has("technical", "viewer", "park:p1") && !coop.has("technical", "technical_manager", "park:p1")
    );
    coop.delete("moderator", "/parks/p1/grants/member").refused(403, "forbidden", "R12");
    coop.delete("admin", "/parks/p1/grants/member").done(204);
    assert!(!coop.has("member", "viewer", "park:p1"));
    coop.delete("admin", "/parks/p1/grants/member").refused(404, "not_found", "");
}

#[test]
fn r50_who_makes_renames_moves_and_deletes_resources() {
    let coop = acme();
    for (actor, portfolios, parks) in [
        ("admin", true, true),
        ("moderator", true, true),
        ("commercial", true, true),
        ("technical", false, true),
        ("member", false, false),
        ("external", false, false),
    ] {
        let judge = |answer: crate::fixture::Answer, may: bool, status: u16| {
            if may { drop(answer.done(status)) } else { drop(answer.refused(403, "forbidden", "R50")) }
        };
        let new = || json!({"name": "New"});
        judge(coop.post(actor, "/organizations/acme/portfolios", new()), portfolios, 201);
        judge(coop.post(actor, "/organizations/acme/parks", new()), parks, 201);
        judge(coop.patch(actor, "/parks/p1", new()), parks, 200);
        judge(coop.patch(actor, "/parks/p1", json!({"portfolio": null})), parks, 200);
        judge(coop.patch(actor, "/parks/p1", json!({"portfolio": "all"})), parks, 200);
        if actor != "admin" {
            judge(coop.delete(actor, "/parks/p1"), false, 204);
        }
    }
    coop.patch("", "/parks/p1", json!({"name": "x"})).refused(400, "actor_required", "");
    coop.patch("stranger", "/parks/p1", json!({"name": "x"})).refused(404, "not_found", "");
    coop.patch("admin", "/parks/p1", json!({"portfolio": "none"})).refused(404, "not_found", "");
    let moved = coop.patch("admin", "/parks/p1", json!({"name": "Z", "portfolio": null})).done(200);
    assert_eq!((&moved["name"], &moved["portfolio"]), (&json!("Z"), &json!(null)));
    coop.delete("admin", "/parks/p1").done(204);
}

#[test]
fn commands_by_a_paused_or_expired_admin_are_refused() {
    let coop = acme();
    coop.put("", &member("second"), json!({"role": "admin"})).done(201);
    coop.patch("second", &member("second"), json!({"paused": true})).done(200);
    let name = || json!({"name": "x"});
    coop.patch("second", "/organizations/acme", name()).refused(404, "not_found", "");
    coop.patch("second", "/parks/p1", name()).refused(404, "not_found", "");
    coop.patch("admin", &member("second"), json!({"paused": false, "expires_at": "2026-01-01T00:00:01Z"}))
        .done(200);
    coop.patch("second", "/organizations/acme", name()).done(200);
    coop.server.set_clock("2026-01-01T00:00:01Z");
    coop.patch("second", "/organizations/acme", name()).refused(404, "not_found", "");
}

#[test]
fn data_that_breaks_a_rule_stops_a_command() {
    let coop = acme();
    coop.server.write(&["organization:other#member@user:member"]);
    let revision = coop.revision();
    coop.delete("member", &member("member")).refused(500, "inconsistent", "R1");
    coop.server.write(&["park:p1#owner@organization:other"]);
    coop.delete("admin", "/parks/p1").refused(500, "inconsistent", "R9");
    assert_eq!(coop.revision(), revision + 1);
}

#[test]
fn a_store_is_as_the_commands_left_it_whoever_asks() {
    let coop = Coop::new();
    coop.users(&["a"]);
    coop.post("", "/organizations", json!({"id": "o", "name": "O", "admin": "a"})).done(201);
    assert_eq!(coop.server.tuples(), ["organization:o#admin@user:a"], "names are no tuples");
}
