//! The repository's config: written once, in two copies, by `init`.
//!
//! ```text
//!  0  magic "SNAPCONF"
//!  8  version (u16)
//! 10  read flags (u32)  write flags (u32)  delete flags (u32): features that one must know to read, write, delete
//! 22  body: bincode of [`Config`]
//!  …  MAC (32 bytes): BLAKE3 of everything before, keyed from the master key
//!  …  BLAKE3-256 of everything before
//! ```

use serde::{Deserialize, Serialize};

use crate::chunk::StreamChunker;
use crate::crypto::Encryption;
use crate::id::{HASH_LEN, RepoId};

use super::{Cursor, FormatError, decode, encode};

const MAGIC: &[u8; 8] = b"SNAPCONF";
const VERSION: u16 = 1;

/// What is fixed for the life of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The repository's id.
    pub repo: RepoId,
    /// How objects are sealed.
    pub encryption: Encryption,
    /// How streams are cut.
    pub chunker: StreamChunker,
    /// Page-class chunks are the smallest multiple of the page size that is at least this, bytes.
    pub page_target: u32,
    /// When the repository was made, nanoseconds since 1970 (UTC).
    pub created_at_ns: i64,
}

/// A config as it was stored: to be trusted once [`StoredConfig::mac`] was checked with the repository's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConfig {
    /// The config.
    pub config: Config,
    /// The bytes that the MAC is of.
    pub authenticated: Vec<u8>,
    /// The MAC.
    pub mac: [u8; HASH_LEN],
}

impl Config {
    /// The stored bytes, but for MAC and checksum.
    pub fn authenticated_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend(encode(self));
        bytes
    }

    /// The stored bytes, given the MAC of [`Config::authenticated_bytes`].
    pub fn stored_bytes(&self, mac: [u8; HASH_LEN]) -> Vec<u8> {
        let mut bytes = self.authenticated_bytes();
        bytes.extend(mac);
        let checksum = blake3::hash(&bytes);
        bytes.extend(checksum.as_bytes());
        bytes
    }
}

impl StoredConfig {
    /// Reads a stored config. Version and flags are looked at before anything else: a newer form may keep its checksum
    /// elsewhere, and must not be taken for a damaged one.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.array()? != *MAGIC {
            return Err(FormatError::damaged("it is not a snaphold config"));
        }
        let version = cursor.u16()?;
        if version != VERSION {
            return Err(FormatError::Unsupported(format!("repository format version {version}")));
        }
        for operation in ["read", "write", "delete"] {
            let flags = cursor.u32()?;
            if flags != 0 {
                return Err(FormatError::Unsupported(format!("{operation} features {flags:#x}")));
            }
        }
        let cut = || FormatError::damaged("it is cut short");
        let (body, checksum) = bytes.split_last_chunk::<HASH_LEN>().ok_or_else(cut)?;
        if blake3::hash(body).as_bytes() != checksum {
            return Err(FormatError::damaged("its checksum does not fit"));
        }
        let (authenticated, mac) = body.split_last_chunk::<HASH_LEN>().ok_or_else(cut)?;
        let config = decode(authenticated.get(22..).ok_or_else(cut)?)?;
        Ok(Self { config, authenticated: authenticated.to_vec(), mac: *mac })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            repo: RepoId([7; 16]),
            encryption: Encryption::Aes256Gcm,
            chunker: StreamChunker::default(),
            page_target: 16_384,
            created_at_ns: 1_700_000_000_000_000_000,
        }
    }

    #[test]
    fn a_config_comes_back() {
        let stored = StoredConfig::decode(&config().stored_bytes([9; 32])).unwrap();
        assert_eq!((stored.config, stored.mac), (config(), [9; 32]));
        assert_eq!(stored.authenticated, config().authenticated_bytes());
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = config().stored_bytes([9; 32]);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x40;
            let error = StoredConfig::decode(&bad).unwrap_err();
            let says_newer = matches!(error, FormatError::Unsupported(_));
            assert_eq!(says_newer, (8..22).contains(&at), "byte {at}: {error}");
        }
    }

    #[test]
    fn an_unknown_feature_or_version_is_refused_as_newer() {
        for (at, value) in [(8, 2u8), (10, 1), (14, 1), (18, 1)] {
            let mut body = config().stored_bytes([9; 32]);
            body.truncate(body.len() - 32);
            body[at] = value;
            let checksum = blake3::hash(&body);
            body.extend(checksum.as_bytes());
            assert!(matches!(StoredConfig::decode(&body), Err(FormatError::Unsupported(_))), "byte {at}");
        }
    }
}
