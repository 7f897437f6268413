//! The public keys of an issuer: where they are, what of them can be used, and which one a token is signed by.

use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;

use super::IssuerUrl;
use crate::callers::trust;

/// Largest document that is taken from an issuer, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 256 * 1024;
/// Most keys of an issuer; those behind them are not known.
const KEYS_MAX: usize = 64;
/// Longest time for one document.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// The keys that an issuer has at present.
#[derive(Default)]
pub(super) struct Jwks {
    keys: Vec<Key>,
    /// As the issuer wrote them.
    written: Vec<Value>,
}

struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, where it says so.
    algorithm: Option<String>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Jwks {
    /// Asks the issuer where its keys are, and for them. Blocks.
    pub(super) fn fetch(issuer: &IssuerUrl) -> Result<Self, String> {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(FETCH_MAX))
            .max_redirects(0)
            .tls_config(trust::tls(None))
            .user_agent(concat!("tenure/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let discovered: Discovered = get(&agent, &issuer.discovery())?;
        if discovered.issuer != issuer.as_str() {
            return Err(format!("it says that it is the issuer `{}`", discovered.issuer));
        }
        if !issuer.may_have_keys_at(&discovered.jwks_uri) {
            return Err(format!("its keys are at `{}`, which is not https", discovered.jwks_uri));
        }
        let document: Document = get(&agent, &discovered.jwks_uri)?;
        Self::of(document.keys)
    }

    /// Those of `keys` that can be used. Others are for other purposes, or of kinds that are not known here.
    pub(super) fn of(keys: Vec<Value>) -> Result<Self, String> {
        let mut written = keys;
        written.truncate(KEYS_MAX);
        let usable: Vec<Key> = written.iter().cloned().filter_map(Key::of).collect();
        if usable.is_empty() {
            return Err("it has no key that can be used".to_owned());
        }
        Ok(Self { keys: usable, written })
    }

    /// Whether they are the same keys, in the same order.
    pub(super) fn are_those_of(&self, other: &Self) -> bool {
        self.written == other.written
    }

    /// The key that a token says it is signed by; a token that says nothing, by the only one that there is.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let named: Vec<&Key> = match (id, self.keys.as_slice()) {
            (None, [only]) => vec![only],
            (None, _) => Vec::new(),
            (Some(id), keys) => keys.iter().filter(|key| key.id.as_deref() == Some(id)).collect(),
        };
        named.into_iter().find(|key| key.is_for(algorithm)).map(|key| &key.key)
    }
}

impl Key {
    fn of(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let algorithm = common.key_algorithm.as_ref().map(KeyAlgorithm::to_string);
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: common.key_id.clone(), algorithm, key })
    }

    /// Whether it can have signed by an algorithm.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm.as_ref().is_none_or(|own| *own == format!("{algorithm:?}"))
            && self.key.family() == family(algorithm)
    }
}

/// The kind of key that an algorithm takes.
fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => AlgorithmFamily::Rsa,
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => AlgorithmFamily::Rsa,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
    }
}

fn get<T: DeserializeOwned>(agent: &Agent, url: &str) -> Result<T, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let mut answer = agent.get(url).call().map_err(|error| failed(&error))?;
    let text = answer.body_mut().with_config().limit(DOCUMENT_BYTES_MAX).read_to_string();
    serde_json::from_str(&text.map_err(|error| failed(&error))?).map_err(|error| failed(&error))
}
