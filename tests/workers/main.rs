//! Workers and the scheduler of the service: servers that are killed while jobs run, and policies over a simulated time.

#[path = "../sqlite_common/mod.rs"]
mod sqlite_common;

mod fairness;
mod kill;
mod policies;
mod servers;
