//! Modular models: several files, each a module or a part of one, that make up one model.
//!
//! `fga.mod` lists the files ([`ModFile`]); [`combine`] joins their texts. Each type, condition and extension keeps the
//! module and the file that it came from, and an error tells the file and the place in it. Nothing here reads a file:
//! whoever does gives the texts.

mod combine;
mod diagnostics;
mod mod_file;
#[cfg(test)]
mod tests;

pub use combine::{ModuleText, combine, combine_unchecked};
pub use diagnostics::ModuleDiagnostics;
pub use mod_file::{MOD_FILE_NAME, ModFile};
