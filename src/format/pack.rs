//! Packs: immutable objects that hold blocks of chunks, and a footer that lists them.
//!
//! ```text
//!  0  magic "SNAPPACK"
//!  8  version (u16)  kind (u8)  encryption (u8)  flags (u32)
//! 16  salt (32 bytes): the pack's key is derived from it
//! 48  blocks, one after the other. Each: header of 16 bytes
//!         codec (u8)  zero (3 bytes)  plain length (u32)  sealed length (u32)  chunks (u32)
//!     then `sealed length` bytes: the payload sealed with the block's number, the tag at its end
//!  …  footer: sealed as number 2^64 − 1: one zstd frame of the bincode of [`Footer`]
//!  …  tail of 24 bytes: footer offset (u64)  sealed length (u32)  plain length (u32)  magic "PACKTAIL"
//! ```
//!
//! A block's header is authenticated with its payload, the pack's header with every block and the footer, so that no
//! block can be moved to another place or pack. The pack's name is the BLAKE3-256 of all its bytes.

use serde::{Deserialize, Serialize};

use crate::codec::{BlockCodec, Decompressor, Effort, decompress};
use crate::crypto::{RepoKeys, Sealer, TAG_LEN};
use crate::id::ChunkId;
use crate::limits;

use super::{Cursor, FormatError, decode, encode};

const MAGIC: &[u8; 8] = b"SNAPPACK";
const TAIL_MAGIC: &[u8; 8] = b"PACKTAIL";
const VERSION: u16 = 1;
const FOOTER_NUMBER: u64 = u64::MAX;
/// Bytes before the first block.
pub const HEADER_LEN: usize = 48;
/// Bytes before each block's payload.
pub const BLOCK_HEADER_LEN: usize = 16;
/// Bytes after the footer.
pub const TAIL_LEN: usize = 24;

/// What a pack's chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum PackKind {
    /// File data.
    Data = 0,
    /// Recipe nodes and folder listings: what list, diff and gc read.
    Meta = 1,
}

/// How a chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Its plain bytes.
    Full,
    /// A delta that makes `plain_len` bytes out of the chunk `base`, which is stored full.
    Delta {
        /// The chunk it is a delta against.
        base: ChunkId,
        /// Plain length of the chunk, bytes.
        plain_len: u32,
    },
}

/// One chunk in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// The chunk's id, whatever its form.
    pub id: ChunkId,
    /// Bytes it takes in the block's plain payload.
    pub payload_len: u32,
    /// What those bytes are.
    pub form: Form,
}

impl ChunkEntry {
    /// Plain length of the chunk, bytes.
    pub fn plain_len(&self) -> u32 {
        match self.form {
            Form::Full => self.payload_len,
            Form::Delta { plain_len, .. } => plain_len,
        }
    }
}

/// One block in a pack. Blocks stand one after the other, and so do the chunks in their payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEntry {
    /// How the payload is compressed.
    pub codec: BlockCodec,
    /// Length of the plain payload, bytes.
    pub plain_len: u32,
    /// Length of the sealed payload with its tag, bytes.
    pub sealed_len: u32,
    /// How many chunks it holds.
    pub chunks: u32,
}

impl BlockEntry {
    fn header(&self) -> [u8; BLOCK_HEADER_LEN] {
        let mut header = [0; BLOCK_HEADER_LEN];
        let codec = match self.codec {
            BlockCodec::Plain => 0,
            BlockCodec::Zstd => 1,
        };
        let fields = [codec, self.plain_len, self.sealed_len, self.chunks];
        for (bytes, field) in header.chunks_exact_mut(4).zip(fields) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
        header
    }
}

/// What a pack holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// The blocks, in their order.
    pub blocks: Vec<BlockEntry>,
    /// The chunks, in the order of the blocks and of the payloads.
    pub chunks: Vec<ChunkEntry>,
}

/// A block's payload, compressed and not yet sealed, with what it holds.
#[derive(Debug, Clone)]
pub struct Block {
    /// How `stored` is compressed.
    pub codec: BlockCodec,
    /// Length of the plain payload, bytes.
    pub plain_len: u32,
    /// The compressed payload.
    pub stored: Vec<u8>,
    /// The chunks in it.
    pub chunks: Vec<ChunkEntry>,
}

/// Builds one pack in memory.
pub struct PackBuilder {
    bytes: Vec<u8>,
    sealer: Sealer,
    footer: Footer,
    kind: PackKind,
}

impl PackBuilder {
    /// An empty pack with a random `salt`.
    pub fn new(keys: &RepoKeys, kind: PackKind, salt: [u8; 32]) -> Result<Self, FormatError> {
        let sealer = keys.pack_sealer(&salt).map_err(FormatError::damaged)?;
        let mut bytes = Vec::with_capacity(limits::PACK_TARGET + limits::PACK_TARGET / 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([kind as u8, keys.encryption() as u8]);
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(salt);
        Ok(Self { bytes, sealer, footer: Footer::default(), kind })
    }

    /// The pack's kind.
    pub fn kind(&self) -> PackKind {
        self.kind
    }

    /// Stored bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds no block.
    pub fn is_empty(&self) -> bool {
        self.footer.blocks.is_empty()
    }

    /// Whether another block would take the pack over its limits.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= limits::PACK_TARGET || self.footer.blocks.len() >= limits::PACK_BLOCKS_MAX / 2
    }

    /// Seals a block and appends it.
    pub fn push(&mut self, block: Block) -> Result<(), FormatError> {
        let entry = BlockEntry {
            codec: block.codec,
            plain_len: block.plain_len,
            sealed_len: (block.stored.len() + TAG_LEN) as u32,
            chunks: block.chunks.len() as u32,
        };
        let header = entry.header();
        let number = self.footer.blocks.len() as u64;
        let aad = [self.bytes.get(..HEADER_LEN).unwrap_or_default(), &header].concat();
        let sealed = self.sealer.seal(number, &aad, block.stored).map_err(FormatError::damaged)?;
        self.bytes.extend(header);
        self.bytes.extend(sealed);
        self.footer.blocks.push(entry);
        self.footer.chunks.extend(block.chunks);
        Ok(())
    }

    /// The pack's stored bytes and what they hold.
    pub fn finish(mut self) -> Result<(Vec<u8>, Footer), FormatError> {
        let plain = encode(&self.footer);
        let frame = zstd::bulk::compress(&plain, Effort::Default.level()).map_err(FormatError::damaged)?;
        let tail = tail(self.bytes.len() as u64, (frame.len() + TAG_LEN) as u32, plain.len() as u32);
        let aad = [self.bytes.get(..HEADER_LEN).unwrap_or_default(), &tail].concat();
        let sealed = self.sealer.seal(FOOTER_NUMBER, &aad, frame).map_err(FormatError::damaged)?;
        self.bytes.extend(sealed);
        self.bytes.extend(tail);
        Ok((self.bytes, self.footer))
    }
}

fn tail(offset: u64, sealed_len: u32, plain_len: u32) -> [u8; TAIL_LEN] {
    let mut tail = [0; TAIL_LEN];
    tail[..8].copy_from_slice(&offset.to_le_bytes());
    tail[8..12].copy_from_slice(&sealed_len.to_le_bytes());
    tail[12..16].copy_from_slice(&plain_len.to_le_bytes());
    tail[16..].copy_from_slice(TAIL_MAGIC);
    tail
}

/// A pack's header, checked: opens its blocks and its footer.
pub struct PackOpener {
    sealer: Sealer,
    header: [u8; HEADER_LEN],
    kind: PackKind,
}

impl PackOpener {
    /// Reads a pack's first [`HEADER_LEN`] bytes. Whether they are genuine shows with the first thing opened.
    pub fn new(keys: &RepoKeys, header: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new(header);
        if cursor.array()? != *MAGIC {
            return Err(FormatError::damaged("it does not begin as a pack does"));
        }
        let version = cursor.u16()?;
        let kind = match cursor.u8()? {
            0 => PackKind::Data,
            1 => PackKind::Meta,
            kind => return Err(FormatError::Unsupported(format!("a pack of kind {kind}"))),
        };
        let encryption = cursor.u8()?;
        let flags = cursor.u32()?;
        if version != VERSION || flags != 0 {
            return Err(FormatError::Unsupported(format!("pack version {version}, flags {flags:#x}")));
        }
        if encryption != keys.encryption() as u8 {
            return Err(FormatError::damaged("it is not sealed as this repository's packs are"));
        }
        let salt = cursor.array()?;
        let header = header.first_chunk().copied().ok_or_else(|| FormatError::damaged("it is cut short"))?;
        let sealer = keys.pack_sealer(&salt).map_err(FormatError::damaged)?;
        Ok(Self { sealer, header, kind })
    }

    /// The pack's kind.
    pub fn kind(&self) -> PackKind {
        self.kind
    }

    /// Opens block `number` in place: `sealed` is its header and its sealed payload. Returns its plain payload.
    pub fn block(
        &self,
        zstd: &mut Decompressor,
        number: u64,
        entry: &BlockEntry,
        sealed: &mut [u8],
    ) -> Result<Vec<u8>, FormatError> {
        let cut = || FormatError::damaged(format!("block {number} is cut short"));
        let (header, payload) = sealed.split_at_mut_checked(BLOCK_HEADER_LEN).ok_or_else(cut)?;
        if header != entry.header() || payload.len() != entry.sealed_len as usize {
            return Err(FormatError::damaged(format!("the header of block {number} is not the one in the footer")));
        }
        let aad = [&self.header[..], header].concat();
        let len = self
            .sealer
            .open_in_place(number, &aad, payload)
            .ok_or_else(|| FormatError::damaged(format!("the seal of block {number} does not fit")))?;
        let stored = payload.get(..len).ok_or_else(cut)?;
        zstd.decompress(entry.codec, stored, entry.plain_len as usize)
            .map_err(|error| FormatError::damaged(format!("block {number}: {error}")))
    }

    /// Opens the footer, given the end of the pack from the footer's offset on.
    pub fn footer(&self, place: &FooterPlace, end: &[u8]) -> Result<Footer, FormatError> {
        let cut = || FormatError::damaged("its footer is cut short");
        let (sealed, tail) = end.split_last_chunk::<TAIL_LEN>().ok_or_else(cut)?;
        let aad = [&self.header[..], tail].concat();
        let frame = self
            .sealer
            .open(FOOTER_NUMBER, &aad, sealed.to_vec())
            .ok_or_else(|| FormatError::damaged("the seal of its footer does not fit"))?;
        let plain = decompress(BlockCodec::Zstd, &frame, place.plain_len).map_err(FormatError::damaged)?;
        let footer: Footer = decode(&plain)?;
        footer.check(place.offset)?;
        Ok(footer)
    }
}

/// Where a pack's footer is.
#[derive(Debug, Clone, Copy)]
pub struct FooterPlace {
    /// Where it begins in the pack.
    pub offset: u64,
    /// Its plain length, bytes.
    pub plain_len: usize,
}

impl FooterPlace {
    /// Reads the last [`TAIL_LEN`] bytes of a pack that is `pack_len` bytes long.
    pub fn decode(tail: &[u8], pack_len: u64) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new(tail);
        let (offset, sealed_len, plain_len) = (cursor.u64()?, cursor.u32()?, cursor.u32()? as usize);
        if cursor.array()? != *TAIL_MAGIC {
            return Err(FormatError::damaged("it does not end as a pack does"));
        }
        let end = u64::from(sealed_len).saturating_add(TAIL_LEN as u64).saturating_add(offset);
        if offset < HEADER_LEN as u64 || end != pack_len || plain_len > limits::FOOTER_MAX {
            return Err(FormatError::damaged("its footer is not where its tail says"));
        }
        Ok(Self { offset, plain_len })
    }
}

impl Footer {
    /// Checks every count and length against each other, the limits and the footer's offset in the pack.
    fn check(&self, footer_offset: u64) -> Result<(), FormatError> {
        let wrong = |what: &str| Err(FormatError::damaged(format!("its footer is inconsistent: {what}")));
        if self.blocks.len() > limits::PACK_BLOCKS_MAX || self.chunks.len() > limits::PACK_CHUNKS_MAX {
            return wrong("too many blocks or chunks");
        }
        let mut offset = HEADER_LEN as u64;
        let mut chunks = self.chunks.iter();
        for block in &self.blocks {
            offset += (BLOCK_HEADER_LEN as u64) + u64::from(block.sealed_len);
            if block.plain_len as usize > limits::BLOCK_MAX || (block.sealed_len as usize) < TAG_LEN {
                return wrong("a block's length");
            }
            let held: u64 = chunks.by_ref().take(block.chunks as usize).map(|chunk| u64::from(chunk.payload_len)).sum();
            if held != u64::from(block.plain_len) {
                return wrong("a block's chunks");
            }
        }
        if chunks.next().is_some() || offset != footer_offset {
            return wrong("the number of its chunks or the length of its blocks");
        }
        if self.chunks.iter().any(|chunk| chunk.plain_len() as usize > limits::BLOCK_MAX) {
            return wrong("a chunk's length");
        }
        Ok(())
    }

    /// For each block, where its header begins in the pack.
    pub fn block_offsets(&self) -> Vec<u64> {
        let mut offset = HEADER_LEN as u64;
        self.blocks
            .iter()
            .map(|block| {
                let here = offset;
                offset += BLOCK_HEADER_LEN as u64 + u64::from(block.sealed_len);
                here
            })
            .collect()
    }
}
