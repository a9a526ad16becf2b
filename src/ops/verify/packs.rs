//! A pack read whole: its name, every block, every chunk.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::codec::Decompressor;
use crate::error::{Error, Result};
use crate::format::FormatError;
use crate::format::pack::{BLOCK_HEADER_LEN, ChunkEntry, Footer, FooterPlace, Form, HEADER_LEN, PackOpener, TAIL_LEN};
use crate::id::{ChunkId, PackId};
use crate::ops::progress::Progress;
use crate::repo::{Place, Reader, Repository, absent, pack_name};
use crate::storage::ObjectName;

/// Packs that are read before what was found is gathered.
const PACKS_AT_ONCE: usize = 256;
/// Packs whose deltas wait for their bases, bytes of footers and deltas.
const WAITING_BYTES: usize = 32 << 20;
/// Bases that a thread locates in one go.
const LOCATED_AT_ONCE: usize = 1024;

/// What reading a pack whole has shown.
#[derive(Debug, Default)]
pub struct PackCheck {
    /// Errors, each with the chunks of this pack that it takes away.
    pub errors: Vec<(Error, Vec<ChunkId>)>,
    /// What the pack holds, where its footer can be read and there are errors.
    pub footer: Option<Footer>,
    /// The chunks that cannot be read.
    pub bad: HashSet<ChunkId>,
    /// Stored bytes.
    pub bytes: u64,
}

/// Reads packs whole, side by side, and hands what was found to `each`. In a pack that is `condemned` a delta may be
/// without its base: nobody counts on it any more.
///
/// Deltas wait until there are many, so that a block with bases of several packs is decoded once for all of them. Takes
/// a pack for each thread, the deltas that wait (32 MiB, and those of a pack for each thread), and a block for each
/// thread.
pub fn check_packs(
    repo: &Repository,
    reader: &Reader,
    packs: &[(PackId, u64)],
    condemned: &HashSet<PackId>,
    progress: &dyn Progress,
    each: &mut dyn FnMut(PackId, PackCheck) -> Result<()>,
) -> Result<()> {
    let mut left = packs.to_vec();
    while !left.is_empty() {
        progress.go_on()?;
        let behind = left.split_off(left.len().min(PACKS_AT_ONCE));
        let waiting = AtomicUsize::new(0);
        let read = |(id, size): &(PackId, u64)| {
            if waiting.load(Ordering::Relaxed) >= WAITING_BYTES {
                return None;
            }
            let mut pack = read_pack(repo, id);
            if condemned.contains(id) {
                let has_base = |delta: &Delta| reader.index().get(&[delta.base]).is_ok_and(|slots| slots != [None]);
                pack.deltas.retain(has_base);
            }
            waiting.fetch_add(pack.weight(), Ordering::Relaxed);
            progress.advance(*size);
            Some(pack)
        };
        let read: Vec<Option<PackRead>> = left.par_iter().with_max_len(1).map(read).collect();
        let (mut done, mut next) = (Vec::with_capacity(left.len()), Vec::new());
        for (pack, read) in left.into_iter().zip(read) {
            match read {
                Some(read) => done.push((pack.0, read)),
                None => next.push(pack),
            }
        }
        check_deltas(repo, reader, &mut done);
        for (id, pack) in done {
            each(id, pack.finish(&pack_name(&id)))?;
        }
        next.extend(behind);
        left = next;
    }
    Ok(())
}

/// A delta, of which its base is still to be read.
struct Delta {
    id: ChunkId,
    base: ChunkId,
    plain_len: u32,
    /// Where it is among the payloads of its pack's deltas.
    payload: Range<usize>,
}

/// A pack that was read, but for what its deltas make.
#[derive(Default)]
struct PackRead {
    check: PackCheck,
    /// What is wrong with the pack itself, and the chunks that it takes away.
    wrong: Vec<String>,
    bad: Vec<ChunkId>,
    deltas: Vec<Delta>,
    payloads: Vec<u8>,
}

impl PackRead {
    /// Memory that it takes, bytes.
    fn weight(&self) -> usize {
        let entries = self.check.footer.as_ref().map_or(0, |footer| footer.chunks.len());
        self.payloads.len() + self.deltas.len() * size_of::<Delta>() + entries * size_of::<ChunkEntry>()
    }

    fn is_wrong(&mut self, id: ChunkId, what: String) {
        self.wrong.push(what);
        self.bad.push(id);
    }

    fn finish(self, name: &ObjectName) -> PackCheck {
        let Self { mut check, wrong, bad, .. } = self;
        check.bad.extend(&bad);
        if !wrong.is_empty() {
            check.errors.push((Error::damaged(name, wrong.join("; ")), bad));
        }
        check
    }
}

fn read_pack(repo: &Repository, id: &PackId) -> PackRead {
    let name = pack_name(id);
    let mut pack = PackRead::default();
    let mut bytes = match repo.storage().get(&name) {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = match error {
                Error::NotFound(_) => Error::damaged(&name, "it is missing"),
                error => error,
            };
            pack.check.errors.push((error, Vec::new()));
            return pack;
        }
    };
    pack.check.bytes = bytes.len() as u64;
    if blake3::hash(&bytes).as_bytes() != id.as_bytes() {
        pack.wrong.push("its name is not the hash of its bytes".into());
    }
    match open(repo, &bytes) {
        Ok((opener, footer)) => {
            check_blocks(repo, &opener, &footer, &mut bytes, &mut pack);
            // Only of a pack with an error it is asked for, and a delta may still turn out to be one.
            if !pack.deltas.is_empty() || !pack.wrong.is_empty() {
                pack.check.footer = Some(footer);
            }
        }
        Err(FormatError::Unsupported(detail)) if pack.wrong.is_empty() => {
            pack.check.errors.push((Error::Unsupported { object: name.to_string(), detail }, Vec::new()));
        }
        Err(error) => pack.wrong.push(error.to_string()),
    }
    pack
}

fn open(repo: &Repository, bytes: &[u8]) -> Result<(PackOpener, Footer), FormatError> {
    let cut = || FormatError::Damaged("it is cut short".into());
    let opener = PackOpener::new(repo.keys(), bytes.get(..HEADER_LEN).ok_or_else(cut)?)?;
    let tail_at = bytes.len().checked_sub(TAIL_LEN).ok_or_else(cut)?;
    let place = FooterPlace::decode(bytes.get(tail_at..).ok_or_else(cut)?, bytes.len() as u64)?;
    let at = usize::try_from(place.offset).map_err(|_| cut())?;
    let footer = opener.footer(&place, bytes.get(at..).ok_or_else(cut)?)?;
    Ok((opener, footer))
}

/// Opens the blocks of `bytes`, in place.
fn check_blocks(repo: &Repository, opener: &PackOpener, footer: &Footer, bytes: &mut [u8], pack: &mut PackRead) {
    let mut zstd = Decompressor::default();
    let mut chunks = footer.chunks.iter();
    for ((number, block), offset) in (0u64..).zip(&footer.blocks).zip(footer.block_offsets()) {
        let in_block = chunks.by_ref().take(block.chunks as usize);
        let end = offset.saturating_add((BLOCK_HEADER_LEN as u64) + u64::from(block.sealed_len));
        let sealed = bytes.get_mut(offset as usize..end as usize).unwrap_or_default();
        let plain = match opener.block(&mut zstd, number, block, sealed) {
            Ok(plain) => plain,
            Err(error) => {
                pack.wrong.push(error.to_string());
                pack.bad.extend(in_block.map(|chunk| chunk.id));
                continue;
            }
        };
        let mut rest = plain.as_slice();
        for chunk in in_block {
            let (payload, behind) = rest.split_at_checked(chunk.payload_len as usize).unwrap_or_default();
            rest = behind;
            match chunk.form {
                Form::Full if repo.keys().chunk_id(payload) == chunk.id => {}
                Form::Full => pack.is_wrong(chunk.id, not_its_bytes(&chunk.id)),
                Form::Delta { base, plain_len } => {
                    let start = pack.payloads.len();
                    pack.payloads.extend_from_slice(payload);
                    let payload = start..pack.payloads.len();
                    pack.deltas.push(Delta { id: chunk.id, base, plain_len, payload });
                }
            }
        }
    }
}

fn not_its_bytes(id: &ChunkId) -> String {
    format!("chunk {id} does not have the bytes that its id says")
}

/// What became of a delta that is not as it should be.
enum Fault {
    /// Its own.
    Wrong(String),
    /// Its base's.
    Base(Error),
}

/// Makes what the packs' deltas make, and checks it.
fn check_deltas(repo: &Repository, reader: &Reader, packs: &mut [(PackId, PackRead)]) {
    let mut deltas: Vec<(usize, &Delta)> = packs
        .iter()
        .enumerate()
        .flat_map(|(number, (_, pack))| pack.deltas.iter().map(move |of| (number, of)))
        .collect();
    // The index answers for many ids at once, best where they are sorted.
    deltas.sort_unstable_by_key(|(number, delta)| (delta.base, *number, delta.payload.start));
    let places: Vec<Result<Place>> =
        deltas.par_chunks(LOCATED_AT_ONCE).flat_map(|some| base_places(reader, some)).collect();
    let mut located: Vec<(Result<Place>, usize, &Delta)> =
        places.into_iter().zip(deltas).map(|(place, (number, delta))| (place, number, delta)).collect();
    let block = |place: &Result<Place>| place.as_ref().map(|place| (place.pack, place.block)).ok();
    located.par_sort_by_key(|(place, ..)| block(place));
    let of_blocks: Vec<&[(Result<Place>, usize, &Delta)]> =
        located.chunk_by(|(a, ..), (b, ..)| block(a) == block(b)).collect();
    let payload = |number: usize, delta: &Delta| {
        let payloads = packs.get(number).map(|(_, pack)| pack.payloads.as_slice()).unwrap_or_default();
        payloads.get(delta.payload.clone()).unwrap_or_default()
    };
    let faults: Vec<(usize, ChunkId, Fault)> = of_blocks
        .into_par_iter()
        .flat_map_iter(|deltas| {
            let decoded = deltas.first().and_then(|(place, ..)| place.as_ref().ok());
            let decoded = decoded.map(|place| reader.decode_block(place.pack, place.block));
            deltas.iter().filter_map(move |(place, number, delta)| {
                let fault = check_delta(repo, reader, place, decoded.as_ref(), delta, payload(*number, delta)).err()?;
                Some((*number, delta.id, fault))
            })
        })
        .collect();
    for (number, id, fault) in faults {
        let Some((_, pack)) = packs.get_mut(number) else { continue };
        match fault {
            Fault::Wrong(what) => pack.is_wrong(id, what),
            // The base's trouble: its pack is to be named, and what this pack loses by it.
            Fault::Base(error) => {
                pack.check.bad.insert(id);
                pack.check.errors.push((error, vec![id]));
            }
        }
    }
}

fn check_delta(
    repo: &Repository,
    reader: &Reader,
    place: &Result<Place>,
    block: Option<&Result<Vec<u8>>>,
    delta: &Delta,
    payload: &[u8],
) -> Result<(), Fault> {
    let (Ok(place), Some(Ok(block))) = (place, block) else {
        // Asked once more, for an error of its own.
        let again = base_place(reader, &delta.base).and_then(|place| reader.decode_block(place.pack, place.block));
        let error = again.err().unwrap_or_else(|| absent(&delta.base));
        return Err(Fault::Base(error));
    };
    let base = block.get(place.offset as usize..place.offset as usize + place.payload_len as usize);
    let base =
        base.ok_or_else(|| Fault::Base(reader.damaged(place.pack, "a chunk reaches over the end of its block")))?;
    match reader.apply_delta(place.pack, base, payload, delta.plain_len) {
        Ok(plain) if repo.keys().chunk_id(&plain) == delta.id => Ok(()),
        Ok(_) => Err(Fault::Wrong(not_its_bytes(&delta.id))),
        Err(_) => Err(Fault::Wrong(format!("the delta that makes chunk {} cannot be applied", delta.id))),
    }
}

/// Where the bases of deltas are.
fn base_places(reader: &Reader, deltas: &[(usize, &Delta)]) -> Vec<Result<Place>> {
    let mut bases: Vec<ChunkId> = deltas.iter().map(|(_, delta)| delta.base).collect();
    bases.dedup();
    let places: Vec<Result<Place>> = match reader.locate(&bases) {
        Ok(places) => {
            bases.iter().zip(places).map(|(base, place)| is_full(base, place.ok_or_else(|| absent(base))?)).collect()
        }
        // Asked for one by one, those that it fails for can be told.
        Err(_) => bases.iter().map(|base| base_place(reader, base)).collect(),
    };
    let mut places = bases.into_iter().zip(places).peekable();
    deltas
        .iter()
        .map(|(_, delta)| {
            while places.next_if(|(base, _)| *base != delta.base).is_some() {}
            match places.peek() {
                Some((_, Ok(place))) => Ok(*place),
                _ => base_place(reader, &delta.base),
            }
        })
        .collect()
}

fn base_place(reader: &Reader, base: &ChunkId) -> Result<Place> {
    is_full(base, reader.locate_one(base)?)
}

fn is_full(base: &ChunkId, place: Place) -> Result<Place> {
    if place.form != Form::Full {
        return Err(absent(base));
    }
    Ok(place)
}
