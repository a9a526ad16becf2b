//! Cutting files into chunks, and deciding how a file is to be cut. Pure: bytes in, lengths out.
//!
//! - [`Class`]: what kind of file it is, found by [`class_of`] where the source does not know
//! - [`PageCutter`]: fixed cuts for database files, whose pages stay where they are
//! - [`StreamChunker`]: content-defined cuts for everything that shifts
//! - [`repeated_byte`]: recognises the runs that are stored as one entry

mod class;
mod page;
mod run;
mod sniff;
mod stream;

pub use class::Class;
pub use page::{PageCutter, page_chunk_len};
pub use run::repeated_byte;
pub use sniff::{HEAD_LEN, class_of};
pub use stream::StreamChunker;
