//! MariaDB as a source, against real servers that the tests start: on a socket in a folder of their own, stopped when the
//! test ends, however it ends.

#[path = "../cli/program.rs"]
mod program;
#[path = "../support/skipped.rs"]
mod skipped;

mod bad_input;
mod killed;
mod logical;
mod long;
mod physical;
mod secrets;
mod server;
