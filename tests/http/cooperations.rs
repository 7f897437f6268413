//! Cooperations: inviting, answering, pausing, ending, and what both sides see.

use serde_json::{Value, json};

use crate::fixture::NOW;
use crate::partners::{Partners, path};

const FUTURE: &str = "2027-01-01T00:00:00Z";
const PAST: &str = "2025-01-01T00:00:00Z";
const INVITE: &str = "/organizations/helios/cooperations";

fn nordwind() -> Value {
    json!({"partner": {"organization": "nordwind"}})
}

fn email(user: &str) -> Value {
    json!({"partner": {"email": format!("{user}@example.org")}})
}

#[test]
fn an_organization_is_invited_and_any_of_its_admins_accepts() {
    let p = Partners::new();
    p.put("", "/organizations/nordwind/members/nele", json!({"role": "admin"})).done(200);
    let invited =
        p.post("hanna", INVITE, json!({"partner": {"organization": "nordwind"}, "expires_at": FUTURE}));
    let invited = invited.done(201);
    let id = invited["id"].as_str().unwrap();
    let expected = json!({"id": id, "initiator": "helios", "partner": "nordwind", "label": "nordwind GmbH",
        "status": "pending", "paused": false, "expires_at": FUTURE, "revision": p.revision()});
    assert_eq!(invited, expected);
    assert_eq!(p.notified(), ["invitation nele@example.org", "invitation nora@example.org"]);
    let path = path(&invited);
    let seen = p.get("nele", &path).done(200);
    assert_eq!(seen["can"], json!({"manage": false, "accept": true, "delegate": false}));
    assert_eq!(seen["label"], "helios GmbH", "each side sees the name of the other");
    let accepted = p.post("nele", &format!("{path}/accept"), json!({})).done(200);
    assert_eq!((&accepted["status"], &accepted["expires_at"]), (&json!("active"), &json!(FUTURE)));
    assert_eq!(p.notified().last().unwrap(), "invitation_accepted hanna@example.org");
    p.post("nora", &format!("{path}/accept"), json!({})).refused(409, "not_pending", "R22");
    p.post("nora", &format!("{path}/decline"), json!({})).refused(409, "not_pending", "R22");
    let seen = p.get("nora", &path).done(200);
    assert_eq!(seen["can"], json!({"manage": false, "accept": false, "delegate": true}));
}

#[test]
fn only_admins_invite_and_accept() {
    let p = Partners::new();
    p.post("mona", INVITE, nordwind()).refused(403, "forbidden", "R16");
    p.post("mina", INVITE, email("gast")).refused(403, "forbidden", "R16");
    p.post("nora", INVITE, nordwind()).refused(404, "not_found", "");
    p.post("", INVITE, nordwind()).refused(400, "actor_required", "");
    let path = p.invited();
    for (action, rule) in [("accept", "R16"), ("decline", "R16")] {
        let answer = |actor: &str| p.post(actor, &format!("{path}/{action}"), json!({}));
        answer("hanna").refused(403, "forbidden", rule);
        answer("olaf").refused(403, "forbidden", rule);
        answer("xaver").refused(404, "not_found", "");
        answer("gast").refused(404, "not_found", "");
        answer("").refused(400, "actor_required", "");
    }
    assert_eq!(p.status("hanna", &path), "pending");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let p = Partners::new();
    let revision = p.revision();
    for body in [
        json!({}),
        json!({"partner": {}}),
        json!({"partner": "nordwind"}),
        json!({"partner": {"organization": "nordwind", "email": "a@b"}}),
        json!({"partner": {"organization": "nord/wind"}}),
        json!({"partner": {"email": "nobody"}}),
        json!({"partner": {"organization": "nordwind"}, "expires_at": PAST}),
        json!({"partner": {"organization": "nordwind"}, "expires_at": NOW}),
        json!({"partner": {"organization": "nordwind"}, "expires_at": "tomorrow"}),
        json!({"partner": {"organization": "nordwind"}, "language": "x"}),
        json!({"partner": {"organization": "nordwind"}, "paused": true}),
    ] {
        p.post("hanna", INVITE, body).refused(400, "invalid_argument", "");
    }
    p.post("hanna", INVITE, json!({"partner": {"organization": "unknown"}})).refused(404, "not_found", "");
    for path in ["/cooperations/unknown", "/cooperations/unknown/delegations"] {
        p.get("hanna", path).refused(404, "not_found", "");
    }
    p.get("hanna", "/cooperations/a:b").refused(400, "invalid_argument", "");
    p.get("hanna", "/organizations/helios/cooperations?direction=up").refused(400, "invalid_argument", "");
    p.get("hanna", "/organizations/helios/cooperations?status=up").refused(400, "invalid_argument", "");
    assert_eq!(p.revision(), revision);
}

#[test]
fn an_organization_does_not_cooperate_with_itself_and_has_one_cooperation_of_a_direction() {
    let p = Partners::new();
    p.post("hanna", INVITE, json!({"partner": {"organization": "helios"}})).refused(
        422,
        "own_organization",
        "R15",
    );
    p.post("hanna", INVITE, email("mina")).refused(422, "own_organization", "R15");
    let path = p.invited();
    p.post("hanna", INVITE, nordwind()).refused(409, "cooperation_exists", "R18");
    p.patch("hanna", &path, json!({"paused": true, "expires_at": PAST})).done(200);
    p.post("hanna", INVITE, nordwind()).refused(409, "cooperation_exists", "R18");
    let back = json!({"partner": {"organization": "helios"}});
    p.post("nora", "/organizations/nordwind/cooperations", back).done(201);
    p.delete("hanna", &path).done(204);
    let path = p.invited();
    p.post("nora", &format!("{path}/decline"), json!({})).done(204);
    p.get("hanna", &path).refused(404, "not_found", "");
    p.invited();
}

#[test]
fn the_email_of_a_member_recognises_the_organization_and_asks() {
    let p = Partners::new();
    let asked = p.post("hanna", INVITE, email("nils"));
    assert_eq!(asked.body["organization"], json!({"id": "nordwind", "name": "nordwind GmbH"}));
    asked.refused(409, "confirmation_required", "R19");
    let with = |confirm: &str| {
        let mut body = email("nils");
        body["confirm"] = confirm.into();
        p.post("hanna", INVITE, body)
    };
    with("zugspitze").refused(409, "confirmation_required", "R19");
    let invited = with("nordwind").done(201);
    assert_eq!((&invited["status"], &invited["partner"]), (&json!("pending"), &json!("nordwind")));
    assert!(invited.get("invitation").is_none());
    with("nordwind").refused(409, "cooperation_exists", "R18");
    p.patch("nora", "/organizations/nordwind/members/nils", json!({"paused": true})).done(200);
    p.post("hanna", INVITE, email("nils")).refused(409, "confirmation_required", "R19");
}

#[test]
fn an_unknown_email_is_invited_and_makes_an_organization_in_one_step() {
    let p = Partners::new();
    let invited = p.post("hanna", INVITE, email("new")).done(201);
    let (path, placeholder) = (path(&invited), invited["partner"].as_str().unwrap());
    assert_eq!((&invited["status"], &invited["label"]), (&json!("invited"), &json!("new@example.org")));
    assert_eq!(p.notified(), ["invitation new@example.org"]);
    p.post("hanna", INVITE, email("new")).refused(409, "cooperation_exists", "R18");
    p.share(&path, "parks/deich", "viewer");
    // What stands for the partner can be neither invited nor joined nor acted for.
    p.post("nora", "/organizations/nordwind/cooperations", json!({"partner": {"organization": placeholder}}))
        .refused(404, "not_found", "");
    p.put("", &format!("/organizations/{placeholder}/members/gast"), json!({"role": "admin"})).refused(
        404,
        "not_found",
        "R21",
    );
    p.post("gast", &format!("{path}/accept"), json!({"organization": {"name": "x"}})).refused(
        404,
        "not_found",
        "",
    );
    p.post("hanna", &format!("{path}/accept"), json!({"organization": {"name": "x"}})).refused(
        403,
        "forbidden",
        "R40",
    );

    let invitation = format!("/invitations/{}", invited["invitation"].as_str().unwrap());
    let seen = p.get("", &invitation).done(200);
    assert_eq!((&seen["kind"], &seen["status"]), (&json!("cooperation"), &json!("sent")));
    let accept = json!({"user": "newbie", "organization": {"id": "neu", "name": "Neu AG"}});
    p.post("newbie", &format!("{invitation}/accept"), json!({"user": "newbie"})).refused(
        400,
        "invalid_argument",
        "",
    );
    assert_eq!(p.post("newbie", &format!("{invitation}/accept"), accept).done(200)["organization"], "neu");
    let details = p.get("hanna", &path).done(200);
    assert_eq!(
        (&details["status"], &details["partner"], &details["label"]),
        (&json!("active"), &json!("neu"), &json!("Neu AG"))
    );
    assert_eq!(details["contacts"]["partner"][0]["user"], "newbie");
    assert_eq!(p.get("newbie", "/users/newbie").done(200)["role"], "admin");
    assert_eq!(p.roles("newbie", "park:deich"), "viewer", "what was prepared holds");
    assert_eq!(p.get("", &invitation).done(200)["status"], "accepted");
    p.get("", &format!("/organizations/{placeholder}")).refused(404, "not_found", "");
    p.post("newbie", &format!("{path}/accept"), json!({})).refused(409, "not_pending", "R22");
}

#[test]
fn a_user_without_organization_makes_one_and_one_who_has_joined_since_accepts_for_it() {
    let p = Partners::new();
    let invite = |user: &str| path(&p.post("hanna", INVITE, email(user)).done(201));
    let of_gast = invite("gast");
    p.get("gast", &of_gast).refused(404, "not_found", "");
    p.post("gast", &format!("{of_gast}/accept"), json!({})).refused(400, "invalid_argument", "");
    let taken = json!({"organization": {"id": "nordwind", "name": "x"}});
    p.post("gast", &format!("{of_gast}/accept"), taken).refused(409, "already_exists", "");
    let accepted =
        p.post("gast", &format!("{of_gast}/accept"), json!({"organization": {"name": "Gast KG"}})).done(200);
    assert_eq!((&accepted["status"], &accepted["label"]), (&json!("active"), &json!("helios GmbH")));

    let of_berta = invite("berta");
    p.put("", "/organizations/zugspitze/members/berta", json!({"role": "member"})).done(201);
    let accept = |body: Value| p.post("berta", &format!("{of_berta}/accept"), body);
    accept(json!({})).refused(403, "forbidden", "R21");
    p.patch("xaver", "/organizations/zugspitze/members/berta", json!({"role": "admin"})).done(200);
    accept(json!({"organization": {"name": "x"}})).refused(409, "already_member", "R1");
    let accepted = accept(json!({})).done(200);
    assert_eq!((&accepted["partner"], &accepted["status"]), (&json!("zugspitze"), &json!("active")));
}

#[test]
fn the_real_organization_is_held_to_the_same_rules() {
    let p = Partners::new();
    let invite = |user: &str| path(&p.post("hanna", INVITE, email(user)).done(201));
    let (of_gast, of_berta) = (invite("gast"), invite("berta"));
    p.put("", "/organizations/helios/members/gast", json!({"role": "admin"})).done(201);
    p.post("gast", &format!("{of_gast}/accept"), json!({})).refused(422, "own_organization", "R15");
    p.put("", "/organizations/nordwind/members/berta", json!({"role": "admin"})).done(201);
    p.invited();
    p.post("berta", &format!("{of_berta}/accept"), json!({})).refused(409, "cooperation_exists", "R18");
    p.patch("hanna", &of_berta, json!({"expires_at": PAST})).done(200);
    p.post("berta", &format!("{of_berta}/accept"), json!({})).refused(409, "expired", "R21");
}

#[test]
fn the_senders_right_and_the_invitations_end_are_asked_again() {
    let p = Partners::new();
    let of_gast = path(&p.post("hanna", INVITE, email("gast")).done(201));
    let accept = || p.post("gast", &format!("{of_gast}/accept"), json!({"organization": {"name": "x"}}));
    p.put("", "/organizations/helios/members/mona", json!({"role": "admin"})).done(200);
    p.patch("mona", "/organizations/helios/members/hanna", json!({"role": "member"})).done(200);
    accept().refused(403, "forbidden", "R16");
    p.patch("mona", "/organizations/helios/members/hanna", json!({"role": "admin"})).done(200);
    p.server.set_clock("2026-01-15T00:00:00Z");
    accept().refused(409, "expired", "R40");
    p.post("mona", &format!("{of_gast}/resend"), json!({})).done(200);
    assert_eq!(p.notified(), ["invitation gast@example.org", "invitation_reminder gast@example.org"]);
    accept().done(200);
    p.post("mona", &format!("{of_gast}/resend"), json!({})).refused(409, "not_pending", "R23");
}

#[test]
fn by_its_id_the_invitation_is_declined_sent_again_and_taken_back_too() {
    let p = Partners::new();
    let invite = |user: &str| {
        let invited = p.post("hanna", INVITE, email(user)).done(201);
        (path(&invited), format!("/invitations/{}", invited["invitation"].as_str().unwrap()))
    };
    let (cooperation, invitation) = invite("gast");
    p.server.set_clock("2026-01-10T00:00:00Z");
    p.post("nora", &format!("{invitation}/resend"), json!({})).refused(403, "forbidden", "R16");
    let again = p.post("hanna", &format!("{invitation}/resend"), json!({})).done(200);
    assert_eq!((&again["expires_at"], &again["status"]), (&json!("2026-01-24T00:00:00Z"), &json!("sent")));
    assert_eq!((&again["organization"], &again["role"]), (&json!("helios"), &json!(null)));
    assert_eq!(format!("/cooperations/{}", again["cooperation"].as_str().unwrap()), cooperation);
    p.post("berta", &format!("{invitation}/decline"), json!({})).refused(403, "forbidden", "R40");
    p.post("gast", &format!("{invitation}/decline"), json!({})).done(200);
    p.get("hanna", &cooperation).refused(404, "not_found", "");
    for (method, path) in [("POST", format!("{invitation}/resend")), ("DELETE", invitation.clone())] {
        p.send("hanna", method, &path, None).refused(409, "not_pending", "R22");
    }
    let (cooperation, invitation) = invite("berta");
    p.delete("mona", &invitation).refused(403, "forbidden", "R16");
    p.delete("hanna", &invitation).done(204);
    p.get("hanna", &cooperation).refused(404, "not_found", "");
    assert_eq!(p.get("", &invitation).done(200)["status"], "revoked");
    let accept = json!({"user": "berta", "organization": {"name": "x"}});
    p.post("berta", &format!("{invitation}/accept"), accept).refused(409, "not_pending", "R22");
}

#[test]
fn declining_takes_everything_away() {
    let p = Partners::new();
    let invited = p.post("hanna", INVITE, email("gast")).done(201);
    let (path, placeholder) = (path(&invited), invited["partner"].as_str().unwrap());
    p.share(&path, "parks/deich", "viewer");
    p.post("nora", &format!("{path}/decline"), json!({})).refused(404, "not_found", "");
    p.post("gast", &format!("{path}/decline"), json!({})).done(204);
    let named: Vec<_> =
        p.server.tuples().into_iter().filter(|tuple| tuple.contains("cooperation:")).collect();
    assert!(named.is_empty(), "{named:?}");
    p.get("", &format!("/organizations/{placeholder}")).refused(404, "not_found", "");
    let invitation = format!("/invitations/{}", invited["invitation"].as_str().unwrap());
    assert_eq!(p.get("", &invitation).done(200)["status"], "declined");
    p.post("gast", &format!("{path}/decline"), json!({})).refused(404, "not_found", "");
}

#[test]
fn removing_a_cooperation_ends_everything_in_it_and_revokes_its_invitation() {
    let p = Partners::new();
    let invited = p.post("hanna", INVITE, email("gast")).done(201);
    let invitation = format!("/invitations/{}", invited["invitation"].as_str().unwrap());
    p.delete("hanna", &path(&invited)).done(204);
    assert_eq!(p.get("", &invitation).done(200)["status"], "revoked");

    let active = p.active();
    p.share(&active, "parks/deich", "technical_manager");
    p.delegate(&active, "parks/deich", "nils", "technical_manager");
    assert_eq!(p.roles("nils", "park:deich"), "technical_manager");
    p.delete("nora", &active).refused(403, "initiator_only", "R25");
    p.delete("mona", &active).refused(403, "forbidden", "R25");
    p.delete("xaver", &active).refused(404, "not_found", "");
    p.delete("hanna", &active).done(204);
    assert_eq!(
        (p.roles("nils", "park:deich"), p.roles("nora", "park:deich")),
        (String::new(), String::new())
    );
    assert!(
        p.server.tuples().iter().all(|tuple| !tuple.contains("cooperation:") && !tuple.contains("delegate"))
    );
    for (method, path, body) in [
        ("GET", active.clone(), None),
        ("PATCH", active.clone(), Some(json!({"paused": true}))),
        ("DELETE", active.clone(), None),
        ("POST", format!("{active}/accept"), Some(json!({}))),
        ("POST", format!("{active}/resend"), Some(json!({}))),
        ("PUT", format!("{active}/shares/parks/deich"), Some(json!({"role": "viewer"}))),
        ("DELETE", format!("{active}/shares/parks/deich/delegations/nils"), None),
    ] {
        p.send("hanna", method, &path, body).refused(404, "not_found", "");
    }
    let again = p.active();
    p.share(&again, "parks/deich", "technical_manager");
    assert_eq!(p.roles("nils", "park:deich"), "", "no delegation comes back");
}

#[test]
fn pausing_is_one_tuple_and_resuming_brings_back_what_was_there() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "technical_manager");
    p.delegate(&path, "parks/deich", "nils", "viewer");
    let changes = || {
        let feed = p.server.get("/changes?page_size=100");
        feed.body["changes"].as_array().unwrap().len()
    };
    let before = changes();
    let paused = p.patch("hanna", &path, json!({"paused": true})).done(200);
    assert_eq!((&paused["status"], &paused["paused"]), (&json!("paused"), &json!(true)));
    assert_eq!(changes(), before + 1);
    assert_eq!(
        (p.roles("nora", "park:deich"), p.roles("nils", "park:deich")),
        (String::new(), String::new())
    );
    assert_eq!(p.status("nora", &path), "paused", "the partner still sees it");
    let delegation = |user: &str| format!("{path}/shares/parks/deich/delegations/{user}");
    p.put("nora", &delegation("nele"), json!({"role": "viewer"})).refused(409, "not_active", "R26");
    p.delete("nora", &delegation("nils")).done(204);
    p.patch("nora", &path, json!({"paused": false})).refused(403, "initiator_only", "R25");
    p.patch("hanna", &path, json!({"paused": false})).done(200);
    assert_eq!(p.roles("nora", "park:deich"), "technical_manager");
    assert_eq!(p.roles("nils", "park:deich"), "", "it was taken back meanwhile");
}

#[test]
fn an_expiration_ends_access_by_itself_and_is_moved_and_cleared() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "viewer");
    p.patch("hanna", &path, json!({"expires_at": FUTURE})).done(200);
    p.server.set_clock("2026-12-31T23:59:59.999999Z");
    assert_eq!((p.roles("nora", "park:deich"), p.status("nora", &path)), ("viewer".into(), "active".into()));
    p.server.set_clock(FUTURE);
    assert_eq!((p.roles("nora", "park:deich"), p.status("nora", &path)), (String::new(), "expired".into()));
    p.patch("hanna", &path, json!({"paused": true})).done(200);
    assert_eq!(p.status("nora", &path), "expired", "which goes before paused (R24)");
    p.patch("hanna", &path, json!({"paused": false, "expires_at": null})).done(200);
    assert_eq!(p.roles("nora", "park:deich"), "viewer");
    let ended = p.patch("hanna", &path, json!({"expires_at": PAST})).done(200);
    assert_eq!((&ended["status"], p.roles("nora", "park:deich")), (&json!("expired"), String::new()));
    for body in
        [json!({"paused": "yes"}), json!({"paused": null}), json!({"expires_at": 1}), json!({"role": "x"})]
    {
        p.patch("hanna", &path, body).refused(400, "invalid_argument", "");
    }
}

#[test]
fn what_was_set_before_the_acceptance_holds_after_it() {
    let p = Partners::new();
    let path = p.invited();
    p.share(&path, "parks/deich", "viewer");
    assert_eq!(p.roles("nora", "park:deich"), "", "prepared, and no access (R17)");
    let delegation = format!("{path}/shares/parks/deich/delegations/nils");
    p.put("nora", &delegation, json!({"role": "viewer"})).refused(409, "not_active", "R17");
    p.patch("hanna", &path, json!({"paused": true, "expires_at": FUTURE})).done(200);
    let accepted = p.post("nora", &format!("{path}/accept"), json!({})).done(200);
    assert_eq!((&accepted["status"], &accepted["expires_at"]), (&json!("paused"), &json!(FUTURE)));
    assert_eq!(p.roles("nora", "park:deich"), "");
    p.patch("hanna", &path, json!({"paused": false})).done(200);
    assert_eq!(p.roles("nora", "park:deich"), "viewer");

    let other = Partners::new();
    let path = other.invited();
    other.patch("hanna", &path, json!({"expires_at": PAST})).done(200);
    other.post("nora", &format!("{path}/accept"), json!({})).refused(409, "expired", "R21");
    other.post("hanna", &format!("{path}/resend"), json!({})).refused(409, "not_pending", "R23");
    other.post("nora", &format!("{path}/decline"), json!({})).done(204);
}

#[test]
fn an_invitation_is_sent_again_while_it_waits() {
    let p = Partners::new();
    let path = p.invited();
    p.post("nora", &format!("{path}/resend"), json!({})).refused(403, "initiator_only", "R23");
    p.post("mona", &format!("{path}/resend"), json!({})).refused(403, "forbidden", "R23");
    p.post("hanna", &format!("{path}/resend"), json!({})).done(200);
    assert_eq!(p.notified(), ["invitation nora@example.org", "invitation_reminder nora@example.org"]);
    p.post("nora", &format!("{path}/accept"), json!({})).done(200);
    p.post("hanna", &format!("{path}/resend"), json!({})).refused(409, "not_pending", "R23");
}

#[test]
fn each_side_lists_its_cooperations() {
    let p = Partners::new();
    let first = p.active();
    let second = path(&p.post("hanna", INVITE, email("gast")).done(201));
    let back = json!({"partner": {"organization": "helios"}});
    let third = path(&p.post("nora", "/organizations/nordwind/cooperations", back).done(201));
    let list = |actor: &str, query: &str| -> Vec<String> {
        let listed = p.get(actor, &format!("{INVITE}{query}")).done(200);
        listed["cooperations"].as_array().unwrap().iter().map(path).collect()
    };
    let mut all = vec![first.clone(), second.clone(), third.clone()];
    all.sort();
    assert_eq!(list("mina", ""), all);
    let mut outgoing = vec![first.clone(), second.clone()];
    outgoing.sort();
    assert_eq!(list("hanna", "?direction=outgoing"), outgoing);
    assert_eq!(list("hanna", "?direction=incoming"), std::slice::from_ref(&third));
    assert_eq!(list("hanna", "?search=NORD&direction=outgoing"), std::slice::from_ref(&first));
    assert_eq!(list("hanna", "?search=gast%40"), std::slice::from_ref(&second));
    assert_eq!(list("hanna", "?status=invited"), std::slice::from_ref(&second));
    assert_eq!(list("hanna", "?status=pending"), [third]);
    p.get("xaver", INVITE).refused(404, "not_found", "");
    p.get("", INVITE).refused(400, "actor_required", "");
    let page = p.get("hanna", &format!("{INVITE}?page_size=2")).done(200);
    let token = page["continuation_token"].as_str().unwrap();
    assert_eq!(page["cooperations"].as_array().unwrap().len(), 2);
    let rest = p.get("hanna", &format!("{INVITE}?page_size=2&continuation_token={token}")).done(200);
    assert_eq!(
        (rest["cooperations"].as_array().unwrap().len(), &rest["continuation_token"]),
        (1, &json!(""))
    );
}

#[test]
fn admins_see_contacts_and_shares_and_other_members_the_status_only() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "technical_manager");
    let body = json!({"role": "viewer", "expires_at": FUTURE});
    p.put("hanna", &format!("{path}/shares/portfolios/lausitz"), body).done(200);
    let hanna = p.get("hanna", &path).done(200);
    let shares = json!([
        {"type": "park", "id": "deich", "role": "technical_manager", "expires_at": null},
        {"type": "portfolio", "id": "lausitz", "role": "viewer", "expires_at": FUTURE},
    ]);
    assert_eq!(hanna["shares"], shares);
    let contact = |user: &str| json!([{"user": user, "name": null, "email": format!("{user}@example.org")}]);
    assert_eq!(hanna["contacts"], json!({"initiator": contact("hanna"), "partner": contact("nora")}));
    assert_eq!(hanna["can"], json!({"manage": true, "accept": false, "delegate": false}));
    let nora = p.get("nora", &path).done(200);
    assert_eq!((&nora["shares"], &nora["can"]["manage"]), (&shares, &json!(false)));
    for member in ["mina", "mona", "nils", "erik"] {
        let seen = p.get(member, &path).done(200);
        assert_eq!(seen["status"], "active");
        assert!(seen.get("shares").is_none() && seen.get("contacts").is_none(), "{seen}");
        assert_eq!(seen["can"], json!({"manage": false, "accept": false, "delegate": false}));
    }
    p.get("xaver", &path).refused(404, "not_found", "");
    p.get("", &path).refused(400, "actor_required", "");
}
