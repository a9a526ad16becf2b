//! Care of an account's repository, and drills: jobs.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::ops::Silent;
use crate::server::auth::{Principal, Right};
use crate::server::fault::{Fault, Outcome};
use crate::server::work::{self, JobSpec};
use crate::service::Stats;

use super::instances::JobAnswer;
use super::jobs::Job;
use super::{Desk, snapshots};

/// How a snapshot is to be proven.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// Only this component: nothing is proven then.
    pub component: Option<String>,
    /// A query that must give something.
    pub query: Option<String>,
}

/// Restores a snapshot into a throw-away server, and looks at it: a job.
pub async fn drill(desk: &Desk, who: &Principal, id: &str, request: Drill) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let snapshot = desk.snapshot(who, id).await?;
    snapshots::usable(desk, who, &snapshot).await?;
    let Drill { component, query } = request;
    let job = desk.submit(who, &JobSpec::Drill(work::Drill { snapshot: snapshot.id, component, query })).await?;
    desk.note(who, "snapshot.drill", id, json!({ "job": job.id })).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}

/// Sizes of the account's repository, and what deduplication and deltas save; of one instance alone where it is named.
pub async fn stats(desk: &Desk, who: &Principal, instance: Option<String>) -> Outcome<Stats> {
    desk.need(who, Right::Read)?;
    let account = desk.account(who).await?;
    let stats = desk.work(who, move |service| service.stats(instance.as_deref(), &Silent)).await?;
    // Where on the server it is, is nobody's to know.
    Ok(Stats { location: format!("account {}", account.name), ..stats })
}

/// How garbage is to be collected.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gc {
    /// Looks for garbage even where nothing says that there is any.
    #[serde(default)]
    pub full: bool,
}

/// Lets go what is over, and frees what nothing needs: a job.
pub async fn gc(desk: &Desk, who: &Principal, request: Gc) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let job = desk.submit(who, &JobSpec::Gc(work::Gc { full: request.full })).await?;
    desk.note(who, "account.gc", &who.account, json!({ "job": job.id, "full": request.full })).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}

/// What is to be checked.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Which stored data is read too: `all`, or a part of it, `3/30`; left out: none.
    #[schema(example = "1/30", pattern = "^(all|[1-9][0-9]{0,3}/[1-9][0-9]{0,3})$")]
    pub read_data: Option<String>,
}

/// Checks that every snapshot is whole: a job.
pub async fn verify(desk: &Desk, who: &Principal, request: Verify) -> Outcome<JobAnswer> {
    desk.need(who, Right::Operate)?;
    let read_data = request.read_data;
    if let Some(text) = read_data.as_deref().filter(|text| *text != "all") {
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| (1..=9999).contains(number));
        let parts = text.split_once('/').and_then(|(part, of)| Some((number(part)?, number(of)?)));
        if parts.is_none_or(|(part, of)| part > of) {
            return Err(Fault::invalid("read_data", "read_data is \"all\", or a part of it such as \"3/30\""));
        }
    }
    let job = desk.submit(who, &JobSpec::Verify(work::Verify { read_data: read_data.clone() })).await?;
    desk.note(who, "account.verify", &who.account, json!({ "job": job.id, "read_data": read_data })).await?;
    Ok(JobAnswer { job: Job::of(&job) })
}
