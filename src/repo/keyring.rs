//! The key slots of a repository: who can open it.

use crate::crypto::{Argon2Params, Encryption, Kdf, KeySlot, Secret};
use crate::error::{Error, Result};
use crate::storage::{ObjectKind, ObjectName};

use super::slots::{StoredSlot, slots};
use super::{Repository, names};

/// A key slot as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlotView {
    /// The slot's name: a prefix of it is enough to remove it.
    pub id: String,
    /// What a person calls it.
    pub label: String,
    /// When it was made, nanoseconds since 1970 (UTC).
    pub created_at_ns: i64,
    /// `passphrase`, `key file` or `none`.
    pub kind: &'static str,
}

/// The slots of a repository.
#[derive(Debug, Default)]
pub struct KeyringView {
    /// Those that can be read, oldest first.
    pub slots: Vec<KeySlotView>,
    /// Copies that cannot.
    pub damaged: Vec<(ObjectName, Error)>,
}

impl Repository {
    /// Adds a key slot for `secret` with its label; `None` for a repository without encryption. Returns the slot's id.
    pub fn add_key_slot(&self, secret: Option<(&Secret, &str)>) -> Result<String> {
        let (secret, label) = match (self.config().encryption, secret) {
            (Encryption::None, None) => (&Secret::Nothing, ""),
            (Encryption::Aes256Gcm, Some((secret, label))) => (secret, label),
            (Encryption::None, Some(_)) => {
                return Err(Error::Usage("the repository is not encrypted, so it has no keys to add".into()));
            }
            (Encryption::Aes256Gcm, None) => return Err(Error::Usage("an encrypted repository needs a secret".into())),
        };
        let slot = KeySlot::create(
            &self.master,
            self.config().repo,
            secret,
            label,
            self.now_ns(),
            &*self.surroundings().entropy,
            Argon2Params::default(),
        )?;
        let bytes = slot.encode()?;
        let copies = names::key_slots(&bytes);
        for name in &copies {
            self.storage().put_if_absent(name, &bytes)?;
        }
        let [main, _] = copies;
        Ok(main.leaf().to_string())
    }

    /// All key slots.
    pub fn key_slots(&self) -> Result<KeyringView> {
        let (slots, damaged) = slots(&**self.storage())?;
        let view = |stored: StoredSlot| KeySlotView {
            kind: match stored.slot.kdf {
                Kdf::Argon2id { .. } => "passphrase",
                Kdf::KeyFile { .. } => "key file",
                Kdf::None => "none",
            },
            id: stored.id,
            label: stored.slot.label,
            created_at_ns: stored.slot.created_at_ns,
        };
        Ok(KeyringView { slots: slots.into_iter().map(view).collect(), damaged })
    }

    /// Removes the slot whose id begins with `prefix`. The last one stays.
    pub fn remove_key_slot(&self, prefix: &str) -> Result<String> {
        let slots = self.key_slots()?.slots;
        let mut fitting = slots.iter().filter(|slot| slot.id.starts_with(prefix));
        let slot = match (fitting.next(), fitting.next()) {
            (Some(slot), None) => slot,
            (None, _) => return Err(Error::NotFound(format!("no key slot's id begins with {prefix:?}"))),
            (Some(_), Some(_)) => return Err(Error::Usage(format!("{prefix:?} begins the ids of several key slots"))),
        };
        if slots.len() == 1 {
            return Err(Error::Refused("this is the only key: without it nothing could open the repository".into()));
        }
        let main = ObjectName::new(ObjectKind::Key, slot.id.clone());
        let spare = ObjectName::new(ObjectKind::Key, format!("{}.spare", slot.id));
        for name in [main, spare].into_iter().flatten() {
            match self.storage().delete(&name) {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(slot.id.clone())
    }

    /// The id of the slot that `secret` opens.
    pub fn key_slot_of(&self, secret: &Secret) -> Result<Option<String>> {
        let (slots, _) = slots(&**self.storage())?;
        for stored in slots {
            if stored.slot.open(self.config().repo, secret)?.is_some() {
                return Ok(Some(stored.id));
            }
        }
        Ok(None)
    }
}
