//! What commands ask: the same of a repository of this machine and of a service.

use snaphold::error::Result;
use snaphold::ops::Progress;
use snaphold::ops::diff::{Change, DiffSummary};
use snaphold::ops::gc::GcReport;
use snaphold::ops::ls::Listed;
use snaphold::ops::verify::{ReadData, VerifyReport};
use snaphold::service::policy::PolicyEdit;
use snaphold::service::{
    CloneOutcome, CloneRequest, DrillOutcome, ExportOutcome, ExportRequest, ExportTarget, GRACE_NS, GcRequest,
    InstanceCheck, InstanceSpec, InstanceView, ItemChange, ItemView, LoadOutcome, LoadRequest, PolicyView,
    RestoreOutcome, RestoreRequest, ResumeOutcome, Service, SnapshotView, Stats, TakeOptions,
};

use super::progress::Teller;

/// Is handed one record of many.
pub type Visit<'v, T> = &'v mut dyn FnMut(T) -> Result<()>;

/// Who does what commands ask.
pub trait Backend: Instances + Snapshots + Contents + Files + Restores + Policies + Care {}

impl<T: Instances + Snapshots + Contents + Files + Restores + Policies + Care> Backend for T {}

/// Instances: defined, changed, removed, looked at.
pub trait Instances {
    fn instances(&self) -> Result<Vec<InstanceView>>;
    fn instance(&self, name: &str) -> Result<InstanceView>;
    fn add_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView>;
    fn edit_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView>;
    fn remove_instance(&self, name: &str) -> Result<()>;
    fn check_instance(&self, name: &str, teller: &Teller) -> Result<InstanceCheck>;
}

impl Instances for Service {
    fn instances(&self) -> Result<Vec<InstanceView>> {
        self.instances()
    }

    fn instance(&self, name: &str) -> Result<InstanceView> {
        self.instance(name)
    }

    fn add_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        self.add_instance(name, spec)
    }

    fn edit_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        self.edit_instance(name, spec)
    }

    fn remove_instance(&self, name: &str) -> Result<()> {
        self.remove_instance(name)
    }

    fn check_instance(&self, name: &str, teller: &Teller) -> Result<InstanceCheck> {
        self.check_instance(name, teller)
    }
}

/// Snapshots, named as users name them: `latest`, the beginning of an id.
pub trait Snapshots {
    /// Newest first.
    fn snapshots(&self, instance: Option<&str>) -> Result<Vec<SnapshotView>>;
    fn snapshot(&self, spec: &str) -> Result<SnapshotView>;
    fn take(&self, instance: &str, options: TakeOptions, teller: &Teller) -> Result<SnapshotView>;
    /// `grace_ns`: how long it can be brought back; `None`: as usual.
    fn delete_snapshot(&self, spec: &str, grace_ns: Option<i64>) -> Result<SnapshotView>;
    fn undelete_snapshot(&self, spec: &str) -> Result<SnapshotView>;
    fn hold_snapshot(&self, spec: &str, until_ns: i64) -> Result<SnapshotView>;
}

impl Snapshots for Service {
    fn snapshots(&self, instance: Option<&str>) -> Result<Vec<SnapshotView>> {
        self.snapshots(instance)
    }

    fn snapshot(&self, spec: &str) -> Result<SnapshotView> {
        self.snapshot(spec)
    }

    fn take(&self, instance: &str, options: TakeOptions, teller: &Teller) -> Result<SnapshotView> {
        self.take(instance, options, teller)
    }

    fn delete_snapshot(&self, spec: &str, grace_ns: Option<i64>) -> Result<SnapshotView> {
        self.delete_snapshot(spec, grace_ns.unwrap_or(GRACE_NS))
    }

    fn undelete_snapshot(&self, spec: &str) -> Result<SnapshotView> {
        self.undelete_snapshot(spec)
    }

    fn hold_snapshot(&self, spec: &str, until_ns: i64) -> Result<SnapshotView> {
        self.hold_snapshot(spec, until_ns)
    }
}

/// What is inside of snapshots.
pub trait Contents {
    fn ls(
        &self,
        spec: &str,
        path: &[u8],
        recursive: bool,
        progress: &dyn Progress,
        visit: Visit<'_, Listed>,
    ) -> Result<()>;
    /// `false`: there is nothing but files.
    fn items(&self, spec: &str, progress: &dyn Progress, visit: Visit<'_, ItemView>) -> Result<bool>;
    fn diff(&self, a: &str, b: &str, progress: &dyn Progress, visit: Visit<'_, Change>) -> Result<DiffSummary>;
    /// `false`: there is nothing but files.
    fn diff_items(&self, a: &str, b: &str, progress: &dyn Progress, visit: Visit<'_, ItemChange>) -> Result<bool>;
}

impl Contents for Service {
    fn ls(
        &self,
        spec: &str,
        path: &[u8],
        recursive: bool,
        progress: &dyn Progress,
        visit: Visit<'_, Listed>,
    ) -> Result<()> {
        self.ls(spec, path, recursive, progress, visit)
    }

    fn items(&self, spec: &str, progress: &dyn Progress, visit: Visit<'_, ItemView>) -> Result<bool> {
        self.items(spec, progress, visit)
    }

    fn diff(&self, a: &str, b: &str, progress: &dyn Progress, visit: Visit<'_, Change>) -> Result<DiffSummary> {
        self.diff(a, b, progress, visit)
    }

    fn diff_items(&self, a: &str, b: &str, progress: &dyn Progress, visit: Visit<'_, ItemChange>) -> Result<bool> {
        self.diff_items(a, b, progress, visit)
    }
}

/// Data that comes in and goes out.
pub trait Files {
    /// The source that a load into the instance overwrites.
    fn load_overwrites(&self, instance: &str) -> Result<Option<String>>;
    /// `length`: how much there is to load, where that is known.
    fn load(&self, request: LoadRequest, length: Option<u64>, confirmed: bool, teller: &Teller) -> Result<LoadOutcome>;
    fn export(&self, request: ExportRequest, target: ExportTarget<'_>, teller: &Teller) -> Result<ExportOutcome>;
    fn clone_snapshot(&self, request: CloneRequest, teller: &Teller) -> Result<CloneOutcome>;
}

impl Files for Service {
    fn load_overwrites(&self, instance: &str) -> Result<Option<String>> {
        self.load_overwrites(instance)
    }

    fn load(
        &self,
        request: LoadRequest,
        _length: Option<u64>,
        confirmed: bool,
        teller: &Teller,
    ) -> Result<LoadOutcome> {
        self.load(request, confirmed, teller)
    }

    fn export(&self, request: ExportRequest, target: ExportTarget<'_>, teller: &Teller) -> Result<ExportOutcome> {
        self.export(request, target, teller)
    }

    fn clone_snapshot(&self, request: CloneRequest, teller: &Teller) -> Result<CloneOutcome> {
        self.clone_snapshot(request, teller)
    }
}

/// Restores, and what goes back to before them.
pub trait Restores {
    fn undo_request(&self, instance: &str, no_safety: bool) -> Result<RestoreRequest>;
    fn plan_restore(&self, request: &RestoreRequest, teller: &Teller) -> Result<RestoreOutcome>;
    fn restore(&self, request: &RestoreRequest, confirmed: bool, teller: &Teller) -> Result<RestoreOutcome>;
    fn resume_restore(&self, instance: &str, teller: &Teller) -> Result<ResumeOutcome>;
    fn abort_restore(&self, instance: &str, teller: &Teller) -> Result<ResumeOutcome>;
}

impl Restores for Service {
    fn undo_request(&self, instance: &str, no_safety: bool) -> Result<RestoreRequest> {
        self.undo_request(instance, no_safety)
    }

    fn plan_restore(&self, request: &RestoreRequest, teller: &Teller) -> Result<RestoreOutcome> {
        self.plan_restore(request, teller)
    }

    fn restore(&self, request: &RestoreRequest, confirmed: bool, teller: &Teller) -> Result<RestoreOutcome> {
        self.restore(request, confirmed, teller)
    }

    fn resume_restore(&self, instance: &str, teller: &Teller) -> Result<ResumeOutcome> {
        self.resume_restore(instance, teller)
    }

    fn abort_restore(&self, instance: &str, teller: &Teller) -> Result<ResumeOutcome> {
        self.abort_restore(instance, teller)
    }
}

/// When instances are captured by themselves.
pub trait Policies {
    fn policy(&self, instance: &str) -> Result<PolicyView>;
    fn set_policy(&self, instance: &str, edit: PolicyEdit) -> Result<PolicyView>;
    fn reset_policy(&self, instance: &str) -> Result<PolicyView>;
}

impl Policies for Service {
    fn policy(&self, instance: &str) -> Result<PolicyView> {
        self.policy(instance)
    }

    fn set_policy(&self, instance: &str, edit: PolicyEdit) -> Result<PolicyView> {
        self.set_policy(instance, edit)
    }

    fn reset_policy(&self, instance: &str) -> Result<PolicyView> {
        self.reset_policy(instance)
    }
}

/// Care of what is stored.
pub trait Care {
    fn drill(&self, spec: &str, component: Option<&str>, query: Option<&str>, teller: &Teller) -> Result<DrillOutcome>;
    fn gc(&self, request: GcRequest, teller: &Teller) -> Result<GcReport>;
    fn verify(&self, read_data: ReadData, teller: &Teller) -> Result<VerifyReport>;
    fn stats(&self, instance: Option<&str>, teller: &Teller) -> Result<Stats>;
}

impl Care for Service {
    fn drill(&self, spec: &str, component: Option<&str>, query: Option<&str>, teller: &Teller) -> Result<DrillOutcome> {
        self.drill(spec, component, query, teller)
    }

    fn gc(&self, request: GcRequest, teller: &Teller) -> Result<GcReport> {
        self.gc(request, teller)
    }

    fn verify(&self, read_data: ReadData, teller: &Teller) -> Result<VerifyReport> {
        self.verify(read_data, teller)
    }

    fn stats(&self, instance: Option<&str>, teller: &Teller) -> Result<Stats> {
        self.stats(instance, teller)
    }
}
