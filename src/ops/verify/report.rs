//! What verify is asked, and what it answers.

use serde::{Deserialize, Serialize};

/// Which packs are read whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadData {
    /// None: the structure is checked, and what it is read from.
    #[default]
    None,
    /// Every one.
    All,
    /// Part `n` (from 1) of `of` parts, so that `of` runs read everything once.
    Part {
        /// Which part.
        n: u32,
        /// Of how many.
        of: u32,
    },
}

/// How a repository is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Which packs are read whole.
    pub read_data: ReadData,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyError {
    /// The object's name, such as `packs/ab/ab12…`; `chunk …` where no object is known to hold a chunk that is needed.
    pub object: String,
    /// What is wrong with it, and what helps.
    pub message: String,
    /// Ids of the snapshots that cannot be restored whole for it.
    pub snapshots: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Whether there are no errors.
    pub ok: bool,
    /// Everything that is wrong.
    pub errors: Vec<VerifyError>,
    /// Things worth knowing that take nothing away.
    pub notices: Vec<String>,
    /// Snapshots whose manifests can be read.
    pub snapshots: u64,
    /// Packs in the repository.
    pub packs: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Different chunks that snapshots need and that are there.
    pub chunks: u64,
    /// Bytes of packs that were read whole.
    pub bytes_read: u64,
}
