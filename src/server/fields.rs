//! Reading a request's JSON as protobuf's mapping has it, field by field, with the path of each in every error.
//!
//! Both spellings of a name are taken (`tuple_key`, `tupleKey`), `null` is unset, unknown fields are ignored, or
//! refused in a strict request. What a field means is not decided here.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{ApiError, Code};
use crate::model::limits::{BODY_VALUES_MAX, CONTEXT_VALUES_MAX, VALUES_PER_OBJECT};

/// A field of a request where absent and `null` differ.
pub(super) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

/// The fields of one object of a request. What is read is taken out; what is left at the end is unknown.
pub(super) struct Fields {
    path: String,
    values: Map<String, Value>,
    strict: bool,
    /// How many values the contexts of the whole request have that were read so far.
    context_values: Rc<Cell<usize>>,
}

impl Fields {
    /// Reads a body, which is one JSON object or nothing, with `read`.
    pub(super) fn read_body<T>(
        body: &[u8],
        strict: bool,
        read: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let values = match parse(body, BODY_VALUES_MAX)? {
            Value::Object(values) => values,
            other => return Err(wrong_type("request body", "an object", &other)),
        };
        Self { path: String::new(), values, strict, context_values: Rc::default() }.read(read)
    }

    /// Reads the parameters of a query string with `read`.
    pub(super) fn read_query<T>(
        parameters: Vec<(String, String)>,
        strict: bool,
        read: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut values = Map::new();
        for (name, value) in parameters {
            if values.insert(name.clone(), Value::String(value)).is_some() {
                return Err(ApiError::invalid(&name, "given more than once"));
            }
        }
        Self { path: String::new(), values, strict, context_values: Rc::default() }.read(read)
    }

    fn read<T>(mut self, read: impl FnOnce(&mut Self) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let value = read(&mut self)?;
        match self.values.keys().next() {
            Some(unknown) if self.strict => Err(ApiError::invalid(&self.path(unknown), "unknown field")),
            _ => Ok(value),
        }
    }

    /// Refuses what is left over and differs from one of `names` in its case or its separators alone.
    pub(super) fn refuse_misspelt(&self, names: &[&str]) -> Result<(), ApiError> {
        let bare = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
        for left in self.values.keys() {
            if let Some(name) = names.iter().find(|name| bare(name) == bare(left)) {
                return Err(ApiError::invalid(
                    &self.path(left),
                    format!("unknown field; the name is {name}"),
                ));
            }
        }
        Ok(())
    }

    /// The path of a field, from the top of the request.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field of this name (in snake case) or of its lower camel spelling.
    pub(super) fn given(&mut self, name: &str) -> Result<Given<Value>, ApiError> {
        if self.values.is_empty() {
            return Ok(Given::Absent);
        }
        let first = self.values.remove(name);
        // Nearly all clients send the names as they are.
        let has_upper = |name: &String| name.bytes().any(|byte| byte.is_ascii_uppercase());
        let has_other = name.contains('_') && self.values.keys().any(has_upper);
        let camel = if has_other { lower_camel(name) } else { String::new() };
        let second = if has_other { self.values.remove(&camel) } else { None };
        match (first, second) {
            (Some(_), Some(_)) => {
                Err(ApiError::invalid(&self.path(name), format!("given twice, the other time as {camel}")))
            }
            (None, None) => Ok(Given::Absent),
            (Some(Value::Null), None) | (None, Some(Value::Null)) => Ok(Given::Null),
            (Some(value), None) | (None, Some(value)) => Ok(Given::Value(value)),
        }
    }

    fn set(&mut self, name: &str) -> Result<Option<Value>, ApiError> {
        Ok(match self.given(name)? {
            Given::Absent | Given::Null => None,
            Given::Value(value) => Some(value),
        })
    }

    /// A text; empty where unset.
    pub(super) fn string(&mut self, name: &str) -> Result<String, ApiError> {
        match self.set(name)? {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong_type(&self.path(name), "a string", &other)),
        }
    }

    /// A truth value; false where unset.
    pub(super) fn boolean(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.set(name)? {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(other) => Err(wrong_type(&self.path(name), "true or false", &other)),
        }
    }

    /// A whole number, also as text, as protobuf's JSON has it.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.set(name)? else { return Ok(None) };
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(wrong_type(&self.path(name), "a whole number of 64 bits", &value)),
        }
    }

    /// One of an enum's values, by name or by number; the first one where unset. A name that is unknown is taken for
    /// unset, as in OpenFGA, but in a strict request.
    pub(super) fn enumeration(&mut self, name: &str, values: &[(&str, i32)]) -> Result<(), ApiError> {
        let Some(value) = self.set(name)? else { return Ok(()) };
        let known = match &value {
            Value::String(text) => !self.strict || values.iter().any(|(name, _)| name == text),
            // `100.0` is the same number.
            Value::Number(number) => {
                values.iter().any(|(_, value)| number.as_f64() == Some(f64::from(*value)))
            }
            _ => false,
        };
        if known {
            return Ok(());
        }
        let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
        Err(wrong_type(&self.path(name), &format!("one of {}", names.join(", ")), &value))
    }

    /// An object, kept as it is.
    pub(super) fn map(&mut self, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.set(name)? {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(wrong_type(&self.path(name), "an object", &other)),
        }
    }

    /// An object that is held as it is until the request is answered, as a context is: all of these in one request have a
    /// bound together.
    pub(super) fn held(&mut self, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        let Some(map) = self.map(name)? else { return Ok(None) };
        let values = self.context_values.get().saturating_add(values_of(&map));
        self.context_values.set(values);
        if values > CONTEXT_VALUES_MAX {
            let expected = format!(
                "too many values; all contexts and properties of a request may have {CONTEXT_VALUES_MAX} together, \
                 where an object counts as {VALUES_PER_OBJECT}"
            );
            return Err(ApiError::invalid(&self.path(name), expected));
        }
        Ok(Some(map))
    }

    /// An object, read with `read`.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.set(name)? else { return Ok(None) };
        self.nested(&self.path(name), value, read).map(Some)
    }

    /// A value that was taken out of this object and must be an object itself, read with `read`.
    pub(super) fn nested<T>(
        &self,
        path: &str,
        value: Value,
        read: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        match value {
            Value::Object(values) => {
                let context_values = Rc::clone(&self.context_values);
                Self { path: path.to_owned(), values, strict: self.strict, context_values }.read(read)
            }
            other => Err(wrong_type(path, "an object", &other)),
        }
    }

    /// A list of objects, each read with `read`; empty where unset.
    pub(super) fn objects<T>(
        &mut self,
        name: &str,
        read: impl FnMut(&mut Self) -> Result<T, ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        self.objects_if(name, |_| Ok(()), read)
    }

    /// [`objects`](Self::objects), where `may_be` says of their number whether it may be, before the first is read.
    pub(super) fn objects_if<T>(
        &mut self,
        name: &str,
        may_be: impl FnOnce(usize) -> Result<(), ApiError>,
        mut read: impl FnMut(&mut Self) -> Result<T, ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        let items = match self.set(name)? {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(wrong_type(&self.path(name), "a list", &other)),
        };
        may_be(items.len())?;
        let list = self.path(name);
        let one = |(index, item): (usize, Value)| self.nested(&format!("{list}[{index}]"), item, &mut read);
        items.into_iter().enumerate().map(one).collect()
    }
}

/// A body as JSON, of at most so many values. An empty one is an empty object, as protobuf's JSON gateway has it.
pub(super) fn parse(body: &[u8], values_max: usize) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let left = Cell::new(Some(values_max));
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = Unique(&left).deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| match left.get() {
        Some(_) => ApiError::new(Code::ValidationError, format!("malformed JSON: {error}")),
        None => {
            let expected = format!(
                "too many values; at most {values_max} are allowed, where an object counts as {VALUES_PER_OBJECT}"
            );
            ApiError::invalid("request body", expected)
        }
    })
}

/// How many values an object comes to, on all levels.
fn values_of(fields: &Map<String, Value>) -> usize {
    if fields.is_empty() {
        return 1;
    }
    fields.values().map(values_in).fold(VALUES_PER_OBJECT, usize::saturating_add)
}

fn values_in(value: &Value) -> usize {
    match value {
        Value::Object(fields) => values_of(fields),
        Value::Array(items) => items.iter().map(values_in).fold(1, usize::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// A field that has another type than expected.
pub(super) fn wrong_type(path: &str, expected: &str, found: &Value) -> ApiError {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let mut shortened: String = text.chars().take(64).collect();
            if shortened.len() < text.len() {
                shortened.push('…');
            }
            format!("the text {shortened:?}")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    ApiError::invalid(path, format!("expected {expected}, found {found}"))
}

/// `tuple_key` as `tupleKey`.
pub(super) fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else if upper {
            camel.push(character.to_ascii_uppercase());
            upper = false;
        } else {
            camel.push(character);
        }
    }
    camel
}

/// Reads a JSON value whose objects name each field once, and counts its values down; `None`: there were too many. Of a
/// field that stands twice, either could be meant, and an expiration that was meant must not get lost.
#[derive(Clone, Copy)]
struct Unique<'c>(&'c Cell<Option<usize>>);

impl Unique<'_> {
    fn count<E: serde::de::Error>(self, values: usize) -> Result<(), E> {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(values)));
        if self.0.get().is_some() { Ok(()) } else { Err(E::custom("too many values")) }
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if values.is_empty() {
                self.count(VALUES_PER_OBJECT - 1)?;
            }
            let value = access.next_value_seed(self)?;
            if values.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field {name:?}")));
            }
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, strict: bool) -> Result<String, String> {
        Fields::read_body(body.as_bytes(), strict, |fields| {
            let inner = fields.object("outer_field", |inner| inner.string("text"))?;
            let items = fields.objects("items", |item| item.boolean("on"))?;
            Ok(format!("{inner:?} {items:?}"))
        })
        .map_err(|error| error.message)
    }

    #[test]
    fn both_spellings_are_taken_and_null_is_unset() {
        let expected = Ok("Some(\"x\") []".to_owned());
        assert_eq!(read(r#"{"outer_field":{"text":"x"}}"#, true), expected);
        assert_eq!(read(r#"{"outerField":{"text":"x"},"items":null}"#, true), expected);
        assert_eq!(read(r#"{"outerField":{"text":null}}"#, true), Ok("Some(\"\") []".to_owned()));
        assert_eq!(read("", true), Ok("None []".to_owned()));
    }

    #[test]
    fn errors_name_the_path() {
        let message = |body, strict| read(body, strict).unwrap_err();
        assert_eq!(
            message(r#"{"items":[{"on":true},{"on":1}]}"#, false),
            "invalid items[1].on: expected true or false, found the number 1"
        );
        assert_eq!(message(r#"{"outer_field":{"txet":1}}"#, true), "invalid outer_field.txet: unknown field");
        assert!(read(r#"{"outer_field":{"txet":1}}"#, false).is_ok(), "ignored unless strict");
        assert_eq!(
            message(r#"{"outer_field":{},"outerField":{}}"#, false),
            "invalid outer_field: given twice, the other time as outerField"
        );
        assert!(message(r#"{"items":[],"items":[]}"#, false).contains(r#"duplicate field "items""#));
        assert!(message("{", false).starts_with("malformed JSON: "));
        assert!(message("[]", false).contains("expected an object, found a list"));
    }

    #[test]
    fn what_is_held_of_one_request_is_bounded_in_its_values_together() {
        // An object counts as ten, its field and its list as one each.
        let room = CONTEXT_VALUES_MAX - 11;
        let body = |first: usize, second: usize| {
            let (first, second) = (vec!["0"; first].join(","), vec!["0"; second].join(","));
            format!(
                r#"{{"items":[{{"context":{{"a":[{first}]}}}},{{"context":{{"a":[{second}],"b":{{}}}}}}]}}"#
            )
        };
        let read = |body: String| {
            Fields::read_body(body.as_bytes(), true, |fields| {
                fields.objects("items", |item| item.held("context"))
            })
            .map(|held| held.len())
            .map_err(|error| error.message)
        };
        assert_eq!(read(body(room - 100, 88)), Ok(2));
        let expected = "invalid items[1].context: too many values; all contexts and properties of a request may have \
                        16384 together, where an object counts as 10";
        assert_eq!(read(body(room - 100, 89)).unwrap_err(), expected);
        assert_eq!(read(body(room + 1, 0)).unwrap_err(), expected.replace("[1]", "[0]"));
    }

    #[test]
    fn a_body_of_too_many_values_is_refused_before_all_of_them_are_there() {
        let objects = |number: usize| format!("[{}]", vec![r#"{"":0}"#; number].join(","));
        let read =
            |number: usize, max: usize| parse(objects(number).as_bytes(), max).map_err(|error| error.message);
        assert!(read(100, 1 + 100 * 11).is_ok());
        let expected =
            "invalid request body: too many values; at most 1100 are allowed, where an object counts as 10";
        assert_eq!(read(100, 1100).unwrap_err(), expected);
        // What stands behind is not looked at.
        let body = format!("{},nonsense", objects(100));
        assert_eq!(parse(body.as_bytes(), 1100).unwrap_err().message, expected);
        // The body of every query and command.
        let body = format!(r#"{{"unknown":{}}}"#, objects(BODY_VALUES_MAX / 11));
        assert!(self::read(&body, false).unwrap_err().contains("too many values"));
        // As large as a batch that keeps all other limits: 50 checks with 100 contextual tuples each.
        let tuple =
            r#"{"user":"u:1","relation":"r","object":"o:1","condition":{"name":"cc","context":{"a":1}}}"#;
        let tuples = vec![tuple; 100].join(",");
        let check = format!(
            r#"{{"correlation_id":"1","contextual_tuples":{{"tuple_keys":[{tuples}]}},"context":{{}}}}"#
        );
        let body = format!(r#"{{"checks":[{}]}}"#, vec![check; 50].join(","));
        assert!(parse(body.as_bytes(), BODY_VALUES_MAX - CONTEXT_VALUES_MAX).is_ok());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let body = format!("{}{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
        assert!(read(&body, false).unwrap_err().contains("recursion limit"));
    }
}
