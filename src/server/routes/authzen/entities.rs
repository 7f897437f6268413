//! Subjects, resources, actions and contexts as AuthZEN writes them.

use std::sync::Arc;

use crate::cel::Context;
use crate::engine::CheckRequest;
use crate::model::{Object, Subject, check_type};
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Schema, Shape, anything, map_of, shape};
use crate::server::openapi::shapes;
use crate::server::wire;

/// What [`Entities::read`] reads, each with `put`: what is asked must have each, what gives defaults may.
pub(super) fn asked(shape: Shape, put: impl Fn(Shape, &str, Schema) -> Shape) -> Shape {
    let shape = put(shape, "subject", entity().named("Subject"));
    let shape = put(shape, "resource", entity().named("Resource"));
    put(shape, "action", action_given()).may("context", shapes::context())
}

/// A subject or a resource.
pub(super) fn entity() -> Schema {
    shape()
        .must("type", shapes::type_name())
        .must("id", shapes::object_id())
        .may("properties", properties())
        .open()
}

/// All that are of a type; an `id` says nothing.
pub(super) fn all_of_type() -> Schema {
    shape().must("type", shapes::type_name()).may("id", anything()).may("properties", properties()).open()
}

/// An action.
pub(super) fn action_given() -> Schema {
    shape().must("name", shapes::relation()).may("properties", properties()).open().named("Action")
}

fn properties() -> Schema {
    map_of(anything()).says("What conditions may look at, each with the name of what has it before its own.")
}

/// Something with the properties that the caller knows of it. A clone has the same properties and no others: what a request
/// holds must stay in proportion to its body, however many items take from one default.
#[derive(Clone)]
pub(super) struct Described<T> {
    pub(super) value: T,
    properties: Arc<Context>,
}

/// What a question is made of, as far as it was given.
#[derive(Clone, Default)]
pub(super) struct Entities {
    subject: Option<Described<Subject>>,
    resource: Option<Described<Object>>,
    action: Option<Described<Box<str>>>,
    context: Option<Arc<Context>>,
}

/// A question, with everything that conditions may look at in its parts, which may be other questions' parts too.
pub(super) struct Question {
    check: CheckRequest,
    /// Each with the name of what has it.
    parts: [(&'static str, Arc<Context>); 4],
}

impl Entities {
    /// Reads `subject`, `resource`, `action` and `context`.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            subject: fields.object("subject", |fields| described(fields, subject))?,
            resource: fields.object("resource", |fields| described(fields, resource))?,
            action: fields.object("action", |fields| described(fields, action))?,
            context: fields.held("context")?.map(Arc::new),
        })
    }

    /// These, and what they lack from `defaults`. Each is taken as a whole.
    pub(super) fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| defaults.subject.clone()),
            resource: self.resource.or_else(|| defaults.resource.clone()),
            action: self.action.or_else(|| defaults.action.clone()),
            context: self.context.or_else(|| defaults.context.clone()),
        }
    }

    /// The question that they make up; `path` is where they stand in the request.
    pub(super) fn question(self, path: impl Fn(&str) -> String) -> Result<Question, ApiError> {
        let Self { subject, resource, action, context } = self;
        let subject = given(subject, path("subject"))?;
        let resource = given(resource, path("resource"))?;
        let action = given(action, path("action"))?;
        let parts = [
            ("subject", subject.properties),
            ("resource", resource.properties),
            ("action", action.properties),
            ("", context.unwrap_or_default()),
        ];
        let check = CheckRequest { object: resource.value, relation: action.value, subject: subject.value };
        Ok(Question { check, parts })
    }
}

impl Question {
    /// The check, and everything that conditions may look at in one piece, of its own: to be made when it is asked, and no
    /// sooner.
    pub(super) fn into_check(self) -> (CheckRequest, Context) {
        let parts = self.parts.map(|(source, values)| (source, Arc::unwrap_or_clone(values)));
        (self.check, merged(parts))
    }
}

/// Reads an entity that must be given.
pub(super) fn required<T>(
    fields: &mut Fields,
    name: &str,
    read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
) -> Result<Described<T>, ApiError> {
    let entity = fields.object(name, |fields| described(fields, read))?;
    given(entity, fields.path(name))
}

fn given<T>(entity: Option<T>, path: String) -> Result<T, ApiError> {
    entity.ok_or_else(|| ApiError::invalid(&path, "value is required"))
}

fn described<T>(
    fields: &mut Fields,
    read: impl FnOnce(&mut Fields) -> Result<T, ApiError>,
) -> Result<Described<T>, ApiError> {
    Ok(Described {
        value: read(fields)?,
        properties: Arc::new(fields.held("properties")?.unwrap_or_default()),
    })
}

/// Reads `type` and `id`: one subject, or with the identifier `*` everybody of the type.
pub(super) fn subject(fields: &mut Fields) -> Result<Subject, ApiError> {
    let text = name(fields)?;
    match Subject::parse(&text) {
        Ok(Subject::Userset(..)) => Err(ApiError::invalid(&fields.path("id"), "`#` is not allowed here")),
        Ok(subject) => Ok(subject),
        Err(error) => Err(ApiError::invalid(&fields.path("id"), error)),
    }
}

/// Reads `type` and `id`: one object.
pub(super) fn resource(fields: &mut Fields) -> Result<Object, ApiError> {
    let text = name(fields)?;
    Object::parse(&text).map_err(|error| ApiError::invalid(&fields.path("id"), error))
}

/// Reads `type`, for a search among all that are of it: an `id` says nothing there.
pub(super) fn any_of_type(fields: &mut Fields) -> Result<Box<str>, ApiError> {
    fields.given("id")?;
    type_name(fields)
}

/// Reads `name`: a relation.
pub(super) fn action(fields: &mut Fields) -> Result<Box<str>, ApiError> {
    let text = fields.string("name")?;
    wire::relation_named(fields, "name", text)
}

/// Reads `type` and `id` as one text.
fn name(fields: &mut Fields) -> Result<String, ApiError> {
    // What stands before the colon is the type and nothing more, once this is checked.
    let type_name = type_name(fields)?;
    let id = fields.string("id")?;
    Ok(format!("{type_name}:{id}"))
}

fn type_name(fields: &mut Fields) -> Result<Box<str>, ApiError> {
    let text = fields.string("type")?;
    match check_type(&text) {
        Ok(()) => Ok(text.into()),
        Err(error) => Err(ApiError::invalid(&fields.path("type"), format!("the name {error}"))),
    }
}

/// What conditions may look at: the properties, each with the name of what has it before its own (`subject_department`),
/// and the context as it is. Where two have one name, the later of the sources counts.
pub(super) fn merged<'a>(sources: impl IntoIterator<Item = (&'a str, Context)>) -> Context {
    let mut merged = Context::new();
    for (source, values) in sources {
        let of = |name: String| if source.is_empty() { name } else { format!("{source}_{name}") };
        merged.extend(values.into_iter().map(|(name, value)| (of(name), value)));
    }
    merged
}

impl<T> Described<T> {
    /// The value and the properties.
    pub(super) fn into_parts(self) -> (T, Context) {
        (self.value, Arc::unwrap_or_clone(self.properties))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn question(body: &Value) -> Result<Question, String> {
        let read = |fields: &mut Fields| {
            let entities = Entities::read(fields)?;
            entities.question(|name| fields.path(name))
        };
        Fields::read_body(body.to_string().as_bytes(), false, read).map_err(|error| error.message)
    }

    #[test]
    fn properties_become_the_context_of_conditions_and_the_requests_own_context_counts_most() {
        let body = json!({
            "subject": {"type": "user", "id": "a", "properties": {"level": 1, "ip": "x"}},
            "resource": {"type": "doc", "id": "1", "properties": {"level": 2}},
            "action": {"name": "read", "properties": {"level": 3}},
            "context": {"subject_level": 4, "level": 5},
        });
        let (check, context) = question(&body).unwrap().into_check();
        let expected = json!({
            "subject_level": 4, "subject_ip": "x", "resource_level": 2, "action_level": 3, "level": 5,
        });
        assert_eq!(Value::Object(context), expected);
        let CheckRequest { object, relation, subject } = check;
        assert_eq!(format!("{object}#{relation}@{subject}"), "doc:1#read@user:a");
    }

    #[test]
    fn an_item_takes_what_it_lacks_from_the_defaults_as_a_whole() {
        let read = |body: Value| {
            Fields::read_body(body.to_string().as_bytes(), false, Entities::read)
                .map_err(|e| e.message)
                .unwrap()
        };
        let defaults = read(json!({
            "subject": {"type": "user", "id": "a", "properties": {"x": 1}},
            "resource": {"type": "doc", "id": "1"},
            "context": {"c": 1},
        }));
        let item = read(
            json!({"subject": {"type": "user", "id": "b"}, "action": {"name": "read"}, "context": {"d": 1}}),
        );
        let question = item.or(&defaults).question(str::to_owned).map_err(|e| e.message).unwrap();
        let (check, context) = question.into_check();
        assert_eq!(check.subject.to_string(), "user:b");
        assert_eq!(check.object.to_string(), "doc:1");
        assert_eq!(Value::Object(context), json!({"d": 1}));
    }

    #[test]
    fn what_items_take_from_the_defaults_is_there_once() {
        let read = |body: Value| {
            Fields::read_body(body.to_string().as_bytes(), false, Entities::read)
                .map_err(|e| e.message)
                .unwrap()
        };
        let defaults = read(json!({
            "subject": {"type": "user", "id": "a", "properties": {"x": 1}},
            "resource": {"type": "doc", "id": "1", "properties": {"y": 1}},
            "action": {"name": "read", "properties": {"z": 1}},
            "context": {"c": 1},
        }));
        let questions: Vec<_> = (0..50)
            .map(|_| read(json!({})).or(&defaults).question(str::to_owned).map_err(|e| e.message).unwrap())
            .collect();
        for question in &questions {
            for ((source, values), (_, first)) in question.parts.iter().zip(&questions[0].parts) {
                assert!(Arc::ptr_eq(values, first), "{source}");
            }
        }
        let expected = json!({"subject_x": 1, "resource_y": 1, "action_z": 1, "c": 1});
        for question in questions {
            assert_eq!(Value::Object(question.into_check().1), expected);
        }
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_name() {
        let entity = |type_name: &str, id: &str| json!({"type": type_name, "id": id});
        let whole = |subject: Value, resource: Value| json!({"subject": subject, "resource": resource, "action": {"name": "read"}});
        let doc = || entity("doc", "1");
        assert_eq!(question(&whole(entity("user", "*"), doc())).unwrap().check.subject.to_string(), "user:*");
        for (subject, field) in [
            (entity("group", "eng#member"), "id"),
            (entity("user", "a:b"), "id"),
            (entity("user", "a b"), "id"),
            (entity("user", ""), "id"),
            (entity("user:a", "b"), "type"),
            (entity("group:eng#member", "x"), "type"),
            (entity("", "a"), "type"),
            (json!({"id": "a"}), "type"),
            (json!({"type": "user"}), "id"),
        ] {
            let message = question(&whole(subject, doc())).err().unwrap();
            assert!(message.starts_with(&format!("invalid subject.{field}: ")), "{message}");
        }
        for id in ["*", "1#viewer", "1:2", ""] {
            let message = question(&whole(entity("user", "a"), entity("doc", id))).err().unwrap();
            assert!(message.starts_with("invalid resource.id: "), "{message}");
        }
    }
}
