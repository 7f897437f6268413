//! The values of every table: a version byte, and behind it a plain struct in bincode 2.
//!
//! The one place that names bincode. A record must be read for as long as its version byte is known here; tests pin
//! the bytes of each, so that no change of a struct changes them unnoticed.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::batch::TupleChange;
use super::super::commit::{Counters, LogEntry, StoreState};
use super::super::documents::JournalRow;
use super::super::error::StoreError;
use crate::model::limits::RECORD_BYTES_MAX;
use crate::model::{Assertion, AuthorizationModel, Id, Instant, ModelId, TupleRecord};

/// The version of every record but those that tell their own.
const VERSION: u8 = 1;
/// The version of a commit; version 1 had no assertions, version 2 no documents.
const COMMIT_VERSION: u8 = 3;
/// The limit keeps a broken length from taking all memory.
const CONFIG: Configuration<LittleEndian, Varint, Limit<RECORD_BYTES_MAX>> =
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>();

/// In `tuples` and in `subjects`.
pub(super) fn encode_tuple(record: &TupleRecord) -> Result<Vec<u8>, StoreError> {
    encode("tuple", record)
}

/// See [`encode_tuple`].
pub(super) fn decode_tuple(bytes: &[u8]) -> Result<TupleRecord, StoreError> {
    let record: TupleRecord = decode("tuple", bytes)?;
    check_instant("tuple", record.written_at)?;
    if let Some(expires_at) = record.lifetime.expires_at {
        check_instant("tuple", expires_at)?;
    }
    Ok(record)
}

/// In `changelog`.
pub(super) fn encode_commit(entry: &LogEntry) -> Result<Vec<u8>, StoreError> {
    encode_version("commit", COMMIT_VERSION, entry)
}

/// See [`encode_commit`].
pub(super) fn decode_commit(bytes: &[u8]) -> Result<LogEntry, StoreError> {
    let entry: LogEntry = match split_version("commit", bytes, COMMIT_VERSION)? {
        (1, content) => decode_content::<LogEntryV1>("commit", content)?.into(),
        (2, content) => decode_content::<LogEntryV2>("commit", content)?.into(),
        (_, content) => decode_content("commit", content)?,
    };
    check_instant("commit", entry.at)?;
    Ok(entry)
}

/// When a commit was made, without reading the rest of it.
pub(super) fn decode_commit_instant(bytes: &[u8]) -> Result<Instant, StoreError> {
    let (_, content) = split_version("commit", bytes, COMMIT_VERSION)?;
    let (at, _) = decode_beginning("commit", content)?;
    check_instant("commit", at)
}

/// A commit in its version 1.
#[derive(Deserialize)]
struct LogEntryV1 {
    at: Instant,
    actor: Option<Box<str>>,
    changes: Vec<TupleChange>,
    model: Option<(ModelId, AuthorizationModel)>,
}

impl From<LogEntryV1> for LogEntry {
    fn from(entry: LogEntryV1) -> Self {
        let LogEntryV1 { at, actor, changes, model } = entry;
        Self { at, actor, changes, model, assertions: None, documents: Vec::new() }
    }
}

/// A commit in its version 2.
#[derive(Deserialize)]
struct LogEntryV2 {
    at: Instant,
    actor: Option<Box<str>>,
    changes: Vec<TupleChange>,
    model: Option<(ModelId, AuthorizationModel)>,
    assertions: Option<(ModelId, Vec<Assertion>)>,
}

impl From<LogEntryV2> for LogEntry {
    fn from(entry: LogEntryV2) -> Self {
        let LogEntryV2 { at, actor, changes, model, assertions } = entry;
        Self { at, actor, changes, model, assertions, documents: Vec::new() }
    }
}

/// In `models`.
pub(super) fn encode_model(model: &AuthorizationModel) -> Result<Vec<u8>, StoreError> {
    encode("model", model)
}

/// See [`encode_model`].
pub(super) fn decode_model(bytes: &[u8]) -> Result<AuthorizationModel, StoreError> {
    decode("model", bytes)
}

/// In `assertions`: those of one model.
pub(super) fn encode_assertions(assertions: &[Assertion]) -> Result<Vec<u8>, StoreError> {
    encode("assertions", &assertions)
}

/// See [`encode_assertions`].
pub(super) fn decode_assertions(bytes: &[u8]) -> Result<Vec<Assertion>, StoreError> {
    let assertions: Vec<Assertion> = decode("assertions", bytes)?;
    for tuple in assertions.iter().flat_map(|assertion| &assertion.contextual_tuples) {
        if let Some(expires_at) = tuple.lifetime.expires_at {
            check_instant("assertions", expires_at)?;
        }
    }
    Ok(assertions)
}

/// In `documents`: bytes that only who wrote them can read.
pub(super) fn encode_document(value: &[u8]) -> Result<Vec<u8>, StoreError> {
    encode("document", &value)
}

/// See [`encode_document`].
pub(super) fn decode_document(bytes: &[u8]) -> Result<Box<[u8]>, StoreError> {
    decode("document", bytes)
}

/// In `meta`, of a credential: bytes that only who wrote them can read.
pub(super) fn encode_credential(value: &[u8]) -> Result<Vec<u8>, StoreError> {
    encode("credential", &value)
}

/// See [`encode_credential`].
pub(super) fn decode_credential(bytes: &[u8]) -> Result<Box<[u8]>, StoreError> {
    decode("credential", bytes)
}

/// In `journals`.
pub(super) fn encode_entry(row: &JournalRow) -> Result<Vec<u8>, StoreError> {
    encode("journal entry", row)
}

/// See [`encode_entry`].
pub(super) fn decode_entry(bytes: &[u8]) -> Result<JournalRow, StoreError> {
    let row: JournalRow = decode("journal entry", bytes)?;
    check_instant("journal entry", row.at)?;
    Ok(row)
}

/// In `meta`, of one store.
pub(super) fn encode_state(state: &StoreState) -> Result<Vec<u8>, StoreError> {
    encode("store", state)
}

/// See [`encode_state`].
pub(super) fn decode_state(bytes: &[u8]) -> Result<StoreState, StoreError> {
    let state: StoreState = decode("store", bytes)?;
    check_instant("store", state.info.created_at)?;
    check_instant("store", state.info.updated_at)?;
    Ok(state)
}

/// In `meta`, once.
pub(super) fn encode_counters(counters: Counters) -> Result<Vec<u8>, StoreError> {
    encode("counters", &counters)
}

/// See [`encode_counters`].
pub(super) fn decode_counters(bytes: &[u8]) -> Result<Counters, StoreError> {
    decode("counters", bytes)
}

/// In `meta`, once.
pub(super) fn encode_clock(high_water: Instant) -> Result<Vec<u8>, StoreError> {
    encode("clock", &high_water)
}

/// See [`encode_clock`].
pub(super) fn decode_clock(bytes: &[u8]) -> Result<Instant, StoreError> {
    check_instant("clock", decode("clock", bytes)?)
}

/// In `meta`, once.
pub(super) fn encode_identity(identity: Id) -> Result<Vec<u8>, StoreError> {
    encode("identity", &identity)
}

/// See [`encode_identity`].
pub(super) fn decode_identity(bytes: &[u8]) -> Result<Id, StoreError> {
    decode("identity", bytes)
}

/// In `meta`, once: the only record without a version byte, as every version must be able to read it.
pub(super) fn encode_format(format: u32) -> [u8; 4] {
    format.to_be_bytes()
}

/// See [`encode_format`].
pub(super) fn decode_format(bytes: &[u8]) -> Result<u32, StoreError> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| corrupt("format", "it is not 4 bytes long"))
}

fn encode<T: Serialize>(what: &'static str, record: &T) -> Result<Vec<u8>, StoreError> {
    encode_version(what, VERSION, record)
}

fn encode_version<T: Serialize>(what: &'static str, version: u8, record: &T) -> Result<Vec<u8>, StoreError> {
    let failed = |reason| StoreError::Io { doing: "encoding a record", reason: format!("{what}: {reason}") };
    let mut bytes = vec![version];
    bincode::serde::encode_into_std_write(record, &mut bytes, CONFIG).map_err(|e| failed(e.to_string()))?;
    if bytes.len() > RECORD_BYTES_MAX {
        // What is written must be readable again.
        return Err(failed(format!("{} bytes; at most {RECORD_BYTES_MAX} are allowed", bytes.len())));
    }
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let (_, content) = split_version(what, bytes, VERSION)?;
    decode_content(what, content)
}

/// The version of a record, from 1 to `newest`, and what stands behind it.
fn split_version<'a>(what: &'static str, bytes: &'a [u8], newest: u8) -> Result<(u8, &'a [u8]), StoreError> {
    match bytes.split_first() {
        Some((&version, content)) if (1..=newest).contains(&version) => Ok((version, content)),
        Some((version, _)) => Err(corrupt(what, &format!("its version {version} is unknown"))),
        None => Err(corrupt(what, "it is empty")),
    }
}

fn decode_content<T: DeserializeOwned>(what: &'static str, content: &[u8]) -> Result<T, StoreError> {
    let (record, used) = decode_beginning(what, content)?;
    if used == content.len() { Ok(record) } else { Err(corrupt(what, "it is longer than its content")) }
}

/// A record, or its first field, and the bytes that it took.
fn decode_beginning<T: DeserializeOwned>(
    what: &'static str,
    content: &[u8],
) -> Result<(T, usize), StoreError> {
    bincode::serde::decode_from_slice(content, CONFIG).map_err(|e| corrupt(what, &e.to_string()))
}

/// Every other code relies on instants being in their bounds.
fn check_instant(what: &'static str, instant: Instant) -> Result<Instant, StoreError> {
    Instant::from_unix_micros(instant.unix_micros())
        .ok_or_else(|| corrupt(what, "an instant lies outside the years 1 to 9999"))
}

fn corrupt(what: &'static str, reason: &str) -> StoreError {
    StoreError::Corrupt { what, reason: reason.into() }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
