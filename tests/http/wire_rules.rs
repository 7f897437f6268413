//! The rules that hold for every route: spellings, nulls, unknown fields, enums, paths, methods.

use serde_json::{Value, json};

use crate::fixture::{Answer, Server, key, model, queries, with};

#[test]
fn a_list_does_not_stand_for_an_object() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    for body in [
        json!({"tuple_key": ["user:anne", "viewer", "document:1"]}),
        json!([["user:anne", "viewer", "document:1"]]),
        json!([key("document:1#viewer@user:anne"), "", ""]),
    ] {
        let message = server.post("/check", body).fails(400, "validation_error");
        assert!(message.ends_with("expected an object, found a list"), "{message}");
    }
}

#[test]
fn lower_camel_names_and_nulls_are_taken() {
    let server = Server::new();
    let body = json!({
        "writes": {"tupleKeys": [{
            "user": "user:anne", "relation": "viewer", "object": "document:1", "condition": null,
        }]},
        "deletes": null,
        "authorizationModelId": server.model,
    });
    assert_eq!(server.post("/write", body).status, 200);
    let body = json!({
        "tupleKey": key("document:1#viewer@user:anne"),
        "contextualTuples": null,
        "authorizationModelId": "",
        "trace": null,
        "context": null,
        "consistency": null,
    });
    assert_eq!(server.post("/check", body).body["allowed"], true);
    let page = server.get("/changes?pageSize=1").body;
    assert_eq!(page["changes"].as_array().unwrap().len(), 1);
}

#[test]
fn enums_are_taken_by_name_and_by_number_as_openfga_takes_them() {
    let server = Server::new();
    let read = ("/read", json!({}));
    for (route, body) in queries().iter().chain([&read]) {
        for value in [
            json!("UNSPECIFIED"),
            json!("MINIMIZE_LATENCY"),
            json!("HIGHER_CONSISTENCY"),
            json!(0),
            json!(100),
            json!(200),
            json!(100.0),
            json!(null),
        ] {
            assert_eq!(server.post_strictly(route, with(body, "consistency", value)).status, 200);
        }
        // A name of a newer version; it could not make the answer any newer.
        for value in ["EVENTUAL", "minimize_latency", "100", ""] {
            let body = with(body, "consistency", json!(value));
            assert_eq!(server.post(route, body.clone()).status, 200);
            let message = server.post_strictly(route, body).fails(400, "validation_error");
            assert_eq!(
                message,
                format!(
                    "invalid consistency: expected one of UNSPECIFIED, MINIMIZE_LATENCY, HIGHER_CONSISTENCY, found the \
                     text {value:?}"
                )
            );
        }
        for value in [json!(1), json!(-1), json!(1.5), json!(true), json!({}), json!([])] {
            server.post(route, with(body, "consistency", value)).fails(400, "validation_error");
        }
    }
}

#[test]
fn every_answer_names_what_it_was_computed_from() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let named = |answer: &Answer| {
        ["Openfga-Store-Id", "Openfga-Authorization-Model-Id", "Tenure-Revision"]
            .map(|name| answer.header(name).map(str::to_owned))
    };
    let request = [("X-Request-Id", "r1")];
    let send = |method: &str, operation: &str, body: &Value| {
        let path = format!("/stores/{}{operation}", server.store);
        let answer = server.send(method, &path, &request, Some(&body.to_string()));
        assert!(answer.status < 300, "{operation}: {}", answer.body);
        assert_eq!(answer.header("X-Request-Id"), Some("r1"));
        answer
    };
    let (store, model) = (Some(server.store.clone()), Some(server.model.clone()));
    for (operation, body) in queries() {
        let answer = send("POST", operation, &body);
        let revision = Some(answer.body["revision"].to_string());
        assert_eq!(revision.as_deref(), Some("2"));
        assert_eq!(named(&answer), [store.clone(), model.clone(), revision], "{operation}");
    }
    let write = json!({"writes": {"tuple_keys": [key("document:2#viewer@user:anne")]}});
    assert_eq!(named(&send("POST", "/write", &write)), [store.clone(), model.clone(), Some("3".to_owned())]);
    let read = send("POST", "/read", &json!({}));
    assert_eq!(named(&read), [store.clone(), None, Some("3".to_owned())]);
    for (method, operation) in [("GET", "/changes"), ("GET", ""), ("GET", "/authorization-models")] {
        assert_eq!(named(&send(method, operation, &json!({}))), [store.clone(), None, None], "{operation}");
    }
    let failed = server.send("GET", "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV", &request, None);
    assert_eq!(named(&failed), [Some("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()), None, None]);
    assert_eq!((failed.status, failed.header("X-Request-Id")), (404, Some("r1")));
}

#[test]
fn unknown_fields_are_ignored_but_in_a_strict_request() {
    let server = Server::new();
    let mut misspelt = key("document:1#viewer@user:anne");
    misspelt["expires"] = json!("2026-06-01T00:00:00Z");
    let body = json!({"writes": {"tuple_keys": [misspelt]}});
    assert_eq!(
        server.post_strictly("/write", body.clone()).fails(400, "validation_error"),
        "invalid writes.tuple_keys[0].expires: unknown field"
    );
    assert!(server.tuples().is_empty());
    assert_eq!(server.post("/write", body).status, 200);

    let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "treu": 1});
    assert_eq!(
        server.post_strictly("/check", body).fails(400, "validation_error"),
        "invalid treu: unknown field"
    );
    let strict = [("Tenure-Strict", "true")];
    let path = format!("/stores/{}/changes?types=document", server.store);
    let answer = server.send("GET", &path, &strict, None);
    assert_eq!(answer.fails(400, "validation_error"), "invalid types: unknown field");
    let known = json!({
        "tuple_key": key("document:1#viewer@user:anne"), "contextual_tuples": {"tuple_keys": []}, "context": {"a": 1},
        "trace": false, "authorization_model_id": "", "consistency": "UNSPECIFIED", "at_least_revision": 1,
    });
    assert_eq!(server.post_strictly("/check", known).status, 200);
}

#[test]
fn a_lifetime_in_another_spelling_is_refused_in_every_request() {
    let server = Server::new();
    for (name, known) in [
        ("ExpiresAt", "expires_at"),
        ("expires_At", "expires_at"),
        ("expires-at", "expires_at"),
        ("expiresat", "expires_at"),
        ("Paused", "paused"),
    ] {
        let mut misspelt = key("document:1#viewer@user:anne");
        misspelt[name] = json!(true);
        let refused = server.post("/write", json!({"writes": {"tuple_keys": [misspelt.clone()]}}));
        assert_eq!(
            refused.fails(400, "validation_error"),
            format!("invalid writes.tuple_keys[0].{name}: unknown field; the name is {known}")
        );
        let check = json!({
            "tuple_key": key("document:1#viewer@user:anne"), "contextual_tuples": {"tuple_keys": [misspelt]},
        });
        server.post("/check", check).fails(400, "invalid_tuple");
    }
    assert!(server.tuples().is_empty());
}

#[test]
fn a_path_that_does_not_exist_is_an_undefined_endpoint() {
    let server = Server::new();
    for path in ["/", "/nothing", "/stores/", "/stores/x/y/z", "/v1/stores"] {
        server.send("GET", path, &[], None).fails(404, "undefined_endpoint");
    }
}

#[test]
fn the_operation_of_openfga_that_there_is_not_is_told_by_its_name() {
    let server = Server::new();
    let answer = server.send("PATCH", &format!("/stores/{}", server.store), &[], Some("{}"));
    let expected = "UpdateStore is not implemented by this version of Tenure";
    assert_eq!(answer.fails(404, "unimplemented"), expected);
}

#[test]
fn a_method_that_a_path_does_not_have_is_refused() {
    let server = Server::new();
    let answer = server.send("DELETE", "/stores", &[], None);
    assert_eq!(answer.header("Allow"), Some("GET,HEAD,POST"));
    answer.fails(405, "method_not_allowed");
    let path = format!("/stores/{}/check", server.store);
    server.send("GET", &path, &[], None).fails(405, "method_not_allowed");
}

#[test]
fn an_id_that_is_none_is_refused() {
    let server = Server::new();
    for id in [
        "x",
        "01arz3ndektsv4rrffq69g5fav",
        "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
        "%00",
        "01ARZ3NDEKTSV4RRFFQ69G5FA%0A",
    ] {
        let answer = server.send("GET", &format!("/stores/{id}"), &[], None);
        assert_eq!(answer.header("Openfga-Store-Id"), None);
        assert_eq!(
            answer.fails(400, "validation_error"),
            "invalid store_id: value does not match regex pattern \"^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$\""
        );
    }
    let message = server.send("GET", "/stores/%FF", &[], None).fails(400, "validation_error");
    assert!(message.contains("store_id") && message.contains("UTF-8"), "{message}");
}

#[test]
fn health_and_readiness_are_told() {
    let server = Server::new();
    server.send("GET", "/healthz", &[], None).is(json!({"status": "SERVING"}));
    server.send("GET", "/readyz", &[], None).is(json!({"status": "SERVING"}));
}

#[test]
fn an_unknown_field_of_a_model_is_refused_in_a_strict_request() {
    let server = Server::new();
    let written = server.post_strictly("/authorization-models", model());
    assert_eq!(written.status, 201, "{}", written.body);
    // What the server answers, it takes, strictly too.
    let id = written.body["authorization_model_id"].as_str().unwrap();
    let shown = server.get(&format!("/authorization-models/{id}")).body["authorization_model"].clone();
    let again = server.post_strictly("/authorization-models", shown);
    assert_eq!(again.status, 201, "{}", again.body);

    let mut misspelt = model();
    let restrictions = &mut misspelt["type_definitions"][1]["metadata"]["relations"]["member"];
    restrictions["directly_related_user_types"][0]["conditon"] = json!("in_office");
    assert_eq!(
        server.post_strictly("/authorization-models", misspelt.clone()).fails(400, "validation_error"),
        "invalid type_definitions[1].metadata.relations.member.directly_related_user_types[0].conditon: unknown field"
    );
    assert_eq!(server.post("/authorization-models", misspelt).status, 201);
}
