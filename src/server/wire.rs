//! The shapes that several routes share: tuples, conditions, lifetimes, instants. Wire types stand in `server/`
//! only; what is read here is at once turned into the words of the model.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::{ApiError, Code};
use super::fields::{Fields, Given, wrong_type};
use crate::cel::{Context, canonical};
use crate::engine::{ContextualTuple, QueryContext};
use crate::model::limits::{CONDITION_CONTEXT_BYTES_MAX, CONTEXTUAL_TUPLES_MAX};
use crate::model::{
    AssertedTuple, Instant, Lifetime, ModelId, Object, Revision, Subject, TupleCondition, TupleKey,
    TupleRecord, check_condition_name, check_relation,
};
use crate::store::Field;

/// The values of `ConsistencyPreference`. Every answer has the higher consistency, so that none changes anything.
pub(super) const CONSISTENCY: [(&str, i32); 3] =
    [("UNSPECIFIED", 0), ("MINIMIZE_LATENCY", 100), ("HIGHER_CONSISTENCY", 200)];

/// A tuple as a request gives it.
pub(super) struct GivenTuple {
    pub(super) key: TupleKey,
    pub(super) condition: Field<TupleCondition>,
    pub(super) expires_at: Field<Instant>,
    pub(super) paused: Field<bool>,
}

/// Reads `object`.
pub(super) fn object(fields: &mut Fields) -> Result<Object, ApiError> {
    let text = fields.string("object")?;
    object_of(fields, &text)
}

/// Takes the text of the field `object`.
pub(super) fn object_of(fields: &Fields, text: &str) -> Result<Object, ApiError> {
    Object::parse(text).map_err(|error| ApiError::invalid(&fields.path("object"), error))
}

/// Reads `relation`.
pub(super) fn relation(fields: &mut Fields) -> Result<Box<str>, ApiError> {
    let text = fields.string("relation")?;
    relation_of(fields, text)
}

/// Takes the text of the field `relation`.
pub(super) fn relation_of(fields: &Fields, text: String) -> Result<Box<str>, ApiError> {
    relation_named(fields, "relation", text)
}

/// Takes the text of a field that names a relation.
pub(super) fn relation_named(fields: &Fields, name: &str, text: String) -> Result<Box<str>, ApiError> {
    match check_relation(&text) {
        Ok(()) => Ok(text.into()),
        Err(error) => Err(ApiError::invalid(
            &fields.path(name),
            format!("the name {error}; expected 1 to 50 bytes without `:`, `#`, `@` and white space"),
        )),
    }
}

/// Reads `user`.
pub(super) fn subject(fields: &mut Fields) -> Result<Subject, ApiError> {
    let text = fields.string("user")?;
    subject_of(fields, &text)
}

/// Takes the text of the field `user`.
pub(super) fn subject_of(fields: &Fields, text: &str) -> Result<Subject, ApiError> {
    Subject::parse(text).map_err(|error| ApiError::invalid(&fields.path("user"), error))
}

/// Reads the three parts of a tuple's key.
pub(super) fn tuple_key(fields: &mut Fields) -> Result<TupleKey, ApiError> {
    Ok(TupleKey { subject: subject(fields)?, relation: relation(fields)?, object: object(fields)? })
}

/// Reads a tuple with its condition and lifetime.
pub(super) fn tuple(fields: &mut Fields) -> Result<GivenTuple, ApiError> {
    let given = GivenTuple {
        key: tuple_key(fields)?,
        condition: condition(fields)?,
        expires_at: instant_field(fields, "expires_at")?,
        paused: match fields.given("paused")? {
            Given::Absent => Field::Absent,
            Given::Null => Field::Clear,
            Given::Value(Value::Bool(paused)) => Field::Set(paused),
            Given::Value(other) => return Err(wrong_type(&fields.path("paused"), "true or false", &other)),
        },
    };
    // Unknown fields are ignored, but a grant that was meant to end must not last.
    fields.refuse_misspelt(&["expires_at", "paused"])?;
    Ok(given)
}

/// Reads an instant; absent and `null` are no instant.
pub(super) fn given_instant(fields: &mut Fields, name: &str) -> Result<Option<Instant>, ApiError> {
    instant_field(fields, name).map(set)
}

fn instant_field(fields: &mut Fields, name: &str) -> Result<Field<Instant>, ApiError> {
    match fields.given(name)? {
        Given::Absent => Ok(Field::Absent),
        Given::Null => Ok(Field::Clear),
        Given::Value(Value::String(text)) => match text.parse() {
            Ok(instant) => Ok(Field::Set(instant)),
            Err(error) => Err(ApiError::invalid(&fields.path(name), error)),
        },
        Given::Value(other) => Err(wrong_type(&fields.path(name), "an instant in RFC 3339, as text", &other)),
    }
}

fn condition(fields: &mut Fields) -> Result<Field<TupleCondition>, ApiError> {
    // The two kinds of absence are told apart first, then the object is read under its own path.
    let value = match fields.given("condition")? {
        Given::Absent => return Ok(Field::Absent),
        Given::Null => return Ok(Field::Clear),
        Given::Value(value) => value,
    };
    let path = fields.path("condition");
    fields.nested(&path, value, |fields| {
        let name = fields.string("name")?;
        if let Err(error) = check_condition_name(&name) {
            return Err(ApiError::invalid(&fields.path("name"), format!("the name {error}")));
        }
        // It is held as a text.
        let context = canonical(fields.map("context")?.unwrap_or_default());
        if context.len() > CONDITION_CONTEXT_BYTES_MAX {
            let expected = format!(
                "condition context size limit exceeded: {} bytes exceeds {CONDITION_CONTEXT_BYTES_MAX} bytes",
                context.len()
            );
            return Err(ApiError::invalid(&fields.path("context"), expected));
        }
        Ok(Field::Set(TupleCondition { name: name.into(), context: context.into() }))
    })
}

/// Reads `contextual_tuples.tuple_keys`.
pub(super) fn contextual_tuples(fields: &mut Fields) -> Result<Vec<ContextualTuple>, ApiError> {
    let list = |fields: &mut Fields| contextual_tuples_of(fields, "tuple_keys");
    Ok(fields.object("contextual_tuples", list)?.unwrap_or_default())
}

/// Reads a list of contextual tuples.
pub(super) fn contextual_tuples_of(
    fields: &mut Fields,
    name: &str,
) -> Result<Vec<ContextualTuple>, ApiError> {
    let tuples = fields.objects(name, contextual_tuple)?;
    if tuples.len() > CONTEXTUAL_TUPLES_MAX {
        let expected = format!(
            "value must contain no more than {CONTEXTUAL_TUPLES_MAX} item(s), found {}",
            tuples.len()
        );
        return Err(ApiError::invalid(&fields.path(name), expected));
    }
    distinct(tuples)
}

/// A contextual tuple that is malformed is an `invalid_tuple`, as one that the model does not allow.
fn contextual_tuple(fields: &mut Fields) -> Result<ContextualTuple, ApiError> {
    let GivenTuple { key, condition, expires_at, paused } =
        tuple(fields).map_err(|error| match error.code {
            Code::ValidationError => ApiError::new(Code::InvalidTuple, error.message),
            _ => error,
        })?;
    let lifetime = Lifetime { expires_at: set(expires_at), paused: set(paused).unwrap_or(false) };
    // The instant of writing plays no part in a tuple that is not written.
    let record = TupleRecord { lifetime, condition: set(condition), written_at: Instant::MIN };
    Ok(ContextualTuple { key, record })
}

/// A tuple of an assertion. One that is malformed is a `validation_error`, as everything in an assertion.
pub(super) fn asserted_tuple(fields: &mut Fields) -> Result<AssertedTuple, ApiError> {
    let GivenTuple { key, condition, expires_at, paused } = tuple(fields)?;
    let lifetime = Lifetime { expires_at: set(expires_at), paused: set(paused).unwrap_or(false) };
    Ok(AssertedTuple { key, lifetime, condition: set(condition) })
}

fn set<T>(field: Field<T>) -> Option<T> {
    match field {
        Field::Absent | Field::Clear => None,
        Field::Set(value) => Some(value),
    }
}

/// The same tuple twice is one tuple, as in OpenFGA; the same key with two records says two things at once.
fn distinct(tuples: Vec<ContextualTuple>) -> Result<Vec<ContextualTuple>, ApiError> {
    let mut distinct: Vec<ContextualTuple> = Vec::with_capacity(tuples.len());
    for tuple in tuples {
        match distinct.iter().find(|earlier| earlier.key == tuple.key) {
            None => distinct.push(tuple),
            Some(earlier) if earlier.record == tuple.record => {}
            Some(_) => {
                let message = format!(
                    "contextual tuple '{}' is given more than once, with different conditions or lifetimes",
                    tuple.key
                );
                return Err(ApiError::new(Code::DuplicateContextualTuple, message));
            }
        }
    }
    Ok(distinct)
}

/// Reads `authorization_model_id`; `None` where unset or empty.
pub(super) fn model_id(fields: &mut Fields) -> Result<Option<ModelId>, ApiError> {
    let text = fields.string("authorization_model_id")?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|()| not_an_id(&fields.path("authorization_model_id")))
}

/// The refusal of a text that is no identifier of a store or of a model.
pub(super) fn not_an_id(field: &str) -> ApiError {
    ApiError::invalid(field, "value does not match regex pattern \"^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$\"")
}

/// Reads what every query may carry beside what it asks, and beside its contextual tuples and values, which each has
/// in its own form or not at all.
pub(super) fn query_context(fields: &mut Fields) -> Result<QueryContext, ApiError> {
    consistency(fields)?;
    Ok(QueryContext {
        model: model_id(fields)?,
        at_least_revision: at_least_revision(fields)?,
        ..QueryContext::default()
    })
}

/// Reads `context`: values for the parameters of conditions.
pub(super) fn context(fields: &mut Fields) -> Result<Context, ApiError> {
    Ok(fields.held("context")?.unwrap_or_default())
}

/// Reads `consistency`, which changes nothing.
pub(super) fn consistency(fields: &mut Fields) -> Result<(), ApiError> {
    fields.enumeration("consistency", &CONSISTENCY)
}

/// Reads `at_least_revision`.
fn at_least_revision(fields: &mut Fields) -> Result<Option<Revision>, ApiError> {
    let Some(number) = fields.integer("at_least_revision")? else { return Ok(None) };
    match u64::try_from(number) {
        Ok(number) => Ok(Some(Revision(number))),
        Err(_) => Err(ApiError::invalid(&fields.path("at_least_revision"), "value must not be negative")),
    }
}

/// An instant as text.
pub(super) fn instant(instant: Instant) -> String {
    instant.to_string()
}

/// An instant as text, `None` as `null`.
pub(super) fn optional_instant(at: Option<Instant>) -> Option<String> {
    at.map(instant)
}

/// A tuple as an answer shows it.
pub(super) struct ShownTuple<'a> {
    pub(super) key: &'a TupleKey,
    /// `None`: only the key, as of a tuple that was deleted.
    pub(super) record: Option<&'a TupleRecord>,
}

impl Serialize for ShownTuple<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("user", &self.key.subject.to_string())?;
        map.serialize_entry("relation", &self.key.relation)?;
        map.serialize_entry("object", &self.key.object.to_string())?;
        let condition = self.record.and_then(|record| record.condition.as_ref());
        map.serialize_entry("condition", &condition.map(ShownCondition))?;
        if let Some(lifetime) = self.record.map(|record| record.lifetime) {
            show_lifetime(&mut map, lifetime)?;
        }
        map.end()
    }
}

/// Adds a lifetime where there is one: a client that knows of none sees none.
pub(super) fn show_lifetime<M: SerializeMap>(map: &mut M, lifetime: Lifetime) -> Result<(), M::Error> {
    if lifetime.is_unlimited() {
        return Ok(());
    }
    map.serialize_entry("expires_at", &optional_instant(lifetime.expires_at))?;
    map.serialize_entry("paused", &lifetime.paused)
}

struct ShownCondition<'a>(&'a TupleCondition);

impl Serialize for ShownCondition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context: &RawValue = serde_json::from_str(&self.0.context).map_err(serde::ser::Error::custom)?;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("context", context)?;
        map.end()
    }
}
