//! Each id is a type of its own, so that one kind cannot be passed where another belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes in a hash: BLAKE3-256.
pub const HASH_LEN: usize = 32;
/// Bytes in a chunk's id. Ids do not compress, and a changed page costs three of them (its own in the recipe and in the
/// pack's footer, its base's beside it): at 32 bytes they were more than the delta itself. 160 bits under a secret key
/// leave a chance of 2^-81 that any two of 2^40 chunks (16 PiB) share one.
pub const CHUNK_ID_LEN: usize = 20;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {expected} hexadecimal digits")]
pub struct ParseIdError {
    /// How many digits the id has.
    pub expected: usize,
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let error = ParseIdError { expected: N * 2 };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(error);
    }
    let mut bytes = [0u8; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let mut value = 0u8;
        for &digit in pair {
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(error),
            };
            value = value << 4 | nibble;
        }
        *byte = value;
    }
    Ok(bytes)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map($name)
            }
        }
    };
}

id_type!(
    /// A chunk's id: the first 20 bytes of the BLAKE3 of its plain bytes, keyed with the repository's chunk-id key.
    ChunkId,
    CHUNK_ID_LEN
);
id_type!(
    /// A pack's name: BLAKE3-256 (no key) of its stored bytes.
    PackId,
    HASH_LEN
);
id_type!(
    /// A repository's id: 16 random bytes, fixed at `init`, authenticated in every sealed object.
    RepoId,
    16
);
id_type!(
    /// A snapshot's id: 8 random bytes, chosen when the snapshot begins. Shown and typed as hex; a unique prefix will do.
    SnapshotId,
    8
);
id_type!(
    /// A writer's id: 16 random bytes, chosen when a session that may write begins.
    WriterId,
    16
);
