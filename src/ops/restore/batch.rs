//! Work on the target in bounded batches: so many files, so many chunks, so many bytes at a time, whatever the size of
//! the whole. A large file goes through several batches.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::error::{Error, Result};
use crate::format::recipe::Reference;
use crate::format::tree::{Content, Metadata, Node};
use crate::limits;
use crate::repo::{Extent, Reader, Recipe};

use super::fetch::Piece;
use super::folders::Named;
use super::patch::Patch;

/// A batch is full when it has so many files or pieces. The first is small, so that there is work at once, the others are
/// large: a block is decoded once for each batch that needs it.
const FILES_FIRST: usize = 2 * 1024;
const FILES_MAX: usize = 64 * 1024;
const PIECES_PER_FILE: usize = 4;
/// What of a file's recipe is taken into a batch at once, bytes.
const WINDOW: u64 = 8 << 20;

/// What is to be done with one entry.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// Give a regular file its content, then its metadata.
    File(FileWork),
    /// Make a symbolic link, FIFO or device.
    Other { folder: u32, name: Box<[u8]>, metadata: Metadata, node: Node },
    /// Make a hard link to a file that earlier work makes or leaves.
    Link { folder: u32, name: Box<[u8]>, to: Named },
    /// Set metadata alone; of a regular file or of something that is neither that nor a folder.
    Attributes { folder: u32, name: Box<[u8]>, metadata: Metadata, is_file: bool },
}

/// A regular file that gets content.
#[derive(Debug, Clone)]
pub(super) struct FileWork {
    pub(super) folder: u32,
    pub(super) name: Box<[u8]>,
    pub(super) metadata: Metadata,
    pub(super) content: Content,
    pub(super) how: How,
    /// Whether a part of it is written already: then the file is there.
    pub(super) is_made: bool,
    /// Which parts of the content are needed, in order. They begin and end where chunks do; a run may be cut anywhere.
    pub(super) ranges: Vec<Range<u64>>,
    /// Its number among all work, for what is kept of it.
    pub(super) number: u32,
    /// What of the content is kept already, and needs no reading; in order.
    pub(super) patches: Vec<Patch>,
}

impl FileWork {
    /// A file that is not there yet, and needs all of its content.
    pub(super) fn new(folder: u32, name: Box<[u8]>, metadata: Metadata, content: Content) -> Self {
        let ranges = if content.is_empty() { Vec::new() } else { std::iter::once(0..content.len()).collect() };
        Self { folder, name, metadata, content, how: How::New, is_made: false, ranges, number: 0, patches: Vec::new() }
    }
}

/// What is at the file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Nothing.
    New,
    /// A file of this length, whose differing parts are to be written.
    Over { old_len: u64 },
}

/// One byte, repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) byte: u8,
}

/// A file's part in a batch.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) folder: u32,
    pub(super) name: Box<[u8]>,
    pub(super) metadata: Metadata,
    pub(super) number: u32,
    /// Length of the whole content.
    pub(super) len: u64,
    pub(super) how: How,
    pub(super) is_made: bool,
    /// Whether no earlier batch had a part of it.
    pub(super) begins: bool,
    /// Whether no later one has.
    pub(super) ends: bool,
    pub(super) inline: Option<Vec<u8>>,
    pub(super) runs: Vec<Run>,
    /// Pieces of this batch that are not written yet.
    pub(super) pieces_left: AtomicU32,
}

/// What is worked on at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) tasks: Vec<Task>,
    pub(super) pieces: Vec<Piece>,
    /// All work but files and links.
    pub(super) others: Vec<Work>,
    /// Hard links, made last.
    pub(super) links: Vec<Work>,
    files_max: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.pieces.len() >= self.files_max * PIECES_PER_FILE
            || self.tasks.len() + self.others.len() + self.links.len() >= self.files_max
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.others.is_empty() && self.links.is_empty()
    }
}

struct UnderWay<'r> {
    work: FileWork,
    recipe: Option<Recipe<'r>>,
    begun: bool,
    /// The range at hand, and how far it is done.
    range: usize,
    at: u64,
}

/// Makes batches of work.
pub(super) struct Batcher<'r> {
    reader: &'r Reader,
    under_way: Option<UnderWay<'r>>,
    files_max: usize,
}

impl<'r> Batcher<'r> {
    pub(super) fn new(reader: &'r Reader) -> Self {
        Self { reader, under_way: None, files_max: FILES_FIRST }
    }

    /// The next batch of what `source` gives; `None` when there is no more.
    pub(super) fn next(&mut self, source: &mut dyn FnMut() -> Result<Option<Work>>) -> Result<Option<Batch>> {
        let mut batch = Batch { files_max: self.files_max, ..Batch::default() };
        self.files_max = FILES_MAX;
        while !batch.is_full() {
            if let Some(under_way) = self.under_way.take() {
                self.take_file(under_way, &mut batch)?;
                continue;
            }
            match source()? {
                None => break,
                Some(Work::File(work)) => {
                    let is_deep = matches!(work.content, Content::Chunks { depth: 1.., .. });
                    let recipe = if is_deep { Recipe::new(self.reader, &work.content) } else { None };
                    let at = work.ranges.first().map_or(0, |range| range.start);
                    self.under_way = Some(UnderWay { work, recipe, begun: false, range: 0, at });
                }
                Some(link @ Work::Link { .. }) => batch.links.push(link),
                Some(other) => batch.others.push(other),
            }
        }
        Ok(if batch.is_empty() { None } else { Some(batch) })
    }

    fn take_file(&mut self, mut file: UnderWay<'r>, batch: &mut Batch) -> Result<()> {
        let number = batch.tasks.len() as u32;
        let (pieces_before, mut runs) = (batch.pieces.len(), Vec::new());
        let mut ends = false;
        loop {
            let Some(range) = file.work.ranges.get(file.range).cloned() else {
                ends = true;
                break;
            };
            if batch.is_full() {
                break;
            }
            let (extents, window) = extents_from(file.recipe.as_ref(), &file.work.content, file.at, WINDOW, range.end)?;
            for extent in extents {
                take_extent(extent, &window, number, &mut runs, batch);
            }
            file.at = window.end;
            if file.at >= range.end {
                file.range += 1;
                file.at = file.work.ranges.get(file.range).map_or(0, |range| range.start);
            }
        }
        let work = &file.work;
        batch.tasks.push(Task {
            folder: work.folder,
            name: work.name.clone(),
            metadata: work.metadata.clone(),
            number: work.number,
            len: work.content.len(),
            how: work.how,
            is_made: work.is_made,
            begins: !file.begun,
            ends,
            inline: match &work.content {
                Content::Inline(bytes) if !work.ranges.is_empty() => Some(bytes.clone()),
                _ => None,
            },
            runs,
            pieces_left: AtomicU32::new((batch.pieces.len() - pieces_before) as u32),
        });
        if !ends {
            file.begun = true;
            self.under_way = Some(file);
        }
        Ok(())
    }
}

/// The data chunks and runs of a content from `at` on, and the range that they are taken from: about `window` bytes, at
/// most up to `end`. A run at its end is taken whole: a hole takes one step, however long it is.
///
/// `recipe` is at hand for a content of several chunks.
pub(super) fn extents_from(
    recipe: Option<&Recipe<'_>>,
    content: &Content,
    at: u64,
    window: u64,
    end: u64,
) -> Result<(Vec<Extent>, Range<u64>)> {
    let mut range = at..at.saturating_add(window).min(end);
    let extents = match (recipe, content) {
        (Some(recipe), _) => recipe.extents(range.clone())?,
        (None, Content::Run { byte, len }) => whole(Reference::Run { byte: *byte, len: *len }),
        (None, Content::Chunks { root, len, depth: 0 }) => whole(Reference::Chunk { id: *root, len: *len }),
        (None, _) => Vec::new(),
    };
    let too_long = |extent: &&Extent| match extent.reference {
        Reference::Chunk { len, .. } => len > limits::BLOCK_MAX as u64,
        Reference::Run { .. } => false,
    };
    if let Some(Extent { reference: Reference::Chunk { id, len }, .. }) = extents.iter().find(too_long) {
        return Err(Error::damaged(format!("chunk {id}"), format!("its recipe gives it {len} bytes")));
    }
    if let Some(Extent { offset, reference: reference @ Reference::Run { .. } }) = extents.last() {
        range.end = range.end.max(offset.saturating_add(reference.len()).min(end));
    }
    Ok((extents, range))
}

fn whole(reference: Reference) -> Vec<Extent> {
    vec![Extent { offset: 0, reference }]
}

/// An extent that reaches over a window's edge: a chunk belongs to the window in which it begins, a run to each in part.
fn take_extent(extent: Extent, window: &Range<u64>, file: u32, runs: &mut Vec<Run>, batch: &mut Batch) {
    match extent.reference {
        Reference::Chunk { id, len } if extent.offset >= window.start => {
            batch.pieces.push(Piece { file, len: len as u32, offset: extent.offset, id });
        }
        Reference::Chunk { .. } => {}
        Reference::Run { byte, len } => {
            let start = extent.offset.max(window.start);
            let end = extent.offset.saturating_add(len).min(window.end);
            match runs.last_mut() {
                Some(last) if last.byte == byte && last.offset + last.len == start => last.len += end - start,
                _ => runs.push(Run { offset: start, len: end - start, byte }),
            }
        }
    }
}
