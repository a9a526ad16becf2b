//! The service's master key: seals the accounts' secrets, and signs what the service hands out and takes back.
//!
//! An account's secret is a key file's bytes, which open its repository. It is kept sealed, in the catalog; whoever has
//! the catalog and the repositories but not the master key reads nothing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::crypto::{KEY_LEN, Secret, WrappingKey};
use crate::error::{Error, Result};

/// What is read of a key's file at most, bytes.
const FILE_MAX: u64 = 4096;

/// Signs links that let somebody download an export.
pub const LINKS: &str = "links";
/// Signs the console's cookies and what is bound to them.
pub const COOKIES: &str = "cookies";

/// The master key and what is done with it.
#[derive(Clone)]
pub struct Vault {
    key: Arc<WrappingKey>,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(secret)")
    }
}

impl Vault {
    /// With the key that `text` is: 64 hexadecimal digits, or base64 of 32 bytes.
    pub fn of_text(text: &str, entropy: Arc<dyn Entropy>) -> Result<Self> {
        let key = parse(text.trim()).ok_or_else(|| {
            Error::Usage("that is no master key: it is 32 bytes, as 64 hexadecimal digits or as base64".into())
        })?;
        Ok(Self { key: Arc::new(WrappingKey::from_bytes(key)), entropy })
    }

    /// With the key in a file, which is made where it is not there: only its owner may read it. Of several processes
    /// that start at once one makes it. Refused where others than its owner may read it.
    pub fn of_file(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self> {
        if let Some(text) = read(path)? {
            return Self::of_text(&text, entropy).map_err(|error| error.with_context(&path.display().to_string()));
        }
        let key = WrappingKey::generate(&*entropy);
        make(path, &key)?;
        match read(path)? {
            Some(text) => Self::of_text(&text, entropy),
            None => Err(Error::NotFound(format!("{} is gone again", path.display()))),
        }
    }

    /// A new account's secret, and the same sealed, as the catalog keeps it.
    pub fn new_secret(&self, account: &str) -> Result<(Secret, String)> {
        let mut bytes = Zeroizing::new(vec![0; KEY_LEN]);
        self.entropy.fill(&mut bytes);
        let sealed = self.seal(account, &bytes)?;
        Ok((Secret::KeyFile(bytes), sealed))
    }

    /// An account's secret, from what the catalog keeps.
    pub fn open_secret(&self, account: &str, sealed: &str) -> Result<Secret> {
        self.open(account, sealed).map(Secret::KeyFile)
    }

    /// What opens the service's own repository: the master key's file as [`Vault::of_file`] writes it. So that repository
    /// needs nothing but this file, and no server.
    pub fn service_secret(&self) -> Secret {
        let mut text = Zeroizing::new(to_hex(self.key.as_bytes()));
        text.push('\n');
        Secret::KeyFile(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// Seals bytes that belong to an owner: an account, a webhook. Hexadecimal digits.
    pub fn seal(&self, owner: &str, secret: &[u8]) -> Result<String> {
        Ok(to_hex(&self.key.seal(owner, secret, &*self.entropy)?))
    }

    /// What [`Vault::seal`] sealed for the same owner.
    pub fn open(&self, owner: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        let opened = from_hex(sealed).and_then(|sealed| self.key.open(owner, &sealed));
        opened.ok_or_else(|| {
            Error::Refused(format!(
                "the secret of {owner} does not open: is this the master key that it was sealed by?"
            ))
        })
    }

    /// Signs bytes for a purpose: [`LINKS`], [`COOKIES`]. A signature for one purpose is none for another.
    pub fn sign(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        self.key.sign(purpose, bytes)
    }

    /// Whether it is the signature of these bytes for this purpose. Takes the same time whichever byte differs.
    pub fn verify(&self, purpose: &str, bytes: &[u8], signature: &[u8]) -> bool {
        self.key.verify(purpose, bytes, signature)
    }
}

/// The text in the key's file; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let failed = |error: io::Error| Error::source(path, error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::Refused(format!(
            "others than its owner may read the master key {}; `chmod 600` it, and think of it as known",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_MAX as usize + 1));
    file.take(FILE_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Writes the key, durably, unless a file is there.
fn make(path: &Path, key: &WrappingKey) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: io::Error| Error::target(path, error);
    // Such a file is its owner's alone from the beginning.
    let mut file = tempfile::Builder::new().prefix(".master-key-").tempfile_in(folder).map_err(failed)?;
    let text = Zeroizing::new(to_hex(key.as_bytes()));
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error.error)),
    }
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let bytes = match text.len() {
        64 => from_hex(text)?,
        _ => from_base64(text)?,
    };
    let bytes = Zeroizing::new(bytes);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(high)? << 4 | digit(low)?) } else { None }).collect()
}

/// Base64, in either alphabet, with or without its padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut alphabets = [&STANDARD, &URL_SAFE].into_iter();
    alphabets.find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
