//! Bytes of a file: read, compared and written.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::io::{Errno, pwritev};

/// Inside a chunk that differs, so many bytes are compared and written together.
pub(super) const GRAIN: usize = 4096;
/// Parts that are written by one call at most; Linux takes 1,024.
const PARTS_AT_ONCE: usize = 512;

/// Parts that follow each other from `offset` on, each with its offset and the bytes of `old` in its place.
pub(super) fn each_with_old<'b>(
    offset: u64,
    parts: &[&'b [u8]],
    old: &'b [u8],
) -> impl Iterator<Item = (u64, &'b [u8], &'b [u8])> {
    let (mut at, mut left) = (offset, old);
    parts.iter().map(move |part| {
        let (old, behind) = left.split_at_checked(part.len()).unwrap_or_default();
        left = behind;
        at += part.len() as u64;
        (at - part.len() as u64, *part, old)
    })
}

/// Writes parts that follow each other in as few calls as can be: a call costs as much as a page or two.
pub(super) fn write_parts_at(file: &File, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
    let mut at = offset;
    for parts in parts.chunks(PARTS_AT_ONCE) {
        if let [part] = parts {
            file.write_all_at(part, at)?;
            at += part.len() as u64;
            continue;
        }
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match pwritev(file, left, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut left, written);
                    at += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Writes `len` bytes, which are `bytes` again and again.
pub(super) fn write_repeated(file: &File, offset: u64, len: u64, bytes: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let part = bytes.get(..(len - at).min(bytes.len() as u64) as usize).unwrap_or_default();
        file.write_all_at(part, offset + at)?;
        at += part.len() as u64;
    }
    Ok(())
}

/// Fills `buffer` with `len` bytes of the file; what lies beyond its end reads as zero.
pub(super) fn read_zero_padded(file: &File, offset: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(len, 0);
    let mut at = 0;
    while let Some(rest) = buffer.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + at as u64) {
            Ok(0) => {
                rest.fill(0);
                break;
            }
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Which parts of `new`, which belongs at `offset`, are not what `old` is: whole grains of the file, neighbours joined.
pub(super) fn differing(offset: u64, new: &[u8], old: &[u8]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < new.len() {
        let to_edge = GRAIN - (offset.wrapping_add(start as u64) % GRAIN as u64) as usize;
        let end = (start + to_edge).min(new.len());
        if new.get(start..end) != old.get(start..end) {
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_grains_that_differ_are_named_and_neighbours_are_joined() {
        let old = vec![1u8; 5 * GRAIN];
        let mut new = old.clone();
        assert_eq!(differing(0, &new, &old), []);
        new[GRAIN] = 2;
        new[3 * GRAIN - 1] = 2;
        new[5 * GRAIN - 1] = 2;
        assert_eq!(differing(0, &new, &old), [GRAIN..3 * GRAIN, 4 * GRAIN..5 * GRAIN]);
        // The grains are those of the file, not of the chunk.
        assert_eq!(differing(GRAIN as u64 - 1, &new[..2 * GRAIN], &old[..2 * GRAIN]), vec![1..GRAIN + 1]);
    }

    proptest! {
        #[test]
        fn writing_what_differs_makes_the_new(
            offset in 0u64..10_000,
            old in proptest::collection::vec(0u8..2, 0..3 * GRAIN),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut new = old.clone();
            for (at, byte) in edits.iter().filter(|_| !old.is_empty()) {
                let at = at.index(new.len());
                new[at] = *byte;
            }
            let mut written = old.clone();
            for range in differing(offset, &new, &old) {
                prop_assert_ne!(&new[range.clone()], &old[range.clone()]);
                written[range.clone()].copy_from_slice(&new[range]);
            }
            prop_assert_eq!(written, new);
        }
    }
}
