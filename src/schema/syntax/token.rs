//! The kinds of token, and sets of them.
//!
//! Words and symbols that only a condition's expression may contain share one kind ([`Kind::Cel`]): the language
//! keeps an expression as text and never looks into it.

use std::fmt;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Kind {
    Colon,
    Comma,
    Less,
    Greater,
    LeftBracket,
    RightBracket,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    Hash,
    Star,
    Whitespace,
    Newline,
    Identifier,
    ExtendedIdentifier,
    SchemaVersion,
    And,
    Or,
    ButNot,
    From,
    With,
    Module,
    Model,
    Schema,
    Extend,
    Type,
    Relations,
    Relation,
    Define,
    Condition,
    /// `map` or `list`, in a condition's header.
    ParameterContainer,
    /// `string` and so on, in a condition's header.
    ParameterType,
    /// What only an expression may contain.
    Cel,
    /// The end of the text.
    End,
}

/// The last kind that is written in a text; those after it are not matched by a negated set.
const LAST_WRITTEN: Kind = Kind::Cel;

impl Kind {
    /// How a message names it.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Colon => "`:`",
            Self::Comma => "`,`",
            Self::Less => "`<`",
            Self::Greater => "`>`",
            Self::LeftBracket => "`[`",
            Self::RightBracket => "`]`",
            Self::LeftParen => "`(`",
            Self::RightParen => "`)`",
            Self::LeftBrace => "`{`",
            Self::RightBrace => "`}`",
            Self::Hash => "`#`",
            Self::Star => "`*`",
            Self::Whitespace => "space",
            Self::Newline => "line break",
            Self::Identifier | Self::ExtendedIdentifier => "a name",
            Self::SchemaVersion => "a schema version such as `1.1`",
            Self::And => "`and`",
            Self::Or => "`or`",
            Self::ButNot => "`but not`",
            Self::From => "`from`",
            Self::With => "`with`",
            Self::Module => "`module`",
            Self::Model => "`model`",
            Self::Schema => "`schema`",
            Self::Extend => "`extend`",
            Self::Type => "`type`",
            Self::Relations => "`relations`",
            Self::Relation => "`relation`",
            Self::Define => "`define`",
            Self::Condition => "`condition`",
            Self::ParameterContainer => "`map` or `list`",
            Self::ParameterType => "a parameter type such as `string`",
            Self::Cel => "an expression",
            Self::End => "end of the file",
        }
    }
}

/// A set of kinds; it may also hold "nothing": that the rule may end here.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct KindSet(u64);

/// The bit for "nothing". Kinds take those below it.
const NOTHING: u64 = 1 << 63;

impl KindSet {
    pub(super) const EMPTY: Self = Self(0);
    pub(super) const NOTHING: Self = Self(NOTHING);

    pub(super) const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut rest = kinds;
        while let [first, tail @ ..] = rest {
            bits |= 1 << (*first as u8);
            rest = tail;
        }
        Self(bits)
    }

    /// Every written kind except these.
    pub(super) const fn all_but(kinds: &[Kind]) -> Self {
        let written = (1 << (LAST_WRITTEN as u8 + 1)) - 1;
        Self(written & !Self::of(kinds).0)
    }

    pub(super) const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << (kind as u8)) != 0
    }

    pub(super) const fn has_nothing(self) -> bool {
        self.0 & NOTHING != 0
    }

    pub(super) const fn without_nothing(self) -> Self {
        Self(self.0 & !NOTHING)
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn is_disjoint(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KindSet({:#x})", self.0)
    }
}

/// A token: its kind and its bytes in the cleaned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}
