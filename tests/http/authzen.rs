//! AuthZEN 1.0: evaluation, evaluations, searches, and the configuration document.

use serde_json::{Value, json};
use tenure::model::limits::EvaluationLimits;
use tenure::server::ServerConfig;

use crate::fixture::{Answer, NOW, Server, model};

const UNKNOWN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn entity(name: &str) -> Value {
    let (type_name, id) = name.split_once(':').unwrap();
    json!({"type": type_name, "id": id})
}

fn question(subject: &str, action: &str, resource: &str) -> Value {
    json!({"subject": entity(subject), "action": {"name": action}, "resource": entity(resource)})
}

/// A server on which `user:ann` owns `document:1` and may view, but not own, `document:2`.
fn server() -> Server {
    let server = Server::new();
    server.write(&["document:1#owner@user:ann", "document:2#viewer@user:ann"]);
    server
}

/// The same, with the configuration naming its store.
fn with_configured_store(server: Server) -> Server {
    let config =
        |store: &str| ServerConfig { authzen_store: Some(store.parse().unwrap()), ..ServerConfig::default() };
    server.configured(config)
}

#[track_caller]
fn decisions(answer: &Answer) -> Vec<bool> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let evaluations = answer.body["evaluations"].as_array().unwrap();
    evaluations.iter().map(|evaluation| evaluation["decision"].as_bool().unwrap()).collect()
}

#[test]
fn a_decision_is_that_of_check() {
    let server = server();
    let evaluation = server.post("/access/v1/evaluation", question("user:ann", "can_share", "document:1"));
    assert_eq!(evaluation.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    assert_eq!(evaluation.header("Openfga-Store-Id"), Some(&*server.store));
    assert_eq!(evaluation.header("Tenure-Revision"), Some("2"));
    assert_eq!(evaluation.header("Content-Type"), Some("application/json"));
    evaluation.is(json!({"decision": true}));
    let denied = server.post("/access/v1/evaluation", question("user:ann", "can_share", "document:2"));
    denied.is(json!({"decision": false}));
    server.write(&["document:3#viewer@user:*"]);
    let everybody = server.post("/access/v1/evaluation", question("user:*", "viewer", "document:3"));
    everybody.is(json!({"decision": true}));
}

#[test]
fn a_decision_that_time_will_change_says_when() {
    let server = Server::new();
    let end = "2026-01-01T00:00:10Z";
    server.write_keys(json!([
        {"user": "user:ann", "relation": "owner", "object": "document:1", "expires_at": end},
    ]));
    let ask = || server.post("/access/v1/evaluation", question("user:ann", "owner", "document:1"));
    ask().is(json!({"decision": true, "context": {"stable_until": end}}));
    server.set_clock(end);
    ask().is(json!({"decision": false}));
    server.set_clock(NOW);
    ask().is(json!({"decision": false}));
}

#[test]
fn properties_and_contexts_are_taken_and_must_be_objects() {
    let server = server();
    let mut body = question("user:ann", "owner", "document:1");
    for part in ["subject", "action", "resource"] {
        body[part]["properties"] = json!({"a": [1, {"b": null}]});
    }
    body["context"] = json!({"time": "1985-10-26T01:22-07:00"});
    body["unknown"] = json!(1);
    server.post("/access/v1/evaluation", body.clone()).is(json!({"decision": true}));
    server.post_strictly("/access/v1/evaluation", body.clone()).fails(400, "validation_error");
    body["subject"]["properties"] = json!(["x"]);
    let message = server.post("/access/v1/evaluation", body).fails(400, "validation_error");
    assert_eq!(message, "invalid subject.properties: expected an object, found a list");
}

#[test]
fn a_part_that_is_missing_or_malformed_is_a_bad_request() {
    let server = server();
    for part in ["subject", "action", "resource"] {
        let mut body = question("user:ann", "owner", "document:1");
        body.as_object_mut().unwrap().remove(part);
        let message = server.post("/access/v1/evaluation", body).fails(400, "validation_error");
        assert_eq!(message, format!("invalid {part}: value is required"));
    }
    for (subject, action, resource, field) in [
        ("group:eng#member", "viewer", "document:1", "subject.id"),
        ("user:", "viewer", "document:1", "subject.id"),
        (":ann", "viewer", "document:1", "subject.type"),
        ("user:ann", "", "document:1", "action.name"),
        ("user:ann", "a b", "document:1", "action.name"),
        ("user:ann", "viewer", "document:", "resource.id"),
        ("user:ann", "viewer", "document:*", "resource.id"),
    ] {
        let message = server
            .post("/access/v1/evaluation", question(subject, action, resource))
            .fails(400, "validation_error");
        assert!(message.starts_with(&format!("invalid {field}: ")), "{message}");
    }
    for (subject, action, resource) in [
        ("nope:a", "viewer", "document:1"),
        ("user:ann", "nope", "document:1"),
        ("user:ann", "viewer", "nope:1"),
    ] {
        server
            .post("/access/v1/evaluation", question(subject, action, resource))
            .fails(400, "validation_error");
    }
    server.post_text("/access/v1/evaluation", "{").fails(400, "validation_error");
    server.post_text("/access/v1/evaluation", "").fails(400, "validation_error");
    server.send("GET", "/access/v1/evaluation", &[], None).fails(405, "method_not_allowed");
}

#[test]
fn the_model_is_chosen_by_a_header() {
    let server = server();
    let old = server.model.clone();
    let mut newer = model();
    newer["type_definitions"][3]["relations"]["viewer"] = json!({"this": {}});
    let newer = server.post("/authorization-models", newer).body["authorization_model_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = |model: Option<&str>| {
        let headers: Vec<_> = model.into_iter().map(|id| ("Openfga-Authorization-Model-Id", id)).collect();
        let body = question("user:ann", "viewer", "document:1").to_string();
        server.send("POST", &format!("/stores/{}/access/v1/evaluation", server.store), &headers, Some(&body))
    };
    for (model, used, decision) in
        [(None, &newer, false), (Some(&*newer), &newer, false), (Some(&*old), &old, true)]
    {
        let answer = ask(model);
        assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&**used));
        answer.is(json!({"decision": decision}));
    }
    assert_eq!(ask(Some("")).status, 200);
    ask(Some(UNKNOWN)).fails(400, "authorization_model_not_found");
    // The newest one might allow what the one that was meant denies.
    ask(Some("latest")).fails(400, "validation_error");
}

#[test]
fn a_store_without_a_model_cannot_decide() {
    let server = server();
    let store = server.create_store();
    let body = question("user:ann", "viewer", "document:1").to_string();
    for store in [&*store, UNKNOWN] {
        let path = format!("/stores/{store}/access/v1/evaluation");
        server.send("POST", &path, &[], Some(&body)).fails(400, "latest_authorization_model_not_found");
    }
    server.send("POST", "/stores/x/access/v1/evaluation", &[], Some(&body)).fails(400, "validation_error");
}

#[test]
fn a_request_keeps_the_id_that_it_came_with() {
    let server = with_configured_store(server());
    let id = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716";
    let body = question("user:ann", "owner", "document:1").to_string();
    for body in [&*body, "{"] {
        let answer = server.send("POST", "/access/v1/evaluation", &[("X-Request-ID", id)], Some(body));
        assert_eq!(answer.header("X-Request-Id"), Some(id));
    }
}

#[test]
fn paths_without_a_store_ask_the_configured_one() {
    let server = server();
    let body = question("user:ann", "owner", "document:1").to_string();
    let ask = |server: &Server, path: &str| server.send("POST", path, &[], Some(&body));
    let message = ask(&server, "/access/v1/evaluation").fails(404, "store_id_not_found");
    let expected = "no store is configured for AuthZEN; start the server with --authzen-store, or ask \
                    /stores/{store_id}/access/v1";
    assert_eq!(message, expected);
    server.send("GET", "/.well-known/authzen-configuration", &[], None).fails(404, "store_id_not_found");

    let server = with_configured_store(server);
    let answer = ask(&server, "/access/v1/evaluation");
    assert_eq!(answer.header("Openfga-Store-Id"), Some(&*server.store));
    answer.is(json!({"decision": true}));
    assert_eq!(ask(&server, "/access/v1/evaluations").status, 200);
    assert_eq!(ask(&server, "/access/v1/search/action").status, 200);
    ask(&server, "/access/v1/nothing").fails(404, "undefined_endpoint");
}

#[test]
fn evaluations_take_what_they_lack_from_the_top() {
    let server = server();
    let body = json!({
        "subject": entity("user:ann"),
        "action": {"name": "owner"},
        "context": {"time": "now"},
        "evaluations": [
            {"resource": entity("document:1")},
            {"resource": entity("document:2")},
            {"resource": entity("document:2"), "action": {"name": "viewer"}},
            {"resource": entity("document:2"), "action": {"name": "viewer"}, "subject": entity("user:bob"), "context": {}},
        ],
        "options": {"another_option": "value"},
    });
    let answer = server.post("/access/v1/evaluations", body);
    assert_eq!(answer.header("Openfga-Authorization-Model-Id"), Some(&*server.model));
    answer.is(json!({"evaluations": [
        {"decision": true}, {"decision": false}, {"decision": true}, {"decision": false},
    ]}));
    let complete = json!({"evaluations": [question("user:ann", "owner", "document:1")]});
    server.post("/access/v1/evaluations", complete).is(json!({"evaluations": [{"decision": true}]}));
}

#[test]
fn evaluations_of_none_are_one_evaluation_of_the_top() {
    let server = server();
    for evaluations in [json!(null), json!([])] {
        let mut body = question("user:ann", "owner", "document:1");
        body["evaluations"] = evaluations;
        let answer = server.post("/access/v1/evaluations", body);
        answer.is(json!({"decision": true, "evaluations": [{"decision": true}]}));
    }
    let message = server.post("/access/v1/evaluations", json!({})).fails(400, "validation_error");
    assert_eq!(message, "invalid subject: value is required");
}

#[test]
fn the_semantic_says_which_decision_ends_the_evaluations() {
    let server = server();
    let ask = |semantic: &str, actions: &[&str]| {
        let evaluations: Vec<Value> = actions.iter().map(|name| json!({"action": {"name": name}})).collect();
        server.post(
            "/access/v1/evaluations",
            json!({
                "subject": entity("user:ann"),
                "resource": entity("document:2"),
                "evaluations": evaluations,
                "options": {"evaluations_semantic": semantic},
            }),
        )
    };
    // Of document 2, ann is a viewer and nothing else; `nope` is an error.
    let (yes, no) = ("viewer", "owner");
    for (semantic, actions, expected) in [
        ("execute_all", [yes, no, "nope", yes], &[true, false, false, true][..]),
        ("deny_on_first_deny", [yes, yes, no, yes], &[true, true, false]),
        ("deny_on_first_deny", [yes, "nope", yes, yes], &[true, false]),
        ("deny_on_first_deny", [yes; 4], &[true; 4]),
        ("permit_on_first_permit", [no, "nope", yes, yes], &[false, false, true]),
        ("permit_on_first_permit", [no; 4], &[false; 4]),
    ] {
        assert_eq!(decisions(&ask(semantic, &actions)), expected, "{semantic} {actions:?}");
    }
    let message = ask("first", &[yes]).fails(400, "validation_error");
    assert_eq!(
        message,
        "invalid options.evaluations_semantic: expected one of `execute_all`, `deny_on_first_deny` and \
         `permit_on_first_permit`"
    );
}

#[test]
fn an_evaluation_that_fails_is_a_denial_that_says_why() {
    let server = server();
    let body = json!({
        "subject": entity("user:ann"),
        "action": {"name": "owner"},
        "evaluations": [{"resource": entity("document:1")}, {"resource": entity("nope:1")}],
    });
    server.post("/access/v1/evaluations", body).is(json!({"evaluations": [
        {"decision": true},
        {"decision": false, "context": {"error": {"status": 400, "message": "type 'nope' not found"}}},
    ]}));
}

#[test]
fn evaluations_that_cannot_be_read_fail_as_a_whole() {
    let server = server();
    let ask = |evaluations: Value| {
        server
            .post("/access/v1/evaluations", json!({"action": {"name": "owner"}, "evaluations": evaluations}))
    };
    let good = question("user:ann", "owner", "document:1");
    let message = ask(json!([good, {"resource": entity("document:1")}])).fails(400, "validation_error");
    assert_eq!(message, "invalid evaluations[1].subject: value is required");
    let message =
        ask(json!([good, question("user:a#b", "owner", "document:1")])).fails(400, "validation_error");
    assert!(message.starts_with("invalid evaluations[1].subject.id: "), "{message}");
    assert_eq!(decisions(&ask(json!(vec![good.clone(); 50]))), [true; 50]);
    let message = ask(json!(vec![good; 51])).fails(400, "validation_error");
    assert_eq!(message, "invalid evaluations: received 51 evaluations, the maximum allowed is 50");
    // Before the first of them is looked at.
    let message = ask(json!(vec![json!({}); 400])).fails(400, "validation_error");
    assert_eq!(message, "invalid evaluations: received 400 evaluations, the maximum allowed is 50");
}

#[test]
fn the_search_for_actions_finds_every_relation_that_is_held() {
    let server = server();
    server.write(&["document:1#blocked@user:ann"]);
    let search = |subject: &str, resource: &str| {
        server.post(
            "/access/v1/search/action",
            json!({"subject": entity(subject), "resource": entity(resource)}),
        )
    };
    let actions = |names: &[&str]| json!({"results": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
    search("user:ann", "document:1").is(actions(&["blocked", "can_share", "owner", "viewer"]));
    search("user:ann", "document:2").is(actions(&["can_read", "viewer"]));
    search("user:bob", "document:2").is(actions(&[]));
    search("user:bob", "user:ann").is(actions(&[]));
    let found = search("user:ann", "document:1");
    assert_eq!(found.header("Tenure-Revision"), Some("3"));
    for name in ["blocked", "can_read", "can_share", "owner", "parent", "viewer"] {
        let decision = server.post("/access/v1/evaluation", question("user:ann", name, "document:1"));
        let listed = found.body["results"].as_array().unwrap().contains(&json!({"name": name}));
        assert_eq!(decision.body["decision"], json!(listed), "{name}");
    }
    for (subject, resource) in [("nope:a", "document:1"), ("user:ann", "nope:1")] {
        search(subject, resource).fails(400, "validation_error");
    }
    let message = server.post("/access/v1/search/action", json!({"subject": entity("user:ann")}));
    assert_eq!(message.fails(400, "validation_error"), "invalid resource: value is required");
}

#[test]
fn an_action_that_could_not_be_decided_is_told_and_not_left_out() {
    let limits = EvaluationLimits { depth_max: 1, ..EvaluationLimits::default() };
    let server = Server::with(&ServerConfig::default(), limits);
    server.write(&[
        "group:a#member@user:ann",
        "group:b#member@group:a#member",
        "group:c#member@group:b#member",
        "document:1#viewer@group:c#member",
        "document:1#blocked@user:ann",
    ]);
    let body = json!({"subject": entity("user:ann"), "resource": entity("document:1")});
    let answer = server.post("/access/v1/search/action", body);
    assert_eq!(answer.body["results"], json!([{"name": "blocked"}]));
    let undecided = answer.body["context"]["undecided"].as_array().unwrap();
    let names: Vec<_> = undecided.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"viewer") && !names.contains(&"owner"), "{names:?}");
    for one in undecided {
        assert_eq!(one["error"]["status"], json!(400));
        assert!(one["error"]["message"].as_str().unwrap().contains("rewrite rules"), "{one}");
    }
}

#[test]
fn results_come_in_pages_that_belong_to_their_search() {
    let server = server();
    let search = |subject: &str, page: Value| {
        let body = json!({"subject": entity(subject), "resource": entity("document:1"), "page": page});
        server.post("/access/v1/search/action", body)
    };
    let mut names = Vec::new();
    let mut page = json!({"limit": 2});
    let mut tokens = Vec::new();
    loop {
        let answer = search("user:ann", page.clone());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let results = answer.body["results"].as_array().unwrap();
        names.extend(results.iter().map(|action| action["name"].as_str().unwrap().to_owned()));
        let shown = &answer.body["page"];
        assert_eq!((&shown["count"], &shown["total"]), (&json!(results.len()), &json!(4)));
        let token = shown["next_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        // The size may be left out behind the first page.
        page = json!({"token": token});
        tokens.push(token);
    }
    assert_eq!(names, ["can_read", "can_share", "owner", "viewer"]);
    assert_eq!(tokens.len(), 1);
    let token = &tokens[0];
    assert_eq!(search("user:ann", json!({"token": token, "limit": 2})).status, 200);
    for (subject, page) in [
        ("user:bob", json!({"token": token})),
        ("user:ann", json!({"token": token, "limit": 3})),
        ("user:ann", json!({"token": "nonsense"})),
    ] {
        search(subject, page).fails(400, "invalid_continuation_token");
    }
    let other = json!({"subject": entity("user:ann"), "resource": entity("document:1"), "context": {"a": 1}, "page": {"token": token}});
    server.post("/access/v1/search/action", other).fails(400, "invalid_continuation_token");
    // A page was spoken of, so one is told, though it is the only one.
    for page in [json!({}), json!({"limit": 0}), json!({"limit": 4}), json!({"limit": 1000})] {
        let answer = search("user:ann", page);
        assert_eq!(answer.body["page"], json!({"next_token": "", "count": 4, "total": 4}));
    }
    for limit in [-1, 1001] {
        let message = search("user:ann", json!({"limit": limit})).fails(400, "validation_error");
        assert_eq!(
            message,
            format!("invalid page.limit: value must be inside range [0, 1000], found {limit}")
        );
    }
}

#[test]
fn subjects_and_resources_are_found_as_an_evaluation_decides() {
    let server = server();
    server.write(&["document:3#viewer@user:*", "document:1#viewer@user:bob"]);
    let subjects =
        json!({"subject": {"type": "user"}, "action": {"name": "viewer"}, "resource": entity("document:1")});
    let resources = json!({"subject": entity("user:ann"), "action": {"name": "viewer"}, "resource": {"type": "document"}});
    let found = |what: &str, body: Value| server.post(&format!("/access/v1/search/{what}"), body);
    found("subject", subjects.clone()).is(json!({"results": [entity("user:ann"), entity("user:bob")]}));
    let all = ["document:1", "document:2", "document:3"].map(entity);
    found("resource", resources.clone()).is(json!({"results": all}));
    let open = json!({"subject": {"type": "user", "id": "left out"}, "action": {"name": "viewer"}, "resource": entity("document:3")});
    found("subject", open).is(json!({"results": [entity("user:*")]}));
    let none =
        json!({"subject": entity("user:eve"), "action": {"name": "owner"}, "resource": {"type": "document"}});
    found("resource", none).is(json!({"results": []}));
    let mut paged = resources.clone();
    paged["page"] = json!({"limit": 2});
    let page = found("resource", paged.clone());
    assert_eq!(page.body["results"], json!(&all[..2]));
    paged["page"] = json!({"token": page.body["page"]["next_token"]});
    let page = found("resource", paged);
    assert_eq!(page.body["results"], json!(&all[2..]));
    assert_eq!(page.body["page"], json!({"next_token": "", "count": 1, "total": 3}));
    for (what, body) in [("subject", &subjects), ("resource", &resources)] {
        let mut unknown = body.clone();
        unknown["action"]["name"] = json!("nothing");
        found(what, unknown).fails(400, "validation_error");
    }
    for part in ["subject", "action", "resource"] {
        for (what, body) in [("subject", &subjects), ("resource", &resources)] {
            let mut body = body.clone();
            body.as_object_mut().unwrap().remove(part);
            let message =
                server.post(&format!("/access/v1/search/{what}"), body).fails(400, "validation_error");
            assert_eq!(message, format!("invalid {part}: value is required"));
        }
    }
}

#[test]
fn the_configuration_document_says_where_everything_is() {
    let document = |point: &str| {
        json!({
            "policy_decision_point": point,
            "access_evaluation_endpoint": format!("{point}/access/v1/evaluation"),
            "access_evaluations_endpoint": format!("{point}/access/v1/evaluations"),
            "search_subject_endpoint": format!("{point}/access/v1/search/subject"),
            "search_resource_endpoint": format!("{point}/access/v1/search/resource"),
            "search_action_endpoint": format!("{point}/access/v1/search/action"),
        })
    };
    let well_known = "/.well-known/authzen-configuration";
    let server = with_configured_store(server());
    let get = |server: &Server, path: &str, host: &str| server.send("GET", path, &[("Host", host)], None);
    let answer = get(&server, well_known, "localhost:8080");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "it is of this client's host");
    answer.is(document("http://localhost:8080"));
    let point = format!("http://localhost:8080/stores/{UNKNOWN}");
    for path in [format!("{well_known}/{UNKNOWN}"), format!("{well_known}/stores/{UNKNOWN}")] {
        let answer = get(&server, &path, "localhost:8080");
        assert_eq!(answer.header("Openfga-Store-Id"), Some(UNKNOWN));
        answer.is(document(&point));
    }
    get(&server, &format!("{well_known}/xyz"), "localhost").fails(400, "validation_error");
    for host in ["a/b", "a b", "u@a", "<a>"] {
        let message = get(&server, well_known, host).fails(400, "validation_error");
        assert_eq!(message, "invalid Host: expected the name or address of this server");
    }

    let server = server.configured(|store| ServerConfig {
        authzen_store: Some(store.parse().unwrap()),
        authzen_base_url: Some("https://api.example/tenure/".parse().unwrap()),
        ..ServerConfig::default()
    });
    let answer = get(&server, well_known, "evil.example");
    assert_eq!(answer.header("Cache-Control"), None);
    answer.is(document("https://api.example/tenure"));
    let answer = get(&server, &format!("{well_known}/{}", server.store), "evil.example");
    answer.is(document(&format!("https://api.example/tenure/stores/{}", server.store)));
}
