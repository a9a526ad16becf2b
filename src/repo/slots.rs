//! Key slots in storage: read, and opened with a secret.

use crate::crypto::{Encryption, KeySlot, MasterKey, Secret};
use crate::error::{Error, Result};
use crate::format::config::Config;
use crate::storage::{ObjectKind, ObjectName, Storage};

use super::names;

/// A slot and its id.
pub(super) struct StoredSlot {
    pub(super) id: String,
    pub(super) slot: KeySlot,
}

/// Copies of slots that cannot be read, with the reason.
pub(super) type DamagedCopies = Vec<(ObjectName, Error)>;

/// Every slot of which at least one copy can be read, and the copies that cannot.
pub(super) fn slots(storage: &dyn Storage) -> Result<(Vec<StoredSlot>, DamagedCopies)> {
    let mut slots: Vec<StoredSlot> = Vec::new();
    let mut damaged = Vec::new();
    let mut listed = storage.list(ObjectKind::Key)?;
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    for listed in listed {
        let name = listed.name;
        let id = name.leaf().split('.').next().unwrap_or_default().to_string();
        let bytes = match storage.get(&name) {
            Ok(bytes) => bytes,
            Err(Error::NotFound(_)) => continue,
            Err(error) => return Err(error),
        };
        if !names::key_slots(&bytes).contains(&name) {
            damaged.push((name.clone(), Error::damaged(&name, "its name is not the hash of its bytes")));
            continue;
        }
        match KeySlot::decode(&name.path(), &bytes) {
            Ok(slot) if !slots.iter().any(|known| known.id == id) => slots.push(StoredSlot { id, slot }),
            Ok(_) => {}
            Err(error) => damaged.push((name, error)),
        }
    }
    slots.sort_by_key(|stored| stored.slot.created_at_ns);
    Ok((slots, damaged))
}

/// The master key, by the first slot that the secret opens.
pub(super) fn unlock(
    storage: &dyn Storage,
    config: &Config,
    secret: impl FnOnce() -> Result<Secret>,
) -> Result<MasterKey> {
    let (slots, damaged) = slots(storage)?;
    let secret = match config.encryption {
        Encryption::None => Secret::Nothing,
        Encryption::Aes256Gcm => secret()?,
    };
    for stored in &slots {
        if let Some(master) = stored.slot.open(config.repo, &secret)? {
            return Ok(master);
        }
    }
    match damaged.into_iter().next() {
        Some((_, error)) if slots.is_empty() => Err(error),
        _ if slots.is_empty() => {
            Err(Error::damaged("keys", "there is no key slot, so nothing can open the repository"))
        }
        _ => Err(Error::Refused("wrong passphrase or key file: it opens none of the repository's key slots".into())),
    }
}
