//! Files that are read by many threads at once.

use std::io::{self, Read};

use crate::error::Result;

/// A hole that is at least this long is not read, bytes. What stands before it is cut as if it were the end.
pub const HOLE_MIN: u64 = 1 << 20;

/// A file that can be read anywhere, by many threads.
pub trait RandomRead: Sync {
    /// Fills `buffer` from `offset` as far as the file reaches. Returns how many bytes there were.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Where the next byte that is not in a hole is, at or after `offset`; the file's length where there is none.
    fn next_data(&self, offset: u64, len: u64) -> u64 {
        let _ = len;
        offset
    }

    /// Where the next hole begins, at or after `offset`; the file's length where there is none.
    fn next_hole(&self, offset: u64, len: u64) -> u64 {
        let _ = offset;
        len
    }
}

/// A part of a file, from its beginning to its end.
pub struct FilePart<'f> {
    /// The file.
    pub file: &'f dyn RandomRead,
    /// What is read next.
    pub at: u64,
    /// The part's end.
    pub end: u64,
}

impl Read for FilePart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let read =
            self.file.read_at(self.at, buffer.get_mut(..wanted).unwrap_or_default()).map_err(io::Error::other)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Where the data that begins at `start` ends: at the next hole that is worth it, or with the file.
pub fn data_end(file: &dyn RandomRead, start: u64, len: u64) -> u64 {
    let mut at = start;
    loop {
        let hole = file.next_hole(at, len);
        if hole >= len {
            return len;
        }
        let data = file.next_data(hole, len);
        if data >= len || data - hole >= HOLE_MIN {
            return hole;
        }
        // A file system that answers without moving on cannot tell.
        if data <= at {
            return len;
        }
        at = data;
    }
}
