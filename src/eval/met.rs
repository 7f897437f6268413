//! What an evaluation has met: small collections that allocate nothing while little was met.
//!
//! Most checks meet a handful of objects; a few meet thousands. Both are held here, the few in place and found by
//! looking through them, the many under a hash that no client can foresee.

use std::hash::{BuildHasher, Hash};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use smallvec::SmallVec;

use super::plan::TypeId;

/// How many are looked through before they are hashed.
const FEW: usize = 16;

/// An object that an evaluation has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ObjectId(u32);

/// The objects that an evaluation has met, by number.
#[derive(Default)]
pub(super) struct Objects {
    /// Type, and where the identifier begins and ends in `text`.
    list: SmallVec<[(TypeId, usize, usize); FEW]>,
    text: String,
    hasher: DefaultHashBuilder,
    /// Of all, once they are more than a few.
    index: HashTable<u32>,
}

impl Objects {
    /// The number of an object.
    pub(super) fn intern(&mut self, of: TypeId, id: &str) -> ObjectId {
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        if self.list.len() < FEW {
            if let Some(found) = (0..next).map(ObjectId).find(|own| self.get(*own) == (of, id)) {
                return found;
            }
        } else {
            let Self { list, text, hasher, index } = self;
            let read = |number: u32| read(list, text, number);
            let hash = |own: &u32| hasher.hash_one(read(*own));
            if index.is_empty() {
                for own in 0..next {
                    index.insert_unique(hash(&own), own, hash);
                }
            }
            match index.entry(hasher.hash_one((of, id)), |own| read(*own) == (of, id), hash) {
                Entry::Occupied(found) => return ObjectId(*found.get()),
                Entry::Vacant(place) => drop(place.insert(next)),
            }
        }
        let begin = self.text.len();
        self.text.push_str(id);
        self.list.push((of, begin, self.text.len()));
        ObjectId(next)
    }

    /// The type and the identifier of an object.
    pub(super) fn get(&self, id: ObjectId) -> (TypeId, &str) {
        read(&self.list, &self.text, id.0)
    }
}

fn read<'a>(list: &[(TypeId, usize, usize)], text: &'a str, number: u32) -> (TypeId, &'a str) {
    match list.get(number as usize) {
        Some((of, begin, end)) => (*of, text.get(*begin..*end).unwrap_or("")),
        None => (TypeId(u32::MAX), ""),
    }
}

/// A map that is looked through while it is small.
pub(super) struct Few<K, V> {
    few: SmallVec<[(K, V); FEW]>,
    /// All of them, once they are more than a few.
    many: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Copy> Default for Few<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Few<K, V> {
    pub(super) fn new() -> Self {
        Self { few: SmallVec::new(), many: HashMap::new() }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        if self.many.is_empty() {
            self.few.iter().find(|(own, _)| own == key).map(|(_, value)| value)
        } else {
            self.many.get(key)
        }
    }

    /// Puts a value in the place of the one that is there, if one is. Answers whether the key is new.
    pub(super) fn insert(&mut self, key: K, value: V) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(key, value).is_none();
        }
        if let Some((_, own)) = self.few.iter_mut().find(|(own, _)| *own == key) {
            *own = value;
            return false;
        }
        if self.few.len() < FEW {
            self.few.push((key, value));
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(key, value);
        }
        true
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = K> + '_ {
        self.few.iter().map(|(key, _)| *key).chain(self.many.keys().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_their_numbers_when_they_become_many() {
        let mut objects = Objects::default();
        let name = |n: u32| format!("id{}", n / 2);
        let numbers: Vec<_> = (0..200).map(|n| objects.intern(TypeId(n % 2), &name(n))).collect();
        for n in 0..200 {
            let id = numbers[n as usize];
            assert_eq!(objects.intern(TypeId(n % 2), &name(n)), id);
            assert_eq!(objects.get(id), (TypeId(n % 2), &*name(n)));
            assert_eq!(id.0, n);
        }
    }

    #[test]
    fn a_map_keeps_its_entries_when_it_becomes_large() {
        let mut map = Few::new();
        for key in 0..100_u32 {
            assert!(map.insert(key, 0));
            assert!(!map.insert(key, key * 10));
            assert!((0..=key).all(|own| map.get(&own) == Some(&(own * 10))));
            assert_eq!(map.get(&(key + 1)), None);
            assert_eq!(map.keys().count(), key as usize + 1);
        }
    }
}
