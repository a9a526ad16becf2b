//! Redis as an instance, by the real program and real servers that the tests start.

#[path = "../cli/program.rs"]
mod program;

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
