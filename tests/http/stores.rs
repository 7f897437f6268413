//! Stores: create, list, get, delete.

use serde_json::{Value, json};

use crate::fixture::{NOW, Server};

#[test]
fn a_store_is_created_shown_and_deleted() {
    let server = Server::new();
    let created = server.send("POST", "/stores", &[], Some(r#"{"name": "Acme / EU @ 1"}"#));
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(created.status, 201);
    assert_eq!(
        created.body,
        json!({"id": id, "name": "Acme / EU @ 1", "created_at": NOW, "updated_at": NOW})
    );
    assert_eq!(id.len(), 26);

    let path = format!("/stores/{id}");
    let shown = server.send("GET", &path, &[], None);
    assert_eq!(shown.header("Openfga-Store-Id"), Some(&*id));
    shown.is(json!({
        "id": id, "name": "Acme / EU @ 1", "created_at": NOW, "updated_at": NOW, "deleted_at": null,
    }));

    let deleted = server.send("DELETE", &path, &[], None);
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    server.send("GET", &path, &[], None).fails(404, "store_id_not_found");
    assert_eq!(server.send("DELETE", &path, &[], None).status, 204, "deleting is idempotent");
}

#[test]
fn stores_are_listed_in_pages() {
    let server = Server::new();
    let mut ids = vec![server.store.clone()];
    ids.extend((0..4).map(|_| server.create_store()));
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = server.send("GET", &format!("/stores?page_size=2&continuation_token={token}"), &[], None);
        assert_eq!(page.status, 200);
        let stores = page.body["stores"].as_array().unwrap();
        assert!(stores.len() <= 2);
        seen.extend(stores.iter().map(|store| store["id"].as_str().unwrap().to_owned()));
        token = page.body["continuation_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ids);
}

#[test]
fn stores_are_found_by_their_exact_name() {
    let server = Server::new();
    let created = server.send("POST", "/stores", &[], Some(r#"{"name": "other"}"#));
    let id = created.body["id"].as_str().unwrap();
    server.send("GET", "/stores?name=other", &[], None).is(json!({
        "stores": [{"id": id, "name": "other", "created_at": NOW, "updated_at": NOW, "deleted_at": null}],
        "continuation_token": "",
    }));
    server.send("GET", "/stores?name=oth", &[], None).is(json!({"stores": [], "continuation_token": ""}));
}

#[test]
fn a_name_that_is_none_is_refused() {
    let server = Server::new();
    for name in ["", "ab", &"x".repeat(65), "semi;colon", "line\nbreak", "nul\0l", "ümlaut"] {
        let answer = server.send("POST", "/stores", &[], Some(&json!({"name": name}).to_string()));
        let message = answer.fails(400, "validation_error");
        assert_eq!(
            message,
            "invalid name: expected 3 to 64 letters, digits, spaces and characters of `.-/^_&@`"
        );
    }
    assert_eq!(server.send("GET", "/stores", &[], None).body["stores"].as_array().unwrap().len(), 1);
}

#[test]
fn updating_a_store_is_unimplemented() {
    let server = Server::new();
    let path = format!("/stores/{}", server.store);
    server.send("PATCH", &path, &[], Some(r#"{"name": "another"}"#)).fails(404, "unimplemented");
}
