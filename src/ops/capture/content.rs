//! From bytes to a content: cut, hash, look up, store what is new, as a delta where the parent has something alike at
//! the same place.

use std::io::Read;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::chunk::{Cutting, StreamChunker, repeated_byte};
use crate::codec::DeltaEncoder;
use crate::container::read_error;
use crate::error::Result;
use crate::format::recipe::Reference;
use crate::format::tree::Content;
use crate::id::ChunkId;
use crate::limits;
use crate::ops::{Progress, Silent};
use crate::repo::{Base, ChunkWriter, Lane, Reader, Recipe, RecipeBuilder, Worker};

use super::align::{Aligned, Aligner, Hashed};
use super::cutter::Cutter;
use super::images::{FileImages, Log, PageImages, store_images_left, store_images_of};
use super::random_read::{FilePart, HOLE_MIN, RandomRead, data_end};

/// What a thread reads, hashes and stores in one go, bytes: one leaf of a page file's recipe at the usual chunk length.
const SEGMENT: usize = 2 << 20;
/// Segments of a page file that are read side by side, before their references go into the recipe.
const SEGMENTS_AT_ONCE: usize = 64;
/// What is read and cut of a stream while what was read before is stored, bytes.
const STREAM_BATCH: usize = 8 << 20;
/// Chunks of a stream that a thread stores in one go.
const CHUNKS_AT_ONCE: usize = 64;
/// Files up to this length are read whole by one thread, bytes.
pub const SMALL_FILE: u64 = 1 << 20;

/// What became of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Captured {
    /// All of it was stored.
    Whole(Content),
    /// The file became shorter while it was read.
    Shrunk,
}

/// Stores contents in a session; shared by threads.
pub struct ContentWriter<'a> {
    writer: &'a ChunkWriter,
    reader: &'a Reader,
    chunker: StreamChunker,
    page_target: u32,
    trust_base: bool,
    progress: &'a dyn Progress,
    bytes_read: AtomicU64,
    large_files: AtomicU64,
}

impl<'a> ContentWriter<'a> {
    /// Stores by `writer`, takes bases from `reader`. With `trust_base`, what the base content refers to is known
    /// without being looked up: every pack must be there and none condemned.
    pub fn new(
        writer: &'a ChunkWriter,
        reader: &'a Reader,
        chunker: StreamChunker,
        page_target: u32,
        trust_base: bool,
    ) -> Self {
        Self {
            writer,
            reader,
            chunker,
            page_target,
            trust_base,
            progress: &Silent,
            bytes_read: AtomicU64::new(0),
            large_files: AtomicU64::new(0),
        }
    }

    /// The same, that stops where `progress` says so: between files, and between the parts of a large one.
    pub fn stopped_by(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// Plain bytes taken in so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A number for a large file, by which threads remember what they learnt about it.
    fn number_file(&self) -> u64 {
        self.large_files.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The chunk reader that bases come from.
    pub fn reader(&self) -> &'a Reader {
        self.reader
    }

    fn cutter(&self, cutting: Cutting) -> Cutter {
        Cutter::new(cutting, self.chunker, self.page_target)
    }

    /// Stores the bytes of a small file.
    pub fn small(&self, bytes: &[u8], cutting: impl Into<Cutting>, base: Option<&Content>) -> Result<Content> {
        self.count(bytes.len());
        self.in_memory(Lane::Data, bytes, cutting.into(), base)
    }

    /// Stores a folder's listing.
    pub fn listing(&self, bytes: &[u8], base: Option<&Content>) -> Result<Content> {
        self.in_memory(Lane::Meta, bytes, Cutting::Stream, base)
    }

    fn in_memory(&self, lane: Lane, bytes: &[u8], cutting: Cutting, base: Option<&Content>) -> Result<Content> {
        self.progress.go_on()?;
        if bytes.is_empty() {
            return Ok(Content::Empty);
        }
        if bytes.len() <= limits::INLINE_MAX && lane == Lane::Data {
            return Ok(Content::Inline(bytes.to_vec()));
        }
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let cutter = self.cutter(cutting);
        let mut aligner = cutter.aligner(recipe.as_ref());
        self.writer.with_worker(|worker| {
            worker.begin_file(0);
            let mut builder =
                RecipeBuilder::new(self.writer, self.reader, cutter.nodes(), recipe.as_ref(), self.trust_base);
            let mut at = 0;
            while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
                let batch = rest.get(..STREAM_BATCH).unwrap_or(rest);
                let cuts = cutter.cut(batch, batch.len() == rest.len());
                let hashed: Vec<Hashed> = cuts.iter().map(|cut| self.hash(batch, cut, at as u64)).collect();
                let aligned = aligner.align(&hashed)?;
                for reference in self.store(worker, lane, batch, &cuts, &aligned)? {
                    builder.push(worker, reference)?;
                }
                at += cuts.last().map_or(rest.len(), |cut| cut.end);
            }
            builder.finish(worker)
        })
    }

    fn hash(&self, data: &[u8], cut: &Range<usize>, offset: u64) -> Hashed {
        let plain = data.get(cut.clone()).unwrap_or_default();
        let (offset, len) = (offset + cut.start as u64, cut.len() as u64);
        match repeated_byte(plain) {
            Some(byte) => Hashed { offset, reference: Reference::Run { byte, len } },
            None => Hashed { offset, reference: Reference::Chunk { id: self.writer.chunk_id(plain), len } },
        }
    }

    /// Stores those of the chunks that are not known. Returns their references.
    fn store(
        &self,
        worker: &mut Worker,
        lane: Lane,
        data: &[u8],
        cuts: &[Range<usize>],
        aligned: &[Aligned],
    ) -> Result<Vec<Reference>> {
        let unsure: Vec<(usize, ChunkId)> = aligned
            .iter()
            .enumerate()
            .filter_map(|(at, aligned)| match aligned.reference {
                Reference::Chunk { id, .. } if !(aligned.in_base && self.trust_base) => Some((at, id)),
                _ => None,
            })
            .collect();
        let ids: Vec<ChunkId> = unsure.iter().map(|(_, id)| *id).collect();
        let known = self.writer.is_known(&ids)?;
        let new: Vec<(usize, ChunkId)> =
            unsure.into_iter().zip(known).filter_map(|(chunk, known)| (!known).then_some(chunk)).collect();
        let bases = new
            .iter()
            .map(|(at, _)| match aligned.get(*at).and_then(|aligned| aligned.base) {
                Some(base) => self.reader.base(&base),
                None => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut deltas = DeltaEncoder::default();
        for ((at, id), base) in new.into_iter().zip(&bases) {
            let plain = cuts.get(at).and_then(|cut| data.get(cut.clone())).unwrap_or_default();
            let base = base.as_ref().map(|(id, bytes)| Base { id: *id, bytes });
            self.writer.store(worker, &mut deltas, lane, id, plain, base)?;
        }
        Ok(aligned.iter().map(|aligned| aligned.reference).collect())
    }

    /// Stores a large page file, several segments side by side.
    pub fn pages(&self, file: &dyn RandomRead, len: u64, page_size: u32, base: Option<&Content>) -> Result<Captured> {
        self.side_by_side(file, len, Cutting::Page { page_size }, base, None)
    }

    /// Stores a large page file or log, several segments side by side; of a page file also the images that a log has of
    /// its pages.
    pub fn side_by_side(
        &self,
        file: &dyn RandomRead,
        len: u64,
        cutting: Cutting,
        base: Option<&Content>,
        images: Option<&FileImages<'_>>,
    ) -> Result<Captured> {
        let cutter = self.cutter(cutting);
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let version = Version { file, len, cutter, recipe: recipe.as_ref(), images, number: self.number_file() };
        let segment = cutter.segment(SEGMENT);
        let mut builder =
            RecipeBuilder::new(self.writer, self.reader, cutter.nodes(), recipe.as_ref(), self.trust_base);
        let mut at = 0u64;
        while at < len {
            let end = at.saturating_add((segment * SEGMENTS_AT_ONCE) as u64).min(len);
            let starts: Vec<u64> = (at..end).step_by(segment).collect();
            let segments: Vec<Option<Vec<Reference>>> = starts
                .into_par_iter()
                .map(|start| self.segment(&version, start, segment.min((len - start) as usize)))
                .collect::<Result<_>>()?;
            for references in segments {
                let Some(references) = references else { return Ok(Captured::Shrunk) };
                self.writer.with_worker(|worker| {
                    references.into_iter().try_for_each(|reference| builder.push(worker, reference))
                })?;
            }
            at = end;
        }
        self.writer.with_worker(|worker| builder.finish(worker)).map(Captured::Whole)
    }

    /// One segment of a file; `None` where the file ends before it does.
    fn segment(&self, version: &Version<'_>, start: u64, wanted: usize) -> Result<Option<Vec<Reference>>> {
        self.progress.go_on()?;
        let Version { file, len, cutter, recipe, images, number } = *version;
        let end = start + wanted as u64;
        if file.next_data(start, len) >= end {
            return Ok(Some(vec![Reference::Run { byte: 0, len: wanted as u64 }]));
        }
        let mut data = vec![0; wanted];
        if file.read_at(start, &mut data)? < wanted {
            return Ok(None);
        }
        self.count(wanted);
        let cuts = cutter.cut(&data, true);
        let hashed: Vec<Hashed> = cuts.iter().map(|cut| self.hash(&data, cut, start)).collect();
        let aligned = cutter.aligner(recipe).align(&hashed)?;
        self.writer.with_worker(|worker| {
            worker.begin_file(number);
            let references = self.store(worker, Lane::Data, &data, &cuts, &aligned)?;
            if let Some(images) = images {
                store_images_of(self.writer, self.reader, worker, images, &hashed, recipe)?;
            }
            Ok(Some(references))
        })
    }

    /// Finds the images of pages that stand in a data folder's logs.
    pub fn find_images(&self, logs: Vec<Log>) -> PageImages {
        PageImages::find(logs, &self.chunker)
    }

    /// Stores those of `images` that are left when all other files are stored. `left` are those of files that were not
    /// read, each with the file's content in the snapshot before.
    pub fn store_images_left(&self, images: &PageImages, left: &[(FileImages<'_>, Content)]) -> Result<()> {
        store_images_left(self.writer, self.reader, images, left)
    }

    /// Stores what comes out of `input`, however long it is: while one batch is hashed and stored, the next one is read
    /// and cut. `name` stands in errors.
    pub fn stream(
        &self,
        input: &mut (dyn Read + Send),
        name: &str,
        cutting: impl Into<Cutting>,
        base: Option<&Content>,
    ) -> Result<Content> {
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let recipe = recipe.as_ref();
        let cutter = self.cutter(cutting.into());
        let mut aligner = cutter.aligner(recipe);
        let mut builder = RecipeBuilder::new(self.writer, self.reader, cutter.nodes(), recipe, self.trust_base);
        let source = StreamSource { input, name, cutter, carry: Vec::new(), ended: false };
        self.stream_part(source, 0, &mut aligner, &mut builder)?;
        self.writer.with_worker(|worker| builder.finish(worker))
    }

    /// As [`ContentWriter::stream`], for a file of the class stream: its holes are not read. The content is shorter than
    /// `len` where the file has become so.
    pub fn stream_file(&self, file: &dyn RandomRead, len: u64, name: &str, base: Option<&Content>) -> Result<Content> {
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let recipe = recipe.as_ref();
        let cutter = self.cutter(Cutting::Stream);
        let mut aligner = cutter.aligner(recipe);
        let mut builder = RecipeBuilder::new(self.writer, self.reader, cutter.nodes(), recipe, self.trust_base);
        let mut at = 0;
        while at < len {
            let data = file.next_data(at, len).min(len);
            if data - at >= HOLE_MIN || data == len {
                let hole = Reference::Run { byte: 0, len: data - at };
                self.writer.with_worker(|worker| builder.push(worker, hole))?;
                at = data;
                continue;
            }
            let end = data_end(file, data, len);
            let mut part = FilePart { file, at, end };
            let source = StreamSource { input: &mut part, name, cutter, carry: Vec::new(), ended: false };
            at = self.stream_part(source, at, &mut aligner, &mut builder)?;
            if at < end {
                break;
            }
        }
        self.writer.with_worker(|worker| builder.finish(worker))
    }

    /// Stores what comes out of `source`, which begins at `offset` of the content. Returns where it ended.
    fn stream_part(
        &self,
        mut source: StreamSource<'_>,
        mut offset: u64,
        aligner: &mut Aligner<'_>,
        builder: &mut RecipeBuilder<'_>,
    ) -> Result<u64> {
        let mut batch = source.next(self)?;
        let number = self.number_file();
        while let Some(present) = batch {
            self.progress.go_on()?;
            let (next, stored) =
                rayon::join(|| source.next(self), || self.stream_batch(number, &present, offset, aligner, builder));
            stored?;
            offset += present.cuts.last().map_or(0, |cut| cut.end) as u64;
            batch = next?;
        }
        Ok(offset)
    }

    fn stream_batch(
        &self,
        number: u64,
        batch: &StreamBatch,
        offset: u64,
        aligner: &mut Aligner<'_>,
        builder: &mut RecipeBuilder<'_>,
    ) -> Result<()> {
        let hashed: Vec<Hashed> =
            batch.cuts.par_iter().with_min_len(16).map(|cut| self.hash(&batch.data, cut, offset)).collect();
        let aligned = aligner.align(&hashed)?;
        let references: Vec<Vec<Reference>> = batch
            .cuts
            .par_chunks(CHUNKS_AT_ONCE)
            .zip(aligned.par_chunks(CHUNKS_AT_ONCE))
            .map(|(cuts, aligned)| {
                self.writer.with_worker(|worker| {
                    worker.begin_file(number);
                    self.store(worker, Lane::Data, &batch.data, cuts, aligned)
                })
            })
            .collect::<Result<_>>()?;
        self.writer.with_worker(|worker| {
            references.into_iter().flatten().try_for_each(|reference| builder.push(worker, reference))
        })
    }
}

/// A file and what it is compared with.
#[derive(Clone, Copy)]
struct Version<'a> {
    file: &'a dyn RandomRead,
    len: u64,
    cutter: Cutter,
    /// The older version's.
    recipe: Option<&'a Recipe<'a>>,
    images: Option<&'a FileImages<'a>>,
    number: u64,
}

struct StreamBatch {
    data: Vec<u8>,
    cuts: Vec<Range<usize>>,
}

struct StreamSource<'i> {
    input: &'i mut (dyn Read + Send),
    name: &'i str,
    cutter: Cutter,
    /// What was read and could not be cut without what follows it.
    carry: Vec<u8>,
    ended: bool,
}

impl StreamSource<'_> {
    fn next(&mut self, contents: &ContentWriter<'_>) -> Result<Option<StreamBatch>> {
        if self.ended && self.carry.is_empty() {
            return Ok(None);
        }
        let mut data = std::mem::take(&mut self.carry);
        data.reserve_exact(STREAM_BATCH);
        let before = data.len();
        while !self.ended && data.len() < before + STREAM_BATCH {
            let wanted = (before + STREAM_BATCH - data.len()) as u64;
            let read =
                (&mut *self.input).take(wanted).read_to_end(&mut data).map_err(|error| read_error(self.name, error))?;
            self.ended = (read as u64) < wanted;
        }
        contents.count(data.len() - before);
        let cuts = self.cutter.cut(&data, self.ended);
        let end = cuts.last().map_or(0, |cut| cut.end);
        self.carry = data.split_off(end);
        Ok(Some(StreamBatch { data, cuts }))
    }
}
