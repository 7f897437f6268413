//! The language of authorization models: text and JSON in, a typed model out, and both back; the rules that a model
//! must follow; errors with their places.
//!
//! It is compatible with OpenFGA's language, schema versions 1.1 and 1.2, down to the places of errors. It knows of
//! no store and no evaluation; what a condition's expression must be, `cel` knows. Input is bounded and never makes it
//! panic.
//!
//! - [`parse`] reads and checks a text; [`print()`] writes one.
//! - [`modules`] joins the files of a modular model.
//! - [`json`] reads and writes the JSON form.
//! - [`validate`] says whether OpenFGA's server would take a model, however it came about.

mod diagnostic;
pub mod json;
pub mod modules;
mod print;
mod read;
mod rules;
mod source;
mod syntax;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use print::{PrintError, print};
pub use read::{Unchecked, check_syntax, parse, parse_unchecked};
pub use rules::{LeafPart, Place, RestrictionPart, Violation, ViolationKind, validate, validate_language};

#[cfg(test)]
mod tests;
