//! The place that a run may write to.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{statvfs, syncfs};

use crate::error::{Error, Result};

/// What a run needs beside its data: logs and options of an index, folders.
const BESIDE: u64 = 64 << 20;

/// A folder of the run's own.
pub struct Place {
    pub root: PathBuf,
    /// What was set aside so far.
    aside: AtomicU64,
}

impl Place {
    /// The folder.
    pub fn new(root: PathBuf) -> Self {
        Self { root, aside: AtomicU64::new(0) }
    }

    /// A path below.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A folder below, made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path).map_err(|error| Error::target(&path, error))?;
        Ok(path)
    }

    /// Removes what is below a name; nothing may be there.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(&path, error)),
            _ => Ok(()),
        }
    }

    /// Takes what is below a name, where something is, out of the way. While there is room for twice what `bytes` of data
    /// need, it stays until the run ends: some file systems (ext4) make new files several times slower for minutes after
    /// many were removed, and what comes next would pay for that.
    pub fn set_aside(&self, name: &str, bytes: u64) -> Result<()> {
        let path = self.path(name);
        if !path.exists() || self.free()? < needed_beside(bytes).saturating_mul(2) {
            return self.remove(name);
        }
        let number = self.aside.fetch_add(1, Ordering::Relaxed);
        fs::rename(&path, self.path(&format!("aside-{number}"))).map_err(|error| Error::target(&path, error))
    }

    /// Waits until what was written before is durable, so that the next step does not have to.
    pub fn settle(&self) -> Result<()> {
        let failed = |error| Error::target(&self.root, error);
        let folder = File::open(&self.root).map_err(failed)?;
        syncfs(&folder).map_err(|error| failed(error.into()))
    }

    /// Bytes that can be written here.
    pub fn free(&self) -> Result<u64> {
        let found = statvfs(&self.root).map_err(|error| Error::target(&self.root, error.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// What is written at most beside the data itself, for `bytes` of it: a repository, what is restored, and a little.
pub fn needed_beside(bytes: u64) -> u64 {
    bytes.saturating_mul(2).saturating_add(bytes / 4).saturating_add(BESIDE)
}

/// Bytes of all files below a folder.
pub fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |error| Error::source(&folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            match metadata.is_dir() {
                true => folders.push(entry.path()),
                false => bytes += metadata.len(),
            }
        }
    }
    Ok(bytes)
}
