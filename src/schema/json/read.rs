//! Reading the JSON form, as protobuf's JSON mapping does: both spellings of a field's name, `null` as absent, unknown
//! fields ignored. It never panics and bounds the depth of what it builds.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::model::{
    AuthorizationModel, Condition, ConditionParameter, Origin, ParameterType, RelationDefinition,
    RestrictionKind, Rewrite, SchemaVersion, TypeDefinition, TypeRestriction, limits,
};

/// Why a JSON text is no model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}{}", at(path))]
pub struct JsonError {
    /// Where: `type_definitions[0].relations.viewer`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at `{path}`") }
}

/// What is wrong with a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// A value of another type was expected.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// A field that must be there is not.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A field is there in both of its spellings.
    #[error("the field `{0}` is given twice")]
    Twice(&'static str),
    /// Two fields of which one at most may be there.
    #[error("`{0}` and `{1}` exclude each other")]
    Choice(&'static str, &'static str),
    /// The relation has no definition.
    #[error("no rewrite is given")]
    NoRewrite,
    /// Rewrites or parameter types are nested too deep.
    #[error("nested more than {max} deep")]
    Depth {
        /// The deepest allowed.
        max: usize,
    },
    /// The schema version is unknown.
    #[error("the schema version {0} is not supported")]
    SchemaVersion(String),
    /// There is no such parameter type.
    #[error("unknown parameter type {0}")]
    ParameterType(String),
    /// `map` and `list` take one generic type, the others none.
    #[error("expected {expected} generic types, found {found}")]
    Generics {
        /// How many were expected.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A condition's name is not the key it stands under.
    #[error("the condition's name is {0}, unlike its key")]
    ConditionKey(String),
}

/// Reads a model from a JSON text.
///
/// # Errors
/// The first thing that is wrong, with its path.
pub fn from_str(text: &str) -> Result<AuthorizationModel, JsonError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|e| JsonError { path: String::new(), kind: JsonErrorKind::Syntax(e.to_string()) })?;
    from_value(&value)
}

/// Reads a model from JSON. Relations, conditions and parameters come in the order of the object, that is sorted.
///
/// # Errors
/// The first thing that is wrong, with its path.
pub fn from_value(value: &Value) -> Result<AuthorizationModel, JsonError> {
    let root = Path { parent: None, part: Part::Root };
    let object = root.object(value)?;
    let schema_version = match object.text("schema_version", "schemaVersion")?.as_deref() {
        Some("1.1") => SchemaVersion::V1_1,
        Some("1.2") => SchemaVersion::V1_2,
        None | Some("") => return Err(root.error(JsonErrorKind::Missing("schema_version"))),
        Some(other) => {
            let kind = JsonErrorKind::SchemaVersion(crate::schema::syntax::quote(other));
            return Err(root.field("schema_version").error(kind));
        }
    };
    let types =
        object.list("type_definitions", "typeDefinitions", |path, value| type_definition(&path, value))?;
    let conditions =
        object.map("conditions", "conditions", |path, key, value| condition(&path, key, value))?;
    Ok(AuthorizationModel { schema_version, types, conditions })
}

/// Where in the JSON a value is; a list linked from the inside out, so that going down costs nothing.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.part {
            Part::Root => Ok(()),
            Part::Field(name) => {
                let is_first = self.parent.is_none_or(|p| matches!(p.part, Part::Root));
                write!(f, "{}{}", if is_first { "" } else { "." }, name.escape_debug())
            }
            Part::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl<'a> Path<'a> {
    fn field(&'a self, name: &'a str) -> Self {
        Path { parent: Some(self), part: Part::Field(name) }
    }

    fn index(&'a self, index: usize) -> Self {
        Path { parent: Some(self), part: Part::Index(index) }
    }

    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { path: self.to_string(), kind }
    }

    fn expected(&self, expected: &'static str, found: &Value) -> JsonError {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(JsonErrorKind::Type { expected, found })
    }

    fn object(&'a self, value: &'a Value) -> Result<Object<'a>, JsonError> {
        let map = value.as_object().ok_or_else(|| self.expected("an object", value))?;
        Ok(Object { path: self, map })
    }

    fn text(&self, value: &Value) -> Result<Box<str>, JsonError> {
        value.as_str().map(Into::into).ok_or_else(|| self.expected("a string", value))
    }
}

/// An object with its path.
struct Object<'a> {
    path: &'a Path<'a>,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// A field that is there and not null.
    fn get(
        &self,
        name: &'static str,
        other: &'static str,
    ) -> Result<Option<(Path<'a>, &'a Value)>, JsonError> {
        let present = |name| self.map.get(name).filter(|v| !v.is_null());
        let value = match (present(name), present(other)) {
            (Some(_), Some(_)) if name != other => return Err(self.path.error(JsonErrorKind::Twice(name))),
            (Some(value), _) | (None, Some(value)) => value,
            (None, None) => return Ok(None),
        };
        Ok(Some((self.path.field(name), value)))
    }

    fn text(&self, name: &'static str, other: &'static str) -> Result<Option<Box<str>>, JsonError> {
        self.get(name, other)?.map(|(path, value)| path.text(value)).transpose()
    }

    /// A text that is empty if the field is not there.
    fn text_or_empty(&self, name: &'static str, other: &'static str) -> Result<Box<str>, JsonError> {
        Ok(self.text(name, other)?.unwrap_or_default())
    }

    fn list<T>(
        &self,
        name: &'static str,
        other: &'static str,
        mut read: impl FnMut(Path<'_>, &Value) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        let Some((path, value)) = self.get(name, other)? else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| path.expected("a list", value))?;
        list.iter().enumerate().map(|(index, item)| read(path.index(index), item)).collect()
    }

    fn map<T>(
        &self,
        name: &'static str,
        other: &'static str,
        mut read: impl FnMut(Path<'_>, &str, &Value) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        let Some((path, value)) = self.get(name, other)? else { return Ok(Vec::new()) };
        let map = value.as_object().ok_or_else(|| path.expected("an object", value))?;
        map.iter().map(|(key, item)| read(path.field(key), key, item)).collect()
    }

    /// The origin that is spread over `module` and `source_info`.
    fn origin(&self) -> Result<Origin, JsonError> {
        let filled = |text: Option<Box<str>>| text.filter(|t| !t.is_empty());
        let module = filled(self.text("module", "module")?);
        let file = match self.get("source_info", "sourceInfo")? {
            Some((path, value)) => filled(path.object(value)?.text("file", "file")?),
            None => None,
        };
        Ok(Origin { module, file })
    }
}

fn type_definition(path: &Path<'_>, value: &Value) -> Result<TypeDefinition, JsonError> {
    let object = path.object(value)?;
    let name = object.text_or_empty("type", "type")?;
    let mut relations = object.map("relations", "relations", |path, key, value| {
        let rewrite = rewrite(&path, value, 1)?;
        Ok(RelationDefinition {
            name: key.into(),
            rewrite,
            restrictions: Vec::new(),
            origin: Origin::default(),
        })
    })?;
    let mut origin = Origin::default();
    if let Some((path, value)) = object.get("metadata", "metadata")? {
        let metadata = path.object(value)?;
        origin = metadata.origin()?;
        let indices: HashMap<Box<str>, usize> =
            relations.iter().enumerate().map(|(i, r)| (r.name.clone(), i)).collect();
        metadata.map("relations", "relations", |path, key, value| {
            // Metadata of a relation that does not exist says nothing.
            if value.is_null() {
                return Ok(());
            }
            let (restrictions, origin) = relation_metadata(&path, value)?;
            if let Some(relation) = indices.get(key).and_then(|&i| relations.get_mut(i)) {
                relation.restrictions = restrictions;
                relation.origin = origin;
            }
            Ok(())
        })?;
    }
    Ok(TypeDefinition { name, relations, origin })
}

fn relation_metadata(path: &Path<'_>, value: &Value) -> Result<(Vec<TypeRestriction>, Origin), JsonError> {
    let object = path.object(value)?;
    let restrictions =
        object.list("directly_related_user_types", "directlyRelatedUserTypes", |path, v| {
            restriction(&path, v)
        })?;
    Ok((restrictions, object.origin()?))
}

fn restriction(path: &Path<'_>, value: &Value) -> Result<TypeRestriction, JsonError> {
    let object = path.object(value)?;
    let relation = object.text("relation", "relation")?;
    let wildcard = object.get("wildcard", "wildcard")?;
    let kind = match (relation, wildcard) {
        (Some(_), Some(_)) => return Err(path.error(JsonErrorKind::Choice("relation", "wildcard"))),
        (None, Some((path, value))) => {
            path.object(value)?;
            RestrictionKind::Wildcard
        }
        (Some(relation), None) if !relation.is_empty() => RestrictionKind::Userset(relation),
        (_, None) => RestrictionKind::Object,
    };
    Ok(TypeRestriction {
        type_name: object.text_or_empty("type", "type")?,
        kind,
        condition: object.text("condition", "condition")?.filter(|c| !c.is_empty()),
    })
}

fn rewrite(path: &Path<'_>, value: &Value, depth: usize) -> Result<Rewrite, JsonError> {
    if depth > limits::REWRITE_DEPTH_MAX {
        return Err(path.error(JsonErrorKind::Depth { max: limits::REWRITE_DEPTH_MAX }));
    }
    let object = path.object(value)?;
    let mut chosen: Option<(&'static str, Rewrite)> = None;
    let choices = [
        ("this", "this"),
        ("computedUserset", "computed_userset"),
        ("tupleToUserset", "tuple_to_userset"),
        ("union", "union"),
        ("intersection", "intersection"),
        ("difference", "difference"),
    ];
    for (name, other) in choices {
        let Some((path, value)) = object.get(name, other)? else { continue };
        if let Some((earlier, _)) = chosen {
            return Err(object.path.error(JsonErrorKind::Choice(earlier, name)));
        }
        chosen = Some((name, operator(&path, name, value, depth)?));
    }
    chosen.map(|(_, rewrite)| rewrite).ok_or_else(|| path.error(JsonErrorKind::NoRewrite))
}

fn operator(path: &Path<'_>, name: &str, value: &Value, depth: usize) -> Result<Rewrite, JsonError> {
    let object = path.object(value)?;
    let children = || object.list("child", "child", |path, v| rewrite(&path, v, depth + 1));
    let operand = |name: &'static str| match object.get(name, name)? {
        Some((path, value)) => rewrite(&path, value, depth + 1).map(Box::new),
        None => Err(path.error(JsonErrorKind::Missing(name))),
    };
    let relation = |name: &'static str, other: &'static str| match object.get(name, other)? {
        Some((path, value)) => path.object(value)?.text_or_empty("relation", "relation"),
        None => Err(path.error(JsonErrorKind::Missing(name))),
    };
    Ok(match name {
        "computedUserset" => Rewrite::Computed(object.text_or_empty("relation", "relation")?),
        "tupleToUserset" => Rewrite::TupleToUserset {
            tupleset: relation("tupleset", "tupleset")?,
            computed: relation("computedUserset", "computed_userset")?,
        },
        "union" => Rewrite::Union(children()?),
        "intersection" => Rewrite::Intersection(children()?),
        "difference" => Rewrite::Difference { base: operand("base")?, subtract: operand("subtract")? },
        _ => Rewrite::This,
    })
}

fn condition(path: &Path<'_>, key: &str, value: &Value) -> Result<Condition, JsonError> {
    let object = path.object(value)?;
    let name = object.text_or_empty("name", "name")?;
    if &*name != key {
        return Err(path.error(JsonErrorKind::ConditionKey(crate::schema::syntax::quote(&name))));
    }
    let parameters = object.map("parameters", "parameters", |path, key, value| {
        Ok(ConditionParameter { name: key.into(), parameter_type: parameter_type(&path, value, 1)? })
    })?;
    let origin = match object.get("metadata", "metadata")? {
        Some((path, value)) => path.object(value)?.origin()?,
        None => Origin::default(),
    };
    Ok(Condition { name, expression: object.text_or_empty("expression", "expression")?, parameters, origin })
}

/// The parameter types in the order of their numbers in protobuf, from 1.
const PARAMETER_TYPES: [&str; 11] = [
    "TYPE_NAME_ANY",
    "TYPE_NAME_BOOL",
    "TYPE_NAME_STRING",
    "TYPE_NAME_INT",
    "TYPE_NAME_UINT",
    "TYPE_NAME_DOUBLE",
    "TYPE_NAME_DURATION",
    "TYPE_NAME_TIMESTAMP",
    "TYPE_NAME_MAP",
    "TYPE_NAME_LIST",
    "TYPE_NAME_IPADDRESS",
];

fn parameter_type(path: &Path<'_>, value: &Value, depth: usize) -> Result<ParameterType, JsonError> {
    if depth > limits::REWRITE_DEPTH_MAX {
        return Err(path.error(JsonErrorKind::Depth { max: limits::REWRITE_DEPTH_MAX }));
    }
    let object = path.object(value)?;
    let Some((name_path, name)) = object.get("type_name", "typeName")? else {
        return Err(path.error(JsonErrorKind::Missing("type_name")));
    };
    let name = match name {
        Value::String(name) => name.clone(),
        Value::Number(number) => {
            let index = number.as_u64().and_then(|n| usize::try_from(n).ok()).and_then(|n| n.checked_sub(1));
            let known = index.and_then(|i| PARAMETER_TYPES.get(i));
            known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
        }
        other => return Err(name_path.expected("a string", other)),
    };
    let mut generics = object
        .list("generic_types", "genericTypes", |path, v| parameter_type(&path, v, depth + 1))?
        .into_iter();
    let found = generics.len();
    let expected = usize::from(matches!(name.as_str(), "TYPE_NAME_MAP" | "TYPE_NAME_LIST"));
    if found != expected {
        return Err(path.error(JsonErrorKind::Generics { expected, found }));
    }
    let generic = generics.next().map(Box::new);
    Ok(match (name.as_str(), generic) {
        ("TYPE_NAME_ANY", None) => ParameterType::Any,
        ("TYPE_NAME_BOOL", None) => ParameterType::Bool,
        ("TYPE_NAME_STRING", None) => ParameterType::String,
        ("TYPE_NAME_INT", None) => ParameterType::Int,
        ("TYPE_NAME_UINT", None) => ParameterType::Uint,
        ("TYPE_NAME_DOUBLE", None) => ParameterType::Double,
        ("TYPE_NAME_DURATION", None) => ParameterType::Duration,
        ("TYPE_NAME_TIMESTAMP", None) => ParameterType::Timestamp,
        ("TYPE_NAME_IPADDRESS", None) => ParameterType::IpAddress,
        ("TYPE_NAME_MAP", Some(generic)) => ParameterType::Map(generic),
        ("TYPE_NAME_LIST", Some(generic)) => ParameterType::List(generic),
        _ => return Err(name_path.error(JsonErrorKind::ParameterType(crate::schema::syntax::quote(&name)))),
    })
}
