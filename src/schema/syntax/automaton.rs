//! The grammar as an automaton, made from its rules once.
//!
//! It knows for each state what may be read next, where callers go on, and which choices one token decides. It reads
//! no text.

use std::sync::LazyLock;

use super::grammar::{Piece, RULES, Rule, body};
use super::token::KindSet;

/// Index of a state of the automaton.
pub(super) type StateId = usize;

/// A step of the automaton.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Without reading anything.
    Free(StateId),
    /// By reading a token of the set.
    Read(KindSet, StateId),
    /// By a whole rule, which starts at `start`; it goes on at `then`.
    Call { rule: Rule, start: StateId, then: StateId },
}

/// Where recovery treats a state specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before a choice or a repetition.
    Choice,
    /// After a round of a repetition.
    Again,
    /// Elsewhere.
    Plain,
    /// The end of a rule.
    End,
}

/// A state of the automaton.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) rule: Rule,
    pub(super) place: Place,
    pub(super) steps: Vec<Step>,
}

/// A choice, made at a state between its steps.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) state: StateId,
    /// For each step the tokens that lead there, where one token is enough to choose.
    pub(super) by_one_token: Option<Vec<KindSet>>,
}

/// What the parser follows: the structure of a rule, tied to the states of the automaton.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Token { state: StateId, set: KindSet },
    Call { state: StateId, rule: Rule },
    Sequence(Vec<Node>),
    One { choice: Choice, nodes: Vec<Node> },
    Maybe { choice: Choice, nodes: Vec<Node> },
    Many { choice: Choice, again: StateId, node: Box<Node> },
    Some { first: StateId, choice: Choice, node: Box<Node> },
}

/// The grammar, compiled.
pub(super) struct Grammar {
    states: Vec<State>,
    /// What each rule is made of.
    rules: Vec<Node>,
    /// For each state, what may be read next within its rule.
    next: Vec<KindSet>,
    /// For each rule, where its callers go on.
    returns: Vec<Vec<StateId>>,
    /// For each rule, what may come after it anywhere.
    follow: Vec<KindSet>,
}

/// The grammar of the language.
pub(super) static GRAMMAR: LazyLock<Grammar> = LazyLock::new(Grammar::compile);

impl Grammar {
    /// A state.
    pub(super) fn state(&self, id: StateId) -> Option<&State> {
        self.states.get(id)
    }

    /// What a rule is made of.
    pub(super) fn node(&self, rule: Rule) -> Option<&Node> {
        self.rules.get(rule as usize)
    }

    /// What may be read next at a state, within its rule.
    pub(super) fn next(&self, id: StateId) -> KindSet {
        self.next.get(id).copied().unwrap_or_default()
    }

    /// Where the callers of a rule go on.
    pub(super) fn returns(&self, rule: Rule) -> &[StateId] {
        self.returns.get(rule as usize).map_or(&[], Vec::as_slice)
    }

    /// Where the call at a state goes on.
    pub(super) fn after_call(&self, id: StateId) -> Option<StateId> {
        match self.state(id)?.steps.first()? {
            Step::Call { then, .. } => Some(*then),
            Step::Free(_) | Step::Read(..) => None,
        }
    }

    /// Where a state's first step leads.
    pub(super) fn after_first(&self, id: StateId) -> Option<StateId> {
        match self.state(id)?.steps.first()? {
            Step::Free(to) | Step::Read(_, to) => Some(*to),
            Step::Call { start, .. } => Some(*start),
        }
    }

    fn compile() -> Self {
        let mut compiler = Compiler { states: Vec::new(), starts: Vec::new() };
        let ends: Vec<StateId> = RULES
            .iter()
            .map(|&rule| {
                let start = compiler.state(rule, Place::Plain);
                compiler.starts.push(start);
                compiler.state(rule, Place::End)
            })
            .collect();
        let rules: Vec<Node> = RULES
            .iter()
            .zip(compiler.starts.clone())
            .zip(ends)
            .map(|((&rule, start), end)| {
                let (first, last, node) = compiler.piece(rule, &body(rule));
                compiler.free(start, first);
                compiler.free(last, end);
                node
            })
            .collect();
        let mut grammar = Self {
            next: vec![KindSet::EMPTY; compiler.states.len()],
            returns: vec![Vec::new(); rules.len()],
            follow: vec![KindSet::EMPTY; rules.len()],
            states: compiler.states,
            rules,
        };
        grammar.compute_next();
        grammar.compute_follow();
        grammar.choose();
        grammar
    }

    /// Fills `next` up to its least fixed point.
    fn compute_next(&mut self) {
        loop {
            let mut changed = false;
            for (id, state) in self.states.iter().enumerate() {
                let mut set = if state.place == Place::End { KindSet::NOTHING } else { KindSet::EMPTY };
                for step in &state.steps {
                    set = set.union(match *step {
                        Step::Free(to) => self.next(to),
                        Step::Read(kinds, _) => kinds,
                        Step::Call { start, then, .. } => {
                            let called = self.next(start);
                            let rest = if called.has_nothing() { self.next(then) } else { KindSet::EMPTY };
                            called.without_nothing().union(rest)
                        }
                    });
                }
                if let Some(slot) = self.next.get_mut(id)
                    && *slot != set
                {
                    *slot = set;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Fills `returns`, and `follow` up to its least fixed point.
    fn compute_follow(&mut self) {
        let mut calls = Vec::new();
        for state in &self.states {
            for step in &state.steps {
                if let Step::Call { rule, then, .. } = *step {
                    calls.push((rule, then, state.rule));
                    if let Some(returns) = self.returns.get_mut(rule as usize) {
                        returns.push(then);
                    }
                }
            }
        }
        loop {
            let before = self.follow.clone();
            for &(rule, then, caller) in &calls {
                let next = self.with_follow(then, caller);
                if let Some(follow) = self.follow.get_mut(rule as usize) {
                    *follow = follow.union(next);
                }
            }
            if self.follow == before {
                return;
            }
        }
    }

    /// What may be read next at a state of a rule, in any caller of it.
    fn with_follow(&self, id: StateId, rule: Rule) -> KindSet {
        let next = self.next(id);
        if next.has_nothing() {
            let follow = self.follow.get(rule as usize).copied().unwrap_or_default();
            next.without_nothing().union(follow)
        } else {
            next
        }
    }

    /// Finds the choices that one token decides.
    fn choose(&mut self) {
        let mut rules = std::mem::take(&mut self.rules);
        for rule in &mut rules {
            self.choose_in(rule);
        }
        self.rules = rules;
    }

    fn choose_in(&self, node: &mut Node) {
        match node {
            Node::Token { .. } | Node::Call { .. } => {}
            Node::Sequence(nodes) => nodes.iter_mut().for_each(|n| self.choose_in(n)),
            Node::One { choice, nodes } | Node::Maybe { choice, nodes } => {
                choice.by_one_token = self.one_token(choice.state);
                nodes.iter_mut().for_each(|n| self.choose_in(n));
            }
            Node::Many { choice, node, .. } | Node::Some { choice, node, .. } => {
                choice.by_one_token = self.one_token(choice.state);
                self.choose_in(node);
            }
        }
    }

    /// The tokens for each step of a state, if they are disjoint.
    fn one_token(&self, id: StateId) -> Option<Vec<KindSet>> {
        let state = self.state(id)?;
        let sets: Vec<KindSet> = state
            .steps
            .iter()
            .map(|step| match *step {
                Step::Free(to) => self.with_follow(to, state.rule),
                Step::Read(kinds, _) => kinds,
                Step::Call { start, .. } => self.next(start),
            })
            .collect();
        let mut seen = KindSet::EMPTY;
        for &set in &sets {
            if !seen.is_disjoint(set) {
                return None;
            }
            seen = seen.union(set);
        }
        Some(sets)
    }

    /// Whether a state is the end of a rule.
    pub(super) fn is_end(&self, id: StateId) -> bool {
        self.state(id).is_some_and(|s| s.place == Place::End)
    }
}

/// Builds the states.
struct Compiler {
    states: Vec<State>,
    starts: Vec<StateId>,
}

impl Compiler {
    fn state(&mut self, rule: Rule, place: Place) -> StateId {
        self.states.push(State { rule, place, steps: Vec::new() });
        self.states.len() - 1
    }

    fn step(&mut self, from: StateId, step: Step) {
        if let Some(state) = self.states.get_mut(from) {
            state.steps.push(step);
        }
    }

    fn free(&mut self, from: StateId, to: StateId) {
        self.step(from, Step::Free(to));
    }

    /// The states of a piece: its first, its last, and the node that goes with them.
    fn piece(&mut self, rule: Rule, piece: &Piece) -> (StateId, StateId, Node) {
        match piece {
            Piece::Token(set) => {
                let (from, to) = (self.state(rule, Place::Plain), self.state(rule, Place::Plain));
                self.step(from, Step::Read(*set, to));
                (from, to, Node::Token { state: from, set: *set })
            }
            Piece::Rule(called) => {
                let (from, then) = (self.state(rule, Place::Plain), self.state(rule, Place::Plain));
                let start = self.starts.get(*called as usize).copied().unwrap_or_default();
                self.step(from, Step::Call { rule: *called, start, then });
                (from, then, Node::Call { state: from, rule: *called })
            }
            Piece::All(pieces) => self.sequence(rule, pieces),
            Piece::One(pieces) => {
                let (state, end, nodes) = self.branches(rule, pieces);
                (state, end, Node::One { choice: Choice { state, by_one_token: None }, nodes })
            }
            Piece::Maybe(pieces) => {
                let (state, end, nodes) = self.branches(rule, pieces);
                self.free(state, end);
                (state, end, Node::Maybe { choice: Choice { state, by_one_token: None }, nodes })
            }
            Piece::Many(inner) => {
                let entry = self.state(rule, Place::Choice);
                let again = self.state(rule, Place::Again);
                let end = self.state(rule, Place::Plain);
                let (first, last, node) = self.piece(rule, inner);
                self.free(entry, first);
                self.free(entry, end);
                self.free(last, again);
                self.free(again, entry);
                let choice = Choice { state: entry, by_one_token: None };
                (entry, end, Node::Many { choice, again, node: Box::new(node) })
            }
            Piece::Some(inner) => {
                let entry = self.state(rule, Place::Choice);
                let again = self.state(rule, Place::Again);
                let end = self.state(rule, Place::Plain);
                let (first, last, node) = self.piece(rule, inner);
                self.free(entry, first);
                self.free(last, again);
                self.free(again, entry);
                self.free(again, end);
                let choice = Choice { state: again, by_one_token: None };
                (entry, end, Node::Some { first: entry, choice, node: Box::new(node) })
            }
        }
    }

    fn sequence(&mut self, rule: Rule, pieces: &[Piece]) -> (StateId, StateId, Node) {
        let start = self.state(rule, Place::Plain);
        let mut end = start;
        let mut nodes = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let (first, last, node) = self.piece(rule, piece);
            self.free(end, first);
            end = last;
            nodes.push(node);
        }
        (start, end, Node::Sequence(nodes))
    }

    fn branches(&mut self, rule: Rule, pieces: &[Piece]) -> (StateId, StateId, Vec<Node>) {
        let state = self.state(rule, Place::Choice);
        let end = self.state(rule, Place::Plain);
        let mut nodes = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let (first, last, node) = self.piece(rule, piece);
            self.free(state, first);
            self.free(last, end);
            nodes.push(node);
        }
        (state, end, nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grammar::NAMES;
    use super::super::token::Kind;
    use super::*;

    #[test]
    fn rules_are_numbered_as_they_are_listed() {
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(*rule as usize, index);
            assert!(GRAMMAR.node(*rule).is_some());
            for &then in GRAMMAR.returns(*rule) {
                assert!(GRAMMAR.state(then).is_some());
            }
        }
    }

    #[test]
    fn what_comes_after_a_call_is_known() {
        let Some(Node::Sequence(nodes)) = GRAMMAR.node(Rule::Operand) else { panic!("a sequence") };
        let Node::Call { state, .. } = nodes[0] else { panic!("a call") };
        assert_eq!(GRAMMAR.next(state), NAMES.union(KindSet::of(&[Kind::ExtendedIdentifier])));
        let after = GRAMMAR.next(GRAMMAR.after_call(state).unwrap());
        assert!(after.contains(Kind::Whitespace) && after.has_nothing());
    }
}
