//! Expand: every kind of node.

use serde_json::{Value, json};

use crate::fixture::{Server, key};

fn root(server: &Server, relation: &str) -> Value {
    let body = json!({"tuple_key": {"object": "document:1", "relation": relation}});
    let answer = server.post("/expand", body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["tree"]["root"].clone()
}

#[test]
fn an_answer_is_complete() {
    let server = Server::new();
    server.write(&[
        "document:1#viewer@user:bob",
        "document:1#viewer@user:*",
        "document:1#viewer@group:eng#member",
        "document:1#parent@folder:f",
    ]);
    let body =
        json!({"tuple_key": {"object": "document:1", "relation": "viewer"}, "consistency": "UNSPECIFIED"});
    let answer = server.post("/expand", body);
    assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    assert_eq!(answer.header("Tenure-Revision"), Some("2"));
    answer.is(json!({
        "tree": {"root": {
            "name": "document:1#viewer",
            "union": {"nodes": [
                {
                    "name": "document:1#viewer",
                    "leaf": {"users": {"users": ["group:eng#member", "user:*", "user:bob"]}},
                },
                {"name": "document:1#viewer", "leaf": {"computed": {"userset": "document:1#owner"}}},
                {
                    "name": "document:1#viewer",
                    "leaf": {"tupleToUserset": {
                        "tupleset": "document:1#parent",
                        "computed": [{"userset": "folder:f#viewer"}],
                    }},
                },
            ]},
        }},
        "revision": 2,
    }));
}

#[test]
fn differences_intersections_and_empty_leaves_have_their_shape() {
    let server = Server::new();
    let computed = |name: &str, relation: &str| json!({"name": format!("document:1#{name}"), "leaf": {"computed": {"userset": format!("document:1#{relation}")}}});
    assert_eq!(
        root(&server, "can_read"),
        json!({
            "name": "document:1#can_read",
            "difference": {"base": computed("can_read", "viewer"), "subtract": computed("can_read", "blocked")},
        })
    );
    assert_eq!(
        root(&server, "can_share"),
        json!({
            "name": "document:1#can_share",
            "intersection": {"nodes": [computed("can_share", "viewer"), computed("can_share", "owner")]},
        })
    );
    assert_eq!(root(&server, "owner"), json!({"name": "document:1#owner", "leaf": {"users": {"users": []}}}));
}

#[test]
fn what_is_not_live_is_left_out_unless_asked_for_and_lifetimes_are_shown() {
    let server = Server::new();
    let mut paused = key("document:1#owner@user:anne");
    paused["paused"] = json!(true);
    server.write_keys(json!([paused, key("document:1#owner@user:bob")]));
    assert_eq!(root(&server, "owner")["leaf"], json!({"users": {"users": ["user:bob"]}}));
    let body = json!({"tuple_key": {"object": "document:1", "relation": "owner"}, "include_inactive": true});
    assert_eq!(
        server.post("/expand", body).body["tree"]["root"]["leaf"]["users"],
        json!({
            "users": ["user:anne", "user:bob"],
            "lifetimes": {"user:anne": {"expires_at": null, "paused": true}},
        })
    );
}

#[test]
fn contextual_tuples_are_shown() {
    let server = Server::new();
    let body = json!({
        "tuple_key": {"object": "document:1", "relation": "owner"},
        "contextual_tuples": {"tuple_keys": [key("document:1#owner@user:anne")]},
    });
    let answer = server.post("/expand", body);
    assert_eq!(answer.body["tree"]["root"]["leaf"]["users"]["users"], json!(["user:anne"]));
}

#[test]
fn what_does_not_exist_is_refused() {
    let server = Server::new();
    server.post("/expand", json!({})).fails(400, "tuple_key_value_not_specified");
    let fails = |object: &str, relation: &str| {
        let body = json!({"tuple_key": {"object": object, "relation": relation}});
        server.post("/expand", body).fails(400, "validation_error")
    };
    assert_eq!(fails("robot:1", "owner"), "type 'robot' not found");
    assert_eq!(fails("document:1", "eats"), "relation 'document#eats' not found");
    assert!(fails("document:1", "a b").starts_with("invalid tuple_key.relation: "));
    for (object, relation) in [("document:1", ""), ("", "owner")] {
        let body = json!({"tuple_key": {"object": object, "relation": relation}});
        server.post("/expand", body).fails(400, "invalid_expand_input");
    }
}
