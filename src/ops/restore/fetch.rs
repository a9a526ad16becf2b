//! Chunks for their places: located in batches, read block by block in the order of the packs, checked, handed over.
//!
//! A block is decoded once for all chunks of a batch that need it. A delta belongs to the block of its base, which is
//! the large part of what it takes to make it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::pack::Form;
use crate::id::ChunkId;
use crate::repo::{PackContents, Place, Reader};

/// Chunks that a thread locates in one go.
const LOCATED_AT_ONCE: usize = 2048;
/// Places whose successors are tried before the index is asked: several threads wrote the blocks of a pack in turns, and
/// a file that was changed many times stands in as many packs.
const RECENT_PLACES: usize = 8;
/// Successors of a place that are tried: what lies between was changed later, and stands elsewhere.
const SUCCESSORS: usize = 32;

thread_local! {
    /// What the deltas of one write make.
    static MADE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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

    /// Bytes of the file: chunks that follow each other there from `offset` on. Each was checked.
    fn bytes(&self, open: &mut Self::Open, offset: u64, chunks: &[(ChunkId, &[u8])]) -> Result<()>;

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
                let mut finder = Finder::new(reader);
                pieces.iter().map(|piece| locate(&mut finder, *piece)).collect()
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

fn locate(finder: &mut Finder<'_>, piece: Piece) -> Result<Located> {
    let place = finder.find(&piece.id)?;
    let (plain_len, at, delta) = match place.form {
        Form::Full => (place.payload_len, place, None),
        Form::Delta { base, plain_len } => (plain_len, finder.find(&base)?, Some(place)),
    };
    if at.form != Form::Full {
        return Err(finder.reader.damaged(at.pack, "the base of a delta is a delta"));
    }
    if plain_len != piece.len {
        return Err(Error::damaged(format!("chunk {}", piece.id), "its length is not the one its recipe says"));
    }
    Ok(Located { piece, pack: at.pack, block: at.block, start: at.offset, stored_len: at.payload_len, delta })
}

/// Finds chunks that mostly stand in packs in the order in which they are asked for.
struct Finder<'r> {
    reader: &'r Reader,
    /// The latest first.
    recent: VecDeque<(Place, Arc<PackContents>)>,
}

impl<'r> Finder<'r> {
    fn new(reader: &'r Reader) -> Self {
        Self { reader, recent: VecDeque::with_capacity(RECENT_PLACES + 1) }
    }

    fn find(&mut self, id: &ChunkId) -> Result<Place> {
        let found = self.recent.iter().enumerate().find_map(|(at, (place, contents))| {
            let next = next_place(place, contents, id)?;
            Some((at, next))
        });
        let latest = match found {
            Some((at, place)) => self.recent.remove(at).map(|(_, contents)| (place, contents)),
            None => None,
        };
        let (place, contents) = match latest {
            Some(latest) => latest,
            None => {
                let place = self.reader.locate_one(id)?;
                (place, self.reader.contents(place.pack)?)
            }
        };
        self.recent.push_front((place, contents));
        self.recent.truncate(RECENT_PLACES);
        Ok(place)
    }
}

/// The place of `id`, where it is one of the chunks that follow `place` in its pack.
fn next_place(place: &Place, contents: &PackContents, id: &ChunkId) -> Option<Place> {
    let first = place.slot as usize + 1;
    let following = contents.footer.chunks.get(first..)?;
    let at = following.iter().take(SUCCESSORS).position(|entry| entry.id == *id)?;
    let (entry, slot) = (following.get(at)?, (first + at) as u32);
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

/// What follows each other in the file goes over together, wherever it comes from.
fn hand_over_file<C: Consumer>(
    reader: &Reader,
    consumer: &C,
    block: &[u8],
    pieces: &[Located],
    open: &mut C::Open,
) -> Result<()> {
    let follow = |a: &Located, b: &Located| a.piece.offset + u64::from(a.piece.len) == b.piece.offset;
    MADE.with_borrow_mut(|made| {
        for pieces in pieces.chunk_by(follow) {
            made.clear();
            let parts = pieces.iter().map(|located| part_of(reader, block, located, made));
            let parts: Vec<Part> = parts.collect::<Result<_>>()?;
            let bytes = |part| match part {
                Part::Stored(range) => block.get(range).unwrap_or_default(),
                Part::Made(range) => made.get(range).unwrap_or_default(),
            };
            let ids = pieces.iter().map(|located| located.piece.id);
            let chunks: Vec<(ChunkId, &[u8])> = ids.zip(parts.into_iter().map(bytes)).collect();
            if let Some(first) = pieces.first() {
                consumer.bytes(open, first.piece.offset, &chunks)?;
            }
        }
        Ok(())
    })
}

/// Where bytes of a file are.
enum Part {
    /// In the block.
    Stored(Range<usize>),
    /// Among what was made of deltas.
    Made(Range<usize>),
}

/// The bytes of a piece, checked. What a delta makes is appended to `made`.
fn part_of(reader: &Reader, block: &[u8], located: &Located, made: &mut Vec<u8>) -> Result<Part> {
    let range = located.start as usize..located.start as usize + located.stored_len as usize;
    let stored = block
        .get(range.clone())
        .ok_or_else(|| reader.damaged(located.pack, "a chunk reaches over the end of its block"))?;
    let Piece { id, len, .. } = located.piece;
    let Some(place) = &located.delta else {
        reader.check(&id, located.pack, stored)?;
        return Ok(Part::Stored(range));
    };
    let start = made.len();
    reader.apply_delta_into(place.pack, stored, &reader.payload(place)?, len, made)?;
    reader.check(&id, place.pack, made.get(start..).unwrap_or_default())?;
    Ok(Part::Made(start..made.len()))
}
