//! Neo4j, real: its own tool loads what is exported, its own server counts what was restored.

#[path = "../cli/program.rs"]
mod program;

mod bad;
mod dumps;
mod life;
mod server;
#[path = "../support/skipped.rs"]
mod skipped;
mod stages;
