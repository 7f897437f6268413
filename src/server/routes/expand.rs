//! Expand: how a relation of an object is made up, one level deep.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::{Answer, ExpandRequest, QueryContext};
use crate::eval::{ExpandedSubject, Node, NodeValue};
use crate::model::{Lifetime, Object, Revision};
use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::extract::{Input, StorePath};
use crate::server::openapi::schema::{Schema, boolean, list_of, map_of, one_of, shape};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::routes::check;
use crate::server::wire;
use crate::store::Database;
use axum::http::StatusCode;

#[derive(Serialize)]
pub(in crate::server) struct Expanded {
    tree: Tree,
    revision: Revision,
}

#[derive(Serialize)]
struct Tree {
    root: Root,
}

pub(in crate::server) fn operation() -> Operation {
    let key = shape().must("relation", shapes::relation()).must("object", shapes::object()).open();
    let request = shapes::query(shape().must("tuple_key", key.named("ExpandRequestTupleKey")))
        .may("contextual_tuples", shapes::contextual_tuples())
        .may(
            "include_inactive",
            boolean().says("An addition: show subjects whose tuples are paused or have expired, too."),
        );
    let tree = shape().must("root", node()).closed().named("UsersetTree");
    let body = shape().must("tree", tree).must("revision", shapes::revision()).closed();
    let summary = "Show how a relation of an object is made up, one level deep.";
    Operation::new(Verb::Post, "/stores/{store_id}/expand", Tag::Queries, "Expand", summary)
        .takes(request.open().named("ExpandRequest"))
        .answers(StatusCode::OK, "The tree.", body.named("ExpandResponse"))
        .names_revision()
        .fails(check::FAILURES)
        .fails([Code::InvalidExpandInput])
}

/// A node of the tree, as [`Shown`] is written.
fn node() -> Schema {
    const NAME: &str = "Node";
    let nodes = || shape().must("nodes", list_of(Schema::reference(NAME))).closed();
    let computed = || shape().must("userset", shapes::userset()).closed();
    let lifetimes = map_of(shapes::lifetime(shape()).closed())
        .says("An addition: the lifetimes of the users whose tuples have one.");
    let users = shape().must("users", list_of(shapes::user())).may("lifetimes", lifetimes).closed();
    let from = shape().must("tupleset", shapes::userset()).must("computed", list_of(computed())).closed();
    let leaf = one_of([
        shape().must("users", users).closed(),
        shape().must("computed", computed()).closed(),
        shape().must("tupleToUserset", from).closed(),
    ]);
    let difference =
        shape().must("base", Schema::reference(NAME)).must("subtract", Schema::reference(NAME)).closed();
    let forms = [("leaf", leaf), ("union", nodes()), ("intersection", nodes()), ("difference", difference)];
    one_of(forms.map(|(form, value)| shape().must("name", shapes::userset()).must(form, value).closed()))
        .named(NAME)
}

/// `POST /stores/{store_id}/expand`
pub(in crate::server) async fn expand<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    input: Input,
) -> Result<Reply<Expanded>, ApiError> {
    let (context, request) = input.read(|fields| {
        let key = fields.object("tuple_key", |fields| {
            let (relation, object) = (fields.string("relation")?, fields.string("object")?);
            if relation.is_empty() || object.is_empty() {
                let message = "Invalid input. Make sure you provide an object and a relation";
                return Err(ApiError::new(Code::InvalidExpandInput, message));
            }
            Ok((wire::relation_of(fields, relation)?, wire::object_of(fields, &object)?))
        })?;
        let Some((relation, object)) = key else {
            return Err(ApiError::field(
                Code::TupleKeyNotSpecified,
                &fields.path("tuple_key"),
                "value is required",
            ));
        };
        let context = QueryContext {
            contextual_tuples: wire::contextual_tuples(fields)?,
            ..wire::query_context(fields)?
        };
        let include_inactive = fields.boolean("include_inactive")?;
        Ok((context, ExpandRequest { object, relation, include_inactive }))
    })?;
    let answer = app
        .run_evaluation(store, context, move |engine, context| engine.expand(store, context, &request))
        .await?;
    let Answer { value, model, revision, at: _ } = answer;
    Ok(Reply::ok(Expanded { tree: Tree { root: Root(value) }, revision }).with(model, revision))
}

struct Root(Node);

impl Serialize for Root {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown(&self.0).serialize(serializer)
    }
}

struct Shown<'a>(&'a Node);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Node { object, relation, value } = self.0;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("name", &format!("{object}#{relation}"))?;
        match value {
            NodeValue::Users(subjects) => map.serialize_entry("leaf", &Leaf::Users(Users(subjects)))?,
            NodeValue::Computed { relation } => {
                map.serialize_entry("leaf", &Leaf::Computed(Userset::new(object, relation)))?;
            }
            NodeValue::TupleToUserset { tupleset, computed } => {
                let computed =
                    computed.iter().map(|(object, relation)| Userset::new(object, relation)).collect();
                let leaf = TupleToUserset { tupleset: format!("{object}#{tupleset}"), computed };
                map.serialize_entry("leaf", &Leaf::TupleToUserset(leaf))?;
            }
            NodeValue::Union(nodes) => map.serialize_entry("union", &Nodes::new(nodes))?,
            NodeValue::Intersection(nodes) => map.serialize_entry("intersection", &Nodes::new(nodes))?,
            NodeValue::Difference { base, subtract } => {
                let difference = Difference { base: Shown(base), subtract: Shown(subtract) };
                map.serialize_entry("difference", &difference)?;
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Leaf<'a> {
    Users(Users<'a>),
    Computed(Userset),
    TupleToUserset(TupleToUserset),
}

#[derive(Serialize)]
struct Userset {
    userset: String,
}

impl Userset {
    fn new(object: &Object, relation: &str) -> Self {
        Self { userset: format!("{object}#{relation}") }
    }
}

#[derive(Serialize)]
struct TupleToUserset {
    tupleset: String,
    computed: Vec<Userset>,
}

#[derive(Serialize)]
struct Nodes<'a> {
    nodes: Vec<Shown<'a>>,
}

impl<'a> Nodes<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        Self { nodes: nodes.iter().map(Shown).collect() }
    }
}

#[derive(Serialize)]
struct Difference<'a> {
    base: Shown<'a>,
    subtract: Shown<'a>,
}

/// The subjects; beside them, by subject, the lifetimes of those whose tuple has one.
struct Users<'a>(&'a [ExpandedSubject]);

impl Serialize for Users<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<_> = self.0.iter().map(|user| user.subject.to_string()).collect();
        let limited: BTreeMap<_, _> = (self.0.iter().zip(&names))
            .filter(|(user, _)| !user.record.lifetime.is_unlimited())
            .map(|(user, name)| (name, ShownLifetime(user.record.lifetime)))
            .collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("users", &names)?;
        if !limited.is_empty() {
            map.serialize_entry("lifetimes", &limited)?;
        }
        map.end()
    }
}

struct ShownLifetime(Lifetime);

impl Serialize for ShownLifetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        wire::show_lifetime(&mut map, self.0)?;
        map.end()
    }
}
