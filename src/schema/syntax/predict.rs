//! Look-ahead: which way to go at a choice.
//!
//! All ways are followed at once, token by token, until only one is left (Parr, Harwell, Fisher: "Adaptive LL(*)
//! parsing", 2014). First without regard to who called the current rule; if that leaves two ways in the same state,
//! again with the real callers. The stacks of callers are shared and merged, so that nesting costs no more than its
//! depth. A choice never reads a token and never reports; what it finds impossible, the parser reports.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::automaton::{Grammar, Place, StateId, Step};
use super::token::{Kind, Token};

/// No way leads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoWay {
    /// Index of the first token that fits no way.
    pub(super) at: usize,
}

/// Index of a set of stacks.
type Stacks = usize;

/// The empty stack. Without regard to callers it means any.
const BOTTOM: Stacks = 0;

/// Which way (its number among the steps), and where it has come to.
type Key = (StateId, usize);

/// How a way came to its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Arrival {
    stacks: Stacks,
    /// It has left the rule in which the choice stands.
    left: bool,
}

type Ways = BTreeMap<Key, Arrival>;

/// What reading one more token came to.
#[derive(Clone, Copy)]
enum Edge {
    /// One way is left.
    Way(usize),
    /// Two ways are in the same state with the same stacks.
    Conflict,
    /// No way leads on.
    Nothing,
    /// Several ways are left: the node of these.
    On(NodeId),
}

/// Index of ways that were met together.
type NodeId = usize;

/// The look-ahead of one parser. It keeps what it has found out: a text repeats itself, and then costs a look-up for
/// each token.
pub(super) struct Predictor<'a> {
    grammar: &'a Grammar,
    tokens: &'a [Token],
    /// Each set of stacks: where its tops return to, and what is below. `None` stands for the empty stack.
    sets: Vec<Vec<(Option<StateId>, Stacks)>>,
    known: HashMap<Vec<(Option<StateId>, Stacks)>, Stacks>,
    nodes: Vec<Ways>,
    known_nodes: HashMap<Ways, NodeId>,
    /// The node before the first token of a choice; with the callers, where they count.
    starts: HashMap<(StateId, Option<Stacks>), NodeId>,
    /// From a node by a kind of token, with regard to callers or without.
    edges: HashMap<(NodeId, Kind, bool), Edge>,
}

impl<'a> Predictor<'a> {
    pub(super) fn new(grammar: &'a Grammar, tokens: &'a [Token]) -> Self {
        let bottom = vec![(None, BOTTOM)];
        Self {
            grammar,
            tokens,
            known: HashMap::from([(bottom.clone(), BOTTOM)]),
            sets: vec![bottom],
            nodes: Vec::new(),
            known_nodes: HashMap::new(),
            starts: HashMap::new(),
            edges: HashMap::new(),
        }
    }

    /// Which step to take at `choice`, before token `at`, in the rule that `calls` (states, outermost first) led to.
    pub(super) fn choose(&mut self, choice: StateId, at: usize, calls: &[StateId]) -> Result<usize, NoWay> {
        if let Some(way) = self.follow(choice, at, None)? {
            return Ok(way);
        }
        let mut stacks = BOTTOM;
        for &call in calls {
            if let Some(then) = self.grammar.after_call(call) {
                stacks = self.push(then, stacks);
            }
        }
        // What even the callers cannot tell apart is ambiguous; the first way is as good as another.
        Ok(self.follow(choice, at, Some(stacks))?.unwrap_or_default())
    }

    /// The way to go, or `None` if reading on cannot tell.
    fn follow(
        &mut self,
        choice: StateId,
        start: usize,
        callers: Option<Stacks>,
    ) -> Result<Option<usize>, NoWay> {
        let exact = callers.is_some();
        let mut node = self.start(choice, callers);
        let mut at = start;
        loop {
            let kind = self.tokens.get(at).map_or(Kind::End, |t| t.kind);
            node = match self.edge(node, kind, exact) {
                Edge::Way(way) => return Ok(Some(way)),
                Edge::Conflict => return Ok(None),
                Edge::Nothing => {
                    let ways = self.nodes.get(node);
                    return ways.and_then(|w| finished(self.grammar, w)).map(Some).ok_or(NoWay { at });
                }
                Edge::On(_) if kind == Kind::End => return Ok(None),
                Edge::On(node) => node,
            };
            at += 1;
        }
    }

    fn start(&mut self, choice: StateId, callers: Option<Stacks>) -> NodeId {
        if let Some(&known) = self.starts.get(&(choice, callers)) {
            return known;
        }
        let mut ways = Ways::new();
        let arrival = Arrival { stacks: callers.unwrap_or(BOTTOM), left: false };
        let steps = self.grammar.state(choice).map_or(&[][..], |s| &s.steps);
        for (way, step) in steps.iter().enumerate() {
            if let Step::Free(to) = *step {
                self.arrive(&mut ways, (to, way), arrival, callers.is_some());
            }
        }
        let node = self.node(ways);
        self.starts.insert((choice, callers), node);
        node
    }

    fn node(&mut self, ways: Ways) -> NodeId {
        if let Some(&known) = self.known_nodes.get(&ways) {
            return known;
        }
        let id = self.nodes.len();
        self.nodes.push(ways.clone());
        self.known_nodes.insert(ways, id);
        id
    }

    fn edge(&mut self, node: NodeId, kind: Kind, exact: bool) -> Edge {
        if let Some(&known) = self.edges.get(&(node, kind, exact)) {
            return known;
        }
        let ways = self.nodes.get(node).cloned().unwrap_or_default();
        let reached = self.read(&ways, kind, exact);
        let edge = if reached.is_empty() {
            Edge::Nothing
        } else if let Some(way) = only_way(&reached) {
            Edge::Way(way)
        } else if exact && let Some(way) = first_viable(&reached) {
            Edge::Way(way)
        } else if !exact && is_conflict(self.grammar, &reached) {
            Edge::Conflict
        } else {
            Edge::On(self.node(reached))
        };
        self.edges.insert((node, kind, exact), edge);
        edge
    }

    /// Where the ways come to by reading one token.
    fn read(&mut self, ways: &Ways, kind: Kind, exact: bool) -> Ways {
        let mut reached = Ways::new();
        let mut ended = Vec::new();
        for (&(state, way), &arrival) in ways {
            let Some(found) = self.grammar.state(state) else { continue };
            if found.place == Place::End {
                if exact || kind == Kind::End {
                    ended.push(((state, way), arrival));
                }
                continue;
            }
            for step in &found.steps {
                if let Step::Read(set, to) = *step
                    && set.contains(kind)
                {
                    self.arrive(&mut reached, (to, way), arrival, exact);
                }
            }
        }
        if kind == Kind::End {
            reached.retain(|&(state, _), _| self.grammar.is_end(state));
        }
        if !exact || !reached.keys().any(|&(state, _)| self.grammar.is_end(state)) {
            for (key, arrival) in ended {
                self.add(&mut reached, key, arrival, exact);
            }
        }
        reached
    }

    /// Adds a way at a state, and everywhere it can come from there without reading.
    fn arrive(&mut self, ways: &mut Ways, key: Key, arrival: Arrival, exact: bool) {
        let mut open = vec![(key, arrival)];
        let mut seen = BTreeSet::new();
        while let Some(((state, way), arrival)) = open.pop() {
            if !seen.insert((state, way, arrival.stacks, arrival.left)) {
                continue;
            }
            let Some(found) = self.grammar.state(state) else { continue };
            if found.place == Place::End {
                for (top, below) in self.sets.get(arrival.stacks).cloned().unwrap_or_default() {
                    match top {
                        Some(then) => open.push(((then, way), Arrival { stacks: below, ..arrival })),
                        None if exact => {
                            self.add(ways, (state, way), Arrival { stacks: BOTTOM, ..arrival }, exact)
                        }
                        None => {
                            let returns = self.grammar.returns(found.rule);
                            if returns.is_empty() {
                                self.add(ways, (state, way), Arrival { stacks: BOTTOM, left: true }, exact);
                            }
                            for &then in returns {
                                open.push(((then, way), Arrival { stacks: BOTTOM, left: true }));
                            }
                        }
                    }
                }
                continue;
            }
            for step in &found.steps {
                match *step {
                    Step::Free(to) => open.push(((to, way), arrival)),
                    Step::Call { start, then, .. } => {
                        let stacks = self.push(then, arrival.stacks);
                        open.push(((start, way), Arrival { stacks, ..arrival }));
                    }
                    Step::Read(..) => self.add(ways, (state, way), arrival, exact),
                }
            }
        }
    }

    /// Adds one arrival, merged with an earlier one of the same way at the same state.
    fn add(&mut self, ways: &mut Ways, key: Key, arrival: Arrival, exact: bool) {
        let merged = match ways.get(&key) {
            Some(earlier) => Arrival {
                stacks: self.merge(earlier.stacks, arrival.stacks, exact),
                left: earlier.left || arrival.left,
            },
            None => arrival,
        };
        ways.insert(key, merged);
    }

    fn push(&mut self, then: StateId, below: Stacks) -> Stacks {
        self.intern(vec![(Some(then), below)])
    }

    fn intern(&mut self, set: Vec<(Option<StateId>, Stacks)>) -> Stacks {
        if let Some(&known) = self.known.get(&set) {
            return known;
        }
        self.sets.push(set.clone());
        self.known.insert(set, self.sets.len() - 1);
        self.sets.len() - 1
    }

    /// The union of two sets of stacks. Without regard to callers the empty stack stands for all of them.
    fn merge(&mut self, a: Stacks, b: Stacks, exact: bool) -> Stacks {
        if a == b {
            return a;
        }
        if !exact && (a == BOTTOM || b == BOTTOM) {
            return BOTTOM;
        }
        let mut tops: BTreeMap<Option<StateId>, Stacks> = BTreeMap::new();
        let both: Vec<_> = [a, b].iter().filter_map(|&s| self.sets.get(s)).flatten().copied().collect();
        for (top, below) in both {
            let below = match tops.get(&top) {
                Some(&other) => self.merge(other, below, exact),
                None => below,
            };
            tops.insert(top, below);
        }
        self.intern(tops.into_iter().collect())
    }
}

/// The first way that has completed the rule in which the choice stands: the error, if any, is its caller's.
fn finished(grammar: &Grammar, ways: &Ways) -> Option<usize> {
    ways.iter()
        .filter(|&(&(state, _), arrival)| arrival.left || (grammar.is_end(state) && arrival.stacks == BOTTOM))
        .map(|(&(_, way), _)| way)
        .min()
}

fn only_way(ways: &Ways) -> Option<usize> {
    let mut numbers = ways.keys().map(|&(_, way)| way);
    let first = numbers.next()?;
    numbers.all(|way| way == first).then_some(first)
}

/// The ways in each state with the same stacks.
fn alike(ways: &Ways) -> BTreeMap<(StateId, Stacks), BTreeSet<usize>> {
    let mut alike: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
    for (&(state, way), arrival) in ways {
        alike.entry((state, arrival.stacks)).or_default().insert(way);
    }
    alike
}

/// The way that comes first wherever it is alike with others, if it is the same everywhere.
fn first_viable(ways: &Ways) -> Option<usize> {
    let firsts: BTreeSet<usize> = alike(ways).values().filter_map(|w| w.first().copied()).collect();
    if firsts.len() == 1 { firsts.first().copied() } else { None }
}

/// Whether reading on without regard to callers can tell no two ways apart any more.
fn is_conflict(grammar: &Grammar, ways: &Ways) -> bool {
    if ways.keys().all(|&(state, _)| grammar.is_end(state)) {
        return true;
    }
    let mut by_state: BTreeMap<StateId, BTreeSet<usize>> = BTreeMap::new();
    for &(state, way) in ways.keys() {
        by_state.entry(state).or_default().insert(way);
    }
    alike(ways).values().any(|w| w.len() > 1) && by_state.values().all(|w| w.len() > 1)
}
