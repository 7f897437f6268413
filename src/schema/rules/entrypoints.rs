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

    /// Which relations have an entry point.
    fn entered(&self) -> Vec<bool> {
        self.parts().entered(self.nodes.len())
    }

    /// What is entered by what.
    fn parts(&self) -> Parts {
        let mut parts = Parts::new(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let own = parts.own(id);
            for restriction in &node.relation.restrictions {
                match &restriction.kind {
                    RestrictionKind::Object | RestrictionKind::Wildcard => parts.enter(own),
                    RestrictionKind::Userset(relation) => {
                        if let Some(userset) = self.id_by_names(&restriction.type_name, relation) {
                            parts.link(userset, own);
                        }
                    }
                }
            }
            let root = self.part(&mut parts, id, node, &node.relation.rewrite);
            parts.link(root, id);
        }
        parts
    }

    /// The part that is entered where a rewrite is.
    fn part(&self, parts: &mut Parts, id: usize, node: &Node<'a>, rewrite: &Rewrite) -> usize {
        match rewrite {
            Rewrite::This => parts.own(id),
            Rewrite::Computed(relation) => {
                let relation = self.id(node.type_index, relation);
                parts.one_of(relation)
            }
            Rewrite::TupleToUserset { tupleset, computed } => {
                let definition = self.index.relation_index(node.type_index, tupleset);
                let definition = definition.and_then(|i| self.index.definition(node.type_index, i));
                let types = definition.map_or(&[][..], |definition| &definition.types);
                parts.one_of(types.iter().filter_map(|t| self.id_by_names(t, computed)))
            }
            Rewrite::Union(children) => {
                let children: Vec<_> = children.iter().map(|c| self.part(parts, id, node, c)).collect();
                parts.one_of(children)
            }
            Rewrite::Intersection(children) => {
                let children: Vec<_> = children.iter().map(|c| self.part(parts, id, node, c)).collect();
                parts.all_of(&children)
            }
            // Both, as OpenFGA has it: what can never be taken out is an error too.
            Rewrite::Difference { base, subtract } => {
                let both = [&**base, &**subtract].map(|part| self.part(parts, id, node, part));
                parts.all_of(&both)
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

/// What is entered by others: the relations first, then their own tuples, then the parts of rewrites.
struct Parts {
    relations: usize,
    /// By part: how many others it still waits for.
    missing: Vec<usize>,
    /// By part: those that wait for it, as often as they do.
    waiting: Vec<Vec<usize>>,
    /// Parts that are entered, of which those that wait have not been told yet.
    open: Vec<usize>,
}

impl Parts {
    /// Of so many relations, each entered where its own tuples or another part is that it is linked to.
    fn new(relations: usize) -> Self {
        let (missing, waiting) = (vec![1; 2 * relations], vec![Vec::new(); 2 * relations]);
        Self { relations, missing, waiting, open: Vec::new() }
    }

    /// The tuples of a relation.
    fn own(&self, relation: usize) -> usize {
        self.relations + relation
    }

    /// A part that is entered once it was told so often that another is.
    fn add(&mut self, missing: usize) -> usize {
        self.missing.push(missing);
        self.waiting.push(Vec::new());
        self.missing.len() - 1
    }

    fn one_of(&mut self, parts: impl IntoIterator<Item = usize>) -> usize {
        let whole = self.add(1);
        for part in parts {
            self.link(part, whole);
        }
        whole
    }

    fn all_of(&mut self, parts: &[usize]) -> usize {
        let whole = self.add(parts.len());
        for part in parts {
            self.link(*part, whole);
        }
        whole
    }

    /// Has `whole` wait for `part`.
    fn link(&mut self, part: usize, whole: usize) {
        if let Some(waiting) = self.waiting.get_mut(part) {
            waiting.push(whole);
        }
    }

    /// Tells a part that one that it waits for is entered.
    fn enter(&mut self, part: usize) {
        if let Some(missing) = self.missing.get_mut(part)
            && *missing > 0
        {
            *missing -= 1;
            if *missing == 0 {
                self.open.push(part);
            }
        }
    }

    /// Which of the first parts are entered in the end. Each link is followed once.
    fn entered(mut self, count: usize) -> Vec<bool> {
        while let Some(part) = self.open.pop() {
            for whole in self.waiting.get_mut(part).map(std::mem::take).unwrap_or_default() {
                self.enter(whole);
            }
        }
        self.missing.iter().take(count).map(|missing| *missing == 0).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse_unchecked;

    #[test]
    fn what_is_repeated_is_followed_no_more_often_than_it_is_written() {
        const TIMES: usize = 1000;
        let text = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define parent: [doc]
    define member: [user]\n    define all: [doc#member]\n    define up: member from parent\n";
        let mut model = parse_unchecked(text).unwrap().model;
        let doc = model.types.last_mut().unwrap();
        for relation in &mut doc.relations {
            let restriction = relation.restrictions.first().cloned();
            relation.restrictions = restriction.into_iter().flat_map(|r| vec![r; TIMES]).collect();
            if *relation.name == *"all" || *relation.name == *"up" {
                relation.rewrite = Rewrite::Union(vec![relation.rewrite.clone(); TIMES]);
            }
        }
        let index = Index::new(&model);
        let parts = Graph::new(&index).parts();
        let links: usize = parts.waiting.iter().map(Vec::len).sum();
        assert!(links <= 6 * TIMES, "{links} links");
        assert_eq!(parts.entered(4), [true; 4]);
    }
}
