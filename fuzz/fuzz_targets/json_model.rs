//! A model in JSON: whatever the value, it is read or refused; what is read, and valid, survives being printed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tenure::eval::Plan;
use tenure::schema::{self, json};

fuzz_target!(|text: &str| {
    let Ok(model) = json::from_str(text) else { return };
    let valid = schema::validate(&model).is_empty();
    Plan::compile(&model);
    for style in [json::Style::Compact, json::Style::Wire] {
        let value = json::to_value(&model, style);
        let read = json::from_value(&value).expect("its JSON can be read");
        assert_eq!(json::to_value(&read, style), value, "its JSON means something else");
    }
    if let (true, Ok(printed)) = (valid, schema::print(&model)) {
        // The language's validator finds fault with more than the server does.
        schema::check_syntax(&printed).expect("what is printed can be read");
    }
});
