//! Tokens that were signed elsewhere, by a key whose private half was thrown away.

use serde_json::json;

use super::*;
use crate::callers::{Permission, Stores};

/// The modulus of the key `r1`.
const N: &str = "haET_x-rwd3K9JtUt9ckjIvA0X46XjTJA7AyDYUANBse_LMEgWKM-X0Xi1Ul963HNQTk1_Q92KrCwqjPK3AZjQ2o4kxZFy3SdrNw\
         Mtz5M84q27xqye7g0egY8ZxnIuVhLsZr5vYhQgYe6nZJe92XU8dZK0s1iBwcZtq5N58-_08O0l8uMCFicY298LM0SCk7pZpjlHBB\
         0G3QRxE0MxvAun1_0PTWjt66aortT7-UXt3fu1hruQkJmwLRtOX5AV7qDH__3Ivhw7jZR3C4B1O2FiGTLImRLwDTSjbiCpkld1wc\
         Z86eHAGPMYDpNufpeWA_RyLj2oMkjPLYUIDvbkEqiQ";
const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoidGVudXJlIiwi\
         c3ViIjoic3ZjIiwiZXhwIjo0MTAyNDQ0ODAwLCJzY29wZSI6InRlbnVyZTpyZWFkIiwidGVudXJlX3N0b3JlcyI6IioifQ.KTQ4a\
         vOjG5mz4nawtKkXGr8cBR7EXV3Lq_Ny_oxZNaTqMmxoLd5n4tkwoJFXIQOPDoIzLSiEYcTdaF6tAyLruJU3epyrlOvpGpq0FA30m\
         IVARj7POGLuS0LiNd0iDDoh2kXvytNZIfaMx8gGWiDG5hx-fGFLIUCzuDaHLSAPPCqQlDzi86-QP56J2z3jYe_4Xt8xCVWixuJYZ\
         2LXnW4J-9eUzPLduNFuInjZBGzy9tvIukGOfnjjMJHhzeBXji9j_jYTAFMlig7KjYcNHh_5ZGG1V-YWhtSYFDx-QkSjyLKnn7w4g\
         jbK2hoigZducbGx9LAvBt4UWdm16_6nxrq5bg";
const PS256: &str = "eyJhbGciOiJQUzI1NiIsImtpZCI6InIxIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoidGVudXJlIiwi\
         c3ViIjoic3ZjIiwiZXhwIjo0MTAyNDQ0ODAwLCJzY29wZSI6InRlbnVyZTpyZWFkIiwidGVudXJlX3N0b3JlcyI6IioifQ.GvPQN\
         yvJvbjvzAZ48AW_1LvuV_Gn_dgF1cq9A0646_ME6lQPC8J3A4p1R8scAY4ooMO6RctbJvwXnyUSoiChW55vrhaxOvEjdIgpBn3En\
         eZMLJR8Y1ZWovTOS3oeTLlPHvOHC9TH8qLWKRjfoQ6g6K4OWF8Otk20q1uIPgCqILaWmc9LGzH1QZKU691Sybj8lGK_fwdsUNfU9\
         XZweDstKafQegg-G8tf21wi2pfLaUk7wiy3-vtRhZ4-x5-F9eqgLOAOo_gVrOW7b-2Pq2XCxyJ5Ni6n9_qsf6o-k7sy4FQAYk6Xt\
         ZWEG7GFw10wL60t3STuH90Fe_c3D6XsCYjP2Q";

fn oidc(keys: Vec<Value>) -> Oidc {
    let issuer = "https://issuer.example".parse().unwrap();
    let stores_claim = "tenure_stores".to_owned();
    let oidc = Oidc::new(OidcConfig { issuer, audience: "tenure".to_owned(), stores_claim });
    let jwks = Jwks::of(keys).unwrap();
    oidc.jwks.store(Arc::new(Fetched { jwks, at: Some(Stopwatch::now()), generation: 1 }));
    oidc
}

fn key() -> Value {
    json!({"kty": "RSA", "kid": "r1", "use": "sig", "n": N, "e": "AQAB"})
}

fn now() -> Instant {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn identity(oidc: &Oidc, token: &str) -> Option<Arc<Identity>> {
    match oidc.verify(token, now()) {
        Verified::Is(identity) => Some(identity),
        Verified::Invalid | Verified::UnknownKey => None,
    }
}

#[test]
fn tokens_that_are_signed_by_rsa_are_taken_and_kept_until_they_expire_or_the_keys_change() {
    let oidc = oidc(vec![key()]);
    for token in [RS256, PS256] {
        assert!(oidc.known(token, now()).is_none());
        let identity = identity(&oidc, token).unwrap();
        assert_eq!(identity.scope.permissions.iter().collect::<Vec<_>>(), [Permission::Read]);
        assert_eq!((&*identity.subject, &identity.scope.stores), ("svc", &Stores::All));
        assert!(Arc::ptr_eq(&oidc.known(token, now()).unwrap(), &identity));
        assert!(oidc.known(token, "2100-01-01T00:01:00Z".parse().unwrap()).is_none());
        assert!(matches!(oidc.verify(token, "2100-01-01T00:01:00Z".parse().unwrap()), Verified::Invalid));
    }
    let others =
        Jwks::of(vec![json!({"kty": "OKP", "crv": "Ed25519", "kid": "e1", "x": "A".repeat(43)})]).unwrap();
    oidc.jwks.store(Arc::new(Fetched { jwks: others, at: Some(Stopwatch::now()), generation: 2 }));
    assert!(oidc.known(RS256, now()).is_none());
    assert!(matches!(oidc.verify(RS256, now()), Verified::UnknownKey));
}

#[test]
fn a_token_stays_known_while_the_same_keys_are_fetched_again() {
    let oidc = oidc(vec![key()]);
    let identity = identity(&oidc, RS256).unwrap();
    oidc.take(Jwks::of(vec![key()]).unwrap());
    assert!(Arc::ptr_eq(&oidc.known(RS256, now()).unwrap(), &identity));
    let mut other = key();
    other["alg"] = json!("PS256");
    oidc.take(Jwks::of(vec![other]).unwrap());
    assert!(oidc.known(RS256, now()).is_none() && oidc.verified.is_empty());
    // The same ones again are others than those before: what they have verified was forgotten.
    oidc.take(Jwks::of(vec![key()]).unwrap());
    assert!(oidc.known(RS256, now()).is_none());
}

#[test]
fn a_token_that_was_altered_is_refused() {
    let oidc = oidc(vec![key()]);
    let [head, claims, signature]: [&str; 3] = RS256.split('.').collect::<Vec<_>>().try_into().unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let admin = encode(&json!({
        "iss": "https://issuer.example", "aud": "tenure", "exp": 4_102_444_800_u64, "scope": "tenure:admin", "tenure_stores": "*",
    }));
    let with_head = |value: Value| format!("{}.{claims}.{signature}", encode(&value));
    let swapped = PS256.rsplit('.').next().unwrap();
    for token in [
        format!("{head}.{admin}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{swapped}"),
        format!("{head}.{claims}.{signature}="),
        format!("{RS256}.x"),
        with_head(json!({"alg": "none"})),
        with_head(json!({"alg": "none", "kid": "r1"})),
        with_head(json!({"alg": "HS256", "kid": "r1"})),
        with_head(json!({"alg": "PS256", "kid": "r1"})),
        with_head(json!({"alg": "ES256", "kid": "r1"})),
        with_head(json!({"alg": "RS256", "kid": "r1", "crit": ["exp"]})),
        with_head(json!({"alg": "RS256", "kid": "r2"})),
        with_head(json!({"kid": "r1"})),
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
    ] {
        assert!(identity(&oidc, &token).is_none(), "{token}");
    }
    assert!(identity(&oidc, RS256).is_some());
}

#[test]
fn a_shared_secret_is_no_key_though_an_issuer_should_publish_one() {
    let secret = json!({"kty": "oct", "kid": "r1", "k": N});
    assert!(identity(&oidc(vec![secret, key()]), RS256).is_some(), "the other key of this name is taken");
    let oidc = oidc(vec![
        json!({"kty": "oct", "kid": "r1", "k": N}),
        json!({"kty": "RSA", "kid": "r3", "n": N, "e": "AQAB"}),
    ]);
    assert!(identity(&oidc, RS256).is_none());
}

#[test]
fn a_key_is_used_for_what_it_is_for() {
    for (change, taken) in [
        (json!({"use": "enc"}), false),
        (json!({"alg": "RS512"}), false),
        (json!({"alg": "RS256"}), true),
        (json!({"use": null}), true),
        (json!({"kty": "unheard-of"}), false),
    ] {
        let mut changed = key();
        for (name, value) in change.as_object().unwrap() {
            changed[name] = value.clone();
        }
        let other = json!({"kty": "OKP", "crv": "Ed25519", "kid": "e1", "x": "A".repeat(43)});
        assert_eq!(identity(&oidc(vec![changed, other]), RS256).is_some(), taken, "{change}");
    }
}

#[test]
fn keys_that_could_not_be_fetched_for_long_are_not_used() {
    let oidc = oidc(vec![key()]);
    let jwks = Jwks::of(vec![key()]).unwrap();
    oidc.jwks.store(Arc::new(Fetched { jwks, at: None, generation: 1 }));
    assert!(matches!(oidc.verify(RS256, now()), Verified::UnknownKey));
}

#[test]
fn an_issuer_is_reached_by_https_or_on_this_machine() {
    for issuer in [
        "https://issuer.example",
        "https://issuer.example/realms/a",
        "http://127.0.0.1:80",
        "http://localhost/x",
    ] {
        assert!(issuer.parse::<IssuerUrl>().is_ok(), "{issuer}");
    }
    for text in [
        "",
        "issuer.example",
        "http://issuer.example",
        "http://127.0.0.1.evil.example",
        "https://a?x=1",
        "https://u@a",
        "ftp://127.0.0.1",
    ] {
        assert!(text.parse::<IssuerUrl>().is_err(), "{text}");
    }
    let with_path: IssuerUrl = "https://a.example/realms/b/".parse().unwrap();
    assert_eq!(with_path.discovery(), "https://a.example/realms/b/.well-known/openid-configuration");
    for (address, taken) in [
        ("https://keys.example/jwks", true),
        ("http://keys.example/jwks", false),
        ("http://localhost@keys.example/jwks", false),
        ("file:///etc/passwd", false),
    ] {
        assert_eq!(with_path.may_have_keys_at(address), taken, "{address}");
    }
}
