//! Containers at the edge: `.dump`, `.tar`, `.gz`, `.zst` are opened on load and written again on export.
//!
//! Inside the store there are only their members, so that a dump that was loaded, a live folder and last week's
//! export share their data. Pure stream transformations: what is read and written is handed in.
//!
//! Reading is strict. What two readers could take for different things (headers that disagree, data after the end,
//! counts that are not met) is refused, and a stream has held together only when it was read to its end: see
//! [`Members`]. Writing gives the same bytes for the same input, whatever the number of threads.

mod compress;
mod form;
mod gzip;
mod input;
mod member;
mod neo4j_read;
mod neo4j_write;
mod nested;
mod open;
mod path;
mod pax;
mod sniff;
mod tar_header;
mod tar_read;
mod tar_write;

pub use compress::ZstdWriter;
pub use form::{Compression, Form, Neo4jFrame};
pub use gzip::GzWriter;
pub use input::{read_error, write_error};
pub use member::{Body, Member, MemberKind, MemberReader, Members, Opened};
pub use neo4j_write::{DumpEntry, DumpFormat, DumpPlan, write_dump};
pub use open::open;
pub use path::{PathProblem, RelativePath, printable};
pub use tar_write::TarWriter;
