//! What every room of the service shares.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Surroundings;
use crate::error::{Error, Result};
use crate::service::{Plans, Service};

use super::catalog::{Account, Catalog};
use super::config::Config;
use super::jobs::{Jobs, blocking};
use super::tenants::{Note, Tenants};
use super::vault::Vault;

/// The service's own parts; cheap to clone.
#[derive(Clone)]
pub struct State {
    /// How it is run.
    pub config: Arc<Config>,
    /// What it knows.
    pub catalog: Catalog,
    /// Its master key.
    pub vault: Arc<Vault>,
    /// The accounts' repositories.
    pub tenants: Arc<Tenants>,
    /// Where jobs are asked for.
    pub jobs: Jobs,
    /// The plans that there are.
    pub plans: Arc<Plans>,
    /// Where its files are.
    pub folders: Arc<Folders>,
}

/// The data folder's parts.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The data folder.
    pub data: PathBuf,
    /// Accounts' repositories and indexes.
    pub accounts: PathBuf,
    /// Dumps that are uploaded.
    pub uploads: PathBuf,
    /// Exports that wait to be downloaded.
    pub exports: PathBuf,
    /// Files in between.
    pub staging: PathBuf,
}

impl Folders {
    /// The parts of a data folder.
    pub fn of(data: &Path) -> Self {
        Self {
            data: data.to_path_buf(),
            accounts: data.join("accounts"),
            uploads: data.join("uploads"),
            exports: data.join("exports"),
            staging: data.join("tmp"),
        }
    }
}

impl Folders {
    /// Makes those that are not there. Only their owner reads them; others may pass through the data folder and the one of
    /// files in between, because a drill's server, which must not run as root, works there in a folder of its own.
    pub fn make(&self) -> Result<()> {
        let folders = [
            (&self.data, 0o711),
            (&self.accounts, 0o700),
            (&self.uploads, 0o700),
            (&self.exports, 0o700),
            (&self.staging, 0o711),
        ];
        for (folder, mode) in folders {
            let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
            made.map_err(|error| Error::target(folder, error))?;
        }
        Ok(())
    }

    /// Where the embedded catalog is. Its file is made here, so that only its owner reads it: SQLite gives what it makes
    /// beside it the same rights.
    pub fn catalog(&self) -> Result<PathBuf> {
        let path = self.data.join("catalog.sqlite");
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        made.map(|_| path.clone()).map_err(|error| Error::target(&path, error))
    }
}

impl State {
    /// Makes an account with a repository of its own.
    pub async fn make_account(&self, name: &str) -> Result<Account> {
        let id = self.catalog.new_id('a');
        let (tenants, making, name_of) = (self.tenants.clone(), id.clone(), name.to_string());
        let sealed = blocking(move || {
            let sealed_secret = tenants.create(&making)?;
            tenants.note(&Note { account: making, name: name_of, sealed_secret: sealed_secret.clone() })?;
            Ok(sealed_secret)
        })
        .await?;
        self.catalog.add_account(&id, name, &sealed).await
    }

    /// The clock and randomness that it was given.
    pub fn surroundings(&self) -> &Surroundings {
        self.catalog.surroundings()
    }

    /// An account's repository. `Error::Refused` where its key was destroyed.
    pub async fn service(&self, account: &Account) -> Result<Arc<Service>> {
        let sealed = account.sealed_secret.clone().ok_or_else(|| {
            Error::Refused(format!("the key of account {:?} was destroyed, and its data with it", account.name))
        })?;
        let (tenants, id) = (self.tenants.clone(), account.id.clone());
        blocking(move || tenants.service(&id, &sealed)).await
    }

    /// Does what blocks with an account's repository, on a thread for that.
    pub async fn with_service<T: Send + 'static>(
        &self,
        account: &Account,
        work: impl FnOnce(&Service) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let service = self.service(account).await?;
        blocking(move || work(&service)).await
    }
}
