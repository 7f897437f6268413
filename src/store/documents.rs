//! What is kept beside the tuples: documents, which a command writes together with its tuples, and journals, which are only
//! ever added to.
//!
//! Neither may decide who has access: that is for tuples alone. A document's change is part of the log, so that whoever has
//! the log has the documents. A journal's entries are not: writing one raises no revision, so that a refusal can be recorded,
//! and they may be forgotten by age.

use serde::{Deserialize, Serialize};

use crate::model::{Id, Instant, Revision};

/// Stands behind each part of a document's key; no part contains it.
const END: char = '\0';

/// Which document: its kind, and parts within it. Keys of a kind sort by their parts, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentKey {
    kind: Box<str>,
    /// Each part with its [`END`].
    parts: Box<str>,
}

impl DocumentKey {
    /// The key of these parts, or the beginning of all keys that begin with them. A part must not contain a control
    /// character, which the caller has seen to.
    pub fn new<'a>(kind: &str, parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for part in parts {
            debug_assert!(!part.contains(END), "a part that would be two");
            text.push_str(part);
            text.push(END);
        }
        Self { kind: kind.into(), parts: text.into() }
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The parts.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.parts.split_terminator(END)
    }

    /// Whether this begins as `prefix` does, which is of whole parts.
    pub fn begins_with(&self, prefix: &Self) -> bool {
        self.kind == prefix.kind && self.parts.starts_with(&*prefix.parts)
    }

    /// The parts with their ends, as they stand in a key of the table.
    pub(super) fn text(&self) -> &str {
        &self.parts
    }

    pub(super) fn from_text(kind: &str, parts: &str) -> Self {
        Self { kind: kind.into(), parts: parts.into() }
    }
}

/// A document to be written, or to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentChange {
    /// Which one.
    pub key: DocumentKey,
    /// What it is from then on; `None`: it is not there any more. The bytes are for whoever wrote them to read.
    pub value: Option<Box<[u8]>>,
}

/// An entry to be added at the end of a journal.
#[derive(Debug, Clone)]
pub struct JournalAddition {
    /// Which journal.
    pub journal: Box<str>,
    /// What it says. The bytes are for whoever wrote them to read.
    pub value: Box<[u8]>,
}

/// An entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place: larger than that of every entry before it in its journal.
    pub id: Id,
    /// When it was added.
    pub at: Instant,
    /// The revision behind the commit that it was added with; a commit that changed nothing has that of the one before.
    pub revision: Revision,
    /// What it says.
    pub value: Box<[u8]>,
}

/// What the table keeps of an entry beside its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JournalRow {
    pub(super) at: Instant,
    pub(super) revision: Revision,
    pub(super) value: Box<[u8]>,
}

impl JournalRow {
    pub(super) fn entry(self, id: Id) -> JournalEntry {
        let Self { at, revision, value } = self;
        JournalEntry { id, at, revision, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_begins_with_whole_parts_only() {
        let key = DocumentKey::new("invitation", ["acme", "1"]);
        let begins = |parts: &[&str]| key.begins_with(&DocumentKey::new("invitation", parts.iter().copied()));
        assert!(begins(&[]) && begins(&["acme"]) && begins(&["acme", "1"]));
        assert!(!begins(&["ac"]) && !begins(&["acme", "1", "x"]) && !begins(&["1"]));
        assert!(!key.begins_with(&DocumentKey::new("user", [])));
        assert_eq!(key.parts().collect::<Vec<_>>(), ["acme", "1"]);
        assert_eq!(DocumentKey::new("x", []).parts().count(), 0);
    }
}
