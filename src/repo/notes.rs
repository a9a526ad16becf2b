//! Texts that are sealed as the repository's objects are, and kept elsewhere.

use zeroize::Zeroizing;

use crate::crypto::Encryption;
use crate::error::{Error, Result};
use crate::format::object::{self, ObjectTag};

use super::Repository;

impl Repository {
    /// Seals a short text for a place outside of the repository. Refused where the repository is not encrypted.
    pub fn seal_note(&self, text: &[u8]) -> Result<Vec<u8>> {
        if self.config.encryption == Encryption::None {
            return Err(Error::Refused("this repository is not encrypted and keeps no secret".into()));
        }
        object::seal(&self.keys, ObjectTag::Note, "", self.salt(), text).map_err(|error| error.of("the text"))
    }

    /// What [`Repository::seal_note`] sealed. Refused where it was not sealed here.
    pub fn open_note(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let refused = |_| Error::Refused("a sealed text does not fit this repository".into());
        object::open(&self.keys, ObjectTag::Note, "", sealed).map(Zeroizing::new).map_err(refused)
    }
}
