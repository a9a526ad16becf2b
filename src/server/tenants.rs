//! The accounts' repositories: made, opened, destroyed.
//!
//! ```text
//! accounts/ID/repository   the repository, encrypted; its one key slot opens with the account's secret
//! accounts/ID/index        what is derived from it
//! accounts/ID/account.json its name and its sealed secret, from which a lost catalog is made anew
//! accounts/ID/destroyed    this account's data was destroyed, and its id is not used again
//! ```
//!
//! One account has one [`Service`] in a process, however many jobs use it: what it remembers of its work holds for all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Surroundings;
use crate::crypto::Encryption;
use crate::error::{Error, Result};
use crate::repo::{InitOptions, Repository};
use crate::service::{Plans, Service};
use crate::source::program::Programs;
use crate::storage::{LocalFolder, ObjectKind, Storage};

use super::vault::Vault;

const REPOSITORY: &str = "repository";
const INDEX: &str = "index";
const DESTROYED: &str = "destroyed";
const NOTE: &str = "account.json";
/// A note is no longer than that, bytes.
const NOTE_MAX: u64 = 64 << 10;
/// What an account's key slot is called.
const LABEL: &str = "account";

/// What every account's service is made with.
pub struct TenantsConfig {
    /// The folder that has a folder for each account.
    pub accounts: PathBuf,
    /// A folder for files in between.
    pub staging: PathBuf,
    /// The plans that there are.
    pub plans: Plans,
    /// Runs databases' tools.
    pub programs: Programs,
    /// Clock, randomness, processes.
    pub surroundings: Surroundings,
    /// How long what is deleted can be brought back unless said otherwise, nanoseconds.
    pub grace_ns: i64,
    /// So many accounts stay open though nobody uses them.
    pub open_max: usize,
}

/// What stands beside an account's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The account's id.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Its sealed secret.
    pub sealed_secret: String,
}

/// The accounts' repositories.
pub struct Tenants {
    config: TenantsConfig,
    vault: Vault,
    open: Mutex<Open>,
}

/// The services that are open.
#[derive(Default)]
struct Open {
    services: HashMap<String, (Arc<Service>, u64)>,
    /// Counts uses, so that the one that was used longest ago is known.
    uses: u64,
}

impl Tenants {
    /// The accounts below a folder, whose secrets `vault` opens.
    pub fn new(config: TenantsConfig, vault: Vault) -> Self {
        Self { config, vault, open: Mutex::default() }
    }

    /// The plans that there are.
    pub fn plans(&self) -> &Plans {
        &self.config.plans
    }

    /// Makes a new account's repository. Returns its sealed secret: without that nothing opens it, so it must be kept
    /// before the account is used. What an earlier call for the same id has left, whose secret nobody kept, is refused.
    pub fn create(&self, account: &str) -> Result<String> {
        let folder = self.folder(account)?;
        if folder.exists() {
            return Err(Error::Refused(format!("there is a folder of account {account} already")));
        }
        fs::create_dir_all(&folder).map_err(|error| Error::target(&folder, error))?;
        let (secret, sealed) = self.vault.new_secret(account)?;
        let storage: Arc<dyn Storage> = Arc::new(LocalFolder::create(folder.join(REPOSITORY))?);
        let options = InitOptions { encryption: Encryption::Aes256Gcm, chunker: Default::default() };
        let surroundings = self.config.surroundings.clone();
        Repository::create(storage, &folder.join(INDEX), surroundings, options, Some((&secret, LABEL)))?;
        sync(&folder)?;
        sync(&self.config.accounts)?;
        Ok(sealed)
    }

    /// Notes beside an account's repository what the catalog knows of the account, durably.
    pub fn note(&self, note: &Note) -> Result<()> {
        let folder = self.folder(&note.account)?;
        let path = folder.join(NOTE);
        let failed = |error: io::Error| Error::target(&path, error);
        let bytes = serde_json::to_vec(note)
            .map_err(|error| Error::Failed(format!("the account cannot be written as JSON: {error}")))?;
        let mut file = tempfile::Builder::new().prefix(".account-").tempfile_in(&folder).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        sync(&folder)
    }

    /// What was noted of the accounts that have data, in the order of their ids.
    pub fn noted(&self) -> Result<Vec<Note>> {
        let accounts = &self.config.accounts;
        let failed = |error: io::Error| Error::source(accounts, error);
        let mut notes = Vec::new();
        for entry in fs::read_dir(accounts).map_err(failed)? {
            let folder = entry.map_err(failed)?.path();
            let path = folder.join(NOTE);
            if is_there(&folder.join(DESTROYED))? || !is_there(&path)? {
                continue;
            }
            let mut bytes = Vec::new();
            let read = File::open(&path).and_then(|file| file.take(NOTE_MAX).read_to_end(&mut bytes));
            read.map_err(|error| Error::source(&path, error))?;
            let note: Note = serde_json::from_slice(&bytes)
                .map_err(|error| Error::damaged(path.display(), format!("it is not what was written: {error}")))?;
            notes.push(note);
        }
        notes.sort_by(|a, b| a.account.cmp(&b.account));
        Ok(notes)
    }

    /// An account's service: the one that is open, or else opened by its sealed secret. `NotFound` where the account has
    /// no data: it never had any, or that was destroyed, here or by another process.
    pub fn service(&self, account: &str, sealed: &str) -> Result<Arc<Service>> {
        let folder = self.folder(account)?;
        if is_there(&folder.join(DESTROYED))? || !is_there(&folder.join(REPOSITORY))? {
            self.forget(account);
            return Err(Error::NotFound(format!("account {account} has no data")));
        }
        // Whoever asks shows that the secret is his, also where the repository is open.
        let secret = self.vault.open_secret(account, sealed)?;
        if let Some(service) = self.opened(account) {
            return Ok(service);
        }
        let root = folder.join(REPOSITORY);
        let storage: Arc<dyn Storage> = Arc::new(LocalFolder::open(&root)?);
        let TenantsConfig { staging, plans, programs, surroundings, grace_ns, .. } = &self.config;
        let repo = Repository::open(storage, &folder.join(INDEX), surroundings.clone(), || Ok(secret))?;
        let accounts = absolute(&self.config.accounts)?;
        let service = Service::new(repo, plans.clone(), staging.clone(), programs.clone(), Some(absolute(&root)?))
            .with_grace(*grace_ns)
            .excluding(vec![accounts]);
        Ok(self.keep(account, Arc::new(service)))
    }

    /// Forgets an open service; who uses it still may go on.
    pub fn forget(&self, account: &str) {
        self.open().services.remove(account);
    }

    /// Destroys an account's data: first its key, so that from there on nothing opens what is left, then all the rest.
    /// May be done again, also after a crash. The sealed secret is the caller's to destroy.
    pub fn shred(&self, account: &str) -> Result<()> {
        let folder = self.folder(account)?;
        self.forget(account);
        if !is_there(&folder)? {
            return Ok(());
        }
        let mark = folder.join(DESTROYED);
        File::create(&mark).and_then(|file| file.sync_all()).map_err(|error| Error::target(&mark, error))?;
        sync(&folder)?;
        let root = folder.join(REPOSITORY);
        if is_there(&root)? {
            let storage = LocalFolder::open(&root)?;
            for slot in storage.list(ObjectKind::Key)? {
                match storage.delete(&slot.name) {
                    Ok(()) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        remove_file(&folder.join(NOTE))?;
        for rest in [folder.join(INDEX), root] {
            remove(&rest)?;
        }
        sync(&folder)
    }

    /// An account's folder. An id is one plain name: 1 to 64 lower-case letters and digits.
    pub fn folder(&self, account: &str) -> Result<PathBuf> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match (1..=64).contains(&account.len()) && account.bytes().all(is_plain) {
            true => Ok(self.config.accounts.join(account)),
            false => Err(Error::Usage(format!("{account:?} is no account's id"))),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, account: &str) -> Option<Arc<Service>> {
        let mut open = self.open();
        open.uses += 1;
        let uses = open.uses;
        let (service, used) = open.services.get_mut(account)?;
        *used = uses;
        Some(service.clone())
    }

    /// Keeps a service open, and lets go those that nobody uses where there are too many. Of two that were opened at once
    /// the first stays.
    fn keep(&self, account: &str, service: Arc<Service>) -> Arc<Service> {
        let mut open = self.open();
        open.uses += 1;
        let uses = open.uses;
        let kept = open.services.entry(account.to_string()).or_insert((service, uses)).0.clone();
        while open.services.len() > self.config.open_max.max(1) {
            let unused = open.services.iter().filter(|(_, (service, _))| Arc::strong_count(service) == 1);
            let Some(oldest) = unused.min_by_key(|(_, (_, used))| *used).map(|(account, _)| account.clone()) else {
                break;
            };
            open.services.remove(&oldest);
        }
        kept
    }
}

fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| Error::source(path, error))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::source(path, error))
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::target(folder, error))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(path, error)),
        _ => Ok(()),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(folder, error)),
        _ => Ok(()),
    }
}
