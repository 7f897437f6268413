//! Tokens of an issuer, which is a small server here: whom they make known, and that its keys may change.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tenure::callers::CallerLimits;
use tenure::callers::oidc::{Oidc, OidcConfig};
use tenure::server::ServerConfig;

use crate::fixture::{Answer, Server, key};
use crate::keys::{make, send_as};

/// A pair of keys that signs tokens.
struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap();
        Self { id, pair }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256", "x": x, "y": y})
    }

    fn sign(&self, claims: &Value) -> String {
        let head = json!({"alg": "ES256", "kid": self.id, "typ": "JWT"}).to_string();
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An issuer on this machine.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    /// How often its keys were asked for.
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn new(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (keys, asked) = (Arc::new(Mutex::new(keys)), Arc::new(AtomicUsize::new(0)));
        let (served, counted, base) = (Arc::clone(&keys), Arc::clone(&asked), url.clone());
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &served, &counted, &base);
            }
        });
        Self { url, keys, asked }
    }

    fn oidc(&self) -> Arc<Oidc> {
        let issuer = self.url.parse().unwrap();
        let (audience, stores_claim) = ("tenure".to_owned(), "tenure_stores".to_owned());
        Arc::new(Oidc::new(OidcConfig { issuer, audience, stores_claim }))
    }

    fn claims(&self, scope: &str, stores: Value) -> Value {
        json!({
            "iss": self.url, "aud": ["tenure"], "sub": "shop", "exp": 1_767_226_200, "scope": scope, "tenure_stores": stores,
        })
    }
}

fn answer(mut stream: TcpStream, keys: &Mutex<Vec<Value>>, asked: &AtomicUsize, base: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    drop(lines.find(String::is_empty));
    let body = if first.contains("/.well-known/openid-configuration") {
        json!({"issuer": base, "jwks_uri": format!("{base}/jwks")})
    } else {
        asked.fetch_add(1, Ordering::SeqCst);
        json!({"keys": *keys.lock().unwrap()})
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    let _gone = write!(stream, "{head}\r\n\r\n{body}");
}

fn check(server: &Server, token: &str) -> Answer {
    let body = json!({"tuple_key": key("document:1#viewer@user:anne")});
    send_as(server, token, "POST", &server.path("/check"), Some(body))
}

/// The time between two fetches of keys, and a little more.
const APART: Duration = Duration::from_millis(5_200);

#[test]
fn a_token_of_the_issuer_makes_known_what_it_may_do_and_where() {
    let signer = Signer::new("k1");
    let issuer = Issuer::new(vec![signer.jwk()]);
    let server = Server::new();
    let store = server.store.clone();
    let other = server.create_store();
    let server = server.called_by(|callers| callers.with_oidc(issuer.oidc()));
    server.send("POST", &server.path("/check"), &[], Some("{}")).fails(401, "bearer_token_missing");
    let token = |scope: &str, stores: Value| signer.sign(&issuer.claims(scope, stores));
    // The first token has the keys fetched.
    check(&server, &token("openid tenure:check", json!([store]))).done(200);
    check(&server, &token("tenure:check", json!("*"))).done(200);
    for stores in [json!([other]), json!([]), json!(null)] {
        assert_eq!(
            check(&server, &token("tenure:check", stores)).fails(403, "forbidden"),
            "the key is for other stores"
        );
    }
    for scope in ["", "check", "tenure:read tenure:write tenure:model tenure:admin tenure:act-as"] {
        check(&server, &token(scope, json!([store]))).fails(403, "forbidden");
    }
    let all = token("tenure:admin tenure:read", json!("*"));
    let (_, made) = make(&server, &all, &["check"], None);
    check(&server, &made).done(200);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_token_that_is_not_of_the_issuer_or_not_for_now_is_refused() {
    let signer = Signer::new("k1");
    let issuer = Issuer::new(vec![signer.jwk()]);
    let server = Server::new().called_by(|callers| callers.with_oidc(issuer.oidc()));
    let good = issuer.claims("tenure:check", json!("*"));
    check(&server, &signer.sign(&good)).done(200);
    for (name, value) in [
        ("iss", json!("http://127.0.0.1:1")),
        ("aud", json!("other")),
        ("exp", json!(1_767_225_540)),
        ("nbf", json!(1_767_225_661)),
        ("exp", json!(null)),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        check(&server, &signer.sign(&claims)).fails(401, "unauthenticated");
    }
    // By another's key under the name of the issuer's.
    check(&server, &Signer::new("k1").sign(&good)).fails(401, "unauthenticated");
    // A token that was taken is not taken any more once it has expired, a minute for the clocks included.
    let token = signer.sign(&good);
    server.set_clock("2026-01-01T00:10:59Z");
    check(&server, &token).done(200);
    server.set_clock("2026-01-01T00:11:00Z");
    check(&server, &token).fails(401, "unauthenticated");
}

#[test]
fn new_keys_of_the_issuer_are_fetched_when_a_token_needs_them_and_old_ones_forgotten() {
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let issuer = Issuer::new(vec![first.jwk()]);
    let server = Server::new().called_by(|callers| callers.with_oidc(issuer.oidc()));
    let claims = issuer.claims("tenure:check", json!("*"));
    let (old, new) = (first.sign(&claims), second.sign(&claims));
    check(&server, &old).done(200);
    *issuer.keys.lock().unwrap() = vec![second.jwk()];
    // Whoever invents keys does not have the issuer asked again and again.
    for _ in 0..20 {
        check(&server, &Signer::new("invented").sign(&claims)).fails(401, "unauthenticated");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    thread::sleep(APART);
    check(&server, &new).done(200);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    // What was verified by a key that is gone is not known any more, though the token itself goes on.
    check(&server, &old).fails(401, "unauthenticated");
}

#[test]
fn tokens_of_a_key_that_is_not_known_yet_lock_nobody_out() {
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let issuer = Issuer::new(vec![first.jwk()]);
    let server = Server::new().called_by(|callers| callers.with_oidc(issuer.oidc()));
    let claims = issuer.claims("tenure:check", json!("*"));
    check(&server, &first.sign(&claims)).done(200);
    // The issuer signs by a new key at once, and many ask before it can be fetched.
    let new = second.sign(&claims);
    for _ in 0..100 {
        check(&server, &new).fails(401, "unauthenticated");
    }
    let mut other = claims.clone();
    other["sub"] = json!("another");
    check(&server, &first.sign(&other)).done(200);
}

#[test]
fn who_is_locked_out_waits_with_new_tokens_and_not_with_those_that_were_taken() {
    let signer = Signer::new("k1");
    let issuer = Issuer::new(vec![signer.jwk()]);
    let server = Server::new().called_by(|callers| callers.with_oidc(issuer.oidc()));
    let claims = issuer.claims("tenure:check", json!("*"));
    let known = signer.sign(&claims);
    check(&server, &known).done(200);
    let forged = Signer::new("k1").sign(&claims);
    for _ in 0..60 {
        check(&server, &forged).fails(401, "unauthenticated");
    }
    check(&server, &known).done(200);
    let mut other = claims.clone();
    other["sub"] = json!("another");
    let new = signer.sign(&other);
    assert_eq!(check(&server, &new).header("Retry-After"), Some("60"));
    server.set_clock("2026-01-01T00:01:00Z");
    check(&server, &new).done(200);
}

#[test]
fn all_tokens_of_one_identity_share_its_limits_and_those_of_others_do_not() {
    let signer = Signer::new("k1");
    let issuer = Issuer::new(vec![signer.jwk()]);
    let caller_limits = CallerLimits { requests_per_second: NonZeroU32::new(3), ..CallerLimits::default() };
    let server = Server::new()
        .configured(|_| ServerConfig { caller_limits, ..ServerConfig::default() })
        .called_by(|callers| callers.with_oidc(issuer.oidc()));
    let token = |subject: &str, expires: u64| {
        let mut claims = issuer.claims("tenure:check", json!("*"));
        claims["sub"] = json!(subject);
        claims["exp"] = json!(expires);
        signer.sign(&claims)
    };
    for expires in [1_767_226_200, 1_767_226_201, 1_767_226_202] {
        check(&server, &token("shop", expires)).done(200);
    }
    check(&server, &token("shop", 1_767_226_203)).fails(429, "too_many_requests");
    check(&server, &token("other", 1_767_226_200)).done(200);
}

#[test]
fn an_issuer_that_cannot_be_reached_makes_nobody_known_and_keys_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let issuer = Issuer { url, keys: Arc::default(), asked: Arc::default() };
    let server = Server::new();
    let (_, root) = make(&server, "", &["check"], None);
    let server = server.called_by(|callers| callers.with_oidc(issuer.oidc()));
    let token = Signer::new("k1").sign(&issuer.claims("tenure:check", json!("*")));
    check(&server, &token).fails(401, "unauthenticated");
    check(&server, &root).done(200);
}
