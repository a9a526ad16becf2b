//! What a source is given to work with: how an instance wants it done, and the place it is done in.

use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::clock::Surroundings;
use crate::error::{Error, Result};

pub use super::password::Password;
use super::program::{Programs, User};

/// What an instance says about its source, beside the URL.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The password.
    pub password: Option<Password>,
    /// Stops the server, for sources whose folders are exchanged. Run by `/bin/sh`.
    pub stop: Option<String>,
    /// Starts it again.
    pub start: Option<String>,
    /// The server's data folder, where a physical restore goes.
    pub data_directory: Option<PathBuf>,
    /// Run before the source is captured; when it fails, nothing is captured.
    pub before: Option<String>,
    /// Run after it was captured, or could not be.
    pub after: Option<String>,
    /// For folders: read every file, even where nothing seems changed.
    pub always_read: bool,
    /// For folders: leave out what cannot be read, and record it.
    pub skip_unreadable: bool,
    /// Folders that are left out: the repository itself, where it lies inside.
    pub excluded: Vec<PathBuf>,
}

/// The system's folders for temporary files, the roomier one first.
const SHARED: [&str; 2] = ["/var/tmp", "/tmp"];
/// How long the path above a throw-away server's folder may be, with its purpose, bytes: a socket's path is at most 107, and
/// the rest of the folder's name and the socket's take some of them.
const SERVER_FOLDER_LEN_MAX: usize = 68;

/// The machine around a source.
#[derive(Clone)]
pub struct Place {
    /// Runs the databases' tools.
    pub programs: Programs,
    /// A folder for files in between.
    pub staging: PathBuf,
    /// Time and randomness.
    pub surroundings: Surroundings,
}

impl Place {
    /// A new folder below the staging folder, which goes when it is dropped. Only its owner may look into it.
    pub fn folder(&self, purpose: &str) -> Result<TempDir> {
        new_folder(&self.staging, purpose)
    }

    /// The same for a throw-away server that runs as `user` (`None`: as this process): it is the user's, and the path of a
    /// socket in it fits. Below the staging folder where that will do, which the home of root for one will not, else below
    /// one of the system's for temporary files.
    pub fn server_folder(&self, purpose: &str, user: Option<User>) -> Result<TempDir> {
        let shared = SHARED.into_iter().map(Path::new);
        let fits = |folder: &&Path| {
            let is_short = folder.as_os_str().len() + purpose.len() <= SERVER_FOLDER_LEN_MAX;
            is_short && folder.is_dir() && user.is_none_or(|user| user.may_enter(folder))
        };
        let parent = std::iter::once(self.staging.as_path()).chain(shared).find(fits).ok_or_else(|| {
            Error::Refused(format!(
                "a throw-away server has no place here: {} has too long a path for its socket, or whom it runs as cannot enter it; set SNAPHOLD_TMPDIR to another folder",
                self.staging.display()
            ))
        })?;
        let folder = new_folder(parent, purpose)?;
        if let Some(user) = user {
            let given = lchown(folder.path(), Some(user.uid), Some(user.gid));
            given.map_err(|error| Error::target(folder.path(), error))?;
        }
        Ok(folder)
    }

    /// Random hexadecimal digits: `len` of them.
    pub fn random_digits(&self, len: usize) -> String {
        let mut bytes = vec![0; len.div_ceil(2)];
        self.surroundings.entropy.fill(&mut bytes);
        let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text.truncate(len);
        text
    }
}

fn new_folder(above: &Path, purpose: &str) -> Result<TempDir> {
    let name = format!("snaphold-{purpose}-");
    tempfile::Builder::new().prefix(&name).tempdir_in(above).map_err(|error| Error::target(above, error))
}
