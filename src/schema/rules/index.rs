//! Names to indices. Where a name is defined twice, the last definition counts, as it does for OpenFGA.

use std::collections::{HashMap, HashSet};

use crate::model::{AuthorizationModel, RelationDefinition, RestrictionKind};

/// A relation, with what its tuples may name.
pub(super) struct Defined<'a> {
    pub(super) relation: &'a RelationDefinition,
    /// The types, each once however often they are repeated, in their order.
    pub(super) types: Vec<&'a str>,
    /// Whether they may name plain objects alone.
    pub(super) is_plain: bool,
}

impl<'a> Defined<'a> {
    fn new(relation: &'a RelationDefinition) -> Self {
        let mut seen = HashSet::new();
        let types = relation.restrictions.iter().map(|r| &*r.type_name).filter(|name| seen.insert(*name));
        let is_plain = relation.restrictions.iter().all(|r| r.kind == RestrictionKind::Object);
        Self { relation, types: types.collect(), is_plain }
    }
}

/// A model with its names looked up.
pub(super) struct Index<'a> {
    pub(super) model: &'a AuthorizationModel,
    types: HashMap<&'a str, usize>,
    relations: Vec<HashMap<&'a str, usize>>,
    definitions: Vec<Vec<Defined<'a>>>,
    conditions: HashMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(model: &'a AuthorizationModel) -> Self {
        Self {
            model,
            types: model.types.iter().enumerate().map(|(i, t)| (&*t.name, i)).collect(),
            relations: model
                .types
                .iter()
                .map(|t| t.relations.iter().enumerate().map(|(i, r)| (&*r.name, i)).collect())
                .collect(),
            definitions: model.types.iter().map(|t| t.relations.iter().map(Defined::new).collect()).collect(),
            conditions: model.conditions.iter().enumerate().map(|(i, c)| (&*c.name, i)).collect(),
        }
    }

    pub(super) fn type_index(&self, name: &str) -> Option<usize> {
        self.types.get(name).copied()
    }

    pub(super) fn relation_index(&self, type_index: usize, name: &str) -> Option<usize> {
        self.relations.get(type_index)?.get(name).copied()
    }

    /// A relation of a type, by its index.
    pub(super) fn definition(&self, type_index: usize, relation_index: usize) -> Option<&Defined<'a>> {
        self.definitions.get(type_index)?.get(relation_index)
    }

    pub(super) fn has_condition(&self, name: &str) -> bool {
        self.conditions.contains_key(name)
    }

    pub(super) fn type_names(&self) -> impl Iterator<Item = &'a str> {
        self.model.types.iter().map(|t| &*t.name)
    }

    pub(super) fn condition_names(&self) -> impl Iterator<Item = &'a str> {
        self.model.conditions.iter().map(|c| &*c.name)
    }

    pub(super) fn relation_names(&self, type_index: usize) -> impl Iterator<Item = &'a str> {
        let relations = self.model.types.get(type_index).map_or(&[][..], |t| &t.relations);
        relations.iter().map(|r| &*r.name)
    }
}
