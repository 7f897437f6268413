//! The search for ways to turn a denial into an allowance: small sets of changes of tuples.
//!
//! Over what was looked at, each relation of an object gets the *ways* to make it hold and to make it not hold, put together
//! from those of its parts: any way of an alternative, one way of each operand together, and so on, again and again until
//! nothing new comes of it. What is found here is a proposal: cycles and subtractions may make it wrong, so that each is
//! tried before it is offered. The nearest ways are kept of each relation, the others are let go.

use std::cmp::Reverse;
use std::collections::VecDeque;

use hashbrown::HashMap;

use super::graph::{Entry, Found, Graph, Missing, NodeId, Part};
use super::reasons::{Change, ChangeKind};
use super::tree::{TupleState, Verdict};
use crate::model::TupleKey;
use crate::model::limits::{CHANGES_PER_REASON_MAX, WAYS_PER_RELATION_MAX};

/// Times that all relations are gone through in one turn at the most: longer chains of relations than this are no near ways.
const ROUNDS_MAX: usize = 64;
/// Turns of looking for what makes relations not hold and for what makes them hold, at the most: as many as there are
/// subtractions within subtractions.
const TURNS_MAX: usize = 8;
/// Distance of the objects that a tuple may be added to, in tuples: on the object that is asked about, or one away.
const ADD_DISTANCE_MAX: u32 = 1;

/// A change, and how far away from the object that is asked about it is, in tuples.
#[derive(Debug, Clone)]
pub(super) struct FarChange {
    pub(super) change: Change,
    pub(super) distance: u32,
    /// Whether it is a tuple that leads on to others.
    leads_on: bool,
    /// Whether it would be one more of those that lead on there.
    one_more: bool,
}

/// How near a way is; the lesser, the nearer. First what lets tuples count that are there, then what raises a role that is
/// there, then what takes away what stands in the way, then what was never there; then the fewer changes; then the fewer
/// tuples away; then who is named directly, or else is the first to be named there.
pub(super) fn nearness(changes: &[&FarChange]) -> (u8, usize, u32, bool, bool) {
    let class = |far: &&FarChange| match far.change.kind {
        ChangeKind::Resume | ChangeKind::Renew => 0,
        ChangeKind::RaiseCeiling => 1,
        ChangeKind::Remove => 2,
        ChangeKind::Add => 3,
    };
    (
        changes.iter().map(class).max().unwrap_or(0),
        changes.len(),
        changes.iter().map(|far| far.distance).max().unwrap_or(0),
        changes.iter().any(|far| far.leads_on),
        changes.iter().any(|far| far.one_more),
    )
}

/// A change, by its number.
type ChangeId = usize;
/// Changes that are made together, sorted.
type Way = Vec<ChangeId>;

/// The ways that were found, the nearest first, and whether others were let go.
pub(super) fn find(graph: &Graph) -> (Vec<Vec<FarChange>>, bool) {
    let mut search = Search::new(graph);
    search.settle();
    let ways = search.ways.get(&(Graph::ROOT, true)).cloned().unwrap_or_default();
    let may_be_offered = |way: &&Way| {
        !way.is_empty()
            && search
                .changes(way)
                .all(|far| far.change.kind != ChangeKind::Add || far.distance <= ADD_DISTANCE_MAX)
    };
    let found = ways.iter().filter(may_be_offered).map(|way| search.changes(way).cloned().collect());
    (found.collect(), search.let_go)
}

struct Search<'g> {
    graph: &'g Graph,
    changes: Vec<FarChange>,
    numbers: HashMap<(ChangeKind, TupleKey), ChangeId>,
    /// By relation of an object: the ways to make it hold (`true`) and those to make it not hold, as far as they matter.
    ways: HashMap<(NodeId, bool), Vec<Way>>,
    let_go: bool,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph) -> Self {
        let mut search =
            Self { graph, changes: Vec::new(), numbers: HashMap::new(), ways: HashMap::new(), let_go: false };
        let mut open = VecDeque::from([(Graph::ROOT, true)]);
        while let Some((id, holds)) = open.pop_front() {
            let Some(node) = graph.node(id) else { continue };
            if search.ways.insert((id, holds), Vec::new()).is_none()
                && let Some(part) = &node.part
            {
                search.note(part, holds, node.distance, &mut open);
            }
        }
        search
    }

    /// Numbers the changes of a rewrite, and notes what it leads to.
    fn note(&mut self, part: &Part, holds: bool, distance: u32, open: &mut VecDeque<(NodeId, bool)>) {
        let mut met = |id: NodeId, holds: bool| {
            if !self.ways.contains_key(&(id, holds)) {
                open.push_back((id, holds));
            }
        };
        match part {
            Part::Union(parts) | Part::Intersection(parts) => {
                parts.iter().for_each(|part| self.note(part, holds, distance, open));
            }
            Part::Difference(base, subtract) => {
                self.note(base, holds, distance, open);
                self.note(subtract, !holds, distance, open);
            }
            Part::Relation(id) => met(*id, holds),
            Part::Tuples(found) | Part::From(found, _) => {
                found.entries.iter().filter_map(|entry| entry.leads_to).for_each(|id| met(id, holds));
                if holds {
                    found.missing.iter().filter_map(|missing| missing.leads_to).for_each(|id| met(id, true));
                }
                self.number(found, holds, distance);
            }
            Part::Nobody | Part::Unseen => {}
        }
    }

    fn number(&mut self, found: &Found, holds: bool, distance: u32) {
        for entry in &found.entries {
            let kinds = if holds { kinds_to_revive(&entry.state) } else { Some(&[ChangeKind::Remove][..]) };
            for kind in kinds.unwrap_or_default() {
                let Entry { key, record, contextual, leads_to, .. } = entry;
                let change = Change {
                    kind: *kind,
                    key: key.clone(),
                    record: Some(record.clone()),
                    contextual: *contextual,
                    ceiling: None,
                };
                self.add(FarChange { change, distance, leads_on: leads_to.is_some(), one_more: false });
            }
        }
        let is_first = !found.entries.iter().any(|entry| entry.state.counts());
        for Missing { key, ceiling, leads_to } in found.missing.iter().filter(|_| holds) {
            let mut add = |kind, ceiling: Option<&TupleKey>| {
                let change = Change {
                    kind,
                    key: key.clone(),
                    record: None,
                    contextual: false,
                    ceiling: ceiling.cloned(),
                };
                let leads_on = leads_to.is_some();
                self.add(FarChange { change, distance, leads_on, one_more: leads_on && !is_first });
            };
            if let Some(ceiling) = ceiling {
                add(ChangeKind::RaiseCeiling, Some(ceiling));
            }
            add(ChangeKind::Add, None);
        }
    }

    fn add(&mut self, far: FarChange) {
        let next = self.changes.len();
        let id = *self.numbers.entry((far.change.kind, far.change.key.clone())).or_insert(next);
        match self.changes.get_mut(id) {
            Some(known) => known.distance = known.distance.min(far.distance),
            None => self.changes.push(far),
        }
    }

    fn changes<'s>(&'s self, way: &'s Way) -> impl Iterator<Item = &'s FarChange> {
        way.iter().filter_map(|id| self.changes.get(*id))
    }

    /// Goes through all relations until nothing new comes of it: in turns those that are to not hold, and those that are to
    /// hold, each from the beginning. In a circle nothing holds by itself, so that something is believed to not hold until
    /// shown otherwise, and to hold only when shown. What was believed in one turn must not outlive it.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let before = self.ways.clone();
            let settled = self.turn(false) && self.turn(true);
            if settled && self.ways == before {
                return;
            }
        }
        self.let_go = true;
    }

    /// Answers whether it came to an end.
    fn turn(&mut self, holds: bool) -> bool {
        let mut own: Vec<_> =
            self.ways.keys().map(|(id, holds)| (*id, *holds)).filter(|key| key.1 == holds).collect();
        // What was met last lies deepest, and the others rest on it.
        own.sort_by_key(|key| Reverse(*key));
        let believed = if holds { Vec::new() } else { vec![Way::new()] };
        self.ways.extend(own.iter().map(|key| (*key, believed.clone())));
        for _ in 0..ROUNDS_MAX {
            let mut changed = false;
            for key in &own {
                let ways = self.of_node(key.0, key.1);
                if let Some(known) = self.ways.get_mut(key).filter(|known| **known != ways) {
                    *known = ways;
                    changed = true;
                }
            }
            if !changed {
                return true;
            }
        }
        false
    }

    fn of_node(&mut self, id: NodeId, holds: bool) -> Vec<Way> {
        let graph = self.graph;
        let Some(node) = graph.node(id) else { return Vec::new() };
        if is(&node.verdict, holds) {
            return vec![Way::new()];
        }
        match &node.part {
            Some(part) => self.of_part(part, holds),
            None => Vec::new(),
        }
    }

    /// The ways to make a rewrite hold, or not hold.
    fn of_part(&mut self, part: &Part, holds: bool) -> Vec<Way> {
        let graph = self.graph;
        if is(&graph.of_part(part), holds) {
            return vec![Way::new()];
        }
        match part {
            Part::Union(parts) if holds => self.any(parts.iter().map(|part| (part, true))),
            Part::Union(parts) => self.all(parts.iter().map(|part| (part, false))),
            Part::Intersection(parts) if holds => self.all(parts.iter().map(|part| (part, true))),
            Part::Intersection(parts) => self.any(parts.iter().map(|part| (part, false))),
            Part::Difference(base, subtract) => {
                let sides = [(&**base, holds), (&**subtract, !holds)];
                if holds {
                    let lists = sides.map(|(part, holds)| self.of_part(part, holds));
                    self.together(lists)
                } else {
                    self.any(sides)
                }
            }
            Part::Relation(id) => self.ways.get(&(*id, holds)).cloned().unwrap_or_default(),
            Part::Tuples(found) | Part::From(found, _) if holds => self.ways_in(found),
            Part::Tuples(found) | Part::From(found, _) => self.ways_out(found),
            Part::Nobody | Part::Unseen => Vec::new(),
        }
    }

    fn any<'p>(&mut self, parts: impl IntoIterator<Item = (&'p Part, bool)>) -> Vec<Way> {
        let lists: Vec<_> = parts.into_iter().map(|(part, holds)| self.of_part(part, holds)).collect();
        self.nearest(lists.concat())
    }

    /// What makes each operand of an intersection hold together, or each of a union not hold. A tuple that an operand lacks,
    /// where the subject is tied to the object by another relation, is what caps the role: the other operands hold, by
    /// changes that add nothing if not by themselves.
    fn all<'p>(&mut self, parts: impl IntoIterator<Item = (&'p Part, bool)>) -> Vec<Way> {
        let mut lists = Vec::new();
        for (part, holds) in parts {
            let ways = self.of_part(part, holds);
            lists.push(ways.into_iter().map(|way| self.raised(way)).collect());
        }
        self.together(lists)
    }

    fn raised(&self, way: Way) -> Way {
        let raise = |id: ChangeId| {
            let far = self.changes.get(id)?;
            let raised = (ChangeKind::RaiseCeiling, far.change.key.clone());
            self.numbers.get(&raised).filter(|_| far.change.kind == ChangeKind::Add).copied()
        };
        let mut way: Way = way.into_iter().map(|id| raise(id).unwrap_or(id)).collect();
        way.sort_unstable();
        way
    }

    /// One way of each list together.
    fn together(&mut self, lists: impl IntoIterator<Item = Vec<Way>>) -> Vec<Way> {
        let mut all = vec![Way::new()];
        for list in lists {
            let mut next = Vec::new();
            for first in &all {
                for second in &list {
                    next.extend(self.joined(first, second));
                }
            }
            all = self.nearest(next);
        }
        all
    }

    /// Two ways together, unless they are too much: more changes than a reason may have, or a tuple that was never there
    /// beside another that is not there.
    fn joined(&mut self, first: &Way, second: &Way) -> Option<Way> {
        let mut way = [&first[..], &second[..]].concat();
        way.sort_unstable();
        way.dedup();
        if way.len() > CHANGES_PER_REASON_MAX {
            self.let_go = true;
            return None;
        }
        let of_kind = |kind| self.changes(&way).filter(|far| far.change.kind == kind).count();
        let added = of_kind(ChangeKind::Add);
        (added == 0 || added + of_kind(ChangeKind::RaiseCeiling) == 1).then_some(way)
    }

    /// Ways to let one of some tuples hold that do not.
    fn ways_in(&mut self, found: &Found) -> Vec<Way> {
        let mut all = Vec::new();
        for entry in &found.entries {
            let Some(kinds) = kinds_to_revive(&entry.state) else { continue };
            let ids = kinds.iter().filter_map(|kind| self.numbers.get(&(*kind, entry.key.clone())).copied());
            let revived: Way = ids.collect();
            all.extend(self.with_target(revived, entry.leads_to));
        }
        for missing in &found.missing {
            let raise = missing.leads_to.is_some() && missing.ceiling.is_some();
            let kind = if raise { ChangeKind::RaiseCeiling } else { ChangeKind::Add };
            let added: Way = self.numbers.get(&(kind, missing.key.clone())).copied().into_iter().collect();
            all.extend(self.with_target(added, missing.leads_to));
        }
        self.nearest(all)
    }

    /// A way together with each of those that let the relation hold that a tuple leads to.
    fn with_target(&mut self, way: Way, leads_to: Option<NodeId>) -> Vec<Way> {
        let Some(id) = leads_to else { return vec![way] };
        let target = match self.graph.verdict(id) {
            Verdict::True => vec![Way::new()],
            _ => self.ways.get(&(id, true)).cloned().unwrap_or_default(),
        };
        target.iter().filter_map(|own| self.joined(&way, own)).collect()
    }

    /// Ways to let none of some tuples hold.
    fn ways_out(&mut self, found: &Found) -> Vec<Way> {
        let mut lists = Vec::new();
        for entry in &found.entries {
            if self.graph.of_entry(entry) == Verdict::False {
                continue;
            }
            let removed = self.numbers.get(&(ChangeKind::Remove, entry.key.clone()));
            let mut ways = vec![removed.copied().into_iter().collect::<Way>()];
            if let Some(id) = entry.leads_to {
                ways.extend(self.ways.get(&(id, false)).cloned().unwrap_or_default());
            }
            lists.push(self.nearest(ways));
            // Each takes a change of its own, but for those that share one further on; so many never do.
            if lists.len() > WAYS_PER_RELATION_MAX {
                self.let_go = true;
                return Vec::new();
            }
        }
        self.together(lists)
    }

    /// The nearest of some ways, none of which contains another.
    fn nearest(&mut self, mut ways: Vec<Way>) -> Vec<Way> {
        ways.sort_by_cached_key(|way| (nearness(&self.changes(way).collect::<Vec<_>>()), way.clone()));
        ways.dedup();
        let mut kept: Vec<Way> = Vec::new();
        for way in ways {
            let within = |small: &Way, large: &Way| small.iter().all(|id| large.contains(id));
            if kept.iter().any(|known| within(known, &way)) {
                continue;
            }
            kept.retain(|known| !within(&way, known));
            if kept.len() >= WAYS_PER_RELATION_MAX {
                self.let_go = true;
                break;
            }
            kept.push(way);
        }
        kept
    }
}

/// The changes of its lifetime that let a tuple count; `None` where it is not its lifetime that is in the way.
fn kinds_to_revive(state: &TupleState) -> Option<&'static [ChangeKind]> {
    match state {
        TupleState::Live => Some(&[]),
        TupleState::Paused => Some(&[ChangeKind::Resume]),
        TupleState::Expired => Some(&[ChangeKind::Renew]),
        TupleState::PausedAndExpired => Some(&[ChangeKind::Resume, ChangeKind::Renew]),
        TupleState::NotAdmitted | TupleState::ConditionFalse | TupleState::ConditionFailed(_) => None,
    }
}

fn is(verdict: &Verdict, holds: bool) -> bool {
    *verdict == if holds { Verdict::True } else { Verdict::False }
}
