//! What a source is given to work with: how an instance wants it done, and the place it is done in.

use std::path::PathBuf;

use crate::clock::Surroundings;
use crate::error::{Error, Result};

pub use super::password::Password;
use super::program::Programs;

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
    pub fn folder(&self, purpose: &str) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(&format!("snaphold-{purpose}-"))
            .tempdir_in(&self.staging)
            .map_err(|error| Error::target(&self.staging, error))
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
