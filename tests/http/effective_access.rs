//! Who has what, both ways, and the record of the checks that concerned a cooperation.

use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;
use tenure::cooperation::COOPERATION_MODEL;
use tenure::schema;

use crate::fixture::{NOW, key};
use crate::partners::Partners;
use crate::program::{Program, read_answer};

const FUTURE: &str = "2027-01-01T00:00:00Z";

#[test]
fn a_user_lists_what_they_have_with_source_and_end() {
    let p = Partners::new();
    let path = p.active();
    let id = path.trim_start_matches("/cooperations/");
    p.share(&path, "parks/deich", "technical_manager");
    p.share(&path, "portfolios/lausitz", "viewer");
    let body = json!({"role": "technical_manager", "expires_at": FUTURE});
    p.put("nora", &format!("{path}/shares/parks/deich/delegations/nils"), body).done(200);
    p.put("nora", "/parks/watt/grants/nils", json!({"role": "asset_manager"})).done(200);
    let listed = p.get("nils", "/users/nils/resources").done(200);
    let expected = json!([
        {"type": "park", "id": "deich", "role": "technical_manager", "source": "cooperation", "cooperation": id, "ends_at": FUTURE},
        {"type": "park", "id": "watt", "role": "asset_manager", "source": "own"},
    ]);
    assert_eq!(listed, json!({"resources": expected, "continuation_token": ""}));
    assert_eq!(p.get("", "/users/nils/resources").done(200), listed);
    let of = |query: &str| p.get("nora", &format!("/users/nora/resources{query}")).done(200);
    let ids = |listed: &Value| -> Vec<String> {
        let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
        listed["resources"].as_array().unwrap().iter().map(id).collect()
    };
    assert_eq!(ids(&of("")), ["deich", "elster", "watt", "lausitz"]);
    assert_eq!(ids(&of("?type=portfolio")), ["lausitz"]);
    assert_eq!(ids(&of("?role=operator")), ["watt"]);
    let page = of("?page_size=3");
    let token = page["continuation_token"].as_str().unwrap();
    assert_eq!(
        (ids(&page).len(), ids(&of(&format!("?page_size=3&continuation_token={token}")))),
        (3, vec!["lausitz".to_owned()])
    );

    p.get("nora", "/users/nils/resources").refused(404, "not_found", "");
    p.get("", "/users/unknown/resources").refused(404, "not_found", "");
    for query in ["?type=house", "?role=owner", "?page_size=0", "?page_size=501", "?other=1"] {
        p.get("nora", &format!("/users/nora/resources{query}")).refused(400, "invalid_argument", "");
    }
}

#[test]
fn the_owners_admins_list_everybody_who_has_access() {
    let p = Partners::new();
    let path = p.active();
    let id = path.trim_start_matches("/cooperations/");
    p.share(&path, "portfolios/lausitz", "viewer");
    p.delegate(&path, "portfolios/lausitz", "nils", "viewer");
    p.put("hanna", "/parks/elster/grants/mina", json!({"role": "viewer", "expires_at": FUTURE})).done(200);
    let listed = p.get("hanna", "/parks/elster/access").done(200);
    let expected = json!([
        {"user": "hanna", "role": "operator", "source": "own"},
        {"user": "mina", "role": "viewer", "source": "own", "ends_at": FUTURE},
        {"user": "mona", "role": "operator", "source": "own"},
        {"user": "nils", "role": "viewer", "source": "cooperation", "cooperation": id},
        {"user": "nora", "role": "viewer", "source": "cooperation", "cooperation": id},
    ]);
    assert_eq!(listed, json!({"access": expected, "continuation_token": ""}));
    assert_eq!(p.get("", "/parks/elster/access").done(200), listed);
    let portfolio = p.get("hanna", "/portfolios/lausitz/access").done(200);
    assert_eq!(portfolio["access"].as_array().unwrap().len(), 4);
    p.get("mona", "/parks/elster/access").refused(403, "forbidden", "R29");
    p.get("nora", "/parks/elster/access").refused(403, "forbidden", "R29");
    p.get("xaver", "/parks/elster/access").refused(404, "not_found", "");
    p.get("hanna", "/parks/unknown/access").refused(404, "not_found", "");
    p.patch("hanna", &path, json!({"paused": true})).done(200);
    let listed = p.get("hanna", "/parks/elster/access").done(200);
    assert_eq!(listed["access"].as_array().unwrap().len(), 3, "what is paused gives nothing");
}

/// The record as `hanna` reads it: `user resource role decision reason`.
fn record(p: &Partners, actor: &str, query: &str) -> Vec<String> {
    let read = p.get(actor, &format!("/audit/access{query}")).done(200);
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap();
        format!(
            "{} {} {} {} {}",
            text("user"),
            text("resource"),
            text("role"),
            text("decision"),
            text("reason")
        )
    };
    read["entries"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn checks_that_concern_a_cooperation_are_recorded_however_they_are_asked() {
    let p = Partners::new();
    let path = p.active();
    let id = path.trim_start_matches("/cooperations/");
    p.share(&path, "parks/deich", "technical_manager");
    p.delegate(&path, "parks/deich", "nils", "viewer");
    assert!(p.server.allows("park:deich#technical_manager@user:nora"));
    assert!(!p.server.allows("park:deich#technical_manager@user:nils"));
    // None of anybody's business.
    assert!(
        !p.server.allows("park:deich#viewer@user:nele") && !p.server.allows("park:heide#viewer@user:nora")
    );
    assert!(p.server.allows("park:deich#operator@user:hanna"));
    let checks = json!([
        {"tuple_key": key("park:deich#viewer@user:nils"), "correlation_id": "1"},
        {"tuple_key": key("park:heide#viewer@user:hanna"), "correlation_id": "2"},
    ]);
    assert_eq!(p.server.post("/batch-check", json!({"checks": checks})).status, 200);
    let authzen = |role: &str| {
        json!({"subject": {"type": "user", "id": "nora"}, "resource": {"type": "park", "id": "deich"},
            "action": {"name": role}})
    };
    assert_eq!(p.server.post("/access/v1/evaluation", authzen("operator")).status, 200);
    let both = json!({"evaluations": [authzen("viewer"), authzen("asset_manager")]});
    assert_eq!(p.server.post("/access/v1/evaluations", both).status, 200);
    // A search is no check.
    let search =
        json!({"subject": {"type": "user", "id": "nora"}, "resource": {"type": "park", "id": "deich"}});
    assert_eq!(p.server.post("/access/v1/search/action", search).status, 200);

    // All of one instant, which are in no order.
    let mut all = record(&p, "hanna", "");
    all.sort();
    assert_eq!(
        all,
        [
            "nils park:deich technical_manager denied role_not_given",
            "nils park:deich viewer allowed delegation",
            "nora park:deich asset_manager denied role_not_given",
            "nora park:deich operator denied role_not_given",
            "nora park:deich technical_manager allowed partner_admin",
            "nora park:deich viewer allowed partner_admin",
        ]
    );
    let read = p.get("hanna", "/audit/access").done(200);
    let entries = read["entries"].as_array().unwrap();
    let wanted = |entry: &&Value| entry["user"] == "nora" && entry["role"] == "technical_manager";
    let entry = entries.iter().find(wanted).unwrap();
    let expected = json!({"cursor": entry["cursor"], "at": NOW, "user": "nora", "resource": "park:deich",
        "role": "technical_manager", "decision": "allowed", "reason": "partner_admin", "cooperation": id,
        "revision": p.revision()});
    assert_eq!(entry, &expected);
    let read = p.get("hanna", "/audit/access?limit=1").done(200);
    assert_eq!(read["entries"].as_array().unwrap().len(), 1);
    let cursor = read["entries"][0]["cursor"].as_str().unwrap();
    assert_eq!(read["continuation_token"].as_str(), Some(cursor));
    assert_eq!(record(&p, "hanna", &format!("?after={cursor}")).len(), 5);
    assert_eq!(record(&p, "hanna", "?user=nils").len(), 2);
    assert_eq!(record(&p, "hanna", "?user=user:nils&resource=park:deich").len(), 2);
    assert_eq!(record(&p, "hanna", &format!("?cooperation={id}")).len(), 6);
    assert!(record(&p, "hanna", "?resource=park:heide").is_empty());
    assert!(record(&p, "hanna", &format!("?from={FUTURE}")).is_empty());
    assert!(record(&p, "hanna", &format!("?to={NOW}")).is_empty());
    assert_eq!(record(&p, "hanna", &format!("?from={NOW}&to={FUTURE}")).len(), 6);

    assert!(record(&p, "nora", "").is_empty(), "of what others own, nothing");
    p.get("mona", "/audit/access").refused(403, "forbidden", "R48");
    p.get("gast", "/audit/access").refused(403, "forbidden", "R48");
    p.get("", "/audit/access").refused(400, "actor_required", "");
    for query in
        ["?resource=deich", "?resource=user:a", "?user=a:b:c", "?limit=0", "?after=x", "?from=x", "?x=1"]
    {
        p.get("hanna", &format!("/audit/access{query}")).refused(400, "invalid_argument", "");
    }
}

#[test]
fn a_denial_is_recorded_with_what_ended_the_access() {
    let p = Partners::new();
    let path = p.active();
    p.share(&path, "parks/deich", "viewer");
    p.delegate(&path, "parks/deich", "nils", "viewer");
    let denied = || assert!(!p.server.allows("park:deich#viewer@user:nils"));
    p.patch("hanna", &path, json!({"paused": true})).done(200);
    denied();
    p.patch("hanna", &path, json!({"paused": false, "expires_at": NOW})).done(200);
    denied();
    p.patch("hanna", &path, json!({"expires_at": null})).done(200);
    p.put("hanna", &format!("{path}/shares/parks/deich"), json!({"expires_at": NOW})).done(200);
    denied();
    p.put("hanna", &format!("{path}/shares/parks/deich"), json!({"expires_at": null})).done(200);
    p.patch("nora", "/organizations/nordwind/members/nils", json!({"paused": true})).done(200);
    denied();
    let reasons: Vec<_> =
        record(&p, "hanna", "").iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["cooperation_paused", "cooperation_expired", "share_expired", "membership_paused"]);
}

/// A served store with a share of the park `deich`; its path.
fn with_a_share(program: &Program) -> String {
    let (_, store) = program.send("POST", "/stores", r#"{"name": "acme"}"#);
    let store = format!("/stores/{}", store["id"].as_str().unwrap());
    let model =
        schema::json::to_value(&schema::parse(COOPERATION_MODEL).unwrap(), schema::json::Style::Compact);
    assert_eq!(program.send("POST", &format!("{store}/authorization-models"), &model.to_string()).0, 201);
    let tuples = [
        "organization:helios#admin@user:hanna",
        "organization:nordwind#admin@user:nora",
        "park:deich#owner@organization:helios",
        "cooperation:c#initiator@organization:helios",
        "cooperation:c#linked@organization:nordwind",
        "cooperation:c#partner@organization:nordwind",
        "park:deich#viewer_share@cooperation:c",
    ];
    let keys: Vec<Value> = tuples.iter().map(|tuple| key(tuple)).collect();
    let body = json!({"writes": {"tuple_keys": keys}}).to_string();
    assert_eq!(program.send("POST", &format!("{store}/write"), &body).0, 200);
    store
}

fn check(program: &Program, store: &str) {
    let body = json!({"tuple_key": key("park:deich#viewer@user:nora")}).to_string();
    let (status, answer) = program.send("POST", &format!("{store}/check"), &body);
    assert_eq!((status, &answer["allowed"]), (200, &json!(true)));
}

/// How many entries the record of a served store has.
fn recorded(program: &Program, store: &str) -> usize {
    let mut stream = program.connect();
    let head = format!("GET {store}/audit/access HTTP/1.1\r\nHost: localhost\r\nConnection: close");
    write!(stream, "{head}\r\nTenure-Actor: user:hanna\r\n\r\n").unwrap();
    let (status, read) = read_answer(stream);
    assert_eq!(status, 200, "{read}");
    read["entries"].as_array().unwrap().len()
}

#[test]
fn a_graceful_stop_loses_nothing_of_the_record_and_a_crash_no_more_than_the_delay() {
    let directory = tempdir().unwrap();
    let slow = ["--access-record-delay-ms", "60000"];
    let mut program = Program::start(directory.path(), &slow);
    let store = with_a_share(&program);
    check(&program, &store);
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));

    let mut program = Program::start(directory.path(), &slow);
    assert_eq!(recorded(&program, &store), 1);
    check(&program, &store);
    program.signal("-KILL");
    program.wait();

    let mut program = Program::start(directory.path(), &["--access-record-delay-ms", "20"]);
    assert_eq!(recorded(&program, &store), 1, "it was within the delay");
    check(&program, &store);
    // Many times the delay, as the machine may be busy.
    thread::sleep(Duration::from_secs(2));
    program.signal("-KILL");
    program.wait();
    let program = Program::start(directory.path(), &[]);
    assert_eq!(recorded(&program, &store), 2);
}

#[test]
fn the_record_is_bounded_in_delay_and_age_by_settings_that_are_checked() {
    for (arguments, message) in [
        (["--access-record-delay-ms", "60001"], "`access_record_delay_ms` is 60001; expected 0 to 60000"),
        (["--access-record-days", "0"], "`access_record_days` is 0; expected 1 to 36500"),
        (["--command-record-days", "0"], "`command_record_days` is 0; expected 1 to 36500"),
    ] {
        let arguments = [&["--data", "/nowhere"], &arguments[..]].concat();
        let (code, error) = crate::program::fails(crate::program::command(&arguments));
        assert_eq!((code, error), (2, format!("error: {message}\n")));
    }
}
