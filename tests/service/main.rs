//! The service: REST.

#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "../cli/program.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod program;
mod rest;
#[path = "../sqlite_common/mod.rs"]
mod sqlite_common;
