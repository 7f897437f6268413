//! The description of the API: what it says, and that what is unlike it is found.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::described::{API, Api};
use crate::fixture::{Server, key};

/// Set to have the kept document written anew.
const RENEW: &str = "TENURE_RENEW_OPENAPI";

#[test]
fn the_document_is_the_one_that_is_kept() {
    let answer = Server::new().send("GET", "/openapi.json", &[], None);
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    let text = format!("{:#}\n", answer.body);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os(RENEW).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let line = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now);
    assert!(
        kept == text,
        "docs/openapi.json differs from line {line:?} on; {RENEW}=1 cargo test writes it anew"
    );
}

#[test]
fn openfgas_operations_have_their_names() {
    let operations = [
        ("get", "/stores", "ListStores"),
        ("post", "/stores", "CreateStore"),
        ("get", "/stores/{store_id}", "GetStore"),
        ("delete", "/stores/{store_id}", "DeleteStore"),
        ("patch", "/stores/{store_id}", "UpdateStore"),
        ("get", "/stores/{store_id}/authorization-models", "ReadAuthorizationModels"),
        ("post", "/stores/{store_id}/authorization-models", "WriteAuthorizationModel"),
        ("get", "/stores/{store_id}/authorization-models/{id}", "ReadAuthorizationModel"),
        ("post", "/stores/{store_id}/write", "Write"),
        ("post", "/stores/{store_id}/read", "Read"),
        ("get", "/stores/{store_id}/changes", "ReadChanges"),
        ("post", "/stores/{store_id}/check", "Check"),
        ("post", "/stores/{store_id}/batch-check", "BatchCheck"),
        ("post", "/stores/{store_id}/expand", "Expand"),
        ("post", "/stores/{store_id}/list-objects", "ListObjects"),
        ("post", "/stores/{store_id}/streamed-list-objects", "StreamedListObjects"),
        ("post", "/stores/{store_id}/list-users", "ListUsers"),
        ("get", "/stores/{store_id}/assertions/{id}", "ReadAssertions"),
        ("put", "/stores/{store_id}/assertions/{id}", "WriteAssertions"),
    ];
    for (method, path, id) in operations {
        assert_eq!(API.document["paths"][path][method]["operationId"], id, "{path}");
    }
}

#[test]
fn an_operation_has_one_name_and_what_has_a_name_is_used() {
    let mut ids = Vec::new();
    for operation in
        API.document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap())
    {
        ids.push(operation.1["operationId"].as_str().unwrap());
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");

    let text = API.document.to_string();
    for name in API.document["components"]["schemas"].as_object().unwrap().keys() {
        let used = text.contains(&format!("\"#/components/schemas/{name}\""));
        assert!(used || name == "Error", "{name} is not used");
    }
    let mut references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let lost = references.find(|pointer| API.document.pointer(pointer).is_none());
    assert_eq!(lost, None);
}

/// An answer to a check, as it is described, and its headers.
fn checked() -> (HeaderMap, Value) {
    let server = Server::new();
    let answer = server.post("/check", json!({"tuple_key": key("document:1#viewer@user:anne")}));
    (answer.headers, answer.body)
}

#[test]
fn what_the_document_does_not_say_of_an_answer_is_found() {
    let (headers, body) = checked();
    let judge = |api: &Api, status: u16, headers: &HeaderMap, body: &Value| {
        api.judge_answer("POST", "/stores/x/check", status, headers, body.to_string().as_bytes())
    };
    assert_eq!(judge(&API, 200, &headers, &body), Ok(()));
    assert_eq!(judge(&API, 418, &headers, &body), Err("the status 418 is not described".to_owned()));

    let mut more = body.clone();
    more["new"] = json!(1);
    let mut less = body.clone();
    less.as_object_mut().unwrap().remove("revision");
    let mut other = body.clone();
    other["stable_until"] = json!("tomorrow");
    for unlike in [more, less, other] {
        assert!(judge(&API, 200, &headers, &unlike).is_err(), "{unlike}");
    }

    let mut fewer = headers.clone();
    fewer.remove("Tenure-Revision");
    assert_eq!(judge(&API, 200, &fewer, &body), Err("the header Tenure-Revision is missing".to_owned()));
    let mut unknown = headers.clone();
    unknown.insert("Tenure-New", "1".parse().unwrap());
    assert_eq!(judge(&API, 200, &unknown, &body), Err("the header tenure-new is not described".to_owned()));

    let mut errors = headers.clone();
    errors.remove("Tenure-Revision");
    errors.remove("Openfga-Authorization-Model-Id");
    let error = |code: &str| json!({"code": code, "message": "m"});
    assert_eq!(judge(&API, 400, &errors, &error("validation_error")), Ok(()));
    assert!(judge(&API, 400, &errors, &error("store_id_not_found")).is_err(), "it belongs to 404");

    let mut document = API.document.clone();
    document["paths"]["/stores/{store_id}/check"]["post"]["responses"].as_object_mut().unwrap().remove("200");
    assert!(judge(&Api::new(document), 200, &headers, &body).is_err());
}

#[test]
fn what_the_document_does_not_say_of_a_request_is_found() {
    let judge = |strict, body: Value| API.judge_request("POST", "/stores/x/check", strict, &body.to_string());
    let tuple = key("document:1#viewer@user:anne");
    assert_eq!(judge(true, json!({"tuple_key": tuple})), Ok(()));
    assert_eq!(
        judge(false, json!({"tupleKey": tuple, "consistency": 100, "at_least_revision": "3", "x": 1})),
        Ok(())
    );
    assert_eq!(
        judge(true, json!({"tuple_key": tuple, "x": 1})),
        Err("the field x is not described".to_owned())
    );
    assert!(judge(false, json!({})).is_err(), "the tuple key is required");
    assert!(judge(false, json!({"tuple_key": key("document#viewer@user:anne")})).is_err());
}
