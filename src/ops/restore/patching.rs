//! Writing what was kept by the check of a restore in place.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;

use super::batch::{FileWork, How};
use super::bytes::{read_zero_padded, write_parts_at};
use super::execute::Executor;
use super::patch::Patch;
use super::sink::Spot;

/// Chunks that a thread writes in one go.
const PATCHES_AT_ONCE: usize = 64;

thread_local! {
    static BYTES: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::default();
}

impl Executor<'_> {
    /// Writes what was kept of a file. A chunk that does not come out right, because somebody wrote to the file
    /// meanwhile, is put back among those that are needed.
    pub(super) fn patch(&self, work: &mut FileWork) -> Result<()> {
        let patches = std::mem::take(&mut work.patches);
        let spot = Spot { folders: self.folders, folder: work.folder, name: &work.name };
        let old_len = match work.how {
            How::Over { old_len } => Some(old_len),
            How::New => {
                spot.create_file(work.metadata.mode)?;
                work.is_made = true;
                None
            }
        };
        let wrong: Vec<Vec<Range<u64>>> = patches
            .par_chunks(PATCHES_AT_ONCE)
            .map(|patches| match old_len {
                Some(old_len) => self.patch_some(&spot, old_len, patches),
                None => self.write_some(&spot, patches),
            })
            .collect::<Result<_>>()?;
        if wrong.iter().any(|ranges| !ranges.is_empty()) {
            work.ranges.extend(wrong.into_iter().flatten());
            work.ranges.sort_unstable_by_key(|range| range.start);
        }
        Ok(())
    }

    /// Writes chunks of a file that was not there.
    fn write_some(&self, spot: &Spot<'_>, patches: &[Patch]) -> Result<Vec<Range<u64>>> {
        let file = spot.open_to_write()?;
        for together in patches.chunk_by(|a, b| a.range().end == b.offset) {
            let parts: Vec<&[u8]> = together.iter().map(Patch::bytes).collect();
            let Some(first) = together.first() else { continue };
            write_parts_at(&file, first.offset, &parts).map_err(|error| spot.error(error))?;
            let len = together.iter().map(|patch| u64::from(patch.len)).sum();
            self.tally.written(len);
            self.progress.advance(len);
        }
        Ok(Vec::new())
    }

    fn patch_some(&self, spot: &Spot<'_>, old_len: u64, patches: &[Patch]) -> Result<Vec<Range<u64>>> {
        let file = spot.open_to_write()?;
        let mut wrong = Vec::new();
        BYTES.with_borrow_mut(|(old, new)| {
            for patch in patches {
                read_zero_padded(&file, patch.offset, patch.len as usize, old).map_err(|error| spot.error(error))?;
                new.clear();
                new.extend_from_slice(old);
                patch.apply(new);
                if self.reader.chunk_id(new) == patch.id {
                    self.progress.advance(u64::from(patch.len));
                    self.overwrite((spot, &file), old_len, patch.offset, new, old)?;
                } else {
                    wrong.push(patch.range());
                }
            }
            Ok(wrong)
        })
    }
}
