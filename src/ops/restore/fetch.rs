//! Chunks for their places: located in batches, read block by block in the order of the packs, checked, handed over.
//!
//! A block is decoded once for all chunks of a batch that need it. A delta belongs to the block of its base, which is
//! the large part of what it takes to make it.

use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::pack::Form;
use crate::id::ChunkId;
use crate::repo::{PackContents, Place, Reader};

/// Chunks that a thread locates in one go.
const LOCATED_AT_ONCE: usize = 2048;
/// Places whose successors are tried before the index is asked: several threads wrote the blocks of a pack in turns.
const RECENT_PLACES: usize = 6;

/// A chunk and where it belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// The file's number in its batch.
    pub(super) file: u32,
    /// Length, bytes.
    pub(super) len: u32,
    /// Offset in the file, bytes.
    pub(super) offset: u64,
    pub(super) id: ChunkId,
}

/// Takes the bytes of pieces, from many threads.
pub(super) trait Consumer: Sync {
    /// A file that is being given some of its pieces.
    type Open;

    /// Begins with a file: the block at hand holds `pieces` of its pieces.
    fn open(&self, file: u32, pieces: u32) -> Result<Self::Open>;

    /// Bytes of the file, one piece or several that follow each other; every chunk in them was checked.
    fn bytes(&self, open: &mut Self::Open, offset: u64, bytes: &[u8]) -> Result<()>;

    /// That was all that the block had for the file.
    fn close(&self, open: Self::Open) -> Result<()>;
}

struct Located {
    piece: Piece,
    /// Pack and block of the full chunk: the piece itself, or the base of its delta.
    pack: u32,
    block: u32,
    start: u32,
    stored_len: u32,
    delta: Option<Place>,
}

impl Located {
    fn block(&self) -> (u32, u32) {
        (self.pack, self.block)
    }
}

/// Pieces in the order in which their blocks are read.
pub(super) struct LocatedPieces {
    pieces: Vec<Located>,
}

impl LocatedPieces {
    /// Finds every piece.
    pub(super) fn locate(reader: &Reader, pieces: &[Piece]) -> Result<Self> {
        let located: Vec<Vec<Located>> = pieces
            .par_chunks(LOCATED_AT_ONCE)
            .map(|pieces| {
                let (mut places, mut bases) = (Finder::new(reader), Finder::new(reader));
                pieces.iter().map(|piece| locate(reader, &mut places, &mut bases, *piece)).collect()
            })
            .collect::<Result<_>>()?;
        let mut pieces: Vec<Located> = located.into_iter().flatten().collect();
        pieces.par_sort_unstable_by_key(|located| (located.block(), located.piece.file, located.piece.offset));
        Ok(Self { pieces })
    }

    /// Calls `each` with a file's number once for every block that holds pieces of it.
    pub(super) fn each_file_in_a_block(&self, mut each: impl FnMut(u32)) {
        let same = |a: &Located, b: &Located| (a.block(), a.piece.file) == (b.block(), b.piece.file);
        self.pieces.chunk_by(same).filter_map(|group| group.first()).for_each(|located| each(located.piece.file));
    }

    /// Reads all blocks, side by side, and hands every piece to `consumer`.
    pub(super) fn hand_over<C: Consumer>(&self, reader: &Reader, consumer: &C) -> Result<()> {
        let blocks: Vec<&[Located]> = self.pieces.chunk_by(|a, b| a.block() == b.block()).collect();
        blocks.into_par_iter().with_max_len(1).try_for_each(|pieces| hand_over_block(reader, consumer, pieces))
    }
}

fn locate(reader: &Reader, places: &mut Finder<'_>, bases: &mut Finder<'_>, piece: Piece) -> Result<Located> {
    let place = places.find(&piece.id)?;
    let (plain_len, at, delta) = match place.form {
        Form::Full => (place.payload_len, place, None),
        Form::Delta { base, plain_len } => (plain_len, bases.find(&base)?, Some(place)),
    };
    if at.form != Form::Full {
        return Err(reader.damaged(at.pack, "the base of a delta is a delta"));
    }
    if plain_len != piece.len {
        return Err(Error::damaged(format!("chunk {}", piece.id), "its length is not the one its recipe says"));
    }
    Ok(Located { piece, pack: at.pack, block: at.block, start: at.offset, stored_len: at.payload_len, delta })
}

/// Finds chunks that mostly stand in packs in the order in which they are asked for.
struct Finder<'r> {
    reader: &'r Reader,
    recent: VecDeque<(Place, Arc<PackContents>)>,
}

impl<'r> Finder<'r> {
    fn new(reader: &'r Reader) -> Self {
        Self { reader, recent: VecDeque::with_capacity(RECENT_PLACES + 1) }
    }

    fn find(&mut self, id: &ChunkId) -> Result<Place> {
        for (place, contents) in &mut self.recent {
            if let Some(next) = next_place(place, contents, id) {
                *place = next;
                return Ok(next);
            }
        }
        let place = self.reader.locate_one(id)?;
        self.recent.push_front((place, self.reader.contents(place.pack)?));
        self.recent.truncate(RECENT_PLACES);
        Ok(place)
    }
}

/// The place of `id`, where it is the very chunk that follows `place` in its pack.
fn next_place(place: &Place, contents: &PackContents, id: &ChunkId) -> Option<Place> {
    let slot = place.slot + 1;
    let entry = contents.footer.chunks.get(slot as usize).filter(|entry| entry.id == *id)?;
    let (block, offset) = contents.place(slot)?;
    Some(Place { pack: place.pack, slot, block, offset, payload_len: entry.payload_len, form: entry.form })
}

fn hand_over_block<C: Consumer>(reader: &Reader, consumer: &C, pieces: &[Located]) -> Result<()> {
    let Some(&Located { pack, block, .. }) = pieces.first() else { return Ok(()) };
    let contents = reader.contents(pack)?;
    let plain = reader.decode_block_of(&contents, block)?;
    for of_file in pieces.chunk_by(|a, b| a.piece.file == b.piece.file) {
        let Some(first) = of_file.first() else { continue };
        let mut open = consumer.open(first.piece.file, of_file.len() as u32)?;
        hand_over_file(reader, consumer, &plain, of_file, &mut open)?;
        consumer.close(open)?;
    }
    Ok(())
}

/// Full chunks that follow each other in the block and in the file go over as one.
fn hand_over_file<C: Consumer>(
    reader: &Reader,
    consumer: &C,
    block: &[u8],
    pieces: &[Located],
    open: &mut C::Open,
) -> Result<()> {
    let mut run: Option<(u64, std::ops::Range<usize>)> = None;
    for located in pieces {
        let Piece { id, offset, len, .. } = located.piece;
        let (start, end) = (located.start as usize, located.start as usize + located.stored_len as usize);
        let stored = block
            .get(start..end)
            .ok_or_else(|| reader.damaged(located.pack, "a chunk reaches over the end of its block"))?;
        if located.delta.is_none() {
            reader.check(&id, located.pack, stored)?;
            match &mut run {
                Some((from, range)) if range.end == start && *from + range.len() as u64 == offset => {
                    range.end = end;
                    continue;
                }
                _ => {}
            }
        }
        if let Some((from, range)) = run.take() {
            consumer.bytes(open, from, block.get(range).unwrap_or_default())?;
        }
        match &located.delta {
            None => run = Some((offset, start..end)),
            Some(place) => {
                let plain = reader.apply_delta(place.pack, stored, &reader.payload(place)?, len)?;
                reader.check(&id, place.pack, &plain)?;
                consumer.bytes(open, offset, &plain)?;
            }
        }
    }
    match run {
        Some((from, range)) => consumer.bytes(open, from, block.get(range).unwrap_or_default()),
        None => Ok(()),
    }
}
