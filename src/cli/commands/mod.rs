//! One file a family of commands: each asks the library and puts what it says into a report.

mod bench;
mod care;
mod data;
mod drill;
mod help;
mod init;
mod instance;
mod job;
mod key;
mod look;
mod office;
mod plan;
mod policy;
mod restore;
mod serve;
mod snapshot;

use snaphold::error::{Error, Result};

use super::args::Command;
use super::context::Context;
use super::output::Report;

/// Runs a command.
pub fn run(command: Command, context: &Context) -> Result<Report> {
    if let (Some(server), Some(name)) = (context.server(), command.of_one_machine()) {
        return Err(Error::Usage(format!(
            "`snaphold {name}` is done on the machine that has the repository, not by {server}; leave --server out (or \
             unset SNAPHOLD_SERVER)"
        )));
    }
    match command {
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Key(command) => key::run(context, command),
        Command::Instance(command) => instance::run(context, command),
        Command::Snapshot(command) => snapshot::run(context, command),
        Command::Load(arguments) => data::load(context, arguments),
        Command::Export(arguments) => data::export(context, arguments),
        Command::Restore(arguments) => restore::run(context, arguments),
        Command::Clone(arguments) => data::clone(context, arguments),
        Command::Drill(arguments) => drill::run(context, &arguments),
        Command::Policy(command) => policy::run(context, command),
        Command::Plan(command) => plan::run(context, &command),
        Command::Gc(arguments) => care::gc(context, &arguments),
        Command::Verify(arguments) => care::verify(context, &arguments),
        Command::Repair => care::repair(context),
        Command::Stats(arguments) => look::stats(context, &arguments),
        Command::CheckStorage(arguments) => care::check_storage(context, &arguments),
        Command::Bench(arguments) => bench::run(context, arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::Job(command) => job::run(context, command),
        Command::Token(command) => office::token(context, command),
        Command::Account(command) => office::account(context, command),
        Command::Usage(arguments) => office::usage(context, &arguments),
        Command::Audit(arguments) => office::audit(context, &arguments),
        Command::Catalog(command) => serve::catalog(context, &command),
        Command::Completions { shell } => help::completions(shell),
        Command::Man { dir } => help::man(dir.as_deref()),
    }
}
