//! What an account uses, who did what, which plans there are, who asks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::from_microseconds;
use crate::server::fault::{Fault, Outcome};
use crate::service::{Keep, Plan as ServicePlan, format_duration};

use super::Desk;
use super::inside::convert;
use super::page::{self, Paging};
use super::policies::PolicyRules;

/// Days that usage is shown over at most.
const DAYS_MAX: u32 = 3660;
const DAYS_DEFAULT: u32 = 90;
const DAY_US: i64 = 86_400 * 1_000_000;

/// What the account's snapshots come to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Completed snapshots that are not deleted.
    pub snapshots: i64,
    /// Plain bytes of all of them.
    pub bytes_logical: i64,
    /// Bytes that they added to the repository.
    pub bytes_stored: i64,
    /// The difference.
    pub bytes_saved: i64,
    /// The same by instance.
    pub instances: Vec<InstanceUsage>,
    /// The same as it was at the end of each day on which there was a change, oldest first.
    pub over_time: Vec<DayUsage>,
}

/// What one instance's snapshots come to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InstanceUsage {
    /// The instance's name.
    pub instance: String,
    /// Completed snapshots that are not deleted.
    pub snapshots: i64,
    /// Plain bytes of all of them.
    pub bytes_logical: i64,
    /// Bytes that they added to the repository.
    pub bytes_stored: i64,
    /// When the newest was begun.
    pub newest_at: Option<Timestamp>,
}

/// What the snapshots that there are now came to at the end of a day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DayUsage {
    /// The day's beginning, UTC.
    pub day: Timestamp,
    /// Snapshots taken until then.
    pub snapshots: i64,
    /// Their plain bytes.
    pub bytes_logical: i64,
    /// Bytes that they added to the repository.
    pub bytes_stored: i64,
}

/// What the account uses, and how that came to be over the last `days`.
pub async fn usage(desk: &Desk, who: &Principal, days: Option<u32>) -> Outcome<Usage> {
    desk.need(who, Right::Read)?;
    let days = match days.unwrap_or(DAYS_DEFAULT) {
        days @ 1..=DAYS_MAX => i64::from(days),
        _ => return Err(Fault::invalid("days", format!("days is from 1 to {DAYS_MAX}"))),
    };
    let by_instance = desk.catalog.usage(&who.account).await?;
    let sum = |of: fn(&crate::server::catalog::Usage) -> i64| by_instance.iter().map(of).fold(0, i64::saturating_add);
    let (bytes_logical, bytes_stored) = (sum(|usage| usage.bytes_logical), sum(|usage| usage.bytes_stored));
    let first = desk.catalog.now_us().div_euclid(DAY_US).saturating_sub(days - 1);
    let (mut total, mut over_time) = ((0i64, 0i64, 0i64), Vec::new());
    for (day, of_day) in desk.catalog.usage_by_day(&who.account).await? {
        total.0 = total.0.saturating_add(of_day.snapshots);
        total.1 = total.1.saturating_add(of_day.bytes_logical);
        total.2 = total.2.saturating_add(of_day.bytes_stored);
        let (snapshots, bytes_logical, bytes_stored) = total;
        if day >= first {
            let day = from_microseconds(day.saturating_mul(DAY_US));
            over_time.push(DayUsage { day, snapshots, bytes_logical, bytes_stored });
        }
    }
    Ok(Usage {
        snapshots: sum(|usage| usage.snapshots),
        bytes_logical,
        bytes_stored,
        bytes_saved: bytes_logical.saturating_sub(bytes_stored),
        instances: by_instance
            .into_iter()
            .map(|usage| InstanceUsage {
                instance: usage.instance,
                snapshots: usage.snapshots,
                bytes_logical: usage.bytes_logical,
                bytes_stored: usage.bytes_stored,
                newest_at: usage.newest_us.map(from_microseconds),
            })
            .collect(),
        over_time,
    })
}

/// Who did what.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// `token:t…`, `user:u…`, `scheduler`, …
    pub actor: String,
    /// `snapshot.take`, `export.download`, …
    pub action: String,
    /// What it was done to.
    pub object: Option<String>,
    /// More about it.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The request.
    pub request_id: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
}

/// A page of the audit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// The next page's `cursor`; `null`: there is none.
    pub next: Option<String>,
}

/// Who did what in the account; `action` is the beginning of what was done, such as `snapshot.`.
pub async fn audit(desk: &Desk, who: &Principal, action: Option<String>, paging: Paging) -> Outcome<Audit> {
    desk.need(who, Right::Administer)?;
    let asked = ("audit", &who.account, &action);
    let after = paging.after(&asked)?;
    let page = desk.catalog.audit(&who.account, action.as_deref(), after.as_ref(), paging.limit()?).await?;
    let next = page::next(&page, &asked);
    let entries = page.items.into_iter().map(|entry| AuditEntry {
        id: entry.id,
        at: from_microseconds(entry.at_us),
        actor: entry.actor,
        action: entry.action,
        object: entry.object,
        detail: if entry.detail.is_object() { entry.detail } else { Value::Object(Default::default()) },
        request_id: entry.request_id,
        address: entry.address,
    });
    Ok(Audit { entries: entries.collect(), next })
}

/// A plan: a named set of limits and defaults.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub description: String,
    /// Whether it has snapshots at all.
    pub snapshots: bool,
    /// `none`, `hourly` or `daily`.
    pub cadence: String,
    /// How long snapshots are kept: `30d`; `null`: until they are deleted.
    pub retain: Option<String>,
    /// How many of an instance's snapshots can be restored and exported, newest first; `null`: all.
    pub available: Option<u32>,
    /// What stays beyond that: the newest of so many hours, days, ….
    #[schema(value_type = Object)]
    pub keep: Keep,
    /// The policy of an instance that has none of its own.
    pub policy: Option<PolicyRules>,
}

/// All plans.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Plans {
    /// By their names.
    pub plans: Vec<Plan>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// All plans.
pub async fn plans(desk: &Desk, who: &Principal) -> Outcome<Plans> {
    desk.need(who, Right::Read)?;
    let plans = desk.plans.all().map(plan).collect::<Outcome<_>>()?;
    Ok(Plans { plans, next: None })
}

fn plan(plan: &ServicePlan) -> Outcome<Plan> {
    Ok(Plan {
        name: plan.name.clone(),
        description: plan.description.clone(),
        snapshots: plan.snapshots,
        cadence: convert(&plan.cadence)?,
        retain: plan.retain_ns.map(format_duration),
        available: plan.available,
        keep: plan.keep,
        policy: plan.policy.as_ref().map(convert).transpose()?,
    })
}

/// Who asks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Whoami {
    /// `token:t…` or `user:u…`.
    pub actor: String,
    /// The account that is acted on; `null`: none.
    pub account: Option<String>,
    /// The account's name.
    pub account_name: Option<String>,
    /// What may be done: `read`, `capture`, `download`, `operate`, `administer`, `service`.
    pub rights: Vec<String>,
}

/// Who asks, and what they may do.
pub async fn whoami(desk: &Desk, who: &Principal) -> Outcome<Whoami> {
    let account = match who.account.is_empty() {
        true => None,
        false => Some(desk.catalog.account(&who.account).await?),
    };
    let rights = Right::ALL.into_iter().filter(|right| who.may(*right));
    Ok(Whoami {
        actor: who.actor.clone(),
        account_name: account.as_ref().map(|account| account.name.clone()),
        account: account.map(|account| account.id),
        rights: rights.map(|right| right.as_str().to_string()).collect(),
    })
}
