//! Attempts to be answered what one may not see, on every route, and to be told another decision than one's own.
//!
//! The routes are those of the API's description, so that none is left out. What a key may do is in `key_scopes`, what is sent
//! byte by byte in `attacks_on_sockets`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tenure::callers::Permission;
use tenure::server::ServerConfig;
use tower::ServiceExt as _;

use crate::described::API;
use crate::fixture::{Server, key, model, with};
use crate::key_scopes::{Operation, operations};
use crate::keys::{guarded, make, send_as};

const EVERYTHING: [&str; 6] = ["read", "check", "write", "model", "admin", "act-as"];

/// Sends a request that need not be as anything is described. The status and the body, which of a stream is not waited for.
fn attack(
    server: &Server,
    method: &str,
    uri: &str,
    headers: &[(&str, String)],
    body: impl Into<Body>,
) -> (u16, Value) {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(body.into()).unwrap();
    server.runtime().block_on(async {
        let response = server.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = match status {
            400.. => to_bytes(response.into_body(), usize::MAX).await.unwrap(),
            _ => axum::body::Bytes::new(),
        };
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    })
}

fn bearer(token: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {token}"))
}

/// Everything that somebody could have changed: each store with its newest change, and the keys.
fn stored(server: &Server, root: &str) -> Value {
    let get = |path: &str| send_as(server, root, "GET", path, None).done(200);
    json!([
        get("/stores"),
        get("/keys"),
        get(&server.path("/changes")),
        get(&server.path("/authorization-models"))
    ])
}

#[test]
fn no_operation_takes_a_token_that_is_not_valid_or_not_in_its_place() {
    let (server, root) = guarded();
    let expiring = json!({"name": "a", "permissions": EVERYTHING, "expires_at": "2026-01-01T00:00:30Z"});
    let expired = send_as(&server, &root, "POST", "/keys", Some(expiring)).done(201);
    let expired = expired["token"].as_str().unwrap();
    let (id, revoked) = make(&server, &root, &EVERYTHING, None);
    send_as(&server, &root, "DELETE", &format!("/keys/{id}"), None).done(204);
    let (_, other) = make(&server, &root, &EVERYTHING, None);
    // The id of one key with the secret of another.
    let mixed = format!("{}{}", &root[..34], &other[34..]);
    let before = stored(&server, &root);

    let wrong: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("an expired key", vec![bearer(expired)]),
        ("a revoked key", vec![bearer(&revoked)]),
        ("the secret of another key", vec![bearer(&mixed)]),
        ("a token in upper case", vec![bearer(&root.to_uppercase())]),
        ("a token and more", vec![bearer(&format!("{root}x"))]),
        ("two headers", vec![bearer(&root), bearer(&root)]),
        ("a wrong header first", vec![bearer("x"), bearer(&root)]),
        ("a wrong header behind", vec![bearer(&root), bearer("x")]),
        ("two tokens in one header", vec![bearer(&format!("{root}, Bearer {root}"))]),
        ("another scheme", vec![("Authorization", format!("Basic {root}"))]),
        ("no scheme", vec![("Authorization", root.clone())]),
        ("a proxy's header", vec![("Proxy-Authorization", format!("Bearer {root}"))]),
        ("a cookie", vec![("Cookie", format!("access_token={root}; Authorization=Bearer {root}"))]),
        ("headers of other products", vec![("X-Api-Key", root.clone()), ("X-Authorization", root.clone())]),
        (
            "headers by which proxies say who calls",
            ["X-Forwarded-User", "X-Remote-User", "X-Forwarded-For", "X-Real-IP", "Forwarded"]
                .map(|name| (name, "127.0.0.1".to_owned()))
                .to_vec(),
        ),
    ];
    for (minute, operation) in operations().into_iter().filter(|one| one.permissions().is_some()).enumerate()
    {
        // Attempts are counted by the minute.
        server.set_clock(&format!("2026-01-01T{:02}:{:02}:00Z", 1 + minute / 60, minute % 60));
        let path = operation.path(&server.store);
        let methods = if operation.method == "GET" { vec!["GET", "HEAD"] } else { vec![&*operation.method] };
        for method in methods {
            for (what, headers) in &wrong {
                let (status, _) = attack(&server, method, &path, headers, "{}");
                assert_eq!(status, 401, "{method} {path} with {what}");
            }
            let query = format!("{path}?access_token={root}&token={root}&authorization=Bearer%20{root}");
            assert_eq!(attack(&server, method, &query, &[], "{}").0, 401, "{query}");
        }
    }
    assert_eq!(stored(&server, &root), before);
}

/// Ways to write the path of an operation of the store `other`, in some of which `mine` stands as well.
fn spellings(operation: &Operation, mine: &str, other: &str) -> Vec<String> {
    let path = operation.path(other);
    let (_, behind) = path.split_once(other).unwrap();
    let before = path.split_once(other).unwrap().0.trim_end_matches('/');
    let of_store = |store: &str| format!("{before}/{store}{behind}");
    vec![
        of_store(other),
        format!("/{path}"),
        format!("/.{path}"),
        format!("/x/..{path}"),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}/."),
        format!("{path}%00"),
        format!("{path};store_id={mine}"),
        format!("{path}?store_id={mine}"),
        format!("{path}?store_id={mine}&store_id={other}"),
        format!("http://other.example{path}"),
        format!("http://{mine}@other.example{path}"),
        of_store(&format!("/{other}")),
        of_store(&format!("./{other}")),
        of_store(&format!("{mine}/../{other}")),
        of_store(&format!("{mine}%2F..%2F{other}")),
        of_store(&format!("{mine}/%2E%2E/{other}")),
        of_store(&format!("{mine}%2F{other}")),
        of_store(&format!("{mine}%00{other}")),
        of_store(&format!("{mine};{other}")),
        of_store(&format!("{mine},{other}")),
        of_store(&format!("{other}%00")),
        of_store(&format!("{other}%20")),
        of_store(&format!("%20{other}")),
        of_store(&format!("{other}%0A")),
        of_store(&format!("{other};{mine}")),
        of_store(&format!("{other}%3B")),
        of_store(&format!("{other}.json")),
        of_store(&other.to_lowercase()),
        of_store(&format!("%{:02x}{}", other.as_bytes()[0], &other[1..])),
        path.replacen("stores", "Stores", 1),
        path.replacen("stores", "%73tores", 1),
        path.replacen("stores/", "stores%2F", 1),
        path.replacen("stores/", "stores\u{5c}", 1),
    ]
}

#[test]
fn no_spelling_of_a_path_leads_a_key_to_another_store() {
    let (server, root) = guarded();
    let other = send_as(&server, &root, "POST", "/stores", Some(json!({"name": "other"}))).done(201);
    let other = other["id"].as_str().unwrap().to_owned();
    let path = format!("/stores/{other}/authorization-models");
    send_as(&server, &root, "POST", &path, Some(model())).done(201);
    let (_, token) = make(&server, &root, &EVERYTHING, Some(&[&server.store]));
    let changes = |server: &Server| {
        let of = |store: &str, what: &str| {
            send_as(server, &root, "GET", &format!("/stores/{store}/{what}"), None).done(200)
        };
        [of(&other, "changes"), of(&other, "authorization-models"), of(&server.store, "changes")]
    };
    let before = changes(&server);
    let elsewhere = [
        bearer(&token),
        ("X-Original-URL", server.path("/check")),
        ("X-Rewrite-URL", server.path("/check")),
        ("X-Forwarded-Prefix", server.path("")),
        ("X-Forwarded-Host", server.store.clone()),
        ("Openfga-Store-Id", server.store.clone()),
    ];
    let mut asked = 0;
    for operation in operations().iter().filter(|one| one.is_of_a_store() && one.permissions().is_some()) {
        for uri in spellings(operation, &server.store, &other) {
            // What is no address at all no client can send.
            if Request::get(&uri).body(()).is_err() {
                continue;
            }
            for headers in [&elsewhere[..1], &elsewhere] {
                let (status, body) = attack(&server, &operation.method, &uri, headers, "{}");
                assert!([403, 404, 405].contains(&status), "{} {uri}: {status} {body}", operation.method);
                asked += 1;
            }
        }
    }
    assert!(asked > 3000, "{asked}");
    assert_eq!(changes(&server), before);
}

#[test]
fn a_method_that_is_not_described_does_nothing_whatever_a_header_says() {
    let (server, root) = guarded();
    let before = stored(&server, &root);
    let paths: BTreeSet<String> = operations().into_iter().map(|operation| operation.path).collect();
    let overrides = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];
    for template in &paths {
        let same = |one: &Operation| one.path == *template;
        let described: BTreeSet<_> = operations().into_iter().filter(same).map(|one| one.method).collect();
        let path = operations().iter().find(|one| same(one)).unwrap().path(&server.store);
        for method in
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "X"]
        {
            if described.contains(method) || (method == "HEAD" && described.contains("GET")) {
                continue;
            }
            for meant in &described {
                let mut headers = overrides.map(|name| (name, meant.clone())).to_vec();
                headers.push(bearer(&root));
                let (status, _) = attack(&server, method, &format!("{path}?_method={meant}"), &headers, "{}");
                assert!(status == 405, "{method} {path} for {meant}: {status}");
            }
        }
    }
    assert_eq!(stored(&server, &root), before);
}

fn takes_body(operation: &Operation) -> bool {
    let described = &API.document["paths"][&operation.path][operation.method.to_lowercase()];
    described.get("requestBody").is_some()
}

#[test]
fn no_body_may_say_the_same_field_twice_on_any_route() {
    let (server, root) = guarded();
    let server = server.configured(|store| ServerConfig {
        authzen_store: Some(store.parse().unwrap()),
        ..ServerConfig::default()
    });
    let mut seen = 0;
    for operation in operations().into_iter().filter(takes_body) {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":null,"a":1}}"#,
            r#"{"x":[{"y":[{"a":1,"b":2,"a":1}]}]}"#,
        ] {
            let path = operation.path(&server.store);
            let (status, answer) = attack(&server, &operation.method, &path, &[bearer(&root)], body);
            let message = answer["message"].as_str().unwrap_or_default();
            assert!(
                status == 400 && message.contains("duplicate field \"a\""),
                "{} {path} {body}: {answer}",
                operation.method
            );
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_body_that_is_no_unicode_is_refused_on_every_route() {
    let server = Server::new().configured(|store| ServerConfig {
        authzen_store: Some(store.parse().unwrap()),
        ..ServerConfig::default()
    });
    let wide: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for operation in operations().into_iter().filter(takes_body) {
        let path = operation.path(&server.store);
        for body in [
            b"{\"a\":\"\xff\"}".to_vec(),
            b"{\"a\":\"\xc0\xaf\"}".to_vec(),
            b"{\"a\":\"\xed\xa0\x80\"}".to_vec(),
            b"{\"\\ud800\":1}".to_vec(),
            wide.clone(),
        ] {
            let (status, answer) = attack(&server, &operation.method, &path, &[], body.clone());
            let message = answer["message"].as_str().unwrap_or_default();
            assert!(status == 400 && message.contains("malformed JSON"), "{path} {body:?}: {answer}");
        }
    }
}

#[test]
fn the_short_way_to_a_check_and_the_long_one_read_a_body_alike() {
    let server = Server::new();
    server.write(&["document:1#viewer@user:anne"]);
    let texts = [
        r#""user:anne""#,
        r#""user:\u0061nne""#,
        r#""user:bob""#,
        r#""user:ANNE""#,
        r#""user:""#,
        r#""user:an\u0000ne""#,
        r#""""#,
        "null",
        "1",
        r#"["user:anne"]"#,
        r#""user:anne ""#,
        r#""user:*""#,
        r#""group:g#member""#,
        r#""\ud800""#,
        "\"user:a\u{301}\"",
        "\"user:á\"",
        "\"user:\u{ff41}nne\"",
    ];
    let mut bodies = Vec::new();
    for text in texts {
        bodies.push(format!(r#"{{"tuple_key":{{"user":{text},"relation":"viewer","object":"document:1"}}"#));
        bodies.push(format!(
            r#"{{"tuple_key":{{"user":{text},"user":"user:anne","relation":"viewer","object":"document:1"}}"#
        ));
        bodies.push(format!(
            r#"{{"tuple_key":{{"user":"user:anne","relation":"viewer","object":"document:1","us\u0065r":{text}}}"#
        ));
        bodies.push(format!(
            r#"{{"tuple_key":{{"user":"user:anne","relation":"viewer","object":"document:1"}},"tuple_key":{{"user":{text}}}"#
        ));
        bodies.push(format!(
            r#"{{"tuple_key":{{"user":"user:anne","relation":"viewer","object":"document:1"}},"authorization_model_id":{text}"#
        ));
        bodies.push(format!(
            r#"{{"tuple_key":{{"user":"user:anne","relation":"viewer","object":"document:1"}},"consistency":{text}"#
        ));
    }
    let outcome = |body: String| {
        let answer = server.send_undescribed("POST", &server.path("/check"), &[], Some(&body));
        // Where in the text something is wrong differs.
        let message =
            answer.body["message"].as_str().unwrap_or_default().split(" at line").next().unwrap().to_owned();
        (answer.status, answer.body["allowed"].clone(), answer.body["code"].clone(), message)
    };
    let mut allowed = 0;
    for body in bodies {
        let short = outcome(format!("{body}}}"));
        // A field that says nothing keeps a body from being read in the short way.
        assert_eq!(short, outcome(format!(r#"{body},"trace":false}}"#)), "{body}");
        allowed += usize::from(short.1 == json!(true));
    }
    assert!(allowed > 2);
}

#[test]
fn no_two_questions_are_taken_for_each_other() {
    let server = Server::new();
    let long = "x".repeat(240);
    let ids = [
        "1",
        "1@1",
        "@",
        "1*",
        "**",
        "%31",
        "1%00",
        "\u{ff11}",
        "a\u{301}",
        "á",
        "A",
        "a",
        "\u{430}",
        "\\u0031",
        "\"",
        "1\u{200b}",
        &long,
        &long[1..],
    ];
    let stores = [server.store.clone(), server.create_store()];
    let send = |store: &str, operation: &str, body: Value| {
        let path = format!("/stores/{store}{operation}");
        let answer = server.send("POST", &path, &[], Some(&body.to_string()));
        assert!(answer.status < 300, "{}", answer.body);
        answer.body
    };
    send(&stores[1], "/authorization-models", model());
    // What holds in the one store does not in the other, and of two neighbours one does.
    let holds = |store: usize, object: usize, user: usize| (object * 7 + user + store).is_multiple_of(2);
    let question = |object: usize, user: usize, relation: &str| json!({"object": format!("document:{}", ids[object]), "relation": relation, "user": format!("user:{}", ids[user])});
    let pairs = || (0..ids.len()).flat_map(|object| (0..ids.len()).map(move |user| (object, user)));
    for (number, store) in stores.iter().enumerate() {
        let keys: Vec<_> = pairs()
            .filter(|(object, user)| holds(number, *object, *user))
            .map(|(object, user)| question(object, user, "viewer"))
            .collect();
        for some in keys.chunks(100) {
            send(store, "/write", json!({"writes": {"tuple_keys": some}}));
        }
    }
    // The second time most are kept.
    for _ in 0..2 {
        for (object, user) in pairs() {
            for (number, store) in stores.iter().enumerate() {
                let check = |relation: &str, given: Value| {
                    let mut body = json!({"tuple_key": question(object, user, relation)});
                    body.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
                    send(store, "/check", body)["allowed"] == json!(true)
                };
                let expected = holds(number, object, user);
                let told = format!("document:{} user:{} of store {number}", ids[object], ids[user]);
                assert_eq!(check("viewer", json!({})), expected, "{told}");
                assert!(!check("owner", json!({})), "{told}");
                // Given with the question, it holds for that alone.
                let tuple = json!({"tuple_keys": [question(object, user, "viewer")]});
                assert!(check("viewer", json!({"contextual_tuples": tuple})), "{told}");
                let ended = json!({"tuple_keys": [with(
                    &question(object, user, "viewer"), "paused", json!(true),
                )]});
                assert!(!check("viewer", json!({"contextual_tuples": ended})), "{told}");
            }
        }
    }
}

#[test]
fn who_was_told_of_a_write_is_never_answered_as_before_it_however_many_ask() {
    let server = Server::new();
    server.write(&["document:1#parent@folder:1"]);
    let (path, write) = (server.path("/check"), server.path("/write"));
    // Two that keep the decision warm all the time: through the folder, and directly.
    let questions = ["document:1#viewer@user:anne", "document:1#can_read@user:anne"];
    let ask = |question: &str| {
        let body = json!({"tuple_key": key(question)}).to_string();
        let request = Request::post(&path).body(Body::from(body)).unwrap();
        let response = server.runtime().block_on(server.router().oneshot(request)).unwrap();
        assert_eq!(response.status(), 200);
        let bytes = server.runtime().block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["allowed"] == json!(true)
    };
    let change = |body: Value| {
        let request = Request::post(&write).body(Body::from(body.to_string())).unwrap();
        let response = server.runtime().block_on(server.router().oneshot(request)).unwrap();
        assert_eq!(response.status(), 200, "{body}");
    };
    let tuple = |extra: Value| {
        let mut tuple = key("folder:1#viewer@user:anne");
        tuple.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        tuple
    };
    let (over, ask) = (&AtomicBool::new(false), &ask);
    std::thread::scope(|scope| {
        for question in questions {
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    ask(question);
                }
            });
        }
        let expect = |expected: bool, when: &str| {
            for question in questions {
                assert_eq!(ask(question), expected, "{question} {when}");
            }
        };
        let updates =
            |extra: Value| json!({"writes": {"tuple_keys": [tuple(extra)], "on_duplicate": "update"}});
        for round in 0..100 {
            change(json!({"writes": {"tuple_keys": [tuple(json!({}))]}}));
            expect(true, "written");
            change(updates(json!({"paused": true})));
            expect(false, "paused");
            change(updates(json!({"paused": false})));
            expect(true, "resumed");
            let end = format!("2026-01-01T00:{:02}:{:02}.5Z", round / 60, round % 60);
            change(updates(json!({"expires_at": end})));
            expect(true, "before its end");
            server.set_clock(&end);
            expect(false, "at its end");
            change(json!({"deletes": {"tuple_keys": [key("folder:1#viewer@user:anne")]}}));
            expect(false, "deleted");
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_token_of_a_page_leads_nowhere_in_another_store_or_list() {
    let (server, root) = guarded();
    let other = send_as(&server, &root, "POST", "/stores", Some(json!({"name": "other"}))).done(201);
    let other = format!("/stores/{}", other["id"].as_str().unwrap());
    let mine = server.path("");
    let post = |path: &str, body: Value| send_as(&server, &root, "POST", path, Some(body));
    for store in [&mine, &other] {
        post(&format!("{store}/authorization-models"), model()).done(201);
        post(&format!("{store}/authorization-models"), model()).done(201);
        let tuples = ["document:1#viewer@user:anne", "document:2#viewer@user:anne"].map(key);
        post(&format!("{store}/write"), json!({"writes": {"tuple_keys": tuples}})).done(200);
    }
    let page = |store: &str, list: &str, token: &str| match list {
        "/read" => post(&format!("{store}/read"), json!({"page_size": 1, "continuation_token": token})),
        list => {
            let path = format!("{store}{list}?page_size=1&continuation_token={token}");
            send_as(&server, &root, "GET", &path, None)
        }
    };
    let lists = ["/read", "/changes", "/authorization-models"];
    let tokens = lists.map(|list| {
        let token = page(&mine, list, "").done(200)["continuation_token"].as_str().unwrap().to_owned();
        assert!(!token.is_empty());
        page(&mine, list, &token).done(200);
        token
    });
    for (own, token) in lists.iter().zip(&tokens) {
        for list in lists {
            page(&other, list, token).fails(400, "invalid_continuation_token");
            if list != *own {
                page(&mine, list, token).fails(400, "invalid_continuation_token");
            }
        }
        for path in ["/stores", "/keys"] {
            let path = format!("{path}?continuation_token={token}");
            send_as(&server, &root, "GET", &path, None).fails(400, "invalid_continuation_token");
        }
    }
    let search = json!({
        "subject": {"type": "user", "id": "anne"}, "action": {"name": "viewer"}, "resource": {"type": "document"},
    });
    let found = |store: &str, token: &str| {
        let body = with(&search, "page", json!({"limit": 1, "token": token}));
        post(&format!("{store}/access/v1/search/resource"), body)
    };
    let first = found(&mine, "").done(200);
    let next = first["page"]["next_token"].as_str().unwrap();
    assert_eq!(found(&mine, next).status, 200);
    assert_eq!(found(&other, next).status, 400);
}

#[test]
fn an_instant_that_cannot_be_is_refused_and_the_last_ones_end_what_they_are_to_end() {
    let server = Server::new();
    let outcome = |end: &str| {
        let tuple = with(&key("document:1#viewer@user:anne"), "expires_at", json!(end));
        let given = json!({"tuple_keys": [tuple]});
        let body = json!({"tuple_key": key("document:1#viewer@user:anne"), "contextual_tuples": given});
        let answer = server.post("/check", body);
        match answer.status {
            200 => Some((answer.body["allowed"] == json!(true), answer.body["stable_until"].clone())),
            _ => {
                assert_eq!((answer.status, &answer.body["code"]), (400, &json!("invalid_tuple")), "{end}");
                None
            }
        }
    };
    for end in [
        "10000-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "2026-06-15T12:30:60Z",
        "2026-01-01T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2027-01-01T00:00:00+24:00",
        "\u{ff12}027-01-01T00:00:00Z",
        "253402300799",
        "9e99",
        "",
    ] {
        assert_eq!(outcome(end), None, "{end}");
    }
    for end in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2016-12-31T23:59:60Z", crate::fixture::NOW] {
        assert_eq!(outcome(end), Some((false, Value::Null)), "{end}");
    }
    // What is finer than a microsecond, and a leap second, end at the instant before.
    for (end, until) in [
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.999999Z"),
        ("2026-12-31T23:59:59+00:01", "2026-12-31T23:58:59Z"),
    ] {
        assert_eq!(outcome(end), Some((true, json!(until))), "{end}");
    }
}

#[test]
fn every_permission_is_tried() {
    assert_eq!(Permission::ALL.map(Permission::name), EVERYTHING);
}
