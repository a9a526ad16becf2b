//! The one random key that all others of a repository come from.

use std::fmt;

use zeroize::Zeroizing;

use crate::clock::Entropy;

/// Bytes in every key.
pub const KEY_LEN: usize = 32;

/// A repository's master key: 32 random bytes, made at `init`, never changed, wiped when dropped.
pub struct MasterKey(Zeroizing<[u8; KEY_LEN]>);

impl MasterKey {
    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        entropy.fill(key.as_mut_slice());
        Self(key)
    }

    pub(super) fn from_bytes(key: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self(key)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}
