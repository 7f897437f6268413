//! From a bearer token to a caller.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::attempts::Attempts;
use super::key::ApiKey;
use super::keys::Keys;
use super::oidc::{Identity, Oidc, Verified};
use super::scope::{Permission, Scope};
use super::usage::{CallerLimits, Exceeded, UnderWay};
use crate::model::Instant;
use crate::model::limits::BEARER_TOKEN_BYTES_MAX;
use crate::store::{Database, StoreError};

/// Who calls.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody: callers are not authenticated.
    Anyone,
    /// Whoever has the token of this key.
    Key(Arc<ApiKey>),
    /// Whoever has a token that was issued to this identity.
    Issued(Arc<Identity>),
}

impl Caller {
    /// What the caller may do; `None`: everything.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => Some(&key.scope),
            Self::Issued(identity) => Some(&identity.scope),
        }
    }

    /// A request of the caller at `now`, held to its own limits and where it has none to `others`; it is under way until
    /// what is returned is dropped. Where nobody is asked who they are, nobody can be told from another.
    pub fn begin(&self, others: CallerLimits, now: Instant) -> Result<Option<UnderWay>, Exceeded> {
        match self {
            Self::Anyone => Ok(None),
            Self::Key(key) => key.usage.begin(key.limits.or(others), now),
            Self::Issued(identity) => identity.usage.begin(others, now),
        }
    }

    /// Whether the caller has a permission, in the stores that it has any in.
    pub fn has(&self, permission: Permission) -> bool {
        self.scope().is_none_or(|scope| scope.permissions.has(permission))
    }

    /// What the caller is called in the log: the public id of its key, or its issuer's name for it. Not written out, as
    /// most requests have no line there.
    pub fn name(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => Some(&key.id),
            Self::Issued(identity) => Some(&identity.subject),
        }
    }
}

/// Why nobody is known to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// There is no token.
    Missing,
    /// The token is not valid. Whether it is malformed, unknown, expired or revoked is not told.
    Invalid,
    /// The token may be signed by a new key of the issuer: [`Callers::renew`], and ask again.
    Unfetched,
    /// Too many of this address were not valid.
    TooMany {
        /// Seconds after which to try again.
        wait_s: u64,
    },
}

/// Who may call a server.
pub struct Callers {
    keys: Keys,
    attempts: Attempts,
    oidc: Option<Arc<Oidc>>,
    /// Whether nobody is asked who they are, though there may be keys.
    are_insecure: bool,
}

impl Callers {
    /// Those that `database` has keys of. Errors are those of [`Keys::load`].
    pub fn load(database: &impl Database) -> Result<Self, StoreError> {
        Ok(Self {
            keys: Keys::load(database)?,
            attempts: Attempts::default(),
            oidc: None,
            are_insecure: false,
        })
    }

    /// Those as well who have a token of an issuer.
    #[must_use]
    pub fn with_oidc(self, oidc: Arc<Oidc>) -> Self {
        Self { oidc: Some(oidc), ..self }
    }

    /// Fetches the keys of the issuer, unless that was done a moment ago. Blocks.
    pub fn renew(&self) {
        if let Some(oidc) = &self.oidc {
            oidc.renew();
        }
    }

    /// Everybody, whatever keys there are.
    #[must_use]
    pub fn insecure(self) -> Self {
        Self { are_insecure: true, ..self }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether a caller has to say who it is: as soon as there is a key, be it revoked or expired, or an
    /// issuer.
    pub fn are_authenticated(&self) -> bool {
        !self.are_insecure && (self.oidc.is_some() || !self.keys.is_empty())
    }

    /// Who calls from `address` with the bearer token `token` at `now`.
    pub fn authenticate(
        &self,
        token: Option<&str>,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Caller, Unknown> {
        if !self.are_authenticated() {
            return Ok(Caller::Anyone);
        }
        let token = token.ok_or(Unknown::Missing)?;
        if let Some(key) = self.keys.verify(token, now) {
            return Ok(Caller::Key(key));
        }
        let is_issued = token.len() <= BEARER_TOKEN_BYTES_MAX && Oidc::is_token(token);
        let oidc = self.oidc.as_ref().filter(|_| is_issued);
        if let Some(identity) = oidc.and_then(|oidc| oidc.known(token, now)) {
            return Ok(Caller::Issued(identity));
        }
        // Whoever has failed too often does not have signatures checked.
        if let Some(wait_s) = self.attempts.wait_s(address, now) {
            return Err(Unknown::TooMany { wait_s });
        }
        if let Some(oidc) = oidc {
            match oidc.verify(token, now) {
                Verified::Is(identity) => return Ok(Caller::Issued(identity)),
                Verified::UnknownKey if oidc.may_renew() => return Err(Unknown::Unfetched),
                // The issuer may have made that key a moment ago. No signature was checked, so that nothing was tried.
                Verified::UnknownKey => return Err(Unknown::Invalid),
                Verified::Invalid => {}
            }
        }
        self.attempts.failed(address, now);
        Err(Unknown::Invalid)
    }

    /// Whether somebody who was known to call would still be at `now`.
    pub fn still_knows(&self, caller: &Caller, now: Instant) -> bool {
        match caller {
            Caller::Anyone => !self.are_authenticated(),
            Caller::Key(key) => !self.are_authenticated() || self.keys.is_active(key.id, now),
            Caller::Issued(identity) => !self.are_authenticated() || now < identity.expires_at,
        }
    }
}
