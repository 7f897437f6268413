//! Contexts: the values that a condition is evaluated with, and the one text of each.

use serde_json::{Map, Number, Value};

/// A context: values of parameters by name, as JSON.
pub type Context = Map<String, Value>;

/// The one text of a context: sorted keys, no white space, whole numbers without a fraction. Two contexts that
/// mean the same have the same text.
pub fn canonical(context: Context) -> String {
    sorted(Value::Object(context)).to_string()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            // Sorted here, whichever order the map of this build keeps.
            let mut entries: Vec<_> = map.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Number(number) => Value::Number(whole(number)),
        other => other,
    }
}

/// `2.0` as `2`: in protobuf's JSON, in which a context comes, they are the same number.
fn whole(number: Number) -> Number {
    // Up to here a float has every whole number exactly.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
            // In range and whole, so that nothing is cut.
            let integer = float as i64;
            Number::from(integer)
        }
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_that_mean_the_same_have_one_text() {
        let text = |json: &str| canonical(serde_json::from_str(json).unwrap());
        assert_eq!(
            text(r#"{"b": [2.0, {"z": 1, "a": null}], "a": "x"}"#),
            r#"{"a":"x","b":[2,{"a":null,"z":1}]}"#
        );
        assert_eq!(
            text(r#"{"x": 1.5, "y": -3.0, "z": 18446744073709551615}"#),
            r#"{"x":1.5,"y":-3,"z":18446744073709551615}"#
        );
        assert_eq!(text("{}"), "{}");
    }
}
