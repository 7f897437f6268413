//! Every key of every table, byte by byte; nothing else in the crate may make one or take one apart.
//!
//! | Table | Key |
//! |---|---|
//! | `tuples` | store, object type `00`, object id `00`, relation `00`, class, subject |
//! | `subjects` | store, class, subject, object type `00`, relation `00`, object id `00` |
//! | `changelog` | store, revision (8 bytes) |
//! | `models`, `assertions` | store, model id (16 bytes) |
//! | `documents` | store, kind `00`, each part of the key `00` |
//! | `journals` | store, journal `00`, entry id (16 bytes) |
//! | `meta` | `01`: the format; `02`: the clock; `03`: the counters; `04`, store: the store's state; `05`, its id (16 bytes): a credential; `06`: the identity |
//!
//! A store is the 16 bytes of its identifier; numbers are big-endian, so that bytes sort as numbers do. A class is one
//! byte, and the subject after it is
//!
//! | Class | Subject |
//! |---|---|
//! | `01` object | type `00`, id `00` |
//! | `02` wildcard | type `00` |
//! | `03` userset | type `00`, id `00`, relation `00` |
//!
//! Names hold no control character, so `00` ends each of them, and how many there are is known from what stands
//! before. Hence no key is a prefix of another, a scan over the keys that begin with some whole parts yields exactly
//! those, and keys sort as [`TupleRef`] does. Both implementations of a store use these keys: the one in memory
//! leaves out nothing but the database.

use smallvec::SmallVec;

use super::documents::DocumentKey;
use super::error::StoreError;
use crate::model::{Id, Instant, ModelId, ObjectRef, Revision, StoreId, SubjectClass, SubjectRef, TupleRef};

/// A key, or the beginning of keys. Nearly all are short enough to stay on the stack.
pub(super) type Key = SmallVec<[u8; 192]>;

/// Bytes of a store's identifier.
const STORE_BYTES: usize = 16;
/// Ends a name.
const END: u8 = 0;

/// `meta`: the format of the data directory.
pub(super) const FORMAT: [u8; 1] = [1];
/// `meta`: the latest instant that was given out.
pub(super) const CLOCK: [u8; 1] = [2];
/// `meta`: what is counted over all stores.
pub(super) const COUNTERS: [u8; 1] = [3];
/// `meta`: the beginning of the stores' states, which sort as their identifiers do.
pub(super) const STATES: [u8; 1] = [4];
/// `meta`: the beginning of the credentials, which sort as their identifiers do.
pub(super) const CREDENTIALS: [u8; 1] = [5];

/// `meta`: which database this is.
pub(super) const IDENTITY: [u8; 1] = [6];

/// In `tuples`, the tuple.
#[inline]
pub(super) fn tuple(store: StoreId, tuple: TupleRef<'_>) -> Key {
    let mut key = relation(store, tuple.object, tuple.relation);
    push_subject(&mut key, tuple.subject);
    key
}

/// In every table but `meta`, the beginning of all keys of a store.
#[inline]
pub(super) fn store(store: StoreId) -> Key {
    let mut key = Key::new();
    key.extend_from_slice(&store.bits().to_be_bytes());
    key
}

/// In every table but `meta`, a place behind all keys of a store and before all others behind them; no key. `None` if
/// there are none behind them, whatever the store.
pub(super) fn behind_store(store: StoreId) -> Option<Key> {
    store.successor().map(self::store)
}

/// In `tuples`, the beginning of those on objects of a type.
#[inline]
pub(super) fn object_type(store: StoreId, type_name: &str) -> Key {
    let mut key = self::store(store);
    push(&mut key, type_name);
    key
}

/// In `tuples`, the beginning of those on an object.
#[inline]
pub(super) fn object(store: StoreId, object: ObjectRef<'_>) -> Key {
    let mut key = object_type(store, object.type_name);
    push(&mut key, object.id);
    key
}

/// In `tuples`, the beginning of those of an object's relation.
#[inline]
pub(super) fn relation(store: StoreId, object: ObjectRef<'_>, relation: &str) -> Key {
    let mut key = self::object(store, object);
    push(&mut key, relation);
    key
}

/// In `tuples`, the beginning of those of an object's relation with subjects of a class.
#[inline]
pub(super) fn class(store: StoreId, object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Key {
    let mut key = self::relation(store, object, relation);
    key.push(class_byte(class));
    key
}

/// In `tuples`, a place behind all tuples of an object's relation and before all others behind them; no key.
pub(super) fn behind_relation(store: StoreId, object: ObjectRef<'_>, relation: &str) -> Key {
    let mut key = self::relation(store, object, relation);
    // Classes stand here, and none of them is as large.
    key.push(u8::MAX);
    key
}

/// In `subjects`, the tuple.
pub(super) fn reverse(store: StoreId, tuple: TupleRef<'_>) -> Key {
    let mut key = reverse_relation(store, tuple.subject, tuple.object.type_name, tuple.relation);
    push(&mut key, tuple.object.id);
    key
}

/// In `subjects`, the beginning of those of a subject.
#[inline]
pub(super) fn reverse_subject(store: StoreId, subject: SubjectRef<'_>) -> Key {
    let mut key = self::store(store);
    push_subject(&mut key, subject);
    key
}

/// In `subjects`, the beginning of those of a subject on objects of a type.
#[inline]
pub(super) fn reverse_type(store: StoreId, subject: SubjectRef<'_>, object_type: &str) -> Key {
    let mut key = reverse_subject(store, subject);
    push(&mut key, object_type);
    key
}

/// In `subjects`, the beginning of those of a subject on objects of a type by a relation.
#[inline]
pub(super) fn reverse_relation(
    store: StoreId,
    subject: SubjectRef<'_>,
    object_type: &str,
    relation: &str,
) -> Key {
    let mut key = reverse_type(store, subject, object_type);
    push(&mut key, relation);
    key
}

/// In `changelog`, the commit.
pub(super) fn commit(store: StoreId, revision: Revision) -> Key {
    let mut key = self::store(store);
    key.extend_from_slice(&revision.0.to_be_bytes());
    key
}

/// In `models`, the model; in `assertions`, those of the model.
pub(super) fn model(store: StoreId, model: ModelId) -> Key {
    let mut key = self::store(store);
    key.extend_from_slice(&model.bits().to_be_bytes());
    key
}

/// In `documents`, the document, or the beginning of all whose keys begin so.
pub(super) fn document(store: StoreId, document: &DocumentKey) -> Key {
    let mut key = self::store(store);
    push(&mut key, document.kind());
    key.extend_from_slice(document.text().as_bytes());
    key
}

/// In `journals`, the beginning of a journal's entries.
pub(super) fn journal(store: StoreId, journal: &str) -> Key {
    let mut key = self::store(store);
    push(&mut key, journal);
    key
}

/// In `journals`, an entry.
pub(super) fn entry(store: StoreId, journal: &str, id: Id) -> Key {
    let mut key = self::journal(store, journal);
    key.extend_from_slice(&id.bits().to_be_bytes());
    key
}

/// In `journals`, a place before all entries of a journal that were added from `instant` on, to the millisecond.
pub(super) fn entries_from(store: StoreId, journal: &str, instant: Instant) -> Key {
    entry(store, journal, Id::from_parts(instant.unix_millis(), 0))
}

/// In `meta`, a store's state.
pub(super) fn state(store: StoreId) -> Key {
    let mut key = Key::from_slice(&STATES);
    key.extend_from_slice(&store.bits().to_be_bytes());
    key
}

/// In `meta`, a credential.
pub(super) fn credential(id: Id) -> Key {
    let mut key = Key::from_slice(&CREDENTIALS);
    key.extend_from_slice(&id.bits().to_be_bytes());
    key
}

/// Takes a [`credential`] apart.
pub(super) fn decode_credential(key: &[u8]) -> Result<Id, StoreError> {
    let bits = key.strip_prefix(&CREDENTIALS).and_then(|rest| rest.try_into().ok());
    bits.map(|bits| Id::from_bits(u128::from_be_bytes(bits)))
        .ok_or_else(|| StoreError::Corrupt { what: "key", reason: "it is not that of a credential".into() })
}

/// Takes apart a key of `tuples`.
pub(super) fn decode_tuple(key: &[u8]) -> Result<(StoreId, TupleRef<'_>), StoreError> {
    decode_tuple_parts(key).ok_or_else(|| corrupt("key of tuples", key))
}

/// Takes apart a key of `subjects`.
pub(super) fn decode_reverse(key: &[u8]) -> Result<(StoreId, TupleRef<'_>), StoreError> {
    decode_reverse_parts(key).ok_or_else(|| corrupt("key of subjects", key))
}

/// The subject in a key of `tuples` that begins with `prefix` bytes of a [`class`] range.
pub(super) fn decode_subject(
    key: &[u8],
    prefix: usize,
    class: SubjectClass,
) -> Result<SubjectRef<'_>, StoreError> {
    Parts::new(key, prefix)
        .and_then(|mut parts| {
            let subject = parts.subject(class)?;
            parts.is_empty().then_some(subject)
        })
        .ok_or_else(|| corrupt("key of tuples", key))
}

/// The object's identifier in a key of `subjects` that begins with `prefix` bytes of a [`reverse_relation`] range.
pub(super) fn decode_object_id(key: &[u8], prefix: usize) -> Result<&str, StoreError> {
    Parts::new(key, prefix)
        .and_then(|mut parts| {
            let id = parts.name()?;
            parts.is_empty().then_some(id)
        })
        .ok_or_else(|| corrupt("key of subjects", key))
}

/// The revision in a key of `changelog`.
pub(super) fn decode_commit(key: &[u8]) -> Result<(StoreId, Revision), StoreError> {
    decode_store(key)
        .zip(key.get(STORE_BYTES..).and_then(|rest| rest.try_into().ok()))
        .map(|(store, revision)| (store, Revision(u64::from_be_bytes(revision))))
        .ok_or_else(|| corrupt("key of changelog", key))
}

/// The identifiers in a key of `models` or `assertions`.
pub(super) fn decode_model(key: &[u8]) -> Result<(StoreId, ModelId), StoreError> {
    decode_store(key)
        .zip(key.get(STORE_BYTES..).and_then(|rest| rest.try_into().ok()))
        .map(|(store, model)| (store, ModelId::from_bits(u128::from_be_bytes(model))))
        .ok_or_else(|| corrupt("key of models", key))
}

/// The document that a key of `documents` is of.
pub(super) fn decode_document(key: &[u8]) -> Result<DocumentKey, StoreError> {
    let parts = || {
        let mut parts = Parts::new(key, STORE_BYTES)?;
        let kind = parts.name()?;
        Some(DocumentKey::from_text(kind, parts.rest))
    };
    parts().ok_or_else(|| corrupt("key of documents", key))
}

/// The place of the entry that a key of `journals` is of.
pub(super) fn decode_entry(key: &[u8]) -> Result<Id, StoreError> {
    let id = key.last_chunk::<16>().map(|bytes| Id::from_bits(u128::from_be_bytes(*bytes)));
    id.ok_or_else(|| corrupt("key of journals", key))
}

/// The store that a key of any table but `meta` begins with.
pub(super) fn decode_store(key: &[u8]) -> Option<StoreId> {
    let bytes = key.get(..STORE_BYTES)?.try_into().ok()?;
    Some(StoreId::from_bits(u128::from_be_bytes(bytes)))
}

#[inline]
fn push(key: &mut Key, name: &str) {
    key.extend_from_slice(name.as_bytes());
    key.push(END);
}

#[inline]
fn push_subject(key: &mut Key, subject: SubjectRef<'_>) {
    key.push(class_byte(subject.class()));
    match subject {
        SubjectRef::Object(object) => {
            push(key, object.type_name);
            push(key, object.id);
        }
        SubjectRef::Wildcard(type_name) => push(key, type_name),
        SubjectRef::Userset(object, relation) => {
            push(key, object.type_name);
            push(key, object.id);
            push(key, relation);
        }
    }
}

fn class_byte(class: SubjectClass) -> u8 {
    match class {
        SubjectClass::Object => 1,
        SubjectClass::Wildcard => 2,
        SubjectClass::Userset => 3,
    }
}

fn decode_tuple_parts(key: &[u8]) -> Option<(StoreId, TupleRef<'_>)> {
    let store = decode_store(key)?;
    let mut parts = Parts::new(key, STORE_BYTES)?;
    let object = parts.object()?;
    let relation = parts.name()?;
    let class = parts.class()?;
    let subject = parts.subject(class)?;
    parts.is_empty().then_some((store, TupleRef { object, relation, subject }))
}

fn decode_reverse_parts(key: &[u8]) -> Option<(StoreId, TupleRef<'_>)> {
    let store = decode_store(key)?;
    let mut parts = Parts::new(key, STORE_BYTES)?;
    let class = parts.class()?;
    let subject = parts.subject(class)?;
    let type_name = parts.name()?;
    let relation = parts.name()?;
    let object = ObjectRef { type_name, id: parts.name()? };
    parts.is_empty().then_some((store, TupleRef { object, relation, subject }))
}

fn corrupt(what: &'static str, key: &[u8]) -> StoreError {
    StoreError::Corrupt { what, reason: format!("it cannot be taken apart: {}", key.escape_ascii()) }
}

/// What is left of a key behind its first bytes: names, each ended by `00`, and a class, which is no more than
/// one character either.
struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn new(key: &'a [u8], from: usize) -> Option<Self> {
        let rest = str::from_utf8(key.get(from..)?).ok()?;
        Some(Self { rest })
    }

    fn name(&mut self) -> Option<&'a str> {
        // Names are short: a plain loop beats a search by words.
        let end = self.rest.bytes().position(|byte| byte == END)?;
        let name = self.rest.get(..end)?;
        self.rest = self.rest.get(end + 1..)?;
        Some(name)
    }

    fn object(&mut self) -> Option<ObjectRef<'a>> {
        let type_name = self.name()?;
        Some(ObjectRef { type_name, id: self.name()? })
    }

    fn class(&mut self) -> Option<SubjectClass> {
        let mut rest = self.rest.chars();
        let class = match rest.next()? {
            '\u{1}' => SubjectClass::Object,
            '\u{2}' => SubjectClass::Wildcard,
            '\u{3}' => SubjectClass::Userset,
            _ => return None,
        };
        self.rest = rest.as_str();
        Some(class)
    }

    fn subject(&mut self, class: SubjectClass) -> Option<SubjectRef<'a>> {
        match class {
            SubjectClass::Object => self.object().map(SubjectRef::Object),
            SubjectClass::Wildcard => self.name().map(SubjectRef::Wildcard),
            SubjectClass::Userset => {
                let object = self.object()?;
                Some(SubjectRef::Userset(object, self.name()?))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
