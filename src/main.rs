//! The `tenure` program. Everything it does is in the library's `cli`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tenure::cli::main()
}
