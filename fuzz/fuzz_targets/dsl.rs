//! A model in the language: whatever the text, it is parsed or refused; what is parsed prints to a text, and to JSON,
//! that mean the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tenure::eval::Plan;
use tenure::model::AuthorizationModel;
use tenure::schema::{self, json};

fuzz_target!(|text: &str| {
    let Ok(model) = schema::parse(text) else { return };
    let valid = schema::validate(&model).is_empty();
    Plan::compile(&model);
    // JSON has its names in their own order, so that models are compared as JSON.
    let as_json = |model: &AuthorizationModel| json::to_value(model, json::Style::Compact);
    let value = as_json(&model);
    let read = json::from_value(&value).expect("its JSON can be read");
    assert_eq!(as_json(&read), value, "its JSON means something else");
    match schema::print(&model) {
        Ok(printed) => {
            let again = schema::parse(&printed).expect("what is printed can be parsed");
            assert_eq!(as_json(&again), value, "printed:\n{printed}");
        }
        Err(error) => assert!(!valid, "a valid model cannot be printed: {error:?}"),
    }
});
