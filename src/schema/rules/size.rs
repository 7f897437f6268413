//! How large a model may be. Sizes only: what the parts mean is checked elsewhere.

use super::{Place, Violation, ViolationKind, is_too_deep};
use crate::model::{
    AuthorizationModel, Condition, Origin, ParameterType, RelationDefinition, RestrictionKind, Rewrite,
    TypeDefinition, limits,
};

pub(super) fn check(model: &AuthorizationModel, found: &mut Vec<Violation>) {
    use ViolationKind as Kind;
    let mut bound = |kind, place, what: &str, actual: usize, max: usize| {
        if actual > max {
            found.push(Violation::new(kind, place, format!("{what}: {actual}; at most {max} are allowed")));
        }
    };
    bound(Kind::TooManyTypes, Place::Model, "too many types", model.types.len(), limits::TYPES_PER_MODEL_MAX);
    let conditions = model.conditions.len();
    bound(
        Kind::TooManyConditions,
        Place::Model,
        "too many conditions",
        conditions,
        limits::CONDITIONS_PER_MODEL_MAX,
    );
    for (condition_index, condition) in model.conditions.iter().enumerate() {
        let (count, max) = (condition.parameters.len(), limits::PARAMETERS_PER_CONDITION_MAX);
        bound(
            Kind::TooManyParameters,
            Place::Condition { condition_index },
            "too many parameters",
            count,
            max,
        );
        let (bytes, max) = (condition.expression.len(), limits::EXPRESSION_BYTES_MAX);
        let place = Place::Expression { condition_index };
        bound(Kind::ExpressionTooLong, place, "too many bytes in the expression", bytes, max);
    }
    for (condition_index, condition) in model.conditions.iter().enumerate() {
        if condition.expression.trim().is_empty() {
            let message = format!("the condition `{}` has no expression", condition.name);
            found.push(Violation::new(Kind::EmptyExpression, Place::Condition { condition_index }, message));
        }
    }
    let mut deep = false;
    for (type_index, definition) in model.types.iter().enumerate() {
        for (relation_index, relation) in definition.relations.iter().enumerate() {
            if is_too_deep(&relation.rewrite) {
                deep = true;
                let (name, max) = (&relation.name, limits::REWRITE_DEPTH_MAX);
                let message = format!("the operators of `{name}` are nested more than {max} deep");
                let place = Place::Relation { type_index, relation_index };
                found.push(Violation::new(Kind::RewriteTooDeep, place, message));
            }
        }
    }
    // The encoding is computed with a recursion that the depth bounds.
    if !deep {
        let (bytes, max) = (encoded_bytes(model), limits::MODEL_BYTES_MAX);
        if bytes > max {
            let message = format!("the model takes {bytes} bytes; at most {max} are allowed");
            found.push(Violation::new(Kind::ModelTooLarge, Place::Model, message));
        }
    }
}

/// Bytes of the model's protobuf encoding, with an identifier: what OpenFGA compares to its limit.
fn encoded_bytes(model: &AuthorizationModel) -> usize {
    const ID_BYTES: usize = 26;
    const VERSION_BYTES: usize = 3;
    let types: usize = model.types.iter().map(|t| field(type_bytes(t))).sum();
    let conditions: usize = model.conditions.iter().map(|c| entry(&c.name, condition_bytes(c))).sum();
    field(ID_BYTES) + field(VERSION_BYTES) + types + conditions
}

/// A field of so many bytes, with its tag and length.
fn field(bytes: usize) -> usize {
    let length_bits = (usize::BITS - bytes.leading_zeros()).max(1) as usize;
    1 + length_bits.div_ceil(7) + bytes
}

/// A text field; one without text is not written.
fn text(text: &str) -> usize {
    if text.is_empty() { 0 } else { field(text.len()) }
}

/// An entry of a map from names.
fn entry(name: &str, value_bytes: usize) -> usize {
    field(text(name) + field(value_bytes))
}

fn origin_bytes(origin: &Origin) -> usize {
    text(origin.module.as_deref().unwrap_or_default())
        + origin.file.as_deref().map_or(0, |file| field(text(file)))
}

fn type_bytes(definition: &TypeDefinition) -> usize {
    let relations: usize =
        definition.relations.iter().map(|r| entry(&r.name, rewrite_bytes(&r.rewrite))).sum();
    let metadata: usize = definition.relations.iter().map(|r| entry(&r.name, metadata_bytes(r))).sum();
    let metadata = metadata + origin_bytes(&definition.origin);
    text(&definition.name) + relations + if metadata == 0 { 0 } else { field(metadata) }
}

fn metadata_bytes(relation: &RelationDefinition) -> usize {
    let restrictions: usize = relation
        .restrictions
        .iter()
        .map(|r| {
            let kind = match &r.kind {
                RestrictionKind::Object => 0,
                RestrictionKind::Wildcard => field(0),
                RestrictionKind::Userset(relation) => text(relation),
            };
            field(text(&r.type_name) + kind + text(r.condition.as_deref().unwrap_or_default()))
        })
        .sum();
    restrictions + origin_bytes(&relation.origin)
}

fn rewrite_bytes(rewrite: &Rewrite) -> usize {
    field(match rewrite {
        Rewrite::This => 0,
        Rewrite::Computed(relation) => text(relation),
        Rewrite::TupleToUserset { tupleset, computed } => field(text(tupleset)) + field(text(computed)),
        Rewrite::Union(children) | Rewrite::Intersection(children) => {
            children.iter().map(|c| field(rewrite_bytes(c))).sum()
        }
        Rewrite::Difference { base, subtract } => field(rewrite_bytes(base)) + field(rewrite_bytes(subtract)),
    })
}

fn condition_bytes(condition: &Condition) -> usize {
    let parameters: usize =
        condition.parameters.iter().map(|p| entry(&p.name, parameter_bytes(&p.parameter_type))).sum();
    let origin = origin_bytes(&condition.origin);
    let metadata = if origin == 0 { 0 } else { field(origin) };
    text(&condition.name) + text(&condition.expression) + parameters + metadata
}

fn parameter_bytes(parameter: &ParameterType) -> usize {
    const TYPE_BYTES: usize = 2;
    match parameter {
        ParameterType::Map(inner) | ParameterType::List(inner) => TYPE_BYTES + field(parameter_bytes(inner)),
        _ => TYPE_BYTES,
    }
}
