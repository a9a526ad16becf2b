//! Comparing files of the target with their recipes, chunk by chunk, without reading the repository's data.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::error::Result;
use crate::format::recipe::Reference;
use crate::format::tree::{Content, Metadata};
use crate::ops::Progress;
use crate::repo::{Extent, Reader, Recipe};

use super::attributes::Attributes;
use super::batch::extents_from;
use super::bytes::{GRAIN, differing, read_zero_padded};
use super::folders::Folders;
use super::sink::Spot;

/// What is read at once of a file, bytes.
const WINDOW: u64 = 1 << 20;
/// Parts that a file is compared in at most, side by side.
const PARTS_MAX: u64 = 4096;
/// How much of a run is read at once, bytes.
const RUN_PIECE: usize = 64 * GRAIN;

/// A file of the target that may be what the snapshot has.
pub(super) struct Candidate {
    pub(super) folder: u32,
    pub(super) name: Box<[u8]>,
    pub(super) metadata: Metadata,
    pub(super) content: Content,
    /// Length of the file that is there.
    pub(super) old_len: u64,
    /// Whether it may be written; else it has other names elsewhere, and has to be made anew if it differs.
    pub(super) may_write: bool,
}

/// How a candidate differs.
pub(super) struct Compared {
    pub(super) candidate: Candidate,
    /// The parts of the content that are not there: whole chunks, and parts of runs.
    pub(super) ranges: Vec<Range<u64>>,
    pub(super) metadata_is_set: bool,
}

impl Compared {
    /// Whether content and length are the same.
    pub(super) fn content_is_same(&self) -> bool {
        self.ranges.is_empty() && self.candidate.old_len == self.candidate.content.len()
    }
}

/// A part of a candidate: what one thread compares in one go.
struct Part<'a> {
    candidate: usize,
    recipe: Option<&'a Recipe<'a>>,
    range: Range<u64>,
}

fn parts<'a>(number: usize, candidate: &Candidate, recipe: Option<&'a Recipe<'a>>) -> impl Iterator<Item = Part<'a>> {
    let len = candidate.content.len();
    let part_len = len.div_ceil(PARTS_MAX).max(1).saturating_add(WINDOW - 1) / WINDOW * WINDOW;
    let end = move |start: u64| start.saturating_add(part_len).min(len);
    (0..len.max(1)).step_by(part_len as usize).map(move |start| Part {
        candidate: number,
        recipe,
        range: start..end(start),
    })
}

/// Compares all candidates, side by side.
pub(super) fn compare(
    reader: &Reader,
    folders: &Folders,
    attributes: &Attributes<'_>,
    progress: &dyn Progress,
    candidates: Vec<Candidate>,
) -> Result<Vec<Compared>> {
    let is_deep = |candidate: &Candidate| matches!(candidate.content, Content::Chunks { depth: 1.., .. });
    let recipes: Vec<Option<Recipe<'_>>> = candidates
        .iter()
        .map(|candidate| if is_deep(candidate) { Recipe::new(reader, &candidate.content) } else { None })
        .collect();
    let parts: Vec<Part<'_>> = candidates
        .iter()
        .zip(&recipes)
        .enumerate()
        .flat_map(|(number, (candidate, recipe))| parts(number, candidate, recipe.as_ref()))
        .collect();
    let outcomes: Vec<(Vec<Range<u64>>, bool)> = parts
        .par_iter()
        .map(|part| match candidates.get(part.candidate) {
            Some(candidate) => compare_part(reader, folders, attributes, progress, candidate, part),
            None => Ok((Vec::new(), true)),
        })
        .collect::<Result<_>>()?;
    let numbers: Vec<usize> = parts.iter().map(|part| part.candidate).collect();
    let mut compared: Vec<Compared> = candidates
        .into_iter()
        .map(|candidate| Compared { candidate, ranges: Vec::new(), metadata_is_set: true })
        .collect();
    for (number, (ranges, metadata_is_set)) in numbers.into_iter().zip(outcomes) {
        let Some(compared) = compared.get_mut(number) else { continue };
        compared.metadata_is_set &= metadata_is_set;
        for range in ranges {
            push_joined(&mut compared.ranges, range);
        }
    }
    Ok(compared)
}

fn push_joined(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    }
}

fn compare_part(
    reader: &Reader,
    folders: &Folders,
    attributes: &Attributes<'_>,
    progress: &dyn Progress,
    candidate: &Candidate,
    part: &Part<'_>,
) -> Result<(Vec<Range<u64>>, bool)> {
    let spot = Spot { folders, folder: candidate.folder, name: &candidate.name };
    let file = spot.open_file()?;
    let metadata_is_set = part.range.start > 0 || attributes.are_set(&spot, &file, &candidate.metadata)?;
    let mut ranges = Vec::new();
    let mut buffer = Vec::new();
    if let Content::Inline(bytes) = &candidate.content {
        read_zero_padded(&file, 0, bytes.len(), &mut buffer).map_err(|error| spot.error(error))?;
        if candidate.old_len < bytes.len() as u64 || buffer != *bytes {
            ranges.push(0..bytes.len() as u64);
        }
        return Ok((ranges, metadata_is_set));
    }
    let mut at = part.range.start;
    while at < part.range.end {
        progress.go_on()?;
        let (extents, window) = extents_from(part.recipe, &candidate.content, at, WINDOW, part.range.end)?;
        compare_window(reader, &file, candidate.old_len, &extents, &window, &mut buffer, &mut ranges)
            .map_err(|error| spot.error(error))?;
        progress.advance(window.end - window.start);
        at = window.end;
    }
    Ok((ranges, metadata_is_set))
}

fn compare_window(
    reader: &Reader,
    file: &File,
    old_len: u64,
    extents: &[Extent],
    window: &Range<u64>,
    buffer: &mut Vec<u8>,
    ranges: &mut Vec<Range<u64>>,
) -> std::io::Result<()> {
    let begins_here = |extent: &&Extent| extent.offset >= window.start;
    let is_chunk = |extent: &&Extent| matches!(extent.reference, Reference::Chunk { .. });
    let mut chunks = extents.iter().filter(is_chunk).filter(begins_here);
    // Neighbouring chunks are read together; lengths come from the repository: never read more than the file has.
    let start = chunks.clone().next().map_or(0, |extent| extent.offset);
    let end = chunks.next_back().map_or(0, |extent| extent.offset + extent.reference.len());
    let there = end.min(old_len).saturating_sub(start) as usize;
    read_zero_padded(file, start, there, buffer)?;
    for extent in extents {
        match extent.reference {
            Reference::Chunk { id, len } if begins_here(&extent) => {
                let from = (extent.offset - start) as usize;
                let present = buffer.get(from..from.saturating_add(len as usize));
                if present.is_none_or(|present| reader.chunk_id(present) != id) {
                    push_joined(ranges, extent.offset..extent.offset + len);
                }
            }
            Reference::Chunk { .. } => {}
            Reference::Run { byte, len } => {
                let from = extent.offset.max(window.start);
                let to = extent.offset.saturating_add(len).min(window.end);
                compare_run(file, old_len, byte, from..to, ranges)?;
            }
        }
    }
    Ok(())
}

/// The parts of a run that are not there: grains with another byte, and all that lies beyond the file's end.
fn compare_run(
    file: &File,
    old_len: u64,
    byte: u8,
    range: Range<u64>,
    ranges: &mut Vec<Range<u64>>,
) -> std::io::Result<()> {
    let there = range.end.min(old_len);
    let wanted = [byte; RUN_PIECE];
    let mut present = [0; RUN_PIECE];
    let mut at = range.start;
    while at < there {
        if byte == 0 {
            at = next_data(file, at)?.min(there);
        }
        let len = (there - at).min(RUN_PIECE as u64) as usize;
        let (Some(present), Some(wanted)) = (present.get_mut(..len), wanted.get(..len)) else { break };
        file.read_exact_at(present, at)?;
        for part in differing(at, wanted, present) {
            push_joined(ranges, at + part.start as u64..at + part.end as u64);
        }
        at += len as u64;
    }
    if there < range.end {
        push_joined(ranges, range.start.max(there)..range.end);
    }
    Ok(())
}

/// Where the next byte that is not in a hole is; at the earliest `at`.
fn next_data(file: &File, at: u64) -> std::io::Result<u64> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(data),
        // There is nothing but a hole behind it.
        Err(Errno::NXIO) => Ok(u64::MAX),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
        Err(error) => Err(error.into()),
    }
}
