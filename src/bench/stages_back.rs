//! The stages out of a repository: read packs, open, decompress, apply deltas, check, write files.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;

use crate::codec::{Decompressor, DeltaDecoder};
use crate::error::{Error, Result};
use crate::format::pack::{BLOCK_HEADER_LEN, HEADER_LEN};
use crate::repo::pack_name;
use crate::storage::{LocalFolder, Storage};

use super::measure::{Cores, Meter, each};
use super::report::{Direction, Stage};
use super::stages::{Cut, Item, Lab, Made, failed, total};
use super::stages_there::{Delta, Pack};

const CHUNKS_AT_ONCE: usize = 64;
const OUT: &str = "out";

pub fn read_packs(lab: &Lab<'_>, packs: &[Pack], storage: &LocalFolder) -> Result<Stage> {
    let bytes = total(packs.iter().map(|pack| pack.bytes.as_slice()));
    let what = ("read packs", Direction::Back, "whole, out of the folder, from the system's cache");
    lab.stage_of_each(
        what,
        (bytes, packs.len()),
        packs,
        || (),
        |(), pack| {
            black_box(storage.get(&pack_name(&pack.id))?);
            Ok(())
        },
    )
}

pub fn open(lab: &Lab<'_>, made: &[Made]) -> Result<Stage> {
    let bytes = total(made.iter().map(|block| block.stored.as_slice()));
    let sealer = lab.keys.pack_sealer(&[5; 32])?;
    // As long as what a pack authenticates beside a block.
    let aad = [0; HEADER_LEN + BLOCK_HEADER_LEN];
    let sealed: Vec<Vec<u8>> =
        made.iter().map(|block| sealer.seal(0, &aad, block.stored.clone())).collect::<Result<_>>()?;
    let what = ("open", Direction::Back, "the seals of blocks checked, and decrypted in place");
    // Each thread opens copies of its own: what was opened is no longer sealed.
    let clone = || Ok(sealed.iter().map(|block| std::sync::Mutex::new(block.clone())).collect::<Vec<_>>());
    lab.stage(what, (bytes, made.len()), true, clone, |cores, blocks| {
        each(
            cores,
            &blocks,
            || (),
            |(), block| {
                let mut block = block.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                sealer.open_in_place(0, &aad, &mut block).map(|_| ()).ok_or_else(|| failed("a seal does not fit"))
            },
        )?;
        Ok(blocks)
    })
}

pub fn decompress(lab: &Lab<'_>, made: &[Made]) -> Result<Stage> {
    let bytes = total(made.iter().map(|block| block.plain.as_slice()));
    let what = ("decompress", Direction::Back, "blocks; the bytes are what comes out");
    lab.stage_of_each(what, (bytes, made.len()), made, Decompressor::default, |zstd, block| {
        black_box(zstd.decompress(block.codec, &block.stored, block.plain.len()).map_err(failed)?);
        Ok(())
    })
}

pub fn apply(lab: &Lab<'_>, deltas: &[Delta<'_>]) -> Result<Stage> {
    let bytes = total(deltas.iter().map(|delta| delta.target.as_slice()));
    let groups: Vec<&[Delta<'_>]> = deltas.chunks(CHUNKS_AT_ONCE).collect();
    let what = ("apply deltas", Direction::Back, "to the chunks that they were made against");
    let init = || (DeltaDecoder::default(), Vec::new());
    lab.stage_of_each(what, (bytes, deltas.len()), &groups, init, |(decoder, out), group| {
        for Delta { base, target, delta } in *group {
            out.clear();
            decoder.decode_into(base, delta, target.len(), out).map_err(failed)?;
            black_box(&out);
        }
        Ok(())
    })
}

pub fn check(lab: &Lab<'_>, chunks: &[Cut<'_>]) -> Result<Stage> {
    let bytes = total(chunks.iter().map(|chunk| chunk.bytes));
    let groups: Vec<&[Cut<'_>]> = chunks.chunks(CHUNKS_AT_ONCE).collect();
    let what = ("check", Direction::Back, "each chunk against its id");
    lab.stage_of_each(
        what,
        (bytes, chunks.len()),
        &groups,
        || (),
        |(), group| match group.iter().all(|cut| lab.keys.chunk_id(cut.bytes) == cut.id) {
            true => Ok(()),
            false => Err(failed("a chunk is not what its id says")),
        },
    )
}

pub fn write_files(lab: &Lab<'_>, items: &[Item]) -> Result<Stage> {
    let bytes = total(items.iter().map(|item| item.bytes.as_slice()));
    let numbered: Vec<(usize, &Item)> = items.iter().enumerate().collect();
    let fresh = || {
        lab.place.set_aside(OUT, bytes)?;
        lab.place.settle()?;
        lab.place.folder(OUT)
    };
    // Once each way: every round leaves its files until the run ends.
    let lab = Lab { meter: Meter { rounds: 1, ..lab.meter }, ..lab.clone() };
    let what = ("write files", Direction::Back, "made anew, into the system's cache; the disk is not waited for");
    let stage = lab.stage(what, (bytes, items.len()), true, fresh, |cores: Cores, folder| {
        each(
            cores,
            &numbered,
            || (),
            |(), (number, item)| {
                let path = folder.join(number.to_string());
                let failed = |error| Error::target(&path, error);
                File::create(&path).and_then(|mut file| file.write_all(&item.bytes)).map_err(failed)
            },
        )
    })?;
    lab.place.set_aside(OUT, bytes)?;
    Ok(stage)
}
