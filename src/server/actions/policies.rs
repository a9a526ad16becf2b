//! Policies: when an instance is captured by itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::fault::{Fault, Outcome};
use crate::service::policy::{Policy as Rules, PolicyEdit, PolicyText};
use crate::service::{PolicyView, format_duration};

use super::inside::convert;
use super::instances::{check_etag, due, short_digest};
use super::{Desk, check};

/// An instance's policy, and when it is due.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// The instance.
    pub instance: String,
    /// Its plan.
    pub plan: String,
    /// Whose it is: `own`, `plan` or `none`.
    pub origin: String,
    /// The policy; `null` where there is none.
    pub policy: Option<PolicyRules>,
    /// When it is due next.
    pub next: Vec<Slot>,
    /// What was done last.
    pub last: Option<Run>,
    /// What a user should know.
    pub notes: Vec<String>,
    /// What `If-Match` takes when it is changed.
    #[serde(default)]
    pub etag: String,
}

/// The rules of a policy, as they are shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyRules {
    /// Whether it is followed.
    pub enabled: bool,
    /// `"every"`, or names of days: `["mon", "thu"]`.
    pub days: Words,
    /// `"every"`, `"once"`, or hours of the day: `[2, 14]`.
    pub hours: Words,
    /// When snapshots may begin: `"01:00-05:00"`.
    pub window: Option<String>,
    /// Whose clock counts: an IANA name.
    pub timezone: String,
    /// How long its snapshots are kept: `"14d"`.
    pub retain: Option<String>,
}

/// A word, or a list of words or numbers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Words {
    /// `"every"`, `"mon,thu"`.
    One(String),
    /// `["mon", "thu"]`.
    Names(Vec<String>),
    /// `[2, 14]`.
    Numbers(Vec<u8>),
}

/// A time at which a policy is due.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Slot {
    /// When.
    pub due_at: jiff::Timestamp,
    /// The same by the policy's own clock.
    pub local: String,
    /// It is not begun later than that.
    pub closes_at: Option<jiff::Timestamp>,
}

/// What a policy had done last.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// The slot; `null`: the instance was new, or its system had changed.
    pub due_at: Option<jiff::Timestamp>,
    /// When it was begun.
    pub began_at: jiff::Timestamp,
    /// `running`, `interrupted`, `done` or `failed`.
    pub status: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The snapshot, once it is there.
    pub snapshot: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
}

impl Policy {
    fn of(view: &PolicyView) -> crate::error::Result<Self> {
        let policy: Self = convert(view)?;
        let etag = short_digest(&json!([policy.instance, policy.plan, policy.origin, policy.policy]).to_string());
        Ok(Self { etag, ..policy })
    }
}

/// An instance's policy.
pub async fn get(desk: &Desk, who: &Principal, instance: &str) -> Outcome<Policy> {
    desk.need(who, Right::Read)?;
    let name = desk.instance(who, instance).await?.name;
    desk.work(who, move |service| Policy::of(&service.policy(&name)?)).await
}

/// A policy that is to be. It takes the place of the one before; what is left out is as by default: every day, once,
/// at any time, UTC.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutPolicy {
    /// Whether it is followed; left out: it is.
    pub enabled: Option<bool>,
    /// `"every"`, `"mon,thu"` or `["mon", "thu"]`.
    #[schema(value_type = Option<Words>)]
    pub days: Option<Value>,
    /// `"every"`, `"once"`, `"2,14"` or `[2, 14]`.
    #[schema(value_type = Option<Words>)]
    pub hours: Option<Value>,
    /// When snapshots may begin: `"01:00-05:00"`. It may pass midnight.
    pub window: Option<String>,
    /// Whose clock counts: an IANA name such as `Europe/Paris`.
    pub timezone: Option<String>,
    /// How long its snapshots are kept: `"14d"`.
    pub retain: Option<String>,
    /// The same in days.
    #[schema(minimum = 1, maximum = 36500)]
    pub retention_days: Option<u32>,
}

impl PutPolicy {
    fn rules(self) -> Outcome<Rules> {
        let retain = match (self.retain, check::retention(self.retention_days)?) {
            (Some(_), Some(_)) => {
                return Err(Fault::invalid("retain", "retain and retention_days say the same; give one of them"));
            }
            (retain, days) => retain.or(days.map(format_duration)),
        };
        fn read<T: for<'de> Deserialize<'de>>(field: &str, value: Option<Value>) -> Outcome<Option<T>> {
            let read = value.filter(|value| !value.is_null()).map(serde_json::from_value).transpose();
            read.map_err(|error| Fault::invalid(field, error.to_string()))
        }
        let text = PolicyText {
            enabled: self.enabled,
            days: read("days", self.days)?,
            hours: read("hours", self.hours)?,
            window: read("window", self.window.map(Value::String))?,
            timezone: read("timezone", self.timezone.map(Value::String))?,
            retain,
        };
        Rules::try_from(text).map_err(Fault::from)
    }
}

/// Sets an instance's policy.
pub async fn put(
    desk: &Desk,
    who: &Principal,
    instance: &str,
    if_match: Option<&[String]>,
    request: PutPolicy,
) -> Outcome<Policy> {
    desk.need(who, Right::Operate)?;
    let name = desk.instance(who, instance).await?.name;
    let rules = request.rules()?;
    let edit = PolicyEdit {
        enabled: Some(rules.enabled),
        days: Some(rules.days),
        hours: Some(rules.hours),
        window: Some(rules.window),
        zone: Some(rules.zone),
        retain_ns: Some(rules.retain_ns),
    };
    change(desk, who, name, if_match, "policy.set", Some(edit)).await
}

/// Takes an instance's own policy away: its plan's counts again.
pub async fn reset(desk: &Desk, who: &Principal, instance: &str, if_match: Option<&[String]>) -> Outcome<Policy> {
    desk.need(who, Right::Operate)?;
    let name = desk.instance(who, instance).await?.name;
    change(desk, who, name, if_match, "policy.reset", None).await
}

async fn change(
    desk: &Desk,
    who: &Principal,
    name: String,
    if_match: Option<&[String]>,
    action: &str,
    edit: Option<PolicyEdit>,
) -> Outcome<Policy> {
    let _editing = desk.editing(&who.account).await;
    if let Some(if_match) = if_match {
        let wanted = name.clone();
        let present = desk.work(who, move |service| Policy::of(&service.policy(&wanted)?)).await?;
        check_etag(if_match, &present.etag)?;
    }
    let wanted = name.clone();
    let changed = desk.work(who, move |service| {
        let view = match edit {
            Some(edit) => service.set_policy(&wanted, edit)?,
            None => service.reset_policy(&wanted)?,
        };
        Ok((Policy::of(&view)?, service.instance(&wanted)?, due(service, &wanted)?))
    });
    let (policy, view, due_us) = changed.await?;
    let instance = desk.mirror_instance(who, &view).await?;
    desk.catalog.set_next_due(&who.account, &name, due_us).await?;
    desk.note(who, action, &instance.id, json!({ "name": name, "policy": policy.policy })).await?;
    Ok(policy)
}
