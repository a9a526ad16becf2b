//! Key slots: the master key, wrapped once for each secret that opens the repository.
//!
//! Changing a passphrase is a new slot and the end of an old one; nothing that was sealed is touched.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::derive::{Key, derive};
use super::master::{KEY_LEN, MasterKey};
use super::seal::{TAG_LEN, aes_key, tag};
use crate::clock::Entropy;
use crate::error::{Error, Result};
use crate::id::RepoId;
use crate::limits::{
    ARGON2_LANES_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_TIME_MAX, KEY_FILE_MIN, KEY_LABEL_MAX, SECRET_MAX, SMALL_OBJECT_MAX,
};

const KEY_FILE_CONTEXT: &str = "snaphold v1 key of a key file";
/// The first of what is authenticated with a wrapped key.
const SLOT_MAGIC: &[u8] = b"snaphold v1 key slot";
const SALT_LEN: usize = 16;

/// What opens a key slot. Wiped when dropped, never shown.
pub enum Secret {
    /// What a person types, byte for byte: 1 to [`SECRET_MAX`] bytes.
    Passphrase(Zeroizing<Vec<u8>>),
    /// A key file's content: [`KEY_FILE_MIN`] to [`SECRET_MAX`] bytes, which should be random ones.
    KeyFile(Zeroizing<Vec<u8>>),
    /// None at all, for a repository that was asked to be without encryption. Opens slots of that kind alone, so that
    /// who gives a passphrase cannot be handed a key that needs none.
    Nothing,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Passphrase(_) => "Passphrase(secret)",
            Secret::KeyFile(_) => "KeyFile(secret)",
            Secret::Nothing => "Nothing",
        })
    }
}

/// What guessing one passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory, KiB: at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub time: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Argon2Params {
    /// 64 MiB, 3 passes, 4 lanes: the second recommendation of RFC 9106. Lanes are filled side by side.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, time: 3, lanes: 4 }
    }
}

/// How a slot's key comes from a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kdf {
    /// Argon2id, version 0x13, of the passphrase; 32 bytes.
    Argon2id {
        /// Memory, KiB.
        memory_kib: u32,
        /// Passes over the memory.
        time: u32,
        /// Lanes.
        lanes: u32,
        /// Random.
        salt: [u8; SALT_LEN],
    },
    /// `BLAKE3 derive_key(context, salt ‖ content)` of a key file.
    KeyFile {
        /// Random.
        salt: [u8; SALT_LEN],
    },
    /// The master key stands in the slot as it is.
    None,
}

/// The master key as one secret opens it.
///
/// Wrapped by AES-256-GCM; with [`Kdf::None`] plain, with the first 16 bytes of keyed BLAKE3 under the master key itself
/// as its tag. Authenticated with it is `"snaphold v1 key slot" ‖ repository id ‖ creation time (i64, big-endian) ‖ nonce
/// ‖ bincode(kdf) ‖ label`, so that a slot opens as it was made, and in its own repository, or not at all.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySlot {
    /// What a person calls it: at most [`KEY_LABEL_MAX`] bytes without control characters.
    pub label: String,
    /// When it was made, nanoseconds since 1970 (UTC).
    pub created_at_ns: i64,
    /// How its key comes from the secret.
    pub kdf: Kdf,
    nonce: [u8; NONCE_LEN],
    wrapped: [u8; KEY_LEN],
    tag: [u8; TAG_LEN],
}

impl KeySlot {
    /// Wraps the master key of `repo` for `secret`. `params` count for a passphrase alone.
    ///
    /// `Error::Usage` where the secret is empty, too short or too long, the label too long or not printable, or the
    /// parameters out of limits.
    pub fn create(
        master: &MasterKey,
        repo: RepoId,
        secret: &Secret,
        label: &str,
        created_at_ns: i64,
        entropy: &dyn Entropy,
        params: Argon2Params,
    ) -> Result<Self> {
        check_secret(secret)?;
        let mut salt = [0; SALT_LEN];
        entropy.fill(&mut salt);
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let kdf = match secret {
            Secret::Passphrase(_) => {
                let Argon2Params { memory_kib, time, lanes } = params;
                Kdf::Argon2id { memory_kib, time, lanes, salt }
            }
            Secret::KeyFile(_) => Kdf::KeyFile { salt },
            Secret::Nothing => Kdf::None,
        };
        let mut slot =
            Self { label: label.into(), created_at_ns, kdf, nonce, wrapped: [0; KEY_LEN], tag: [0; TAG_LEN] };
        slot.check().map_err(Error::Usage)?;

        let authenticated = slot.authenticated(repo)?;
        let mut wrapped = Zeroizing::new(*master.as_bytes());
        slot.tag = match slot.key(secret)? {
            Some(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let aad = Aad::from(authenticated);
                let tag = aes_key(&key)?.seal_in_place_separate_tag(nonce, aad, wrapped.as_mut_slice());
                let tag = tag.ok().and_then(|tag| tag.as_ref().try_into().ok());
                tag.ok_or_else(|| Error::Failed("cannot wrap the master key".into()))?
            }
            None => tag(&wrapped, &authenticated, &[]),
        };
        slot.wrapped = *wrapped;
        Ok(slot)
    }

    /// The master key, or `None` where `secret` does not open this slot: try the next one. (A slot that was changed, or
    /// comes from another repository, cannot be told from a wrong secret.)
    ///
    /// `Error::Damaged` where the slot's parameters are out of limits, `Error::Failed` where memory does not suffice.
    pub fn open(&self, repo: RepoId, secret: &Secret) -> Result<Option<MasterKey>> {
        self.check().map_err(|detail| Error::damaged(format!("key slot {:?}", self.label), detail))?;
        let matches = matches!(
            (&self.kdf, secret),
            (Kdf::Argon2id { .. }, Secret::Passphrase(_))
                | (Kdf::KeyFile { .. }, Secret::KeyFile(_))
                | (Kdf::None, Secret::Nothing)
        );
        if !matches || check_secret(secret).is_err() {
            return Ok(None);
        }
        let authenticated = self.authenticated(repo)?;
        let mut master = Zeroizing::new(self.wrapped);
        let opened = match self.key(secret)? {
            Some(key) => {
                let nonce = Nonce::assume_unique_for_key(self.nonce);
                let aad = Aad::from(authenticated);
                aes_key(&key)?.open_in_place_separate_tag(nonce, aad, &self.tag, master.as_mut_slice()).is_ok()
            }
            None => verify_slices_are_equal(&tag(&master, &authenticated, &[]), &self.tag).is_ok(),
        };
        Ok(opened.then(|| MasterKey::from_bytes(master)))
    }

    /// The slot's stored bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        encode(self)
    }

    /// A slot from its stored bytes. `object` names them in the error, which is `Error::Damaged`: for bytes that are no
    /// slot, too many of them, and parameters out of limits.
    pub fn decode(object: &str, bytes: &[u8]) -> Result<Self> {
        let (slot, len): (Self, usize) = bincode::serde::decode_from_slice(bytes, config())
            .map_err(|error| Error::damaged(object, format!("it is no key slot ({error})")))?;
        if len != bytes.len() {
            return Err(Error::damaged(object, format!("{} bytes follow its end", bytes.len() - len)));
        }
        slot.check().map_err(|detail| Error::damaged(object, detail))?;
        Ok(slot)
    }

    /// Whether everything is within limits, before anything is allocated or computed for it.
    fn check(&self) -> Result<(), String> {
        if self.label.len() > KEY_LABEL_MAX {
            return Err(format!("a key's label has at most {KEY_LABEL_MAX} bytes, not {}", self.label.len()));
        }
        if self.label.chars().any(char::is_control) {
            return Err("a key's label has no control characters".into());
        }
        if let Kdf::Argon2id { memory_kib, time, lanes, .. } = self.kdf {
            let within = (1..=ARGON2_LANES_MAX).contains(&lanes)
                && (1..=ARGON2_TIME_MAX).contains(&time)
                && (lanes * 8..=ARGON2_MEMORY_KIB_MAX).contains(&memory_kib);
            if !within {
                return Err(format!(
                    "Argon2id with {memory_kib} KiB, {time} passes and {lanes} lanes is out of limits \
                     (8 for each lane to {ARGON2_MEMORY_KIB_MAX}, 1 to {ARGON2_TIME_MAX}, 1 to {ARGON2_LANES_MAX})"
                ));
            }
        }
        Ok(())
    }

    /// The wrapping key; `None` with [`Kdf::None`]. The parameters were checked, and so was that `secret` fits them.
    fn key(&self, secret: &Secret) -> Result<Option<Key>> {
        Ok(match (self.kdf, secret) {
            (Kdf::Argon2id { memory_kib, time, lanes, salt }, Secret::Passphrase(passphrase)) => {
                Some(argon2id(passphrase, &salt, Argon2Params { memory_kib, time, lanes })?)
            }
            (Kdf::KeyFile { salt }, Secret::KeyFile(content)) => Some(derive(KEY_FILE_CONTEXT, &[&salt, content])),
            (Kdf::None, Secret::Nothing) => None,
            _ => return Err(Error::Failed("a key slot was asked with a secret of another kind".into())),
        })
    }

    fn authenticated(&self, repo: RepoId) -> Result<Vec<u8>> {
        let created_at = self.created_at_ns.to_be_bytes();
        let kdf = encode(&self.kdf)?;
        Ok([SLOT_MAGIC, repo.as_bytes(), &created_at, &self.nonce, &kdf, self.label.as_bytes()].concat())
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySlot")
            .field("label", &self.label)
            .field("created_at_ns", &self.created_at_ns)
            .field("kdf", &self.kdf)
            .finish_non_exhaustive()
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<SMALL_OBJECT_MAX>()
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    bincode::serde::encode_to_vec(value, config())
        .map_err(|error| Error::Failed(format!("cannot encode a key slot: {error}")))
}

fn check_secret(secret: &Secret) -> Result<()> {
    let (what, bytes, min) = match secret {
        Secret::Passphrase(bytes) => ("the passphrase", bytes, 1),
        Secret::KeyFile(bytes) => ("the key file", bytes, KEY_FILE_MIN),
        Secret::Nothing => return Ok(()),
    };
    match bytes.len() {
        0 => Err(Error::Usage(format!("{what} is empty"))),
        len if len < min => Err(Error::Usage(format!("{what} has {len} bytes; it needs at least {min} random ones"))),
        len if len > SECRET_MAX => Err(Error::Usage(format!("{what} is longer than {SECRET_MAX} bytes"))),
        _ => Ok(()),
    }
}

/// Argon2id in memory that is wiped afterwards.
fn argon2id(passphrase: &[u8], salt: &[u8; SALT_LEN], params: Argon2Params) -> Result<Key> {
    let failed = |error: &dyn fmt::Display| {
        Error::Failed(format!("cannot compute the passphrase's key in {} KiB: {error}", params.memory_kib))
    };
    let params_checked =
        Params::new(params.memory_kib, params.time, params.lanes, Some(KEY_LEN)).map_err(|e| failed(&e))?;
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(params_checked.block_count()).map_err(|e| failed(&e))?;
    memory.resize(params_checked.block_count(), Block::new());
    let mut key = Zeroizing::new([0; KEY_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params_checked)
        .hash_password_into_with_memory(passphrase, salt, key.as_mut_slice(), memory.as_mut_slice())
        .map_err(|e| failed(&e))?;
    Ok(key)
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
