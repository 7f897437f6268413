//! Conditions from outside: what they answer, what they refuse, what they cost, and that nothing makes them fall over.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

mod contexts;
mod limits;
mod soup;
mod table;

use serde_json::json;
use tenure::cel::{CompileError, Context, EvaluateError, Evaluation, Program};
use tenure::model::{Condition, ConditionParameter, Origin, ParameterType};

/// What a condition comes to.
enum Expected<'a> {
    /// It holds, at this cost.
    Met(u64),
    /// It does not hold, at this cost.
    Unmet(u64),
    /// A parameter cannot be converted: why.
    Parameter(&'a str),
    /// It has no value: why.
    Failed(&'a str),
    /// It costs too much.
    Cost,
    /// It does not compile: where and why.
    Refused(&'a str),
}

/// A condition over parameters as a model has them: `a: int, b: map<list<string>>`.
fn condition(expression: &str, parameters: &str) -> Condition {
    let parameter = |text: &str| {
        let (name, written) = text.split_once(": ").unwrap();
        ConditionParameter { name: name.into(), parameter_type: parameter_type(written) }
    };
    Condition {
        name: "c".into(),
        expression: expression.into(),
        parameters: parameters.split(", ").filter(|text| !text.is_empty()).map(parameter).collect(),
        origin: Origin::default(),
    }
}

fn parameter_type(text: &str) -> ParameterType {
    let inner = |container: &str| text.strip_prefix(container)?.strip_prefix('<')?.strip_suffix('>');
    if let Some(inner) = inner("map") {
        return ParameterType::Map(Box::new(parameter_type(inner)));
    }
    if let Some(inner) = inner("list") {
        return ParameterType::List(Box::new(parameter_type(inner)));
    }
    match text {
        "any" => ParameterType::Any,
        "bool" => ParameterType::Bool,
        "string" => ParameterType::String,
        "int" => ParameterType::Int,
        "uint" => ParameterType::Uint,
        "double" => ParameterType::Double,
        "duration" => ParameterType::Duration,
        "timestamp" => ParameterType::Timestamp,
        "ipaddress" => ParameterType::IpAddress,
        other => panic!("there is no type {other}"),
    }
}

fn compile(expression: &str, parameters: &str) -> Result<Program, CompileError> {
    Program::compile(&condition(expression, parameters))
}

fn context(json: &str) -> Context {
    serde_json::from_str(json).unwrap()
}

/// What a condition comes to over one context.
fn run(expression: &str, parameters: &str, json: &str) -> Result<Evaluation, EvaluateError> {
    compile(expression, parameters).unwrap().measure(&Context::new(), &context(json))
}

/// Checks rows of an expression, its parameters, the context and what is expected.
#[track_caller]
fn check_all(rows: &[(&str, &str, &str, Expected<'_>)]) {
    for (expression, parameters, json, expected) in rows {
        let program = match (compile(expression, parameters), expected) {
            (Ok(program), _) => program,
            (Err(error), Expected::Refused(why)) => {
                assert_eq!(
                    format!("{}:{}: {}", error.line, error.column, error.message),
                    *why,
                    "{expression}"
                );
                continue;
            }
            (Err(error), _) => panic!("{error}"),
        };
        let found = program.measure(&Context::new(), &context(json));
        let expected = match expected {
            Expected::Met(cost) => Ok(Evaluation { met: true, cost: *cost }),
            Expected::Unmet(cost) => Ok(Evaluation { met: false, cost: *cost }),
            Expected::Failed(why) => Err(EvaluateError::Failed { message: (*why).into() }),
            Expected::Cost => Err(EvaluateError::Cost { cost_max: 100 }),
            Expected::Refused(_) => panic!("{expression} compiles"),
            Expected::Parameter(why) => {
                match found {
                    Err(EvaluateError::Parameter { message, .. }) => {
                        assert_eq!(&*message, *why, "{expression} over {json}");
                    }
                    other => panic!("{expression} over {json} came to {other:?}"),
                }
                continue;
            }
        };
        assert_eq!(found, expected, "{expression} over {json}");
    }
}

/// A context of a list `l` of the first so many numbers.
fn numbers(count: usize) -> String {
    json!({ "l": (0..count).collect::<Vec<_>>() }).to_string()
}

/// A context of texts of so many characters.
fn texts(lengths: &[(&str, usize)]) -> String {
    let entries = lengths.iter().map(|(name, length)| ((*name).to_owned(), "x".repeat(*length).into()));
    serde_json::Value::Object(entries.collect()).to_string()
}
