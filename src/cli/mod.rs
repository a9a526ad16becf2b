//! Arguments, prompts, tables and bars. No logic: a command asks the library and shows what it says.

mod args;
mod backend;
mod commands;
mod confirm;
mod context;
mod output;
mod progress;
mod remote;
mod secret;
mod surroundings;
mod table;

use std::ffi::OsString;

use clap::Parser;
use snaphold::error::{Error, Result};

use args::Cli;
use context::{Context, STACK_BYTES};

/// Runs the command that the program's arguments name. Returns the exit code.
pub fn run() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = output::wants_json(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error, json),
    };
    let streams = output::Streams::of(&cli);
    match start_threads().and_then(|()| commands::run(cli.command, &Context::new(cli.global))) {
        Ok(report) => output::emit(&report, streams),
        Err(error) => output::fail(&error, streams),
    }
}

fn start_threads() -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .stack_size(STACK_BYTES)
        .thread_name(|number| format!("snaphold-{number}"))
        .build_global()
        .map_err(|error| Error::Failed(format!("cannot start threads: {error}")))
}
