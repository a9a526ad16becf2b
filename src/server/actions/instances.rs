//! Instances: defined, changed, removed, looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::work::{self, JobSpec};
use crate::service::{InstanceSpec, Service, check_instance_name};

use super::inside::read_view;
use super::jobs::Job;
use super::sources::{self, Settings};
use super::{Desk, check};

/// An instance.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Its id: `i` and 16 hexadecimal digits.
    #[serde(default)]
    pub id: String,
    /// Its name, which no other instance of the account has.
    pub name: String,
    /// Its source, without a password; `null`: it lives in the repository alone.
    pub source: Option<String>,
    /// Its plan.
    pub plan: String,
    /// Its own retention, as a duration such as `30d`; `null`: the plan's.
    pub retain: Option<String>,
    /// The user's words.
    pub description: Option<String>,
    /// Whether every file is read each time.
    pub always_read: bool,
    /// Its settings by name; of a password only that it is there.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Its own policy; `null`: its plan's.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
    /// How far a restore over it is that is not over.
    #[serde(default)]
    pub unfinished_restore: Option<String>,
    /// When it was defined.
    pub created_at: Option<Timestamp>,
    /// Completed snapshots that are not deleted.
    pub snapshots: u64,
    /// When the newest of them was taken.
    pub latest: Option<Timestamp>,
    /// When its policy asks for something next.
    #[serde(default)]
    pub next_due_at: Option<Timestamp>,
    /// What `If-Match` takes when it is changed.
    #[serde(default)]
    pub etag: String,
}

impl Instance {
    /// As the catalog's mirror has it.
    pub fn of(instance: &catalog::Instance) -> Outcome<Self> {
        let mut shown: Self = read_view(&instance.view)?;
        shown.id.clone_from(&instance.id);
        shown.next_due_at = instance.next_due_us.map(from_microseconds);
        shown.etag = etag(&instance.view);
        Ok(shown)
    }
}

/// Tells two definitions of an instance apart: what is counted of it does not belong to that.
pub fn etag(view: &Value) -> String {
    const DEFINITION: [&str; 8] =
        ["name", "source", "plan", "retain", "description", "always_read", "settings", "created_at"];
    let parts: Vec<&Value> = DEFINITION.iter().map(|field| view.get(field).unwrap_or(&Value::Null)).collect();
    short_digest(&json!(parts).to_string())
}

/// A few digits that differ where the texts do.
pub fn short_digest(text: &str) -> String {
    let mut digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    digest.truncate(24);
    digest
}

/// Refuses a change of what was changed since it was read. `given`: what `If-Match` says, without quotes; `*` fits all.
pub fn check_etag(given: &[String], current: &str) -> Outcome<()> {
    match given.iter().any(|given| given == "*" || given == current) {
        true => Ok(()),
        false => Err(Fault::new(
            Problem::PreconditionFailed,
            "it was changed since you read it; read it again, and send its new ETag",
        )),
    }
}

/// The same, where a change without `If-Match` is refused.
pub fn must_match(given: Option<&[String]>, current: &str) -> Outcome<()> {
    let given = given.ok_or_else(|| {
        let detail = "send If-Match with the object's ETag, so that nobody's change is lost";
        Fault::new(Problem::PreconditionRequired, detail)
    })?;
    check_etag(given, current)
}

/// The account's instances.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Instances {
    /// By their names.
    pub instances: Vec<Instance>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// All instances of the account.
pub async fn list(desk: &Desk, who: &Principal) -> Outcome<Instances> {
    desk.need(who, Right::Read)?;
    let instances = desk.catalog.instances(&who.account).await?;
    Ok(Instances { instances: instances.iter().map(Instance::of).collect::<Outcome<_>>()?, next: None })
}

/// One instance.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<Instance> {
    desk.need(who, Right::Read)?;
    Instance::of(&desk.instance(who, id).await?)
}

/// An instance that is to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInstance {
    /// Its name: up to 64 letters, digits, `.`, `_` and `-`, a letter or digit first.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub name: String,
    /// Where its data is: `postgres://user@host/db`, `mariadb://…`, `redis://…`, `sqlite:/path`, `files:/path`,
    /// `neo4j:/home#db`, `env:/file.toml`. Left out: it lives in the repository alone, and dumps are loaded into it.
    pub source: Option<String>,
    /// Its plan; left out: `unlimited`.
    pub plan: Option<String>,
    /// Days that its snapshots are kept; left out: as its plan says.
    #[schema(minimum = 1, maximum = 36500)]
    pub retention_days: Option<u32>,
    /// Words about it.
    pub description: Option<String>,
    /// Whether every file is read each time.
    pub always_read: Option<bool>,
    /// The source's password. It is kept sealed, and never shown.
    pub password: Option<String>,
    /// How the source is reached and handled.
    pub settings: Option<Settings>,
}

/// Defines an instance. Its source is reached first, so that what is wrong with it shows now.
pub async fn create(desk: &Desk, who: &Principal, request: NewInstance) -> Outcome<Instance> {
    desk.need(who, Right::Operate)?;
    let name = request.name;
    check_instance_name(&name).map_err(|error| Fault::invalid("name", error.to_string()))?;
    check_plan(desk, request.plan.as_deref())?;
    let settings = request.settings.unwrap_or_default();
    sources::check(&desk.config.sources, who, request.source.as_deref(), &settings)?;
    let spec = InstanceSpec {
        source: request.source.map(Some),
        plan: request.plan,
        retain_ns: check::retention(request.retention_days)?.map(Some),
        description: check::words("description", request.description)?,
        always_read: request.always_read,
        settings: settings.spec(request.password),
    };
    let _editing = desk.editing(&who.account).await;
    let wanted = name.clone();
    let added = desk.work(who, move |service| {
        let view = service.add_instance(&wanted, spec)?;
        Ok((view, due(service, &wanted)?))
    });
    let (view, due_us) = added.await.map_err(sources::unusable)?;
    desk.mirror_instance(who, &view).await?;
    desk.catalog.set_next_due(&who.account, &name, due_us).await?;
    let instance = Instance::of(&desk.instance(who, &name).await?)?;
    let detail = json!({ "name": name, "source": instance.source, "plan": instance.plan });
    desk.note(who, "instance.create", &instance.id, detail).await?;
    Ok(instance)
}

/// When an instance is due next, microseconds.
pub fn due(service: &Service, name: &str) -> Result<Option<i64>> {
    match service.next_due_of(name) {
        Ok(due) => Ok(due.map(|at| at.as_microsecond())),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn check_plan(desk: &Desk, plan: Option<&str>) -> Outcome<()> {
    match plan.map(|plan| desk.plans.get(plan)) {
        Some(Err(_)) => {
            let names: Vec<&str> = desk.plans.all().map(|plan| plan.name.as_str()).collect();
            Err(Fault::invalid("plan", format!("there is no such plan; there are {}", names.join(", "))))
        }
        _ => Ok(()),
    }
}

/// What is to be changed about an instance. What is left out stays; `null` takes it away.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditInstance {
    /// Its source; `null`: none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub source: Option<Option<String>>,
    /// Its plan.
    pub plan: Option<String>,
    /// Days that its snapshots are kept; `null`: as its plan says.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 36500)]
    pub retention_days: Option<Option<u32>>,
    /// Words about it; empty: none.
    pub description: Option<String>,
    /// Whether every file is read each time.
    pub always_read: Option<bool>,
    /// The source's password; empty: none.
    pub password: Option<String>,
    /// How the source is reached and handled. A text that is empty takes the setting away.
    pub settings: Option<Settings>,
}

/// Tells `null` from what is left out.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Changes an instance. What its snapshots say stays as it was.
pub async fn edit(
    desk: &Desk,
    who: &Principal,
    id: &str,
    if_match: Option<&[String]>,
    request: EditInstance,
) -> Outcome<Instance> {
    desk.need(who, Right::Operate)?;
    let _editing = desk.editing(&who.account).await;
    let instance = desk.instance(who, id).await?;
    must_match(if_match, &etag(&instance.view))?;
    check_plan(desk, request.plan.as_deref())?;
    let settings = request.settings.unwrap_or_default();
    sources::check(&desk.config.sources, who, request.source.as_ref().and_then(Option::as_deref), &settings)?;
    let spec = InstanceSpec {
        source: request.source,
        plan: request.plan,
        retain_ns: match request.retention_days {
            Some(None) => Some(None),
            Some(days) => check::retention(days)?.map(Some),
            None => None,
        },
        description: check::words("description", request.description)?,
        always_read: request.always_read,
        settings: settings.spec(request.password),
    };
    let name = instance.name.clone();
    let edited = desk.work(who, move |service| {
        let view = service.edit_instance(&name, spec)?;
        Ok((view, due(service, &name)?))
    });
    let (view, due_us) = edited.await.map_err(sources::unusable)?;
    desk.mirror_instance(who, &view).await?;
    desk.catalog.set_next_due(&who.account, &instance.name, due_us).await?;
    let instance = Instance::of(&desk.instance(who, &instance.name).await?)?;
    let detail = json!({ "name": instance.name, "source": instance.source, "plan": instance.plan });
    desk.note(who, "instance.edit", &instance.id, detail).await?;
    Ok(instance)
}

/// Removes an instance's definition. Its snapshots stay until they are deleted.
pub async fn remove(desk: &Desk, who: &Principal, id: &str, if_match: Option<&[String]>) -> Outcome<()> {
    desk.need(who, Right::Operate)?;
    let _editing = desk.editing(&who.account).await;
    let instance = desk.instance(who, id).await?;
    if let Some(if_match) = if_match {
        check_etag(if_match, &etag(&instance.view))?;
    }
    let name = instance.name.clone();
    desk.work(who, move |service| service.remove_instance(&name)).await?;
    desk.catalog.remove_instance(&who.account, &instance.name).await?;
    desk.note(who, "instance.remove", &instance.id, json!({ "name": instance.name })).await
}

/// A job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobAnswer {
    /// The job.
    pub job: Job,
}

/// Looks whether the system under an instance changed, and takes a snapshot where it did: a job.
pub async fn check_system(desk: &Desk, who: &Principal, id: &str) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let instance = desk.instance(who, id).await?;
    let job = desk.submit(who, &JobSpec::Check(work::Check { instance: instance.name.clone() })).await?;
    desk.note(who, "instance.check", &instance.id, json!({ "name": instance.name, "job": job.id })).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}
