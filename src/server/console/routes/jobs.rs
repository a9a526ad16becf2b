//! Jobs and exports.

use axum::Extension;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use crate::server::actions::exports::{self as export_actions, NewLink};
use crate::server::actions::jobs::{self as actions, Job, ListJobs};
use crate::server::actions::page::Paging;
use crate::server::actions::restores;
use crate::server::api::Base;
use crate::server::console::link;
use crate::server::console::pages::{exports, jobs};
use crate::server::console::view::{self, ExportRow, Section};
use crate::server::fault::{Fault, Outcome, Problem};

use super::gather::Names;
use super::sent::Sent;
use super::visit::{Visitor, html};

/// Jobs on a page.
const PAGE: u32 = 50;
/// Exports of the list.
const EXPORTS: usize = 100;

#[derive(Deserialize)]
pub struct Asking {
    #[serde(default)]
    state: String,
    #[serde(default)]
    after: String,
}

/// All jobs, newest first.
pub async fn list(visitor: Visitor, Query(Asking { state, after }): Query<Asking>) -> Response {
    let page = async {
        let names = Names::of(&visitor).await?;
        let (mut found, next) = match state.as_str() {
            "open" => (visitor.open.clone(), None),
            _ => {
                let status = (state == "failed").then(|| "failed".to_string());
                let cursor = Some(after.clone()).filter(|after| !after.is_empty());
                let asked = ListJobs { status, paging: Paging { limit: Some(PAGE), cursor }, ..ListJobs::default() };
                let found = actions::list(&visitor.desk, &visitor.who, asked).await?;
                (found.jobs, found.next)
            }
        };
        found.iter_mut().for_each(|job| named(job, &names));
        let to = |after: &str| link::with_query("/console/jobs", &[("state", &state), ("after", after)]);
        let paging =
            view::Paging { next: next.as_deref().map(to), first: (!after.is_empty()).then(|| to("")), total: None };
        Ok(jobs::list(&visitor.shell, &found, &state, &paging))
    };
    visitor.show(Section::Jobs, page.await)
}

fn named(job: &mut Job, names: &Names) {
    job.created_by = names.name(&job.created_by);
}

/// One job.
pub async fn show(visitor: Visitor, Path(id): Path<String>) -> Response {
    let page = async {
        let mut job = actions::get(&visitor.desk, &visitor.who, &id).await?;
        named(&mut job, &Names::of(&visitor).await?);
        Ok(jobs::show(&visitor.shell, &job))
    };
    visitor.show(Section::Jobs, page.await)
}

/// Asks a job to stop.
pub async fn cancel(Path(id): Path<String>, sent: Sent) -> Response {
    match actions::cancel(&sent.desk, &sent.who, &id).await {
        Ok(_) => sent.go(&link::job(&id, ""), "cancelled"),
        Err(fault) => sent.failed(Section::Jobs, &fault),
    }
}

/// Goes on with a restore that was cut short, or back from it.
pub async fn unfinished(Path((name, what)): Path<(String, String)>, sent: Sent) -> Response {
    let done = sent.once(async {
        let answer = match what.as_str() {
            "resume" => restores::resume(&sent.desk, &sent.who, &name).await?,
            "abort" => restores::abort(&sent.desk, &sent.who, &name).await?,
            _ => return Err(Fault::new(Problem::NotFound, "there is no such page")),
        };
        Ok(link::job(&answer.job.id, ""))
    });
    let word = if what == "resume" { "resumed" } else { "aborted" };
    match done.await {
        Ok(to) => sent.go(&to, word),
        Err(fault) => sent.failed(Section::Instances, &fault),
    }
}

async fn export_rows(visitor: &Visitor) -> Outcome<Vec<ExportRow>> {
    let found = export_actions::list(&visitor.desk, &visitor.who).await?.exports;
    let mut rows = Vec::new();
    for view in found.into_iter().take(EXPORTS) {
        let snapshot = visitor.desk.snapshot(&visitor.who, &view.snapshot).await.ok();
        let instance = snapshot.map_or_else(|| "snapshot".to_string(), |snapshot| snapshot.instance);
        let job = match view.ready {
            true => None,
            false => actions::get(&visitor.desk, &visitor.who, &view.job).await.ok(),
        };
        let status = match (view.ready, &job) {
            _ if view.expires_at <= visitor.shell.now => "expired",
            (true, _) => "ready",
            (false, Some(job)) if job.is_over() => "failed",
            (false, _) => "preparing",
        };
        let file = format!("{instance}-{}.{}", view.snapshot, view.format);
        rows.push(ExportRow { view, instance, file, status, job });
    }
    Ok(rows)
}

/// The account's exports.
pub async fn exports(visitor: Visitor) -> Response {
    let page = async { Ok(exports::list(&visitor.shell, &export_rows(&visitor).await?, None)) };
    visitor.show(Section::Exports, page.await)
}

/// Makes a link to an export that needs no sign-in.
pub async fn export_link(Path(id): Path<String>, Extension(Base(base)): Extension<Base>, sent: Sent) -> Response {
    let page = async {
        let link = export_actions::link(&sent.desk, &sent.who, &id, &base, NewLink::default()).await?;
        Ok(exports::list(&sent.shell, &export_rows(&sent).await?, Some(&link)))
    };
    match page.await {
        Ok(page) => html(axum::http::StatusCode::OK, page),
        Err(fault) => sent.failed(Section::Exports, &fault),
    }
}
