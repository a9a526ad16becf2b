//! RDB files: read whole and checked, put into one order, written again.
//!
//! - [`parse`]: goes through a file as it streams, checks all of it and hands its parts to a [`Visitor`]
//! - [`Collector`]: takes the parts, sorts them, on disk where they are many
//! - [`CanonicalReader`]: the same data set as a valid RDB in canonical form
//!
//! # The canonical form
//!
//! Equal data sets give equal bytes, whichever order the server's hash tables have them in:
//!
//! - databases and keys in the order of their [shown names](shown_name);
//! - strings never compressed: what is compressed before it is cut has nothing in common with its next version;
//! - members of hash tables in the order of their bytes; compact encodings (listpack, intset, …) as the server has them;
//! - expiries as milliseconds since 1970, which do not move;
//! - without what changes by itself: time of the dump, memory, replication ids and offsets, idle times, frequencies.
//!
//! The format: what Redis writes and reads (`rdb.c`, `listpack.c`, `ziplist.c`, `t_stream.c` of Redis 2.4 to 7.4).

mod blob;
mod canonical;
mod collect;
mod input;
mod lzf;
mod module;
mod name;
mod output;
mod parse;
mod sort;
mod stream;
mod value;

use crate::error::Error;

pub use canonical::CanonicalReader;
pub use collect::{Collected, Collector, Counts};
pub use name::{is_like, shown_key, shown_name};
pub use output::{dump_payload, function_payload};
pub use parse::{Checksum, Entry, Parsed, Visitor, is_rdb, library_name, parse};
pub use value::{KeyType, TYPES};

/// Newest version of the format that is read: Redis 7.4 and 8.0.
pub const VERSION_MAX: u32 = 12;

/// Redis' CRC: CRC-64 after D. T. Jones.
pub(crate) const CRC: crc::Crc<u64, crc::Table<16>> = crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_REDIS);

/// Why an RDB was not read to its end.
#[derive(Debug)]
pub enum Fault {
    /// It is cut, corrupt, or none at all.
    Bad(String),
    /// It holds what only newer versions know.
    Newer(String),
    /// It could not be read.
    Read(std::io::Error),
    /// What was done with it failed.
    Other(Error),
}

impl Fault {
    /// The error, for an RDB that is called `object`.
    pub fn named(self, object: &str) -> Error {
        match self {
            Fault::Bad(detail) => Error::damaged(object, detail),
            Fault::Newer(detail) => Error::Unsupported { object: object.to_string(), detail },
            Fault::Read(error) => Error::Failed(format!("cannot read {object}: {error}")),
            Fault::Other(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Other(error)
    }
}

pub(crate) fn bad<T>(detail: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Bad(detail.into()))
}

#[cfg(test)]
#[path = "rdb_tests.rs"]
mod tests;
