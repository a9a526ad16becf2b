//! Care of a repository: garbage collection, verify, repair.

use crate::error::Result;
use crate::format::ledger::DeletionCause;
use crate::id::SnapshotId;
use crate::ops::Progress;
use crate::ops::gc::{GcOptions, GcReport, collect};
use crate::ops::repair::{RepairReport, repair};
use crate::ops::verify::{ReadData, VerifyOptions, VerifyReport, verify};
use crate::storage::LocalFolder;

use super::Service;
use super::retention;

/// What garbage collection is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct GcRequest {
    /// Only says what would be done.
    pub dry_run: bool,
    /// How long deleted snapshots stay at most, nanoseconds; `None`: as was said when they were deleted, and 7 days for
    /// those that expire now.
    pub grace_ns: Option<i64>,
    /// Looks for garbage even where nothing says that there is any.
    pub full: bool,
}

impl Service {
    /// Lets expired snapshots go, then frees what nothing needs any more.
    pub fn gc(&self, request: GcRequest, progress: &dyn Progress) -> Result<GcReport> {
        let catalog = self.catalog()?;
        let expired = retention::expired(&catalog, &self.plans, self.repo.now_ns());
        if !request.dry_run {
            for snapshot in &expired {
                let grace_ns = request.grace_ns.unwrap_or(self.grace_ns);
                retention::delete(&self.repo, snapshot, DeletionCause::Expired, grace_ns)?;
            }
        }
        let would_expire: Vec<SnapshotId> = expired.iter().map(|snapshot| snapshot.manifest.id).collect();
        let sweep = || match &self.repository_folder {
            Some(folder) => LocalFolder::open(folder)?.sweep_temporaries(),
            None => Ok(0),
        };
        let options = GcOptions {
            dry_run: request.dry_run,
            full: request.full,
            grace_ns: request.grace_ns,
            would_expire: &would_expire,
            snapshots_expired: expired.len() as u64,
            sweep_temporaries: Some(&sweep),
            ..GcOptions::default()
        };
        collect(&self.repo, &options, progress)
    }

    /// Checks that every snapshot is whole.
    pub fn verify(&self, read_data: ReadData, progress: &dyn Progress) -> Result<VerifyReport> {
        verify(&self.repo, VerifyOptions { read_data }, progress)
    }

    /// Makes the best of what is damaged.
    pub fn repair(&self, progress: &dyn Progress) -> Result<RepairReport> {
        repair(&self.repo, progress)
    }
}
