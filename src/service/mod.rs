//! Instances, plans, and the work flows that a user names.

mod care;
mod catalog;
mod duration;
mod inspect;
mod instances;
mod loads;
mod plan;
mod restores;
mod retention;
mod snapshots;
mod stats;
mod view;

use std::path::PathBuf;

use crate::error::Result;
use crate::repo::Repository;

pub use care::GcRequest;
pub use catalog::{Catalog, Snapshot};
pub use duration::{format_duration, parse_duration};
pub use inspect::{ExportOutcome, ExportTarget, ExportWritten};
pub use instances::InstanceSpec;
pub use loads::{CloneOutcome, LoadOutcome, LoadRequest, open_file};
pub use plan::{Cadence, DEFAULT_PLAN, Keep, Plan, Plans};
pub use restores::{RestoreOutcome, RestoreRequest};
pub use retention::GRACE_NS;
pub use snapshots::TakeOptions;
pub use stats::{ChunkStats, InstanceStats, Stats};
pub use view::{InstanceView, SnapshotView, timestamp};

/// A repository with the plans that apply to it.
pub struct Service {
    repo: Repository,
    plans: Plans,
    /// A folder for files in between: images of databases, dumps on their way out.
    staging: PathBuf,
    /// Where the repository is, where that is a folder: it is left out of what is captured.
    repository_folder: Option<PathBuf>,
}

impl Service {
    /// A service over an open repository. Files in between go to `staging`.
    pub fn new(repo: Repository, plans: Plans, staging: PathBuf, repository_folder: Option<PathBuf>) -> Self {
        Self { repo, plans, staging, repository_folder }
    }

    /// The repository.
    pub fn repo(&self) -> &Repository {
        &self.repo
    }

    /// The plans.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// What the repository holds now.
    pub fn catalog(&self) -> Result<Catalog> {
        Catalog::read(&self.repo)
    }
}
