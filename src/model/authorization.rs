//! The authorization model: types, their relations, and how each relation is rewritten into others.
//!
//! These are plain data. Whether they form a valid model is decided in `schema/`; what they mean, in `eval/`.

use serde::{Deserialize, Serialize};

/// A whole model, without the identifier that a store gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationModel {
    /// The version of the language.
    pub schema_version: SchemaVersion,
    /// The types, in the order of their definition.
    pub types: Vec<TypeDefinition>,
    /// The conditions, in the order of their definition.
    pub conditions: Vec<Condition>,
}

/// The version of the language that a model is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaVersion {
    /// `1.1`
    V1_1,
    /// `1.2`: with modules.
    V1_2,
}

/// Which module and file a definition came from; only modular models have it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The module's name.
    pub module: Option<Box<str>>,
    /// The source file's path.
    pub file: Option<Box<str>>,
}

/// A type of object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDefinition {
    /// Its name, unique in the model.
    pub name: Box<str>,
    /// Its relations, in the order of their definition.
    pub relations: Vec<RelationDefinition>,
    /// Where it was defined.
    pub origin: Origin,
}

/// A relation of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationDefinition {
    /// Its name, unique in the type.
    pub name: Box<str>,
    /// How it is computed.
    pub rewrite: Rewrite,
    /// What may stand on the right of its own tuples; not empty exactly where `rewrite` contains
    /// [`Rewrite::This`].
    pub restrictions: Vec<TypeRestriction>,
    /// Where it was defined, where that differs from its type (an extension).
    pub origin: Origin,
}

/// How a relation is computed (the userset rewrite of Zanzibar, section 2.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rewrite {
    /// The relation's own tuples: `[user, group#member]`.
    This,
    /// Another relation of the same object: `editor`.
    Computed(Box<str>),
    /// A relation of the objects that a relation of this object names: `viewer from parent`.
    TupleToUserset {
        /// The relation whose tuples name the objects (`parent`).
        tupleset: Box<str>,
        /// The relation that is asked on them (`viewer`).
        computed: Box<str>,
    },
    /// Any of them: `a or b`.
    Union(Vec<Rewrite>),
    /// All of them: `a and b`.
    Intersection(Vec<Rewrite>),
    /// The first without the second: `a but not b`.
    Difference {
        /// Who may be in it.
        base: Box<Rewrite>,
        /// Who is taken out.
        subtract: Box<Rewrite>,
    },
}

/// One entry of a type restriction list: what may stand on the right of a tuple.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TypeRestriction {
    /// The subject's type.
    pub type_name: Box<str>,
    /// Which subjects of that type.
    pub kind: RestrictionKind,
    /// The condition that a tuple of this form must carry, if any.
    pub condition: Option<Box<str>>,
}

/// Which subjects of a type a restriction admits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RestrictionKind {
    /// `user`
    Object,
    /// `user:*`
    Wildcard,
    /// `group#member`
    Userset(Box<str>),
}

/// A named condition: a boolean expression over parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name, unique in the model.
    pub name: Box<str>,
    /// The expression, in CEL.
    pub expression: Box<str>,
    /// Its parameters, in the order of their definition.
    pub parameters: Vec<ConditionParameter>,
    /// Where it was defined.
    pub origin: Origin,
}

/// A parameter of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionParameter {
    /// Its name, unique in the condition.
    pub name: Box<str>,
    /// Its type.
    pub parameter_type: ParameterType,
}

/// The type of a condition's parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterType {
    /// Any value (in the JSON form only).
    Any,
    /// `bool`
    Bool,
    /// `string`
    String,
    /// `int`: 64 bits, signed
    Int,
    /// `uint`: 64 bits, unsigned
    Uint,
    /// `double`
    Double,
    /// `duration`
    Duration,
    /// `timestamp`
    Timestamp,
    /// `ipaddress`
    IpAddress,
    /// `map<T>`, from strings
    Map(Box<ParameterType>),
    /// `list<T>`
    List(Box<ParameterType>),
}

impl AuthorizationModel {
    /// The definition of a type.
    pub fn type_definition(&self, name: &str) -> Option<&TypeDefinition> {
        self.types.iter().find(|t| &*t.name == name)
    }

    /// The definition of a relation of a type.
    pub fn relation(&self, type_name: &str, relation: &str) -> Option<&RelationDefinition> {
        self.type_definition(type_name)?.relation(relation)
    }

    /// The definition of a condition.
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| &*c.name == name)
    }
}

impl TypeDefinition {
    /// The definition of one of its relations.
    pub fn relation(&self, name: &str) -> Option<&RelationDefinition> {
        self.relations.iter().find(|r| &*r.name == name)
    }
}
