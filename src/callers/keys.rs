//! The keys of a database: who they are, which are taken, and how one is made and revoked.
//!
//! All of them are in memory, published as one map, so that verifying one takes no lock and reads nothing from the disk, and
//! one that was revoked is refused by every request that is verified afterwards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use thiserror::Error;

use super::key::{ApiKey, KeyRequest, Token, TokenDigest, id_of};
use super::scope::Stores;
use crate::model::limits::{KEY_NAME_BYTES_MAX, KEYS_MAX, STORES_PER_KEY_MAX};
use crate::model::{Id, Instant};
use crate::store::{CommitError, Database, StoreError};

type ById = HashMap<Id, Arc<ApiKey>>;

/// The keys of a database, those included that are not taken any more.
pub struct Keys {
    shown: ArcSwap<ById>,
    /// Held by the one who makes or revokes a key.
    changing: Mutex<()>,
}

/// Why a key was not made or revoked.
#[derive(Debug, Clone, Error)]
pub enum KeyError {
    /// Its name cannot be used.
    #[error("expected 1 to {KEY_NAME_BYTES_MAX} bytes without control characters")]
    Name,
    /// It would be for nothing.
    #[error("expected at least one permission")]
    NoPermission,
    /// Its stores are none, or too many.
    #[error("expected 1 to {STORES_PER_KEY_MAX} stores, or none named for all of them")]
    Stores,
    /// It would have expired already.
    #[error("expected an instant in the future, found `{0}`")]
    Expired(Instant),
    /// There is no such key.
    #[error("there is no key `{0}`")]
    NotFound(Id),
    /// There are as many as can be, and all are taken still.
    #[error("there are {KEYS_MAX} keys, the most there can be; revoke one that is not needed any more")]
    TooMany,
    /// It could not be made or stored.
    #[error("{0}")]
    Internal(String),
    /// It could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Keys {
    /// The keys of `database`.
    ///
    /// Errors: those of the database, and [`StoreError::Corrupt`] if a key cannot be read. Nobody may be served then: that
    /// key may be one that was revoked, or the one that says that callers are authenticated at all.
    pub fn load(database: &impl Database) -> Result<Self, StoreError> {
        let read = |(id, bytes): (Id, Box<[u8]>)| {
            let key = ApiKey::decode(id, &bytes);
            let key = key.map_err(|reason| StoreError::Corrupt { what: "key of a caller", reason })?;
            Ok((id, Arc::new(key)))
        };
        let keys = database.credentials()?.into_iter().map(read).collect::<Result<ById, StoreError>>()?;
        Ok(Self { shown: ArcSwap::from_pointee(keys), changing: Mutex::default() })
    }

    /// Whether there are none, and never were any that still could be listed.
    pub fn is_empty(&self) -> bool {
        self.shown.load().is_empty()
    }

    /// The key whose token this is, if it is taken at `now`. It is not told, by its time neither, what else is wrong.
    pub fn verify(&self, token: &str, now: Instant) -> Option<Arc<ApiKey>> {
        let id = id_of(token)?;
        let shown = self.shown.load();
        let key = shown.get(&id);
        let expected = key.map_or(TokenDigest::OF_NONE, |key| key.digest);
        let is_its_own = TokenDigest::of(token).is(&expected);
        key.filter(|key| is_its_own && key.is_active(now)).cloned()
    }

    /// Whether a key is taken at `now`.
    pub fn is_active(&self, id: Id, now: Instant) -> bool {
        self.shown.load().get(&id).is_some_and(|key| key.is_active(now))
    }

    /// At most `limit` keys behind `after`, in the order in which they were made.
    pub fn list(&self, after: Option<Id>, limit: usize) -> Vec<Arc<ApiKey>> {
        let shown = self.shown.load();
        let mut keys: Vec<_> =
            shown.values().filter(|key| after.is_none_or(|after| key.id > after)).cloned().collect();
        keys.sort_unstable_by_key(|key| key.id);
        keys.truncate(limit);
        keys
    }

    /// Makes a key, which is taken from now on. Its token is here and nowhere else.
    pub fn create(
        &self,
        database: &impl Database,
        request: KeyRequest,
        now: Instant,
    ) -> Result<(Arc<ApiKey>, Token), KeyError> {
        let KeyRequest { name, scope, expires_at, limits } = request;
        if !(1..=KEY_NAME_BYTES_MAX).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(KeyError::Name);
        }
        if scope.permissions.is_empty() {
            return Err(KeyError::NoPermission);
        }
        if let Stores::Listed(stores) = &scope.stores
            && !(1..=STORES_PER_KEY_MAX).contains(&stores.len())
        {
            return Err(KeyError::Stores);
        }
        if let Some(end) = expires_at
            && end <= now
        {
            return Err(KeyError::Expired(end));
        }
        let (id, token) = Token::generate(now).ok_or_else(|| internal("the system has no random numbers"))?;
        let digest = TokenDigest::of(token.reveal());
        let name = name.into();
        let (revoked_at, usage) = (None, Arc::default());
        let key = ApiKey { id, name, scope, created_at: now, expires_at, revoked_at, limits, digest, usage };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = ById::clone(&self.shown.load());
        make_room(&mut keys, database, now)?;
        put(database, &key)?;
        let key = Arc::new(key);
        keys.insert(id, Arc::clone(&key));
        self.shown.store(Arc::new(keys));
        Ok((key, token))
    }

    /// Revokes a key. It is refused from before this returns on, even if that could not be stored: that is an error then, and
    /// holds until the next start only.
    pub fn revoke(&self, database: &impl Database, id: Id, now: Instant) -> Result<Arc<ApiKey>, KeyError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = ById::clone(&self.shown.load());
        let key = keys.get(&id).ok_or(KeyError::NotFound(id))?;
        let mut key = ApiKey::clone(key);
        key.revoked_at = key.revoked_at.or(Some(now));
        let key = Arc::new(key);
        keys.insert(id, Arc::clone(&key));
        self.shown.store(Arc::new(keys));
        // Once more where it is revoked already: that may not have been stored.
        put(database, &key)?;
        Ok(key)
    }
}

/// Forgets the key that ended first where there are as many as can be.
fn make_room(keys: &mut ById, database: &impl Database, now: Instant) -> Result<(), KeyError> {
    if keys.len() < KEYS_MAX {
        return Ok(());
    }
    let ended = keys.values().filter_map(|key| Some((key.ended_at(now)?, key.id)));
    let (_, first) = ended.min().ok_or(KeyError::TooMany)?;
    database.put_credential(first, None)?;
    keys.remove(&first);
    Ok(())
}

fn put(database: &impl Database, key: &ApiKey) -> Result<(), KeyError> {
    let bytes = key.encode().map_err(|error| internal(&error.to_string()))?;
    Ok(database.put_credential(key.id, Some(bytes.into()))?)
}

fn internal(reason: &str) -> KeyError {
    KeyError::Internal(reason.to_owned())
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
