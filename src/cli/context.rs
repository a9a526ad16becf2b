//! What a command needs: the repository, the plans, a place for files in between.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use snaphold::clock::Surroundings;
use snaphold::crypto::Secret;
use snaphold::error::{Error, Result};
use snaphold::repo::Repository;
use snaphold::service::{Plans, Service};
use snaphold::source::program::Programs;
use snaphold::storage::{LocalFolder, ObjectKind, Storage};

use super::args::GlobalArgs;
use super::backend::Backend;
use super::progress::Teller;
use super::remote::Remote;
use super::{secret, surroundings};

/// Threads that capture recurse into folders, one frame a level, up to the deepest tree that the format allows.
pub const STACK_BYTES: usize = 8 << 20;
/// The folder of the derived index, below the repository's.
const INDEX: &str = "index";
const STAGING: &str = "SNAPHOLD_TMPDIR";

/// The surroundings of one run.
pub struct Context {
    pub global: GlobalArgs,
    pub surroundings: Surroundings,
}

impl Context {
    pub fn new(global: GlobalArgs) -> Self {
        Self { global, surroundings: surroundings::real() }
    }

    /// The repository's folder; absolute, so that it can be recognised among what is captured.
    pub fn repository_folder(&self) -> Result<PathBuf> {
        let path = self
            .global
            .repo
            .as_deref()
            .filter(|path| !path.as_os_str().is_empty())
            .ok_or_else(|| Error::Usage("which repository? give --repo PATH or set SNAPHOLD_REPO".into()))?;
        std::path::absolute(path).map_err(|error| Error::source(path, error))
    }

    pub fn index_dir(&self) -> Result<PathBuf> {
        Ok(self.repository_folder()?.join(INDEX))
    }

    /// The storage of a repository that is there.
    pub fn storage(&self) -> Result<Arc<dyn Storage>> {
        let folder = self.repository_folder()?;
        if !holds_repository(&folder) {
            return Err(Error::NotFound(format!(
                "there is no repository at {}; `snaphold init` makes one",
                folder.display()
            )));
        }
        Ok(Arc::new(LocalFolder::open(folder)?))
    }

    /// The repository, unlocked.
    pub fn repository(&self) -> Result<Repository> {
        Repository::open(self.storage()?, &self.index_dir()?, self.surroundings.clone(), || {
            secret::existing(&self.global)
        })
    }

    /// The repository, and what it was unlocked with; nothing where it needs nothing.
    pub fn repository_and_secret(&self) -> Result<(Repository, Secret)> {
        let mut used = Secret::Nothing;
        let repository = Repository::open(self.storage()?, &self.index_dir()?, self.surroundings.clone(), || {
            let secret = secret::existing(&self.global)?;
            used = secret::copy(&secret);
            Ok(secret)
        })?;
        Ok((repository, used))
    }

    /// The plans that there are, here or in the service.
    pub fn known_plans(&self) -> Result<Plans> {
        match self.server() {
            Some(_) => self.remote()?.plans(),
            None => self.plans(),
        }
    }

    /// The plans of this machine.
    pub fn plans(&self) -> Result<Plans> {
        let mut plans = Plans::built_in();
        if let Some(path) = self.global.plans.as_deref().filter(|path| !path.as_os_str().is_empty()) {
            plans.add_file(path)?;
        }
        Ok(plans)
    }

    /// The repository with its plans.
    pub fn service(&self) -> Result<Service> {
        let plans = self.plans()?;
        let programs = programs();
        stop_children_on_signals(programs.clone())?;
        let service =
            Service::new(self.repository()?, plans, self.staging(), programs, Some(self.repository_folder()?));
        Ok(service.with_password(secret::source_password()))
    }

    /// The service that is asked instead of a repository.
    pub fn server(&self) -> Option<&str> {
        self.global.server.as_deref().filter(|server| !server.is_empty())
    }

    /// The service.
    pub fn remote(&self) -> Result<Remote> {
        let needed = || Error::Usage("only a service has that; give --server URL or set SNAPHOLD_SERVER".into());
        let server = self.server().ok_or_else(needed)?;
        if self.global.repo.as_ref().is_some_and(|path| !path.as_os_str().is_empty()) {
            return Err(Error::Usage(
                "a repository or a service, not both: leave out --repo (SNAPHOLD_REPO) or --server (SNAPHOLD_SERVER)"
                    .into(),
            ));
        }
        let token = secret::token(&self.global)?;
        let account = self.global.account.as_deref().filter(|account| !account.is_empty());
        let password = secret::source_password();
        let remote = Remote::new(server, &token, account, password, self.surroundings.clone())?;
        remote.warn(&self.progress());
        remote.tell_on_signals()?;
        Ok(remote)
    }

    /// Who does what commands ask.
    pub fn backend(&self) -> Result<Box<dyn Backend>> {
        match self.server() {
            Some(_) => Ok(Box::new(self.remote()?)),
            None => Ok(Box::new(self.service()?)),
        }
    }

    /// Nanoseconds since 1970.
    pub fn now_ns(&self) -> i64 {
        i64::try_from(self.surroundings.clock.now().as_nanosecond()).unwrap_or(i64::MAX)
    }

    /// A folder for files in between.
    pub fn staging(&self) -> PathBuf {
        match std::env::var_os(STAGING).filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => std::env::temp_dir(),
        }
    }

    /// Tells how far work is.
    pub fn progress(&self) -> Teller {
        Teller::new(self.global.quiet, self.global.json)
    }
}

/// Runs databases' tools. They get this program's environment, but for what is its own: passphrases are among that.
pub fn programs() -> Programs {
    let is_own = |name: &OsString| name.as_encoded_bytes().starts_with(b"SNAPHOLD_");
    Programs::new(std::env::vars_os().filter(|(name, _)| !is_own(name)).collect())
}

/// A signal that ends this program ends its children first: a throw-away server would outlive it.
fn stop_children_on_signals(programs: Programs) -> Result<()> {
    let failed = |error: io::Error| Error::Failed(format!("cannot wait for signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let waiting = std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            programs.stop_all();
            let _ = emulate_default_handler(signal);
        }
    });
    waiting.map(drop).map_err(failed)
}

/// Whether the folder is a repository, or what is left of one. A config that is lost is then the library's to name.
fn holds_repository(folder: &Path) -> bool {
    let parts = [ObjectKind::Config, ObjectKind::Key, ObjectKind::Pack, ObjectKind::Snapshot];
    parts.iter().any(|kind| folder.join(kind.folder()).is_dir())
}
