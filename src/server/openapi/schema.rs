//! JSON Schemas (2020-12, as OpenAPI 3.1 has them), put together piece by piece.
//!
//! A schema that has a name carries what the name stands for wherever it is used, so that no reference in the document
//! can lead nowhere.

use serde_json::{Map, Value, json};

/// Where the document keeps the schemas that have names.
const NAMED: &str = "#/components/schemas/";

/// A schema, and the named ones that it refers to.
#[derive(Debug, Clone)]
pub(in crate::server) struct Schema {
    json: Map<String, Value>,
    named: Vec<(&'static str, Value)>,
}

impl Schema {
    fn of(json: Value) -> Self {
        match json {
            Value::Object(json) => Self { json, named: Vec::new() },
            // `true` takes everything, as the empty object does.
            _ => Self { json: Map::new(), named: Vec::new() },
        }
    }

    /// Refers to a named schema which is being described: one that contains itself.
    pub(in crate::server) fn reference(name: &str) -> Self {
        Self::of(json!({ "$ref": format!("{NAMED}{name}") }))
    }

    /// The same with a keyword.
    pub(in crate::server) fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.json.insert(keyword.to_owned(), value.into());
        self
    }

    /// The same with a description.
    pub(in crate::server) fn says(self, description: &str) -> Self {
        self.with("description", description)
    }

    /// The same, one of whose properties is narrower.
    pub(super) fn with_property(mut self, name: &str, schema: Self) -> Self {
        self.named.extend(schema.named);
        let property = Value::from(schema.json);
        self.with("properties", json!({ name: property }))
    }

    /// The same with examples.
    pub(in crate::server) fn such_as<const N: usize>(self, examples: [&str; N]) -> Self {
        self.with("examples", examples.as_slice())
    }

    /// This or `null`.
    pub(in crate::server) fn nullable(mut self) -> Self {
        match self.json.get("type") {
            Some(Value::String(kind)) => {
                let kinds = json!([kind, "null"]);
                self.with("type", kinds)
            }
            _ => {
                let json = Value::from(std::mem::take(&mut self.json));
                self.json.insert("anyOf".to_owned(), json!([json, { "type": "null" }]));
                self
            }
        }
    }

    /// Keeps the schema under a name, and refers to it.
    pub(in crate::server) fn named(mut self, name: &'static str) -> Self {
        self.named.push((name, self.json.into()));
        Self { named: self.named, ..Self::reference(name) }
    }

    /// The schema, and every named one that it needs.
    pub(super) fn into_parts(self) -> (Value, Vec<(&'static str, Value)>) {
        (self.json.into(), self.named)
    }

    fn taking(mut self, keyword: &str, schema: Self) -> Self {
        self.json.insert(keyword.to_owned(), schema.json.into());
        self.named.extend(schema.named);
        self
    }
}

/// Any JSON value.
pub(in crate::server) fn anything() -> Schema {
    Schema::of(json!({}))
}

/// A text.
pub(in crate::server) fn text() -> Schema {
    Schema::of(json!({ "type": "string" }))
}

/// One of these texts.
pub(in crate::server) fn choice<'a>(values: impl IntoIterator<Item = &'a str>) -> Schema {
    let values: Vec<&str> = values.into_iter().collect();
    text().with("enum", values)
}

/// `true` or `false`.
pub(in crate::server) fn boolean() -> Schema {
    Schema::of(json!({ "type": "boolean" }))
}

/// A whole number from `least` on.
pub(in crate::server) fn integer(least: usize) -> Schema {
    Schema::of(json!({ "type": "integer", "minimum": least }))
}

/// A list.
pub(in crate::server) fn list_of(items: Schema) -> Schema {
    Schema::of(json!({ "type": "array" })).taking("items", items)
}

/// An object with any names, whose values are all of one kind.
pub(in crate::server) fn map_of(values: Schema) -> Schema {
    Schema::of(json!({ "type": "object" })).taking("additionalProperties", values)
}

/// Exactly one of these.
pub(in crate::server) fn one_of(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    let (mut values, mut named) = (Vec::new(), Vec::new());
    for schema in schemas {
        values.push(Value::from(schema.json));
        named.extend(schema.named);
    }
    Schema { named, ..Schema::of(json!({ "oneOf": values })) }
}

/// An object with known fields.
#[derive(Default)]
pub(in crate::server) struct Shape {
    properties: Map<String, Value>,
    required: Vec<String>,
    named: Vec<(&'static str, Value)>,
}

/// An object, field by field.
pub(in crate::server) fn shape() -> Shape {
    Shape::default()
}

impl Shape {
    /// A field that is always there.
    pub(in crate::server) fn must(mut self, name: &str, schema: Schema) -> Self {
        self.required.push(name.to_owned());
        self.may(name, schema)
    }

    /// A field that may be missing.
    pub(in crate::server) fn may(mut self, name: &str, schema: Schema) -> Self {
        self.properties.insert(name.to_owned(), schema.json.into());
        self.named.extend(schema.named);
        self
    }

    /// What a request has: other fields are ignored there.
    pub(in crate::server) fn open(self) -> Schema {
        let mut schema = Schema::of(json!({ "type": "object", "properties": self.properties }));
        if !self.required.is_empty() {
            schema = schema.with("required", self.required);
        }
        Schema { named: self.named, ..schema }
    }

    /// What an answer has, and nothing else.
    pub(in crate::server) fn closed(self) -> Schema {
        self.open().with("additionalProperties", false)
    }

    /// [`closed`](Self::closed) in an answer, [`open`](Self::open) in a request.
    pub(super) fn on(self, side: Side) -> Schema {
        match side {
            Side::Request => self.open(),
            Side::Answer => self.closed(),
        }
    }
}

/// Where a shape stands that requests and answers both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Answer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_schema_goes_wherever_it_is_used() {
        let leaf = || text().named("Leaf");
        let schema =
            shape().must("a", list_of(leaf())).may("b", one_of([leaf(), boolean()])).closed().named("Tree");
        let (json, named) = schema.into_parts();
        assert_eq!(json, json!({ "$ref": "#/components/schemas/Tree" }));
        let names: Vec<_> = named.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Leaf", "Leaf", "Tree"]);
        let tree = json!({
            "type": "object",
            "properties": {
                "a": {"type": "array", "items": {"$ref": "#/components/schemas/Leaf"}},
                "b": {"oneOf": [{"$ref": "#/components/schemas/Leaf"}, {"type": "boolean"}]},
            },
            "required": ["a"],
            "additionalProperties": false,
        });
        assert_eq!(named[2].1, tree);
    }

    #[test]
    fn null_joins_a_type_or_a_reference() {
        let json = |schema: Schema| schema.into_parts().0;
        assert_eq!(json(text().nullable()), json!({ "type": ["string", "null"] }));
        let expected = json!({ "anyOf": [{ "$ref": "#/components/schemas/X" }, { "type": "null" }] });
        assert_eq!(json(Schema::reference("X").nullable()), expected);
    }
}
