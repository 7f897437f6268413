//! The `tenure` program. Everything it does is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tenure::cli::main()
}
