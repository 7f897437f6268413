//! Random expressions over random contexts: whatever comes, there is an answer or an error, and the same one twice.

use proptest::prelude::*;
use serde_json::Value;
use tenure::cel::Context;
use tenure::model::limits::EXPRESSION_BYTES_MAX;

use super::compile;

const PARAMETERS: &str = "i: int, u: uint, d: double, s: string, b: bool, t: timestamp, n: duration, ip: ipaddress, a: any, l: list<any>, m: map<list<int>>";

const TOKENS: [&str; 84] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    ".",
    "-",
    "!",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    " in ",
    "\n",
    "// c\n",
    "i",
    "u",
    "d",
    "s",
    "b",
    "t",
    "n",
    "ip",
    "a",
    "l",
    "m",
    "x",
    "y",
    "size(",
    ".size()",
    "has(",
    ".all(x, ",
    ".exists(x, ",
    ".map(x, ",
    ".filter(y, ",
    ".exists_one(y, ",
    "dyn(",
    "int(",
    "uint(",
    "double(",
    "string(",
    "bytes(",
    "timestamp(",
    "duration(",
    "type(",
    "bool(",
    "ipaddress(",
    ".in_cidr('10.0.0.0/8')",
    ".matches('a+')",
    ".contains(",
    ".startsWith(",
    ".getHours('Asia/Tokyo')",
    ".getFullYear()",
    "1",
    "2u",
    "0x1F",
    "1.5",
    "9223372036854775807",
    "'s'",
    "\"t\"",
    "r'x'",
    "b'y'",
    "'1h'",
    "'2023-07-14T10:30:45Z'",
    "true",
    "false",
    "null",
    "[1, 2]",
    "{'k': 1}",
    ".k",
    "[0]",
    "\\",
];

/// Texts of tokens, more or less balanced.
fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..40).prop_map(|tokens| {
        let mut text: String = tokens.concat();
        for (open, close) in [('(', ")"), ('[', "]"), ('{', "}")] {
            let count = |text: &str, c: char| text.chars().filter(|found| *found == c).count();
            let missing = count(&text, open).saturating_sub(count(&text, close.chars().next().unwrap()));
            text.push_str(&close.repeat(missing));
        }
        text
    })
}

/// Expressions that have a good chance to compile.
fn grown() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "i", "u", "d", "s", "b", "t", "n", "ip", "a", "l", "m", "1", "2u", "1.5", "'1'", "true", "null",
        "dyn(a)", "[1, 2]", "{'k': i}", "a.k", "m.k", "l[0]",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 64, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "<", ">=", "in", "&&", "||"]),
                inner.clone()
            )
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(c, y, n)| format!("({c} ? {y} : {n})")),
            (
                prop::sample::select(vec!["dyn", "int", "string", "size", "type", "double", "!", "-"]),
                inner.clone()
            )
                .prop_map(|(function, arg)| format!("{function}({arg})")),
            (
                inner.clone(),
                prop::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]),
                inner.clone()
            )
                .prop_map(|(range, fold, body)| format!("({range}).{fold}(x, {body})")),
            (inner.clone(), inner.clone()).prop_map(|(list, index)| format!("({list})[{index}]")),
            prop::collection::vec(inner, 0..3).prop_map(|elements| format!("[{}]", elements.join(", "))),
        ]
    })
    .prop_map(|text| format!("({text}) == dyn(a)"))
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "1",
            "-5.5e3",
            "1h",
            "2023-07-14T10:30:45Z",
            "10.1.2.3",
            "::1",
            "é",
            "k"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-k]", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Values for all parameters, most of them of the right type.
fn fitting() -> impl Strategy<Value = Context> {
    let values = (
        any::<i32>(),
        any::<u16>(),
        any::<f64>(),
        ".{0,8}",
        any::<bool>(),
        json(),
        prop::collection::vec(json(), 0..3),
    );
    let strays = prop::collection::vec(("[iudsbtnalm]", json()), 0..2);
    (values, strays).prop_map(|((i, u, d, s, b, a, l), strays)| {
        let mut context = Context::new();
        let numbers = serde_json::json!({
            "i": i, "u": u, "d": d, "s": s, "b": b, "a": a, "l": l, "m": {"k": [1, 2]}, "ip": "10.1.2.3",
            "t": "2023-07-14T10:30:45.5+02:00", "n": "1h30m",
        });
        context.extend(numbers.as_object().unwrap().clone());
        context.extend(strays);
        context
    })
}

fn check(expression: &str, given: &Context) -> Result<(), TestCaseError> {
    let Ok(program) = compile(expression, PARAMETERS) else { return Ok(()) };
    prop_assert!(expression.len() <= EXPRESSION_BYTES_MAX);
    let _ = program.check_context(given);
    let found = program.measure(&Context::new(), given);
    prop_assert_eq!(&found, &program.measure(given, &Context::new()));
    if let Ok(evaluation) = found {
        prop_assert!(evaluation.cost <= 100);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(text in ".{0,80}", given in fitting()) {
        check(&text, &given)?;
    }

    #[test]
    fn any_tokens_are_compiled_or_refused(text in soup(), given in fitting()) {
        check(&text, &given)?;
    }

    #[test]
    fn whatever_compiles_has_an_answer_or_an_error(text in grown(), given in fitting()) {
        check(&text, &given)?;
    }

    #[test]
    fn any_pattern_is_compiled_or_refused(pattern in r"([a-c.|()*+?{}\[\]^$\\-]|\\[dwsDWSbAzpxQE]|\{[0-9],?\}|\(\?[imsU-]+[:)]|é){0,12}", text in ".{0,8}") {
        let program = compile("s.matches(p)", "s: string, p: string").unwrap();
        let given = serde_json::json!({ "s": text, "p": pattern });
        let found = program.evaluate(&Context::new(), given.as_object().unwrap());
        prop_assert_eq!(&found, &program.evaluate(given.as_object().unwrap(), &Context::new()));
    }
}
