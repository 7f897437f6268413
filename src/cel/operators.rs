//! Operators on values: arithmetic that never wraps, comparisons, membership.

use std::cmp::Ordering;
use std::mem::size_of;
use std::sync::Arc;

use super::library::Function;
use super::meter::{Failure, Meter};
use super::value::{Value, find};

pub(super) fn no_overload() -> Failure {
    Failure::error("no such overload")
}

fn int_overflow() -> Failure {
    Failure::error("integer overflow")
}

fn uint_overflow() -> Failure {
    Failure::error("unsigned integer overflow")
}

fn timestamp_overflow() -> Failure {
    Failure::error("timestamp overflow")
}

pub(super) fn not(value: &Value) -> Result<Value, Failure> {
    match value {
        Value::Bool(value) => Ok(Value::Bool(!value)),
        _ => Err(no_overload()),
    }
}

pub(super) fn negate(value: &Value) -> Result<Value, Failure> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(int_overflow),
        Value::Double(value) => Ok(Value::Double(-value)),
        Value::Duration(value) => value.checked_neg().map(Value::Duration).ok_or_else(int_overflow),
        _ => Err(no_overload()),
    }
}

pub(super) fn add(left: &Value, right: &Value, meter: &mut Meter) -> Result<Value, Failure> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_add(*b).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => {
            meter.allocate(a.len().saturating_add(b.len()))?;
            Ok(Value::String([&**a, &**b].concat().into()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.allocate(a.len().saturating_add(b.len()))?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) if b.is_empty() => Ok(Value::List(Arc::clone(a))),
        (Value::List(a), Value::List(b)) if a.is_empty() => Ok(Value::List(Arc::clone(b))),
        (Value::List(a), Value::List(b)) => {
            meter.allocate(a.len().saturating_add(b.len()).saturating_mul(size_of::<Value>()))?;
            Ok(Value::List(a.iter().chain(b.iter()).cloned().collect()))
        }
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(int_overflow)
        }
        (Value::Duration(span), Value::Timestamp(instant))
        | (Value::Timestamp(instant), Value::Duration(span)) => {
            instant.plus(*span).map(Value::Timestamp).ok_or_else(timestamp_overflow)
        }
        _ => Err(no_overload()),
    }
}

pub(super) fn subtract(left: &Value, right: &Value) -> Result<Value, Failure> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_sub(*b).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(int_overflow)
        }
        (Value::Timestamp(instant), Value::Duration(span)) => {
            let back = span.checked_neg().ok_or_else(int_overflow)?;
            instant.plus(back).map(Value::Timestamp).ok_or_else(timestamp_overflow)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            a.since(*b).map(Value::Duration).ok_or_else(int_overflow)
        }
        _ => Err(no_overload()),
    }
}

pub(super) fn multiply(left: &Value, right: &Value) -> Result<Value, Failure> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_mul(*b).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        _ => Err(no_overload()),
    }
}

pub(super) fn divide(left: &Value, right: &Value) -> Result<Value, Failure> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(Failure::error("division by zero"))
        }
        (Value::Int(a), Value::Int(b)) => a.checked_div(*b).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_div(*b).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        _ => Err(no_overload()),
    }
}

pub(super) fn modulo(left: &Value, right: &Value) -> Result<Value, Failure> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(Failure::error("modulus by zero"))
        }
        (Value::Int(a), Value::Int(b)) => a.checked_rem(*b).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_rem(*b).map(Value::Uint).ok_or_else(uint_overflow),
        _ => Err(no_overload()),
    }
}

/// `<`, `<=`, `>` and `>=`. With NaN all of them are false.
pub(super) fn compare(operator: Function, left: &Value, right: &Value) -> Result<Value, Failure> {
    let is_nan = |value: &Value| matches!(value, Value::Double(number) if number.is_nan());
    if !is_ordered(left) {
        return Err(no_overload());
    }
    if is_nan(left) || is_nan(right) {
        return Ok(Value::Bool(false));
    }
    let order = left.compare(right).map_err(|_| no_overload())?;
    Ok(Value::Bool(match operator {
        Function::Less => order == Ordering::Less,
        Function::LessOrEqual => order != Ordering::Greater,
        Function::Greater => order == Ordering::Greater,
        Function::GreaterOrEqual => order != Ordering::Less,
        _ => return Err(no_overload()),
    }))
}

fn is_ordered(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Duration(_)
            | Value::Timestamp(_)
    )
}

pub(super) fn equal(left: &Value, right: &Value) -> Result<Value, Failure> {
    left.equals(right).map(Value::Bool).map_err(|_| no_overload())
}

/// What is not comparable is not equal, as in cel-go.
pub(super) fn not_equal(left: &Value, right: &Value) -> Value {
    Value::Bool(left.equals(right) != Ok(true))
}

/// Whether a list has an element, or a map a key.
pub(super) fn is_in(element: &Value, container: &Value) -> Result<Value, Failure> {
    match container {
        Value::List(elements) => {
            Ok(Value::Bool(elements.iter().any(|other| element.equals(other) == Ok(true))))
        }
        Value::Map(map) => Ok(Value::Bool(element.key().is_some_and(|key| find(map, &key).is_some()))),
        _ => Err(no_overload()),
    }
}
