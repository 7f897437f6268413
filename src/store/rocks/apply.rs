//! What a commit does to the tables: the one function that the writer and the consistency check share.
//!
//! It must never look at anything but the log's entry, so that whoever has the log has the tables.

use super::super::commit::LogEntry;
use super::super::error::StoreError;
use super::super::keys::{self, Key};
use super::records;
use crate::model::StoreId;

/// The tables that follow from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Derived {
    Tuples,
    Subjects,
    Models,
    Assertions,
    Documents,
}

/// What takes the changes of rows.
pub(super) trait Target {
    fn put(&mut self, table: Derived, key: Key, value: &[u8]);
    fn delete(&mut self, table: Derived, key: Key);
}

/// Changes the rows of `store` by one commit.
pub(super) fn apply(entry: &LogEntry, store: StoreId, target: &mut impl Target) -> Result<(), StoreError> {
    for change in &entry.changes {
        let tuple = keys::tuple(store, change.key.as_ref());
        let reverse = keys::reverse(store, change.key.as_ref());
        if let Some(record) = &change.after {
            let value = records::encode_tuple(record)?;
            target.put(Derived::Tuples, tuple, &value);
            target.put(Derived::Subjects, reverse, &value);
        } else {
            target.delete(Derived::Tuples, tuple);
            target.delete(Derived::Subjects, reverse);
        }
    }
    if let Some((id, model)) = &entry.model {
        target.put(Derived::Models, keys::model(store, *id), &records::encode_model(model)?);
    }
    match &entry.assertions {
        None => {}
        Some((id, none)) if none.is_empty() => target.delete(Derived::Assertions, keys::model(store, *id)),
        Some((id, assertions)) => {
            target.put(
                Derived::Assertions,
                keys::model(store, *id),
                &records::encode_assertions(assertions)?,
            );
        }
    }
    for change in &entry.documents {
        let key = keys::document(store, &change.key);
        match &change.value {
            None => target.delete(Derived::Documents, key),
            Some(value) => target.put(Derived::Documents, key, &records::encode_document(value)?),
        }
    }
    Ok(())
}
