//! Tokens of OpenID Connect: signed by an issuer that is trusted, for this server, and not expired.
//!
//! The issuer's keys are fetched when the server starts and again and again from then on, on a thread of its own; a token
//! that is signed by one that is not known has them fetched at once, seldom enough that nobody can have the issuer flooded.
//! What has been verified is kept until it expires or the keys change, so that a signature is checked once for each token.

mod claims;
mod jwks;
mod signature;

pub use claims::Identity;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant as Stopwatch};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tracing::{info, warn};
use ureq::http::Uri;

use super::key::TokenDigest;
use super::usage::Usage;
use crate::model::Instant;
use claims::Claims;
use jwks::Jwks;

/// How often the keys are fetched.
const FETCHED_EVERY: Duration = Duration::from_secs(300);
/// The least time between two fetches, whatever asks for them.
const FETCHED_APART: Duration = Duration::from_secs(5);
/// How long keys are used that could not be fetched again.
const KEYS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Most verified tokens that are kept.
const TOKENS_KEPT: usize = 8192;

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// Who has signed them.
    pub issuer: IssuerUrl,
    /// For whom.
    pub audience: String,
    /// The claim that lists the stores.
    pub stores_claim: String,
}

/// The address of an issuer, as its tokens have it: https, or http on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

/// A text that is no address of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no issuer; expected https://HOST, with a path where it has one, as its tokens have it")]
pub struct IssuerUrlError(String);

impl FromStr for IssuerUrl {
    type Err = IssuerUrlError;

    fn from_str(text: &str) -> Result<Self, IssuerUrlError> {
        let refused = || IssuerUrlError(text.to_owned());
        let address: Uri = text.parse().map_err(|_| refused())?;
        let is_taken = is_secure(&address) && address.query().is_none() && !text.contains(['#', '@']);
        if is_taken { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl IssuerUrl {
    fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the issuer says where its keys are.
    fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.0.trim_end_matches('/'))
    }

    /// Nobody on the way must be able to change them.
    fn may_have_keys_at(&self, address: &str) -> bool {
        address.parse().is_ok_and(|address| is_secure(&address))
    }
}

/// Whether nobody on the way can change what comes from an address.
fn is_secure(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default();
    let is_own = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match address.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_own,
        _ => false,
    }
}

/// The tokens of one issuer.
pub struct Oidc {
    config: OidcConfig,
    jwks: ArcSwap<Fetched>,
    /// When the keys were asked for the last time. Held while they are.
    asked: Mutex<Option<Stopwatch>>,
    /// Each with the generation of the keys that it was verified by.
    verified: DashMap<TokenDigest, (u64, Arc<Identity>)>,
    /// What each subject asks, by its digest: all of its tokens are one caller.
    usages: DashMap<TokenDigest, Arc<Usage>>,
}

/// Keys, and when they were fetched.
struct Fetched {
    jwks: Jwks,
    at: Option<Stopwatch>,
    /// How often others were fetched than before.
    generation: u64,
}

impl Fetched {
    /// Whether they were fetched, and not too long ago.
    fn are_fresh(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() <= KEYS_KEPT)
    }
}

/// What becomes of a token.
pub(super) enum Verified {
    /// It is this one's.
    Is(Arc<Identity>),
    /// It is not valid.
    Invalid,
    /// It is signed by a key that is not known, which may be a new one.
    UnknownKey,
}

/// The head of a token, as far as it matters here.
#[derive(Deserialize)]
struct Head {
    alg: Algorithm,
    kid: Option<String>,
    /// What must be understood and is not.
    crit: Option<Value>,
}

impl Oidc {
    /// Takes tokens as `config` says. No keys are known before [`renew`](Self::renew).
    pub fn new(config: OidcConfig) -> Self {
        signature::install();
        Self {
            config,
            jwks: ArcSwap::from_pointee(Fetched { jwks: Jwks::default(), at: None, generation: 0 }),
            asked: Mutex::default(),
            verified: DashMap::new(),
            usages: DashMap::new(),
        }
    }

    /// Has the keys fetched now, and again and again for as long as somebody holds this.
    ///
    /// Errors: no thread can be made.
    pub fn keep_renewed(self: &Arc<Self>) -> Result<(), String> {
        let weak = Arc::downgrade(self);
        let renewing = move || {
            while let Some(oidc) = weak.upgrade() {
                let fetched = oidc.renew();
                drop(oidc);
                thread::sleep(if fetched { FETCHED_EVERY } else { FETCHED_APART });
            }
        };
        let thread = thread::Builder::new().name("tenure-oidc".into()).spawn(renewing);
        thread
            .map(drop)
            .map_err(|error| format!("cannot start the thread that fetches the issuer's keys: {error}"))
    }

    /// Fetches the keys, unless that was done a moment ago. Blocks. Returns whether the keys are those of a moment ago.
    pub fn renew(&self) -> bool {
        let Ok(mut asked) = self.asked.try_lock() else { return false };
        if asked.is_some_and(|asked| asked.elapsed() < FETCHED_APART) {
            return false;
        }
        *asked = Some(Stopwatch::now());
        match Jwks::fetch(&self.config.issuer) {
            Ok(jwks) => {
                self.take(jwks);
                info!(issuer = %self.config.issuer, "the issuer's keys were fetched");
                true
            }
            Err(error) => {
                warn!(issuer = %self.config.issuer, error, "the issuer's keys cannot be fetched");
                false
            }
        }
    }

    /// Has these keys from now on.
    fn take(&self, jwks: Jwks) {
        let known = self.jwks.load();
        let are_same = known.jwks.are_those_of(&jwks);
        let generation = if are_same { known.generation } else { known.generation + 1 };
        self.jwks.store(Arc::new(Fetched { jwks, at: Some(Stopwatch::now()), generation }));
        // A key that is gone vouches for nothing any more: what was verified before is verified anew.
        if !are_same {
            self.verified.clear();
        }
    }

    /// What a subject asks at present.
    fn usage_of(&self, subject: &str) -> Arc<Usage> {
        if self.usages.len() >= TOKENS_KEPT {
            // Of the others no token is known any more, and no request under way.
            self.usages.retain(|_, usage| Arc::strong_count(usage) > 1);
        }
        Arc::clone(&self.usages.entry(TokenDigest::of(subject)).or_default())
    }

    /// Whether the keys may be asked for at present.
    pub(super) fn may_renew(&self) -> bool {
        self.asked.try_lock().is_ok_and(|asked| asked.is_none_or(|asked| asked.elapsed() >= FETCHED_APART))
    }

    /// Whether a text is of the form of a token.
    pub(super) fn is_token(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Whose token this is at `now`, if it was verified before.
    pub(super) fn known(&self, token: &str, now: Instant) -> Option<Arc<Identity>> {
        let found = self.verified.get(&TokenDigest::of(token))?;
        let (generation, identity) = found.value();
        let fetched = self.jwks.load();
        let holds = *generation == fetched.generation && fetched.are_fresh() && now < identity.expires_at;
        holds.then(|| Arc::clone(identity))
    }

    /// Whose token this is at `now`.
    pub(super) fn verify(&self, token: &str, now: Instant) -> Verified {
        let Some(head) = head(token) else { return Verified::Invalid };
        if head.crit.is_some() || !signature::ALLOWED.contains(&head.alg) {
            return Verified::Invalid;
        }
        let fetched = self.jwks.load_full();
        if !fetched.are_fresh() {
            return Verified::UnknownKey;
        }
        let Some(key) = fetched.jwks.find(head.kid.as_deref(), head.alg) else { return Verified::UnknownKey };
        let claims = claims(token, key, head.alg);
        let Some(identity) =
            claims.and_then(|claims| claims.identity(&self.config, now, |sub| self.usage_of(sub)))
        else {
            return Verified::Invalid;
        };
        let identity = Arc::new(identity);
        if self.verified.len() >= TOKENS_KEPT {
            self.verified.clear();
        }
        self.verified.insert(TokenDigest::of(token), (fetched.generation, Arc::clone(&identity)));
        Verified::Is(identity)
    }
}

fn head(token: &str) -> Option<Head> {
    let (head, _) = token.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()
}

/// The claims of a token that this key has signed. What they mean is looked at elsewhere, by the database's clock.
fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Claims>(token, key, &validation).ok().map(|decoded| decoded.claims)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
