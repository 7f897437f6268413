//! Every answer that a test gets, and every request that is accepted, held against the API's own description.
//!
//! The fixture calls this for whatever is sent, so that what the server does and the document does not say fails the test
//! in which it happens.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use tenure::engine::Engine;
use tenure::model::SystemClock;
use tenure::model::limits::EvaluationLimits;
use tenure::server::ServerConfig;
use tenure::store::memory::MemoryDatabase;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::fixture::api;

/// The description that the server gives of itself.
pub static API: LazyLock<Api> = LazyLock::new(|| Api::new(served()));

/// `GET /openapi.json`, from a thread of its own, as a test may be within a runtime.
fn served() -> Value {
    let ask = || {
        let engine = Engine::new(MemoryDatabase::new(Arc::new(SystemClock)), EvaluationLimits::default());
        let router = api(Arc::new(engine), &ServerConfig::default());
        let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
        let bytes = Runtime::new().unwrap().block_on(async {
            let response = router.oneshot(request).await.unwrap();
            to_bytes(response.into_body(), usize::MAX).await.unwrap()
        });
        serde_json::from_slice(&bytes).unwrap()
    };
    std::thread::spawn(ask).join().unwrap()
}

pub struct Api {
    pub document: Value,
    /// By what they were compiled from.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Api {
    pub fn new(document: Value) -> Self {
        Self { document, validators: Mutex::default() }
    }

    /// The operation of a method and a path, which may have a query string.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split(['?', '#']).next().unwrap();
        let matches = |template: &str| {
            let (known, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            let same = |(known, given): (&&str, &&str)| {
                if known.starts_with('{') { !given.is_empty() } else { known == given }
            };
            known.len() == given.len() && known.iter().zip(&given).all(same)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let (_, found) = paths.iter().find(|(template, _)| matches(template))?;
        // Whatever can be got can be asked for its head alone.
        found.get(method.to_lowercase().replace("head", "get"))
    }

    /// What an answer is unlike its description in.
    pub fn judge_answer(
        &self,
        method: &str,
        path: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        if method == "OPTIONS" {
            return Ok(()); // A browser's question, which is not part of the API.
        }
        let Some(operation) = self.operation(method, path) else {
            let known = [403, 404, 405].contains(&status);
            let error = json!({ "$ref": "#/components/schemas/Error" });
            return if known {
                self.json(&error, body)
            } else {
                Err(format!("status {status} of no operation"))
            };
        };
        let Some(response) = operation["responses"].get(status.to_string()) else {
            return Err(format!("the status {status} is not described"));
        };
        self.judge_headers(response, headers)?;
        let Some(content) = response.get("content") else {
            return if body.is_empty() { Ok(()) } else { Err("a body is not described".to_owned()) };
        };
        let kind = headers.get("Content-Type").map_or("", |value| value.to_str().unwrap());
        let Some(media) = content.get(kind) else {
            return Err(format!("the content type {kind:?} is not described"));
        };
        match media.get("x-item-schema") {
            _ if method == "HEAD" => Ok(()),
            Some(item) => {
                let mut lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
                lines.try_for_each(|line| self.json(item, line))
            }
            None if kind == "application/json" => self.json(&media["schema"], body),
            None => self.valid(&media["schema"], &String::from_utf8_lossy(body).into()),
        }
    }

    fn judge_headers(&self, response: &Value, headers: &HeaderMap) -> Result<(), String> {
        let described = response["headers"].as_object().unwrap();
        for (name, header) in described {
            let header = self.resolved(header);
            match headers.get(name) {
                None if header["required"] == true => return Err(format!("the header {name} is missing")),
                None => {}
                Some(value) => {
                    let text = value.to_str().unwrap();
                    let number = header["schema"]["type"] == "integer";
                    let value = if number { json!(text.parse::<u64>().unwrap()) } else { json!(text) };
                    self.valid(&header["schema"], &value)?;
                }
            }
        }
        let own = |name: &&str| name.starts_with("tenure-") || name.starts_with("openfga-");
        let known = |name: &&str| described.keys().any(|known| known.eq_ignore_ascii_case(name));
        match headers.keys().map(|name| name.as_str()).filter(own).find(|name| !known(name)) {
            Some(name) => Err(format!("the header {name} is not described")),
            None => Ok(()),
        }
    }

    /// What the data of an event of a watch is unlike its description in.
    pub fn judge_event(&self, data: &Value) -> Result<(), String> {
        let operation = self.operation("GET", "/stores/x/watch").unwrap();
        self.valid(&operation["responses"]["200"]["content"]["text/event-stream"]["x-item-schema"], data)
    }

    /// What a request that was accepted is unlike its description in, apart from what is taken in more than one form.
    pub fn judge_request(&self, method: &str, path: &str, strict: bool, body: &str) -> Result<(), String> {
        let body = if body.trim().is_empty() { "{}" } else { body };
        let Some(described) = self.operation(method, path).and_then(|operation| operation.get("requestBody"))
        else {
            return Ok(());
        };
        let schema = &described["content"]["application/json"]["schema"];
        let strict = strict || self.resolved(schema)["additionalProperties"] == false;
        let given = serde_json::from_str(body).map_err(|error| error.to_string())?;
        self.valid(schema, &self.plain(schema, given, strict)?)
    }

    /// A value in the form to be preferred: names as described, nothing that counts as not given, numbers as numbers.
    fn plain(&self, schema: &Value, value: Value, strict: bool) -> Result<Value, String> {
        let schema = self.form(schema, &value);
        Ok(match value {
            Value::Object(fields) => Value::Object(self.plain_fields(schema, fields, strict)?),
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.plain(&schema["items"], item, strict));
                items.collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::String(text) if schema["type"] == "integer" => text.parse::<i64>().unwrap().into(),
            Value::Number(_) if schema.get("enum").is_some() => schema["enum"][0].clone(),
            other => other,
        })
    }

    fn plain_fields(
        &self,
        schema: &Value,
        fields: Map<String, Value>,
        strict: bool,
    ) -> Result<Map<String, Value>, String> {
        let mut plain = Map::new();
        for (name, value) in fields {
            let Some(properties) = schema["properties"].as_object() else {
                plain.insert(name, self.plain(&schema["additionalProperties"], value, strict)?);
                continue;
            };
            let same = |known: &&String| known.replace('_', "").eq_ignore_ascii_case(&name.replace('_', ""));
            match properties.keys().find(same) {
                Some(known) => {
                    let described = &properties[known];
                    let value = self.plain(described, value, strict)?;
                    let required =
                        schema["required"].as_array().is_some_and(|all| all.contains(&json!(known)));
                    let unset =
                        value.is_null() || value == "" || self.form(described, &value).get("enum").is_some();
                    if required || !unset || self.valid(described, &value).is_ok() {
                        plain.insert(known.clone(), value);
                    }
                }
                None if strict && !(value.is_null() || value == "") => {
                    return Err(format!("the field {name} is not described"));
                }
                None => {}
            }
        }
        Ok(plain)
    }

    /// The schema that a value is to be read by: references are followed, and one of several forms is chosen.
    fn form<'a>(&'a self, schema: &'a Value, value: &Value) -> &'a Value {
        let schema = self.resolved(schema);
        let Some(forms) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array) else {
            return schema;
        };
        let names: Vec<String> =
            value.as_object().into_iter().flatten().map(|(name, _)| name.replace('_', "")).collect();
        let fits = |form: &&Value| {
            let form = self.resolved(form);
            let required = form["required"].as_array().into_iter().flatten();
            form["type"] != "null"
                && required
                    .map(|name| name.as_str().unwrap())
                    .all(|name| names.iter().any(|given| given.eq_ignore_ascii_case(&name.replace('_', ""))))
        };
        self.resolved(forms.iter().find(fits).unwrap_or(schema))
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            None => schema,
            Some(reference) => {
                let found = self.document.pointer(reference.strip_prefix('#').unwrap());
                self.resolved(found.unwrap_or_else(|| panic!("{reference} leads nowhere")))
            }
        }
    }

    fn json(&self, schema: &Value, body: &[u8]) -> Result<(), String> {
        self.valid(schema, &serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?)
    }

    fn valid(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = {
            let mut validators = self.validators.lock().unwrap();
            let made =
                validators.entry(schema.to_string()).or_insert_with(|| Arc::new(self.compiled(schema)));
            Arc::clone(made)
        };
        validator.validate(value).map_err(|error| format!("{error}\n in {value}"))
    }

    fn compiled(&self, schema: &Value) -> Validator {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.document["components"],
            "allOf": [schema],
        });
        jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
    }
}
