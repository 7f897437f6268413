//! The JSON form of a model: OpenFGA's `AuthorizationModel`, without its identifier.
//!
//! Reading takes what protobuf's JSON mapping takes. Writing has two styles, because OpenFGA's tools leave out what its
//! server spells out. Whether the model makes sense is decided by the rules, not here.

mod read;
mod write;

pub use read::{JsonError, JsonErrorKind, from_str, from_value};
pub use write::{Style, to_value};
