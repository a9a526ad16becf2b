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
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::chunk::{LOG_STRETCH, PageHint, StreamChunker, cut_log};
use crate::codec::DeltaEncoder;
use crate::error::Result;
use crate::format::pack::Form;
use crate::format::recipe::Reference;
use crate::format::tree::Content;
use crate::id::ChunkId;
use crate::repo::{Base, ChunkWriter, Lane, Reader, Recipe, Worker};

use super::random_read::RandomRead;

/// Most logs that are looked through, and most images that are remembered: what is beyond is stored without a base.
pub const LOGS_MAX: usize = 256;
const IMAGES_MAX: usize = 1 << 19;
/// Images that are read and looked up together.
const IMAGES_AT_ONCE: usize = 32;

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
        Self { logs, by_file: Mutex::new(by_file) }
    }

    fn by_file(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Vec<PageImage>>> {
        self.by_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The images of the pages of `file`, a path below the data folder. They are not there any more afterwards.
    pub fn take(&self, file: &Path) -> Option<FileImages<'_>> {
        let images = self.by_file().remove(file)?;
        Some(FileImages { logs: &self.logs, images })
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
    logs: &'a [Log],
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

/// Stores the images of pages that stand in `pages` of a file whose older version has `recipe`.
pub fn store_images_of(
    writer: &ChunkWriter,
    reader: &Reader,
    worker: &mut Worker,
    (images, recipe): (&FileImages<'_>, &Recipe<'_>),
    pages: Range<u64>,
) -> Result<()> {
    for images_at_once in images.of_pages(pages).chunks(IMAGES_AT_ONCE) {
        let based = with_chunks(recipe, images_at_once)?;
        store_images(writer, reader, worker, images.logs, &based)?;
    }
    Ok(())
}

/// Stores the images of pages of files that were not read, each with its content in the snapshot before.
pub fn store_images_left(writer: &ChunkWriter, reader: &Reader, left: &[(FileImages<'_>, Content)]) -> Result<()> {
    let Some((FileImages { logs, .. }, _)) = left.first() else { return Ok(()) };
    let mut based = Vec::new();
    for (images, content) in left {
        if let Some(recipe) = Recipe::new(reader, content) {
            based.extend(with_chunks(&recipe, &images.images)?);
        }
    }
    let ids: Vec<ChunkId> = based.iter().map(|(_, chunk)| *chunk).collect();
    let mut places = reader.locate(&ids)?;
    let bases: Vec<ChunkId> = ids
        .iter()
        .zip(&places)
        .map(|(id, place)| match place {
            Some(place) => match place.form {
                Form::Delta { base, .. } => base,
                Form::Full => *id,
            },
            None => *id,
        })
        .collect();
    if bases != ids {
        places = reader.locate(&bases)?;
    }
    let mut placed: Vec<((u32, u32), BasedImage)> = places
        .iter()
        .zip(based.iter().zip(bases))
        .filter_map(|(place, ((image, _), base))| place.map(|place| ((place.pack, place.block), (*image, base))))
        .collect();
    placed.sort_unstable_by_key(|(block, (image, _))| (*block, image.page_at));
    let sorted: Vec<BasedImage> = placed.into_iter().map(|(_, image)| image).collect();
    sorted
        .par_chunks(IMAGES_AT_ONCE)
        .try_for_each(|images| writer.with_worker(|worker| store_images(writer, reader, worker, logs, images)))
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
            _ => reader.base(chunk)?,
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

/// The images whose page's chunk an older version of the file has.
fn with_chunks(recipe: &Recipe<'_>, images: &[PageImage]) -> Result<Vec<BasedImage>> {
    let mut based = Vec::with_capacity(images.len());
    for image in images {
        let extents = recipe.extents(image.page_at..image.page_at + 1)?;
        if let Some(Reference::Chunk { id, .. }) = extents.first().map(|extent| extent.reference) {
            based.push((*image, id));
        }
    }
    Ok(based)
}
