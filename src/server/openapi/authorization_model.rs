//! The JSON form of an authorization model, which is `schema/json`'s: as a request may give it, and as an answer spells
//! it out.

use super::schema::{Schema, Shape, Side, choice, list_of, map_of, one_of, shape, text};
use super::shapes;
use crate::model::limits::{
    CONDITIONS_PER_MODEL_MAX, EXPRESSION_BYTES_MAX, PARAMETERS_PER_CONDITION_MAX, TYPES_PER_MODEL_MAX,
};

/// What may be given for a parameter of a condition.
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

/// A model as a request gives it.
pub(in crate::server) fn given() -> Schema {
    Form(Side::Request)
        .model(shape().may("id", text().says("Taken and without effect: a model gets a new one.")))
}

/// A model as an answer shows it.
pub(in crate::server) fn shown() -> Schema {
    Form(Side::Answer).model(shape().must("id", shapes::id())).named("AuthorizationModel")
}

/// One of the two forms. What an answer always has, a request may leave out.
struct Form(Side);

impl Form {
    fn name(&self, request: &'static str, answer: &'static str) -> &'static str {
        match self.0 {
            Side::Request => request,
            Side::Answer => answer,
        }
    }

    fn shown(&self, shape: Shape, name: &str, schema: Schema) -> Shape {
        match self.0 {
            Side::Request => shape.may(name, schema),
            Side::Answer => shape.must(name, schema),
        }
    }

    fn model(&self, shape: Shape) -> Schema {
        let types = list_of(self.type_definition()).with("minItems", 1).with("maxItems", TYPES_PER_MODEL_MAX);
        let conditions = map_of(self.condition()).with("maxProperties", CONDITIONS_PER_MODEL_MAX);
        let shape = shape.must("schema_version", choice(["1.1", "1.2"])).must("type_definitions", types);
        self.shown(shape, "conditions", conditions).on(self.0)
    }

    fn type_definition(&self) -> Schema {
        let relations = self.shown(shape(), "relations", map_of(self.relation_metadata()));
        let metadata = self.origin(relations).on(self.0);
        let shape = shape().must("type", shapes::type_name());
        let shape = self.shown(shape, "relations", map_of(self.rewrite()));
        self.shown(shape, "metadata", metadata.nullable())
            .on(self.0)
            .named(self.name("GivenTypeDefinition", "TypeDefinition"))
    }

    /// Where a part of a modular model came from.
    fn origin(&self, of: Shape) -> Shape {
        let source = self.shown(shape(), "file", text()).on(self.0);
        let of = self.shown(of, "module", text());
        self.shown(of, "source_info", source.nullable())
    }

    fn relation_metadata(&self) -> Schema {
        let restriction = |kind: &str, schema: Option<Schema>| {
            let shape = shape().must("type", shapes::type_name());
            let shape = match schema {
                None => shape,
                Some(schema) => shape.must(kind, schema),
            };
            self.shown(shape, "condition", text())
        };
        let restrictions = match self.0 {
            Side::Request => restriction("", None)
                .may("relation", shapes::relation())
                .may("wildcard", shape().open())
                .open(),
            Side::Answer => one_of([
                restriction("", None).closed(),
                restriction("relation", Some(shapes::relation())).closed(),
                restriction("wildcard", Some(shape().closed())).closed(),
            ]),
        };
        let restrictions =
            list_of(restrictions.named(self.name("GivenRelationReference", "RelationReference")));
        self.origin(self.shown(shape(), "directly_related_user_types", restrictions)).on(self.0)
    }

    fn rewrite(&self) -> Schema {
        let name = self.name("GivenUserset", "Userset");
        let itself = || Schema::reference(name);
        let relation = || {
            let shape = shape().must("relation", shapes::relation());
            self.shown(shape, "object", text().with("maxLength", 0)).on(self.0)
        };
        let children = || shape().must("child", list_of(itself())).on(self.0);
        let from = shape().must("tupleset", relation()).must("computedUserset", relation()).on(self.0);
        let difference = shape().must("base", itself()).must("subtract", itself()).on(self.0);
        let forms = [
            ("this", shape().on(self.0)),
            ("computedUserset", relation()),
            ("tupleToUserset", from),
            ("union", children()),
            ("intersection", children()),
            ("difference", difference),
        ];
        one_of(forms.map(|(name, schema)| shape().must(name, schema).on(self.0))).named(name)
    }

    fn condition(&self) -> Schema {
        let parameters = map_of(self.parameter()).with("maxProperties", PARAMETERS_PER_CONDITION_MAX);
        let shape =
            shape().must("name", text()).must("expression", text().with("maxLength", EXPRESSION_BYTES_MAX));
        let shape = self.shown(shape, "parameters", parameters);
        self.shown(shape, "metadata", self.origin(super::schema::shape()).on(self.0).nullable())
            .on(self.0)
            .named(self.name("GivenCondition", "Condition"))
    }

    fn parameter(&self) -> Schema {
        let name = self.name("GivenConditionParamTypeRef", "ConditionParamTypeRef");
        let generic = list_of(Schema::reference(name)).with("maxItems", 1);
        self.shown(shape().must("type_name", choice(PARAMETER_TYPES)), "generic_types", generic)
            .on(self.0)
            .named(name)
    }
}
