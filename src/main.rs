//! The `snaphold` program: arguments in, one line, a table or an object out. What it does is in the library.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::run())
}
