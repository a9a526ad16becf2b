//! Texts that are kept outside of the repository, and that only who holds its key can read: a password in a job.

use crate::error::{Error, Result};
use crate::source::access::Password;

use super::Service;

impl Service {
    /// A text, sealed under the repository's keys, in hexadecimal digits. Refused where the repository is not encrypted.
    pub fn seal_text(&self, text: &Password) -> Result<String> {
        let sealed = self.repo.seal_note(text.expose().as_bytes())?;
        Ok(sealed.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What [`Service::seal_text`] sealed. Refused where it was sealed elsewhere.
    pub fn open_text(&self, sealed: &str) -> Result<Password> {
        let wrong = || Error::Refused("a sealed text does not fit this repository".into());
        let digits = sealed.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
        let plain = self.repo.open_note(&bytes.ok_or_else(wrong)?)?;
        String::from_utf8(plain.to_vec()).map(Password::new).map_err(|_| wrong())
    }
}
