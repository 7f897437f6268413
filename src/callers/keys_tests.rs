//! Keys on a database in memory.

use std::sync::Arc;

use super::*;
use crate::callers::{CallerLimits, Permission, Scope};
use crate::model::Clock;
use crate::store::memory::MemoryDatabase;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Instant {
        now()
    }
}

fn now() -> Instant {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn later(micros: i64) -> Instant {
    now().saturating_add_micros(micros)
}

fn database() -> MemoryDatabase {
    MemoryDatabase::new(Arc::new(Fixed))
}

fn request(name: &str) -> KeyRequest {
    let scope = Scope { permissions: [Permission::Check].into_iter().collect(), stores: Stores::All };
    KeyRequest { name: name.to_owned(), scope, expires_at: None, limits: CallerLimits::default() }
}

#[test]
fn a_key_is_taken_by_its_token_until_it_is_revoked_and_after_a_restart_too() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    assert!(keys.is_empty());
    let (key, token) = keys.create(&database, request("ci"), now()).unwrap();
    let again = Keys::load(&database).unwrap();
    for keys in [&keys, &again] {
        assert!(!keys.is_empty());
        assert_eq!(keys.verify(token.reveal(), now()).unwrap().id, key.id);
    }
    keys.revoke(&database, key.id, later(5)).unwrap();
    let again = Keys::load(&database).unwrap();
    for keys in [&keys, &again] {
        assert!(keys.verify(token.reveal(), now()).is_none());
        assert!(!keys.is_active(key.id, now()) && !keys.is_empty());
    }
    let revoked = again.revoke(&database, key.id, later(9)).unwrap();
    assert_eq!(revoked.revoked_at, Some(later(5)), "the first time counts");
    let unknown = Id::from_bits(1);
    assert!(matches!(keys.revoke(&database, unknown, now()), Err(KeyError::NotFound(id)) if id == unknown));
}

#[test]
fn the_secret_and_the_id_have_to_be_of_the_same_key() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    let (_, first) = keys.create(&database, request("first"), now()).unwrap();
    let (_, second) = keys.create(&database, request("second"), now()).unwrap();
    let mixed = format!("{}{}", &first.reveal()[..33], &second.reveal()[33..]);
    let mut altered = first.reveal().to_owned().into_bytes();
    let place = altered.len() - 2;
    altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let unknown = first.reveal().replacen("tenure_0", "tenure_1", 1);
    for wrong in [&mixed, &altered, &unknown] {
        assert!(keys.verify(wrong, now()).is_none(), "{wrong}");
    }
    assert!(keys.verify(first.reveal(), now()).is_some());
}

#[test]
fn nothing_that_is_stored_has_the_secret() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    let (key, token) = keys.create(&database, request("ci"), now()).unwrap();
    let secret = &token.reveal()[34..];
    for (_, bytes) in database.credentials().unwrap() {
        assert!(!String::from_utf8_lossy(&bytes).contains(secret));
    }
    assert!(!format!("{key:?}").contains(secret));
}

#[test]
fn an_expired_key_is_refused_from_its_expiration_on() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    let expiring = KeyRequest { expires_at: Some(later(10)), ..request("ci") };
    let (_, token) = keys.create(&database, expiring, now()).unwrap();
    assert!(keys.verify(token.reveal(), later(9)).is_some());
    assert!(keys.verify(token.reveal(), later(10)).is_none());
}

#[test]
fn a_key_that_makes_no_sense_is_not_made() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    let make = |request| keys.create(&database, request, now()).unwrap_err();
    for name in ["", "a\nb", &"x".repeat(KEY_NAME_BYTES_MAX + 1)] {
        assert!(matches!(make(request(name)), KeyError::Name));
    }
    let mut none = request("ci");
    none.scope.permissions = [].into_iter().collect();
    assert!(matches!(make(none), KeyError::NoPermission));
    for count in [0, STORES_PER_KEY_MAX + 1] {
        let mut listed = request("ci");
        listed.scope.stores = Stores::listed((0..count).map(|n| Id::from_bits(u128::try_from(n).unwrap())));
        assert!(matches!(make(listed), KeyError::Stores));
    }
    let expired = KeyRequest { expires_at: Some(now()), ..request("ci") };
    assert!(matches!(make(expired), KeyError::Expired(_)));
    assert!(keys.is_empty() && database.credentials().unwrap().is_empty());
}

#[test]
fn keys_are_listed_page_by_page_in_the_order_in_which_they_were_made() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    for n in 0..5 {
        keys.create(&database, request(&n.to_string()), later(n * 1000)).unwrap();
    }
    let names = |keys: &[Arc<ApiKey>]| keys.iter().map(|key| key.name.to_string()).collect::<Vec<_>>();
    let first = keys.list(None, 3);
    assert_eq!(names(&first), ["0", "1", "2"]);
    assert_eq!(names(&keys.list(Some(first[2].id), 3)), ["3", "4"]);
}

#[test]
fn where_there_are_as_many_as_can_be_the_one_that_ended_first_is_forgotten() {
    let database = database();
    let keys = Keys::load(&database).unwrap();
    let (sample, _) = keys.create(&database, request("sample"), now()).unwrap();
    let many = (1..KEYS_MAX).map(|n| Id::from_bits(u128::try_from(n).unwrap()));
    let mut full: ById = many.map(|id| (id, Arc::new(ApiKey { id, ..ApiKey::clone(&sample) }))).collect();
    full.insert(sample.id, sample);
    keys.shown.store(Arc::new(full));
    assert!(matches!(keys.create(&database, request("more"), now()), Err(KeyError::TooMany)));
    keys.revoke(&database, Id::from_bits(8), later(20)).unwrap();
    keys.revoke(&database, Id::from_bits(7), later(10)).unwrap();
    keys.create(&database, request("more"), later(30)).unwrap();
    let is_known = |bits| keys.shown.load().contains_key(&Id::from_bits(bits));
    assert!(!is_known(7) && is_known(8) && keys.shown.load().len() == KEYS_MAX);
}

#[test]
fn a_stored_key_that_cannot_be_read_keeps_the_others_from_being_served() {
    let database = database();
    database.put_credential(Id::from_bits(1), Some((*b"{}").into())).unwrap();
    assert!(matches!(Keys::load(&database), Err(StoreError::Corrupt { what: "key of a caller", .. })));
}
