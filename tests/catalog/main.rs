//! The service's catalog: one suite, run on the embedded SQLite and on a PostgreSQL of its own.

mod notices;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "../cli/program.rs"]
mod program;
#[path = "../support/skipped.rs"]
mod skipped;
mod suite;
mod world;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use world::World;

#[test]
fn on_sqlite() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("catalog.sqlite").display());
    Runtime::new().unwrap().block_on(suite::run(&url, &World::new()));
}

#[test]
fn on_postgresql() {
    let Some(server) = postgres::server("the catalog on PostgreSQL") else { return };
    server.sql("postgres", "CREATE DATABASE catalog");
    Runtime::new().unwrap().block_on(suite::run(&server.url("catalog", ""), &World::new()));
}
