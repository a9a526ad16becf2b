//! The command line as a client: each command does the same against a service as against a repository, and says the same.

#[path = "../cli/program.rs"]
mod program;

mod both;
mod cutter;
mod normal;
mod office;
mod refused;
mod same;
mod transfers;
