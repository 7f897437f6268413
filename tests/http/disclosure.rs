//! What the record tells to whom, and what counts although it is not live.

use serde_json::{Value, json};

use crate::partners::Partners;

const PAST: &str = "2001-01-01T00:00:00Z";
const FUTURE: &str = "2099-01-01T00:00:00Z";

/// The command, the organizations and the cooperation of each entry that an admin reads.
fn recorded(p: &Partners, admin: &str, query: &str) -> Vec<(String, Value, Value)> {
    let entries = p.get(admin, &format!("/audit/commands?{query}")).done(200);
    let entries = entries["entries"].as_array().unwrap().clone();
    let one = |entry: &Value| {
        let command = entry["command"].as_str().unwrap().to_owned();
        (command, entry["organizations"].clone(), entry["cooperation"].clone())
    };
    entries.iter().map(one).collect()
}

#[test]
fn the_record_of_what_was_not_found_does_not_tell_that_it_is_there() {
    let p = Partners::new();
    let cooperation = p.active();
    for path in ["/parks/deich", "/parks/none", &cooperation] {
        p.delete("xaver", path).refused(404, "not_found", "");
    }
    let refused = recorded(&p, "xaver", "actor=user:xaver");
    assert_eq!(refused.len(), 3);
    for (command, organizations, of) in refused {
        assert_eq!((organizations, of), (json!(["zugspitze"]), Value::Null), "{command}");
    }
    assert_eq!(recorded(&p, "hanna", "actor=user:xaver"), [], "nobody is told who looked in vain");
}

#[test]
fn who_dissolves_an_organization_tells_no_partner_of_the_others() {
    let p = Partners::new();
    for partner in ["nordwind", "helios"] {
        let body = json!({"partner": {"organization": partner}});
        p.post("xaver", "/organizations/zugspitze/cooperations", body).done(201);
    }
    p.delete("xaver", "/organizations/zugspitze/members/xaver?confirm=zugspitze").done(204);
    let dissolved = recorded(&p, "nora", "actor=user:xaver");
    let (_, organizations, of) = dissolved.last().unwrap();
    assert_eq!((organizations, of), (&json!(["nordwind"]), &Value::Null));
}

#[test]
fn a_share_that_has_expired_leaves_the_portfolio_to_admins() {
    let p = Partners::new();
    let share = format!("{}/shares/portfolios/lausitz", p.active());
    p.put("hanna", &share, json!({"role": "viewer", "expires_at": PAST})).done(200);
    p.patch("mona", "/parks/deich", json!({"portfolio": "lausitz"})).refused(403, "forbidden", "R50");
    let park = json!({"name": "new", "portfolio": "lausitz"});
    p.post("mona", "/organizations/helios/parks", park.clone()).refused(403, "forbidden", "R50");
    p.put("hanna", &share, json!({"expires_at": null})).done(200);
    assert_eq!(p.roles("nora", "park:deich"), "");
    p.delete("hanna", &share).done(204);
    p.post("mona", "/organizations/helios/parks", park).done(201);
}

#[test]
fn what_stands_above_its_ceiling_can_be_ended_without_naming_its_role() {
    let p = Partners::new();
    let cooperation = p.active();
    p.share(&cooperation, "parks/deich", "technical_manager");
    p.delegate(&cooperation, "parks/deich", "nils", "technical_manager");
    p.share(&cooperation, "parks/deich", "viewer");
    let delegation = format!("{cooperation}/shares/parks/deich/delegations/nils");
    p.put("nora", &delegation, json!({"expires_at": FUTURE})).done(200);
    assert_eq!(p.roles("nils", "park:deich"), "viewer");
    p.put("nora", &delegation, json!({"role": "technical_manager"})).refused(
        422,
        "role_not_grantable",
        "R36",
    );
}

#[test]
fn the_record_of_access_to_a_park_stays_with_its_last_owner() {
    let p = Partners::new();
    p.share(&p.active(), "parks/deich", "viewer");
    assert_eq!(p.roles("nora", "park:deich"), "viewer");
    let entries = |admin: &str| {
        let read = p.get(admin, "/audit/access?resource=park:deich").done(200);
        read["entries"].as_array().unwrap().len()
    };
    let before = entries("hanna");
    assert!(before > 0);
    p.delete("hanna", "/parks/deich").done(204);
    assert_eq!((entries("hanna"), entries("nora")), (before, 0));
}

#[test]
fn an_id_that_clients_take_for_another_path_is_refused() {
    let p = Partners::new();
    for id in [".", ".."] {
        let body = json!({"id": id, "name": "dots"});
        p.post("hanna", "/organizations/helios/parks", body).refused(400, "invalid_argument", "");
    }
}
