//! Authorization models: write, read, list.

use serde_json::{Value, json};
use tenure::model::limits::MODELS_PAGE_BYTES_MAX;

use crate::fixture::{Server, key, model, with};

#[test]
fn a_model_is_written_and_read_back_complete() {
    let server = Server::new();
    let written = server.post("/authorization-models", model());
    let id = written.body["authorization_model_id"].as_str().unwrap().to_owned();
    assert_eq!(written.status, 201);
    assert_eq!(written.body, json!({"authorization_model_id": id}));
    assert_eq!(written.header("Openfga-Authorization-Model-Id"), Some(&*id));

    let read = server.get(&format!("/authorization-models/{id}"));
    assert_eq!(read.status, 200);
    let shown = &read.body["authorization_model"];
    assert_eq!(shown["id"], json!(id));
    assert_eq!(shown["schema_version"], json!("1.1"));
    assert_eq!(shown["conditions"], json!({}));
    // As protobuf's JSON has it: zero values are printed, members of a oneof only where set.
    assert_eq!(shown["type_definitions"][0], json!({"type": "user", "relations": {}, "metadata": null}));
    assert_eq!(
        shown["type_definitions"][1],
        json!({
            "type": "group",
            "relations": {"member": {"this": {}}},
            "metadata": {
                "relations": {"member": {
                    "directly_related_user_types": [
                        {"type": "user", "condition": ""},
                        {"type": "group", "relation": "member", "condition": ""},
                    ],
                    "module": "",
                    "source_info": null,
                }},
                "module": "",
                "source_info": null,
            },
        })
    );
    // What was read is a model again, and the same one.
    let again = server.post("/authorization-models", shown.clone());
    assert_eq!(again.status, 201, "{}", again.body);
    let id_again = again.body["authorization_model_id"].as_str().unwrap();
    let read_again = server.get(&format!("/authorization-models/{id_again}"));
    assert_eq!(read_again.body["authorization_model"]["type_definitions"], shown["type_definitions"]);
}

#[test]
fn models_are_listed_newest_first_in_pages() {
    let server = Server::new();
    let mut ids = vec![server.model.clone()];
    for _ in 0..2 {
        let written = server.post("/authorization-models", model());
        ids.insert(0, written.body["authorization_model_id"].as_str().unwrap().to_owned());
    }
    let page = |token: &str| {
        let answer = server.get(&format!("/authorization-models?page_size=2&continuation_token={token}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let models = answer.body["authorization_models"].as_array().unwrap();
        let ids: Vec<_> = models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect();
        (ids, answer.body["continuation_token"].as_str().unwrap().to_owned())
    };
    let (first, token) = page("");
    let (second, end) = page(&token);
    assert_eq!([first, second].concat(), ids);
    assert_eq!(end, "");
}

#[test]
fn a_page_of_large_models_ends_early_and_its_token_goes_on_behind_it() {
    let server = Server::new();
    let name = |number: usize| format!("relation_{number:040}");
    let relations: Value = (0..1_500).map(|number| (name(number), json!({"this": {}}))).collect();
    let users = json!({"directly_related_user_types": [{"type": "user"}]});
    let metadata: Value = (0..1_500).map(|number| (name(number), users.clone())).collect();
    let document = json!({"type": "document", "relations": relations, "metadata": {"relations": metadata}});
    let large = json!({"schema_version": "1.1", "type_definitions": [{"type": "user"}, document]});
    let mut ids = vec![server.model.clone()];
    for _ in 0..8 {
        let written = server.post("/authorization-models", large.clone());
        ids.insert(0, written.body["authorization_model_id"].as_str().unwrap().to_owned());
    }
    let (mut found, mut sizes) = (Vec::new(), Vec::new());
    let mut token = String::new();
    loop {
        let page = server.get(&format!("/authorization-models?page_size=100&continuation_token={token}"));
        assert_eq!(page.status, 200, "{}", page.body);
        let models = page.body["authorization_models"].as_array().unwrap();
        found.extend(models.iter().map(|model| model["id"].as_str().unwrap().to_owned()));
        // Without the last of a page, it would have room.
        let bytes = |model: &Value| model.to_string().len();
        let before_the_last: usize = models.iter().rev().skip(1).map(bytes).sum();
        assert!(before_the_last < MODELS_PAGE_BYTES_MAX, "{before_the_last}");
        sizes.push(models.len());
        page.body["continuation_token"].as_str().unwrap().clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ids);
    assert!(sizes.len() > 1 && sizes.iter().all(|size| *size > 0), "{sizes:?}");
    // One that was read of such a page is whole.
    let read = server.get(&format!("/authorization-models/{}", ids[0]));
    let relations = &read.body["authorization_model"]["type_definitions"][1]["relations"];
    assert_eq!(relations.as_object().unwrap().len(), 1_500);
}

#[test]
fn a_query_is_answered_by_the_model_that_it_names_whatever_is_the_newest() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne", "document:1#blocked@user:anne"]);
    // The same, but that who is blocked may read.
    let mut weaker = model();
    weaker["type_definitions"][3]["relations"]["can_read"] =
        json!({"computedUserset": {"relation": "viewer"}});
    let written = server.post("/authorization-models", weaker);
    let newest = written.body["authorization_model_id"].as_str().unwrap();
    let tuple = key("document:1#can_read@user:anne");
    let queries = [
        ("/check", json!({"tuple_key": tuple}), "/allowed"),
        ("/explain", json!({"tuple_key": tuple}), "/allowed"),
        (
            "/batch-check",
            json!({"checks": [{"tuple_key": tuple, "correlation_id": "a"}]}),
            "/result/a/allowed",
        ),
        (
            "/list-objects",
            json!({"type": "document", "relation": "can_read", "user": "user:anne"}),
            "/objects",
        ),
        (
            "/list-users",
            json!({"object": {"type": "document", "id": "1"}, "relation": "can_read",
                "user_filters": [{"type": "user"}]}),
            "/users",
        ),
    ];
    // Twice: what is kept of the one is not for the other.
    for (route, query, path) in queries.iter().chain(&queries) {
        let ask = |named: Option<&str>| {
            let query = named.map_or(query.clone(), |id| with(query, "authorization_model_id", json!(id)));
            let answer = server.post(route, query);
            let used = answer.header("Openfga-Authorization-Model-Id").map(str::to_owned);
            assert_eq!(used.as_deref(), Some(named.unwrap_or(newest)), "{route}: {}", answer.body);
            let holds = answer.body.pointer(path).unwrap();
            *holds == json!(true) || holds.as_array().is_some_and(|found| found.len() == 1)
        };
        assert!(!ask(Some(&server.model)), "{route}");
        assert!(ask(Some(newest)) && ask(None), "{route}");
    }
}

#[test]
fn an_unknown_model_is_not_found() {
    let server = Server::new();
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let read = server.get(&format!("/authorization-models/{unknown}"));
    assert_eq!(
        read.fails(400, "authorization_model_not_found"),
        "Authorization Model '01ARZ3NDEKTSV4RRFFQ69G5FAV' not found"
    );
    server.get("/authorization-models/latest").fails(400, "validation_error");
}

/// The model with one change made to it is refused, and the newest model stays what it was.
#[track_caller]
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let server = Server::new();
    let mut model = model();
    change(&mut model);
    let message = server.post("/authorization-models", model).fails(400, "invalid_authorization_model");
    let newest = server.get("/authorization-models?page_size=1");
    assert_eq!(newest.body["authorization_models"][0]["id"], json!(server.model));
    message
}

#[test]
fn a_model_with_an_undefined_relation_is_refused() {
    let message = refused(|model| {
        model["type_definitions"][3]["relations"]["can_read"] =
            json!({"computedUserset": {"relation": "reader"}});
    });
    assert!(message.contains("reader"), "{message}");
}

#[test]
fn a_cyclic_rewrite_is_refused() {
    let message = refused(|model| {
        let relations = &mut model["type_definitions"][3]["relations"];
        relations["can_read"] = json!({"computedUserset": {"relation": "can_share"}});
        relations["can_share"] = json!({"computedUserset": {"relation": "can_read"}});
    });
    assert!(message.contains("can_read") || message.contains("can_share"), "{message}");
}

#[test]
fn a_model_with_an_undefined_type_is_refused() {
    let message = refused(|model| {
        let metadata = &mut model["type_definitions"][1]["metadata"]["relations"]["member"];
        metadata["directly_related_user_types"][0]["type"] = json!("robot");
    });
    assert!(message.contains("robot"), "{message}");
}

#[test]
fn a_model_of_the_wrong_shape_is_refused() {
    let server = Server::new();
    for (body, field) in [
        (json!({"schema_version": "1.1", "type_definitions": "user"}), "type_definitions"),
        (json!({"schema_version": "1.1", "type_definitions": [{"type": 7}]}), "type"),
        (
            json!({"schema_version": "1.1", "type_definitions": [
                {"type": "user", "relations": {"r": {"union": {"child": {}}}}},
            ]}),
            "child",
        ),
    ] {
        let answer = server.post("/authorization-models", body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(field), "{message}");
    }
    server.post_text("/authorization-models", "{").fails(400, "validation_error");
}

#[test]
fn a_model_cannot_be_written_to_a_store_that_does_not_exist() {
    let server = Server::new();
    let path = "/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/authorization-models";
    server.send("POST", path, &[], Some(&model().to_string())).fails(404, "store_id_not_found");
}
