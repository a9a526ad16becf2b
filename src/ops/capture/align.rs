//! Which chunk of the parent stands where a new chunk stands now: found by position, not by search.
//!
//! In a page file that is the chunk at the same offset. In a stream, known chunks are anchors: between two of them the
//! new chunk's place in the old version is its own, moved by as much as the nearer anchor has moved.

use std::collections::HashMap;

use crate::error::Result;
use crate::format::recipe::Reference;
use crate::id::ChunkId;
use crate::repo::{Extent, Recipe};

/// How far around its expected place a chunk of the old version is looked for, bytes.
const REACH: u64 = 1 << 20;

/// A piece of the new version, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// Offset in the content, bytes.
    pub offset: u64,
    /// What is there.
    pub reference: Reference,
}

/// A piece of the new version beside the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aligned {
    /// What is there.
    pub reference: Reference,
    /// Whether the old version refers to the same chunk near the same place.
    pub in_base: bool,
    /// For a chunk that the old version has not: the chunk that stands in its place.
    pub base: Option<ChunkId>,
}

/// Follows a new version along an old one, batch by batch.
pub struct Aligner<'r> {
    recipe: Option<&'r Recipe<'r>>,
    /// Whether a chunk's place in the old version is its own offset and nothing else.
    fixed: bool,
    /// Whether what stands in a chunk's place in the old version is likely to be alike.
    is_alike: bool,
    /// Old offset minus new offset, at the last anchor.
    drift: i64,
}

impl<'r> Aligner<'r> {
    /// For a stream: begins at the beginning of both.
    pub fn of_stream(recipe: Option<&'r Recipe<'r>>) -> Self {
        Self { recipe, fixed: false, is_alike: true, drift: 0 }
    }

    /// For a page file, anywhere in it.
    pub fn of_pages(recipe: Option<&'r Recipe<'r>>) -> Self {
        Self { recipe, fixed: true, is_alike: true, drift: 0 }
    }

    /// For a log, anywhere in it. What is written over an older log has nothing in common with it, so no chunk has a base.
    pub fn of_log(recipe: Option<&'r Recipe<'r>>) -> Self {
        Self { recipe, fixed: true, is_alike: false, drift: 0 }
    }

    /// Aligns the next pieces, which follow each other.
    pub fn align(&mut self, pieces: &[Hashed]) -> Result<Vec<Aligned>> {
        let alone = |piece: &Hashed| Aligned { reference: piece.reference, in_base: false, base: None };
        let (Some(recipe), Some(first), Some(last)) = (self.recipe, pieces.first(), pieces.last()) else {
            return Ok(pieces.iter().map(alone).collect());
        };
        let reach = if self.fixed { 0 } else { REACH };
        let from = moved(first.offset, self.drift).saturating_sub(reach);
        let to = moved(last.offset + last.reference.len(), self.drift).saturating_add(reach);
        let old = recipe.extents(from..to)?;
        let drifts = self.drifts(pieces, &old);
        Ok(pieces
            .iter()
            .zip(drifts)
            .map(|(piece, drift)| match drift {
                Drift::Anchor => Aligned { reference: piece.reference, in_base: true, base: None },
                Drift::Near(drift) => Aligned {
                    reference: piece.reference,
                    in_base: false,
                    base: self
                        .is_alike
                        .then(|| standing_at(&old, moved(piece.offset, drift), piece.reference.len()))
                        .flatten(),
                },
            })
            .collect())
    }

    /// For each piece, how far the old version is shifted there.
    fn drifts(&mut self, pieces: &[Hashed], old: &[Extent]) -> Vec<Drift> {
        let mut places: HashMap<ChunkId, u64> = HashMap::with_capacity(old.len());
        for extent in old {
            if let Reference::Chunk { id, .. } = extent.reference {
                places.entry(id).or_insert(extent.offset);
            }
        }
        let anchor = |piece: &Hashed| match piece.reference {
            Reference::Chunk { id, .. } => {
                places.get(&id).map(|&old| old as i64 - piece.offset as i64).filter(|drift| *drift == 0 || !self.fixed)
            }
            Reference::Run { .. } => None,
        };
        let anchors: Vec<Option<i64>> = pieces.iter().map(anchor).collect();
        let mut drifts = Vec::with_capacity(pieces.len());
        let mut left = (0usize, self.drift);
        let mut right = anchors.iter().enumerate().filter_map(|(at, drift)| Some((at, (*drift)?))).peekable();
        for (at, anchor) in anchors.iter().enumerate() {
            if let Some(drift) = anchor {
                left = (at, *drift);
                right.next();
                drifts.push(Drift::Anchor);
                continue;
            }
            let nearer = match right.peek() {
                Some(&(right_at, drift)) if right_at - at < at - left.0 => drift,
                _ => left.1,
            };
            drifts.push(Drift::Near(nearer));
        }
        self.drift = left.1;
        drifts
    }
}

#[derive(Clone, Copy)]
enum Drift {
    /// The piece is in the old version.
    Anchor,
    /// The nearest anchor is moved by so much.
    Near(i64),
}

fn moved(offset: u64, drift: i64) -> u64 {
    offset.saturating_add_signed(drift)
}

/// The chunk that shares the most bytes of place with `start..start + len`.
pub fn standing_at(old: &[Extent], start: u64, len: u64) -> Option<ChunkId> {
    let end = start.saturating_add(len);
    let first = old.partition_point(|extent| extent.offset.saturating_add(extent.reference.len()) <= start);
    let overlap = |extent: &Extent| {
        let extent_end = extent.offset.saturating_add(extent.reference.len());
        extent_end.min(end).saturating_sub(extent.offset.max(start))
    };
    old.get(first..)?
        .iter()
        .take_while(|extent| extent.offset < end)
        .filter_map(|extent| match extent.reference {
            Reference::Chunk { id, .. } => Some((overlap(extent), id)),
            Reference::Run { .. } => None,
        })
        .max_by_key(|(overlap, _)| *overlap)
        .map(|(_, id)| id)
}
