//! Each stage alone: what they share.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chunk::{Cutting, HEAD_LEN, StreamChunker, cutting_of};
use crate::crypto::RepoKeys;
use crate::error::{Error, Result};
use crate::format::pack::ChunkEntry;
use crate::id::ChunkId;
use crate::ops::Progress;
use crate::ops::capture::Cutter;

use super::measure::{Cores, Meter, each};
use super::place::Place;
use super::report::{Direction, Speed, Stage};
use super::sample::{Chosen, choose};
use super::stop::Stop;
use super::tree::{Found, each_piece};

/// Plain bytes that the stages are measured on at most: all of it is in memory, some of it several times.
const STAGE_BYTES: u64 = 128 << 20;
/// As the pipeline takes them: a stream in batches, a page file in segments, bytes.
const BATCH: u64 = 8 << 20;

/// What stages are measured with.
#[derive(Clone)]
pub struct Lab<'a> {
    pub meter: Meter<'a>,
    pub progress: &'a dyn Progress,
    pub keys: Arc<RepoKeys>,
    pub chunker: StreamChunker,
    pub page_target: u32,
    pub place: &'a Place,
}

impl Lab<'_> {
    /// Measures a stage by one thread, and by all where `by_all`.
    pub fn stage<I, T>(
        &self,
        (name, direction, what): (&'static str, Direction, &'static str),
        (bytes, items): (u64, usize),
        by_all: bool,
        mut prepare: impl FnMut() -> Result<I>,
        mut work: impl FnMut(Cores, I) -> Result<T>,
    ) -> Result<Stage> {
        self.progress.stage(name, None);
        let mut measure = |cores: Cores| -> Result<Speed> {
            self.meter.rounds(bytes, &mut prepare, |input| {
                let result = work(cores, input);
                self.progress.advance(bytes);
                result
            })
        };
        let one_core = measure(Cores::One)?;
        let all_cores = by_all.then(|| measure(Cores::All)).transpose()?;
        Ok(Stage { name, direction, what, bytes, bytes_out: None, items: items as u64, one_core, all_cores })
    }

    /// Measures a stage that does the same `work` with each of `items`, by one thread and by all, each with a state of
    /// its own from `init`. `amount` is what the stage is told to be of: bytes, and a count.
    pub fn stage_of_each<T: Sync, S>(
        &self,
        name: (&'static str, Direction, &'static str),
        amount: (u64, usize),
        items: &[T],
        init: impl Fn() -> S + Sync + Send,
        work: impl Fn(&mut S, &T) -> Result<()> + Sync + Send,
    ) -> Result<Stage> {
        self.stage(name, amount, true, || Ok(()), |cores, ()| each(cores, items, &init, &work))
    }
}

/// A piece of a file, as the pipeline takes it at once.
pub struct Item {
    pub path: PathBuf,
    pub cutting: Cutting,
    pub part: Chosen,
    pub bytes: Vec<u8>,
}

impl Item {
    /// Reads the piece again, into `buffer`.
    pub fn read(&self, buffer: &mut Vec<u8>) -> Result<()> {
        let failed = |error| Error::source(&self.path, error);
        let file = File::open(&self.path).map_err(failed)?;
        buffer.resize(self.bytes.len(), 0);
        let mut rest = buffer.as_mut_slice();
        for range in &self.part.ranges {
            let len = ((range.end - range.start) as usize).min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            file.read_exact_at(now, range.start).map_err(failed)?;
            rest = later;
        }
        Ok(())
    }
}

/// Reads an even part of the files into memory.
pub fn gather(root: &Path, files: &[Found], stop: &Stop) -> Result<Vec<Item>> {
    let lengths: Vec<u64> = files.iter().map(|found| found.len).collect();
    let mut items = Vec::new();
    for part in choose(&lengths, STAGE_BYTES) {
        let Some(found) = files.get(part.file).filter(|_| part.len() > 0) else { continue };
        let path = root.join(&found.relative);
        let head = read(&path, &Chosen::stretch(part.file, 0..found.len.min(HEAD_LEN as u64)), stop)?;
        let cutting = cutting_of(&found.relative, &head, found.len);
        for range in part.ranges.iter().flat_map(batches) {
            let part = Chosen::stretch(part.file, range);
            let bytes = read(&path, &part, stop)?;
            items.push(Item { path: path.clone(), cutting, part, bytes });
        }
    }
    Ok(items)
}

fn read(path: &Path, part: &Chosen, stop: &Stop) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(part.len() as usize);
    each_piece(path, part, stop, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

/// A stretch, cut into batches of at most [`BATCH`] bytes.
fn batches(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let end = range.end;
    (range.start..end).step_by(BATCH as usize).map(move |start| start..(start + BATCH).min(end))
}

/// Cuts a piece as the pipeline does.
pub fn cuts(item: &Item, chunker: StreamChunker, page_target: u32) -> Vec<Range<usize>> {
    Cutter::new(item.cutting, chunker, page_target).cut(&item.bytes, true)
}

/// A chunk, with its id and its bytes.
#[derive(Clone, Copy)]
pub struct Cut<'i> {
    pub id: ChunkId,
    pub bytes: &'i [u8],
}

/// A block, from plain to sealed.
pub struct Made {
    pub plain: Vec<u8>,
    pub codec: crate::codec::BlockCodec,
    pub stored: Vec<u8>,
    pub chunks: Vec<ChunkEntry>,
}

/// A codec's or a format's word, which names no object.
pub fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("a stage failed: {error}"))
}

/// The bytes of all.
pub fn total<'t>(parts: impl IntoIterator<Item = &'t [u8]>) -> u64 {
    parts.into_iter().map(|part| part.len() as u64).sum()
}
