//! The two contexts, and what may be stored.

use serde_json::{Value, json};
use tenure::cel::{Context, ContextError, EvaluateError, Program};

use super::{compile, context};

fn program() -> Program {
    compile("z == 'stored' || a == 1", "z: string, a: int, m: string").unwrap()
}

#[test]
fn the_stored_value_wins() {
    let program = program();
    let (stored, given) =
        (context(r#"{"z": "stored"}"#), context(r#"{"z": "given", "a": 2, "m": "", "else": [1]}"#));
    assert_eq!(program.evaluate(&stored, &given), Ok(true));
    let (stored, given) =
        (context(r#"{"z": "other"}"#), context(r#"{"z": "stored", "a": 2, "m": "", "else": [1]}"#));
    assert_eq!(program.evaluate(&stored, &given), Ok(false));
}

#[test]
fn a_missing_parameter_is_an_error_even_where_the_expression_could_do_without() {
    let missing = program().evaluate(&context(r#"{"z": "stored"}"#), &Context::new());
    let expected = EvaluateError::Missing { parameters: vec!["a".into(), "m".into()] };
    assert_eq!(missing, Err(expected.clone()));
    assert_eq!(expected.to_string(), "missing context parameters '[a m]'");
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_even_where_it_is_not_used() {
    let wrong = program().evaluate(&context(r#"{"z": "stored", "m": ""}"#), &context(r#"{"a": "one"}"#));
    let Err(EvaluateError::Parameter { parameter, .. }) = &wrong else { panic!("{wrong:?}") };
    assert_eq!(&**parameter, "a");
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "failed to convert context parameter 'a': expected a int64 value, but found invalid string value 'one'"
    );
}

#[test]
fn a_value_of_the_wrong_type_that_is_covered_does_no_harm() {
    let program = program();
    let (stored, given) = (context(r#"{"z": "", "a": 1, "m": ""}"#), context(r#"{"a": "one"}"#));
    assert_eq!(program.evaluate(&stored, &given), Ok(true));
}

#[test]
fn a_condition_without_parameters_ignores_what_is_given() {
    assert_eq!(compile("true", "").unwrap().evaluate(&Context::new(), &context(r#"{"x": 1}"#)), Ok(true));
}

#[test]
fn what_is_stored_is_checked_against_the_parameters() {
    let check = |json: &str| program().check_context(&context(json)).map_err(|error| error.to_string());
    assert_eq!(check("{}"), Ok(()));
    assert_eq!(check(r#"{"z": "", "a": "5"}"#), Ok(()));
    assert_eq!(check(r#"{"b": 1}"#), Err("found invalid context parameter: b".into()));
    assert_eq!(
        check(r#"{"a": true}"#),
        Err("parameter type error on condition 'c' - failed to convert context parameter 'a': expected type value 'int64', but found 'bool'".into())
    );
    assert_eq!(
        compile("true", "").unwrap().check_context(&context(r#"{"a": 1}"#)),
        Err(ContextError::NoParameters { condition: "c".into() })
    );
}

#[test]
fn stored_texts_have_no_control_characters() {
    let program = compile("true", "a: any").unwrap();
    let check = |value: Value| {
        let mut stored = Context::new();
        stored.insert("a".into(), value);
        program.check_context(&stored)
    };
    assert_eq!(check(json!([{"k": "v"}])), Ok(()));
    assert_eq!(check(json!([{"k": "a\u{7}"}])), Err(ContextError::ForbiddenValue { value: "a\u{7}".into() }));
    assert_eq!(check(json!([{"k\n": "v"}])), Err(ContextError::ForbiddenKey { key: "k\n".into() }));
}

#[test]
fn errors_of_compiling_have_a_place() {
    let error = compile("true &&\n  'é' == 1", "").unwrap_err();
    assert_eq!((error.offset, error.line, error.column), (15, 2, 7));
    assert_eq!(
        error.to_string(),
        "failed to compile expression on condition 'c' - ERROR: c:2:7: found no matching overload for '_==_' applied to '(string, int)'"
    );
}
