//! The stages into a repository: read, cut, hash, look up, delta, compress, seal, write.

use std::collections::HashSet;
use std::hint::black_box;

use rayon::prelude::*;

use crate::chunk::repeated_byte;
use crate::codec::{BlockCodec, Compressor, DeltaEncoder, Effort, Habit};
use crate::error::Result;
use crate::format::pack::{Block, BlockEntry, ChunkEntry, Footer, Form, PackBuilder, PackKind};
use crate::id::{CHUNK_ID_LEN, ChunkId, PackId};
use crate::limits::BLOCK_TARGET;
use crate::repo::{Index, pack_name};
use crate::storage::{LocalFolder, Storage};

use super::data::Random;
use super::report::{Direction, Stage};
use super::stages::{Cut, Item, Lab, Made, cuts, failed, total};

/// Ids that the pipeline looks up at once.
const LOOKUP_BATCH: usize = 128;
/// Chunks in a pack of the index that is asked.
const PER_PACK: usize = 4000;
/// Chunks that a thread takes at once.
const CHUNKS_AT_ONCE: usize = 64;
/// Deltas are measured on that many bytes of chunks at most.
const DELTA_BYTES: u64 = 32 << 20;
const CHANGED_LEN: usize = 60;

/// A delta, with what it was made of.
pub struct Delta<'i> {
    pub base: &'i [u8],
    pub target: Vec<u8>,
    pub delta: Vec<u8>,
}

/// A pack of the stages' own.
pub struct Pack {
    pub id: PackId,
    pub bytes: Vec<u8>,
}

pub fn read(lab: &Lab<'_>, items: &[Item]) -> Result<Stage> {
    let bytes = total(items.iter().map(|item| item.bytes.as_slice()));
    let what = ("read", Direction::There, "files opened and read, from the system's cache");
    lab.stage_of_each(what, (bytes, items.len()), items, Vec::new, |buffer: &mut Vec<u8>, item| {
        item.read(buffer)?;
        black_box(buffer);
        Ok(())
    })
}

pub fn cut(lab: &Lab<'_>, items: &[Item]) -> Result<Stage> {
    let bytes = total(items.iter().map(|item| item.bytes.as_slice()));
    let chunks = items.par_iter().map(|item| cuts(item, lab.chunker, lab.page_target).len()).sum();
    let what = ("cut", Direction::There, "into chunks, by content or by pages");
    lab.stage_of_each(
        what,
        (bytes, chunks),
        items,
        || (),
        |(), item| {
            black_box(cuts(item, lab.chunker, lab.page_target));
            Ok(())
        },
    )
}

/// All chunks but runs of one byte, which have no id.
pub fn chunks<'i>(lab: &Lab<'_>, items: &'i [Item]) -> Vec<Cut<'i>> {
    let of = |item: &'i Item| -> Vec<Cut<'i>> {
        let chunks = cuts(item, lab.chunker, lab.page_target);
        let bytes = chunks.into_iter().filter_map(|range| item.bytes.get(range));
        let no_run = bytes.filter(|bytes| repeated_byte(bytes).is_none());
        no_run.map(|bytes| Cut { id: lab.keys.chunk_id(bytes), bytes }).collect()
    };
    items.par_iter().flat_map_iter(of).collect()
}

pub fn hash(lab: &Lab<'_>, items: &[Item]) -> Result<Stage> {
    let bytes = total(items.iter().map(|item| item.bytes.as_slice()));
    let pieces: Vec<&[u8]> = items
        .iter()
        .flat_map(|item| cuts(item, lab.chunker, lab.page_target).into_iter().map(|range| item.bytes.get(range)))
        .flatten()
        .collect();
    let groups: Vec<&[&[u8]]> = pieces.chunks(CHUNKS_AT_ONCE).collect();
    let what = ("hash", Direction::There, "runs recognised, ids of the other chunks by BLAKE3");
    lab.stage_of_each(
        what,
        (bytes, pieces.len()),
        &groups,
        || (),
        |(), group| {
            for piece in group.iter().filter(|piece| repeated_byte(piece).is_none()) {
                black_box(lab.keys.chunk_id(piece));
            }
            Ok(())
        },
    )
}

/// Asks an index of all chunks for as many others, and for themselves.
pub fn look_up(lab: &Lab<'_>, chunks: &[Cut<'_>]) -> Result<[Stage; 2]> {
    let folder = lab.place.folder("lookup")?;
    let (index, _) = Index::open(&folder, lab.keys.repo())?;
    for (number, group) in chunks.chunks(PER_PACK).enumerate() {
        let mut id = [0; 32];
        Random::new(number as u64).fill(&mut id);
        index.insert(PackId(id), PackKind::Data, 16 << 20, &footer(group))?;
    }
    index.flush()?;
    let bytes = total(chunks.iter().map(|chunk| chunk.bytes));
    let known: Vec<ChunkId> = chunks.iter().map(|chunk| chunk.id).collect();
    let others: Vec<ChunkId> = known.iter().map(another).collect();
    let ask = |what, ids: &[ChunkId]| {
        let batches: Vec<&[ChunkId]> = ids.chunks(LOOKUP_BATCH).collect();
        lab.stage_of_each(
            what,
            (bytes, ids.len()),
            &batches,
            || (),
            |(), batch| {
                black_box(index.get(batch)?);
                Ok(())
            },
        )
    };
    let stages = [
        ask(
            ("look up, new", Direction::There, "ids that the index does not have; it has all chunks of this data"),
            &others,
        )?,
        ask(("look up, known", Direction::There, "ids that it has"), &known)?,
    ];
    drop(index);
    lab.place.remove("lookup")?;
    Ok(stages)
}

fn another(id: &ChunkId) -> ChunkId {
    let mut other = [0; CHUNK_ID_LEN];
    other.iter_mut().zip(id.as_bytes()).for_each(|(to, from)| *to = !from);
    ChunkId(other)
}

fn entry(chunk: &Cut<'_>) -> ChunkEntry {
    ChunkEntry { id: chunk.id, payload_len: chunk.bytes.len() as u32, form: Form::Full }
}

fn footer(chunks: &[Cut<'_>]) -> Footer {
    let plain_len = total(chunks.iter().map(|chunk| chunk.bytes)) as u32;
    let block = BlockEntry { codec: BlockCodec::Zstd, plain_len, sealed_len: plain_len, chunks: chunks.len() as u32 };
    Footer { blocks: vec![block], chunks: chunks.iter().map(entry).collect() }
}

/// Against the same chunks with one change each: what a chunk costs in which a row was updated.
pub fn delta<'i>(lab: &Lab<'_>, chunks: &[Cut<'i>]) -> Result<(Stage, Vec<Delta<'i>>)> {
    let every = (total(chunks.iter().map(|chunk| chunk.bytes)) / DELTA_BYTES + 1) as usize;
    let mut random = Random::new(17);
    let mut deltas: Vec<Delta<'i>> = Vec::new();
    for chunk in chunks.iter().step_by(every) {
        let mut target = chunk.bytes.to_vec();
        let at = random.below(target.len());
        random.fill(target.get_mut(at..(at + CHANGED_LEN).min(chunk.bytes.len())).unwrap_or_default());
        deltas.push(Delta { base: chunk.bytes, target, delta: Vec::new() });
    }
    let bytes = total(deltas.iter().map(|delta| delta.target.as_slice()));
    let groups: Vec<&[Delta<'i>]> = deltas.chunks(CHUNKS_AT_ONCE).collect();
    let what = ("delta", Direction::There, "against a version in memory that differs in 60 bytes of each chunk");
    let mut stage =
        lab.stage_of_each(what, (bytes, deltas.len()), &groups, DeltaEncoder::default, |encoder, group| {
            for Delta { base, target, .. } in *group {
                black_box(encoder.encode(base, target, target.len() / 2));
            }
            Ok(())
        })?;
    let mut encoder = DeltaEncoder::default();
    for delta in &mut deltas {
        delta.delta = encoder.encode(delta.base, &delta.target, usize::MAX).unwrap_or_default().to_vec();
    }
    // An empty chunk has none, nor has one that begins like a dictionary of zstd's.
    deltas.retain(|delta| !delta.delta.is_empty());
    stage.bytes_out = Some(total(deltas.iter().map(|delta| delta.delta.as_slice())));
    Ok((stage, deltas))
}

/// Those of the chunks that are there for the first time, in blocks.
fn blocks(chunks: &[Cut<'_>]) -> Vec<(Vec<u8>, Vec<ChunkEntry>)> {
    let mut seen = HashSet::new();
    let (mut blocks, mut plain, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in chunks.iter().filter(|chunk| seen.insert(chunk.id)) {
        plain.extend_from_slice(chunk.bytes);
        entries.push(entry(chunk));
        if plain.len() >= BLOCK_TARGET {
            blocks.push((std::mem::take(&mut plain), std::mem::take(&mut entries)));
        }
    }
    if !entries.is_empty() {
        blocks.push((plain, entries));
    }
    blocks
}

pub fn compress(lab: &Lab<'_>, chunks: &[Cut<'_>]) -> Result<(Stage, Vec<Made>)> {
    let blocks = blocks(chunks);
    let bytes = total(blocks.iter().map(|(plain, _)| plain.as_slice()));
    let compressor = || Compressor::new(Effort::Default).map(|compressor| (compressor, Habit::default()));
    let what = ("compress", Direction::There, "blocks of 512 KiB by zstd, at the default effort");
    let mut stage = lab.stage_of_each(what, (bytes, blocks.len()), &blocks, compressor, |compressor, (plain, _)| {
        let (compressor, habit) = compressor.as_mut().map_err(failed)?;
        black_box(compressor.compress(plain, habit).map_err(failed)?);
        Ok(())
    })?;
    let made: Vec<Made> = blocks
        .into_par_iter()
        .map_init(compressor, |compressor, (plain, chunks)| {
            let (compressor, habit) = compressor.as_mut().map_err(failed)?;
            let (codec, stored) = compressor.compress(&plain, habit).map_err(failed)?;
            Ok(Made { plain, codec, stored, chunks })
        })
        .collect::<Result<_>>()?;
    stage.bytes_out = Some(total(made.iter().map(|block| block.stored.as_slice())));
    Ok((stage, made))
}

pub fn seal(lab: &Lab<'_>, made: &[Made]) -> Result<(Stage, Vec<Pack>)> {
    let bytes = total(made.iter().map(|block| block.stored.as_slice()));
    let clone = || -> Result<Vec<Block>> {
        let block = |block: &Made| {
            // With room for the seal, as the compressor's own buffer mostly has.
            let mut stored = Vec::with_capacity(block.stored.len() + 64);
            stored.extend_from_slice(&block.stored);
            let plain_len = block.plain.len() as u32;
            Block { codec: block.codec, plain_len, stored, chunks: block.chunks.clone() }
        };
        Ok(made.iter().map(block).collect())
    };
    let what = ("seal", Direction::There, "blocks by AES-256-GCM into packs of 16 MiB, and their names by BLAKE3");
    let stage = lab.stage(what, (bytes, made.len()), false, clone, |_, blocks| packs(lab, blocks))?;
    Ok((stage, packs(lab, clone()?)?))
}

fn packs(lab: &Lab<'_>, blocks: Vec<Block>) -> Result<Vec<Pack>> {
    let mut packs = Vec::new();
    let mut open: Option<PackBuilder> = None;
    let finish = |builder: PackBuilder| -> Result<Pack> {
        let (bytes, _) = builder.finish().map_err(failed)?;
        Ok(Pack { id: PackId(*blake3::hash(&bytes).as_bytes()), bytes })
    };
    for (number, block) in blocks.into_iter().enumerate() {
        let mut builder = match open.take() {
            Some(builder) => builder,
            None => {
                let mut salt = [0; 32];
                Random::new(number as u64).fill(&mut salt);
                PackBuilder::new(&lab.keys, PackKind::Data, salt).map_err(failed)?
            }
        };
        builder.push(block).map_err(failed)?;
        match builder.is_full() {
            true => packs.push(finish(builder)?),
            false => open = Some(builder),
        }
    }
    if let Some(builder) = open {
        packs.push(finish(builder)?);
    }
    Ok(packs)
}

/// The folder that packs are written to, below the place.
pub const PACKS: &str = "packs";

pub fn write(lab: &Lab<'_>, packs: &[Pack]) -> Result<(Stage, LocalFolder)> {
    let bytes = total(packs.iter().map(|pack| pack.bytes.as_slice()));
    let fresh = || {
        lab.place.remove(PACKS)?;
        lab.place.settle()?;
        LocalFolder::create(lab.place.path(PACKS))
    };
    let put = |storage: LocalFolder| -> Result<LocalFolder> {
        for pack in packs {
            storage.put_if_absent(&pack_name(&pack.id), &pack.bytes)?;
        }
        Ok(storage)
    };
    let what = ("write", Direction::There, "packs into a folder, durably");
    let stage = lab.stage(what, (bytes, packs.len()), false, fresh, |_, storage| put(storage))?;
    Ok((stage, put(fresh()?)?))
}
