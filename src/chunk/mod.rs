//! Cutting files into chunks, and deciding how a file is to be cut. Pure: bytes in, lengths out.
//!
//! - [`Cutting`]: how a file is cut, found by [`cutting_of`] where the source does not know; [`Class`]: what is kept of it
//! - [`PageCutter`]: fixed cuts for database files, whose pages stay where they are
//! - [`StreamChunker`]: content-defined cuts for everything that shifts
//! - [`cut_log`]: cuts at the page images of a PostgreSQL log
//! - [`repeated_byte`]: recognises the runs that are stored as one entry

mod class;
mod log;
mod page;
mod run;
mod sniff;
mod stream;

pub use class::{Class, Cutting};
pub use log::{LOG_STRETCH, LogCut, LogCuts, PageHint, cut_log};
pub use page::{PageCutter, page_chunk_len};
pub use run::repeated_byte;
pub use sniff::{HEAD_LEN, class_of, cutting_of};
pub use stream::StreamChunker;
