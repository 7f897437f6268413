//! The functions of the library: each looks at what its arguments are at run time.

use std::sync::Arc;

use super::ip::IpAddress;
use super::library::{Function, Slot};
use super::meter::{Failure, Meter};
use super::number::{format_double, parse_bool, parse_double, parse_int, parse_uint};
use super::operators as op;
use super::pattern;
use super::plan::Call;
use super::time::{Field, Timestamp, duration_field, format_duration, parse_duration};
use super::value::{Value, truncate_to_int, truncate_to_uint};

/// Applies a function. It is no part of the evaluator's recursion, whose frames are to stay small.
#[inline(never)]
pub(super) fn call(call: &Call, args: &[Value], meter: &mut Meter) -> Result<Value, Failure> {
    let (function, name) = (call.function, &*call.name);
    if let Some(overload) = call.overload
        && function.is_bound_by_types()
        && !overload.args.iter().zip(args).all(|(slot, arg)| is_of(*slot, arg))
    {
        return Err(undefined(name, args));
    }
    match (function, args) {
        (Function::Not, [value]) => op::not(value),
        (Function::Negate, [value]) => op::negate(value),
        (Function::Add, [left, right]) => op::add(left, right, meter),
        (Function::Subtract, [left, right]) => op::subtract(left, right),
        (Function::Multiply, [left, right]) => op::multiply(left, right),
        (Function::Divide, [left, right]) => op::divide(left, right),
        (Function::Modulo, [left, right]) => op::modulo(left, right),
        (
            Function::Less | Function::LessOrEqual | Function::Greater | Function::GreaterOrEqual,
            [left, right],
        ) => op::compare(function, left, right),
        (Function::Equal, [left, right]) => op::equal(left, right),
        (Function::NotEqual, [left, right]) => Ok(op::not_equal(left, right)),
        (Function::In, [element, container]) => op::is_in(element, container),
        (Function::Size, [value]) => {
            value.size().and_then(|size| i64::try_from(size).ok()).map(Value::Int).ok_or_else(op::no_overload)
        }
        (Function::Matches, [text, pattern]) => matches(text, pattern),
        (Function::Contains | Function::StartsWith | Function::EndsWith, [text, part]) => {
            search(function, text, part)
        }
        (Function::ToIpAddress, [Value::String(text)]) => IpAddress::parse(text)
            .map(|address| Value::IpAddress(Arc::new(address)))
            .ok_or_else(|| Failure::error(format!("ParseAddr({text:?}): it is not an IP address"))),
        (Function::InCidr, [Value::IpAddress(address), Value::String(network)]) => address
            .is_in(network)
            .map(Value::Bool)
            .ok_or_else(|| Failure::error(format!("'{network}' is a malformed CIDR string"))),
        (Function::ToDyn, [value]) => Ok(value.clone()),
        (Function::ToType, [value]) => Ok(Value::Type(value.type_name())),
        (converts, [value]) if converts.is_conversion() => {
            convert(converts, value, meter)?.unwrap_or_else(|| Err(undefined(name, args)))
        }
        _ => match (field(function), args) {
            (Some(field), [Value::Timestamp(instant)]) => field_of(*instant, field, None),
            (Some(field), [Value::Timestamp(instant), Value::String(zone)]) => {
                field_of(*instant, field, Some(zone))
            }
            (Some(field), [Value::Duration(span)]) => {
                duration_field(*span, field).map(Value::Int).ok_or_else(|| undefined(name, args))
            }
            _ => Err(undefined(name, args)),
        },
    }
}

/// Whether a value is of the type that an overload declares.
fn is_of(slot: Slot, value: &Value) -> bool {
    match slot {
        Slot::Bool => matches!(value, Value::Bool(_)),
        Slot::Bytes => matches!(value, Value::Bytes(_)),
        Slot::Double => matches!(value, Value::Double(_)),
        Slot::Duration => matches!(value, Value::Duration(_)),
        Slot::Int => matches!(value, Value::Int(_)),
        Slot::IpAddress => matches!(value, Value::IpAddress(_)),
        Slot::String => matches!(value, Value::String(_)),
        Slot::Timestamp => matches!(value, Value::Timestamp(_)),
        Slot::Uint => matches!(value, Value::Uint(_)),
        Slot::Dyn | Slot::A | Slot::B | Slot::ListOfA | Slot::MapOfAB | Slot::TypeOfA => true,
    }
}

fn undefined(name: &str, args: &[Value]) -> Failure {
    let types: Vec<&str> = args.iter().map(|arg| arg.type_name().as_str()).collect();
    Failure::error(format!("no such overload: {name}({})", types.join(", ")))
}

fn matches(text: &Value, pattern: &Value) -> Result<Value, Failure> {
    let (Value::String(text), Value::String(pattern)) = (text, pattern) else {
        return Err(op::no_overload());
    };
    let compiled = pattern::compile(pattern).map_err(Failure::error)?;
    Ok(Value::Bool(compiled.is_match(text)))
}

fn search(function: Function, text: &Value, part: &Value) -> Result<Value, Failure> {
    let (Value::String(text), Value::String(part)) = (text, part) else { return Err(op::no_overload()) };
    Ok(Value::Bool(match function {
        Function::StartsWith => text.starts_with(&**part),
        Function::EndsWith => text.ends_with(&**part),
        _ => text.contains(&**part),
    }))
}

/// Converts a value. `None` if there is no conversion from its type.
fn convert(
    to: Function,
    value: &Value,
    meter: &mut Meter,
) -> Result<Option<Result<Value, Failure>>, Failure> {
    if let Value::String(text) = value {
        meter.allocate(text.len())?;
        return Ok(convert_text(to, text));
    }
    let int_overflow = || Failure::error("integer overflow");
    let uint_overflow = || Failure::error("unsigned integer overflow");
    Ok(Some(match (to, value) {
        (Function::ToBool, Value::Bool(_))
        | (Function::ToBytes, Value::Bytes(_))
        | (Function::ToDouble, Value::Double(_))
        | (Function::ToDuration, Value::Duration(_))
        | (Function::ToInt, Value::Int(_))
        | (Function::ToTimestamp, Value::Timestamp(_))
        | (Function::ToUint, Value::Uint(_)) => Ok(value.clone()),
        (Function::ToDouble, Value::Int(number)) => Ok(Value::Double(*number as f64)),
        (Function::ToDouble, Value::Uint(number)) => Ok(Value::Double(*number as f64)),
        (Function::ToInt, Value::Double(number)) => {
            truncate_to_int(*number).map(Value::Int).ok_or_else(int_overflow)
        }
        (Function::ToInt, Value::Uint(number)) => {
            i64::try_from(*number).map(Value::Int).map_err(|_| int_overflow())
        }
        (Function::ToInt, Value::Duration(nanos)) => Ok(Value::Int(*nanos)),
        (Function::ToInt, Value::Timestamp(instant)) => Ok(Value::Int(instant.unix())),
        (Function::ToUint, Value::Double(number)) => {
            truncate_to_uint(*number).map(Value::Uint).ok_or_else(uint_overflow)
        }
        (Function::ToUint, Value::Int(number)) => {
            u64::try_from(*number).map(Value::Uint).map_err(|_| uint_overflow())
        }
        (Function::ToTimestamp, Value::Int(seconds)) => Timestamp::from_unix(*seconds)
            .map(Value::Timestamp)
            .ok_or_else(|| Failure::error("timestamp overflow")),
        (Function::ToString, Value::Bytes(bytes)) => {
            meter.allocate(bytes.len())?;
            std::str::from_utf8(bytes)
                .map(Value::string)
                .map_err(|_| Failure::error("invalid UTF-8 in bytes, cannot convert to string"))
        }
        (Function::ToString, other) => match write(other) {
            Some(text) => Ok(Value::String(text.into())),
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn write(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Uint(value) => Some(value.to_string()),
        Value::Double(value) => Some(format_double(*value)),
        Value::Duration(nanos) => Some(format_duration(*nanos)),
        Value::Timestamp(instant) => Some(instant.to_string()),
        _ => None,
    }
}

fn convert_text(to: Function, text: &Arc<str>) -> Option<Result<Value, Failure>> {
    let (name, converted) = match to {
        Function::ToString => return Some(Ok(Value::String(Arc::clone(text)))),
        Function::ToBytes => return Some(Ok(Value::Bytes(text.as_bytes().into()))),
        Function::ToBool => ("bool", parse_bool(text).map(Value::Bool)),
        Function::ToInt => ("int", parse_int(text).map(Value::Int)),
        Function::ToUint => ("uint", parse_uint(text).map(Value::Uint)),
        Function::ToDouble => ("double", parse_double(text).map(Value::Double)),
        Function::ToDuration => ("google.protobuf.Duration", parse_duration(text).map(Value::Duration)),
        Function::ToTimestamp => {
            ("google.protobuf.Timestamp", Timestamp::parse_strictly(text).map(Value::Timestamp))
        }
        _ => return None,
    };
    Some(converted.ok_or_else(|| Failure::error(format!("type conversion error from 'string' to '{name}'"))))
}

fn field(function: Function) -> Option<Field> {
    Some(match function {
        Function::FullYear => Field::FullYear,
        Function::Month => Field::Month,
        Function::DayOfYear => Field::DayOfYear,
        Function::DayOfMonth => Field::DayOfMonth,
        Function::Date => Field::Date,
        Function::DayOfWeek => Field::DayOfWeek,
        Function::Hours => Field::Hours,
        Function::Minutes => Field::Minutes,
        Function::Seconds => Field::Seconds,
        Function::Milliseconds => Field::Milliseconds,
        _ => return None,
    })
}

fn field_of(instant: Timestamp, field: Field, zone: Option<&str>) -> Result<Value, Failure> {
    instant.field(field, zone).map(Value::Int).map_err(Failure::error)
}
