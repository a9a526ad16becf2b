//! What each kind of job does with a [`Service`]. Knows no catalog and no network: a job is what
//! stands in its [`JobSpec`], and what it did is in [`Done`].
//!
//! A job may be performed again after its worker died, by another process, from anywhere inside it. Then [`Means::attempt`]
//! is more than 1, and each kind first finds out what the attempt before has done:
//!
//! | kind | what tells it | then |
//! | --- | --- | --- |
//! | snapshot | the snapshot of the chosen id is there | it ends well; a failed one ends the job with its reason, a cancelled one is taken anew |
//! | load | the same; and the restore of the chosen run | as for snapshots; a dump that was half staged is put back |
//! | restore, undo | the restore of the chosen run, in the ledger | done; or completed; or begun, where it never was or went back |
//! | resume, abort | nothing is left to be taken up | it ends well where the restore ended as was asked |
//! | export | the file of the export's id is there | it is measured again |
//! | clone | the instance, and the snapshot of the chosen id | it goes on behind what is there, unless data was half written |
//! | policy | the ledger, where runs claim their slots | what was taken is not taken twice |
//! | delete, gc, verify, drill, check | the repository itself | it is simply done again |

mod capture;
mod care;
mod clone;
mod done;
mod export;
mod files;
mod load;
mod restore;
mod spec;

use crate::error::Result;
use crate::service::Service;

pub use done::{Done, Means};
pub use export::{export_file, remove_export};
pub use files::remove_upload;
pub use restore::{plan, undo};
pub use spec::{
    Abort, Check, Clone, CloneSettings, Delete, Drill, Export, Gc, JobSpec, Load, Policy, Restore, Resume, Snapshot,
    Undo, Verify,
};

/// Does a job's work, to its end.
///
/// [`Error::Cancelled`](crate::error::Error::Cancelled) where the progress asked to stop: then nothing is left but, of a
/// snapshot, the record that it was cancelled. What is true after a failure is told by [`aftermath`].
pub fn perform(spec: &JobSpec, means: &Means<'_>) -> Result<Done> {
    match spec {
        JobSpec::Snapshot(job) => capture::snapshot(job, means),
        JobSpec::Check(job) => capture::check(job, means),
        JobSpec::Policy(job) => capture::policy(job, means),
        JobSpec::Load(job) => load::load(job, means),
        JobSpec::Restore(job) => restore::restore(job, means),
        JobSpec::Undo(job) => restore::undone(job, means),
        JobSpec::Resume(job) => restore::resume(job, means),
        JobSpec::Abort(job) => restore::abort(job, means),
        JobSpec::Export(job) => export::export(job, means),
        JobSpec::Clone(job) => clone::clone(job, means),
        JobSpec::Delete(job) => care::delete(job, means),
        JobSpec::Gc(job) => care::gc(job, means),
        JobSpec::Verify(job) => care::verify(job, means),
        JobSpec::Drill(job) => care::drill(job, means),
    }
}

/// What is true of all that a job touches, after it failed or was cancelled: the snapshot that failed, the safety
/// snapshot, the instance whose restore stands half way. Its result is `null`.
pub fn aftermath(spec: &JobSpec, service: &Service) -> Result<Done> {
    match (spec.instance(), spec.snapshot()) {
        (Some(instance), _) => Done::of_all(service, instance),
        (None, snapshot) => Done::of(service, &[], &snapshot.into_iter().collect::<Vec<_>>()),
    }
}
