//! Which web pages may call.

use serde_json::json;
use tenure::model::limits::EvaluationLimits;
use tenure::server::{CorsOrigins, HostNames, ServerConfig};

use crate::fixture::{Server, key};
use crate::keys::make;

const EVIL: (&str, &str) = ("Origin", "https://evil.example");
const APP: (&str, &str) = ("Origin", "https://app.example");
const PREFLIGHT: [(&str, &str); 2] =
    [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization,x-custom")];

fn allowing(origins: &str) -> Server {
    let cors_origins = CorsOrigins::parse(origins.split(',')).unwrap();
    let config = ServerConfig { cors_origins, ..ServerConfig::default() };
    Server::with(&config, EvaluationLimits::default())
}

/// No header of the answer speaks to browsers.
#[track_caller]
fn tells_browsers_nothing(answer: &crate::fixture::Answer) {
    let told = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(told, None);
}

#[test]
fn a_page_of_a_foreign_origin_is_refused_and_nothing_is_written() {
    for server in [Server::new(), allowing("https://app.example")] {
        let path = format!("/stores/{}/write", server.store);
        let body = json!({"writes": {"tuple_keys": [key("document:1#owner@user:eve")]}}).to_string();
        for origin in
            ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example", ""]
        {
            // What a page can send without a preflight.
            let headers = [("Origin", origin), ("Content-Type", "text/plain")];
            let answer = server.send("POST", &path, &headers, Some(&body));
            tells_browsers_nothing(&answer);
            let expected = format!(
                "pages of the origin `{origin}` may not call this server; --cors-origins says which may"
            );
            assert_eq!(answer.fails(403, "forbidden"), expected);
        }
        assert_eq!(server.tuples(), [""; 0]);
    }
}

#[test]
fn every_route_refuses_a_foreign_origin_and_probes_do_not() {
    let server = Server::new();
    let store = format!("/stores/{}", server.store);
    for (method, path) in [
        ("GET", "/stores"),
        ("POST", "/stores"),
        ("GET", &*store),
        ("DELETE", &*store),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
        ("BREW", "/stores"),
        ("OPTIONS", "/stores"),
    ] {
        server.send(method, path, &[EVIL], Some(r#"{"name":"theirs"}"#)).fails(403, "forbidden");
    }
    for probe in ["/healthz", "/readyz"] {
        server.send("GET", probe, &[EVIL], None).is(json!({"status": "SERVING"}));
    }
    let stores = server.send("GET", "/stores", &[], None);
    assert_eq!(stores.body["stores"].as_array().unwrap().len(), 1);
    tells_browsers_nothing(&stores);
}

/// A page whose own name was made to lead here is of the origin that it asks.
#[test]
fn an_origin_that_equals_the_host_is_refused_too() {
    let server = Server::new();
    let headers = [EVIL, ("Host", "evil.example")];
    server.send("POST", "/stores", &headers, Some(r#"{"name":"theirs"}"#)).fails(403, "forbidden");
}

#[test]
fn a_second_origin_does_not_hide_behind_one_that_is_allowed() {
    allowing("https://app.example").send("GET", "/stores", &[APP, EVIL], None).fails(403, "forbidden");
}

#[test]
fn an_allowed_origin_may_call_and_read_the_answer() {
    let server = allowing("https://app.example,http://localhost:3000");
    for origin in [APP, ("Origin", "http://localhost:3000")] {
        let preflight = server.send("OPTIONS", "/stores", &[&[origin][..], &PREFLIGHT].concat(), None);
        assert_eq!(preflight.status, 200);
        assert_eq!(preflight.header("Access-Control-Allow-Origin"), Some(origin.1));
        assert_eq!(preflight.header("Access-Control-Allow-Headers"), Some("authorization,x-custom"));
        assert!(preflight.header("Access-Control-Allow-Methods").unwrap().contains("POST"));

        let answer = server.send("GET", "/stores", &[origin], None);
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (200, Some(origin.1)));
        assert!(answer.header("Access-Control-Expose-Headers").unwrap().contains("tenure-revision"));
        assert!(
            answer.header("Vary").unwrap().contains("origin"),
            "a cache must not give it to another page"
        );
    }
}

#[test]
fn a_star_allows_any_origin() {
    let server = allowing("*");
    let answer = server.send("POST", "/stores", &[EVIL], Some(r#"{"name":"anyone's"}"#));
    assert_eq!((answer.status, answer.body["code"].as_str()), (400, Some("validation_error")));
    let answer = server.send("POST", "/stores", &[EVIL], Some(r#"{"name":"anyone"}"#));
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (201, Some("*")));
}

#[test]
fn a_page_whose_name_leads_here_reads_nothing_while_nobody_is_asked_for_a_key() {
    let server = Server::new();
    let store = format!("/stores/{}", server.store);
    let asked = [("GET", "/stores"), ("GET", &*store), ("GET", "/metrics"), ("DELETE", &*store)];
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", ""] {
        for (method, path) in asked {
            let message = server.send(method, path, &[("Host", host)], None).fails(403, "forbidden");
            let expected = format!(
                "this server is not called `{host}`; --allowed-hosts says by which names it may be called without a key"
            );
            assert_eq!(message, expected);
        }
        // The short way to checks is the same.
        server.send("POST", &server.path("/check"), &[("Host", host)], Some("{}")).fails(403, "forbidden");
        assert_eq!(server.send("GET", "/healthz", &[("Host", host)], None).status, 200);
    }
    let both = [("Host", "localhost"), ("Host", "evil.example")];
    server.send("GET", "/stores", &both, None).fails(403, "forbidden");
    server.send("GET", "http://evil.example/stores", &[("Host", "localhost")], None).fails(403, "forbidden");
    for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "192.0.2.1"] {
        assert_eq!(server.send("GET", "/stores", &[("Host", host)], None).status, 200, "{host}");
    }
}

#[test]
fn a_server_may_be_called_by_the_names_that_are_listed_and_by_any_with_a_key() {
    let named = |names: &str| {
        let host_names = HostNames::parse(names.split(',')).unwrap();
        Server::new().configured(|_| ServerConfig { host_names, ..ServerConfig::default() })
    };
    let status = |server: &Server, host: &str| server.send("GET", "/stores", &[("Host", host)], None).status;
    let server = named("tenure.example,db");
    for (host, expected) in [("Tenure.example:80", 200), ("db", 200), ("other.example", 403)] {
        assert_eq!(status(&server, host), expected, "{host}");
    }
    assert_eq!(status(&named("*"), "other.example"), 200);
    let (_, token) = make(&server, "", &["read"], None);
    let bearer = format!("Bearer {token}");
    let headers = [("Host", "other.example"), ("Authorization", bearer.as_str())];
    assert_eq!(server.send("GET", "/stores", &headers, None).status, 200);
    assert_eq!(status(&server, "other.example"), 401);
}
