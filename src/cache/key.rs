//! Whose decision an entry is.
//!
//! A key holds everything that a decision is for, so that two keys are equal only if the questions are. It is compared
//! whole.

use smallvec::SmallVec;

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

/// Long enough for most, so that looking allocates nothing.
pub(super) type Key = SmallVec<[u8; 192]>;

impl Scope {
    /// The key of a question. Each text stands behind its length, so that no two questions share a key.
    pub(super) fn key(&self, question: TupleRef<'_>) -> Key {
        let mut key = Key::new();
        key.extend_from_slice(&self.store.bits().to_le_bytes());
        key.extend_from_slice(&self.epoch.to_le_bytes());
        key.extend_from_slice(&self.model.bits().to_le_bytes());
        let TupleRef { object, relation, subject } = question;
        for part in [object.type_name, object.id, relation] {
            push(&mut key, part);
        }
        match subject {
            SubjectRef::Object(object) => {
                key.push(0);
                push(&mut key, object.type_name);
                push(&mut key, object.id);
            }
            SubjectRef::Wildcard(type_name) => {
                key.push(1);
                push(&mut key, type_name);
            }
            SubjectRef::Userset(object, relation) => {
                key.push(2);
                push(&mut key, object.type_name);
                push(&mut key, object.id);
                push(&mut key, relation);
            }
        }
        key
    }
}

fn push(key: &mut Key, text: &str) {
    key.extend_from_slice(&text.len().to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}
