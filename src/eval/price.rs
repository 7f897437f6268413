//! Rough prices of rewrites, to have an intersection ask its cheap operands first.
//!
//! A client writes the model, and names a relation in it as often as the model's size allows. So each relation is priced
//! once, and no call of a function goes from one relation to the next: a chain may have thousands.

use hashbrown::HashMap;

use super::plan::Rel;
use crate::model::{AuthorizationModel, RelationDefinition, RestrictionKind, Rewrite};

/// The price of a hop to other objects, in point reads.
const HOP: u32 = 8;

/// The relations of a type by their names.
pub(super) type Named = HashMap<Box<str>, Rel>;

/// What is known of a relation's price.
#[derive(Debug, Clone, Copy)]
enum Price {
    Unknown,
    /// The relations that it is computed from come first.
    Begun,
    Known(u32),
}

/// The prices of a model's relations, each found when it is first asked for.
pub(super) struct Prices<'m> {
    /// By relation, as the prices are.
    definitions: Vec<&'m RelationDefinition>,
    prices: Vec<Price>,
    /// Nodes of rewrites that were looked at so far.
    #[cfg(test)]
    pub(super) looked_at: std::cell::Cell<usize>,
}

impl<'m> Prices<'m> {
    /// No price yet. Relations are numbered in the order of the model.
    pub(super) fn new(model: &'m AuthorizationModel) -> Self {
        let definitions: Vec<_> = model.types.iter().flat_map(|definition| &definition.relations).collect();
        let prices = vec![Price::Unknown; definitions.len()];
        Self {
            definitions,
            prices,
            #[cfg(test)]
            looked_at: std::cell::Cell::default(),
        }
    }

    /// A rough price of deciding a rewrite, in point reads, with a hop to other objects priced as several. `named` are the
    /// relations of its type. A relation that is missing, or computed from itself, which no valid model has, counts as a hop.
    pub(super) fn price(&mut self, named: &Named, rewrite: &Rewrite) -> u32 {
        let mut open = Vec::new();
        self.open_computed(named, rewrite, &mut open);
        while let Some(rel) = open.last().copied() {
            let index = rel.0 as usize;
            let (Some(price), Some(definition)) =
                (self.prices.get(index), self.definitions.get(index).copied())
            else {
                open.pop();
                continue;
            };
            let next = match price {
                Price::Known(_) => {
                    open.pop();
                    continue;
                }
                Price::Unknown => {
                    self.open_computed(named, &definition.rewrite, &mut open);
                    Price::Begun
                }
                Price::Begun => Price::Known(self.relation(named, definition)),
            };
            if let Some(price) = self.prices.get_mut(index) {
                *price = next;
            }
        }
        self.sum(named, rewrite)
    }

    /// The relations without a price that a rewrite is computed from.
    fn open_computed(&self, named: &Named, rewrite: &Rewrite, open: &mut Vec<Rel>) {
        #[cfg(test)]
        self.look();
        match rewrite {
            Rewrite::This | Rewrite::TupleToUserset { .. } => {}
            Rewrite::Computed(relation) => {
                let unknown = |rel: &&Rel| matches!(self.prices.get(rel.0 as usize), Some(Price::Unknown));
                open.extend(named.get(relation).filter(unknown));
            }
            Rewrite::Union(children) | Rewrite::Intersection(children) => {
                for child in children {
                    self.open_computed(named, child, open);
                }
            }
            Rewrite::Difference { base, subtract } => {
                self.open_computed(named, base, open);
                self.open_computed(named, subtract, open);
            }
        }
    }

    fn relation(&self, named: &Named, definition: &RelationDefinition) -> u32 {
        let usersets = definition.restrictions.iter().any(|r| matches!(r.kind, RestrictionKind::Userset(_)));
        self.sum(named, &definition.rewrite).saturating_add(if usersets { HOP } else { 0 })
    }

    /// The price of a rewrite by those of the relations that it is computed from.
    fn sum(&self, named: &Named, rewrite: &Rewrite) -> u32 {
        #[cfg(test)]
        self.look();
        match rewrite {
            Rewrite::This => 1,
            Rewrite::Computed(relation) => {
                match named.get(relation).and_then(|rel| self.prices.get(rel.0 as usize)) {
                    Some(Price::Known(price)) => *price,
                    _ => HOP,
                }
            }
            Rewrite::TupleToUserset { .. } => HOP,
            Rewrite::Union(children) | Rewrite::Intersection(children) => {
                children.iter().fold(0, |sum, child| sum.saturating_add(self.sum(named, child)))
            }
            Rewrite::Difference { base, subtract } => {
                self.sum(named, base).saturating_add(self.sum(named, subtract))
            }
        }
    }

    /// Counts a node.
    #[cfg(test)]
    fn look(&self) {
        self.looked_at.set(self.looked_at.get() + 1);
    }
}
