//! What work is done with, and what came of it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::service::{InstanceView, Service, SnapshotView};

/// What a job is performed with.
pub struct Means<'a> {
    /// The account's repository.
    pub service: &'a Service,
    /// The folder of finished exports.
    pub exports: &'a Path,
    /// The folder of complete uploads.
    pub uploads: &'a Path,
    /// Is told how far it is, and says when to stop.
    pub progress: &'a dyn Progress,
    /// 1 the first time, more after a worker died.
    pub attempt: u32,
}

impl Means<'_> {
    /// Whether an earlier attempt may have done a part of it.
    pub fn is_again(&self) -> bool {
        self.attempt > 1
    }
}

/// What a job did, and what is different now.
#[derive(Debug, Default)]
pub struct Done {
    /// For the user: as the command line's `--json` says it.
    pub result: Value,
    /// Snapshots that are new or changed, as they are now.
    pub snapshots: Vec<SnapshotView>,
    /// Ids of snapshots that are gone for good.
    pub gone: Vec<String>,
    /// Instances that are new or changed, as they are now.
    pub instances: Vec<InstanceView>,
}

impl Done {
    /// With a result.
    pub fn with(self, result: &impl Serialize) -> Result<Self> {
        let result = serde_json::to_value(result)
            .map_err(|error| Error::Failed(format!("the result cannot be written down: {error}")))?;
        Ok(Self { result, ..self })
    }

    /// What is true now of some instances and snapshots, as far as they are there.
    pub fn of(service: &Service, instances: &[&str], snapshots: &[&str]) -> Result<Self> {
        let catalog = service.catalog()?;
        let known = instances.iter().filter(|name| catalog.knows_instance(name));
        let instances = known.map(|name| catalog.instance_view(name)).collect();
        let found = snapshots.iter().filter_map(|id| catalog.snapshot(id.parse().ok()?).ok());
        Ok(Self { snapshots: found.map(|found| found.view()).collect(), instances, ..Self::default() })
    }

    /// All that is true now of an instance and of its snapshots.
    pub fn of_all(service: &Service, instance: &str) -> Result<Self> {
        let catalog = service.catalog()?;
        let own = catalog.snapshots.iter().filter(|snapshot| snapshot.manifest.instance == instance);
        let ids: Vec<String> = own.map(|snapshot| snapshot.manifest.id.to_string()).collect();
        Self::of(service, &[instance], &ids.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
