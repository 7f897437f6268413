//! Whose decision an entry is.
//!
//! A key holds everything that a decision is for, so that two keys are equal only if the questions are. It is compared
//! whole.

use crate::model::{ModelId, StoreId, SubjectRef, TupleRef};

/// What questions are asked of: one existence of one store, under one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The store.
    pub store: StoreId,
    /// Which of its existences.
    pub epoch: u64,
    /// The model, resolved.
    pub model: ModelId,
}

/// The bytes of a key.
pub(super) type Key = Vec<u8>;

/// The scope, what kind of subject asks, and the length of each text.
const HEAD_BYTES: usize = 16 + 8 + 16 + 1 + TEXTS * size_of::<u32>();
/// Texts of a question, of which some are empty where the subject has fewer.
const TEXTS: usize = 6;

impl Scope {
    /// The key of a question. The lengths of its texts stand before them, so that no two questions share a key.
    pub(super) fn key(&self, question: TupleRef<'_>) -> Key {
        let TupleRef { object, relation, subject } = question;
        let (kind, subject) = match subject {
            SubjectRef::Object(object) => (0, [object.type_name, object.id, ""]),
            SubjectRef::Wildcard(type_name) => (1, [type_name, "", ""]),
            SubjectRef::Userset(object, relation) => (2, [object.type_name, object.id, relation]),
        };
        let [subject_type, subject_id, subject_relation] = subject;
        let texts: [&str; TEXTS] =
            [object.type_name, object.id, relation, subject_type, subject_id, subject_relation];

        let mut key = Key::with_capacity(HEAD_BYTES + texts.iter().map(|text| text.len()).sum::<usize>());
        key.extend_from_slice(&self.store.bits().to_le_bytes());
        key.extend_from_slice(&self.epoch.to_le_bytes());
        key.extend_from_slice(&self.model.bits().to_le_bytes());
        key.push(kind);
        for text in texts {
            // Identifiers are a few hundred bytes long at the most.
            key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        for text in texts {
            key.extend_from_slice(text.as_bytes());
        }
        key
    }
}
