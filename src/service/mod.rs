//! Instances, plans, and the work flows that a user names.

mod amount;
mod at_work;
mod care;
mod catalog;
mod claims;
mod drills;
mod duration;
mod environment;
pub mod find;
mod inspect;
mod instances;
mod items;
mod loads;
mod plan;
pub mod policy;
mod restore_run;
mod restores;
mod retention;
mod schedule_run;
mod schedules;
mod sealed;
mod settings;
mod snapshots;
mod sources;
mod stats;
mod unfinished;
mod view;

use std::path::PathBuf;

use crate::error::Result;
use crate::repo::Repository;
use crate::source::access::{Password, Place};
use crate::source::program::Programs;

use claims::Claims;

pub use amount::{format_count, format_size};
pub use care::GcRequest;
pub use catalog::{Catalog, Snapshot, check_instance_name};
pub use drills::DrillOutcome;
pub use duration::{format_duration, parse_duration};
pub use inspect::{ExportOutcome, ExportRequest, ExportTarget, ExportWritten};
pub use instances::{InstanceCheck, InstanceSpec};
pub use items::{ItemChange, ItemView};
pub use loads::{CloneOutcome, CloneRequest, LoadOutcome, LoadRequest, open_file};
pub use plan::{Cadence, DEFAULT_PLAN, Keep, Plan, Plans};
pub use restores::{LastRestore, RestoreOutcome, RestoreRequest, ResumeOutcome};
pub use retention::GRACE_NS;
pub use schedule_run::{NextDue, PolicyFailure, PolicyRun, PolicyRunRequest, PolicyTaken};
pub use schedules::{PolicyView, RunView, SlotView};
pub use settings::{SettingsSpec, read_password};
pub use snapshots::TakeOptions;
pub use stats::{ChunkStats, InstanceStats, Stats};
pub use view::{ComponentView, InstanceView, ProofView, SnapshotView, timestamp};

/// A repository with the plans that apply to it.
pub struct Service {
    repo: Repository,
    plans: Plans,
    /// Where databases' tools run, with a folder for files in between.
    place: Place,
    /// A password that was given for this run, instead of what instances say.
    password_given: Option<Password>,
    /// Where the repository is, where that is a folder.
    repository_folder: Option<PathBuf>,
    /// Folders that are left out of what is captured: the repository's own, and what else the caller names.
    excluded: Vec<PathBuf>,
    /// How long what expires can be brought back, nanoseconds.
    grace_ns: i64,
    /// What this process does for policies and restores at this moment.
    claims: Claims,
}

impl Service {
    /// A service over an open repository. Files in between go to `staging`; databases' tools are run by `programs`.
    pub fn new(
        repo: Repository,
        plans: Plans,
        staging: PathBuf,
        programs: Programs,
        repository_folder: Option<PathBuf>,
    ) -> Self {
        let surroundings = repo.surroundings().clone();
        let place = Place { programs, staging, surroundings };
        let excluded = repository_folder.iter().cloned().collect();
        let (grace_ns, claims) = (GRACE_NS, Claims::default());
        Self { repo, plans, place, password_given: None, repository_folder, excluded, grace_ns, claims }
    }

    /// The same, that leaves more folders out of what it captures.
    pub fn excluding(mut self, folders: Vec<PathBuf>) -> Self {
        self.excluded.extend(folders);
        self
    }

    /// The same, where what expires can be brought back for another time than 7 days.
    pub fn with_grace(self, grace_ns: i64) -> Self {
        Self { grace_ns, ..self }
    }

    /// How long what is deleted can be brought back unless said otherwise, nanoseconds.
    pub fn grace_ns(&self) -> i64 {
        self.grace_ns
    }

    /// The same, with a password that counts instead of what instances say.
    pub fn with_password(self, password: Option<Password>) -> Self {
        Self { password_given: password, ..self }
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
