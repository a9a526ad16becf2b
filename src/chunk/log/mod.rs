//! Cuts of PostgreSQL's write-ahead log: each image of a page is a chunk, so that it can be stored as what changed
//! against the page.
//!
//! After a checkpoint the first change of a page puts a copy of the whole page into the log. Nearly all of a log is such
//! copies, and the relation's file has the page. Of the little-endian machines' versions 10 to 18.

mod cut;
mod find;
mod record;

pub use cut::{LOG_STRETCH, LogCut, LogCuts, cut_log};
pub use record::PageHint;
