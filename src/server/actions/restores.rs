//! Restores: planned, done, undone, taken up again; and clones.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::ops::Silent;
use crate::server::auth::{Principal, Right};
use crate::server::catalog::Job as StoredJob;
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::work::{self, JobSpec};
use crate::service::check_instance_name;
use crate::source::access::Password;

use super::inside::convert;
use super::instances::JobAnswer;
use super::jobs::Job;
use super::sources::{self, Settings};
use super::{Desk, check, snapshots};

/// What is to be restored, and where to.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRestore {
    /// The instance that is overwritten, by id or name; left out: the one that the snapshot was taken of.
    pub to: Option<String>,
    /// One component of the snapshot.
    pub component: Option<String>,
    /// One path of it.
    pub path: Option<String>,
}

/// What is to be restored, and that it was confirmed.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// `RESTORE`: all data of the instance is overwritten.
    #[schema(example = "RESTORE")]
    pub confirm: Option<String>,
    /// The instance that is overwritten, by id or name; left out: the one that the snapshot was taken of.
    pub to: Option<String>,
    /// One component of the snapshot.
    pub component: Option<String>,
    /// One path of it.
    pub path: Option<String>,
    /// Whether the present state is not kept first, as a snapshot of type `safety`.
    #[serde(default)]
    pub no_safety: bool,
}

/// What a restore would write.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RestorePlan {
    /// The snapshot's id.
    pub snapshot: String,
    /// Where to, for people.
    pub target: String,
    /// Whether what is there is overwritten.
    pub in_place: bool,
    /// The instance that is overwritten.
    pub instance: Option<String>,
    /// Regular files of what is restored.
    pub files: u64,
    /// Folders of it.
    pub directories: u64,
    /// Symbolic links, FIFOs, devices of it.
    pub others: u64,
    /// Bytes of it.
    pub bytes_total: u64,
    /// Bytes that would be written.
    pub bytes_written: u64,
    /// Bytes that are there already.
    pub bytes_unchanged: u64,
    /// Bytes that would become zero without being written: holes.
    pub bytes_zeroed: u64,
    /// Files that would change.
    pub files_changed: u64,
    /// Entries of which only attributes would.
    pub metadata_changed: u64,
    /// Entries that would go.
    pub removed: u64,
}

/// What a restore would write. Touches nothing.
pub async fn plan(desk: &Desk, who: &Principal, id: &str, request: PlanRestore) -> Outcome<RestorePlan> {
    desk.need(who, Right::Operate)?;
    let PlanRestore { to, component, path } = request;
    let spec = spec_of(desk, who, id, Restore { to, component, path, ..Restore::default() }).await?;
    desk.work(who, move |service| convert(&work::plan(service, &spec, &Silent)?)).await
}

/// Overwrites an instance with a snapshot: a job.
pub async fn restore(desk: &Desk, who: &Principal, id: &str, request: Restore) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let confirm = request.confirm.clone();
    let spec = spec_of(desk, who, id, request).await?;
    let instance = spec.instance().unwrap_or_default().to_string();
    check::confirmed(confirm.as_deref(), &format!("all data of instance {instance:?}"))?;
    let job = desk.submit(who, &spec).await?;
    desk.note(who, "snapshot.restore", id, json!({ "to": instance, "job": job.id })).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}

async fn spec_of(desk: &Desk, who: &Principal, id: &str, request: Restore) -> Outcome<JobSpec> {
    let snapshot = desk.snapshot(who, id).await?;
    snapshots::usable(desk, who, &snapshot).await?;
    let to = request.to.as_deref();
    let instance = desk.instance(who, to.unwrap_or(&snapshot.instance)).await.map_err(|fault| match to {
        Some(to) if fault.problem == Problem::NotFound => {
            Fault::invalid("to", format!("there is no instance {to:?} that it could be restored to"))
        }
        None if fault.problem == Problem::NotFound => Fault::new(
            Problem::Refused,
            format!("instance {:?} was removed; name another by \"to\", or clone the snapshot", snapshot.instance),
        ),
        _ => fault,
    })?;
    has_source(&instance)?;
    Ok(JobSpec::Restore(work::Restore {
        instance: instance.name,
        snapshot: snapshot.id,
        run: desk.random_digits(4),
        component: request.component,
        path: request.path,
        no_safety: request.no_safety,
    }))
}

fn has_source(instance: &crate::server::catalog::Instance) -> Outcome<()> {
    match instance.view.get("source").and_then(|source| source.as_str()) {
        Some(_) => Ok(()),
        None => Err(Fault::new(
            Problem::Refused,
            format!("instance {:?} has no source that could be overwritten", instance.name),
        )),
    }
}

/// That going back was confirmed.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// `RESTORE`: all data of the instance is overwritten.
    #[schema(example = "RESTORE")]
    pub confirm: Option<String>,
    /// Whether the present state is not kept first.
    #[serde(default)]
    pub no_safety: bool,
}

/// Goes back to the state before an instance's latest restore: a job.
pub async fn undo(desk: &Desk, who: &Principal, id: &str, request: Undo) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let instance = desk.instance(who, id).await?;
    check::confirmed(request.confirm.as_deref(), &format!("all data of instance {:?}", instance.name))?;
    let (run, name) = (desk.random_digits(4), instance.name.clone());
    let spec = desk.work(who, move |service| work::undo(service, &name, &run, request.no_safety)).await;
    let spec = spec.map_err(|fault| match fault.problem {
        // It is not an address that is wrong: there is nothing to go back to.
        Problem::NotFound => Fault { problem: Problem::Refused, ..fault },
        _ => fault,
    })?;
    let job = desk.submit(who, &spec).await?;
    noted(desk, who, "instance.undo", &instance.id, job).await
}

/// Completes a restore over an instance that was cut short: a job.
pub async fn resume(desk: &Desk, who: &Principal, id: &str) -> Outcome<JobAnswer> {
    let instance = unfinished(desk, who, id).await?;
    let job = desk.submit(who, &JobSpec::Resume(work::Resume { instance: instance.name })).await?;
    noted(desk, who, "instance.resume", &instance.id, job).await
}

/// Goes back from a restore that was cut short: a job.
pub async fn abort(desk: &Desk, who: &Principal, id: &str) -> Outcome<JobAnswer> {
    let instance = unfinished(desk, who, id).await?;
    let job = desk.submit(who, &JobSpec::Abort(work::Abort { instance: instance.name })).await?;
    noted(desk, who, "instance.abort", &instance.id, job).await
}

async fn unfinished(desk: &Desk, who: &Principal, id: &str) -> Outcome<crate::server::catalog::Instance> {
    desk.need(who, Right::Operate)?;
    let instance = desk.instance(who, id).await?;
    let name = instance.name.clone();
    let view = desk.work(who, move |service| service.instance(&name)).await?;
    match view.unfinished_restore {
        Some(_) => Ok(instance),
        None => Err(Fault::new(Problem::Refused, format!("no restore over {:?} was cut short", instance.name))),
    }
}

async fn noted(desk: &Desk, who: &Principal, action: &str, id: &str, job: StoredJob) -> Outcome<JobAnswer> {
    desk.note(who, action, id, json!({ "name": job.instance, "job": job.id })).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}

/// A new instance from a snapshot.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Clone {
    /// Its name.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub name: String,
    /// Where the data goes, which must be empty or not be there yet; left out: it lives in the repository alone.
    pub source: Option<String>,
    /// The source's password. It is kept sealed, and never shown.
    pub password: Option<String>,
    /// How the source is reached and handled.
    pub settings: Option<Settings>,
}

/// Makes a new instance from a snapshot: a job.
pub async fn clone(desk: &Desk, who: &Principal, id: &str, request: Clone) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let snapshot = desk.snapshot(who, id).await?;
    snapshots::usable(desk, who, &snapshot).await?;
    check_instance_name(&request.name).map_err(|error| Fault::invalid("name", error.to_string()))?;
    if desk.instance(who, &request.name).await.is_ok_and(|found| found.name == request.name) {
        let detail = format!("there is an instance {:?} already; give the new one another name", request.name);
        return Err(Fault::new(Problem::Refused, detail).of_field("name"));
    }
    let settings = request.settings.unwrap_or_default();
    let url = sources::check(&desk.config.sources, who, request.source.as_deref(), &settings)?;
    let (source, in_url) = match url.map(crate::source::url::SourceUrl::without_password) {
        Some((url, password)) => (Some(url.to_string()), password),
        None => (None, None),
    };
    let password = request.password.map(Password::new).or(in_url);
    let sealed = match password {
        Some(password) => Some(desk.work(who, move |service| service.seal_text(&password)).await?),
        None => None,
    };
    let Settings { password_file, stop, start, before, after, data_directory } = settings;
    let settings = work::CloneSettings { password: sealed, password_file, stop, start, before, after, data_directory };
    let spec = JobSpec::Clone(work::Clone {
        snapshot: snapshot.id,
        name: request.name.clone(),
        copy: desk.random_digits(8),
        source: source.clone(),
        settings,
    });
    let job = desk.submit(who, &spec).await?;
    let detail = json!({ "name": request.name, "source": source, "job": job.id });
    desk.note(who, "snapshot.clone", id, detail).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}
