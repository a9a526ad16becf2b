//! Images of pages that stand in a database's log: stored as what changed against the pages.
//!
//! The log's own capture comes last, and finds these chunks stored. So nothing here is needed for a snapshot to be right:
//! a log that lies about its images, or changes meanwhile, costs space and no more.
//!
//! The pages that a log has images of are scattered over a database, and each is in a block that must be decoded. So an
//! image is stored when the page's own file is read, with the blocks that are decoded for that; and what is left after
//! all files in the order of the blocks.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::chunk::{LOG_STRETCH, PageHint, StreamChunker, cut_log};
use crate::codec::DeltaEncoder;
use crate::error::Result;
use crate::format::pack::Form;
use crate::format::recipe::Reference;
use crate::format::tree::Content;
use crate::id::ChunkId;
use crate::repo::{Base, ChunkWriter, Lane, Reader, Recipe, Worker};

use super::align::Hashed;
use super::random_read::RandomRead;

/// Most logs that are looked through, and most images that are remembered: what is beyond is stored without a base.
pub const LOGS_MAX: usize = 256;
const IMAGES_MAX: usize = 1 << 19;
/// Images that are read and looked up together.
const IMAGES_AT_ONCE: usize = 32;
/// Pages that are located together.
const LOCATED_AT_ONCE: usize = 8192;

/// A log segment that can be read anywhere, and its length in bytes.
pub type Log = (Box<dyn RandomRead + Send>, u64);

/// An image in a log.
#[derive(Debug, Clone, Copy)]
struct PageImage {
    /// Where the page stands in its file, bytes.
    page_at: u64,
    /// Which log.
    log: usize,
    /// Where the image's chunk stands in the log, bytes.
    at: u64,
    len: usize,
}

/// The images in a data folder's logs, by the files whose pages they are of.
pub struct PageImages {
    logs: Vec<Log>,
    by_file: Mutex<HashMap<PathBuf, Vec<PageImage>>>,
    /// Images of pages that the snapshot before has not, and where this one has them.
    of_new_pages: Mutex<Vec<BasedImage>>,
}

impl PageImages {
    /// Looks through a data folder's logs.
    pub fn find(mut logs: Vec<Log>, chunker: &StreamChunker) -> Self {
        logs.truncate(LOGS_MAX);
        let found: Vec<Vec<(PageHint, Range<u64>)>> =
            logs.par_iter().map(|(log, len)| images_in(&**log, *len, chunker)).collect();
        let mut by_file: HashMap<PathBuf, Vec<PageImage>> = HashMap::new();
        let all =
            found.into_iter().enumerate().flat_map(|(log, images)| images.into_iter().map(move |image| (log, image)));
        for (log, (hint, place)) in all.take(IMAGES_MAX) {
            if let Some((file, page_at)) = hint.place() {
                let len = (place.end - place.start) as usize;
                by_file.entry(file).or_default().push(PageImage { page_at, log, at: place.start, len });
            }
        }
        for images in by_file.values_mut() {
            images.sort_unstable_by_key(|image| (image.page_at, image.log, image.at));
        }
        Self { logs, by_file: Mutex::new(by_file), of_new_pages: Mutex::default() }
    }

    fn by_file(&self) -> MutexGuard<'_, HashMap<PathBuf, Vec<PageImage>>> {
        self.by_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_new_pages(&self) -> MutexGuard<'_, Vec<BasedImage>> {
        self.of_new_pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The images of the pages of `file`, a path below the data folder. They are not there any more afterwards.
    pub fn take(&self, file: &Path) -> Option<FileImages<'_>> {
        let images = self.by_file().remove(file)?;
        Some(FileImages { from: self, images })
    }

    /// The files that have images which nobody took.
    pub fn files_left(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.by_file().keys().cloned().collect();
        files.sort_unstable();
        files
    }
}

/// The images of one file's pages, in the order of the pages.
pub struct FileImages<'a> {
    from: &'a PageImages,
    images: Vec<PageImage>,
}

impl FileImages<'_> {
    fn of_pages(&self, pages: Range<u64>) -> &[PageImage] {
        let place = |offset| self.images.partition_point(|image| image.page_at < offset);
        self.images.get(place(pages.start)..place(pages.end)).unwrap_or_default()
    }
}

/// The images in one log. A log that cannot be read has none: its own capture will tell.
fn images_in(log: &dyn RandomRead, len: u64, chunker: &StreamChunker) -> Vec<(PageHint, Range<u64>)> {
    let mut images = Vec::new();
    let mut stretch = vec![0; LOG_STRETCH.min(len as usize)];
    let mut before = None;
    let mut at = 0;
    while at < len {
        let wanted = stretch.len().min((len - at) as usize);
        let Some(data) = stretch.get_mut(..wanted) else { break };
        if !matches!(log.read_at(at, data), Ok(read) if read == wanted) {
            break;
        }
        let found = cut_log(data, chunker, before);
        images.extend(found.cuts.into_iter().filter_map(|cut| {
            let place = at + cut.place.start as u64..at + cut.place.end as u64;
            cut.page.map(|page| (page, place))
        }));
        before = found.goes_on;
        at += wanted as u64;
    }
    images
}

/// An image and the chunk that holds the page.
type BasedImage = (PageImage, ChunkId);

/// Stores the images of the pages that a segment of a file consists of: `pieces`, which follow each other. `older` is the
/// file's recipe in the snapshot before. An image of a page that is not there has to wait until the page is stored.
pub fn store_images_of(
    writer: &ChunkWriter,
    reader: &Reader,
    worker: &mut Worker,
    images: &FileImages<'_>,
    pieces: &[Hashed],
    older: Option<&Recipe<'_>>,
) -> Result<()> {
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(()) };
    let images_here = images.of_pages(first.offset..last.offset + last.reference.len());
    for images_at_once in images_here.chunks(IMAGES_AT_ONCE) {
        let mut based = Vec::with_capacity(images_at_once.len());
        for image in images_at_once {
            match (chunk_of(older, image), piece_at(pieces, image.page_at)) {
                (Some(chunk), _) => based.push((*image, chunk)),
                (None, Some(chunk)) => images.from.of_new_pages().push((*image, chunk)),
                (None, None) => {}
            }
        }
        store_images(writer, reader, worker, &images.from.logs, &based)?;
    }
    Ok(())
}

/// Stores the images that are left: `left` are those of files that were not read, each with the file's content in the
/// snapshot before.
///
/// An image of a new page gets the page as its base where that is in a pack by now. It never gets one that is not: after
/// a crash a delta without its base would be there, and count as stored.
pub fn store_images_left(
    writer: &ChunkWriter,
    reader: &Reader,
    from: &PageImages,
    left: &[(FileImages<'_>, Content)],
) -> Result<()> {
    let mut based = std::mem::take(&mut *from.of_new_pages());
    for (images, content) in left {
        let older = Recipe::new(reader, content);
        for image in &images.images {
            based.extend(chunk_of(older.as_ref(), image).map(|chunk| (*image, chunk)));
        }
    }
    let mut placed: Vec<((u32, u32), BasedImage)> = Vec::with_capacity(based.len());
    for based in based.chunks(LOCATED_AT_ONCE) {
        placed.extend(with_blocks(reader, based)?);
    }
    placed.sort_unstable_by_key(|(block, (image, _))| (*block, image.page_at));
    let sorted: Vec<BasedImage> = placed.into_iter().map(|(_, image)| image).collect();
    sorted
        .par_chunks(IMAGES_AT_ONCE)
        .try_for_each(|images| writer.with_worker(|worker| store_images(writer, reader, worker, &from.logs, images)))
}

/// The images whose page is in a pack: each with the pack and the block of the full chunk to make a delta against, and
/// that chunk.
fn with_blocks(reader: &Reader, images: &[BasedImage]) -> Result<Vec<((u32, u32), BasedImage)>> {
    let chunks: Vec<ChunkId> = images.iter().map(|(_, chunk)| *chunk).collect();
    let full: Vec<ChunkId> = chunks
        .iter()
        .zip(reader.locate(&chunks)?)
        .map(|(chunk, place)| match place.map(|place| place.form) {
            Some(Form::Delta { base, .. }) => base,
            _ => *chunk,
        })
        .collect();
    let places = reader.locate(&full)?.into_iter();
    let placed = images.iter().zip(full).zip(places);
    Ok(placed
        .filter_map(|(((image, _), full), place)| place.map(|place| ((place.pack, place.block), (*image, full))))
        .collect())
}

/// Stores those of the images that are not known and whose page is.
fn store_images(
    writer: &ChunkWriter,
    reader: &Reader,
    worker: &mut Worker,
    logs: &[Log],
    images: &[BasedImage],
) -> Result<()> {
    let mut read = Vec::with_capacity(images.len());
    for (image, chunk) in images {
        let Some((log, _)) = logs.get(image.log) else { continue };
        let mut plain = vec![0; image.len];
        // A log that became shorter has no such image any more.
        if matches!(log.read_at(image.at, &mut plain), Ok(read) if read == image.len) {
            read.push((writer.chunk_id(&plain), plain, *chunk));
        }
    }
    let ids: Vec<ChunkId> = read.iter().map(|(id, ..)| *id).collect();
    let known = writer.is_known(&ids)?;
    read.retain({
        let mut known = known.into_iter();
        move |_| known.next() == Some(false)
    });
    let mut bases: Vec<(ChunkId, Option<_>)> = Vec::with_capacity(read.len());
    for (_, _, chunk) in &read {
        let base = match bases.last() {
            Some((last, base)) if last == chunk => base.clone(),
            // An image can do without: a page that cannot be read is no reason to fail.
            _ => reader.base(chunk).unwrap_or_default(),
        };
        bases.push((*chunk, base));
    }
    let mut deltas = DeltaEncoder::default();
    for ((id, plain, _), (_, base)) in read.iter().zip(&bases) {
        if let Some((base, bytes)) = base {
            let base = Some(Base { id: *base, bytes });
            writer.store(worker, &mut deltas, Lane::Data, *id, plain, base)?;
        }
    }
    Ok(())
}

/// The chunk that holds an image's page in an older version of the file, where that can be read.
fn chunk_of(older: Option<&Recipe<'_>>, image: &PageImage) -> Option<ChunkId> {
    let extents = older?.extents(image.page_at..image.page_at + 1).ok()?;
    match extents.first()?.reference {
        Reference::Chunk { id, .. } => Some(id),
        Reference::Run { .. } => None,
    }
}

/// The chunk of a new version that holds an offset.
fn piece_at(pieces: &[Hashed], offset: u64) -> Option<ChunkId> {
    let behind = pieces.partition_point(|piece| piece.offset <= offset);
    match pieces.get(behind.checked_sub(1)?)?.reference {
        Reference::Chunk { id, .. } => Some(id),
        Reference::Run { .. } => None,
    }
}
