//! Whether an answer is as a scenario says, field by field.

use serde_json::Value;

/// Stands for anything but null and absent.
const ANYTHING: &str = "…";

/// What the answer is unlike the pattern in. A field that the pattern does not name may be anything; null in the pattern is
/// null or absent.
pub fn difference(pattern: &Value, answer: &Value, place: &str) -> Option<String> {
    match (pattern, answer) {
        (Value::String(text), Value::Null) if text == ANYTHING => Some(format!("{place} is null or absent")),
        (Value::String(text), _) if text == ANYTHING => None,
        (Value::Object(fields), Value::Object(found)) => fields.iter().find_map(|(name, pattern)| {
            difference(pattern, found.get(name).unwrap_or(&Value::Null), &format!("{place}.{name}"))
        }),
        (Value::Array(patterns), Value::Array(found)) => entries(patterns, found, place),
        _ if pattern == answer => None,
        _ => Some(format!("{place} is {answer}, not {pattern}")),
    }
}

/// The entries in any order: each pattern takes one of them, and none is left.
fn entries(patterns: &[Value], found: &[Value], place: &str) -> Option<String> {
    let mut left: Vec<&Value> = found.iter().collect();
    for pattern in patterns {
        let taken = left.iter().position(|entry| difference(pattern, entry, place).is_none());
        let Some(taken) = taken else {
            return Some(format!("{place} has no entry {pattern}: {}", Value::from(found)));
        };
        left.remove(taken);
    }
    let first = left.first()?;
    Some(format!("{place} has {first} besides"))
}

#[test]
fn a_pattern_says_what_is_different_and_where() {
    use serde_json::json;
    let same = |pattern: Value, answer: Value| difference(&pattern, &answer, "answer");
    assert_eq!(same(json!({"a": 1}), json!({"a": 1, "b": 2})), None);
    assert_eq!(same(json!({"a": null}), json!({})), None);
    assert_eq!(same(json!({"a": "…"}), json!({"a": 0})), None);
    assert_eq!(same(json!({"a": "…"}), json!({})).unwrap(), "answer.a is null or absent");
    assert_eq!(same(json!({"a": {"b": 1}}), json!({"a": {"b": 2}})).unwrap(), "answer.a.b is 2, not 1");
    assert_eq!(same(json!([{"a": 1}, {"b": 2}]), json!([{"b": 2}, {"a": 1}])), None);
    assert_eq!(same(json!([]), json!([1])).unwrap(), "answer has 1 besides");
    assert_eq!(same(json!([1]), json!([])).unwrap(), "answer has no entry 1: []");
}
