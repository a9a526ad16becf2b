//! PostgreSQL's log: where it is cut, and what a snapshot of a data folder makes of the page images in it.

#[path = "../../fuzz/src/log_writer.rs"]
#[allow(dead_code, reason = "it serves the fuzz targets too")]
mod log_writer;
#[path = "../support/mod.rs"]
mod support;

mod cuts;
mod snapshots;
