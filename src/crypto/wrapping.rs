//! Secrets of others under one key: a service's master key seals the keys of its accounts, and signs.

use std::fmt;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use super::derive::{Key, derive};
use super::master::KEY_LEN;
use super::seal::{SALT_LEN, TAG_LEN, aes_key};
use crate::clock::Entropy;
use crate::error::{Error, Result};

const SECRET_CONTEXT: &str = "snaphold service v1 key of a sealed secret";
const PURPOSE_CONTEXT: &str = "snaphold service v1 key for a purpose";
/// The first byte of what is sealed: its form.
const VERSION: u8 = 1;

/// A key that seals secrets and signs: 32 bytes, wiped when dropped, never shown.
pub struct WrappingKey(Key);

impl WrappingKey {
    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        entropy.fill(key.as_mut_slice());
        Self(key)
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the one file that keeps them.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Seals a secret that belongs to `owner`: `1 ‖ salt (32) ‖ AES-256-GCM of the secret`, under the key `BLAKE3
    /// derive_key(context, this key ‖ salt)`, which is used once, so that its nonce is 0. `1 ‖ salt ‖ owner` is
    /// authenticated with it.
    pub fn seal(&self, owner: &str, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>> {
        let mut salt = [0; SALT_LEN];
        entropy.fill(&mut salt);
        let mut sealed = Zeroizing::new(secret.to_vec());
        // Room for the tag at once: a buffer that grows leaves the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(secret.len() + TAG_LEN));
        bytes.append(&mut sealed);
        self.cipher(&salt)?
            .seal_in_place_append_tag(nonce(), Aad::from(authenticated(&salt, owner)), &mut *bytes)
            .map_err(|_| Error::Failed("cannot seal a secret".into()))?;
        Ok([&[VERSION][..], &salt, &bytes].concat())
    }

    /// The secret; `None` where it was sealed by another key, for another owner, or was changed.
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first()?;
        let (salt, secret) = rest.split_first_chunk::<SALT_LEN>()?;
        if *version != VERSION {
            return None;
        }
        let mut secret = Zeroizing::new(secret.to_vec());
        let aad = Aad::from(authenticated(salt, owner));
        let len = self.cipher(salt).ok()?.open_in_place(nonce(), aad, &mut secret).ok()?.len();
        secret.truncate(len);
        Some(secret)
    }

    /// What proves that who holds this key has seen `bytes` for `purpose`: BLAKE3 of them under a key of the purpose's own.
    pub fn sign(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        let key = derive(PURPOSE_CONTEXT, &[self.0.as_slice(), purpose.as_bytes()]);
        blake3::keyed_hash(&key, bytes).into()
    }

    /// Whether `signature` is what [`Self::sign`] gives. Takes the same time whichever byte differs.
    pub fn verify(&self, purpose: &str, bytes: &[u8], signature: &[u8]) -> bool {
        verify_slices_are_equal(&self.sign(purpose, bytes), signature).is_ok()
    }

    fn cipher(&self, salt: &[u8; SALT_LEN]) -> Result<aws_lc_rs::aead::LessSafeKey> {
        aes_key(&derive(SECRET_CONTEXT, &[self.0.as_slice(), salt]))
    }
}

fn authenticated(salt: &[u8; SALT_LEN], owner: &str) -> Vec<u8> {
    [&[VERSION][..], salt, owner.as_bytes()].concat()
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(0u8..).for_each(|(byte, value)| *byte = value);
        }
    }

    fn key(first: u8) -> WrappingKey {
        WrappingKey::from_bytes(Zeroizing::new(std::array::from_fn(|at| at as u8 ^ first)))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Computed from what is written above by an independent program.
    #[test]
    fn a_sealed_secret_is_frozen_and_opens() {
        let sealed = key(0).seal("a1", b"secret", &Counting).unwrap();
        assert_eq!(hex(&sealed), FROZEN_SEALED);
        assert_eq!(key(0).open("a1", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(hex(&key(0).sign("links", b"bytes")), FROZEN_SIGNATURE);
    }

    const FROZEN_SEALED: &str = "01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f6e4460b045b3fe2ed713f5268d25cfe86f3e9ac2df26";
    const FROZEN_SIGNATURE: &str = "dbdcd90e7aab2f29beffbf55b05aa15509b002421848364f42a039d9251b84ad";

    #[test]
    fn another_key_another_owner_and_every_changed_bit_are_refused() {
        let sealed = key(0).seal("a1", b"secret", &Counting).unwrap();
        assert!(key(1).open("a1", &sealed).is_none());
        for owner in ["a2", "a", "", "a11"] {
            assert!(key(0).open(owner, &sealed).is_none(), "{owner:?}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key(0).open("a1", &changed).is_none(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(key(0).open("a1", &sealed[..len]).is_none(), "{len} bytes");
        }
    }

    #[test]
    fn a_signature_holds_for_its_key_purpose_and_bytes_alone() {
        let signature = key(0).sign("links", b"bytes");
        assert!(key(0).verify("links", b"bytes", &signature));
        assert!(!key(1).verify("links", b"bytes", &signature));
        assert!(!key(0).verify("cookies", b"bytes", &signature));
        assert!(!key(0).verify("links", b"byteS", &signature));
        assert!(!key(0).verify("links", b"bytes", &signature[..31]));
        assert!(!key(0).verify("links", b"bytes", b""));
    }
}
