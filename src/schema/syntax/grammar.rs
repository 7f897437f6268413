//! The grammar of the language, as data.
//!
//! Positions of errors are part of what users of OpenFGA's tools rely on, and they follow from the grammar's shape:
//! which token may come next, what a rule's callers expect after it, how far one must look ahead. So the grammar is
//! written here once, in the shape that OpenFGA publishes, and the parser, its look-ahead and its recovery all read
//! it. Nothing else in the parser knows what the language looks like.

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

/// All rules, in the order of their numbers.
pub(super) const RULES: [Rule; 27] = [
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
pub(super) enum Piece {
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
pub(super) fn body(rule: Rule) -> Piece {
    use Kind::{
        Colon, Comma, Define, End, Extend, ExtendedIdentifier, From, Greater, Hash, Identifier, LeftBrace,
        LeftBracket, LeftParen, Less, Model, Module, Newline, ParameterContainer, Relations, RightBrace,
        RightBracket, RightParen, Schema, SchemaVersion, Star, Whitespace, With,
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
pub(super) const NAMES: KindSet = KindSet::of(&[
    Kind::Model,
    Kind::Schema,
    Kind::Type,
    Kind::Relation,
    Kind::Identifier,
    Kind::Module,
    Kind::Extend,
]);
