//! PostgreSQL as a source: the program against a real server that each test starts on its own folder and port.

#[path = "../cli/program.rs"]
mod program;
#[path = "../support/skipped.rs"]
mod skipped;

mod loads;
mod logical;
mod long;
mod physical;
mod refusals;
mod server;
