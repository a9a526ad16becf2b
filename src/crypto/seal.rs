//! Seals: what is stored comes back as it was, from where it was, or not at all.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};

use super::derive::{Key, derive};
use crate::error::{Error, Result};
use crate::id::RepoId;

/// Bytes that sealing adds, at the end.
pub const TAG_LEN: usize = 16;
/// Bytes in the random salt of a sealed object.
pub const SALT_LEN: usize = 32;

const AES_CONTEXT: &str = "snaphold v1 AES-256-GCM key of an object";
const TAG_CONTEXT: &str = "snaphold v1 tag key of an object that is not encrypted";

/// How a repository's objects are sealed. The config stores it, and it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encryption {
    /// AES-256-GCM: nobody reads or changes anything without a key.
    Aes256Gcm,
    /// Stored plain, with a keyed BLAKE3 tag. Damage and mix-ups are found; but the key lies beside the data, so whoever
    /// may write to the repository can make a tag too.
    None,
}

/// The key of one stored object: seals and opens its parts, which are numbered from 0.
///
/// Authenticated with every part is `repository id (16) ‖ kind (1) ‖ salt (32) ‖ number (u64) ‖ length of the caller's
/// data (u64) ‖ the caller's data`, integers big-endian. The AES-256-GCM nonce is the number as 96 bits, big-endian, so
/// a number must not be sealed twice under one salt. Without encryption the tag is the first 16 bytes of keyed BLAKE3
/// over the same, followed by the part's bytes.
pub struct Sealer {
    key: SealKey,
    place: Vec<u8>,
}

enum SealKey {
    Aes(LessSafeKey),
    Tag(Key),
}

impl Sealer {
    /// The object's key is `BLAKE3 derive_key(context, root ‖ kind ‖ salt)`.
    pub(super) fn new(
        encryption: Encryption,
        root: &Key,
        repo: RepoId,
        kind: u8,
        salt: &[u8; SALT_LEN],
    ) -> Result<Self> {
        let key = |context| derive(context, &[root.as_slice(), &[kind], salt]);
        let key = match encryption {
            Encryption::Aes256Gcm => SealKey::Aes(aes_key(&key(AES_CONTEXT))?),
            Encryption::None => SealKey::Tag(key(TAG_CONTEXT)),
        };
        let place = [repo.as_bytes().as_slice(), &[kind], salt].concat();
        Ok(Self { key, place })
    }

    /// Seals part `number`: its bytes become unreadable (unless encryption is off) and longer by [`TAG_LEN`]. `aad` is
    /// stored elsewhere by the caller and authenticated here.
    ///
    /// A `plain` with [`TAG_LEN`] bytes to spare is not moved. Fails only beyond the cipher's 64 GiB.
    pub fn seal(&self, number: u64, aad: &[u8], mut plain: Vec<u8>) -> Result<Vec<u8>> {
        let authenticated = self.authenticated(number, aad);
        match &self.key {
            SealKey::Aes(key) => key
                .seal_in_place_append_tag(nonce(number), Aad::from(authenticated), &mut plain)
                .map_err(|_| Error::Failed(format!("cannot encrypt {} bytes", plain.len())))?,
            SealKey::Tag(key) => plain.extend_from_slice(&tag(key, &authenticated, &plain)),
        }
        Ok(plain)
    }

    /// The plain bytes of part `number`; `None` where a bit of them, of the tag, the number or `aad` is not what was
    /// sealed, or where they were sealed for another object.
    pub fn open(&self, number: u64, aad: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let len = self.open_in_place(number, aad, &mut sealed)?;
        sealed.truncate(len);
        Some(sealed)
    }

    /// Like [`Self::open`], leaving the plain bytes at the beginning of `sealed`. Returns their number, which is
    /// [`TAG_LEN`] less than there were. After a `None` what `sealed` holds means nothing.
    pub fn open_in_place(&self, number: u64, aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let authenticated = self.authenticated(number, aad);
        match &self.key {
            SealKey::Aes(key) => {
                key.open_in_place(nonce(number), Aad::from(authenticated), sealed).ok().map(|plain| plain.len())
            }
            SealKey::Tag(key) => {
                let (plain, stored) = sealed.split_last_chunk::<TAG_LEN>()?;
                verify_slices_are_equal(&tag(key, &authenticated, plain), stored).ok()?;
                Some(plain.len())
            }
        }
    }

    fn authenticated(&self, number: u64, aad: &[u8]) -> Vec<u8> {
        let len = aad.len() as u64;
        [self.place.as_slice(), &number.to_be_bytes(), &len.to_be_bytes(), aad].concat()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(secret)")
    }
}

/// The cipher under `key`, which the library keeps in memory that it wipes.
pub(super) fn aes_key(key: &Key) -> Result<LessSafeKey> {
    let unbound = UnboundKey::new(&AES_256_GCM, key.as_slice())
        .map_err(|_| Error::Failed("the cryptographic library refused a key".into()))?;
    Ok(LessSafeKey::new(unbound))
}

fn nonce(number: u64) -> Nonce {
    const NUMBER_LEN: usize = size_of::<u64>();
    let mut bytes = [0u8; NONCE_LEN];
    if let Some(low) = bytes.last_chunk_mut::<NUMBER_LEN>() {
        *low = number.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

/// The first [`TAG_LEN`] bytes of keyed BLAKE3 over `authenticated ‖ data`.
pub(super) fn tag(key: &Key, authenticated: &[u8], data: &[u8]) -> [u8; TAG_LEN] {
    let mut tag = [0; TAG_LEN];
    blake3::Hasher::new_keyed(key).update(authenticated).update(data).finalize_xof().fill(&mut tag);
    tag
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
