//! A context's values, given as JSON, to values of their parameters' types.
//!
//! A number is what JSON makes of it first, a double of 64 bits, as it is to OpenFGA.

use std::sync::Arc;

use serde_json::Value as Json;

use super::ip::IpAddress;
use super::number::{Decimal, format_double};
use super::time::{Timestamp, parse_duration};
use super::value::{Key, Map, Value, double_as_int};
use crate::model::ParameterType;
use crate::model::limits::CONTEXT_DEPTH_MAX;

/// Converts a value. The error says what was expected and what was found.
pub(super) fn convert(json: &Json, to: &ParameterType) -> Result<Value, String> {
    convert_at(json, to, 0)
}

fn convert_at(json: &Json, to: &ParameterType, depth: usize) -> Result<Value, String> {
    if depth > CONTEXT_DEPTH_MAX {
        return Err(format!("it is nested more than {CONTEXT_DEPTH_MAX} deep"));
    }
    let unexpected = |expected: &str| format!("expected {expected}, but found: {}", describe(json));
    match (to, json) {
        (ParameterType::Any, _) => any(json, depth),
        (ParameterType::Bool, Json::Bool(value)) => Ok(Value::Bool(*value)),
        (ParameterType::Bool, _) => Err(mismatch("bool", json)),
        (ParameterType::String, Json::String(text)) => Ok(Value::string(text)),
        (ParameterType::String, _) => Err(mismatch("string", json)),
        (ParameterType::Int, _) => {
            let number = Number::read(json, "int64")?;
            number.to_int().map(Value::Int).ok_or_else(|| number.not_whole("an int"))
        }
        (ParameterType::Uint, _) => {
            let number = Number::read(json, "uint64")?;
            let int = number.to_int().ok_or_else(|| number.not_whole("a uint"))?;
            u64::try_from(int)
                .map(Value::Uint)
                .map_err(|_| format!("expected a uint value, but found int64 value '{}'", number.text()))
        }
        (ParameterType::Double, _) => Number::read(json, "float64")?.to_double().map(Value::Double),
        (ParameterType::Duration, Json::String(text)) => parse_duration(text)
            .map(Value::Duration)
            .ok_or_else(|| format!("expected a valid duration string, but found: '{text}'")),
        (ParameterType::Duration, _) => Err(unexpected("a duration string")),
        (ParameterType::Timestamp, Json::String(text)) => Timestamp::parse(text)
            .map(Value::Timestamp)
            .ok_or_else(|| format!("expected RFC 3339 formatted timestamp string, but found '{text}'")),
        (ParameterType::Timestamp, _) => Err(unexpected("RFC 3339 formatted timestamp string")),
        (ParameterType::IpAddress, Json::String(text)) => IpAddress::parse(text)
            .map(|address| Value::IpAddress(Arc::new(address)))
            .ok_or_else(|| format!("expected a well-formed IP address, but found: '{text}'")),
        (ParameterType::IpAddress, _) => Err(unexpected("an ipaddress string")),
        (ParameterType::Map(inner), Json::Object(entries)) => {
            let convert_entry = |(key, item): (&String, &Json)| {
                let value = convert_at(item, inner, depth + 1)
                    .map_err(|why| format!("found an invalid value for key '{key}': {why}"))?;
                Ok((Key::String(key.as_str().into()), value))
            };
            let map = entries.iter().map(convert_entry).collect::<Result<Map, String>>()?;
            Ok(Value::Map(Arc::new(map)))
        }
        (ParameterType::Map(_), _) => Err(format!("map requires a map, found: {}", go_type(json))),
        (ParameterType::List(inner), Json::Array(items)) => {
            let convert_item = |(index, item): (usize, &Json)| {
                convert_at(item, inner, depth + 1)
                    .map_err(|why| format!("found an invalid list item at index `{index}`: {why}"))
            };
            let list = items.iter().enumerate().map(convert_item).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::List(list.into()))
        }
        (ParameterType::List(_), _) => Err(format!("list requires a list, found: {}", go_type(json))),
    }
}

/// A value without a declared type.
fn any(json: &Json, depth: usize) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::string(text),
        Json::Array(_) => return convert_at(json, &ParameterType::List(ParameterType::Any.into()), depth),
        Json::Object(_) => return convert_at(json, &ParameterType::Map(ParameterType::Any.into()), depth),
    })
}

/// A number, or a text with one.
enum Number<'a> {
    Double(f64),
    Text(&'a str, Decimal),
}

impl<'a> Number<'a> {
    fn read(json: &'a Json, expected: &str) -> Result<Self, String> {
        match json {
            Json::Number(number) => Ok(Self::Double(number.as_f64().unwrap_or(f64::NAN))),
            Json::String(text) => {
                let decimal = Decimal::parse(text).ok_or_else(|| {
                    format!("expected a {expected} value, but found invalid string value '{text}'")
                })?;
                Ok(Self::Text(text, decimal))
            }
            _ => Err(mismatch(expected, json)),
        }
    }

    /// The whole number, cut to 64 bits.
    fn to_int(&self) -> Option<i64> {
        match self {
            Self::Text(_, decimal) => decimal.to_int(),
            Self::Double(number) if number.fract() == 0.0 => {
                Some(double_as_int(*number).unwrap_or(if *number < 0.0 { i64::MIN } else { i64::MAX }))
            }
            Self::Double(_) => None,
        }
    }

    fn to_double(&self) -> Result<f64, String> {
        match self {
            Self::Double(number) => Ok(*number),
            Self::Text(text, decimal) => decimal
                .to_double()
                .ok_or_else(|| format!("number cannot be represented as a float64: {text}")),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Double(number) => format_double(*number),
            Self::Text(text, _) => (*text).to_owned(),
        }
    }

    fn not_whole(&self, expected: &str) -> String {
        format!("expected {expected} value, but found numeric value '{}'", self.text())
    }
}

fn mismatch(expected: &str, json: &Json) -> String {
    format!("expected type value '{expected}', but found '{}'", go_type(json))
}

/// What OpenFGA calls the type of a JSON value.
fn go_type(json: &Json) -> &'static str {
    match json {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}

/// The type, and the value where it is short.
fn describe(json: &Json) -> String {
    match json {
        Json::Bool(_) | Json::Number(_) => format!("{} '{json}'", go_type(json)),
        _ => go_type(json).to_owned(),
    }
}
