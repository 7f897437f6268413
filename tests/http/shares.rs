//! Shares, and what is delegated of them.

use serde_json::{Value, json};

use crate::partners::Partners;

const FUTURE: &str = "2027-01-01T00:00:00Z";
const PAST: &str = "2025-01-01T00:00:00Z";

#[test]
fn the_partners_admins_have_the_shares_role_and_nobody_else_has_anything() {
    let p = Partners::new();
    let path = p.active();
    let shared = p.put("hanna", &format!("{path}/shares/parks/deich"), json!({"role": "technical_manager"}));
    let expected = json!({"type": "park", "id": "deich", "role": "technical_manager", "expires_at": null});
    let mut shared = shared.done(200);
    assert!(shared.as_object_mut().unwrap().remove("revision").is_some());
    assert_eq!(shared, expected);
    assert_eq!(p.roles("nora", "park:deich"), "technical_manager");
    for nobody in ["olaf", "nils", "erik", "xaver", "gast"] {
        assert_eq!(p.roles(nobody, "park:deich"), "", "{nobody}");
    }
    assert_eq!(p.roles("hanna", "park:deich"), "operator");
}

#[test]
fn only_the_owner_shares_and_only_in_its_own_cooperation() {
    let p = Partners::new();
    let path = p.active();
    let back = json!({"partner": {"organization": "helios"}});
    let other =
        crate::partners::path(&p.post("nora", "/organizations/nordwind/cooperations", back).done(201));
    p.post("hanna", &format!("{other}/accept"), json!({})).done(200);
    p.share(&path, "parks/deich", "viewer");
    let put = |actor: &str, cooperation: &str, resource: &str| {
        p.put(actor, &format!("{cooperation}/shares/{resource}"), json!({"role": "viewer"}))
    };
    put("hanna", &path, "parks/watt").refused(403, "not_owner", "R30");
    put("nora", &other, "parks/deich").refused(403, "not_owner", "R30");
    put("nora", &path, "parks/deich").refused(403, "not_owner", "R30");
    put("nora", &path, "parks/watt").refused(403, "initiator_only", "R30");
    put("mona", &path, "parks/heide").refused(403, "forbidden", "R30");
    put("mina", &path, "parks/heide").refused(403, "forbidden", "R30");
    put("xaver", &path, "parks/heide").refused(404, "not_found", "");
    put("hanna", &path, "parks/unknown").refused(404, "not_found", "");
    put("", &path, "parks/heide").refused(400, "actor_required", "");
    let remove = |actor: &str, resource: &str| p.delete(actor, &format!("{path}/shares/{resource}"));
    remove("nora", "parks/deich").refused(403, "not_owner", "R30");
    remove("mona", "parks/deich").refused(403, "forbidden", "R30");
    remove("hanna", "parks/heide").refused(404, "not_found", "");
    assert_eq!(p.roles("nora", "park:deich"), "viewer");
}

#[test]
fn a_share_has_one_of_three_roles_and_is_changed_in_one_write() {
    let p = Partners::new();
    let path = p.active();
    let share = format!("{path}/shares/parks/deich");
    p.put("hanna", &share, json!({"role": "operator"})).refused(422, "role_not_shareable", "R31");
    for body in [
        json!({}),
        json!({"role": "owner"}),
        json!({"role": 1}),
        json!({"role": null}),
        json!({"role": "viewer", "expires_at": "soon"}),
        json!({"role": "viewer", "paused": true}),
    ] {
        p.put("hanna", &share, body).refused(400, "invalid_argument", "");
    }
    p.put("hanna", &share, json!({"role": "viewer", "expires_at": FUTURE})).done(200);
    let changed = p.put("hanna", &share, json!({"role": "asset_manager"})).done(200);
    assert_eq!((&changed["role"], &changed["expires_at"]), (&json!("asset_manager"), &json!(FUTURE)));
    let changed = p.put("hanna", &share, json!({"expires_at": null})).done(200);
    assert_eq!((&changed["role"], &changed["expires_at"]), (&json!("asset_manager"), &json!(null)));
    let shares: Vec<_> = p.server.tuples().into_iter().filter(|tuple| tuple.contains("_share@")).collect();
    assert_eq!(shares.len(), 1, "{shares:?}");
    p.put("hanna", &share, json!({"role": "viewer", "expires_at": PAST})).done(200);
    assert_eq!(p.roles("nora", "park:deich"), "", "that ends it at once");
}

#[test]
fn a_shared_portfolio_gives_the_role_on_its_parks_and_on_those_added_later() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "portfolios/lausitz", "asset_manager");
    p.delegate(&path, "portfolios/lausitz", "nils", "viewer");
    assert_eq!(
        (p.roles("nora", "park:elster"), p.roles("nils", "park:elster")),
        ("asset_manager".into(), "viewer".into())
    );
    let later = json!({"id": "spree", "name": "Spree", "portfolio": "lausitz"});
    p.post("hanna", "/organizations/helios/parks", later).done(201);
    assert_eq!(
        (p.roles("nora", "park:spree"), p.roles("nils", "park:spree")),
        ("asset_manager".into(), "viewer".into())
    );
    // Through several shares, the union of what each allows by itself (R38).
    p.share(&path, "parks/elster", "technical_manager");
    assert_eq!(p.roles("nora", "park:elster"), "technical_manager, asset_manager");
    p.delegate(&path, "parks/elster", "nils", "technical_manager");
    assert_eq!(p.roles("nils", "park:elster"), "technical_manager");
    p.delete("hanna", &format!("{path}/shares/parks/elster")).done(204);
    assert_eq!(
        (p.roles("nora", "park:elster"), p.roles("nils", "park:elster")),
        ("asset_manager".into(), "viewer".into())
    );
}

#[test]
fn a_delegation_is_viewer_or_the_shares_role_to_a_member() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "technical_manager");
    let delegation = |user: &str| format!("{path}/shares/parks/deich/delegations/{user}");
    let put = |actor: &str, user: &str, role: &str| p.put(actor, &delegation(user), json!({"role": role}));
    let mut done = put("nora", "nils", "technical_manager").done(200);
    assert!(done.as_object_mut().unwrap().remove("revision").is_some());
    let expected = json!({"type": "park", "id": "deich", "user": "nils", "role": "technical_manager", "expires_at": null});
    assert_eq!(done, expected);
    for role in ["asset_manager", "operator"] {
        put("nora", "nele", role).refused(422, "role_not_grantable", "R36");
    }
    put("nora", "erik", "technical_manager").refused(422, "role_not_grantable", "R13");
    put("nora", "erik", "viewer").done(200);
    for outside in ["mina", "gast"] {
        put("nora", outside, "viewer").refused(422, "not_a_member", "R36");
    }
    put("nora", "unknown", "viewer").refused(404, "not_found", "");
    put("nora", "nele", "owner").refused(400, "invalid_argument", "");
    put("olaf", "nele", "viewer").refused(403, "forbidden", "R36");
    put("nils", "nele", "viewer").refused(403, "forbidden", "R36");
    put("hanna", "nele", "viewer").refused(403, "forbidden", "R36");
    put("xaver", "nele", "viewer").refused(404, "not_found", "");
    put("", "nele", "viewer").refused(400, "actor_required", "");
    let not_shared = format!("{path}/shares/parks/heide/delegations/nils");
    p.put("nora", &not_shared, json!({"role": "viewer"})).refused(404, "not_found", "");
    assert_eq!(p.roles("nils", "park:deich"), "technical_manager");
    assert_eq!(
        (p.roles("erik", "park:deich"), p.roles("nele", "park:deich")),
        ("viewer".into(), String::new())
    );

    // One write changes it; what is absent stays.
    p.put("nora", &delegation("nils"), json!({"expires_at": FUTURE})).done(200);
    let changed = put("nora", "nils", "viewer").done(200);
    assert_eq!((&changed["role"], &changed["expires_at"]), (&json!("viewer"), &json!(FUTURE)));
    assert_eq!(p.roles("nils", "park:deich"), "viewer");
    p.put("nora", &delegation("nele"), json!({})).refused(400, "invalid_argument", "");

    p.delete("hanna", &delegation("nils")).refused(403, "forbidden", "R36");
    p.delete("nils", &delegation("nils")).refused(403, "forbidden", "R36");
    p.delete("nora", &delegation("nele")).refused(404, "not_found", "");
    p.delete("nora", &delegation("nils")).done(204);
    assert_eq!(p.roles("nils", "park:deich"), "");
}

#[test]
fn lowering_a_share_lowers_what_delegates_have_and_raising_it_gives_them_no_more_than_was_delegated() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "technical_manager");
    p.delegate(&path, "parks/deich", "nils", "technical_manager");
    p.delegate(&path, "parks/deich", "nele", "viewer");
    for lower in ["viewer", "asset_manager"] {
        p.share(&path, "parks/deich", lower);
        assert_eq!(
            (p.roles("nora", "park:deich"), p.roles("nils", "park:deich")),
            (lower.into(), "viewer".into())
        );
    }
    p.share(&path, "parks/deich", "technical_manager");
    assert_eq!(p.roles("nils", "park:deich"), "technical_manager");
    assert_eq!(p.roles("nele", "park:deich"), "viewer");
    p.delete("hanna", &format!("{path}/shares/parks/deich")).done(204);
    assert_eq!(p.roles("nils", "park:deich"), "");
    p.share(&path, "parks/deich", "technical_manager");
    assert_eq!(
        (p.roles("nils", "park:deich"), p.roles("nele", "park:deich")),
        (String::new(), String::new())
    );
}

#[test]
fn everything_on_the_path_may_end_by_itself() {
    let p = Partners::new();
    let path = p.active();
    let body = json!({"role": "technical_manager", "expires_at": "2026-03-01T00:00:00Z"});
    p.put("hanna", &format!("{path}/shares/parks/deich"), body).done(200);
    let body = json!({"role": "technical_manager", "expires_at": "2026-02-01T00:00:00Z"});
    p.put("nora", &format!("{path}/shares/parks/deich/delegations/nils"), body).done(200);
    let both = || (p.roles("nora", "park:deich"), p.roles("nils", "park:deich"));
    let manager = || "technical_manager".to_owned();
    p.server.set_clock("2026-01-31T23:59:59.999999Z");
    assert_eq!(both(), (manager(), manager()));
    p.server.set_clock("2026-02-01T00:00:00Z");
    assert_eq!(both(), (manager(), String::new()));
    p.server.set_clock("2026-03-01T00:00:00Z");
    assert_eq!(both(), (String::new(), String::new()));
    p.put("hanna", &format!("{path}/shares/parks/deich"), json!({"expires_at": null})).done(200);
    assert_eq!(both(), (manager(), String::new()));
}

#[test]
fn both_sides_admins_list_what_is_delegated() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "technical_manager");
    p.share(&path, "portfolios/lausitz", "viewer");
    p.delegate(&path, "parks/deich", "nils", "technical_manager");
    p.delegate(&path, "parks/deich", "erik", "viewer");
    p.delegate(&path, "portfolios/lausitz", "nele", "viewer");
    let list = |actor: &str, query: &str| p.get(actor, &format!("{path}/delegations{query}"));
    let whole = list("nora", "").done(200);
    let of = |user: &str, kind: &str, id: &str, role: &str| json!({"type": kind, "id": id, "user": user, "role": role, "expires_at": null});
    let expected = json!([
        of("erik", "park", "deich", "viewer"),
        of("nils", "park", "deich", "technical_manager"),
        of("nele", "portfolio", "lausitz", "viewer"),
    ]);
    assert_eq!(whole, json!({"delegations": expected, "continuation_token": ""}));
    assert_eq!(list("hanna", "").done(200), whole);
    let page = list("nora", "?page_size=2").done(200);
    let token = page["continuation_token"].as_str().unwrap();
    let rest = list("nora", &format!("?page_size=2&continuation_token={token}")).done(200);
    assert_eq!(rest["delegations"], json!([expected[2]]));
    list("nils", "").refused(403, "forbidden", "R29");
    list("xaver", "").refused(404, "not_found", "");
    list("", "").refused(400, "actor_required", "");
}

#[test]
fn who_leaves_the_partner_keeps_nothing() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "viewer");
    p.delegate(&path, "parks/deich", "nils", "viewer");
    p.delete("nils", "/organizations/nordwind/members/nils").done(204);
    assert_eq!(p.roles("nils", "park:deich"), "");
    p.put("", "/organizations/nordwind/members/nils", json!({"role": "member"})).done(201);
    assert_eq!(p.roles("nils", "park:deich"), "");
    assert_eq!(p.get("nora", &format!("{path}/delegations")).done(200)["delegations"], json!([]));
}

#[test]
fn an_organization_that_dissolves_takes_its_cooperations_along() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "viewer");
    for member in ["olaf", "nils", "nele", "erik"] {
        p.delete(member, &format!("/organizations/nordwind/members/{member}")).done(204);
    }
    p.send("nora", "DELETE", "/organizations/nordwind/members/nora", Some(json!({"confirm": "nordwind"})))
        .done(204);
    p.get("hanna", &path).refused(404, "not_found", "");
    let left: Vec<_> = p.server.tuples().into_iter().filter(|tuple| tuple.contains("cooperation:")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn commands_are_recorded_with_the_organizations_and_the_cooperation_that_they_concern() {
    let p = Partners::new();
    let path = p.active();
    let id = path.trim_start_matches("/cooperations/");
    p.share(&path, "parks/deich", "viewer");
    p.put("nora", &format!("{path}/shares/parks/deich"), json!({"role": "viewer"})).refused(
        403,
        "not_owner",
        "R30",
    );
    for admin in ["hanna", "nora"] {
        let entries = p.get(admin, &format!("/audit/commands?cooperation={id}")).done(200);
        let line = |entry: &Value| {
            let text = |name: &str| entry[name].as_str().unwrap();
            format!("{} {} {}", text("actor"), text("command"), text("outcome"))
        };
        let lines: Vec<_> = entries["entries"].as_array().unwrap().iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "user:hanna cooperation.invite done",
                "user:nora cooperation.accept done",
                "user:hanna share.put done",
                "user:nora share.put not_owner",
            ]
        );
    }
}
