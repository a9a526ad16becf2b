//! The service: what `snaphold serve` runs.

pub mod console;
