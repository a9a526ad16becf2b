//! Data for benches: made, the same in every run, and of the kinds that a store meets. `snaphold bench` uses the same.

#![allow(unused_imports, reason = "each bench uses a part of it")]

pub use snaphold::bench::data::*;
