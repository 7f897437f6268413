//! What the document says of one operation: what it takes, what it answers, and every way in which it fails.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::routing::MethodFilter;
use serde_json::{Map, Value, json};

use super::schema::{Schema, choice, integer, shape, text};
use super::shapes;
use crate::model::limits::REQUEST_ID_BYTES_MAX;
use crate::server::error::Code;
use crate::server::extract::STRICT;
use crate::server::middleware::REQUEST_ID;
use crate::server::permissions::{self, Needs};
use crate::server::reply::{MODEL_ID, PARTIAL, REVISION, STORE_ID};

pub(super) const JSON: &str = "application/json";

/// The name of the schema that every error has.
pub(super) const ERROR: &str = "Error";

/// The name of how callers say who they are.
pub(super) const SECURITY: &str = "key";

/// A method that an operation may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As HTTP writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// The groups of operations; those of OpenFGA have its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Tag {
    Stores,
    Models,
    Tuples,
    Queries,
    Assertions,
    AuthZen,
    Cooperations,
    Server,
}

impl Tag {
    pub(super) const ALL: [Self; 8] = [
        Self::Stores,
        Self::Models,
        Self::Tuples,
        Self::Queries,
        Self::Assertions,
        Self::AuthZen,
        Self::Cooperations,
        Self::Server,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stores => "Stores",
            Self::Models => "Authorization Models",
            Self::Tuples => "Relationship Tuples",
            Self::Queries => "Relationship Queries",
            Self::Assertions => "Assertions",
            Self::AuthZen => "AuthZEN",
            Self::Cooperations => "Cooperations",
            Self::Server => "Server",
        }
    }
}

/// One operation.
pub(in crate::server) struct Operation {
    pub(super) verb: Verb,
    pub(super) path: String,
    id: String,
    tag: Tag,
    summary: &'static str,
    notes: Vec<&'static str>,
    parameters: Vec<Value>,
    body: Option<Schema>,
    answers: Vec<Answer>,
    codes: Vec<Code>,
    /// What every error has beside its code and message.
    error: Option<ErrorFields>,
    /// Whether the answers name the store that was asked.
    names_store: bool,
    named: Vec<(&'static str, Value)>,
}

/// The name of what an operation's errors are, and the fields that they may have beside those of every error.
type ErrorFields = (&'static str, Vec<(&'static str, Schema)>);

/// An answer that is no error, or not in the form of one.
struct Answer {
    status: StatusCode,
    says: &'static str,
    media: &'static str,
    schema: Option<Schema>,
    /// What each line or event of a stream is.
    item: Option<Schema>,
    headers: Vec<(HeaderName, bool)>,
}

impl Operation {
    /// What a caller needs for it.
    pub(in crate::server) fn needs(&self) -> Needs {
        permissions::of(&self.id)
    }

    /// Whether it asks something and changes nothing.
    pub(super) fn is_query(&self) -> bool {
        self.verb == Verb::Get || matches!(self.tag, Tag::Queries | Tag::AuthZen) || self.id == "Read"
    }

    pub(in crate::server) fn new(
        verb: Verb,
        path: impl Into<String>,
        tag: Tag,
        id: impl Into<String>,
        summary: &'static str,
    ) -> Self {
        let path = path.into();
        let parameters = path_parameters(&path);
        Self {
            verb,
            path,
            id: id.into(),
            tag,
            summary,
            notes: Vec::new(),
            parameters,
            body: None,
            answers: Vec::new(),
            codes: Vec::new(),
            error: None,
            names_store: false,
            named: Vec::new(),
        }
    }

    /// A sentence more about it.
    pub(in crate::server) fn note(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }

    /// A parameter of the query string, which may be left out.
    pub(in crate::server) fn query(self, name: &str, schema: Schema, says: &str) -> Self {
        self.parameter("query", name, schema, says)
    }

    /// A header of the request, which may be left out.
    pub(in crate::server) fn header(self, name: &HeaderName, schema: Schema, says: &str) -> Self {
        self.parameter("header", &shown(name), schema, says)
    }

    fn parameter(mut self, place: &str, name: &str, schema: Schema, says: &str) -> Self {
        let (schema, named) = schema.into_parts();
        self.parameters.push(json!({ "name": name, "in": place, "description": says, "schema": schema }));
        self.named.extend(named);
        self
    }

    /// Unknown fields, of the body or of the query string, are refused where the request asks so.
    pub(in crate::server) fn strict_if_asked(self) -> Self {
        let says = "Refuse a field that is not known, rather than ignore it. Anything but `false` means it.";
        self.header(&STRICT, choice(["true", "false"]), says)
    }

    /// The page of a list.
    pub(in crate::server) fn paged(self) -> Self {
        self.query("page_size", shapes::page_size(), shapes::PAGE_SIZE).query(
            "continuation_token",
            shapes::given_token(),
            shapes::GIVEN_TOKEN,
        )
    }

    /// The body that it takes.
    pub(in crate::server) fn takes(self, body: Schema) -> Self {
        self.takes_strictly(body).strict_if_asked()
    }

    /// The body that it takes, in which unknown fields are refused whether the request asks so or not.
    pub(in crate::server) fn takes_strictly(self, body: Schema) -> Self {
        Self { body: Some(body), ..self }
    }

    /// An answer with a JSON body.
    pub(in crate::server) fn answers(self, status: StatusCode, says: &'static str, body: Schema) -> Self {
        self.answer(status, says, JSON, Some(body))
    }

    /// An answer with a text of another kind.
    pub(in crate::server) fn answers_text(self, says: &'static str, media: &'static str) -> Self {
        self.answer(StatusCode::OK, says, media, Some(text()))
    }

    /// An answer without a body.
    pub(in crate::server) fn answers_nothing(self, says: &'static str) -> Self {
        self.answer(StatusCode::NO_CONTENT, says, JSON, None)
    }

    /// A stream, each of whose lines or events is this.
    pub(in crate::server) fn streams(self, says: &'static str, media: &'static str, item: Schema) -> Self {
        let mut described = self.answers_text(says, media);
        if let Some(answer) = described.answers.last_mut() {
            answer.item = Some(item);
        }
        described
    }

    fn answer(
        mut self,
        status: StatusCode,
        says: &'static str,
        media: &'static str,
        schema: Option<Schema>,
    ) -> Self {
        self.answers.push(Answer { status, says, media, schema, item: None, headers: Vec::new() });
        self
    }

    /// The answers name the store that was asked.
    pub(in crate::server) fn names_store(self) -> Self {
        Self { names_store: true, ..self }
    }

    /// The answer names the model that was used.
    pub(in crate::server) fn names_model(self) -> Self {
        self.shows(MODEL_ID, true)
    }

    /// The answer names the model that was used, and the revision.
    pub(in crate::server) fn names_revision(self) -> Self {
        self.names_model().shows(REVISION, true)
    }

    /// The answer says whether there may be more.
    pub(in crate::server) fn may_be_partial(self) -> Self {
        self.shows(PARTIAL, false)
    }

    /// The answers given so far have this header, always or not.
    pub(in crate::server) fn shows(mut self, name: HeaderName, always: bool) -> Self {
        for answer in &mut self.answers {
            answer.headers.push((name.clone(), always));
        }
        self
    }

    /// It may fail with these codes.
    pub(in crate::server) fn fails(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.codes.extend(codes);
        self
    }

    /// Its errors, together named so, may have these fields beside their code and message.
    pub(in crate::server) fn fails_with(
        mut self,
        name: &'static str,
        fields: impl IntoIterator<Item = (&'static str, Schema)>,
    ) -> Self {
        self.error = Some((name, fields.into_iter().collect()));
        self
    }

    pub(super) fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// The key of its path's object, what stands there, and the named schemas that it needs.
    pub(super) fn into_parts(self) -> (&'static str, Value, Vec<(&'static str, Value)>) {
        let mut named = self.named;
        let mut put = |schema: Schema| {
            let (json, more) = schema.into_parts();
            named.extend(more);
            json
        };
        let mut responses = Map::new();
        let in_store = self.names_store;
        for answer in self.answers {
            let mut headers = answer.headers;
            headers.push((REQUEST_ID, true));
            if in_store {
                headers.push((STORE_ID, true));
            }
            let mut response = json!({ "description": answer.says, "headers": header_references(&headers) });
            if let Some(schema) = answer.schema {
                let mut media = json!({ "schema": put(schema) });
                if let Some(item) = answer.item {
                    insert(&mut media, "x-item-schema", put(item));
                }
                insert(&mut response, "content", json!({ answer.media: media }));
            }
            responses.insert(answer.status.as_str().to_owned(), response);
        }
        for (status, names) in by_status(&self.codes) {
            responses.insert(
                status.as_str().to_owned(),
                failure(status, names, in_store, self.error.clone(), &mut put),
            );
        }
        let needs = permissions::of(&self.id);
        let security = if needs == Needs::Nothing { json!([]) } else { json!([{ SECURITY: [] }]) };
        let notes: Vec<String> = self.notes.into_iter().map(str::to_owned).chain([needs.says()]).collect();
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag.name()],
            "summary": self.summary,
            "description": notes.join(" "),
            "security": security,
            "parameters": self.parameters,
            "responses": responses,
        });
        if let Some(body) = self.body {
            let body = json!({ "required": true, "content": { JSON: { "schema": put(body) } } });
            insert(&mut operation, "requestBody", body);
        }
        (self.verb.key(), operation, named)
    }
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

/// The names of codes by the status that they have.
fn by_status(codes: &[Code]) -> BTreeMap<StatusCode, BTreeSet<&'static str>> {
    let mut by_status: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().insert(code.name());
    }
    by_status
}

fn failure(
    status: StatusCode,
    names: BTreeSet<&'static str>,
    in_store: bool,
    more: Option<ErrorFields>,
    put: &mut impl FnMut(Schema) -> Value,
) -> Value {
    let code = choice(names);
    // The names that are possible here, beside what every such error is.
    let body = match more {
        None => Schema::reference(ERROR),
        Some((name, fields)) => {
            let body = shape().must("code", text()).must("message", shapes::message());
            fields.into_iter().fold(body, |body, (name, schema)| body.may(name, schema)).closed().named(name)
        }
    };
    let body = body.with_property("code", code);
    let mut headers = vec![(REQUEST_ID, true)];
    if in_store {
        // Where the request got as far as to its store.
        headers.push((STORE_ID, false));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.push((RETRY_AFTER, true));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.push((WWW_AUTHENTICATE, true));
    }
    json!({
        "description": status.canonical_reason().unwrap_or("An error"),
        "headers": header_references(&headers),
        "content": { JSON: { "schema": put(body) } },
    })
}

/// `{store_id}`, `{id}`, and what the cooperations name.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameter = |name: &str| {
        let (says, schema) = match name {
            "store_id" => ("The store.".to_owned(), shapes::id()),
            "id" => ("The authorization model.".to_owned(), shapes::id()),
            "key" => ("The key.".to_owned(), shapes::id()),
            other => (format!("The {other}."), shapes::entity_id()),
        };
        let schema = schema.into_parts().0;
        json!({ "name": name, "in": "path", "required": true, "description": says, "schema": schema })
    };
    names.map(parameter).collect()
}

/// A header as people write it.
fn shown(name: &HeaderName) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.as_str().split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// References to the headers of an answer; those that are not always there have an entry of their own.
fn header_references(headers: &[(HeaderName, bool)]) -> Value {
    let entries = headers.iter().map(|(name, always)| {
        let name = shown(name);
        let kept = if *always { name.clone() } else { format!("{name}{SOMETIMES}") };
        (name, json!({ "$ref": format!("#/components/headers/{kept}") }))
    });
    Value::Object(entries.collect())
}

/// The end of the key of a header that is not always there.
const SOMETIMES: &str = "-If-Any";

/// What the headers of answers say.
pub(super) fn headers() -> Value {
    let known = [
        (MODEL_ID, shapes::id(), "The authorization model that was used."),
        (STORE_ID, shapes::id(), "The store that was asked."),
        (REVISION, integer(0), "The revision of the store that this was answered at, or written with."),
        (
            PARTIAL,
            choice(["true"]),
            "A limit or the request's time ended the list: there may be more results.",
        ),
        (
            REQUEST_ID,
            text().with("pattern", format!("^[A-Za-z0-9_.:/+=-]{{1,{REQUEST_ID_BYTES_MAX}}}$")),
            "Names the request in the server's log: its own, if it had one of this form, or else a new one.",
        ),
        (RETRY_AFTER, integer(0), "Seconds after which to try again."),
        (WWW_AUTHENTICATE, choice(["Bearer"]), "How to say who calls: by the token of a key."),
        (CACHE_CONTROL, text(), "Whether the answer may be kept."),
    ];
    let entries = known.into_iter().flat_map(|(name, schema, says)| {
        let schema = schema.into_parts().0;
        [("", true), (SOMETIMES, false)].map(|(end, always)| {
            let header = json!({ "description": says, "required": always, "schema": schema });
            (format!("{}{end}", shown(&name)), header)
        })
    });
    Value::Object(entries.collect())
}
