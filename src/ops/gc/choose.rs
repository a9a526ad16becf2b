//! Which packs go, and which of them hold something that has to be moved first.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::pack::{BLOCK_HEADER_LEN, PackKind};
use crate::id::{ChunkId, PackId};
use crate::limits;
use crate::ops::progress::Progress;
use crate::ops::reach::{Lenient, PlaceSet, Walk, base_of};
use crate::repo::{Index, PackContents, PackInfo, Reader};

/// Packs under this length are small, bytes.
const SMALL_PACK: u64 = limits::PACK_TARGET as u64 / 4;

/// What a choice depends on besides what is in use.
pub struct Terms<'a> {
    /// Packs that are condemned and whose time has not come.
    pub waiting: &'a HashSet<PackId>,
    /// Packs that are condemned and whose time has come.
    pub ready: &'a HashSet<PackId>,
    /// Packs of which nothing is in use and that are removed nevertheless while others write: purged snapshots used them.
    /// The rest may be what those others have just stored. `None` where nobody else writes.
    pub surely_old: Option<&'a HashSet<u32>>,
    /// A pack is rewritten when more than this share of it is garbage.
    pub dead_share: f64,
    /// Small packs of a kind are merged when there are more than this.
    pub small_packs: usize,
}

/// The choice.
#[derive(Default)]
pub struct Choice {
    /// Packs of which nothing is needed.
    pub dead: Vec<PackInfo>,
    /// Packs that go when what is needed of them is stored elsewhere.
    pub rewrite: Vec<PackInfo>,
    /// Stored bytes of garbage in them.
    pub bytes_dead: u64,
    /// Stored bytes of garbage in packs that stay.
    pub bytes_dead_left: u64,
}

impl Choice {
    /// All packs that go.
    pub fn packs(&self) -> impl Iterator<Item = &PackInfo> {
        self.dead.iter().chain(&self.rewrite)
    }
}

struct Assessed {
    info: PackInfo,
    live: u32,
    bytes_dead: u64,
    /// Packs that hold, not in use either, bases of this pack's garbage deltas.
    leans_on: HashSet<u32>,
    /// A garbage delta has no base any more.
    is_broken: bool,
}

/// Chooses the packs to remove. Marks in `walk` what else has to stay for the sake of packs that are left alone.
pub fn choose(reader: &Reader, walk: &mut Walk<'_>, terms: &Terms<'_>, progress: &dyn Progress) -> Result<Choice> {
    let index = reader.index();
    let mut packs: Vec<PackInfo> = index.packs();
    packs.retain(|info| !terms.waiting.contains(&info.id));
    packs.sort_unstable_by_key(|info| info.number);
    let unsure: Vec<PackInfo> = packs.extract_if(.., |info| may_be_new(info, walk.live(), terms)).collect();
    for info in &unsure {
        match reader.contents(info.number) {
            Ok(contents) => walk.also(bases(&contents), &mut Lenient)?,
            Err(error) => skip(error, progress)?,
        }
    }
    let assessed: Vec<Result<Assessed>> = packs.into_par_iter().map(|info| assess(reader, info, walk.live())).collect();
    let mut kept = Vec::new();
    let mut choice = Choice::default();
    let mut going: HashSet<u32> = HashSet::new();
    let go = |choice: &mut Choice, going: &mut HashSet<u32>, pack: Assessed| {
        going.insert(pack.info.number);
        choice.bytes_dead += pack.bytes_dead;
        let list = if pack.live == 0 { &mut choice.dead } else { &mut choice.rewrite };
        list.push(pack.info);
    };
    for assessed in assessed {
        match assessed {
            Ok(pack) if pack.is_garbage(terms.dead_share) => go(&mut choice, &mut going, pack),
            Ok(pack) => kept.push(pack),
            Err(error) => skip(error, progress)?,
        }
    }
    let merged = small(&kept, terms.small_packs);
    for pack in kept.extract_if(.., |pack| merged.contains(&pack.info.number)) {
        go(&mut choice, &mut going, pack);
    }
    // A pack that goes takes the bases of garbage deltas elsewhere along, so their packs are rewritten without them.
    loop {
        let leaning: Vec<Assessed> = kept.extract_if(.., |pack| !pack.leans_on.is_disjoint(&going)).collect();
        if leaning.is_empty() {
            break;
        }
        leaning.into_iter().for_each(|pack| go(&mut choice, &mut going, pack));
    }
    choice.bytes_dead_left = kept.iter().map(|pack| pack.bytes_dead).sum();
    choice.rewrite.sort_unstable_by_key(|info| info.number);
    Ok(choice)
}

/// A pack that cannot be read is left as it is: nobody knows what it holds.
fn skip(error: Error, progress: &dyn Progress) -> Result<()> {
    match error {
        Error::Damaged { .. } | Error::Unsupported { .. } => {
            progress.notice(&format!("{error}; it is left as it is"));
            Ok(())
        }
        error => Err(error),
    }
}

/// Whether a pack of which nothing is in use may have been stored by somebody who has not committed yet.
fn may_be_new(info: &PackInfo, live: &PlaceSet, terms: &Terms<'_>) -> bool {
    let Some(surely_old) = terms.surely_old else { return false };
    live.count(info.number) == 0 && !surely_old.contains(&info.number) && !terms.ready.contains(&info.id)
}

fn bases(contents: &PackContents) -> Vec<ChunkId> {
    contents.footer.chunks.iter().filter_map(|chunk| base_of(chunk.form)).collect()
}

impl Assessed {
    fn is_garbage(&self, dead_share: f64) -> bool {
        self.live == 0 || self.is_broken || self.bytes_dead as f64 > self.info.size as f64 * dead_share
    }
}

fn assess(reader: &Reader, info: PackInfo, live: &PlaceSet) -> Result<Assessed> {
    let count = live.count(info.number);
    let mut pack = Assessed { info, live: count, bytes_dead: 0, leans_on: HashSet::new(), is_broken: false };
    if count == info.chunks && count > 0 {
        return Ok(pack);
    }
    let contents = reader.contents(info.number)?;
    if count == 0 {
        pack.bytes_dead = info.size;
        return Ok(pack);
    }
    let mut chunks = contents.footer.chunks.iter().zip(0u32..);
    let mut dead_bases = Vec::new();
    for block in &contents.footer.blocks {
        let mut dead = 0u64;
        for (chunk, slot) in chunks.by_ref().take(block.chunks as usize) {
            if !live.contains(info.number, slot) {
                dead += u64::from(chunk.payload_len);
                dead_bases.extend(base_of(chunk.form));
            }
        }
        let stored = BLOCK_HEADER_LEN as u64 + u64::from(block.sealed_len);
        pack.bytes_dead += stored * dead / u64::from(block.plain_len).max(1);
    }
    lean(reader.index(), &mut pack, dead_bases, live)?;
    Ok(pack)
}

fn lean(index: &Index, pack: &mut Assessed, mut bases: Vec<ChunkId>, live: &PlaceSet) -> Result<()> {
    bases.sort_unstable();
    bases.dedup();
    for slot in index.get(&bases)? {
        match slot {
            Some(slot) if slot.base.is_some() => pack.is_broken = true,
            Some(slot) if live.contains(slot.pack, slot.slot) => {}
            Some(slot) => _ = pack.leans_on.insert(slot.pack),
            None => pack.is_broken = true,
        }
    }
    pack.leans_on.remove(&pack.info.number);
    Ok(())
}

/// The packs to merge: all small ones of a kind that has too many of them.
fn small(kept: &[Assessed], limit: usize) -> HashSet<u32> {
    let mut kinds: BTreeMap<bool, Vec<u32>> = BTreeMap::new();
    for pack in kept.iter().filter(|pack| pack.info.size < SMALL_PACK) {
        kinds.entry(pack.info.kind == PackKind::Meta).or_default().push(pack.info.number);
    }
    kinds.into_values().filter(|numbers| numbers.len() > limit).flatten().collect()
}

/// Whether there are so many small packs that some have to be merged.
pub fn has_too_many_small(index: &Index, limit: usize) -> bool {
    let packs = index.packs();
    let count = |kind| packs.iter().filter(|info| info.kind == kind && info.size < SMALL_PACK).count();
    count(PackKind::Data) > limit || count(PackKind::Meta) > limit
}
