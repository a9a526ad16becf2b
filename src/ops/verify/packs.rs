//! A pack read whole: its name, every block, every chunk.

use std::collections::HashSet;

use crate::codec::Decompressor;
use crate::error::{Error, Result};
use crate::format::FormatError;
use crate::format::pack::{BLOCK_HEADER_LEN, ChunkEntry, Footer, FooterPlace, Form, HEADER_LEN, PackOpener, TAIL_LEN};
use crate::id::{ChunkId, PackId};
use crate::repo::{Place, Reader, Repository, absent, pack_name};

/// What reading a pack whole has shown.
#[derive(Debug, Default)]
pub struct PackCheck {
    /// Errors, each with the chunks of this pack that it takes away.
    pub errors: Vec<(Error, Vec<ChunkId>)>,
    /// What the pack holds, where its footer can be read.
    pub footer: Option<Footer>,
    /// The chunks that cannot be read.
    pub bad: HashSet<ChunkId>,
    /// Stored bytes.
    pub bytes: u64,
}

struct Delta {
    id: ChunkId,
    base: ChunkId,
    plain_len: u32,
    payload: Vec<u8>,
}

/// Reads a pack whole. In a pack that is `condemned` a delta may be without its base: nobody counts on it any more.
pub fn check_pack(repo: &Repository, reader: &Reader, id: &PackId, condemned: &HashSet<PackId>) -> PackCheck {
    let name = pack_name(id);
    let mut check = PackCheck::default();
    let bytes = match repo.storage().get(&name) {
        Ok(bytes) => bytes,
        Err(Error::NotFound(_)) => {
            check.errors.push((Error::damaged(&name, "it is missing"), Vec::new()));
            return check;
        }
        Err(error) => {
            check.errors.push((error, Vec::new()));
            return check;
        }
    };
    check.bytes = bytes.len() as u64;
    let mut wrong: Vec<String> = Vec::new();
    if blake3::hash(&bytes).as_bytes() != id.as_bytes() {
        wrong.push("its name is not the hash of its bytes".into());
    }
    let mut deltas = Vec::new();
    let mut bad = Vec::new();
    match open(repo, &bytes) {
        Ok((opener, footer)) => {
            check_blocks(repo, &opener, &footer, &bytes, &mut wrong, &mut bad, &mut deltas);
            check.footer = Some(footer);
        }
        Err(FormatError::Unsupported(detail)) if wrong.is_empty() => {
            check.errors.push((Error::Unsupported { object: name.to_string(), detail }, Vec::new()));
        }
        Err(error) => wrong.push(error.to_string()),
    }
    if condemned.contains(id) {
        let has_base = |delta: &Delta| reader.index().get(&[delta.base]).is_ok_and(|slots| slots != [None]);
        deltas.retain(has_base);
    }
    check_deltas(repo, reader, deltas, &mut check, &mut wrong, &mut bad);
    check.bad.extend(&bad);
    if !wrong.is_empty() {
        check.errors.push((Error::damaged(&name, wrong.join("; ")), bad));
    }
    check
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

fn check_blocks(
    repo: &Repository,
    opener: &PackOpener,
    footer: &Footer,
    bytes: &[u8],
    wrong: &mut Vec<String>,
    bad: &mut Vec<ChunkId>,
    deltas: &mut Vec<Delta>,
) {
    let mut zstd = Decompressor::default();
    let mut chunks = footer.chunks.iter();
    for ((number, block), offset) in (0u64..).zip(&footer.blocks).zip(footer.block_offsets()) {
        let in_block: Vec<&ChunkEntry> = chunks.by_ref().take(block.chunks as usize).collect();
        let end = offset.saturating_add((BLOCK_HEADER_LEN as u64) + u64::from(block.sealed_len));
        let mut sealed = bytes.get(offset as usize..end as usize).unwrap_or_default().to_vec();
        let plain = match opener.block(&mut zstd, number, block, &mut sealed) {
            Ok(plain) => plain,
            Err(error) => {
                wrong.push(error.to_string());
                bad.extend(in_block.iter().map(|chunk| chunk.id));
                continue;
            }
        };
        let mut rest = plain.as_slice();
        for chunk in in_block {
            let (payload, behind) = rest.split_at_checked(chunk.payload_len as usize).unwrap_or_default();
            rest = behind;
            match chunk.form {
                Form::Full if repo.keys().chunk_id(payload) == chunk.id => {}
                Form::Full => {
                    wrong.push(format!("chunk {} does not have the bytes that its id says", chunk.id));
                    bad.push(chunk.id);
                }
                Form::Delta { base, plain_len } => {
                    deltas.push(Delta { id: chunk.id, base, plain_len, payload: payload.to_vec() });
                }
            }
        }
    }
}

fn check_deltas(
    repo: &Repository,
    reader: &Reader,
    deltas: Vec<Delta>,
    check: &mut PackCheck,
    wrong: &mut Vec<String>,
    bad: &mut Vec<ChunkId>,
) {
    let mut located: Vec<(Result<Place>, Delta)> =
        deltas.into_iter().map(|delta| (base_place(reader, &delta.base), delta)).collect();
    // One block holds many bases: it is decoded once.
    located.sort_by_key(|(place, _)| place.as_ref().map(|place| (place.pack, place.block)).unwrap_or_default());
    for (place, delta) in located {
        let plain = place.and_then(|place| {
            let base = reader.payload(&place)?;
            reader.apply_delta(place.pack, &base, &delta.payload, delta.plain_len).map_err(|_| not_made(&delta))
        });
        match plain {
            Ok(plain) if repo.keys().chunk_id(&plain) == delta.id => {}
            Ok(_) => {
                wrong.push(format!("chunk {} does not have the bytes that its id says", delta.id));
                bad.push(delta.id);
            }
            Err(Error::Failed(detail)) => {
                wrong.push(detail);
                bad.push(delta.id);
            }
            // The base's trouble: its pack is to be named, and what this pack loses by it.
            Err(error) => {
                check.bad.insert(delta.id);
                check.errors.push((error, vec![delta.id]));
            }
        }
    }
}

fn not_made(delta: &Delta) -> Error {
    Error::Failed(format!("the delta that makes chunk {} cannot be applied", delta.id))
}

fn base_place(reader: &Reader, base: &ChunkId) -> Result<Place> {
    let place = reader.locate_one(base)?;
    if place.form != Form::Full {
        return Err(absent(base));
    }
    Ok(place)
}
