//! Files that are read by many threads at once.

use crate::error::Result;

/// A file that can be read anywhere, by many threads.
pub trait RandomRead: Sync {
    /// Fills `buffer` from `offset` as far as the file reaches. Returns how many bytes there were.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Where the next byte that is not in a hole is, at or after `offset`; the file's length where there is none.
    fn next_data(&self, offset: u64, len: u64) -> u64 {
        let _ = len;
        offset
    }
}
