//! R51: what is written past the commands, to a store that holds cooperations.

use serde_json::{Value, json};
use tenure::cooperation::COOPERATION_MODEL;
use tenure::schema;

use crate::cooperation::{Coop, acme};
use crate::fixture::model;

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
