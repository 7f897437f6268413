//! Which table answers a filter, and from where on.
//!
//! Both implementations ask here, so that their order and their pages are the same.

use super::TupleFilter;
use super::keys::{self, Key};
use crate::model::{ObjectRef, StoreId, TupleRef};

/// In which order the tuples of a store are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By object, relation, subject: `tuples`.
    ByObject,
    /// By subject, object type, relation, object: `subjects`.
    BySubject,
}

/// The walk that answers a filter: the keys that begin with `prefix`, of which those that the filter matches.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) order: Order,
    pub(super) prefix: Key,
}

impl Scan {
    /// The narrowest walk that contains everything that `filter` matches.
    pub(super) fn of(store: StoreId, filter: &TupleFilter<'_>) -> Self {
        match (filter.object(), filter.subject) {
            (Some(object), subject) => {
                let prefix = match (filter.relation, subject) {
                    (None, _) => keys::object(store, object),
                    (Some(relation), None) => keys::relation(store, object, relation),
                    (Some(relation), Some(subject)) => {
                        keys::tuple(store, TupleRef { object, relation, subject })
                    }
                };
                Self { order: Order::ByObject, prefix }
            }
            (None, Some(subject)) => {
                let prefix = match (filter.object_type, filter.relation) {
                    (None, _) => keys::reverse_subject(store, subject),
                    (Some(object_type), None) => keys::reverse_type(store, subject, object_type),
                    (Some(object_type), Some(relation)) => {
                        keys::reverse_relation(store, subject, object_type, relation)
                    }
                };
                Self { order: Order::BySubject, prefix }
            }
            (None, None) => {
                let prefix = match filter.object_type {
                    None => keys::store(store),
                    Some(object_type) => keys::object_type(store, object_type),
                };
                Self { order: Order::ByObject, prefix }
            }
        }
    }

    /// The key of a tuple in this walk.
    pub(super) fn key(&self, store: StoreId, tuple: TupleRef<'_>) -> Key {
        match self.order {
            Order::ByObject => keys::tuple(store, tuple),
            Order::BySubject => keys::reverse(store, tuple),
        }
    }
}

impl<'a> TupleFilter<'a> {
    /// The one object that it names, if it does.
    fn object(&self) -> Option<ObjectRef<'a>> {
        let (type_name, id) = self.object_type.zip(self.object_id)?;
        Some(ObjectRef { type_name, id })
    }

    /// Whether a tuple is one of those asked for.
    pub(super) fn matches(&self, tuple: TupleRef<'_>) -> bool {
        self.object_type.is_none_or(|type_name| type_name == tuple.object.type_name)
            && self.object_id.is_none_or(|id| id == tuple.object.id)
            && self.relation.is_none_or(|relation| relation == tuple.relation)
            && self.subject.is_none_or(|subject| subject == tuple.subject)
    }

    /// In a walk by object, the place of the next tuple that can match, behind `tuple`, which does not: for a subject
    /// on any relation of one object, whose relations may each have very many subjects. `None`: step on.
    pub(super) fn skip_from(&self, store: StoreId, tuple: TupleRef<'_>) -> Option<Key> {
        let object = self.object()?;
        let subject = self.subject?;
        if self.relation.is_some() || tuple.object != object {
            return None;
        }
        Some(if tuple.subject < subject {
            keys::tuple(store, TupleRef { object, relation: tuple.relation, subject })
        } else {
            keys::behind_relation(store, object, tuple.relation)
        })
    }
}
