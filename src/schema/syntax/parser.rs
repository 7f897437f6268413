//! The parser: tokens become a tree, along the grammar, going on after errors.
//!
//! Its recovery is that of ANTLR's default strategy, because its errors are what OpenFGA's users see: one unexpected
//! token is skipped if the next one fits, one missing token is passed over if the present one fits after it, and
//! otherwise a rule is given up and the text is skipped to something that a caller of it expects. Nothing more is
//! reported until a token was read again. It never fails: the tree has what could be read.

use super::automaton::{Choice, GRAMMAR, Grammar, Node, Place, StateId};
use super::grammar::Rule;
use super::predict::{NoWay, Predictor};
use super::token::{Kind, KindSet, Token};
use crate::model::limits;

/// What was read as one rule.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) rule: Rule,
    pub(super) children: Vec<Child>,
}

/// A part of a tree.
#[derive(Debug)]
pub(super) enum Child {
    /// Index of a token.
    Token(usize),
    Tree(Tree),
}

/// A syntax error.
#[derive(Debug, Clone, Copy)]
pub(super) struct SyntaxError {
    /// Index of the token it is reported at.
    pub(super) at: usize,
    /// What could have stood there.
    pub(super) expected: KindSet,
    /// Something is missing before the token, rather than the token being wrong.
    pub(super) missing: bool,
}

/// Reads all tokens; gives at most `errors_max` errors.
pub(super) fn parse(tokens: &[Token], errors_max: usize) -> (Tree, Vec<SyntaxError>) {
    let grammar = &*GRAMMAR;
    let mut parser = Parser {
        grammar,
        tokens,
        predictor: Predictor::new(grammar, tokens),
        at: 0,
        state: 0,
        calls: Vec::new(),
        recovering: false,
        last_error: None,
        errors: Vec::new(),
        errors_max,
        rounds_left: tokens.len().saturating_mul(ROUNDS_PER_TOKEN).saturating_add(ROUNDS_PER_TOKEN),
    };
    let tree = parser.rule(Rule::Main);
    (tree, parser.errors)
}

/// Rounds of repetitions that the parser may make for each token. Recovery always gets on; this makes sure.
const ROUNDS_PER_TOKEN: usize = 64;

/// Rules that may be open at once; more than the depth of parentheses that is let through can need. The parser
/// recurses with each, so this bounds the thread's stack whatever the text is.
const CALLS_MAX: usize = 4 * limits::REWRITE_DEPTH_MAX;

/// A rule cannot go on.
struct GiveUp(SyntaxError);

struct Parser<'a> {
    grammar: &'a Grammar,
    tokens: &'a [Token],
    predictor: Predictor<'a>,
    at: usize,
    state: StateId,
    /// The states of the open calls, outermost first.
    calls: Vec<StateId>,
    /// An error was reported and no token was read since.
    recovering: bool,
    /// Where the last recovery began, and the states in which it did.
    last_error: Option<(usize, Vec<StateId>)>,
    errors: Vec<SyntaxError>,
    errors_max: usize,
    rounds_left: usize,
}

impl Parser<'_> {
    fn kind(&self, ahead: usize) -> Kind {
        self.tokens.get(self.at + ahead).map_or(Kind::End, |t| t.kind)
    }

    /// Goes past a token; the end stays.
    fn advance(&mut self) {
        if self.kind(0) != Kind::End {
            self.at += 1;
        }
    }

    fn call(&mut self, state: StateId, rule: Rule) -> Tree {
        self.state = state;
        if self.calls.len() >= CALLS_MAX {
            self.report(self.mismatch());
            self.skip_to(KindSet::EMPTY);
            return Tree { rule, children: Vec::new() };
        }
        self.calls.push(state);
        let tree = self.rule(rule);
        self.calls.pop();
        self.state = state;
        tree
    }

    fn rule(&mut self, rule: Rule) -> Tree {
        let mut tree = Tree { rule, children: Vec::new() };
        if let Some(node) = self.grammar.node(rule)
            && let Err(GiveUp(error)) = self.node(node, &mut tree)
        {
            self.report(error);
            self.recover();
        }
        tree
    }

    fn node(&mut self, node: &Node, tree: &mut Tree) -> Result<(), GiveUp> {
        match node {
            Node::Token { state, set } => {
                self.state = *state;
                self.token(*set, tree)
            }
            Node::Call { state, rule } => {
                let child = self.call(*state, *rule);
                tree.children.push(Child::Tree(child));
                Ok(())
            }
            Node::Sequence(nodes) => nodes.iter().try_for_each(|n| self.node(n, tree)),
            Node::One { choice, nodes } => {
                self.sync(choice.state)?;
                let chosen = match self.choose(choice)? {
                    Some(chosen) => chosen,
                    None => return Err(self.no_way(NoWay { at: self.at })),
                };
                nodes.get(chosen).map_or(Ok(()), |n| self.node(n, tree))
            }
            Node::Maybe { choice, nodes } => {
                self.sync(choice.state)?;
                let chosen = self.choose(choice)?.and_then(|c| nodes.get(c));
                chosen.map_or(Ok(()), |n| self.node(n, tree))
            }
            Node::Many { choice, again, node } => {
                self.sync(choice.state)?;
                while self.choose(choice)? == Some(0) && self.has_round() {
                    self.node(node, tree)?;
                    self.sync(*again)?;
                }
                Ok(())
            }
            Node::Some { first, choice, node } => {
                self.sync(*first)?;
                loop {
                    self.node(node, tree)?;
                    self.sync(choice.state)?;
                    if self.choose(choice)? != Some(0) || !self.has_round() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn has_round(&mut self) -> bool {
        self.rounds_left = self.rounds_left.saturating_sub(1);
        self.rounds_left > 0
    }

    /// The number of the way to go, or `None` if the next token leads nowhere.
    fn choose(&mut self, choice: &Choice) -> Result<Option<usize>, GiveUp> {
        if let Some(sets) = &choice.by_one_token {
            let kind = self.kind(0);
            return Ok(sets.iter().position(|set| set.contains(kind)));
        }
        match self.predictor.choose(choice.state, self.at, &self.calls) {
            Ok(way) => Ok(Some(way)),
            Err(no_way) => Err(self.no_way(no_way)),
        }
    }

    fn no_way(&self, no_way: NoWay) -> GiveUp {
        // What would have been right further on depends on the way; only the next token's alternatives are known.
        let expected = if no_way.at == self.at { self.expected() } else { KindSet::EMPTY };
        GiveUp(SyntaxError { at: no_way.at, expected, missing: false })
    }

    fn mismatch(&self) -> SyntaxError {
        SyntaxError { at: self.at, expected: self.expected(), missing: false }
    }

    fn token(&mut self, set: KindSet, tree: &mut Tree) -> Result<(), GiveUp> {
        if set.contains(self.kind(0)) || self.skip_one() {
            self.has_read();
            tree.children.push(Child::Token(self.at));
            self.advance();
            return Ok(());
        }
        if self.pass_over() { Ok(()) } else { Err(GiveUp(self.mismatch())) }
    }

    fn has_read(&mut self) {
        self.recovering = false;
        self.last_error = None;
    }

    /// What may be read next, in this rule or, if it may end here, in those that called it.
    fn expected_at(&self, state: StateId) -> KindSet {
        let mut next = self.grammar.next(state);
        let mut expected = next.without_nothing();
        for &call in self.calls.iter().rev() {
            if !next.has_nothing() {
                return expected;
            }
            next = self.grammar.after_call(call).map_or(KindSet::EMPTY, |then| self.grammar.next(then));
            expected = expected.union(next.without_nothing());
        }
        expected
    }

    fn expected(&self) -> KindSet {
        self.expected_at(self.state)
    }

    /// Makes sure before a choice that the next token can be read, as far as this rule knows.
    fn sync(&mut self, state: StateId) -> Result<(), GiveUp> {
        self.state = state;
        if self.recovering {
            return Ok(());
        }
        let next = self.grammar.next(state);
        if next.contains(self.kind(0)) || next.has_nothing() {
            return Ok(());
        }
        match self.grammar.state(state).map(|s| s.place) {
            Some(Place::Choice) => {
                if self.skip_one() {
                    Ok(())
                } else {
                    Err(GiveUp(self.mismatch()))
                }
            }
            Some(Place::Again) => {
                self.report(self.mismatch());
                let wanted = self.expected().union(self.wanted_by_callers());
                self.skip_to(wanted);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Skips the next token if the one after it fits here.
    fn skip_one(&mut self) -> bool {
        if !self.expected().contains(self.kind(1)) {
            return false;
        }
        self.report(self.mismatch());
        self.advance();
        self.has_read();
        true
    }

    /// Does without the wanted token if the next one fits after it.
    fn pass_over(&mut self) -> bool {
        let Some(after) = self.grammar.after_first(self.state) else { return false };
        if !self.expected_at(after).contains(self.kind(0)) {
            return false;
        }
        self.report(SyntaxError { missing: true, ..self.mismatch() });
        true
    }

    fn report(&mut self, error: SyntaxError) {
        if !self.recovering {
            self.recovering = true;
            if self.errors.len() < self.errors_max {
                self.errors.push(error);
            }
        }
    }

    /// Skips to what some caller of the given-up rule can go on with.
    fn recover(&mut self) {
        // A second recovery at the same token and state would come here for ever.
        let stuck = self.last_error.as_ref().is_some_and(|(at, s)| *at == self.at && s.contains(&self.state));
        if stuck {
            self.advance();
        }
        match &mut self.last_error {
            Some((at, states)) => {
                *at = self.at;
                states.push(self.state);
            }
            None => self.last_error = Some((self.at, vec![self.state])),
        }
        let wanted = self.wanted_by_callers();
        self.skip_to(wanted);
    }

    fn wanted_by_callers(&self) -> KindSet {
        let after = self.calls.iter().filter_map(|&call| self.grammar.after_call(call));
        after.fold(KindSet::EMPTY, |set, then| set.union(self.grammar.next(then))).without_nothing()
    }

    fn skip_to(&mut self, wanted: KindSet) {
        while self.kind(0) != Kind::End && !wanted.contains(self.kind(0)) {
            self.advance();
        }
    }
}
