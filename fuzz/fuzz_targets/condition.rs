//! A condition with its contexts: whatever the expression and the values, it is evaluated or fails, soon.
//!
//! The input: a byte for each of up to four parameters, which tells its type, then the expression, the stored context and
//! the request's, with zero bytes between them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tenure::cel::{Context, Program};
use tenure::model::{Condition, ConditionParameter, Origin, ParameterType};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(4, |byte| *byte == 0);
    let mut part = || parts.next().and_then(|part| std::str::from_utf8(part).ok()).unwrap_or("");
    let (types, expression, stored, given) = (part(), part(), part(), part());
    let parameters = types.bytes().take(4).zip(["a", "b", "c", "d"]);
    let parameters = parameters.map(|(byte, name)| ConditionParameter {
        name: name.into(),
        parameter_type: parameter_type(byte),
    });
    let condition = Condition {
        name: "fuzzed".into(),
        expression: expression.into(),
        parameters: parameters.collect(),
        origin: Origin::default(),
    };
    let Ok(program) = Program::compile(&condition) else { return };
    let context = |text: &str| serde_json::from_str::<Context>(text).unwrap_or_default();
    let (stored, given) = (context(stored), context(given));
    let first = program.evaluate(&stored, &given);
    assert_eq!(first, program.evaluate(&stored, &given), "evaluated twice");
    let _ = program.check_context(&stored);
});

fn parameter_type(byte: u8) -> ParameterType {
    let boxed = || Box::new(parameter_type(byte / 13));
    match byte % 13 {
        0 => ParameterType::Any,
        1 => ParameterType::Bool,
        2 => ParameterType::String,
        3 => ParameterType::Int,
        4 => ParameterType::Uint,
        5 => ParameterType::Double,
        6 => ParameterType::Duration,
        7 => ParameterType::Timestamp,
        8 => ParameterType::IpAddress,
        9 | 10 => ParameterType::Map(boxed()),
        _ => ParameterType::List(boxed()),
    }
}
