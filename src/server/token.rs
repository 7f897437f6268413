//! Continuation tokens: where the next page starts, opaque to clients.
//!
//! A token says a place and nothing else; whose data is read is decided by the path of the request. It names its
//! list and its store all the same, so that one that was made elsewhere is refused and not read as a place here.

use std::str::Split;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::{ApiError, Code};
use crate::model::{Id, ModelId, Revision, StoreId, TupleKey};
use crate::store::LogPosition;

/// The version of the encoding: parts of text, separated by 0x00, which no part contains.
const VERSION: &str = "1";

/// After this store comes the next page of stores.
pub(super) fn of_stores(after: StoreId) -> String {
    encode(&["stores", &after.to_string()])
}

/// Reads [`of_stores`]; `None` where the token is empty.
pub(super) fn to_stores(token: &str) -> Result<Option<StoreId>, ApiError> {
    decode(token, &["stores"], |parts| parts.next()?.parse().ok())
}

/// After this key comes the next page of keys.
pub(super) fn of_keys(after: Id) -> String {
    encode(&["keys", &after.to_string()])
}

/// Reads [`of_keys`]; `None` where the token is empty.
pub(super) fn to_keys(token: &str) -> Result<Option<Id>, ApiError> {
    decode(token, &["keys"], |parts| parts.next()?.parse().ok())
}

/// Before this model comes the next page of models.
pub(super) fn of_models(store: StoreId, before: ModelId) -> String {
    encode(&["models", &store.to_string(), &before.to_string()])
}

/// Reads [`of_models`].
pub(super) fn to_models(store: StoreId, token: &str) -> Result<Option<ModelId>, ApiError> {
    decode(token, &["models", &store.to_string()], |parts| parts.next()?.parse().ok())
}

/// After this tuple comes the next page of tuples.
pub(super) fn of_tuples(store: StoreId, after: &TupleKey) -> String {
    let (object, subject) = (after.object.to_string(), after.subject.to_string());
    encode(&["tuples", &store.to_string(), &object, &after.relation, &subject])
}

/// Reads [`of_tuples`].
pub(super) fn to_tuples(store: StoreId, token: &str) -> Result<Option<TupleKey>, ApiError> {
    decode(token, &["tuples", &store.to_string()], |parts| {
        let (object, relation, subject) = (parts.next()?, parts.next()?, parts.next()?);
        TupleKey::parse(object, relation, subject).ok()
    })
}

/// From this place on go the changes of objects of a type; an empty type stands for all of them.
pub(super) fn of_changes(store: StoreId, object_type: &str, position: LogPosition) -> String {
    let (revision, index) = (position.revision.to_string(), position.index.to_string());
    encode(&["changes", &store.to_string(), object_type, &revision, &index])
}

/// Reads [`of_changes`], which must be of the same type.
pub(super) fn to_changes(
    store: StoreId,
    object_type: &str,
    token: &str,
) -> Result<Option<LogPosition>, ApiError> {
    let read = decode(token, &["changes", &store.to_string()], |parts| {
        let (object_type, revision, index) = (parts.next()?, parts.next()?, parts.next()?);
        let position = LogPosition { revision: Revision(revision.parse().ok()?), index: index.parse().ok()? };
        Some((object_type.to_owned(), position))
    })?;
    match read {
        Some((made_for, _)) if made_for != object_type => Err(ApiError::new(
            Code::ContinuationTokenTypeMismatch,
            "The type in the querystring and the continuation token don't match",
        )),
        read => Ok(read.map(|(_, position)| position)),
    }
}

/// A place in the results of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SearchPlace {
    /// Which search.
    pub(super) search: u64,
    /// The size of its pages.
    pub(super) limit: usize,
    /// The last result before the place.
    pub(super) after: String,
}

/// At this place begins the next page of a search.
pub(super) fn of_search(store: StoreId, place: &SearchPlace) -> String {
    let SearchPlace { search, limit, after } = place;
    encode(&["search", &store.to_string(), &search.to_string(), &limit.to_string(), after])
}

/// Reads [`of_search`].
pub(super) fn to_search(store: StoreId, token: &str) -> Result<Option<SearchPlace>, ApiError> {
    decode(token, &["search", &store.to_string()], |parts| {
        let (search, limit) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(SearchPlace { search, limit, after: parts.next()?.to_owned() })
    })
}

/// After this entry comes the next page of a list of the cooperation rules.
pub(super) fn of_list(store: StoreId, list: &str, after: &str) -> String {
    encode(&["list", &store.to_string(), list, after])
}

/// Reads [`of_list`], which must be of the same list.
pub(super) fn to_list(store: StoreId, list: &str, token: &str) -> Result<Option<String>, ApiError> {
    decode(token, &["list", &store.to_string(), list], |parts| parts.next().map(str::to_owned))
}

fn encode(parts: &[&str]) -> String {
    let mut text = VERSION.to_owned();
    for part in parts {
        text.push('\0');
        text.push_str(part);
    }
    URL_SAFE_NO_PAD.encode(text)
}

fn decode<T>(
    token: &str,
    expected: &[&str],
    read: impl FnOnce(&mut Split<'_, char>) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.split('\0');
        let known = parts.next() == Some(VERSION) && expected.iter().all(|part| parts.next() == Some(part));
        let value = if known { read(&mut parts) } else { None };
        // Something behind the last part was not made here.
        value.filter(|_| parts.next().is_none())
    };
    match read() {
        Some(value) => Ok(Some(value)),
        None => Err(ApiError::new(Code::InvalidContinuationToken, "Invalid continuation token")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = StoreId::from_bits(7);
    const OTHER: StoreId = StoreId::from_bits(8);

    #[test]
    fn a_token_reads_back_where_it_was_made() {
        let key = TupleKey::parse("document:1", "viewer", "group:eng#member").unwrap();
        assert_eq!(to_tuples(STORE, &of_tuples(STORE, &key)).unwrap(), Some(key));
        assert_eq!(to_stores(&of_stores(OTHER)).unwrap(), Some(OTHER));
        assert_eq!(to_models(STORE, &of_models(STORE, OTHER)).unwrap(), Some(OTHER));
        let position = LogPosition { revision: Revision(u64::MAX), index: u32::MAX };
        assert_eq!(to_changes(STORE, "", &of_changes(STORE, "", position)).unwrap(), Some(position));
        let place = SearchPlace { search: u64::MAX, limit: 7, after: "größe".to_owned() };
        assert_eq!(to_search(STORE, &of_search(STORE, &place)).unwrap(), Some(place));
        assert_eq!(to_tuples(STORE, "").unwrap(), None);
    }

    #[test]
    fn a_foreign_token_is_refused() {
        let key = TupleKey::parse("document:1", "viewer", "user:a").unwrap();
        let code = |outcome: Result<Option<TupleKey>, ApiError>| outcome.unwrap_err().code;
        let token = of_tuples(STORE, &key);
        assert_eq!(code(to_tuples(OTHER, &token)), Code::InvalidContinuationToken);
        assert_eq!(code(to_tuples(STORE, &of_stores(STORE))), Code::InvalidContinuationToken);
        let changes = of_changes(STORE, "document", LogPosition::default());
        let mismatch = to_changes(STORE, "folder", &changes).unwrap_err().code;
        assert_eq!(mismatch, Code::ContinuationTokenTypeMismatch);
    }

    #[test]
    fn a_forged_token_is_refused_and_never_a_panic() {
        let key = TupleKey::parse("document:1", "viewer", "user:a").unwrap();
        let token = of_tuples(STORE, &key);
        for end in 1..token.len() {
            // What a cut leaves of the subject may be a subject itself: a place, and nothing worse.
            if let Ok(Some(cut)) = to_tuples(STORE, &token[..end]) {
                assert_eq!((cut.object, cut.relation), (key.object.clone(), key.relation.clone()));
            }
        }
        let store = STORE.to_string();
        for parts in [
            &["tuples", &store, "document:1", "viewer", "user:a", ""][..],
            &["tuples", &store, "document", "viewer", "user:a"],
            &["tuples", &store, "document:1", "viewer"],
            &["tuples"],
            &[],
        ] {
            assert!(to_tuples(STORE, &encode(parts)).is_err(), "{parts:?}");
        }
        for token in ["!", "====", "AAAA", "\u{0}", &"A".repeat(6000)] {
            assert!(to_tuples(STORE, token).is_err());
            assert!(to_changes(STORE, "", token).is_err());
        }
    }
}
