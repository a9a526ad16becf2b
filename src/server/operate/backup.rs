//! Copies of the catalog: snapshots of an instance `catalog`, in a repository of the service's own, by the same code that
//! takes those of its users.
//!
//! ```text
//! DATA/service/repository   encrypted; its one key slot opens with the master key's file
//! DATA/service/index        what is derived from it
//! ```
//!
//! So whoever has that repository and the master key gets the catalog back with `snaphold export`, and no server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Surroundings;
use crate::crypto::{Encryption, Secret};
use crate::error::{Error, Result};
use crate::ops::Silent;
use crate::repo::{InitOptions, Repository};
use crate::server::catalog::Catalog;
use crate::server::config::Backup;
use crate::service::{GcRequest, InstanceSpec, Plans, Service, SnapshotView, TakeOptions};
use crate::source::program::Programs;
use crate::source::url::SourceUrl;
use crate::storage::{LocalFolder, Storage};

const INSTANCE: &str = "catalog";
const REPOSITORY: &str = "repository";
/// A repository that is being made.
const UNFINISHED: &str = "unfinished";
const INDEX: &str = "index";
const LABEL: &str = "master key";
/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(20);
/// The duty's name, and how long it is held without being renewed: longer than any copy takes.
const DUTY: &str = "catalog-backup";
const TENURE_US: i64 = 3_600_000_000;
/// How often what expired is collected, in copies.
const COLLECT_EVERY: u64 = 24;

/// The repository with copies of a catalog.
pub struct CatalogBackup {
    service: Service,
    keep_ns: i64,
}

impl CatalogBackup {
    /// Opens the repository in `folder`, which is made where it is not there. `catalog`: the catalog's URL, as the catalog
    /// is opened with. Files in between go to `staging`.
    pub fn open(
        folder: &Path,
        catalog: &str,
        secret: Secret,
        (staging, programs): (&Path, Programs),
        surroundings: Surroundings,
    ) -> Result<Self> {
        let root = folder.join(REPOSITORY);
        let index = folder.join(INDEX);
        if !root.try_exists().map_err(|error| Error::source(&root, error))? {
            make(folder, &secret, surroundings.clone())?;
        }
        let storage: Arc<dyn Storage> = Arc::new(LocalFolder::open(&root)?);
        let repo = Repository::open(storage, &index, surroundings, || Ok(secret))
            .map_err(|error| error.with_context("the repository of the catalog's copies"))?;
        let source = match catalog.strip_prefix("sqlite://") {
            Some(path) => format!("sqlite:{path}"),
            None => catalog.to_string(),
        };
        let (source, password) = source.parse::<SourceUrl>()?.without_password();
        let service = Service::new(repo, Plans::built_in(), staging.to_path_buf(), programs, Some(root))
            .with_password(password)
            .with_grace(0);
        define(&service, &source.to_string())?;
        Ok(Self { service, keep_ns: i64::MAX })
    }

    /// The same, where a copy is kept for so long, nanoseconds. The newest stays in any case.
    pub fn keeping(self, keep_ns: i64) -> Self {
        Self { keep_ns, ..self }
    }

    /// Takes a copy.
    pub fn take(&self) -> Result<SnapshotView> {
        let options = TakeOptions {
            retain_ns: Some(self.keep_ns).filter(|keep| *keep < i64::MAX),
            description: Some("copy of the service's catalog".into()),
            ..TakeOptions::default()
        };
        self.service.take(INSTANCE, options, &Silent)
    }

    /// The copies, newest first.
    pub fn list(&self) -> Result<Vec<SnapshotView>> {
        let mut copies = self.service.snapshots(Some(INSTANCE))?;
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.created_at));
        Ok(copies)
    }

    /// Lets go copies whose time is over.
    pub fn collect(&self) -> Result<()> {
        self.service.gc(GcRequest::default(), &Silent).map(drop)
    }
}

/// Makes a repository, whole or not at all. What an earlier attempt has left is taken away.
fn make(folder: &Path, secret: &Secret, surroundings: Surroundings) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Error::target(folder, error))?;
    let unfinished = folder.join(UNFINISHED);
    let index = folder.join(INDEX);
    for rest in [&unfinished, &index] {
        match fs::remove_dir_all(rest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::target(rest, error)),
            _ => {}
        }
    }
    let storage: Arc<dyn Storage> = Arc::new(LocalFolder::create(unfinished.clone())?);
    let options = InitOptions { encryption: Encryption::Aes256Gcm, chunker: Default::default() };
    Repository::create(storage, &index, surroundings, options, Some((secret, LABEL)))?;
    let root = folder.join(REPOSITORY);
    fs::rename(&unfinished, &root).map_err(|error| Error::target(&root, error))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::target(folder, error))
}

/// Says where the catalog is, where that is not known or was another place.
fn define(service: &Service, source: &str) -> Result<()> {
    let spec = || InstanceSpec {
        source: Some(Some(source.to_string())),
        description: Some("the service's catalog".into()),
        ..InstanceSpec::default()
    };
    let known = service.instances()?.into_iter().find(|instance| instance.name == INSTANCE && instance.defined);
    match known {
        None => service.add_instance(INSTANCE, spec()).map(drop),
        Some(known) if known.source.as_deref() != Some(source) => service.edit_instance(INSTANCE, spec()).map(drop),
        Some(_) => Ok(()),
    }
}

/// What opens a [`CatalogBackup`]: it is opened where one is due, by the process that has the duty.
pub type OpenBackup = Arc<dyn Fn() -> Result<CatalogBackup> + Send + Sync>;

/// Takes copies as often as the config says.
pub struct Backups {
    catalog: Catalog,
    config: Backup,
    open: OpenBackup,
    newest_us: Arc<AtomicI64>,
    holder: String,
    opened: Option<Arc<CatalogBackup>>,
    copies: u64,
}

impl Backups {
    /// Copies of `catalog`.
    pub fn new(catalog: Catalog, config: Backup, open: OpenBackup) -> Self {
        let holder = catalog.new_id('b');
        Self { catalog, config, open, newest_us: Arc::default(), holder, opened: None, copies: 0 }
    }

    /// When the newest copy was taken, as far as this process knows; microseconds since 1970, 0: it does not know.
    pub fn newest_us(&self) -> Arc<AtomicI64> {
        self.newest_us.clone()
    }

    /// Goes on until it is told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if self.config.every.is_zero() {
            return;
        }
        loop {
            if let Err(error) = self.look().await {
                tracing::error!("the catalog cannot be copied: {error}");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                stopped = stop.wait_for(|stop| *stop) => {
                    drop(stopped);
                    break;
                }
            }
        }
        if let Err(error) = self.catalog.release_lease(DUTY, &self.holder).await {
            tracing::warn!("a duty cannot be let go: {error}");
        }
    }

    /// Takes a copy where one is due and no other process sees to it.
    pub async fn look(&mut self) -> Result<()> {
        let known_us = self.newest_us.load(Ordering::Relaxed);
        if known_us > 0 && !self.is_due(known_us) {
            return Ok(());
        }
        if self.catalog.hold_lease(DUTY, &self.holder, TENURE_US).await?.is_none() {
            // Another process knows.
            self.newest_us.store(0, Ordering::Relaxed);
            return Ok(());
        }
        let backup = match &self.opened {
            Some(backup) => backup.clone(),
            None => {
                let open = self.open.clone();
                self.opened.insert(Arc::new(blocking(move || open()).await?)).clone()
            }
        };
        // Another process may have taken one meanwhile.
        let looking = backup.clone();
        let found = blocking(move || looking.list()).await?;
        let good = found.iter().find(|copy| copy.status == "completed").map(|copy| copy.created_at.as_microsecond());
        self.newest_us.store(good.unwrap_or(0), Ordering::Relaxed);
        let tried_us = found.first().map(|copy| copy.created_at.as_microsecond());
        if tried_us.is_some_and(|tried_us| !self.is_due(tried_us)) {
            return Ok(());
        }
        let is_collected = self.copies.is_multiple_of(COLLECT_EVERY);
        let taken = blocking(move || {
            let taken = backup.take()?;
            if is_collected {
                backup.collect()?;
            }
            Ok(taken)
        })
        .await?;
        self.copies += 1;
        self.newest_us.store(taken.created_at.as_microsecond(), Ordering::Relaxed);
        tracing::info!(snapshot = taken.id, bytes = taken.bytes_stored, "the catalog was copied");
        Ok(())
    }

    fn is_due(&self, newest_us: i64) -> bool {
        let age = self.catalog.now_us().saturating_sub(newest_us);
        // A clock that went back makes none wait.
        age >= self.config.every.as_us() || age < 0
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Error::Failed(format!("the work ended unexpectedly: {error}"))))
}

/// Where the copies of a data folder's catalog are.
pub fn service_folder(data: &Path) -> PathBuf {
    data.join("service")
}
