//! Writing the JSON form.

use serde_json::{Map, Value, json};

use crate::model::{
    AuthorizationModel, Condition, Origin, ParameterType, RelationDefinition, RestrictionKind, Rewrite,
    SchemaVersion, TypeDefinition, TypeRestriction,
};

/// How much is spelled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As OpenFGA's tools write it: what is empty is left out.
    Compact,
    /// As OpenFGA's server answers: every field that is not a choice is there, empty or not.
    Wire,
}

/// The model as JSON. Objects are sorted by their names.
///
/// The model's depth must be bounded, as that of every model from a text or from JSON is.
#[must_use]
pub fn to_value(model: &AuthorizationModel, style: Style) -> Value {
    let version = match model.schema_version {
        SchemaVersion::V1_1 => "1.1",
        SchemaVersion::V1_2 => "1.2",
    };
    let types: Vec<Value> = model.types.iter().map(|t| type_definition(t, style)).collect();
    let conditions: Map<String, Value> =
        model.conditions.iter().map(|c| (c.name.to_string(), condition(c, style))).collect();
    let mut object = Map::new();
    object.insert("schema_version".into(), version.into());
    if style == Style::Wire || !types.is_empty() {
        object.insert("type_definitions".into(), types.into());
    }
    if style == Style::Wire || !conditions.is_empty() {
        object.insert("conditions".into(), conditions.into());
    }
    Value::Object(object)
}

fn type_definition(definition: &TypeDefinition, style: Style) -> Value {
    let relations: Map<String, Value> =
        definition.relations.iter().map(|r| (r.name.to_string(), rewrite(&r.rewrite, style))).collect();
    let metadata = if definition.relations.is_empty() && is_empty(&definition.origin) {
        Value::Null
    } else {
        let relations: Map<String, Value> =
            definition.relations.iter().map(|r| (r.name.to_string(), relation_metadata(r, style))).collect();
        let mut metadata = Map::new();
        if style == Style::Wire || !relations.is_empty() {
            metadata.insert("relations".into(), relations.into());
        }
        insert_origin(&mut metadata, &definition.origin, style);
        metadata.into()
    };
    json!({ "type": definition.name, "relations": relations, "metadata": metadata })
}

fn is_empty(origin: &Origin) -> bool {
    origin.module.is_none() && origin.file.is_none()
}

fn insert_origin(object: &mut Map<String, Value>, origin: &Origin, style: Style) {
    if style == Style::Wire || origin.module.is_some() {
        object.insert("module".into(), origin.module.as_deref().unwrap_or_default().into());
    }
    if let Some(file) = &origin.file {
        object.insert("source_info".into(), json!({ "file": file }));
    } else if style == Style::Wire {
        object.insert("source_info".into(), Value::Null);
    }
}

fn relation_metadata(relation: &RelationDefinition, style: Style) -> Value {
    let restrictions: Vec<Value> = relation.restrictions.iter().map(|r| restriction(r, style)).collect();
    let mut object = Map::new();
    object.insert("directly_related_user_types".into(), restrictions.into());
    insert_origin(&mut object, &relation.origin, style);
    object.into()
}

fn restriction(restriction: &TypeRestriction, style: Style) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), (&*restriction.type_name).into());
    match &restriction.kind {
        RestrictionKind::Object => {}
        RestrictionKind::Wildcard => _ = object.insert("wildcard".into(), json!({})),
        RestrictionKind::Userset(relation) => _ = object.insert("relation".into(), (&**relation).into()),
    }
    if style == Style::Wire || restriction.condition.is_some() {
        object.insert("condition".into(), restriction.condition.as_deref().unwrap_or_default().into());
    }
    object.into()
}

fn rewrite(of: &Rewrite, style: Style) -> Value {
    let children = |list: &[Rewrite]| list.iter().map(|c| rewrite(c, style)).collect::<Vec<_>>();
    match of {
        Rewrite::This => json!({ "this": {} }),
        Rewrite::Computed(relation) => json!({ "computedUserset": object_relation(relation, style) }),
        Rewrite::TupleToUserset { tupleset, computed } => json!({
            "tupleToUserset": {
                "tupleset": object_relation(tupleset, style),
                "computedUserset": object_relation(computed, style),
            }
        }),
        Rewrite::Union(list) => json!({ "union": { "child": children(list) } }),
        Rewrite::Intersection(list) => json!({ "intersection": { "child": children(list) } }),
        Rewrite::Difference { base, subtract } => json!({
            "difference": { "base": rewrite(base, style), "subtract": rewrite(subtract, style) }
        }),
    }
}

fn object_relation(relation: &str, style: Style) -> Value {
    match style {
        Style::Compact => json!({ "relation": relation }),
        Style::Wire => json!({ "object": "", "relation": relation }),
    }
}

fn condition(condition: &Condition, style: Style) -> Value {
    let parameters: Map<String, Value> = condition
        .parameters
        .iter()
        .map(|p| (p.name.to_string(), parameter(&p.parameter_type, style)))
        .collect();
    let mut object = Map::new();
    object.insert("name".into(), (&*condition.name).into());
    object.insert("expression".into(), (&*condition.expression).into());
    object.insert("parameters".into(), parameters.into());
    if !is_empty(&condition.origin) {
        let mut metadata = Map::new();
        insert_origin(&mut metadata, &condition.origin, style);
        object.insert("metadata".into(), metadata.into());
    } else if style == Style::Wire {
        object.insert("metadata".into(), Value::Null);
    }
    object.into()
}

fn parameter(of: &ParameterType, style: Style) -> Value {
    let (name, generic) = match of {
        ParameterType::Any => ("ANY", None),
        ParameterType::Bool => ("BOOL", None),
        ParameterType::String => ("STRING", None),
        ParameterType::Int => ("INT", None),
        ParameterType::Uint => ("UINT", None),
        ParameterType::Double => ("DOUBLE", None),
        ParameterType::Duration => ("DURATION", None),
        ParameterType::Timestamp => ("TIMESTAMP", None),
        ParameterType::IpAddress => ("IPADDRESS", None),
        ParameterType::Map(inner) => ("MAP", Some(inner)),
        ParameterType::List(inner) => ("LIST", Some(inner)),
    };
    let generics: Vec<Value> = generic.into_iter().map(|g| parameter(g, style)).collect();
    let mut object = Map::new();
    object.insert("type_name".into(), format!("TYPE_NAME_{name}").into());
    if style == Style::Wire || !generics.is_empty() {
        object.insert("generic_types".into(), generics.into());
    }
    object.into()
}
