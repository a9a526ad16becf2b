//! Many chunks at once: looked up together, each block decoded once, by all threads.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::pack::Form;
use crate::format::recipe::RecipeNode;
use crate::id::ChunkId;

use super::reader::{Place, Reader, absent};
use super::recipes::check_node;

/// What came of reading several chunks.
#[derive(Debug)]
pub struct Fetched {
    /// The plain bytes of the chunks, in the order that was asked for: all of them, or those before the first that
    /// cannot be read.
    pub chunks: Vec<Vec<u8>>,
    /// Why that one cannot be read.
    pub failure: Option<Error>,
}

/// Reads `ids`, each checked against its id.
///
/// Takes about twice the plain bytes of the chunks, and a block for each thread: not the blocks that the chunks lie in,
/// of which there may be as many as chunks.
pub fn fetch_chunks(reader: &Reader, ids: &[ChunkId]) -> Fetched {
    let (places, failure) = located(reader, ids);
    let mut first = First::new(places.len(), failure);
    let parts = gather(reader, ids, &places, &mut first);
    let plain: Vec<Result<Vec<u8>>> = parts
        .into_par_iter()
        .zip(places.par_iter().zip(ids))
        .with_min_len(8)
        .map(|(part, (place, id))| match (place.form, part) {
            (Form::Full, Part { payload, .. }) => Ok(payload),
            (Form::Delta { plain_len, .. }, Part { payload, base }) => {
                let plain = reader.apply_delta(place.pack, &base, &payload, plain_len)?;
                reader.check(id, place.pack, &plain).map(|()| plain)
            }
        })
        .collect();
    let mut chunks = Vec::with_capacity(plain.len());
    for (at, plain) in plain.into_iter().enumerate().take(first.at) {
        match plain {
            Ok(plain) => chunks.push(plain),
            Err(error) => {
                first.note(at, error);
                break;
            }
        }
    }
    Fetched { chunks, failure: first.error }
}

/// Reads the recipe node `id` of level `depth`, which stands for `len` data bytes.
pub fn fetch_node(reader: &Reader, id: &ChunkId, len: u64, depth: u8) -> Result<RecipeNode> {
    decode_node(id, &reader.chunk(id)?, len, depth)
}

/// Reads several recipe nodes of level `depth`, each with the data bytes it stands for.
pub fn fetch_nodes(reader: &Reader, nodes: &[(ChunkId, u64)], depth: u8) -> Result<Vec<RecipeNode>> {
    let ids: Vec<ChunkId> = nodes.iter().map(|(id, _)| *id).collect();
    let Fetched { chunks, failure } = fetch_chunks(reader, &ids);
    if let Some(error) = failure {
        return Err(error);
    }
    chunks.iter().zip(nodes).map(|(bytes, (id, len))| decode_node(id, bytes, *len, depth)).collect()
}

/// The node whose stored bytes are `bytes`, held against what names it.
pub(super) fn decode_node(id: &ChunkId, bytes: &[u8], len: u64, depth: u8) -> Result<RecipeNode> {
    let node = RecipeNode::decode(bytes).map_err(|error| error.of(format!("recipe node {id}")))?;
    check_node(id, &node, len, depth)?;
    Ok(node)
}

/// The first failure by position: what comes after it is not wanted any more.
struct First {
    at: usize,
    error: Option<Error>,
}

impl First {
    fn new(at: usize, error: Option<Error>) -> Self {
        Self { at, error }
    }

    fn note(&mut self, at: usize, error: Error) {
        if at < self.at || self.error.is_none() {
            (self.at, self.error) = (at, Some(error));
        }
    }
}

/// The places of `ids` up to the first that has none, and what is wrong with that one.
fn located(reader: &Reader, ids: &[ChunkId]) -> (Vec<Place>, Option<Error>) {
    let mut places = Vec::with_capacity(ids.len());
    match reader.locate(ids) {
        Ok(found) => {
            for (id, place) in ids.iter().zip(found) {
                match place {
                    Some(place) => places.push(place),
                    None => return (places, Some(absent(id))),
                }
            }
        }
        // Asked for one by one, the chunk that it fails for can be told.
        Err(_) => {
            for id in ids {
                match reader.locate_one(id) {
                    Ok(place) => places.push(place),
                    Err(error) => return (places, Some(error)),
                }
            }
        }
    }
    (places, None)
}

/// What a chunk is made of.
#[derive(Default)]
struct Part {
    /// Its plain bytes, checked; or its delta.
    payload: Vec<u8>,
    /// For a delta: the plain bytes of its base.
    base: Vec<u8>,
}

/// A piece of a block that is needed for the `want`-th chunk.
struct Job {
    want: usize,
    place: Place,
    is_base: bool,
}

impl Job {
    fn block(&self) -> (u32, u32) {
        (self.place.pack, self.place.block)
    }
}

fn jobs(reader: &Reader, places: &[Place], first: &mut First) -> Vec<Job> {
    let deltas: Vec<(usize, ChunkId)> = places
        .iter()
        .enumerate()
        .filter_map(|(want, place)| match place.form {
            Form::Delta { base, .. } => Some((want, base)),
            Form::Full => None,
        })
        .collect();
    let bases: Vec<ChunkId> = deltas.iter().map(|(_, base)| *base).collect();
    let (base_places, failure) = located(reader, &bases);
    if let (Some(error), Some((want, _))) = (failure, deltas.get(base_places.len())) {
        first.note(*want, error);
    }
    let mut jobs: Vec<Job> =
        places.iter().enumerate().map(|(want, place)| Job { want, place: *place, is_base: false }).collect();
    for ((want, _), place) in deltas.into_iter().zip(base_places) {
        if place.form != Form::Full {
            first.note(want, reader.damaged(place.pack, "the base of a delta is a delta"));
        }
        jobs.push(Job { want, place, is_base: true });
    }
    jobs.retain(|job| job.want < first.at);
    jobs.sort_unstable_by_key(|job| (job.block(), job.place.offset));
    jobs
}

/// Decodes each block once and takes out of it what is needed.
fn gather(reader: &Reader, ids: &[ChunkId], places: &[Place], first: &mut First) -> Vec<Part> {
    let jobs = jobs(reader, places, first);
    let blocks: Vec<&[Job]> = jobs.chunk_by(|a, b| a.block() == b.block()).collect();
    let taken: Vec<Taken> = blocks.par_iter().map(|jobs| take_out(reader, ids, jobs)).collect();
    let mut parts: Vec<Part> = Vec::new();
    parts.resize_with(places.len(), Part::default);
    for (jobs, taken) in blocks.into_iter().zip(taken) {
        match taken {
            Ok(pieces) => {
                for (job, piece) in jobs.iter().zip(pieces) {
                    if let Some(part) = parts.get_mut(job.want) {
                        *(if job.is_base { &mut part.base } else { &mut part.payload }) = piece;
                    }
                }
            }
            Err((want, error)) => first.note(want, error),
        }
    }
    parts.truncate(first.at);
    parts
}

/// The pieces of one block; or the first chunk that lacks one, and why.
type Taken = Result<Vec<Vec<u8>>, (usize, Error)>;

fn take_out(reader: &Reader, ids: &[ChunkId], jobs: &[Job]) -> Taken {
    let mut pieces = Vec::with_capacity(jobs.len());
    for job in jobs {
        // The block stays in the reader's cache: all but the first of these only look it up.
        let payload = reader.payload(&job.place).map_err(|error| {
            let first = jobs.iter().map(|job| job.want).min().unwrap_or(job.want);
            (first, error)
        })?;
        if let (false, Form::Full, Some(id)) = (job.is_base, job.place.form, ids.get(job.want)) {
            reader.check(id, job.place.pack, &payload).map_err(|error| (job.want, error))?;
        }
        pieces.push(payload.to_vec());
    }
    Ok(pieces)
}
