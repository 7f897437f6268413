//! R51: what is written past the commands, to a store that holds cooperations.

use serde_json::{Value, json};
use tenure::cooperation::COOPERATION_MODEL;
use tenure::schema;

use crate::cooperation::{Coop, acme};
use crate::fixture::{key, model};

const COOPERATION: [&str; 2] =
    ["cooperation:c#initiator@organization:acme", "cooperation:c#linked@organization:other"];

fn last(coop: &Coop) -> Value {
    let found = coop.get("", "/audit/commands?limit=500").done(200);
    found["entries"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn r51_the_model_of_a_store_that_holds_cooperations_is_pinned() {
    let coop = acme();
    coop.server.write(&COOPERATION);
    let revision = coop.revision();
    coop.server.post("/authorization-models", model()).refused(409, "model_pinned", "R51");
    assert_eq!(coop.revision(), revision);
    let same = schema::parse(COOPERATION_MODEL).unwrap();
    let same = schema::json::to_value(&same, schema::json::Style::Compact);
    coop.server.post("/authorization-models", same).done(201);
    assert_eq!(last(&coop)["command"], "model.write");
    coop.get("admin", "/organizations/acme").done(200);
}

#[test]
fn r51_a_cooperation_that_raw_tuples_have_half_made_does_not_hide_the_others() {
    let coop = acme();
    let body = json!({"partner": {"organization": "other"}});
    let whole = coop.post("admin", "/organizations/acme/cooperations", body).done(201);
    coop.server.write(&["cooperation:half#initiator@organization:acme"]);
    let found = coop.get("admin", "/organizations/acme/cooperations").done(200);
    let ids: Vec<_> = found["cooperations"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&whole["id"]]);
    coop.get("admin", "/cooperations/half").refused(500, "inconsistent", "");
    coop.delete("admin", "/cooperations/half").refused(500, "inconsistent", "");
}

#[test]
fn r51_an_upgrade_takes_the_model_of_the_server_if_the_data_fits_and_lists_what_does_not() {
    let coop = acme();
    // As an earlier version of the model could have been.
    let older = COOPERATION_MODEL.replacen(
        "    define owner: [organization]\n",
        "    define owner: [organization]\n    define guest: [user]\n",
        1,
    );
    let older = schema::json::to_value(&schema::parse(&older).unwrap(), schema::json::Style::Compact);
    coop.server.post("/authorization-models", older).done(201);
    coop.get("admin", "/organizations/acme").refused(409, "cooperation_model_missing", "");
    coop.post("admin", "/platform/upgrade", json!({})).refused(403, "forbidden", "R51");
    coop.post("", "/platform/upgrade", json!({"model": 2})).refused(400, "invalid_argument", "");

    coop.server.write(&["portfolio:west#guest@user:admin"]);
    let revision = coop.revision();
    let refused = coop.post("", "/platform/upgrade", json!({}));
    assert_eq!(
        refused.body["problems"],
        json!(["`portfolio:west#guest@user:admin`: relation 'portfolio#guest' not found"])
    );
    refused.refused(409, "data_does_not_fit", "R51");
    assert_eq!(coop.revision(), revision);

    let deletes = json!({"tuple_keys": [key("portfolio:west#guest@user:admin")]});
    coop.server.post("/write", json!({ "deletes": deletes })).done(200);
    let done = coop.post("", "/platform/upgrade", json!({})).done(200);
    assert_eq!(done["upgraded"], true, "{done}");
    assert_eq!(done["revision"], revision + 2);
    coop.get("admin", "/organizations/acme").done(200);
    let again = coop.send("", "POST", "/platform/upgrade", None).done(200);
    assert_eq!(
        (&again["upgraded"], &again["authorization_model_id"], &again["revision"]),
        (&json!(false), &done["authorization_model_id"], &done["revision"])
    );
    let found = coop.get("", "/audit/commands?limit=500").done(200);
    let found =
        found["entries"].as_array().unwrap().iter().filter(|entry| entry["command"] == "platform.upgrade");
    let outcomes: Vec<_> = found.map(|entry| &entry["outcome"]).collect();
    assert_eq!(outcomes, ["forbidden", "data_does_not_fit", "done", "done"]);
}

#[test]
fn a_store_without_cooperations_takes_any_model() {
    let coop = acme();
    coop.server.post("/authorization-models", model()).done(201);
    coop.get("admin", "/organizations/acme").refused(409, "cooperation_model_missing", "");
}

#[test]
fn r51_raw_writes_to_a_store_that_holds_cooperations_are_recorded() {
    let coop = acme();
    coop.server.write(&["park:p2#owner@organization:acme"]);
    assert_ne!(last(&coop)["command"], "tuples.write", "it holds none yet");
    coop.server.write(&COOPERATION);
    coop.server.write(&["park:p3#owner@organization:acme"]);
    let entry = last(&coop);
    assert_eq!(
        (&entry["command"], &entry["actor"], &entry["outcome"], &entry["input"]),
        (
            &json!("tuples.write"),
            &json!("system"),
            &json!("done"),
            &json!({"writes": ["park:p3#owner@organization:acme"], "deletes": []})
        )
    );
    assert_eq!(entry["revision"], coop.revision());
}
