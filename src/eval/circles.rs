//! Check, where operators lie in circles: the graph of all that the decision may rest on, and its well-founded model.
//!
//! A walk decides operators within operators, and the same ones anew along each path to them, as what they came to
//! there may not be kept. Here each place is looked at once, whatever the circles: first everything that can be reached is
//! read, then the alternating fixed point (Van Gelder 1989) tells what certainly holds and what may hold. A condition that
//! fails, and a place that lies too deep, may hold or not: what is the same either way is decided, the rest is told as
//! failed. What rests on a circle through a subtraction, and on nothing that failed, is unknown.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::check::{Search, direct};
use super::conditions::Standing;
use super::facts::Until;
use super::outcome::{Outcome, Place, Value};
use super::plan::Expr;
use super::{EvalError, Failure, LimitReached};
use crate::model::{ObjectRef, SubjectClass};
use crate::store::Snapshot;

/// Steps of the fixed point, in nodes and edges looked at, for each read that a check may make.
const STEPS_PER_READ: u64 = 16;

/// What a place may be asked as: all its alternatives, or the operator that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Alternatives(Place),
    Operator(Place),
}

/// A node's number.
type NodeId = usize;

/// What a place rests on.
#[derive(Default)]
struct Node {
    rule: Rule,
    /// Something here may hold or not.
    failed: Option<Failure>,
    is_read: bool,
}

/// When a node holds.
enum Rule {
    Always,
    /// Where one of these does; of none, never.
    Any(SmallVec<[NodeId; 4]>),
    All(SmallVec<[NodeId; 4]>),
    /// Where the first does and the second does not.
    Minus(NodeId, NodeId),
}

impl Default for Rule {
    fn default() -> Self {
        Self::Any(SmallVec::new())
    }
}

/// Decides whether any alternative of `start` holds, where the way to it took `depth` hops already.
pub(super) fn decide<S: Snapshot>(
    search: &mut Search<'_, '_, '_, S>,
    start: Place,
    depth: u32,
) -> Result<Outcome, EvalError> {
    let (nodes, asked, index) = Default::default();
    let mut graph = Graph { nodes, asked, index, until: Until::NEVER };
    let root = graph.node(Asked::Alternatives(start));
    graph.read(search, root, depth)?;
    let reads_max = search.limits.reads_max;
    let limit = LimitReached::Reads { reads: reads_max };
    let value = graph.solve(root, reads_max.saturating_mul(STEPS_PER_READ)).ok_or(limit)?;
    // Time takes away what is live and brings nothing: before the first end of anything that was read, all is as it is.
    Ok(Outcome::new(value, graph.until))
}

struct Graph {
    nodes: Vec<Node>,
    asked: Vec<Asked>,
    index: HashMap<Asked, NodeId>,
    /// The first end of a tuple that was met.
    until: Until,
}

/// Nodes that were met and are to be read: on this depth, and on the next.
#[derive(Default)]
struct Open {
    here: Vec<NodeId>,
    next: Vec<NodeId>,
}

impl Graph {
    fn node(&mut self, asked: Asked) -> NodeId {
        let Self { nodes, asked: all, index, .. } = self;
        *index.entry(asked).or_insert_with(|| {
            nodes.push(Node::default());
            all.push(asked);
            nodes.len() - 1
        })
    }

    fn end(&mut self, until: Until) {
        self.until = self.until.min(until);
    }

    /// Reads all that can be reached, each place at its least depth.
    fn read<S: Snapshot>(
        &mut self,
        search: &mut Search<'_, '_, '_, S>,
        root: NodeId,
        mut depth: u32,
    ) -> Result<(), EvalError> {
        let mut open = Open { here: vec![root], next: Vec::new() };
        while !open.here.is_empty() {
            let is_too_deep = depth > search.limits.depth_max;
            while let Some(id) = open.here.pop() {
                let (Some(node), Some(asked)) = (self.nodes.get_mut(id), self.asked.get(id).copied()) else {
                    continue;
                };
                // It may have been met once more on a lesser depth.
                if std::mem::replace(&mut node.is_read, true) {
                    continue;
                }
                if is_too_deep {
                    node.failed = Some(LimitReached::Depth { hops: search.limits.depth_max }.into());
                    continue;
                }
                search.deepest = search.deepest.max(depth);
                let node = self.look_at(search, asked, &mut open)?;
                if let Some(own) = self.nodes.get_mut(id) {
                    *own = node;
                }
            }
            std::mem::swap(&mut open.here, &mut open.next);
            depth = depth.saturating_add(1);
        }
        Ok(())
    }

    fn look_at<S: Snapshot>(
        &mut self,
        search: &mut Search<'_, '_, '_, S>,
        asked: Asked,
        open: &mut Open,
    ) -> Result<Node, EvalError> {
        let (Asked::Alternatives(place) | Asked::Operator(place)) = asked;
        if let Some(outcome) = search.known.get(&place).copied() {
            self.end(outcome.until);
            let rule = if outcome.value == Value::True { Rule::Always } else { Rule::default() };
            return Ok(Node { rule, failed: None, is_read: true });
        }
        let (rule, failed) = match asked {
            Asked::Alternatives(place) => self.alternatives(search, place, open)?,
            Asked::Operator(place) => (self.operator(search, place, open), None),
        };
        Ok(Node { rule, failed, is_read: true })
    }

    fn alternatives<S: Snapshot>(
        &mut self,
        search: &mut Search<'_, '_, '_, S>,
        place: Place,
        open: &mut Open,
    ) -> Result<(Rule, Option<Failure>), EvalError> {
        let (plan, regions) = (search.plan, search.regions);
        let Some(region) = regions.region(plan, place.expr) else { return Ok((Rule::default(), None)) };
        let mut failed = None;
        if place == search.start {
            failed = search.start_failed;
        } else {
            let (of, id) = search.objects.get(place.object);
            let object = ObjectRef { type_name: plan.type_name(of), id };
            match direct(plan, regions, search.facts, search.subject, region, object)? {
                Standing::Counts(until) => {
                    self.end(until);
                    return Ok((Rule::Always, None));
                }
                Standing::Failed(failure) => failed = Some(failure),
                Standing::Absent => {}
            }
        }
        let mut parts = SmallVec::new();
        let operators = region.operators.iter().map(|expr| Asked::Operator(Place { expr: *expr, ..place }));
        let computed =
            region.computed.iter().map(|rel| Asked::Alternatives(Place { expr: plan.root(*rel), ..place }));
        for asked in operators.chain(computed) {
            let id = self.node(asked);
            open.here.push(id);
            parts.push(id);
        }
        let tuplesets = region.tuplesets.iter().map(|hop| (hop, SubjectClass::Object));
        let usersets = region.usersets.iter().map(|hop| (hop, SubjectClass::Userset));
        for (hop, class) in tuplesets.chain(usersets) {
            let (met, failure) = search.hop(place.object, hop, class)?;
            failed = failed.or(failure);
            for (object, target, until) in met {
                self.end(until);
                let id = self.node(Asked::Alternatives(Place { object, expr: plan.root(target) }));
                open.next.push(id);
                parts.push(id);
            }
        }
        Ok((Rule::Any(parts), failed))
    }

    fn operator<S: Snapshot>(
        &mut self,
        search: &Search<'_, '_, '_, S>,
        place: Place,
        open: &mut Open,
    ) -> Rule {
        let mut operand = |expr| {
            let id = self.node(Asked::Alternatives(Place { expr, ..place }));
            open.here.push(id);
            id
        };
        match search.plan.expr(place.expr) {
            Expr::Intersection(operands) => Rule::All(operands.iter().map(|expr| operand(*expr)).collect()),
            Expr::Difference(base, subtract) => Rule::Minus(operand(*base), operand(*subtract)),
            _ => Rule::default(),
        }
    }

    /// What the well-founded model makes of a node. `None`: it takes more steps than these.
    fn solve(&self, root: NodeId, steps_max: u64) -> Option<Value> {
        let rests_on_it = self.rests_on_it();
        let edges: usize = rests_on_it.iter().map(Vec::len).sum();
        let steps_of_a_bound = u64::try_from(self.nodes.len() + edges).unwrap_or(u64::MAX);
        let mut steps = 0_u64;
        let mut certain = vec![false; self.nodes.len()];
        let possible = loop {
            steps = steps.saturating_add(steps_of_a_bound.saturating_mul(2));
            if steps > steps_max {
                return None;
            }
            let possible = self.bound(&rests_on_it, true, &certain);
            let more = self.bound(&rests_on_it, false, &possible);
            if more == certain {
                break possible;
            }
            certain = more;
        };
        let is = |bound: &[bool], id: NodeId| bound.get(id).copied().unwrap_or(false);
        if is(&certain, root) {
            return Some(Value::True);
        }
        if !is(&possible, root) {
            return Some(Value::False);
        }
        let is_open = |id: NodeId| is(&possible, id) && !is(&certain, id);
        Some(self.failure(root, is_open).map_or(Value::Unknown, Value::Failed))
    }

    /// By node: those whose holding may follow from its own.
    fn rests_on_it(&self) -> Vec<Vec<NodeId>> {
        let mut above = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            let parts = match &node.rule {
                Rule::Always => &[][..],
                Rule::Any(parts) | Rule::All(parts) => parts,
                Rule::Minus(base, _) => std::slice::from_ref(base),
            };
            for part in parts {
                if let Some(above) = above.get_mut(*part) {
                    above.push(id);
                }
            }
        }
        above
    }

    /// The least fixed point, where what failed holds if `failed_holds`, and a subtrahend holds if `subtracted` says so.
    fn bound(&self, rests_on_it: &[Vec<NodeId>], failed_holds: bool, subtracted: &[bool]) -> Vec<bool> {
        let mut holds = vec![false; self.nodes.len()];
        let mut missing: Vec<usize> = self.nodes.iter().map(Node::parts_needed).collect();
        let mut open: Vec<NodeId> = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if matches!(node.rule, Rule::Always) || (failed_holds && node.failed.is_some()) {
                open.push(id);
            }
        }
        while let Some(id) = open.pop() {
            match holds.get_mut(id) {
                Some(own) if !*own => *own = true,
                _ => continue,
            }
            for above in rests_on_it.get(id).map_or(&[][..], Vec::as_slice) {
                let is_taken_away = match self.nodes.get(*above).map(|node| &node.rule) {
                    Some(Rule::Minus(_, subtract)) => subtracted.get(*subtract).copied().unwrap_or(true),
                    _ => false,
                };
                let Some(missing) = missing.get_mut(*above) else { continue };
                *missing = missing.saturating_sub(1);
                if *missing == 0 && !is_taken_away {
                    open.push(*above);
                }
            }
        }
        holds
    }

    /// Something that failed, on which an open node rests.
    fn failure(&self, root: NodeId, is_open: impl Fn(NodeId) -> bool) -> Option<Failure> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            match seen.get_mut(id) {
                Some(own) if !*own => *own = true,
                _ => continue,
            }
            let Some(node) = self.nodes.get(id).filter(|_| is_open(id)) else { continue };
            if node.failed.is_some() {
                return node.failed;
            }
            match &node.rule {
                Rule::Always => {}
                Rule::Any(parts) | Rule::All(parts) => open.extend(parts),
                Rule::Minus(base, subtract) => open.extend([*base, *subtract]),
            }
        }
        None
    }
}

impl Node {
    /// How many of its parts have to hold before it does.
    fn parts_needed(&self) -> usize {
        match &self.rule {
            Rule::Always => 0,
            Rule::Any(_) | Rule::Minus(..) => 1,
            // All of none would be everybody: nobody.
            Rule::All(parts) => parts.len().max(1),
        }
    }
}
