//! Entry points and cycles: each relation can be held by somebody, and none is computed from itself.
//!
//! A relation has an entry point if some tuple can lead to it: the least set that is closed under the rewrites.
//! It is computed by propagation, so that the time grows with the model's references and not with its paths.

use super::index::Index;
use super::{Place, Violation, ViolationKind, leaves};
use crate::model::{RelationDefinition, RestrictionKind, Rewrite};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let graph = Graph::new(index);
    let entered = graph.entered();
    let (leads_to_cycle, in_cycle) = graph.cycles();
    let at = |set: &[bool], id: usize| set.get(id).copied().unwrap_or_default();
    for (id, node) in graph.nodes.iter().enumerate() {
        let place = Place::Relation { type_index: node.type_index, relation_index: node.relation_index };
        let (name, type_name) = (&node.relation.name, node.type_name);
        if !at(&entered, id) {
            let why =
                if at(&leads_to_cycle, id) { "it is computed from itself" } else { "no tuple leads to it" };
            let message = format!("nobody can hold `{name}` on `{type_name}`: {why}");
            found.push(Violation::new(ViolationKind::NoEntrypoint, place, message));
        } else if at(&in_cycle, id) {
            let message = format!("`{name}` on `{type_name}` is computed from itself");
            found.push(Violation::new(ViolationKind::RewriteCycle, place, message));
        }
    }
}

/// A relation of a type.
struct Node<'a> {
    type_index: usize,
    type_name: &'a str,
    relation_index: usize,
    relation: &'a RelationDefinition,
}

struct Graph<'a> {
    index: &'a Index<'a>,
    nodes: Vec<Node<'a>>,
    /// For each type, the number of its first relation.
    first: Vec<usize>,
}

impl<'a> Graph<'a> {
    fn new(index: &'a Index<'a>) -> Self {
        let mut nodes = Vec::new();
        let mut first = Vec::new();
        for (type_index, definition) in index.model.types.iter().enumerate() {
            first.push(nodes.len());
            for (relation_index, relation) in definition.relations.iter().enumerate() {
                nodes.push(Node { type_index, type_name: &definition.name, relation_index, relation });
            }
        }
        Self { index, nodes, first }
    }

    fn id(&self, type_index: usize, relation: &str) -> Option<usize> {
        Some(self.first.get(type_index)? + self.index.relation_index(type_index, relation)?)
    }

    fn id_by_names(&self, type_name: &str, relation: &str) -> Option<usize> {
        self.id(self.index.type_index(type_name)?, relation)
    }

    /// The types that a relation's tuples may name.
    fn tupleset_types(&self, type_index: usize, tupleset: &str) -> impl Iterator<Item = &'a str> {
        let relation = self.id(type_index, tupleset).and_then(|id| self.nodes.get(id)).map(|n| n.relation);
        relation.map_or(&[][..], |r| &r.restrictions).iter().map(|r| &*r.type_name)
    }

    /// The relations that may give `node` an entry point.
    fn sources(&self, node: &Node<'a>) -> Vec<usize> {
        let mut sources = Vec::new();
        for leaf in leaves(&node.relation.rewrite) {
            match leaf {
                Rewrite::This => {
                    for restriction in &node.relation.restrictions {
                        if let RestrictionKind::Userset(relation) = &restriction.kind {
                            sources.extend(self.id_by_names(&restriction.type_name, relation));
                        }
                    }
                }
                Rewrite::Computed(relation) => sources.extend(self.id(node.type_index, relation)),
                Rewrite::TupleToUserset { tupleset, computed } => {
                    let types = self.tupleset_types(node.type_index, tupleset);
                    sources.extend(types.filter_map(|t| self.id_by_names(t, computed)));
                }
                _ => {}
            }
        }
        sources
    }

    /// Which relations have an entry point.
    fn entered(&self) -> Vec<bool> {
        let mut dependents = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for source in self.sources(node) {
                if let Some(list) = dependents.get_mut(source) {
                    list.push(id);
                }
            }
        }
        let mut entered = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = (0..self.nodes.len()).collect();
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(id) else { continue };
            if entered.get(id) == Some(&false)
                && self.is_entered(node, &node.relation.rewrite, &entered)
                && let Some(slot) = entered.get_mut(id)
            {
                *slot = true;
                open.extend(dependents.get(id).into_iter().flatten());
            }
        }
        entered
    }

    fn is_entered(&self, node: &Node<'a>, rewrite: &Rewrite, entered: &[bool]) -> bool {
        let known = |id: Option<usize>| id.and_then(|id| entered.get(id)).copied().unwrap_or_default();
        match rewrite {
            Rewrite::This => node.relation.restrictions.iter().any(|r| match &r.kind {
                RestrictionKind::Object | RestrictionKind::Wildcard => true,
                RestrictionKind::Userset(relation) => known(self.id_by_names(&r.type_name, relation)),
            }),
            Rewrite::Computed(relation) => known(self.id(node.type_index, relation)),
            Rewrite::TupleToUserset { tupleset, computed } => {
                let mut types = self.tupleset_types(node.type_index, tupleset);
                types.any(|t| known(self.id_by_names(t, computed)))
            }
            Rewrite::Union(children) => children.iter().any(|c| self.is_entered(node, c, entered)),
            Rewrite::Intersection(children) => children.iter().all(|c| self.is_entered(node, c, entered)),
            // Both, as OpenFGA has it: what can never be taken out is an error too.
            Rewrite::Difference { base, subtract } => {
                self.is_entered(node, base, entered) && self.is_entered(node, subtract, entered)
            }
        }
    }

    /// Which relations lead to a cycle of rewrites on the same object, and which are in one (or between two).
    fn cycles(&self) -> (Vec<bool>, Vec<bool>) {
        let mut forward = vec![Vec::new(); self.nodes.len()];
        let mut backward = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for leaf in leaves(&node.relation.rewrite) {
                if let Rewrite::Computed(relation) = leaf
                    && let Some(to) = self.id(node.type_index, relation)
                    && let (Some(out), Some(into)) = (forward.get_mut(id), backward.get_mut(to))
                {
                    out.push(to);
                    into.push(id);
                }
            }
        }
        let leads = peel(&forward, &backward, vec![true; self.nodes.len()]);
        let within = peel(&backward, &forward, leads.clone());
        (leads, within)
    }
}

/// Removes, as long as there are any, the nodes of `kept` without an edge to another kept one.
fn peel(edges: &[Vec<usize>], reverse: &[Vec<usize>], mut kept: Vec<bool>) -> Vec<bool> {
    let is_kept = |kept: &[bool], id: usize| kept.get(id).copied().unwrap_or_default();
    let mut degree: Vec<usize> =
        edges.iter().map(|to| to.iter().filter(|&&id| is_kept(&kept, id)).count()).collect();
    let mut open: Vec<usize> = degree
        .iter()
        .enumerate()
        .filter(|&(id, &d)| d == 0 && is_kept(&kept, id))
        .map(|(id, _)| id)
        .collect();
    while let Some(id) = open.pop() {
        if let Some(slot) = kept.get_mut(id) {
            *slot = false;
        }
        for &from in reverse.get(id).into_iter().flatten() {
            if let Some(count) = degree.get_mut(from) {
                *count = count.saturating_sub(1);
                if *count == 0 && is_kept(&kept, from) {
                    open.push(from);
                }
            }
        }
    }
    kept
}
