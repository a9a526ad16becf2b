//! The service: what its jobs do, its accounts' repositories.

#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "../cli/program.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod program;

mod operate;
