//! Users, and what every route of the cooperation rules does with what makes no sense.

use serde_json::json;

use crate::cooperation::Coop;
use crate::fixture::Server;

#[test]
fn a_user_is_known_and_changed() {
    let coop = Coop::new();
    let put = coop.put("", "/users/alice", json!({"email": " Alice@Example.org", "name": "Alice"})).done(200);
    let revision = coop.revision();
    assert_eq!(
        put,
        json!({"id": "alice", "email": "alice@example.org", "name": "Alice", "organization": null, "role": null,
            "revision": revision})
    );
    let seen = coop.get("alice", "/users/alice").done(200);
    assert_eq!(seen["name"], "Alice");
    assert!(seen.get("revision").is_none());
    let absent = coop.put("", "/users/alice", json!({"email": "a@example.org"})).done(200);
    assert_eq!((&absent["name"], &absent["email"]), (&json!("Alice"), &json!("a@example.org")));
    let cleared = coop.put("", "/users/alice", json!({"email": "a@example.org", "name": null})).done(200);
    assert_eq!(cleared["name"], json!(null));
    let again = coop.put("", "/users/alice", json!({"email": "a@example.org"})).done(200);
    assert_eq!(again["revision"], cleared["revision"], "what changes nothing raises no revision");
    coop.put("", "/users/bob", json!({"email": "alice@example.org"})).done(200);
}

#[test]
fn an_email_is_one_users() {
    let coop = Coop::new();
    coop.users(&["alice", "bob"]);
    let taken = json!({"email": "ALICE@example.org"});
    coop.put("", "/users/bob", taken).refused(409, "already_exists", "");
    assert_eq!(coop.get("", "/users/bob").done(200)["email"], "bob@example.org");
}

#[test]
fn users_are_made_by_the_system_and_seen_by_themselves() {
    let coop = Coop::new();
    coop.users(&["alice", "bob"]);
    let revision = coop.revision();
    coop.put("alice", "/users/alice", json!({"email": "x@example.org"})).refused(403, "forbidden", "");
    coop.get("bob", "/users/alice").refused(404, "not_found", "");
    coop.get("bob", "/users/nobody").refused(404, "not_found", "");
    coop.get("", "/users/nobody").refused(404, "not_found", "");
    coop.get("nobody", "/users/nobody").refused(404, "not_found", "");
    assert_eq!(coop.revision(), revision, "what is refused raises no revision");
}

#[test]
fn what_makes_no_sense_is_an_invalid_argument() {
    let coop = Coop::new();
    let revision = coop.revision();
    for body in [
        json!({}),
        json!({"email": null}),
        json!({"email": 1}),
        json!({"email": "alice"}),
        json!({"email": "a@b", "name": ""}),
        json!({"email": "a@b", "name": "a\u{0}b"}),
        json!({"email": "a@b", "more": 1}),
    ] {
        coop.put("", "/users/alice", body.clone()).refused(400, "invalid_argument", "");
    }
    for id in ["a%2Fb", "a:b", "%C3%9F", "a%00b", "a%20b", "*", &"x".repeat(129)] {
        coop.put("", &format!("/users/{id}"), json!({"email": "a@b"})).refused(400, "invalid_argument", "");
        coop.get("", &format!("/users/{id}")).refused(400, "invalid_argument", "");
    }
    for actor in ["*", "a b", "a:b", "a#b"] {
        coop.get(actor, "/users/alice").refused(400, "invalid_argument", "");
    }
    let path = format!("/stores/{}/users/alice", coop.server.store);
    let text = coop.server.send("PUT", &path, &[], Some("{"));
    text.refused(400, "invalid_argument", "");
    let twice = [("Tenure-Actor", "user:a"), ("Tenure-Actor", "user:b")];
    coop.server.send("GET", &path, &twice, None).refused(400, "invalid_argument", "");
    coop.server.send("GET", "/stores/x/users/alice", &[], None).refused(400, "invalid_argument", "");
    assert_eq!(coop.revision(), revision);
}

#[test]
fn a_store_with_another_model_has_no_cooperations() {
    let server = Server::new();
    let path = format!("/stores/{}/users/alice", server.store);
    let put = |path: &str| server.send("PUT", path, &[], Some(r#"{"email":"a@b"}"#));
    put(&path).refused(409, "cooperation_model_missing", "");
    server.send("GET", &path, &[], None).refused(409, "cooperation_model_missing", "");
    let empty = format!("/stores/{}/users/alice", server.create_store());
    put(&empty).refused(409, "cooperation_model_missing", "");
    let unknown = "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/users/alice";
    put(unknown).fails(404, "store_id_not_found");
}
