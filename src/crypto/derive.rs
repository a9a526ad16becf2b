//! One secret from another.

use zeroize::Zeroizing;

use super::master::KEY_LEN;

pub(super) type Key = Zeroizing<[u8; KEY_LEN]>;

/// BLAKE3's key derivation over the parts, one after another. All but the last must be of fixed length.
pub(super) fn derive(context: &str, parts: &[&[u8]]) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    Zeroizing::new(hasher.finalize().into())
}
