//! What a key may do, and where: every route with every permission, and with keys of other stores.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tenure::callers::Permission;
use tower::ServiceExt as _;

use crate::cooperation::{Coop, acme};
use crate::described::API;
use crate::fixture::{Answer, Server, key, model};
use crate::keys::{guarded, make, send_as};

/// An operation as the API describes it.
pub struct Operation {
    pub method: String,
    pub path: String,
    pub id: String,
    description: String,
}

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, verbs) in API.document["paths"].as_object().unwrap() {
        for (verb, described) in verbs.as_object().unwrap() {
            let text = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
            operations.push(Operation {
                method: verb.to_uppercase(),
                path: path.clone(),
                id: text("operationId"),
                description: text("description"),
            });
        }
    }
    assert!(operations.len() > 80);
    operations
}

impl Operation {
    /// The permissions that its description says it takes, all of them; `None`: it is answered without a key.
    pub fn permissions(&self) -> Option<BTreeSet<&'static str>> {
        if self.description.ends_with("Answered without a key.") {
            return None;
        }
        let says = self.description.rsplit("Takes ").next().unwrap();
        let named = Permission::ALL.into_iter().map(Permission::name);
        Some(named.filter(|name| says.contains(&format!("`{name}`"))).collect())
    }

    pub fn is_of_a_store(&self) -> bool {
        self.path.contains("{store_id}")
    }

    /// Where it is, in a store.
    pub fn path(&self, store: &str) -> String {
        let part = |part: &str| match part {
            "{store_id}" => store.to_owned(),
            "{id}" | "{key}" => "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            part if part.starts_with('{') => "x".to_owned(),
            part => part.to_owned(),
        };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// The status and the body, which of a stream is not waited for.
fn ask(server: &Server, token: &str, operation: &Operation, path: &str, actor: Option<&str>) -> (u16, Value) {
    let mut request =
        Request::builder().method(Method::from_bytes(operation.method.as_bytes()).unwrap()).uri(path);
    if !token.is_empty() {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    if let Some(actor) = actor {
        request = request.header("Tenure-Actor", actor);
    }
    let request = request.body(Body::from("{}")).unwrap();
    server.runtime().block_on(async {
        let response = server.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = match status {
            400.. => to_bytes(response.into_body(), usize::MAX).await.unwrap(),
            _ => axum::body::Bytes::new(),
        };
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    })
}

/// Whether an answer is a refusal for want of a permission.
fn lacks_permission(answer: &(u16, Value)) -> bool {
    let message = answer.1["message"].as_str().unwrap_or_default();
    answer.0 == 403 && message.starts_with("this takes a key with the permission `")
}

#[test]
fn every_operation_takes_the_permissions_that_its_row_names_and_no_other_helps() {
    let (server, root) = guarded();
    let single: Vec<_> = Permission::ALL
        .into_iter()
        .map(|permission| (permission.name(), make(&server, &root, &[permission.name()], None).1))
        .collect();
    for operation in operations() {
        let path = operation.path(&server.store);
        let unknown = ask(&server, "", &operation, &path, None);
        let Some(needed) = operation.permissions() else {
            assert_ne!(unknown.0, 401, "{}", operation.id);
            continue;
        };
        assert_eq!(
            (unknown.0, &unknown.1["code"]),
            (401, &json!("bearer_token_missing")),
            "{}",
            operation.id
        );
        for (permission, token) in &single {
            let answer = ask(&server, token, &operation, &path, None);
            let enough = needed.iter().all(|name| name == permission);
            assert_ne!(lacks_permission(&answer), enough, "{} with {permission}: {answer:?}", operation.id);
            assert_ne!(answer.0, 401, "{}", operation.id);
        }
        let all: Vec<_> = needed.iter().copied().collect();
        if all.len() > 1 {
            let (_, token) = make(&server, &root, &all, None);
            assert!(!lacks_permission(&ask(&server, &token, &operation, &path, None)), "{}", operation.id);
        }
        let but: Vec<_> =
            Permission::ALL.into_iter().map(Permission::name).filter(|name| !needed.contains(name)).collect();
        if but.len() < Permission::ALL.len() {
            let (_, token) = make(&server, &root, &but, None);
            assert!(lacks_permission(&ask(&server, &token, &operation, &path, None)), "{}", operation.id);
        }
    }
}

#[test]
fn the_operations_take_what_is_meant() {
    for (ids, expected) in [
        (["Check", "ListObjects", "Evaluation"], ["check"].as_slice()),
        (["Read", "Watch", "Explain"], &["read"]),
        (["Write", "Write", "Write"], &["write"]),
        (["WriteAuthorizationModel", "WriteAssertions", "WriteAssertions"], &["model"]),
        (["CreateStore", "DeleteStore", "CreateKey"], &["admin"]),
        (["Cooperate", "SharePark", "PutMember"], &["act-as", "write"]),
        (["PutStaff", "ListKeys", "RevokeKey"], &["admin"]),
    ] {
        for id in ids {
            let operation = operations().into_iter().find(|operation| operation.id == id).unwrap();
            let found: Vec<_> = operation.permissions().unwrap().into_iter().collect();
            assert_eq!(found, expected, "{id}");
        }
    }
    let open: BTreeSet<String> = operations()
        .into_iter()
        .filter(|operation| operation.permissions().is_none())
        .map(|operation| operation.path)
        .collect();
    let expected = [
        "/.well-known/authzen-configuration",
        "/.well-known/authzen-configuration/stores/{store_id}",
        "/.well-known/authzen-configuration/{store_id}",
        "/healthz",
        "/openapi.json",
        "/readyz",
    ];
    assert_eq!(open, expected.map(str::to_owned).into());
}

#[test]
fn a_key_of_other_stores_gets_the_same_answer_whether_a_store_exists_or_not() {
    let (server, root) = guarded();
    let other = send_as(&server, &root, "POST", "/stores", Some(json!({"name": "other store"}))).done(201);
    let other = other["id"].as_str().unwrap();
    let all: Vec<_> = Permission::ALL.into_iter().map(Permission::name).collect();
    let (_, token) = make(&server, &root, &all, Some(&[&server.store]));
    let absent = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let lower = other.to_lowercase();
    let escaped: String = server.store.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let other_escaped: String = other.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for operation in operations() {
        let outcome = |store: &str| ask(&server, &token, &operation, &operation.path(store), None);
        match operation.permissions() {
            None => {}
            Some(_) if operation.is_of_a_store() => {
                let refused = outcome(other);
                assert_eq!(refused.0, 403, "{}", operation.id);
                assert_eq!(refused.1, json!({"code": "forbidden", "message": "the key is for other stores"}));
                for name in [absent, &lower, &other_escaped, "x", "..", "%00", "%2E%2E"] {
                    let same = outcome(name);
                    assert!(same == refused || same.0 == 404, "{} {name}: {same:?}", operation.id);
                }
                if operation.id == "DeleteStore" {
                    continue;
                }
                assert_ne!(outcome(&escaped).0, 403, "{}", operation.id);
                assert_ne!(outcome(&server.store).0, 403, "{}", operation.id);
            }
            Some(_) if ["Metrics", "ListStores"].contains(&operation.id.as_str()) => {
                assert_eq!(outcome("").0, 200);
            }
            Some(_) => {
                let message = outcome("").1["message"].clone();
                let expected = if operation.id.ends_with("ConfiguredStore") {
                    "the key is for other stores"
                } else {
                    "this takes a key for all stores"
                };
                assert_eq!(message, expected, "{}", operation.id);
            }
        }
    }
}

#[test]
fn the_store_that_is_configured_is_held_to_the_scope_as_well() {
    let (server, root) = guarded();
    let mine = make(&server, &root, &["check"], Some(&[&server.store])).1;
    let other = send_as(&server, &root, "POST", "/stores", Some(json!({"name": "other store"}))).done(201);
    let others = make(&server, &root, &["check"], Some(&[other["id"].as_str().unwrap()])).1;
    let server = server.configured(|store| tenure::server::ServerConfig {
        authzen_store: Some(store.parse().unwrap()),
        ..tenure::server::ServerConfig::default()
    });
    let body = json!({
        "subject": {"type": "user", "id": "anne"}, "action": {"name": "viewer"},
        "resource": {"type": "document", "id": "1"},
    });
    let ask = |token: &str| send_as(&server, token, "POST", "/access/v1/evaluation", Some(body.clone()));
    assert_eq!(ask(&mine).done(200), json!({"decision": false}));
    ask(&others).fails(403, "forbidden");
}

#[test]
fn a_list_of_stores_shows_those_of_the_key() {
    let (server, root) = guarded();
    let create = |name: &str| {
        let made = send_as(&server, &root, "POST", "/stores", Some(json!({"name": name}))).done(201);
        made["id"].as_str().unwrap().to_owned()
    };
    let [first, second, third] = ["first", "second", "third"].map(create);
    let (_, token) = make(&server, &root, &["read"], Some(&[&third, &first, "01ARZ3NDEKTSV4RRFFQ69G5FAV"]));
    let list = |query: &str| {
        let found = send_as(&server, &token, "GET", &format!("/stores{query}"), None).done(200);
        let ids: Vec<_> = found["stores"]
            .as_array()
            .unwrap()
            .iter()
            .map(|store| store["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, found["continuation_token"].as_str().unwrap().to_owned())
    };
    assert_eq!(list(""), (vec![first.clone(), third.clone()], String::new()));
    assert_eq!(list("?name=third").0, [third.as_str()]);
    assert_eq!(list("?name=second").0, [""; 0]);
    let (page, next) = list("?page_size=1");
    assert_eq!(page, [first.as_str()]);
    assert_eq!(list(&format!("?continuation_token={next}")), (vec![third], String::new()));
    // The place behind a store that is not the key's own tells nothing either.
    let root_page = send_as(&server, &root, "GET", "/stores?page_size=3", None).done(200);
    let behind_second = root_page["continuation_token"].as_str().unwrap();
    assert_eq!(list(&format!("?continuation_token={behind_second}")).0.len(), 1);
    assert_ne!(second, first);
}

#[test]
fn metrics_name_stores_to_keys_for_all_stores_only() {
    let (server, root) = guarded();
    let other = send_as(&server, &root, "POST", "/stores", Some(json!({"name": "other store"}))).done(201);
    let other = other["id"].as_str().unwrap();
    for store in [other, &server.store] {
        send_as(&server, &root, "POST", &format!("/stores/{store}/read"), Some(json!({}))).done(200);
    }
    let shown = |token: &str| {
        let metrics = send_as(&server, token, "GET", "/metrics", None);
        metrics.body.as_str().unwrap().to_owned()
    };
    let (_, anywhere) = make(&server, &root, &["check"], None);
    let text = shown(&anywhere);
    for store in [other, &server.store] {
        assert!(text.contains(&format!("tenure_store_requests_total{{store=\"{store}\"}}")), "{text}");
    }
    let (_, narrow) = make(&server, &root, &["read", "admin"], Some(&[&server.store]));
    let text = shown(&narrow);
    assert!(!text.contains(other) && !text.contains("tenure_store_"), "{text}");
    for line in ["tenure_checks_total{", "process_open_fds ", "tenure_http_requests_total{"] {
        assert!(text.contains(&format!("\n{line}")), "{line} {text}");
    }
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
}

#[test]
fn who_acts_is_said_by_a_key_that_may() {
    let (server, root) = guarded();
    let path = server.path("/organizations/acme");
    let ask = |permissions: &[&str], headers: &[(&str, &str)]| -> Answer {
        let (_, token) = make(&server, &root, permissions, None);
        let bearer = format!("Bearer {token}");
        let headers: Vec<_> =
            [("Authorization", bearer.as_str())].into_iter().chain(headers.iter().copied()).collect();
        server.send("GET", &path, &headers, None)
    };
    let acting = [("Tenure-Actor", "user:anne")];
    let message = "this takes a key with the permission `act-as`";
    assert_eq!(ask(&["read"], &acting).fails(403, "forbidden"), message);
    for actor in ["", "user:", "nonsense"] {
        assert_eq!(ask(&["read"], &[("Tenure-Actor", actor)]).fails(403, "forbidden"), message);
    }
    // What is asked about does not exist in the store of the fixture, which both learn.
    for (permissions, headers) in [(["read", "act-as"].as_slice(), acting.as_slice()), (&["read"], &[])] {
        assert_eq!(ask(permissions, headers).body["code"], "cooperation_model_missing");
    }
}

#[test]
fn r51_raw_writes_to_a_store_that_holds_cooperations_take_admin() {
    let coop: Coop = acme();
    let server = &coop.server;
    let store = server.store.clone();
    let root = make(server, "", &["read", "check", "write", "model", "admin", "act-as"], None).1;
    let narrow = make(server, &root, &["read", "check", "write", "model", "act-as"], Some(&[&store])).1;
    let wide = make(server, &root, &["write", "model", "admin"], Some(&[&store])).1;
    let write = |token: &str, tuple: &str| {
        let body = json!({"writes": {"tuple_keys": [key(tuple)]}});
        send_as(server, token, "POST", &server.path("/write"), Some(body))
    };
    let write_model =
        |token: &str| send_as(server, token, "POST", &server.path("/authorization-models"), Some(model()));
    write(&narrow, "park:k1#owner@organization:acme").done(200);
    write(&narrow, "cooperation:c#initiator@organization:acme").done(200);
    // Now it holds one.
    let revision = |token: &str| {
        let asked = json!({"tuple_key": key("park:k1#owner@organization:acme")});
        send_as(server, token, "POST", &server.path("/check"), Some(asked)).done(200)["revision"].clone()
    };
    let before = revision(&root);
    write(&narrow, "park:k2#owner@organization:acme").refused(403, "forbidden", "R51");
    write_model(&narrow).refused(403, "forbidden", "R51");
    assert_eq!(revision(&root), before);
    write(&wide, "park:k2#owner@organization:acme").done(200);
    write_model(&wide).refused(409, "model_pinned", "R51");
}
