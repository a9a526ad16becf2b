//! Doing the work of batches: on the target, or for the count alone.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::error::Result;
use crate::format::tree::Metadata;
use crate::id::ChunkId;
use crate::ops::Progress;
use crate::repo::Reader;

use super::attributes::Attributes;
use super::batch::{Batch, Batcher, How, Run, Task, Work};
use super::bytes::{differing, each_with_old, read_zero_padded, write_parts_at, write_repeated};
use super::fetch::{Consumer, LocatedPieces};
use super::folders::Folders;
use super::patch::{Patch, Patches};
use super::report::Tally;
use super::sink::{Spot, punch_hole};

/// How much of a run is written at once, bytes.
const FILL: usize = 256 * 1024;

thread_local! {
    static OLD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Whether the target is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Read and check what would be written, and count it. Nothing is changed.
    Check,
    /// Write it. `exact`: what is made may inherit attributes that it should not have.
    Write { exact: bool },
}

/// What work is done with.
pub(super) struct Executor<'a> {
    pub(super) reader: &'a Reader,
    pub(super) folders: &'a Folders,
    pub(super) attributes: &'a Attributes<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) mode: Mode,
    pub(super) tally: Tally,
    /// Where small differences that are found are kept.
    pub(super) patches: Option<&'a Patches>,
}

impl Executor<'_> {
    /// Does all the work that `source` gives: one batch is done while the next one is made.
    pub(super) fn run(&self, source: &mut (dyn FnMut() -> Result<Option<Work>> + Send)) -> Result<()> {
        let mut batcher = Batcher::new(self.reader);
        let mut batch = batcher.next(source)?;
        while let Some(present) = batch {
            self.progress.go_on()?;
            let (next, done) = rayon::join(|| batcher.next(source), || self.batch(&present));
            done?;
            batch = next?;
        }
        Ok(())
    }

    fn batch(&self, batch: &Batch) -> Result<()> {
        let pieces = LocatedPieces::locate(self.reader, &batch.pieces)?;
        let mut blocks = vec![0u32; batch.tasks.len()];
        pieces.each_file_in_a_block(|file| {
            if let Some(count) = blocks.get_mut(file as usize) {
                *count += 1;
            }
        });
        let at_once: Vec<bool> =
            batch.tasks.iter().zip(blocks).map(|(task, blocks)| is_at_once(task, blocks)).collect();
        let begin = |(task, at_once): (&Task, &bool)| if *at_once { Ok(()) } else { self.begin(task) };
        batch.tasks.par_iter().zip(&at_once).try_for_each(begin)?;
        if self.mode != Mode::Check {
            batch.others.par_iter().try_for_each(|work| self.other(work))?;
        }
        pieces.hand_over(self.reader, &FileWriter { executor: self, tasks: &batch.tasks, at_once: &at_once })?;
        if self.mode != Mode::Check {
            batch.links.par_iter().try_for_each(|work| self.other(work))?;
        }
        Ok(())
    }

    /// Sets the metadata of folders whose content is complete, the deepest first: what is above may lock the way.
    pub(super) fn finish_folders(&self, mut folders: Vec<(u32, Metadata)>) -> Result<()> {
        let depth = |(number, _): &(u32, Metadata)| self.folders.depth(*number);
        folders.sort_by_key(|folder| std::cmp::Reverse(depth(folder)));
        for level in folders.chunk_by(|a, b| depth(a) == depth(b)) {
            level.par_iter().try_for_each(|(number, metadata)| {
                let handle = self.folders.handle(*number)?;
                let spot = self.spot(*number, b".");
                self.attributes.set(&spot, &handle, metadata, self.exact())
            })?;
        }
        Ok(())
    }

    fn spot<'s>(&'s self, folder: u32, name: &'s [u8]) -> Spot<'s> {
        Spot { folders: self.folders, folder, name }
    }

    fn exact(&self) -> bool {
        matches!(self.mode, Mode::Write { exact: true })
    }

    /// All of a file's part but its chunks: the file itself, its length, its runs.
    fn begin(&self, task: &Task) -> Result<()> {
        let spot = self.spot(task.folder, &task.name);
        let file = match (self.mode, task.how) {
            (Mode::Check, How::New) => None,
            (Mode::Check, How::Over { .. }) => Some(spot.open_file()?),
            (Mode::Write { .. }, How::New) if task.begins && !task.is_made => {
                Some(spot.create_file(task.metadata.mode)?)
            }
            (Mode::Write { .. }, _) => Some(spot.open_to_write()?),
        };
        let mut open = OpenFile { task, spot, file };
        if task.begins && self.mode != Mode::Check {
            open.set_len()?;
        }
        if let Some(bytes) = &task.inline {
            self.bytes(&open, 0, &[bytes], &[])?;
        }
        for run in &task.runs {
            self.run_of_one_byte(&open, run)?;
            self.progress.advance(run.len);
        }
        if task.ends && task.pieces_left.load(Ordering::Acquire) == 0 {
            self.end(&mut open)?;
        }
        Ok(())
    }

    fn run_of_one_byte(&self, open: &OpenFile<'_>, run: &Run) -> Result<()> {
        if run.byte != 0 {
            return self.fill(open, run);
        }
        self.tally.zeroed(run.len);
        let (Mode::Write { .. }, How::Over { old_len }, Some(file)) = (self.mode, open.task.how, &open.file) else {
            return Ok(());
        };
        // Beyond the old end there is a hole already, since the length was set.
        let len = run.len.min(old_len.saturating_sub(run.offset));
        if len == 0 || punch_hole(file, run.offset, len).map_err(|error| open.spot.error(error))? {
            return Ok(());
        }
        let zeros = vec![0; len.min(FILL as u64) as usize];
        write_repeated(file, run.offset, len, &zeros).map_err(|error| open.spot.error(error))
    }

    fn fill(&self, open: &OpenFile<'_>, run: &Run) -> Result<()> {
        self.tally.written(run.len);
        let (Mode::Write { .. }, Some(file)) = (self.mode, &open.file) else { return Ok(()) };
        let bytes = vec![run.byte; run.len.min(FILL as u64) as usize];
        write_repeated(file, run.offset, run.len, &bytes).map_err(|error| open.spot.error(error))
    }

    /// Gives the file these bytes, which follow each other from this offset on, or counts what that would write.
    /// `ids` are those of the parts where they are chunks.
    fn bytes(&self, open: &OpenFile<'_>, offset: u64, parts: &[&[u8]], ids: &[ChunkId]) -> Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.progress.advance(len as u64);
        let How::Over { old_len } = open.task.how else {
            self.tally.written(len as u64);
            if let Some(patches) = self.patches.filter(|patches| patches.has_room()) {
                let mut at = offset;
                let kept = parts.iter().zip(ids).map(|(part, id)| {
                    let patch = Patch::whole(at, *id, part);
                    at += part.len() as u64;
                    patch
                });
                patches.keep(open.task.number, kept.collect());
            }
            return open.write(self.mode, offset, parts);
        };
        let Some(file) = &open.file else { return Ok(()) };
        OLD.with_borrow_mut(|old| {
            read_zero_padded(file, offset, len, old).map_err(|error| open.spot.error(error))?;
            if let Some(patches) = self.patches.filter(|patches| patches.has_room()) {
                let kept = each_with_old(offset, parts, old).zip(ids).filter_map(|((at, new, old), id)| {
                    let is_there = at + new.len() as u64 <= old_len && new.len() == old.len();
                    is_there.then(|| Patch::of(at, *id, new, old))
                });
                patches.keep(open.task.number, kept.collect());
            }
            each_with_old(offset, parts, old)
                .try_for_each(|(at, new, old)| self.overwrite((&open.spot, file), old_len, at, new, old))
        })
    }

    /// Writes what of `new` is not what `old` is, in a file that was `old_len` long.
    pub(super) fn overwrite(
        &self,
        (spot, file): (&Spot<'_>, &File),
        old_len: u64,
        offset: u64,
        new: &[u8],
        old: &[u8],
    ) -> Result<()> {
        let mut beyond = (offset + new.len() as u64).saturating_sub(old_len.max(offset));
        for range in differing(offset, new, old) {
            self.tally.written(range.len() as u64);
            let (start, end) = (offset + range.start as u64, offset + range.end as u64);
            beyond -= end.saturating_sub(old_len.max(start));
            if self.mode != Mode::Check {
                let bytes = new.get(range).unwrap_or_default();
                file.write_all_at(bytes, start).map_err(|error| spot.error(error))?;
            }
        }
        self.tally.zeroed(beyond);
        Ok(())
    }

    fn end(&self, open: &mut OpenFile<'_>) -> Result<()> {
        match (self.mode, &open.file) {
            (Mode::Write { .. }, Some(file)) => {
                self.attributes.set(&open.spot, file, &open.task.metadata, self.exact())
            }
            _ => Ok(()),
        }
    }

    fn other(&self, work: &Work) -> Result<()> {
        match work {
            Work::Other { folder, name, metadata, node } => {
                let spot = self.spot(*folder, name);
                if spot.create_other(node)? {
                    self.attributes.set_other(&spot, metadata)
                } else {
                    self.attributes.tell_once("devices", || {
                        let path = spot.folders.path(*folder, name);
                        format!("devices were not restored: this user may not make them ({})", path.display())
                    });
                    Ok(())
                }
            }
            Work::Link { folder, name, to: (first, first_name) } => {
                self.spot(*folder, name).link(&self.spot(*first, first_name))
            }
            Work::Attributes { folder, name, metadata, is_file: true } => {
                let spot = self.spot(*folder, name);
                let file = spot.open_file()?;
                self.attributes.set(&spot, &file, metadata, true)
            }
            Work::Attributes { folder, name, metadata, is_file: false } => {
                self.attributes.set_other(&self.spot(*folder, name), metadata)
            }
            Work::File(_) => Ok(()),
        }
    }
}

/// Whether all of the file comes out of one block: then it is made, written and finished in one go.
fn is_at_once(task: &Task, blocks: u32) -> bool {
    task.how == How::New && !task.is_made && task.begins && task.ends && task.runs.is_empty() && blocks == 1
}

/// A file that is being worked on.
pub(super) struct OpenFile<'a> {
    task: &'a Task,
    spot: Spot<'a>,
    file: Option<File>,
}

impl OpenFile<'_> {
    fn set_len(&self) -> Result<()> {
        let is_right = match self.task.how {
            How::New => self.task.len == 0,
            How::Over { old_len } => self.task.len == old_len,
        };
        match &self.file {
            Some(file) if !is_right => file.set_len(self.task.len).map_err(|error| self.spot.error(error)),
            _ => Ok(()),
        }
    }

    fn write(&self, mode: Mode, offset: u64, parts: &[&[u8]]) -> Result<()> {
        match (mode, &self.file) {
            (Mode::Write { .. }, Some(file)) => {
                write_parts_at(file, offset, parts).map_err(|error| self.spot.error(error))
            }
            _ => Ok(()),
        }
    }
}

struct FileWriter<'a> {
    executor: &'a Executor<'a>,
    tasks: &'a [Task],
    at_once: &'a [bool],
}

impl<'a> Consumer for FileWriter<'a> {
    type Open = Option<(OpenFile<'a>, u32)>;

    fn open(&self, file: u32, pieces: u32) -> Result<Self::Open> {
        let Some(task) = self.tasks.get(file as usize) else { return Ok(None) };
        let spot = self.executor.spot(task.folder, &task.name);
        let is_new = self.at_once.get(file as usize) == Some(&true);
        let file = match (self.executor.mode, task.how) {
            (Mode::Check, How::New) => None,
            (Mode::Check, How::Over { .. }) => Some(spot.open_file()?),
            (Mode::Write { .. }, _) if is_new => Some(spot.create_file(task.metadata.mode)?),
            (Mode::Write { .. }, _) => Some(spot.open_to_write()?),
        };
        Ok(Some((OpenFile { task, spot, file }, pieces)))
    }

    fn bytes(&self, open: &mut Self::Open, offset: u64, chunks: &[(ChunkId, &[u8])]) -> Result<()> {
        let (ids, parts): (Vec<ChunkId>, Vec<&[u8]>) = chunks.iter().copied().unzip();
        match open {
            Some((open, _)) => self.executor.bytes(open, offset, &parts, &ids),
            None => Ok(()),
        }
    }

    fn close(&self, open: Self::Open) -> Result<()> {
        let Some((mut open, pieces)) = open else { return Ok(()) };
        let left: &AtomicU32 = &open.task.pieces_left;
        // Whoever writes the last piece sets the metadata: the time of the change is the last thing that is set.
        if left.fetch_sub(pieces, Ordering::AcqRel) == pieces && open.task.ends {
            self.executor.end(&mut open)?;
        }
        Ok(())
    }
}
