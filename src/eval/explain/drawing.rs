//! From what was looked at to the tree that is shown.
//!
//! Each relation of an object is shown in full once: where the decision rests on it, if it does anywhere, else where the
//! tree comes to it first. The proof of what holds is never circular: each step of it rests on earlier ones only.

use hashbrown::{HashMap, HashSet};

use super::super::plan::Plan;
use super::graph::{Entry, Found, Graph, NodeId, Part};
use super::tree::{ExplainedNode, NodeKind, Note, ShownTuple, TupleState, Verdict};
use crate::model::Object;
use crate::model::limits::{SHOWN_DEPTH_MAX, SHOWN_NODES_MAX, SHOWN_TUPLES_PER_RELATION_MAX};

/// The tree of a graph.
pub(super) fn draw(plan: &Plan, graph: &Graph) -> ExplainedNode {
    let steps = steps(graph);
    let mut drawing = Drawing {
        plan,
        graph,
        steps: &steps,
        telling: telling(graph),
        deciding: HashSet::new(),
        shown: HashSet::new(),
        nodes: 0,
    };
    if let Some(part) = drawing.met(Graph::ROOT) {
        drawing.follow(part);
    }
    drawing.relation(Graph::ROOT, true, 1)
}

/// How many steps from the tuples prove each relation that holds. One that holds and was not looked into proves itself.
fn steps(graph: &Graph) -> HashMap<NodeId, u32> {
    let mut steps = HashMap::new();
    let mut open = Vec::new();
    for id in graph.ids() {
        match graph.node(id) {
            Some(node) if node.verdict != Verdict::True => {}
            Some(node) if node.part.is_some() => open.push(id),
            Some(_) => drop(steps.insert(id, 0)),
            None => {}
        }
    }
    // One round for each step, so that a proof rests on earlier rounds only.
    for round in 1.. {
        let proven = |id: &NodeId| {
            let part = graph.node(*id).and_then(|node| node.part.as_ref());
            part.is_some_and(|part| part_steps(graph, &steps, part).is_some())
        };
        let now: Vec<_> = open.iter().copied().filter(proven).collect();
        if now.is_empty() {
            break;
        }
        open.retain(|id| !now.contains(id));
        steps.extend(now.into_iter().map(|id| (id, round)));
    }
    steps
}

/// The steps that prove a rewrite, if those found so far do.
fn part_steps(graph: &Graph, steps: &HashMap<NodeId, u32>, part: &Part) -> Option<u32> {
    let of = |part: &Part| part_steps(graph, steps, part);
    match part {
        Part::Union(parts) => parts.iter().filter_map(of).min(),
        Part::Intersection(parts) => {
            parts.iter().map(of).try_fold(0, |most, own| own.map(|own| most.max(own)))
        }
        Part::Difference(base, subtract) => of(base).filter(|_| graph.of_part(subtract) == Verdict::False),
        Part::Relation(id) => steps.get(id).copied(),
        Part::Tuples(found) | Part::From(found, _) => {
            found.entries.iter().filter_map(|entry| entry_steps(steps, entry)).min()
        }
        Part::Nobody | Part::Unseen => None,
    }
}

fn entry_steps(steps: &HashMap<NodeId, u32>, entry: &Entry) -> Option<u32> {
    match (&entry.state, entry.leads_to) {
        (TupleState::Live, None) => Some(0),
        (TupleState::Live, Some(id)) => steps.get(&id).copied(),
        _ => None,
    }
}

/// The relations below which something tells why: a tuple with the subject, or something that holds or is not known.
fn telling(graph: &Graph) -> HashSet<NodeId> {
    let mut telling = HashSet::new();
    loop {
        let tells = |id: &NodeId| {
            !telling.contains(id)
                && graph.node(*id).is_some_and(|node| {
                    node.verdict != Verdict::False
                        || node.part.as_ref().is_some_and(|part| part_tells(&telling, part))
                })
        };
        let more: Vec<_> = graph.ids().filter(tells).collect();
        if more.is_empty() {
            return telling;
        }
        telling.extend(more);
    }
}

fn part_tells(telling: &HashSet<NodeId>, part: &Part) -> bool {
    match part {
        Part::Union(parts) | Part::Intersection(parts) => parts.iter().any(|part| part_tells(telling, part)),
        Part::Difference(base, subtract) => part_tells(telling, base) || part_tells(telling, subtract),
        Part::Relation(id) => telling.contains(id),
        Part::Tuples(found) | Part::From(found, _) => {
            found.entries.iter().any(|entry| entry_tells(telling, entry))
        }
        Part::Nobody | Part::Unseen => false,
    }
}

fn entry_tells(telling: &HashSet<NodeId>, entry: &Entry) -> bool {
    entry.leads_to.is_none_or(|id| telling.contains(&id))
}

struct Drawing<'g> {
    plan: &'g Plan,
    graph: &'g Graph,
    steps: &'g HashMap<NodeId, u32>,
    telling: HashSet<NodeId>,
    /// The relations that the decision rests on.
    deciding: HashSet<NodeId>,
    /// Those that stand in the tree in full.
    shown: HashSet<NodeId>,
    nodes: usize,
}

impl<'g> Drawing<'g> {
    /// Notes the relations that the decision rests on, below a rewrite that it rests on.
    fn follow(&mut self, part: &'g Part) {
        // A stack, since the relations of one object can be a long chain.
        let mut open = vec![part];
        while let Some(part) = open.pop() {
            match part {
                Part::Union(parts) | Part::Intersection(parts) => {
                    let decides = self.deciding_parts(part, parts);
                    open.extend(
                        parts.iter().zip(decides).filter(|(_, decides)| *decides).map(|(part, _)| part),
                    );
                }
                Part::Difference(base, subtract) => {
                    let [first, second] = self.deciding_operands(base, subtract);
                    open.extend(first.then_some(&**base));
                    open.extend(second.then_some(&**subtract));
                }
                Part::Relation(id) => open.extend(self.met(*id)),
                Part::Tuples(found) | Part::From(found, _) => {
                    let proof = self.proof(found);
                    for (index, entry) in found.entries.iter().enumerate() {
                        let own = proof.is_none_or(|proof| proof == index);
                        if let Some(id) = entry.leads_to.filter(|_| own && entry.state.counts()) {
                            open.extend(self.met(id));
                        }
                    }
                }
                Part::Nobody | Part::Unseen => {}
            }
        }
    }

    /// Notes a relation that the decision rests on. Answers its rewrite where it is met first.
    fn met(&mut self, id: NodeId) -> Option<&'g Part> {
        let part = self.graph.node(id).and_then(|node| node.part.as_ref());
        part.filter(|_| self.deciding.insert(id))
    }

    /// Which parts of a union or an intersection that the decision rests on it rests on.
    fn deciding_parts(&self, whole: &Part, parts: &[Part]) -> Vec<bool> {
        let is_union = matches!(whole, Part::Union(_));
        let all = self.graph.of_part(whole);
        if all == Verdict::True && is_union {
            let steps = |part| part_steps(self.graph, self.steps, part);
            let proof =
                parts.iter().enumerate().filter_map(|(index, part)| Some((steps(part)?, index))).min();
            return (0..parts.len()).map(|index| proof.is_some_and(|(_, proof)| proof == index)).collect();
        }
        // All of what holds, each of what does not.
        parts.iter().map(|part| is_union || self.graph.of_part(part) == all).collect()
    }

    /// The same for the two sides of a difference.
    fn deciding_operands(&self, base: &Part, subtract: &Part) -> [bool; 2] {
        let (base, subtract) = (self.graph.of_part(base), self.graph.of_part(subtract));
        match (&base, &subtract) {
            (Verdict::True, Verdict::False) => [true, true],
            (base, subtract) => [*base != Verdict::True, *subtract != Verdict::False],
        }
    }

    /// The tuple that proves a relation that holds; `None` where none does, and all decide.
    fn proof(&self, found: &Found) -> Option<usize> {
        let steps = |entry| entry_steps(self.steps, entry);
        let entries = found.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| Some((steps(entry)?, index))).min().map(|(_, index)| index)
    }

    fn relation(&mut self, id: NodeId, decides: bool, depth: usize) -> ExplainedNode {
        self.nodes += 1;
        let graph = self.graph;
        let Some(node) = graph.node(id) else { return unseen(decides) };
        let kind = NodeKind::Relation {
            object: node.object.clone(),
            relation: self.plan.relation_name(node.rel).into(),
        };
        let mut shown = ExplainedNode {
            kind,
            verdict: node.verdict.clone(),
            decides,
            note: node.note,
            children: Vec::new(),
        };
        let Some(part) = &node.part else { return shown };
        // What does not decide leaves half of the room to what does.
        let room = if decides { SHOWN_NODES_MAX } else { SHOWN_NODES_MAX / 2 };
        let elsewhere = self.shown.contains(&id) || !decides && self.deciding.contains(&id);
        if elsewhere {
            shown.note = Some(Note::Repeated);
        } else if depth >= SHOWN_DEPTH_MAX || self.nodes >= room {
            shown.note = Some(Note::Limit);
        } else {
            self.shown.insert(id);
            shown.children.push(self.part(&node.object, part, decides, depth + 1));
        }
        shown
    }

    fn part(&mut self, object: &Object, part: &Part, decides: bool, depth: usize) -> ExplainedNode {
        if let Part::Relation(id) = part {
            return self.relation(*id, decides, depth);
        }
        self.nodes += 1;
        let mut node = ExplainedNode {
            kind: NodeKind::Union,
            verdict: self.graph.of_part(part),
            decides,
            note: None,
            children: Vec::new(),
        };
        if depth >= SHOWN_DEPTH_MAX {
            node.note = Some(Note::Limit);
        }
        match part {
            Part::Union(parts) | Part::Intersection(parts) => {
                if matches!(part, Part::Intersection(_)) {
                    node.kind = NodeKind::Intersection;
                }
                if node.note.is_none() {
                    let deciding = self.deciding_parts(part, parts);
                    let each = parts.iter().zip(deciding);
                    node.children =
                        each.map(|(part, own)| self.part(object, part, decides && own, depth + 1)).collect();
                }
            }
            Part::Difference(base, subtract) => {
                node.kind = NodeKind::Difference;
                if node.note.is_none() {
                    let own = self.deciding_operands(base, subtract);
                    let each = [base, subtract].into_iter().zip(own);
                    node.children =
                        each.map(|(part, own)| self.part(object, part, decides && own, depth + 1)).collect();
                }
            }
            Part::Tuples(found) => {
                node.kind = NodeKind::Tuples { object: object.clone(), relation: found.relation.clone() };
                self.tuples(&mut node, found, depth);
            }
            Part::From(found, computed) => {
                node.kind = NodeKind::From {
                    object: object.clone(),
                    tupleset: found.relation.clone(),
                    computed: computed.clone(),
                };
                self.tuples(&mut node, found, depth);
            }
            Part::Nobody | Part::Unseen | Part::Relation(_) => {
                let unseen = matches!(part, Part::Unseen);
                node.note = Some(if unseen { Note::Limit } else { Note::Unreachable });
            }
        }
        node
    }

    /// Shows tuples: those that say most first, then in the order of their subjects.
    fn tuples(&mut self, node: &mut ExplainedNode, found: &Found, depth: usize) {
        if !found.reachable {
            node.note = Some(Note::Unreachable);
        }
        let proof = self.proof(found);
        let mut entries: Vec<_> = found.entries.iter().enumerate().collect();
        entries.sort_by_cached_key(|(index, entry)| {
            let silent = !entry_tells(&self.telling, entry);
            (proof != Some(*index), silent, entry.key.subject.to_string())
        });
        let cut = found.unread || entries.len() > SHOWN_TUPLES_PER_RELATION_MAX || depth >= SHOWN_DEPTH_MAX;
        if cut {
            node.note = Some(Note::Limit);
        }
        if depth >= SHOWN_DEPTH_MAX {
            return;
        }
        for (index, entry) in entries.into_iter().take(SHOWN_TUPLES_PER_RELATION_MAX) {
            let own = node.decides && proof.is_none_or(|proof| proof == index);
            node.children.push(self.tuple(entry, own, depth + 1));
        }
    }

    fn tuple(&mut self, entry: &Entry, decides: bool, depth: usize) -> ExplainedNode {
        self.nodes += 1;
        let Entry { key, record, contextual, state, leads_to } = entry;
        let kind = NodeKind::Tuple(ShownTuple {
            key: key.clone(),
            record: record.clone(),
            state: state.clone(),
            contextual: *contextual,
        });
        let below = leads_to.filter(|_| depth < SHOWN_DEPTH_MAX);
        // Nothing rests on what a tuple that does not count would lead to.
        let rests = decides && state.counts();
        ExplainedNode {
            kind,
            verdict: self.graph.of_entry(entry),
            decides,
            note: (leads_to.is_some() && below.is_none()).then_some(Note::Limit),
            children: below.map(|id| self.relation(id, rests, depth + 1)).into_iter().collect(),
        }
    }
}

fn unseen(decides: bool) -> ExplainedNode {
    let note = Some(Note::Limit);
    ExplainedNode {
        kind: NodeKind::Union,
        verdict: Verdict::NotEvaluated,
        decides,
        note,
        children: Vec::new(),
    }
}
