//! The description of the API, OpenAPI 3.1, and the routes themselves: both are made from the same [`Operation`]s.
//!
//! A route cannot be registered without being described, nor described without being there. That the descriptions are
//! true is for the tests: every answer that they get is held against the document (`tests/http/described.rs`).
//!
//! - `schema`: JSON Schemas; `shapes`, `authorization_model`: what several operations share.
//! - `operation`: one operation; it is filled in beside its handler, in `routes/`.

pub(super) mod authorization_model;
mod operation;
pub(super) mod schema;
pub(super) mod shapes;

pub(super) use operation::{Operation, Tag, Verb};

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::on;
use serde_json::{Map, Value, json};

use super::app::App;
use super::error::Code;
use super::permissions::Needs;
use crate::store::Database;
use schema::{anything, choice, map_of, shape};

const ABOUT: &str = "A Zanzibar-style authorization engine with OpenFGA's HTTP API: relationship tuples that may expire \
    and pause, answers of exactly one revision.\n\n\
    Requests are described in the form to be preferred. As in protobuf's JSON, a field's name may be in lower camel case \
    as well, `null` and the empty text count as not given, numbers may be texts and the values of enums numbers. Unknown \
    fields are ignored, but refused under `Tenure-Strict: true`, by Explain and by Watch. Lengths are \
    limited in bytes of UTF-8, so that a text of other than ASCII letters may be too long before its `maxLength`.\n\n\
    A method that a path does not have is answered with 405, a path that does not exist with 404, both in the form of \
    `Error`.";

/// Routes with their descriptions.
pub(super) struct Routes<D: Database> {
    router: Router<App<D>>,
    operations: Vec<Operation>,
}

impl<D: Database> Routes<D> {
    /// No routes.
    pub(super) fn new() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }

    /// One operation more, answered by `handler`.
    pub(super) fn on<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, App<D>>,
        T: 'static,
    {
        self.router = self.router.route(&operation.path, on(operation.verb.filter(), handler));
        self.operations.push(operation);
        self
    }

    /// These and others.
    pub(super) fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.operations.extend(others.operations);
        self
    }

    /// Puts middleware around the routes, which may answer in their place with `codes`.
    pub(super) fn within(
        mut self,
        codes: &[Code],
        layer: impl FnOnce(Router<App<D>>) -> Router<App<D>>,
    ) -> Self {
        self.router = layer(self.router);
        self.all(|operation| operation.fails(codes.iter().copied()))
    }

    /// Adds something to the description of every operation.
    pub(super) fn all(mut self, describe: impl Fn(Operation) -> Operation) -> Self {
        self.operations = self.operations.into_iter().map(describe).collect();
        self
    }

    /// Of each, its verb and its path, and whether it is a question that changes nothing.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, &str, bool)> {
        let name = |operation: &'_ Operation| operation.verb.name();
        self.operations.iter().map(move |own| (name(own), own.path.as_str(), own.is_query()))
    }

    /// Of each, its verb and its path, and what it needs.
    pub(super) fn needs(&self) -> impl Iterator<Item = (&'static str, &str, Needs)> {
        self.operations.iter().map(|own| (own.verb.name(), own.path.as_str(), own.needs()))
    }

    /// The routes, and one that answers with the description of them all, itself included.
    pub(super) fn described(mut self, describe: impl Fn(Operation) -> Operation) -> Router<App<D>> {
        let own = describe(operation());
        let (path, filter) = (own.path.clone(), own.verb.filter());
        self.operations.push(own);
        let mut text = format!("{:#}", document(self.operations));
        text.push('\n');
        let text = Bytes::from(text);
        let answer = move || std::future::ready(([(CONTENT_TYPE, operation::JSON)], text.clone()));
        self.router.route(&path, on(filter, answer))
    }
}

/// Where the document is, and what it needs.
pub(super) const PLACE: (&str, &str, Needs) = ("GET", "/openapi.json", Needs::Nothing);

/// `GET /openapi.json`
fn operation() -> Operation {
    Operation::new(Verb::Get, PLACE.1, Tag::Server, "OpenApi", "This document.").answers(
        StatusCode::OK,
        "The description of this API, in OpenAPI 3.1.",
        map_of(anything()),
    )
}

fn document(operations: Vec<Operation>) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut schemas = BTreeMap::new();
    let mut codes = vec![Code::UndefinedEndpoint, Code::MethodNotAllowed];
    for operation in operations {
        codes.extend(operation.codes());
        let path = operation.path.clone();
        let (verb, description, named) = operation.into_parts();
        paths.entry(path).or_default().insert(verb.to_owned(), description);
        schemas.extend(named);
    }
    schemas.extend(error(&codes).into_parts().1);
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "Tenure",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "tags": Tag::ALL.map(|tag| json!({ "name": tag.name() })),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": operation::headers(),
            "securitySchemes": { operation::SECURITY: {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a key, or of the issuer that is configured. Asked for as soon as there is either.",
            } },
        },
    })
}

/// An error, whatever the operation.
fn error(codes: &[Code]) -> schema::Schema {
    let mut names: Vec<_> = codes.iter().map(|code| code.name()).collect();
    names.sort_unstable();
    names.dedup();
    let code = choice(names).named("ErrorCode").says("What programs match on.");
    shape().must("code", code).must("message", shapes::message()).closed().named(operation::ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes;
    use crate::store::memory::MemoryDatabase;

    #[test]
    fn a_name_stands_for_one_schema() {
        let routes = routes::of_stores::<MemoryDatabase>()
            .merge(routes::of_a_store())
            .merge(routes::authzen::of_the_configured_store());
        let mut known = BTreeMap::new();
        for (name, schema) in routes.operations.into_iter().flat_map(|operation| operation.into_parts().2) {
            let first = known.entry(name).or_insert_with(|| schema.clone());
            assert_eq!(*first, schema, "{name}");
        }
        assert!(known.contains_key("TupleKey"));
    }
}
