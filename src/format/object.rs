//! The envelope of small sealed objects: manifests, ledger records, writers, condemned packs.
//!
//! ```text
//!  0  magic "SNAPOBJ1"
//!  8  kind (u8)  encryption (u8)  version (u16)  flags (u32)  plain length (u32)  compressed length (u32)
//! 24  salt (32 bytes)
//! 56  sealed: one zstd frame of the plain bytes, then the tag
//!  …  BLAKE3-256 of everything before: who holds no key can still check it
//! ```

use crate::codec::{BlockCodec, Compressor, Effort, Habit, decompress};
use crate::crypto::{RepoKeys, SALT_LEN, TAG_LEN};
use crate::id::HASH_LEN;
use crate::limits;

use super::{Cursor, FormatError};

const MAGIC: &[u8; 8] = b"SNAPOBJ1";
const VERSION: u16 = 1;
const HEADER_LEN: usize = 24;

/// The kinds of sealed object. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ObjectTag {
    /// A manifest.
    Manifest = 1,
    /// A ledger record.
    Ledger = 2,
    /// A registered writer.
    Writer = 3,
    /// Condemned packs.
    Condemned = 4,
    /// A text that is kept outside of the repository.
    Note = 5,
}

/// The stored bytes of an object. `name` is authenticated with it; pass an empty one where the name is the hash of
/// these bytes.
pub fn seal(
    keys: &RepoKeys,
    kind: ObjectTag,
    name: &str,
    salt: [u8; SALT_LEN],
    plain: &[u8],
) -> Result<Vec<u8>, FormatError> {
    if plain.len() > limits::SMALL_OBJECT_MAX {
        return Err(FormatError::damaged(format!("an object of {} bytes is over the limit", plain.len())));
    }
    let (codec, stored) = Compressor::new(Effort::Default)
        .and_then(|mut zstd| zstd.compress(plain, &mut Habit::default()))
        .map_err(FormatError::damaged)?;
    let mut object = Vec::with_capacity(HEADER_LEN + SALT_LEN + stored.len() + TAG_LEN + HASH_LEN);
    object.extend_from_slice(MAGIC);
    object.extend([kind as u8, keys.encryption() as u8]);
    object.extend(VERSION.to_le_bytes());
    object.extend(0u32.to_le_bytes());
    object.extend((plain.len() as u32).to_le_bytes());
    object.extend((stored.len() as u32 | if codec == BlockCodec::Plain { PLAIN_BIT } else { 0 }).to_le_bytes());
    object.extend(salt);
    let aad = [object.as_slice(), name.as_bytes()].concat();
    let sealer = keys.object_sealer(kind as u8, &salt).map_err(FormatError::damaged)?;
    let sealed = sealer.seal(0, &aad, stored).map_err(FormatError::damaged)?;
    object.extend(sealed);
    let checksum = blake3::hash(&object);
    object.extend(checksum.as_bytes());
    Ok(object)
}

/// Set in the compressed length where the payload was stored as it is.
const PLAIN_BIT: u32 = 1 << 31;

/// The plain bytes of a stored object, authenticated under `name`.
pub fn open(keys: &RepoKeys, kind: ObjectTag, name: &str, object: &[u8]) -> Result<Vec<u8>, FormatError> {
    let body = check(object)?;
    let mut cursor = Cursor::new(body);
    cursor.take(MAGIC.len())?;
    let (stored_kind, encryption) = (cursor.u8()?, cursor.u8()?);
    let (version, flags) = (cursor.u16()?, cursor.u32()?);
    if version != VERSION || flags != 0 {
        return Err(FormatError::Unsupported(format!("object version {version}, flags {flags:#x}")));
    }
    if stored_kind != kind as u8 {
        return Err(FormatError::damaged("it is an object of another kind"));
    }
    if encryption != keys.encryption() as u8 {
        return Err(FormatError::damaged("it is not sealed as this repository's objects are"));
    }
    let (plain_len, stored_len) = (cursor.u32()? as usize, cursor.u32()?);
    if plain_len > limits::SMALL_OBJECT_MAX {
        return Err(FormatError::damaged(format!("it declares {plain_len} bytes")));
    }
    let codec = if stored_len & PLAIN_BIT == 0 { BlockCodec::Zstd } else { BlockCodec::Plain };
    let salt: [u8; SALT_LEN] = cursor.array()?;
    let sealed = cursor.rest();
    if sealed.len() != (stored_len & !PLAIN_BIT) as usize + TAG_LEN {
        return Err(FormatError::damaged("its length is not the one it declares"));
    }
    let header = body.get(..HEADER_LEN + SALT_LEN).unwrap_or_default();
    let aad = [header, name.as_bytes()].concat();
    let stored = keys
        .object_sealer(kind as u8, &salt)
        .map_err(FormatError::damaged)?
        .open(0, &aad, sealed.to_vec())
        .ok_or_else(|| FormatError::damaged("its seal does not fit"))?;
    decompress(codec, &stored, plain_len).map_err(FormatError::damaged)
}

/// Checks magic and checksum, which needs no key. Returns the object without its checksum.
pub fn check(object: &[u8]) -> Result<&[u8], FormatError> {
    if object.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(FormatError::damaged("it does not begin as an object does"));
    }
    let (body, checksum) = object
        .split_last_chunk::<HASH_LEN>()
        .filter(|(body, _)| body.len() >= HEADER_LEN + SALT_LEN + TAG_LEN)
        .ok_or_else(|| FormatError::damaged("it is cut short"))?;
    if blake3::hash(body).as_bytes() != checksum {
        return Err(FormatError::damaged("its checksum does not fit"));
    }
    Ok(body)
}
