//! The grammar of the language, as data, and the automaton that is made from it once.
//!
//! Positions of errors are part of what users of OpenFGA's tools rely on, and they follow from the grammar's shape:
//! which token may come next, what a rule's callers expect after it, how far one must look ahead. So the grammar is
//! written here once, in the shape that OpenFGA publishes, and the parser, its look-ahead and its recovery all read
//! it. Nothing else in the parser knows what the language looks like.

use std::sync::LazyLock;

use super::token::{Kind, KindSet};

/// A rule of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Rule {
    Main,
    ModelHeader,
    ModuleHeader,
    Types,
    Type,
    RelationDeclaration,
    RelationName,
    Definition,
    IndirectDefinition,
    Operators,
    Grouping,
    Group,
    IndirectGroup,
    Restrictions,
    Operand,
    Restriction,
    RestrictionBase,
    Conditions,
    Condition,
    ConditionName,
    Parameter,
    ParameterName,
    ParameterType,
    Comment,
    Name,
    ExtendedName,
    Expression,
}

const RULES: [Rule; 27] = [
    Rule::Main,
    Rule::ModelHeader,
    Rule::ModuleHeader,
    Rule::Types,
    Rule::Type,
    Rule::RelationDeclaration,
    Rule::RelationName,
    Rule::Definition,
    Rule::IndirectDefinition,
    Rule::Operators,
    Rule::Grouping,
    Rule::Group,
    Rule::IndirectGroup,
    Rule::Restrictions,
    Rule::Operand,
    Rule::Restriction,
    Rule::RestrictionBase,
    Rule::Conditions,
    Rule::Condition,
    Rule::ConditionName,
    Rule::Parameter,
    Rule::ParameterName,
    Rule::ParameterType,
    Rule::Comment,
    Rule::Name,
    Rule::ExtendedName,
    Rule::Expression,
];

/// A piece of a rule.
enum Piece {
    Token(KindSet),
    Rule(Rule),
    All(Vec<Piece>),
    /// One of several; the first that fits.
    One(Vec<Piece>),
    /// One of several, or nothing.
    Maybe(Vec<Piece>),
    /// Any number of times.
    Many(Box<Piece>),
    /// At least once.
    Some(Box<Piece>),
}

fn token(kind: Kind) -> Piece {
    Piece::Token(KindSet::of(&[kind]))
}

fn all<const N: usize>(pieces: [Piece; N]) -> Piece {
    Piece::All(pieces.into())
}

fn one<const N: usize>(pieces: [Piece; N]) -> Piece {
    Piece::One(pieces.into())
}

fn maybe(piece: Piece) -> Piece {
    Piece::Maybe(vec![piece])
}

fn many(piece: Piece) -> Piece {
    Piece::Many(Box::new(piece))
}

fn some(piece: Piece) -> Piece {
    Piece::Some(Box::new(piece))
}

/// A comment on its own lines before something.
fn comment_before() -> Piece {
    maybe(all([token(Kind::Newline), Piece::Rule(Rule::Comment)]))
}

/// An operator with its right side.
fn operation(operator: Kind) -> Piece {
    all([
        token(Kind::Whitespace),
        token(operator),
        token(Kind::Whitespace),
        one([Piece::Rule(Rule::Grouping), Piece::Rule(Rule::IndirectGroup)]),
    ])
}

/// Parentheses around a definition.
fn group(definition: Rule) -> Piece {
    all([
        token(Kind::LeftParen),
        many(token(Kind::Whitespace)),
        one([Piece::Rule(definition), Piece::Rule(Rule::IndirectGroup)]),
        many(token(Kind::Whitespace)),
        token(Kind::RightParen),
    ])
}

/// What a rule is made of.
fn body(rule: Rule) -> Piece {
    use Kind::{
        Colon, Comma, Define, End, Extend, ExtendedIdentifier, From, Greater, Hash, Identifier, LeftBrace, LeftBracket,
        LeftParen, Less, Model, Module, Newline, ParameterContainer, Relations, RightBrace, RightBracket,
        RightParen, Schema, SchemaVersion, Star, Whitespace, With,
    };
    let rule_of = Piece::Rule;
    match rule {
        Rule::Main => all([
            maybe(token(Whitespace)),
            maybe(token(Newline)),
            one([rule_of(Rule::ModelHeader), rule_of(Rule::ModuleHeader)]),
            maybe(token(Newline)),
            rule_of(Rule::Types),
            maybe(token(Newline)),
            rule_of(Rule::Conditions),
            maybe(token(Newline)),
            token(End),
        ]),
        Rule::ModelHeader => all([
            maybe(all([rule_of(Rule::Comment), token(Newline)])),
            token(Model),
            token(Newline),
            token(Schema),
            token(Whitespace),
            token(SchemaVersion),
            maybe(token(Whitespace)),
        ]),
        Rule::ModuleHeader => all([
            maybe(all([rule_of(Rule::Comment), token(Newline)])),
            token(Module),
            token(Whitespace),
            rule_of(Rule::Name),
            maybe(token(Whitespace)),
        ]),
        Rule::Types => many(rule_of(Rule::Type)),
        Rule::Type => all([
            comment_before(),
            token(Newline),
            maybe(all([token(Extend), token(Whitespace)])),
            token(Kind::Type),
            token(Whitespace),
            rule_of(Rule::ExtendedName),
            maybe(all([token(Newline), token(Relations), some(rule_of(Rule::RelationDeclaration))])),
        ]),
        Rule::RelationDeclaration => all([
            comment_before(),
            token(Newline),
            token(Define),
            token(Whitespace),
            rule_of(Rule::RelationName),
            maybe(token(Whitespace)),
            token(Colon),
            maybe(token(Whitespace)),
            rule_of(Rule::Definition),
        ]),
        Rule::RelationName => rule_of(Rule::ExtendedName),
        Rule::Definition => all([
            one([rule_of(Rule::Restrictions), rule_of(Rule::Grouping), rule_of(Rule::Group)]),
            maybe(rule_of(Rule::Operators)),
        ]),
        Rule::IndirectDefinition => all([
            one([rule_of(Rule::Grouping), rule_of(Rule::IndirectGroup)]),
            maybe(rule_of(Rule::Operators)),
        ]),
        Rule::Operators => {
            one([some(operation(Kind::Or)), some(operation(Kind::And)), operation(Kind::ButNot)])
        }
        Rule::Grouping => rule_of(Rule::Operand),
        Rule::Group => group(Rule::Definition),
        Rule::IndirectGroup => group(Rule::IndirectDefinition),
        Rule::Restrictions => all([
            token(LeftBracket),
            maybe(token(Whitespace)),
            rule_of(Rule::Restriction),
            maybe(token(Whitespace)),
            many(all([
                token(Comma),
                maybe(token(Whitespace)),
                rule_of(Rule::Restriction),
                maybe(token(Whitespace)),
            ])),
            token(RightBracket),
        ]),
        Rule::Operand => all([
            rule_of(Rule::ExtendedName),
            maybe(all([token(Whitespace), token(From), token(Whitespace), rule_of(Rule::ExtendedName)])),
        ]),
        Rule::Restriction => all([
            maybe(token(Newline)),
            one([
                rule_of(Rule::RestrictionBase),
                all([
                    rule_of(Rule::RestrictionBase),
                    token(Whitespace),
                    token(With),
                    token(Whitespace),
                    rule_of(Rule::ConditionName),
                ]),
            ]),
            maybe(token(Newline)),
        ]),
        Rule::RestrictionBase => all([
            rule_of(Rule::ExtendedName),
            Piece::Maybe(vec![
                all([token(Colon), token(Star)]),
                all([token(Hash), rule_of(Rule::ExtendedName)]),
            ]),
        ]),
        Rule::Conditions => many(rule_of(Rule::Condition)),
        Rule::Condition => all([
            comment_before(),
            token(Newline),
            token(Kind::Condition),
            token(Whitespace),
            rule_of(Rule::ConditionName),
            maybe(token(Whitespace)),
            token(LeftParen),
            maybe(token(Whitespace)),
            rule_of(Rule::Parameter),
            maybe(token(Whitespace)),
            many(all([
                token(Comma),
                maybe(token(Whitespace)),
                rule_of(Rule::Parameter),
                maybe(token(Whitespace)),
            ])),
            maybe(token(Newline)),
            token(RightParen),
            maybe(token(Whitespace)),
            token(LeftBrace),
            maybe(token(Newline)),
            maybe(token(Whitespace)),
            rule_of(Rule::Expression),
            maybe(token(Newline)),
            token(RightBrace),
        ]),
        Rule::ConditionName | Rule::ParameterName => token(Identifier),
        Rule::Parameter => all([
            maybe(token(Newline)),
            rule_of(Rule::ParameterName),
            maybe(token(Whitespace)),
            token(Colon),
            maybe(token(Whitespace)),
            rule_of(Rule::ParameterType),
        ]),
        Rule::ParameterType => one([
            token(Kind::ParameterType),
            all([token(ParameterContainer), token(Less), token(Kind::ParameterType), token(Greater)]),
        ]),
        Rule::Comment => all([
            token(Hash),
            many(Piece::Token(KindSet::all_but(&[Newline]))),
            maybe(all([token(Newline), rule_of(Rule::Comment)])),
        ]),
        Rule::Name => Piece::Token(NAMES),
        Rule::ExtendedName => one([rule_of(Rule::Name), token(ExtendedIdentifier)]),
        Rule::Expression => many(Piece::Token(KindSet::all_but(&[RightBrace]))),
    }
}

/// What may be a name: keywords of lines that cannot be mistaken for one are names elsewhere.
const NAMES: KindSet = KindSet::of(&[
    Kind::Model,
    Kind::Schema,
    Kind::Type,
    Kind::Relation,
    Kind::Identifier,
    Kind::Module,
    Kind::Extend,
]);

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
