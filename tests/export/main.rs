//! Exports, comparisons and listings of snapshots, beside what other programs and plain loops make of the same data.

mod archives;
mod damage;
mod diff;
mod dumps;
mod files;
mod listing;
#[path = "../support/mod.rs"]
mod shared;
#[path = "../support/skipped.rs"]
mod skipped;
mod stream;
mod support;
