//! Workers and the scheduler of the service: servers that are killed while jobs run, and policies over a simulated time.

#[path = "../support/here.rs"]
mod here;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "../cli/program.rs"]
mod program;
#[path = "../support/skipped.rs"]
mod skipped;
#[path = "../sqlite_common/mod.rs"]
mod sqlite_common;

mod fairness;
mod kill;
mod policies;
mod servers;
