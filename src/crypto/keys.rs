//! What a repository's master key is used for: one key for each purpose.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::derive::{Key, derive};
use super::master::MasterKey;
use super::seal::{Encryption, SALT_LEN, Sealer};
use crate::error::Result;
use crate::id::{CHUNK_ID_LEN, ChunkId, RepoId};

const CHUNK_ID_CONTEXT: &str = "snaphold v1 chunk id key";
const CONFIG_MAC_CONTEXT: &str = "snaphold v1 config authentication key";
const PACK_ROOT_CONTEXT: &str = "snaphold v1 root of pack keys";
const NAMES_CONTEXT: &str = "snaphold v1 key of names";
const OBJECT_ROOT_CONTEXT: &str = "snaphold v1 root of object keys";

/// The kind that is authenticated with what a pack's sealer seals. Objects have an own root, so it clashes with none.
const PACK_KIND: u8 = 0;

/// A repository's keys. Each is `BLAKE3 derive_key(context, master key ‖ repository id)` with a context of its own.
pub struct RepoKeys {
    repo: RepoId,
    encryption: Encryption,
    chunk_id: Key,
    config_mac: Key,
    names: Key,
    pack_root: Key,
    object_root: Key,
}

impl RepoKeys {
    /// Derives all keys of the repository `repo`, whose objects are sealed by `encryption`.
    pub fn derive(master: &MasterKey, repo: RepoId, encryption: Encryption) -> Self {
        let key = |context| derive(context, &[master.as_bytes(), repo.as_bytes()]);
        Self {
            repo,
            encryption,
            chunk_id: key(CHUNK_ID_CONTEXT),
            config_mac: key(CONFIG_MAC_CONTEXT),
            names: key(NAMES_CONTEXT),
            pack_root: key(PACK_ROOT_CONTEXT),
            object_root: key(OBJECT_ROOT_CONTEXT),
        }
    }

    /// The repository whose keys these are.
    pub fn repo(&self) -> RepoId {
        self.repo
    }

    /// How this repository's objects are sealed.
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// The id of the chunk with these plain bytes: the first 20 bytes of their keyed BLAKE3. It tells nothing to who does
    /// not hold the key.
    pub fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        let mut id = ChunkId([0; CHUNK_ID_LEN]);
        let hash = blake3::keyed_hash(&self.chunk_id, plain);
        id.0.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        id
    }

    /// Authenticates the config's bytes: keyed BLAKE3-256.
    pub fn config_mac(&self, config: &[u8]) -> [u8; 32] {
        blake3::keyed_hash(&self.config_mac, config).into()
    }

    /// Whether `mac` is the [`Self::config_mac`] of `config`. Takes the same time whichever byte differs.
    pub fn config_mac_is(&self, config: &[u8], mac: &[u8; 32]) -> bool {
        verify_slices_are_equal(&self.config_mac(config), mac).is_ok()
    }

    /// What stands for a name where an object's name must tell one thing from another: the first 16 bytes of its keyed
    /// BLAKE3. Who holds no key cannot try names against it.
    pub fn name_tag(&self, name: &[u8]) -> [u8; 16] {
        let mut tag = [0; 16];
        let hash = blake3::keyed_hash(&self.names, name);
        tag.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        tag
    }

    /// The sealer of the pack with this salt. A salt is drawn at random for one pack, and never used again.
    ///
    /// Fails only where the cryptographic library does.
    pub fn pack_sealer(&self, salt: &[u8; SALT_LEN]) -> Result<Sealer> {
        Sealer::new(self.encryption, &self.pack_root, self.repo, PACK_KIND, salt)
    }

    /// The sealer of a single object of the given kind (manifest, ledger record, …) with this salt. The kinds' numbers
    /// are part of the format. A salt is drawn at random for one object, and never used again.
    ///
    /// Fails only where the cryptographic library does.
    pub fn object_sealer(&self, kind: u8, salt: &[u8; SALT_LEN]) -> Result<Sealer> {
        Sealer::new(self.encryption, &self.object_root, self.repo, kind, salt)
    }
}

impl fmt::Debug for RepoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepoKeys")
            .field("repo", &self.repo)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use zeroize::Zeroizing;

    use super::*;

    pub const REPO: RepoId = RepoId([0x11; 16]);

    /// Keys from the master key 00 01 02 … 1f.
    pub fn keys(encryption: Encryption) -> RepoKeys {
        RepoKeys::derive(&master(), REPO, encryption)
    }

    pub fn master() -> MasterKey {
        MasterKey::from_bytes(Zeroizing::new(std::array::from_fn(|at| at as u8)))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn derived_keys_are_frozen() {
        let keys = keys(Encryption::Aes256Gcm);
        assert_eq!(hex(&*keys.chunk_id), "b41d61914db3a50916910ed84ebad609acadf2174cff224b682edf79f41e2841");
        assert_eq!(hex(&*keys.config_mac), "83d13168f6e44c4d012a39aac147c1d98c1b917b6f49fff72476329962bcb3fc");
        assert_eq!(hex(&*keys.pack_root), "77ada3b4a6b29984f09bc90de99dd896ef1c25b3c8daee2cde330d8b4e05fc9e");
        assert_eq!(hex(&*keys.object_root), "c4df7e25f73d703496494aaff6343ef1912d78cc73d4bcbe63f1d1079d45a9ed");
    }

    #[test]
    fn ids_and_macs_are_frozen() {
        let keys = keys(Encryption::Aes256Gcm);
        assert_eq!(keys.chunk_id(b"").to_string(), "7712a0c65e0016a9a8816dff6a09d039b228cf58");
        assert_eq!(keys.chunk_id(b"snaphold").to_string(), "d53c4c292c564bebd612e5ea19ef3bc755f12105");
        assert_eq!(
            hex(&keys.config_mac(b"snaphold")),
            "f252acae760cdc29035e35699693a6b4d85a7b260f9ec7345392e1afb72d34b1"
        );
    }

    #[test]
    fn another_master_or_repository_has_other_keys() {
        let ours = keys(Encryption::Aes256Gcm);
        let mut bytes = *master().as_bytes();
        bytes[31] ^= 1;
        let other_master = MasterKey::from_bytes(Zeroizing::new(bytes));
        let others = [
            RepoKeys::derive(&other_master, REPO, Encryption::Aes256Gcm),
            RepoKeys::derive(&master(), RepoId([0x12; 16]), Encryption::Aes256Gcm),
        ];
        for other in others {
            assert_ne!(other.chunk_id(b"x"), ours.chunk_id(b"x"));
            assert_ne!(other.config_mac(b"x"), ours.config_mac(b"x"));
            assert_ne!(*other.pack_root, *ours.pack_root);
            assert_ne!(*other.object_root, *ours.object_root);
        }
    }

    #[test]
    fn a_config_is_checked_to_the_bit() {
        let keys = keys(Encryption::None);
        let mac = keys.config_mac(b"config");
        assert!(keys.config_mac_is(b"config", &mac));
        assert!(!keys.config_mac_is(b"Config", &mac));
        for bit in 0..256 {
            let mut wrong = mac;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!keys.config_mac_is(b"config", &wrong), "{bit}");
        }
    }

    #[test]
    fn a_generated_master_takes_all_its_bytes_from_the_entropy() {
        struct Counting;
        impl crate::clock::Entropy for Counting {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8 + 1);
            }
        }
        let master = MasterKey::generate(&Counting);
        assert_eq!(*master.as_bytes(), std::array::from_fn::<u8, 32, _>(|at| at as u8 + 1));
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(format!("{:?}", master()), "MasterKey(secret)");
        let shown = format!("{:?}", keys(Encryption::Aes256Gcm));
        assert_eq!(shown, format!("RepoKeys {{ repo: {REPO:?}, encryption: Aes256Gcm, .. }}"));
    }
}
