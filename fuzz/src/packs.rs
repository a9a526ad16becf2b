//! Packs, read the way an index takes them in and a restore reads them.

use snaphold::codec::BlockCodec;
use snaphold::crypto::{Encryption, RepoKeys, TAG_LEN};
use snaphold::error::Error;
use snaphold::format::pack::{BLOCK_HEADER_LEN, Footer, Form, HEADER_LEN, TAIL_LEN};
use snaphold::format::{decode, encode};
use snaphold::id::PackId;
use snaphold::limits;
use snaphold::repo::{PackContents, Reader, load_contents, pack_name};
use snaphold::storage::{MemoryStorage, Storage};

use super::fixed::{Input, keys, world};

/// Where the pack is put: what it is called is not checked by what is called here.
const PACK: PackId = PackId([9; 32]);
const FOOTER_NUMBER: u64 = u64::MAX;
/// The most that is made of a footer's blocks, bytes.
const BLOCKS_MAX: usize = 1 << 20;

/// A pack as it is.
pub fn pack(data: &[u8]) -> bool {
    let storage = MemoryStorage::new();
    load(&storage, keys(Encryption::Aes256Gcm), data).is_some() | load(&storage, keys(Encryption::None), data).is_some()
}

fn load(storage: &MemoryStorage, keys: &RepoKeys, bytes: &[u8]) -> Option<PackContents> {
    storage.overwrite(&pack_name(&PACK), bytes);
    let contents = load_contents(storage, keys, PACK, bytes.len() as u64).ok()?;
    footer_is_sound(&contents, bytes.len());
    Some(contents)
}

fn footer_is_sound(contents: &PackContents, pack_len: usize) {
    let footer = &contents.footer;
    assert!(footer.blocks.len() <= limits::PACK_BLOCKS_MAX && footer.chunks.len() <= limits::PACK_CHUNKS_MAX);
    let ends: Vec<u64> = footer
        .block_offsets()
        .iter()
        .zip(&footer.blocks)
        .map(|(offset, block)| offset + (BLOCK_HEADER_LEN as u64) + u64::from(block.sealed_len))
        .collect();
    assert!(ends.iter().all(|end| *end + (TAIL_LEN + TAG_LEN) as u64 <= pack_len as u64));
    for (slot, chunk) in footer.chunks.iter().enumerate() {
        let (block, offset) = contents.place(slot as u32).unwrap();
        let block = &footer.blocks[block as usize];
        assert!(u64::from(offset) + u64::from(chunk.payload_len) <= u64::from(block.plain_len));
        assert!(chunk.plain_len() as usize <= limits::BLOCK_MAX);
    }
    assert!(contents.place(footer.chunks.len() as u32).is_none());
    assert_eq!(decode::<Footer>(&encode(footer)).unwrap(), *footer);
}

/// A footer and what its blocks hold, sealed as if by who holds the key.
pub fn pack_sealed(data: &[u8]) -> bool {
    let mut input = Input(data);
    let choice = input.u8();
    let footer_len = usize::from(input.u16());
    let footer_plain = input.bytes(footer_len);
    if choice & 1 == 0 {
        let pack = made_pack(keys(Encryption::Aes256Gcm), choice >> 1 & 1, footer_plain, input);
        let contents = load(&MemoryStorage::new(), keys(Encryption::Aes256Gcm), &pack);
        return contents.is_some_and(|contents| !contents.footer.blocks.is_empty());
    }
    let world = world();
    let pack = made_pack(world.service.repo().keys(), choice >> 1 & 1, footer_plain, input);
    let contents = load(&world.storage, world.service.repo().keys(), &pack);
    let accepted = contents.is_some_and(|contents| read_blocks(&world.reader, &contents));
    world.storage.delete(&pack_name(&PACK)).unwrap();
    accepted
}

/// A pack with this footer. Its blocks have the lengths that the footer says, and hold what is left of the input; where
/// the footer says nothing, that stands there as it is.
fn made_pack(keys: &RepoKeys, kind: u8, footer_plain: &[u8], mut input: Input<'_>) -> Vec<u8> {
    let salt = [3; 32];
    let sealer = keys.pack_sealer(&salt).unwrap();
    let mut pack = b"SNAPPACK".to_vec();
    pack.extend([1, 0, kind, keys.encryption() as u8, 0, 0, 0, 0]);
    pack.extend(salt);
    assert_eq!(pack.len(), HEADER_LEN);
    let header = pack.clone();
    let footer = decode::<Footer>(footer_plain).unwrap_or_default();
    if footer.blocks.is_empty() {
        pack.extend_from_slice(input.0);
    }
    for (number, block) in footer.blocks.iter().enumerate() {
        let Some(len) = (block.sealed_len as usize).checked_sub(TAG_LEN) else { break };
        if pack.len() + len > BLOCKS_MAX {
            break;
        }
        let mut payload = input.bytes(len).to_vec();
        payload.resize(len, 0);
        let codec = match block.codec {
            BlockCodec::Plain => 0u32,
            BlockCodec::Zstd => 1,
        };
        let fields = [codec, block.plain_len, block.sealed_len, block.chunks];
        let block_header: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        let aad = [&header[..], &block_header].concat();
        let sealed = sealer.seal(number as u64, &aad, payload).unwrap();
        pack.extend(block_header);
        pack.extend(sealed);
    }
    let frame = zstd::bulk::compress(footer_plain, 1).unwrap();
    let mut tail = (pack.len() as u64).to_le_bytes().to_vec();
    tail.extend(((frame.len() + TAG_LEN) as u32).to_le_bytes());
    tail.extend((footer_plain.len() as u32).to_le_bytes());
    tail.extend(b"PACKTAIL");
    assert_eq!(tail.len(), TAIL_LEN);
    let aad = [&header[..], &tail].concat();
    pack.extend(sealer.seal(FOOTER_NUMBER, &aad, frame).unwrap());
    pack.extend(tail);
    pack
}

/// Whether a block could be read, and all that is in it.
fn read_blocks(reader: &Reader, contents: &PackContents) -> bool {
    let footer = &contents.footer;
    let mut accepted = false;
    for (number, block) in footer.blocks.iter().enumerate() {
        let plain = match reader.decode_block_of(contents, number as u32) {
            Ok(plain) => plain,
            Err(Error::Damaged { object, .. }) => {
                assert_eq!(object, pack_name(&PACK).to_string());
                continue;
            }
            Err(error) => panic!("another kind of error: {error:?}"),
        };
        assert_eq!(plain.len(), block.plain_len as usize);
        accepted = true;
        for (slot, chunk) in footer.chunks.iter().enumerate() {
            let (of_block, offset) = contents.place(slot as u32).unwrap();
            if of_block as usize == number
                && let Form::Delta { plain_len, .. } = chunk.form
            {
                let payload = &plain[offset as usize..][..chunk.payload_len as usize];
                if let Ok(made) = reader.apply_delta(0, b"a base of the delta", payload, plain_len) {
                    assert_eq!(made.len(), plain_len as usize);
                }
            }
        }
    }
    assert!(reader.decode_block_of(contents, footer.blocks.len() as u32).is_err());
    accepted
}
