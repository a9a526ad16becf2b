//! What is done with a snapshot.

use axum::extract::{Path, Query};
use axum::response::Response;
use jiff::civil::Date;
use maud::Markup;
use serde::Deserialize;

use crate::server::actions::exports::{self, NewExport};
use crate::server::actions::inside::{self, Items, ListItems};
use crate::server::actions::page::Paging;
use crate::server::actions::restores::{self, Clone, PlanRestore, Restore, Undo};
use crate::server::actions::snapshots::{self as actions, Hold, ListSnapshots, Snapshot};
use crate::server::actions::{care, instances};
use crate::server::console::link;
use crate::server::console::pages::restore::Planned;
use crate::server::console::pages::{browse, compare, restore, snapshot, take};
use crate::server::console::view::{Contents, Filled, Section};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::service::format_duration;

use super::gather;
use super::sent::Sent;
use super::visit::{Visitor, html};

const HERE: Section = Section::Backups;
/// Files, tables and changes that a page shows.
const ENTRIES: usize = 500;
/// Snapshots that may be compared with.
const OTHERS: u32 = 200;

/// All that is known of one.
pub async fn show(visitor: Visitor, Path(id): Path<String>) -> Response {
    let page = async { Ok(snapshot::show(&visitor.shell, &gather::snapshot_row(&visitor, &id).await?)) };
    visitor.show(HERE, page.await)
}

/// What forms of snapshots are asked for with.
#[derive(Debug, Default, Deserialize)]
pub struct Asking {
    format: Option<String>,
    component: Option<String>,
    path: Option<String>,
    item: Option<String>,
    with: Option<String>,
    show: Option<String>,
    to: Option<String>,
    plan: Option<String>,
    after: Option<String>,
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

async fn found(visitor: &Visitor, id: &str) -> Outcome<Snapshot> {
    actions::get(&visitor.desk, &visitor.who, id).await
}

/// A form about a snapshot, by its last part of the address.
async fn page(visitor: &Visitor, id: &str, tab: &str, asking: &Asking, filled: &Filled) -> Outcome<Markup> {
    let view = found(visitor, id).await?;
    let shell = &visitor.shell;
    Ok(match tab {
        "restore" => restore_page(visitor, &view, asking, filled).await?,
        "undo" => restore::undo(shell, &view, filled),
        "export" => {
            let of = take::ExportOf {
                format: asking.format.clone().unwrap_or_else(|| "dump".into()),
                component: some(asking.component.clone()),
                path: some(asking.path.clone()),
                only: some(asking.item.clone()),
            };
            take::export(shell, &view, &of, &[], filled)
        }
        "clone" => {
            let source = instances::get(&visitor.desk, &visitor.who, &view.instance).await;
            take::clone(shell, &view, source.ok().and_then(|instance| instance.source).as_deref(), filled)
        }
        "hold" => take::hold(shell, &view, filled),
        "delete" => take::delete(shell, &view, &grace(visitor), filled),
        "undelete" => take::undelete(shell, &view, filled),
        "drill" => take::drill(shell, &view, filled),
        _ => return Err(Fault::new(Problem::NotFound, "there is no such page")),
    })
}

fn grace(visitor: &Visitor) -> String {
    format_duration(visitor.desk.config.scheduler.grace.as_ns())
}

/// The form of such a name.
pub async fn form(visitor: Visitor, Path((id, tab)): Path<(String, String)>, Query(asking): Query<Asking>) -> Response {
    let page = page(&visitor, &id, &tab, &asking, &Filled::default()).await;
    visitor.show(HERE, page)
}

async fn restore_page(visitor: &Visitor, view: &Snapshot, asking: &Asking, filled: &Filled) -> Outcome<Markup> {
    let all = instances::list(&visitor.desk, &visitor.who).await?.instances;
    let with_source = |instance: &instances::Instance| instance.source.is_some() || instance.name == view.instance;
    let targets: Vec<String> = all.into_iter().filter(with_source).map(|instance| instance.name).collect();
    let planned = match asking.plan.is_some() {
        true => Some(plan(visitor, &view.id, asking).await),
        false => None,
    };
    let shown = match &planned {
        None => Planned::Later,
        Some(Ok(plan)) => Planned::Known(plan),
        Some(Err(fault)) => Planned::Refused(&fault.detail),
    };
    Ok(restore::form(&visitor.shell, view, &targets, &shown, filled))
}

async fn plan(visitor: &Visitor, id: &str, asking: &Asking) -> Outcome<restores::RestorePlan> {
    let asked = PlanRestore { to: some(asking.to.clone()), component: some(asking.component.clone()), path: None };
    restores::plan(&visitor.desk, &visitor.who, id, asked).await
}

/// What a restore would write, for the form that is open.
pub async fn plan_part(visitor: Visitor, Path(id): Path<String>, Query(asking): Query<Asking>) -> Response {
    let planned = plan(&visitor, &id, &asking).await;
    let shown = match &planned {
        Ok(plan) => Planned::Known(plan),
        Err(fault) => Planned::Refused(&fault.detail),
    };
    html(axum::http::StatusCode::OK, restore::plan(&shown))
}

/// Does what a form says. Leads to a page, which says what was done.
async fn perform(sent: &Sent, id: &str, tab: &str) -> Outcome<(String, &'static str)> {
    let (desk, who) = (&*sent.desk, &sent.who);
    let of_job = |job: &str| link::job(job, "");
    let here = link::snapshot(id, "");
    Ok(match tab {
        "restore" => {
            let asked = Restore {
                confirm: sent.text("confirm"),
                to: sent.text("to"),
                component: sent.text("component"),
                path: None,
                no_safety: !sent.has("safety"),
            };
            let doing = async { Ok(of_job(&restores::restore(desk, who, id, asked).await?.job.id)) };
            (sent.once(doing).await?, "restoring")
        }
        "undo" => {
            let instance = found(sent, id).await?.instance;
            let asked = Undo { confirm: sent.text("confirm"), no_safety: !sent.has("safety") };
            let doing = async { Ok(of_job(&restores::undo(desk, who, &instance, asked).await?.job.id)) };
            (sent.once(doing).await?, "undoing")
        }
        "export" => {
            let format = serde_json::from_value(sent.text("format").unwrap_or_default().into());
            let asked = NewExport {
                format: format.map_err(|_| Fault::invalid("format", "choose a format"))?,
                component: sent.text("component"),
                path: sent.text("path"),
                only: sent.text("only"),
                neo4j_format: None,
            };
            let doing = async {
                exports::create(desk, who, id, asked).await?;
                Ok("/console/exports".to_string())
            };
            (sent.once(doing).await?, "exporting")
        }
        "clone" => {
            let asked = Clone {
                name: sent.text("name").unwrap_or_default(),
                source: sent.text("source"),
                password: sent.raw("password"),
                settings: None,
            };
            let doing = async { Ok(of_job(&restores::clone(desk, who, id, asked).await?.job.id)) };
            (sent.once(doing).await?, "cloning")
        }
        "hold" => {
            let until = until(sent)?;
            actions::hold(desk, who, id, Hold { until }).await?;
            (here, "held")
        }
        "delete" => {
            let instance = actions::delete(desk, who, id).await?.instance;
            (link::instance(&instance, ""), "deleted")
        }
        "undelete" => {
            actions::undelete(desk, who, id).await?;
            (here, "undeleted")
        }
        "drill" => {
            let asked = care::Drill { component: None, query: sent.text("query") };
            let doing = async { Ok(of_job(&care::drill(desk, who, id, asked).await?.job.id)) };
            (sent.once(doing).await?, "drilling")
        }
        _ => return Err(Fault::new(Problem::NotFound, "there is no such page")),
    })
}

/// The end of the day that a form names, by the reader's clock.
fn until(sent: &Sent) -> Outcome<jiff::Timestamp> {
    let wrong = || Fault::invalid("until", "write a day as 2027-01-31");
    let day: Date = sent.text("until").unwrap_or_default().parse().map_err(|_| wrong())?;
    let next = day.tomorrow().map_err(|_| wrong())?;
    Ok(next.to_zoned(sent.shell.zone.clone()).map_err(|_| wrong())?.timestamp())
}

/// A form about a snapshot was sent.
pub async fn send(Path((id, tab)): Path<(String, String)>, sent: Sent) -> Response {
    match perform(&sent, &id, &tab).await {
        Ok((to, done)) => sent.go(&to, done),
        Err(fault) => {
            let filled =
                sent.refused(&fault, &["confirm", "to", "component", "name", "source", "password", "until", "query"]);
            let page = page(&sent, &id, &tab, &Asking::default(), &filled).await;
            sent.show_again(HERE, &fault, page)
        }
    }
}

/// What differs between two; asks first which other one.
pub async fn compare(visitor: Visitor, Path(id): Path<String>, Query(asking): Query<Asking>) -> Response {
    let page = async {
        let view = found(&visitor, &id).await?;
        let Some(with) = some(asking.with) else {
            let asked = ListSnapshots {
                instance: Some(view.instance.clone()),
                status: Some("completed".into()),
                paging: Paging { limit: Some(OTHERS), cursor: None },
                ..ListSnapshots::default()
            };
            let mut others = actions::list(&visitor.desk, &visitor.who, asked).await?.snapshots;
            others.retain(|other| other.id != view.id);
            return Ok(compare::choose(&visitor.shell, &view, &others));
        };
        let other = found(&visitor, &with).await?;
        let (before, after) = if other.created_at <= view.created_at { (other, view) } else { (view, other) };
        let found = inside::diff(&visitor.desk, &visitor.who, &after.id, &before.id, Some(ENTRIES)).await?;
        Ok(compare::compare(&visitor.shell, &before, &after, &found))
    };
    visitor.show(HERE, page.await)
}

/// What is in one: its tables and keys where it has some, else its files.
pub async fn browse(visitor: Visitor, Path(id): Path<String>, Query(asking): Query<Asking>) -> Response {
    let page = async {
        let view = found(&visitor, &id).await?;
        let path = some(asking.path).unwrap_or_default();
        let after = some(asking.after);
        let wants_files = asking.show.as_deref() == Some("files");
        let list = async |of_database: bool, cursor: Option<String>, limit: usize| {
            let path = path.clone();
            let asked = ListItems { path, of_database, cursor, limit: Some(limit), is_recursive: false };
            inside::items(&visitor.desk, &visitor.who, &id, asked).await
        };
        let tables = match wants_files {
            true => list(true, None, 1).await?,
            false => list(true, after.clone(), ENTRIES).await?,
        };
        let has_items = tables.has_items;
        let by_items = has_items && !wants_files;
        let items: Items = if by_items { tables } else { list(false, after, ENTRIES).await? };
        Ok(browse::browse(&visitor.shell, &view, &Contents { path, items, by_items, has_items }))
    };
    visitor.show(HERE, page.await)
}
