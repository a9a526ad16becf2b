//! From bytes to a content: cut, hash, look up, store what is new, as a delta where the parent has something alike at
//! the same place.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::chunk::{StreamChunker, page_chunk_len, repeated_byte};
use crate::codec::DeltaEncoder;
use crate::container::read_error;
use crate::error::Result;
use crate::format::recipe::Reference;
use crate::format::tree::{Class, Content};
use crate::id::ChunkId;
use crate::limits;
use crate::repo::{Base, ChunkWriter, Lane, NodeCutter, Reader, Recipe, RecipeBuilder, Worker};

use super::align::{Aligned, Aligner, Hashed};

/// What a thread reads, hashes and stores in one go, bytes: one leaf of a page file's recipe at the usual chunk length.
const SEGMENT: usize = 2 << 20;
/// Segments of a page file that are read side by side, before their references go into the recipe.
const SEGMENTS_AT_ONCE: usize = 64;
/// What is read and cut of a stream while what was read before is stored, bytes.
const STREAM_BATCH: usize = 8 << 20;
/// Chunks of a stream that a thread stores in one go.
const CHUNKS_AT_ONCE: usize = 64;
/// A hole of a stream that is at least this long is not read, bytes. What stands before it is cut as if it were the end.
const HOLE_MIN: u64 = 1 << 20;
/// Files up to this length are read whole by one thread, bytes.
pub const SMALL_FILE: u64 = 1 << 20;

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
struct FilePart<'f> {
    file: &'f dyn RandomRead,
    at: u64,
    end: u64,
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
fn data_end(file: &dyn RandomRead, start: u64, len: u64) -> u64 {
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
            bytes_read: AtomicU64::new(0),
            large_files: AtomicU64::new(0),
        }
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

    /// Stores the bytes of a small file.
    pub fn small(&self, bytes: &[u8], class: Class, base: Option<&Content>) -> Result<Content> {
        self.count(bytes.len());
        self.in_memory(Lane::Data, bytes, class, base)
    }

    /// Stores a folder's listing.
    pub fn listing(&self, bytes: &[u8], base: Option<&Content>) -> Result<Content> {
        self.in_memory(Lane::Meta, bytes, Class::Stream, base)
    }

    fn in_memory(&self, lane: Lane, bytes: &[u8], class: Class, base: Option<&Content>) -> Result<Content> {
        if bytes.is_empty() {
            return Ok(Content::Empty);
        }
        if bytes.len() <= limits::INLINE_MAX && lane == Lane::Data {
            return Ok(Content::Inline(bytes.to_vec()));
        }
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let chunk_len = self.chunk_len(class);
        let mut aligner =
            if chunk_len.is_some() { Aligner::of_pages(recipe.as_ref()) } else { Aligner::of_stream(recipe.as_ref()) };
        self.writer.with_worker(|worker| {
            worker.begin_file(0);
            let mut builder =
                RecipeBuilder::new(self.writer, self.reader, node_cutter(chunk_len), recipe.as_ref(), self.trust_base);
            let mut at = 0;
            while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
                let batch = rest.get(..STREAM_BATCH).unwrap_or(rest);
                let cuts = match chunk_len {
                    Some(len) => cut_pages(batch, len),
                    None => self.cut_stream(batch, batch.len() == rest.len()),
                };
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

    fn chunk_len(&self, class: Class) -> Option<usize> {
        match class {
            Class::Page { page_size } => Some(page_chunk_len(page_size, self.page_target)),
            Class::Stream => None,
        }
    }

    /// The chunks at the beginning of `data`; what is left over at its end has to be cut with more behind it.
    fn cut_stream(&self, data: &[u8], at_end: bool) -> Vec<Range<usize>> {
        let mut cuts = Vec::with_capacity(data.len() / 8192 + 1);
        let mut start = 0;
        while let Some(rest) = data.get(start..).filter(|rest| !rest.is_empty()) {
            let Some(len) = self.chunker.next_cut(rest, at_end) else { break };
            cuts.push(start..start + len);
            start += len;
        }
        cuts
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
        let chunk_len = page_chunk_len(page_size, self.page_target);
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let recipe = recipe.as_ref();
        let segment = (SEGMENT / chunk_len).max(1) * chunk_len;
        let source = PageFile { file, len, chunk_len, recipe, number: self.number_file() };
        let mut builder =
            RecipeBuilder::new(self.writer, self.reader, node_cutter(Some(chunk_len)), recipe, self.trust_base);
        let mut at = 0u64;
        while at < len {
            let end = at.saturating_add((segment * SEGMENTS_AT_ONCE) as u64).min(len);
            let starts: Vec<u64> = (at..end).step_by(segment).collect();
            let segments: Vec<Option<Vec<Reference>>> = starts
                .into_par_iter()
                .map(|start| {
                    let wanted = segment.min((len - start) as usize);
                    self.page_segment(&source, start, wanted)
                })
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

    /// One segment of a page file; `None` where the file ends before it does.
    fn page_segment(&self, source: &PageFile<'_>, start: u64, wanted: usize) -> Result<Option<Vec<Reference>>> {
        if source.file.next_data(start, source.len) >= start + wanted as u64 {
            return Ok(Some(vec![Reference::Run { byte: 0, len: wanted as u64 }]));
        }
        let mut data = vec![0; wanted];
        if source.file.read_at(start, &mut data)? < wanted {
            return Ok(None);
        }
        self.count(wanted);
        let cuts = cut_pages(&data, source.chunk_len);
        let hashed: Vec<Hashed> = cuts.iter().map(|cut| self.hash(&data, cut, start)).collect();
        let aligned = Aligner::of_pages(source.recipe).align(&hashed)?;
        self.writer
            .with_worker(|worker| {
                worker.begin_file(source.number);
                self.store(worker, Lane::Data, &data, &cuts, &aligned)
            })
            .map(Some)
    }

    /// Stores what comes out of `input`, however long it is: while one batch is hashed and stored, the next one is read
    /// and cut. `name` stands in errors.
    pub fn stream(
        &self,
        input: &mut (dyn Read + Send),
        name: &str,
        class: Class,
        base: Option<&Content>,
    ) -> Result<Content> {
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let recipe = recipe.as_ref();
        let chunk_len = self.chunk_len(class);
        let mut aligner = if chunk_len.is_some() { Aligner::of_pages(recipe) } else { Aligner::of_stream(recipe) };
        let mut builder = RecipeBuilder::new(self.writer, self.reader, node_cutter(chunk_len), recipe, self.trust_base);
        let source = StreamSource { input, name, chunk_len, carry: Vec::new(), ended: false };
        self.stream_part(source, 0, &mut aligner, &mut builder)?;
        self.writer.with_worker(|worker| builder.finish(worker))
    }

    /// As [`ContentWriter::stream`], for a file of the class stream: its holes are not read. The content is shorter than
    /// `len` where the file has become so.
    pub fn stream_file(&self, file: &dyn RandomRead, len: u64, name: &str, base: Option<&Content>) -> Result<Content> {
        let recipe = base.and_then(|base| Recipe::new(self.reader, base));
        let recipe = recipe.as_ref();
        let mut aligner = Aligner::of_stream(recipe);
        let mut builder = RecipeBuilder::new(self.writer, self.reader, node_cutter(None), recipe, self.trust_base);
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
            let source = StreamSource { input: &mut part, name, chunk_len: None, carry: Vec::new(), ended: false };
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

/// A large page file while it is stored.
struct PageFile<'f> {
    file: &'f dyn RandomRead,
    len: u64,
    chunk_len: usize,
    /// The parent's.
    recipe: Option<&'f Recipe<'f>>,
    number: u64,
}

fn node_cutter(chunk_len: Option<usize>) -> NodeCutter {
    chunk_len.map_or(NodeCutter::Content, |len| NodeCutter::Span { chunk_len: len as u64 })
}

fn cut_pages(data: &[u8], chunk_len: usize) -> Vec<Range<usize>> {
    (0..data.len()).step_by(chunk_len).map(|start| start..(start + chunk_len).min(data.len())).collect()
}

struct StreamBatch {
    data: Vec<u8>,
    cuts: Vec<Range<usize>>,
}

struct StreamSource<'i> {
    input: &'i mut (dyn Read + Send),
    name: &'i str,
    /// For pages: the length of a chunk.
    chunk_len: Option<usize>,
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
        let cuts = match self.chunk_len {
            Some(len) if self.ended => cut_pages(&data, len),
            Some(len) => cut_pages(data.get(..data.len() / len * len).unwrap_or_default(), len),
            None => contents.cut_stream(&data, self.ended),
        };
        let end = cuts.last().map_or(0, |cut| cut.end);
        self.carry = data.split_off(end);
        Ok(Some(StreamBatch { data, cuts }))
    }
}
