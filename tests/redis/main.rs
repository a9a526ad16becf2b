//! Redis as an instance, by the real program and real servers that the tests start.

#[path = "../cli/program.rs"]
mod program;
#[path = "../support/skipped.rs"]
mod skipped;

mod bad_input;
mod broken_off;
mod keys;
mod killed;
mod load;
mod long;
mod look_inside;
mod round_trip;
mod secrets;
mod server;
