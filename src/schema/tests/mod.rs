//! Tests of the language as a whole: errors and what they underline, both forms, and properties of all models.

mod errors;
mod forms;
mod properties;
mod rules;
