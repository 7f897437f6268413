//! The command line.

pub mod store_file;
