//! A key and its token, `tenure_<id>_<secret>`.
//!
//! The id is public: it is shown, logged, and what a key is looked up by. The secret is 256 random bits and is shown once. Of the
//! token only its SHA-256 is kept. A slow hash would add nothing: it is there for passwords, which can be guessed from a
//! list, while of 256 random bits nobody can try a noticeable part, whatever a try costs.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::scope::Scope;
use super::usage::{CallerLimits, Usage};
use crate::model::{Id, Instant};

/// What a token begins with, so that people and scanners of leaked secrets recognise one.
const PREFIX: &str = "tenure_";
/// Characters of an id.
const ID_CHARACTERS: usize = 26;
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Characters of a secret: base64 for URLs, without padding.
const SECRET_CHARACTERS: usize = 43;
/// Characters of a token.
const TOKEN_CHARACTERS: usize = PREFIX.len() + ID_CHARACTERS + 1 + SECRET_CHARACTERS;

/// The token of a key: whoever has it is the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one for a key that is made at `now`, with the key's id; `None` if the system has no random numbers.
    pub(super) fn generate(now: Instant) -> Option<(Id, Self)> {
        let random = SystemRandom::new();
        let (mut of_id, mut secret) = ([0_u8; 16], [0_u8; SECRET_BYTES]);
        random.fill(&mut of_id).ok()?;
        random.fill(&mut secret).ok()?;
        let id = Id::from_parts(now.unix_millis(), u128::from_be_bytes(of_id));
        Some((id, Self(format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret)))))
    }

    /// The text that is sent. Nothing but an answer to whoever made the key may have it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    /// Tells nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The id in a text of the form of a token; `None` where it is of another form.
pub(super) fn id_of(token: &str) -> Option<Id> {
    if token.len() != TOKEN_CHARACTERS {
        return None;
    }
    let (id, secret) = token.strip_prefix(PREFIX)?.split_at_checked(ID_CHARACTERS)?;
    secret.starts_with('_').then(|| id.parse().ok())?
}

/// What is kept of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

impl TokenDigest {
    /// No token has it: nobody can find one that does.
    pub(super) const OF_NONE: Self = Self([0; SHA256_OUTPUT_LEN]);

    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Whether they are the same, in a time that does not tell where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Which key is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// What people call it; need not be unique.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// From when on it is refused, exclusive; `None`: until it is revoked.
    pub expires_at: Option<Instant>,
    /// How much it may ask, where that is not left to the server.
    pub limits: CallerLimits,
}

/// A key, without what its token is.
#[derive(Clone)]
pub struct ApiKey {
    /// Its public identifier.
    pub id: Id,
    /// What people call it.
    pub name: Box<str>,
    /// What it is for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Instant,
    /// From when on it is refused; `None`: until it is revoked.
    pub expires_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// How much it may ask, where that is not left to the server.
    pub limits: CallerLimits,
    pub(super) digest: TokenDigest,
    /// What it asks at present; clones share it.
    pub(super) usage: Arc<Usage>,
}

impl ApiKey {
    /// Whether it is taken at `now`.
    pub fn is_active(&self, now: Instant) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// When it was taken the last time; `None` if it is taken still.
    pub(super) fn ended_at(&self, now: Instant) -> Option<Instant> {
        let expired = self.expires_at.filter(|end| *end <= now);
        Instant::first_of(self.revoked_at, expired)
    }

    /// What is stored.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let TokenDigest(digest) = self.digest;
        serde_json::to_vec(&Stored {
            name: self.name.clone(),
            scope: self.scope.clone(),
            created_at: self.created_at.unix_micros(),
            expires_at: self.expires_at.map(Instant::unix_micros),
            revoked_at: self.revoked_at.map(Instant::unix_micros),
            requests_per_second: self.limits.requests_per_second,
            concurrent_requests: self.limits.concurrent_requests,
            sha256: URL_SAFE_NO_PAD.encode(digest),
        })
    }

    /// Reads what [`encode`](Self::encode) has written, and nothing that says more than is known here: it might narrow what
    /// the key is for.
    pub(super) fn decode(id: Id, bytes: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let instant =
            |micros| Instant::from_unix_micros(micros).ok_or("an instant lies outside the years 1 to 9999");
        let digest = URL_SAFE_NO_PAD.decode(&stored.sha256).map_err(|error| error.to_string())?;
        let digest = digest.try_into().map_err(|_| "its digest is not 32 bytes long")?;
        Ok(Self {
            id,
            name: stored.name,
            scope: stored.scope,
            created_at: instant(stored.created_at)?,
            expires_at: stored.expires_at.map(instant).transpose()?,
            revoked_at: stored.revoked_at.map(instant).transpose()?,
            limits: CallerLimits {
                requests_per_second: stored.requests_per_second,
                concurrent_requests: stored.concurrent_requests,
            },
            digest: TokenDigest(digest),
            usage: Arc::default(),
        })
    }
}

impl fmt::Debug for ApiKey {
    /// The digest is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A key as the database has it, in JSON; instants in microseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: Box<str>,
    scope: Scope,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_per_second: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    concurrent_requests: Option<NonZeroU32>,
    sha256: String,
}

#[cfg(test)]
mod tests {
    use super::super::scope::{Permission, Stores};
    use super::*;

    fn now() -> Instant {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_token_names_its_key_and_no_two_are_alike() {
        let (id, token) = Token::generate(now()).unwrap();
        assert_eq!(token.reveal().len(), TOKEN_CHARACTERS);
        assert_eq!(id_of(token.reveal()), Some(id));
        assert_eq!(id.bits() >> 80, u128::from(now().unix_millis()));
        let (other_id, other) = Token::generate(now()).unwrap();
        assert!(other_id != id && other != token);
        assert_ne!(other.reveal().split_at(40).1, token.reveal().split_at(40).1);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn what_is_not_in_the_form_of_a_token_names_no_key() {
        let (_, token) = Token::generate(now()).unwrap();
        let token = token.reveal();
        let no_end = &token[..token.len() - 1];
        for text in [
            "",
            "tenure_",
            no_end,
            &format!("{token}="),
            &token.to_uppercase(),
            &token.replacen('_', "-", 1),
            &format!("{}-{}", &token[..33], &token[34..]),
            &"é".repeat(TOKEN_CHARACTERS / 2),
            &format!("tenure_{}", "é".repeat(35)),
        ] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_digest_is_that_of_the_whole_token() {
        let digest = TokenDigest::of("abc");
        let known = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert_eq!(URL_SAFE_NO_PAD.encode(digest.0), known);
        assert!(digest.is(&TokenDigest::of("abc")));
        assert!(!digest.is(&TokenDigest::of("abd")) && !digest.is(&TokenDigest::OF_NONE));
    }

    #[test]
    fn a_key_reads_back_and_nothing_that_says_more_does() {
        let key = ApiKey {
            id: Id::from_bits(5),
            name: "ci".into(),
            scope: Scope {
                permissions: [Permission::Read, Permission::ActAs].into_iter().collect(),
                stores: Stores::listed([Id::from_bits(9)]),
            },
            created_at: now(),
            expires_at: Some(now().saturating_add_micros(1)),
            revoked_at: None,
            limits: CallerLimits { requests_per_second: NonZeroU32::new(9), concurrent_requests: None },
            digest: TokenDigest::of("x"),
            usage: Arc::default(),
        };
        let bytes = key.encode().unwrap();
        let read = ApiKey::decode(key.id, &bytes).unwrap();
        assert_eq!((&read.name, &read.scope, read.limits), (&key.name, &key.scope, key.limits));
        assert_eq!((read.created_at, read.expires_at, read.revoked_at), (now(), key.expires_at, None));
        assert!(read.digest == key.digest && read.encode().unwrap() == bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#""permissions":["read","act-as"]"#), "{text}");
        let limit = r#","requests_per_second":9"#;
        assert!(text.contains(limit) && !text.contains("concurrent"), "{text}");
        // One that was stored before there were limits.
        let unlimited = ApiKey::decode(key.id, text.replace(limit, "").as_bytes()).unwrap();
        assert_eq!(unlimited.limits, CallerLimits::default());
        for wrong in [
            text.replacen('{', r#"{"only_from":"10.0.0.0/8","#, 1),
            text.replace("act-as", "root"),
            text.replace(limit, r#","requests_per_second":0"#),
            text.replace(r#""sha256":""#, r#""sha256":"AA"#),
            text.replace(r#""revoked_at":null"#, r#""revoked_at":9223372036854775807"#),
        ] {
            assert!(ApiKey::decode(key.id, wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_ends_at_its_expiration_exclusive_and_when_it_is_revoked() {
        let key = |expires_at, revoked_at| ApiKey {
            id: Id::from_bits(5),
            name: "ci".into(),
            scope: Scope { permissions: [].into_iter().collect(), stores: Stores::All },
            created_at: now(),
            expires_at,
            revoked_at,
            limits: CallerLimits::default(),
            digest: TokenDigest::OF_NONE,
            usage: Arc::default(),
        };
        let before = now().saturating_add_micros(-1);
        assert!(key(None, None).is_active(now()));
        assert!(key(Some(now()), None).is_active(before));
        assert!(!key(Some(now()), None).is_active(now()));
        assert!(!key(None, Some(before)).is_active(now()));
        assert_eq!(key(Some(now()), Some(before)).ended_at(now()), Some(before));
        assert_eq!(key(Some(now()), None).ended_at(before), None);
    }
}
