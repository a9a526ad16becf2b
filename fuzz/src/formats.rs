//! Config, key slot, sealed object, recipe node.

use snaphold::crypto::{Encryption, Kdf, KeySlot, Secret, TAG_LEN};
use snaphold::error::Error;
use snaphold::format::config::StoredConfig;
use snaphold::format::object::{self, ObjectTag};
use snaphold::format::recipe::RecipeNode;
use zeroize::Zeroizing;

use super::fixed::{Input, REPO, keys};

/// A config as it is, and with the checksum that belongs to it.
pub fn config(data: &[u8]) -> bool {
    let as_it_is = StoredConfig::decode(data);
    let summed = [data, blake3::hash(data).as_bytes()].concat();
    let mut accepted = false;
    for stored in [as_it_is, StoredConfig::decode(&summed)].into_iter().flatten() {
        let again = StoredConfig::decode(&stored.config.stored_bytes(stored.mac)).unwrap();
        assert_eq!((again.config, again.mac), (stored.config.clone(), stored.mac));
        // What a config says may be refused later, and may not panic then either.
        let _ = stored.config.chunker.validate();
        accepted = true;
    }
    accepted
}

/// A key slot, opened by every secret that costs little.
pub fn key_slot(data: &[u8]) -> bool {
    let slot = match KeySlot::decode("keys/fuzz", data) {
        Ok(slot) => slot,
        Err(Error::Damaged { object, detail }) => {
            assert!(object == "keys/fuzz" && !detail.contains('\n'), "{detail}");
            return false;
        }
        Err(error) => panic!("another kind of error: {error:?}"),
    };
    let again = KeySlot::decode("keys/fuzz", &slot.encode().unwrap()).unwrap();
    assert!(again == slot);
    let secrets = [Secret::Nothing, Secret::KeyFile(Zeroizing::new(vec![5; 64]))];
    for secret in &secrets {
        assert!(slot.open(REPO, secret).unwrap().is_none(), "a slot was forged");
    }
    if let Kdf::Argon2id { memory_kib: ..=64, time: ..=2, .. } = slot.kdf {
        assert!(slot.open(REPO, &Secret::Passphrase(Zeroizing::new(b"pass".to_vec()))).unwrap().is_none());
    }
    true
}

const TAGS: [ObjectTag; 4] = [ObjectTag::Manifest, ObjectTag::Ledger, ObjectTag::Writer, ObjectTag::Condemned];
const HEADER_LEN: usize = 24;
const SALT_LEN: usize = 32;

/// An object as it is; then header, salt and payload, sealed and summed as if by who holds the key.
pub fn object(data: &[u8]) -> bool {
    let mut input = Input(data);
    let choice = input.u8();
    let tag = TAGS[usize::from(choice) % TAGS.len()];
    let encryption = if choice & 0x80 == 0 { Encryption::Aes256Gcm } else { Encryption::None };
    let keys = keys(encryption);
    let _ = object::check(input.0);
    assert!(object::open(keys, tag, "name", input.0).is_err(), "an object was forged");

    let mut header: [u8; HEADER_LEN] = input.array();
    header[..8].copy_from_slice(b"SNAPOBJ1");
    let salt: [u8; SALT_LEN] = input.array();
    let payload = input.0;
    if choice & 0x40 == 0 {
        // What is checked before the seal, so that the seal is reached.
        header[8..16].copy_from_slice(&[tag as u8, encryption as u8, 1, 0, 0, 0, 0, 0]);
        let len = payload.len() as u32 | u32::from_le_bytes([0, 0, 0, header[23] & 0x80]);
        header[20..].copy_from_slice(&len.to_le_bytes());
    }
    let aad = [&header[..], &salt, b"name"].concat();
    let sealed = keys.object_sealer(tag as u8, &salt).unwrap().seal(0, &aad, payload.to_vec()).unwrap();
    assert_eq!(sealed.len(), payload.len() + TAG_LEN);
    let mut object = [&header[..], &salt, &sealed].concat();
    object.extend(blake3::hash(&object).as_bytes());
    let Ok(plain) = object::open(keys, tag, "name", &object) else { return false };
    let declared: [u8; 4] = header[16..20].try_into().unwrap();
    assert_eq!(plain.len(), u32::from_le_bytes(declared) as usize);
    assert!(object::open(keys, tag, "another name", &object).is_err());
    let again = object::seal(keys, tag, "", salt, &plain).unwrap();
    assert_eq!(object::open(keys, tag, "", &again).unwrap(), plain);
    true
}

/// A recipe node: one node, one form.
pub fn recipe_node(data: &[u8]) -> bool {
    let Ok(node) = RecipeNode::decode(data) else { return false };
    assert_eq!(node.encode(), data);
    let sum: u64 = node.references.iter().map(|reference| reference.len()).sum();
    assert_eq!(node.len(), sum);
    assert!(node.references.iter().all(|reference| !reference.is_empty()));
    true
}
