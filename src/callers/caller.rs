//! From a bearer token to a caller.

use std::net::IpAddr;
use std::sync::Arc;

use super::attempts::Attempts;
use super::key::ApiKey;
use super::keys::Keys;
use super::scope::{Permission, Scope};
use crate::model::limits::BEARER_TOKEN_BYTES_MAX;
use crate::model::{Id, Instant, StoreId};
use crate::store::{Database, StoreError};

/// Who calls.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody: callers are not authenticated.
    Anyone,
    /// Whoever has the token of this key.
    Key(Arc<ApiKey>),
}

impl Caller {
    /// What the caller may do; `None`: everything.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => Some(&key.scope),
        }
    }

    /// Whether the caller has a permission, in the stores that it has any in.
    pub fn has(&self, permission: Permission) -> bool {
        self.scope().is_none_or(|scope| scope.permissions.has(permission))
    }

    /// Whether the caller may do anything in a store.
    pub fn reaches(&self, store: StoreId) -> bool {
        self.scope().is_none_or(|scope| scope.stores.has(store))
    }

    /// The public id of the caller's key.
    pub fn key(&self) -> Option<Id> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => Some(key.id),
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
    asked: Asked,
}

/// Whether callers are asked who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// As soon as there is a key.
    WithKeys,
    /// Though there may be keys.
    Never,
    /// Though there is no key that could be an answer.
    Always,
}

impl Callers {
    /// Those that `database` has keys of. Errors are those of [`Keys::load`].
    pub fn load(database: &impl Database) -> Result<Self, StoreError> {
        Ok(Self { keys: Keys::load(database)?, attempts: Attempts::default(), asked: Asked::WithKeys })
    }

    /// Nobody, where the keys cannot be read.
    pub fn nobody() -> Self {
        Self { keys: Keys::default(), attempts: Attempts::default(), asked: Asked::Always }
    }

    /// Everybody, whatever keys there are.
    #[must_use]
    pub fn insecure(self) -> Self {
        Self { asked: Asked::Never, ..self }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether a caller has to say who it is: as soon as there is a key, be it revoked or expired.
    pub fn are_authenticated(&self) -> bool {
        match self.asked {
            Asked::WithKeys => !self.keys.is_empty(),
            Asked::Never => false,
            Asked::Always => true,
        }
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
        if token.len() <= BEARER_TOKEN_BYTES_MAX
            && let Some(key) = self.keys.verify(token, now)
        {
            return Ok(Caller::Key(key));
        }
        if let Some(wait_s) = self.attempts.wait_s(address, now) {
            return Err(Unknown::TooMany { wait_s });
        }
        self.attempts.failed(address, now);
        Err(Unknown::Invalid)
    }

    /// Whether somebody who was known to call would still be at `now`.
    pub fn still_knows(&self, caller: &Caller, now: Instant) -> bool {
        match caller {
            Caller::Anyone => !self.are_authenticated(),
            Caller::Key(key) => !self.are_authenticated() || self.keys.is_active(key.id, now),
        }
    }
}
