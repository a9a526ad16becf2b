//! Moving what is needed out of packs that go.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::codec::Effort;
use crate::error::{Error, Result};
use crate::format::pack::{Form, PackKind};
use crate::id::ChunkId;
use crate::ops::progress::Progress;
use crate::ops::reach::PlaceSet;
use crate::repo::{ChunkWriter, Condemned, Lane, PackInfo, Reader, Repository, Slot};

/// Stores the live chunks of `packs` again, in the form they have, and waits until they are durable and in the index,
/// which must then find each of them in a pack that is not `going`. Returns the bytes of the new packs.
pub fn move_live(
    repo: &Repository,
    reader: &Arc<Reader>,
    packs: &[PackInfo],
    live: &PlaceSet,
    going: &HashSet<u32>,
    progress: &dyn Progress,
) -> Result<u64> {
    if packs.is_empty() {
        return Ok(0);
    }
    let writer = repo.chunk_writer(reader, &Condemned::default(), Effort::Default);
    packs.par_iter().try_for_each(|info| move_pack(&writer, reader, info, live, progress))?;
    let stored = writer.finish()?;
    check_moved(reader, packs, live, going)?;
    Ok(stored.bytes_stored)
}

fn move_pack(
    writer: &ChunkWriter,
    reader: &Reader,
    info: &PackInfo,
    live: &PlaceSet,
    progress: &dyn Progress,
) -> Result<()> {
    let contents = reader.contents(info.number)?;
    let mut chunks = contents.footer.chunks.iter().zip(0u32..);
    writer.with_worker(|worker| {
        for (number, block) in (0u32..).zip(&contents.footer.blocks) {
            let in_block: Vec<_> = chunks.by_ref().take(block.chunks as usize).collect();
            progress.go_on()?;
            progress.advance(u64::from(block.sealed_len));
            if !in_block.iter().any(|(_, slot)| live.contains(info.number, *slot)) {
                continue;
            }
            let plain = reader.decode_block_of(&contents, number)?;
            let mut rest = plain.as_slice();
            for (chunk, slot) in in_block {
                let cut = || reader.damaged(info.number, "a chunk reaches over the end of its block");
                let (payload, behind) = rest.split_at_checked(chunk.payload_len as usize).ok_or_else(cut)?;
                rest = behind;
                if !live.contains(info.number, slot) {
                    continue;
                }
                let lane = match (info.kind, chunk.form) {
                    (PackKind::Meta, _) => Lane::Meta,
                    (PackKind::Data, Form::Full) => Lane::Data,
                    (PackKind::Data, Form::Delta { .. }) => Lane::Delta,
                };
                if chunk.form == Form::Full {
                    reader.check(&chunk.id, info.number, payload)?;
                }
                writer.store_as(worker, lane, *chunk, payload)?;
            }
        }
        Ok(())
    })
}

/// Every chunk that was moved must be found elsewhere now: the last look before packs are deleted.
fn check_moved(reader: &Reader, packs: &[PackInfo], live: &PlaceSet, going: &HashSet<u32>) -> Result<()> {
    for info in packs {
        let contents = reader.contents(info.number)?;
        let moved: Vec<ChunkId> = (0u32..)
            .zip(&contents.footer.chunks)
            .filter(|(slot, _)| live.contains(info.number, *slot))
            .map(|(_, chunk)| chunk.id)
            .collect();
        let elsewhere = |slot: &Option<Slot>| slot.is_some_and(|slot| !going.contains(&slot.pack));
        if !reader.index().get(&moved)?.iter().all(elsewhere) {
            return Err(Error::Failed(format!("what is needed of pack {} was not stored again; it is kept", info.id)));
        }
    }
    Ok(())
}
