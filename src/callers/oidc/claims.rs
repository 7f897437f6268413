//! What a token claims, and what that comes to.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::super::scope::{Permission, Scope, Stores};
use super::super::usage::Usage;
use super::OidcConfig;
use crate::model::limits::STORES_PER_KEY_MAX;
use crate::model::{Instant, StoreId};

/// How far the clocks of issuer and server may be apart, in seconds.
const SKEW_S: i64 = 60;
/// What the permissions among a token's scopes begin with.
const SCOPE: &str = "tenure:";
/// Longest subject that is kept for the log, in characters.
const SUBJECT_CHARACTERS_MAX: usize = 128;

/// Whoever a token was issued to.
#[derive(Debug)]
pub struct Identity {
    /// The issuer's name for it, for the log.
    pub subject: Box<str>,
    /// What it may do.
    pub scope: Scope,
    /// From when on the token is refused.
    pub expires_at: Instant,
    /// What it asks at present, by any of its tokens.
    pub(in crate::callers) usage: Arc<Usage>,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    #[serde(default)]
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    /// As RFC 8693 has it: names with spaces between them.
    scope: Option<String>,
    /// The same, as some issuers write it.
    scp: Option<Names>,
    #[serde(flatten)]
    more: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Claims {
    /// Who it is, if the claims are of the issuer, for this server, and for `now`. `usage_of` tells what a subject asks.
    pub(super) fn identity(
        self,
        config: &OidcConfig,
        now: Instant,
        usage_of: impl FnOnce(&str) -> Arc<Usage>,
    ) -> Option<Identity> {
        let for_this = match &self.aud {
            Audience::One(audience) => *audience == config.audience,
            Audience::Many(audiences) => audiences.contains(&config.audience),
        };
        let expires_at = moved(self.exp, SKEW_S)?;
        let has_begun = |at: Option<f64>| at.is_none_or(|at| moved(at, -SKEW_S).is_some_and(|at| at <= now));
        let holds = for_this
            && self.iss == config.issuer.as_str()
            && now < expires_at
            && has_begun(self.nbf)
            && has_begun(self.iat);
        holds.then(|| Identity {
            scope: Scope { permissions: self.permissions().collect(), stores: self.stores(config) },
            subject: self.sub.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARACTERS_MAX).collect(),
            expires_at,
            usage: usage_of(&self.sub),
        })
    }

    /// Those among the scopes; others are for other services.
    fn permissions(&self) -> impl Iterator<Item = Permission> {
        let text = self.scope.as_deref().unwrap_or_default();
        let more: Vec<&str> = match &self.scp {
            None => Vec::new(),
            Some(Names::Text(text)) => text.split(' ').collect(),
            Some(Names::List(names)) => names.iter().map(String::as_str).collect(),
        };
        text.split(' ').chain(more).filter_map(|name| name.strip_prefix(SCOPE)?.parse().ok())
    }

    /// Those that the claim lists, or all for `*`; without it, none.
    fn stores(&self, config: &OidcConfig) -> Stores {
        match self.more.get(&config.stores_claim) {
            Some(Value::String(all)) if all == "*" => Stores::All,
            Some(Value::Array(listed)) => {
                let id = |value: &Value| value.as_str()?.parse::<StoreId>().ok();
                Stores::listed(listed.iter().take(STORES_PER_KEY_MAX).filter_map(id))
            }
            _ => Stores::listed([]),
        }
    }
}

/// Seconds since the Unix epoch, moved; `None` where that is no instant.
fn moved(seconds: f64, by_s: i64) -> Option<Instant> {
    if !seconds.is_finite() {
        return None;
    }
    // Out of range, it becomes the largest or the least, which is no instant.
    let seconds = (seconds.floor() as i64).checked_add(by_s)?;
    Instant::from_unix_micros(seconds.checked_mul(1_000_000)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn config() -> OidcConfig {
        OidcConfig {
            issuer: "https://issuer.example".parse().unwrap(),
            audience: "tenure".to_owned(),
            stores_claim: "tenure_stores".to_owned(),
        }
    }

    fn identity(changes: Value) -> Option<Identity> {
        let mut claims = serde_json::json!({
            "iss": "https://issuer.example", "aud": "tenure", "sub": "svc", "exp": 1000, "scope": "openid tenure:read",
            "tenure_stores": [STORE],
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let now = Instant::from_unix_micros(500_000_000).unwrap();
        serde_json::from_value::<Claims>(claims).ok()?.identity(&config(), now, |_| Arc::default())
    }

    #[test]
    fn a_token_is_taken_for_its_issuer_audience_and_time_only() {
        assert!(identity(serde_json::json!({})).is_some());
        for wrong in [
            serde_json::json!({"iss": "https://issuer.example/"}),
            serde_json::json!({"iss": ["https://issuer.example"]}),
            serde_json::json!({"iss": null}),
            serde_json::json!({"aud": "other"}),
            serde_json::json!({"aud": ["other", "tenure2"]}),
            serde_json::json!({"aud": null}),
            serde_json::json!({"exp": null}),
            serde_json::json!({"exp": "1000"}),
            serde_json::json!({"exp": 440}),
            serde_json::json!({"exp": 1e300}),
            serde_json::json!({"nbf": 561}),
            serde_json::json!({"iat": 561}),
            serde_json::json!({"nbf": 1e300}),
        ] {
            assert!(identity(wrong.clone()).is_none(), "{wrong}");
        }
        for right in [
            serde_json::json!({"aud": ["other", "tenure"]}),
            serde_json::json!({"exp": 441}),
            serde_json::json!({"exp": 1000.9, "nbf": 560, "iat": 500}),
        ] {
            assert!(identity(right.clone()).is_some(), "{right}");
        }
    }

    #[test]
    fn a_token_may_do_what_its_scopes_say_in_the_stores_that_it_names() {
        let scope = |changes| identity(changes).unwrap().scope;
        let permissions = |changes| scope(changes).permissions.iter().collect::<Vec<_>>();
        assert_eq!(permissions(serde_json::json!({})), [Permission::Read]);
        assert_eq!(permissions(serde_json::json!({"scope": null})), []);
        assert_eq!(
            permissions(serde_json::json!({"scope": "read tenure:Admin tenure: xtenure:admin tenure:root"})),
            []
        );
        assert_eq!(
            permissions(serde_json::json!({"scope": "tenure:act-as", "scp": ["tenure:check", "other"]})),
            [Permission::Check, Permission::ActAs]
        );
        assert_eq!(
            permissions(serde_json::json!({"scope": null, "scp": "a tenure:write"})),
            [Permission::Write]
        );
        let stores = |value: Value| scope(serde_json::json!({ "tenure_stores": value })).stores;
        let listed = Stores::listed([STORE.parse().unwrap()]);
        assert_eq!(stores(serde_json::json!([STORE, "x", 5, STORE])), listed);
        assert_eq!(stores(serde_json::json!("*")), Stores::All);
        for none in [
            serde_json::json!(null),
            serde_json::json!(STORE),
            serde_json::json!(["*"]),
            serde_json::json!({"*": 1}),
        ] {
            assert_eq!(stores(none), Stores::listed([]));
        }
    }
}
