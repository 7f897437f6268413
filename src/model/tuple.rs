//! Relationship tuples: `object#relation@subject`, and their lifetimes.
//!
//! Each shape has an owned form (`TupleKey`) and a borrowed one (`TupleRef`) that the hot path uses. Neither
//! can be made from text that breaks the rules of names: what is parsed here contains no control character, so
//! that the store may separate the parts of a key with 0x00.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::limits::{OBJECT_BYTES_MAX, SUBJECT_BYTES_MAX};
use super::name::{NameError, check, check_relation, check_type};
use super::time::Instant;

/// An object, `type:id`, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef<'a> {
    /// The type.
    pub type_name: &'a str,
    /// The identifier within the type.
    pub id: &'a str,
}

/// An object, `type:id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// The type.
    pub type_name: Box<str>,
    /// The identifier within the type.
    pub id: Box<str>,
}

/// A subject, borrowed: who stands on the right of a tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectRef<'a> {
    /// One object, `user:alice`.
    Object(ObjectRef<'a>),
    /// Every object of a type, `user:*`.
    Wildcard(&'a str),
    /// Everybody who holds a relation on an object, `group:eng#member`.
    Userset(ObjectRef<'a>, &'a str),
}

/// A subject: who stands on the right of a tuple.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// One object, `user:alice`.
    Object(Object),
    /// Every object of a type, `user:*`.
    Wildcard(Box<str>),
    /// Everybody who holds a relation on an object, `group:eng#member`.
    Userset(Object, Box<str>),
}

/// The three kinds of subject. Tuples of one object and relation are stored by class, so that each class is
/// one range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectClass {
    /// `type:id`
    Object,
    /// `type:*`
    Wildcard,
    /// `type:id#relation`
    Userset,
}

/// The key of a tuple, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TupleRef<'a> {
    /// On what.
    pub object: ObjectRef<'a>,
    /// Which relation.
    pub relation: &'a str,
    /// Who.
    pub subject: SubjectRef<'a>,
}

/// The key of a tuple: a store has at most one tuple with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TupleKey {
    /// On what.
    pub object: Object,
    /// Which relation.
    pub relation: Box<str>,
    /// Who.
    pub subject: Subject,
}

/// When a tuple counts. The default is always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Lifetime {
    /// From this instant on it counts as absent; `None`: never.
    pub expires_at: Option<Instant>,
    /// While set it counts as absent.
    pub paused: bool,
}

impl Lifetime {
    /// Whether the tuple is live at `at`: not paused, and before `expires_at` (which is exclusive, R45).
    pub fn is_live(&self, at: Instant) -> bool {
        !self.paused && self.expires_at.is_none_or(|end| at < end)
    }

    /// Whether it is the default: neither paused nor expiring.
    pub fn is_unlimited(&self) -> bool {
        !self.paused && self.expires_at.is_none()
    }
}

/// The condition under which a tuple counts, with the context that was stored with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TupleCondition {
    /// Name of a condition of the model.
    pub name: Box<str>,
    /// The stored context: a JSON object as text, with sorted keys and no white space, `{}` where none was given.
    pub context: Box<str>,
}

/// What a store keeps with a tuple's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TupleRecord {
    /// When it counts.
    pub lifetime: Lifetime,
    /// The condition under which it counts, if any.
    pub condition: Option<TupleCondition>,
    /// When it was last written.
    pub written_at: Instant,
}

/// Why a text is no part of a tuple.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TupleParseError {
    /// No `:` between type and identifier.
    #[error("`{text}` has no `:`; expected `type:id`")]
    NoColon {
        /// What was given, shortened.
        text: String,
    },
    /// The type cannot be one.
    #[error("the type of `{text}` {reason}")]
    Type {
        /// What was given, shortened.
        text: String,
        /// What is wrong.
        reason: NameError,
    },
    /// The identifier cannot be one.
    #[error("the id of `{text}` {reason}")]
    Id {
        /// What was given, shortened.
        text: String,
        /// What is wrong.
        reason: NameError,
    },
    /// The relation cannot be one.
    #[error("the relation of `{text}` {reason}")]
    Relation {
        /// What was given, shortened.
        text: String,
        /// What is wrong.
        reason: NameError,
    },
    /// The whole is too long.
    #[error("`{text}` is {bytes} bytes long; at most {max} are allowed")]
    TooLong {
        /// What was given, shortened.
        text: String,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// `*` where one object is needed.
    #[error("`{text}` is a wildcard; expected one object, `type:id`")]
    Wildcard {
        /// What was given, shortened.
        text: String,
    },
}

/// At most 64 characters of `text`, for an error message.
fn shorten(text: &str) -> String {
    let mut shortened: String = text.chars().take(64).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
}

fn bounded(text: &str, max: usize) -> Result<(), TupleParseError> {
    if text.len() <= max {
        Ok(())
    } else {
        Err(TupleParseError::TooLong { text: shorten(text), bytes: text.len(), max })
    }
}

impl<'a> ObjectRef<'a> {
    /// Reads `type:id`, at most 256 bytes; `type:*` is no object.
    pub fn parse(text: &'a str) -> Result<Self, TupleParseError> {
        bounded(text, OBJECT_BYTES_MAX)?;
        let object = Self::parse_unbounded(text)?;
        if object.id == "*" { Err(TupleParseError::Wildcard { text: shorten(text) }) } else { Ok(object) }
    }

    fn parse_unbounded(text: &'a str) -> Result<Self, TupleParseError> {
        let (type_name, id) =
            text.split_once(':').ok_or_else(|| TupleParseError::NoColon { text: shorten(text) })?;
        check_type(type_name).map_err(|reason| TupleParseError::Type { text: shorten(text), reason })?;
        check(id, SUBJECT_BYTES_MAX, b":#")
            .map_err(|reason| TupleParseError::Id { text: shorten(text), reason })?;
        Ok(Self { type_name, id })
    }

    /// An owned copy.
    pub fn to_owned(self) -> Object {
        Object { type_name: self.type_name.into(), id: self.id.into() }
    }
}

impl Object {
    /// Reads `type:id`, at most 256 bytes.
    pub fn parse(text: &str) -> Result<Self, TupleParseError> {
        ObjectRef::parse(text).map(ObjectRef::to_owned)
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> ObjectRef<'_> {
        ObjectRef { type_name: &self.type_name, id: &self.id }
    }
}

impl<'a> SubjectRef<'a> {
    /// Reads `type:id`, `type:*` or `type:id#relation`, at most 512 bytes.
    pub fn parse(text: &'a str) -> Result<Self, TupleParseError> {
        bounded(text, SUBJECT_BYTES_MAX)?;
        let Some((object, relation)) = text.split_once('#') else {
            let object = ObjectRef::parse_unbounded(text)?;
            return Ok(if object.id == "*" {
                Self::Wildcard(object.type_name)
            } else {
                Self::Object(object)
            });
        };
        let object = ObjectRef::parse_unbounded(object)?;
        if object.id == "*" {
            return Err(TupleParseError::Wildcard { text: shorten(text) });
        }
        check_relation(relation)
            .map_err(|reason| TupleParseError::Relation { text: shorten(text), reason })?;
        Ok(Self::Userset(object, relation))
    }

    /// The type of the object, of the wildcard, or of the userset's object.
    pub fn type_name(self) -> &'a str {
        match self {
            Self::Object(object) | Self::Userset(object, _) => object.type_name,
            Self::Wildcard(type_name) => type_name,
        }
    }

    /// Its class.
    pub fn class(self) -> SubjectClass {
        match self {
            Self::Object(_) => SubjectClass::Object,
            Self::Wildcard(_) => SubjectClass::Wildcard,
            Self::Userset(..) => SubjectClass::Userset,
        }
    }

    /// An owned copy.
    pub fn to_owned(self) -> Subject {
        match self {
            Self::Object(object) => Subject::Object(object.to_owned()),
            Self::Wildcard(type_name) => Subject::Wildcard(type_name.into()),
            Self::Userset(object, relation) => Subject::Userset(object.to_owned(), relation.into()),
        }
    }
}

impl Subject {
    /// Reads `type:id`, `type:*` or `type:id#relation`, at most 512 bytes.
    pub fn parse(text: &str) -> Result<Self, TupleParseError> {
        SubjectRef::parse(text).map(SubjectRef::to_owned)
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> SubjectRef<'_> {
        match self {
            Self::Object(object) => SubjectRef::Object(object.as_ref()),
            Self::Wildcard(type_name) => SubjectRef::Wildcard(type_name),
            Self::Userset(object, relation) => SubjectRef::Userset(object.as_ref(), relation),
        }
    }
}

impl TupleRef<'_> {
    /// An owned copy.
    pub fn to_owned(self) -> TupleKey {
        TupleKey {
            object: self.object.to_owned(),
            relation: self.relation.into(),
            subject: self.subject.to_owned(),
        }
    }
}

impl TupleKey {
    /// Reads the three parts as the wire has them.
    pub fn parse(object: &str, relation: &str, subject: &str) -> Result<Self, TupleParseError> {
        check_relation(relation)
            .map_err(|reason| TupleParseError::Relation { text: shorten(relation), reason })?;
        Ok(Self {
            object: Object::parse(object)?,
            relation: relation.into(),
            subject: Subject::parse(subject)?,
        })
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> TupleRef<'_> {
        TupleRef { object: self.object.as_ref(), relation: &self.relation, subject: self.subject.as_ref() }
    }
}

impl fmt::Display for ObjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.type_name, self.id)
    }
}

impl fmt::Display for SubjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::Wildcard(type_name) => write!(f, "{type_name}:*"),
            Self::Userset(object, relation) => write!(f, "{object}#{relation}"),
        }
    }
}

impl fmt::Display for TupleRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.object, self.relation, self.subject)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Display for TupleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_come_in_three_classes() {
        let class = |text| SubjectRef::parse(text).unwrap().class();
        assert_eq!(class("user:alice"), SubjectClass::Object);
        assert_eq!(class("user:*"), SubjectClass::Wildcard);
        assert_eq!(class("group:eng#member"), SubjectClass::Userset);
    }

    #[test]
    fn what_is_parsed_prints_back() {
        for text in
            ["user:alice", "user:*", "group:eng#member", "user:a@b.c", "user:a|b", "a/b:c/d", "user:ß"]
        {
            assert_eq!(Subject::parse(text).unwrap().to_string(), text);
        }
        let key = TupleKey::parse("document:1", "viewer", "group:eng#member").unwrap();
        assert_eq!(key.to_string(), "document:1#viewer@group:eng#member");
    }

    #[test]
    fn malformed_parts_are_refused() {
        for text in
            ["", "alice", ":alice", "user:", "user:a:b", "user:a b", "user:a\0", "us er:a", "user:a\u{85}b"]
        {
            assert!(ObjectRef::parse(text).is_err(), "{text:?}");
            assert!(SubjectRef::parse(text).is_err(), "{text:?}");
        }
        for text in ["group:*#member", "group:eng#", "group:eng#a#b", "group:eng#a b", "#member"] {
            assert!(SubjectRef::parse(text).is_err(), "{text:?}");
        }
        assert!(ObjectRef::parse("document:1#viewer").is_err());
        assert!(ObjectRef::parse(&format!("d:{}", "x".repeat(255))).is_err());
        assert!(SubjectRef::parse(&format!("d:{}", "x".repeat(511))).is_err());
        assert!(TupleKey::parse("document:1", "", "user:a").is_err());
    }

    #[test]
    fn a_tuple_lives_until_its_expiration_and_not_at_it() {
        let at = |micros| Instant::from_unix_micros(micros).unwrap();
        let lifetime = Lifetime { expires_at: Some(at(10)), paused: false };
        assert!(lifetime.is_live(at(9)));
        assert!(!lifetime.is_live(at(10)));
        assert!(!Lifetime { paused: true, ..lifetime }.is_live(at(9)));
        assert!(Lifetime::default().is_live(Instant::MAX));
    }
}
