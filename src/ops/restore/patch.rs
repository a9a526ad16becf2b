//! What the check of a restore in place has found to differ, kept until it is written: then the blocks that it was made
//! of need not be read and decoded again.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::id::ChunkId;

/// Memory for all that is kept, bytes. What goes beyond it is decoded again.
const KEPT_BYTES: usize = 144 << 20;
/// So many bytes differ or are equal together.
const GRAIN: usize = 32;

/// A chunk, as what differs in it from the bytes that are in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    /// Where the chunk begins in the file.
    pub(super) offset: u64,
    /// Its length, bytes.
    pub(super) len: u32,
    pub(super) id: ChunkId,
    /// Which parts of it differ, and their bytes one after the other.
    ranges: Box<[Range<u32>]>,
    bytes: Box<[u8]>,
}

impl Patch {
    /// A chunk that nothing is known of what is in its place.
    pub(super) fn whole(offset: u64, id: ChunkId, new: &[u8]) -> Self {
        let len = new.len() as u32;
        Self { offset, len, id, ranges: std::iter::once(0..len).collect(), bytes: new.into() }
    }

    /// What makes the chunk `new` out of `old`, which is of the same length.
    pub(super) fn of(offset: u64, id: ChunkId, new: &[u8], old: &[u8]) -> Self {
        let (mut ranges, mut bytes): (Vec<Range<u32>>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (new, old) in new.chunks(GRAIN).zip(old.chunks(GRAIN)) {
            let end = at + new.len() as u32;
            if new != old {
                match ranges.last_mut() {
                    Some(last) if last.end == at => last.end = end,
                    _ => ranges.push(at..end),
                }
                bytes.extend_from_slice(new);
            }
            at = end;
        }
        Self { offset, len: at, id, ranges: ranges.into(), bytes: bytes.into() }
    }

    /// The bytes that differ, one part after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Memory that it takes, bytes.
    fn weight(&self) -> usize {
        size_of::<(u32, Self)>() + self.ranges.len() * size_of::<Range<u32>>() + self.bytes.len()
    }

    /// Makes the chunk of what is in its place.
    pub(super) fn apply(&self, chunk: &mut [u8]) {
        let mut bytes = &*self.bytes;
        for range in &self.ranges {
            let (new, behind) = bytes.split_at_checked(range.len()).unwrap_or_default();
            bytes = behind;
            if let Some(place) = chunk.get_mut(range.start as usize..range.end as usize)
                && place.len() == new.len()
            {
                place.copy_from_slice(new);
            }
        }
    }

    /// Where it is in the file.
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.len)
    }
}

/// Patches of many files, by the files' numbers.
#[derive(Default)]
pub(super) struct Patches {
    kept: Mutex<Vec<(u32, Patch)>>,
    bytes: AtomicUsize,
}

impl Patches {
    /// Whether there is room.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < KEPT_BYTES
    }

    /// Keeps patches of a file.
    pub(super) fn keep(&self, file: u32, patches: Vec<Patch>) {
        self.bytes.fetch_add(patches.iter().map(Patch::weight).sum(), Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(patches.into_iter().map(|patch| (file, patch)));
    }

    /// All of them, those of a file in the order of their places.
    pub(super) fn into_sorted(self) -> Vec<(u32, Patch)> {
        let mut kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        kept.par_sort_unstable_by_key(|(file, patch)| (*file, patch.offset));
        kept
    }
}

/// What is left of `ranges` without what was kept; both in order.
pub(super) fn without(ranges: Vec<Range<u64>>, patches: &[Patch]) -> Vec<Range<u64>> {
    let mut kept = patches.iter().map(Patch::range).peekable();
    let mut left: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let mut at = range.start;
        while let Some(kept) = kept.next_if(|kept| kept.start < range.end) {
            left.push(at..kept.start);
            at = kept.end;
        }
        left.push(at..range.end);
    }
    left.retain(|range| !range.is_empty());
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: ChunkId = ChunkId([7; 20]);

    proptest! {
        #[test]
        fn a_patch_makes_the_new_chunk(
            old in proptest::collection::vec(any::<u8>(), 1..5_000),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        ) {
            let mut new = old.clone();
            for (at, byte) in edits {
                let at = at.index(new.len());
                new[at] = byte;
            }
            for patch in [Patch::of(5, ID, &new, &old), Patch::whole(5, ID, &new)] {
                let mut made = old.clone();
                patch.apply(&mut made);
                prop_assert_eq!(&made, &new);
                prop_assert_eq!(patch.range(), 5..5 + old.len() as u64);
            }
        }
    }

    #[test]
    fn what_differs_is_kept_and_no_more() {
        let old = vec![0u8; 64 * GRAIN];
        let mut new = old.clone();
        new[3 * GRAIN] = 1;
        let patch = Patch::of(0, ID, &new, &old);
        assert_eq!((patch.ranges.first(), patch.bytes.len()), (Some(&(3 * GRAIN as u32..4 * GRAIN as u32)), GRAIN));
    }

    #[test]
    fn what_was_kept_is_not_needed_any_more() {
        let patch = |offset| Patch { offset, len: 10, id: ID, ranges: Box::default(), bytes: Box::default() };
        assert_eq!(without(vec![0..30, 40..100], &[patch(0), patch(20), patch(60)]), [10..20, 40..60, 70..100]);
        assert_eq!(without(vec![0..10, 20..40], &[patch(0), patch(30)]).first(), Some(&(20..30)));
    }
}
