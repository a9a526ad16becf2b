//! Instances: listed, added, their tabs, changed, removed.

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::Markup;
use serde::Deserialize;

use crate::server::actions::instances::{self as actions, EditInstance, NewInstance};
use crate::server::actions::page::Paging;
use crate::server::actions::policies::{self, PutPolicy};
use crate::server::actions::snapshots::{self as snapshot_actions, ListSnapshots, TakeSnapshot};
use crate::server::console::link;
use crate::server::console::pages::take::OptionalComponent;
use crate::server::console::pages::{instances, schedule, settings, snapshots, take, usage};
use crate::server::console::view::{self, Filled, Section, SnapshotFilter};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::service::Plan;

use super::gather;
use super::sent::Sent;
use super::visit::Visitor;

const HERE: Section = Section::Instances;
/// Snapshots on a page.
const PAGE: u32 = 50;
/// Snapshots in the plot of an instance.
const PLOTTED: u32 = 150;

/// All of them.
pub async fn list(visitor: Visitor) -> Response {
    let page = async {
        let (rows, usage) = (gather::instance_rows(&visitor).await?, gather::account_usage(&visitor).await?);
        Ok(instances::list(&visitor.shell, &rows, &usage))
    };
    visitor.show(HERE, page.await)
}

fn plans(visitor: &Visitor) -> Vec<&Plan> {
    visitor.desk.plans.all().collect()
}

/// The form that adds one.
pub async fn add_form(visitor: Visitor) -> Response {
    visitor.show(HERE, Ok(instances::add(&visitor.shell, &plans(&visitor), &Filled::default())))
}

/// Adds one.
pub async fn add(sent: Sent) -> Response {
    let name = sent.text("name").unwrap_or_default();
    let asked = NewInstance {
        name: name.clone(),
        source: sent.text("source"),
        plan: sent.text("plan"),
        description: sent.text("description"),
        password: sent.raw("password"),
        ..NewInstance::default()
    };
    let done = sent.once(async {
        actions::create(&sent.desk, &sent.who, asked).await?;
        Ok(link::instance(&name, ""))
    });
    match done.await {
        Ok(to) => sent.go(&to, "added"),
        Err(fault) => {
            let filled = sent.refused(&fault, &["name", "source", "plan", "description", "password"]);
            sent.show_again(HERE, &fault, Ok(instances::add(&sent.shell, &plans(&sent), &filled)))
        }
    }
}

/// What of a list of snapshots is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asking {
    #[serde(default)]
    instance: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    after: String,
}

async fn listing(visitor: &Visitor, asking: Asking, action: &str) -> Outcome<snapshots::Listing> {
    let Asking { instance, kind, status, after } = asking;
    let some = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
    let paging = Paging { limit: Some(PAGE), cursor: some(&after) };
    let asked = ListSnapshots {
        instance: some(&instance),
        kind: some(&kind),
        status: some(&status),
        paging,
        ..ListSnapshots::default()
    };
    let found = snapshot_actions::list(&visitor.desk, &visitor.who, asked).await?;
    let with_instance = if action == "/console/snapshots" { instance.as_str() } else { "" };
    let to = |after: &str| {
        link::with_query(action, &[("instance", with_instance), ("type", &kind), ("status", &status), ("after", after)])
    };
    let paging =
        view::Paging { next: found.next.as_deref().map(to), first: (!after.is_empty()).then(|| to("")), total: None };
    let rows = gather::snapshot_rows(visitor, found.snapshots).await?;
    let filter = SnapshotFilter { instance, kind, status };
    Ok(snapshots::Listing { rows, filter, paging, instances: Vec::new() })
}

/// The Snapshots tab.
pub async fn snapshots_tab(visitor: Visitor, Path(name): Path<String>, Query(asking): Query<Asking>) -> Response {
    let page = async {
        let row = gather::instance_row(&visitor, &name).await?;
        let asking = Asking { instance: row.view.name.clone(), ..asking };
        let listing = listing(&visitor, asking, &link::instance(&row.view.name, "")).await?;
        Ok(snapshots::of_instance(&visitor.shell, &row, &listing))
    };
    visitor.show(HERE, page.await)
}

/// All backups of the account.
pub async fn backups(visitor: Visitor, Query(asking): Query<Asking>) -> Response {
    let page = async {
        let instances = actions::list(&visitor.desk, &visitor.who).await?.instances;
        let mut listing = listing(&visitor, asking, "/console/snapshots").await?;
        listing.instances = instances.into_iter().map(|instance| instance.name).collect();
        Ok(snapshots::all(&visitor.shell, &listing))
    };
    visitor.show(Section::Backups, page.await)
}

/// The components that are captured only where they are asked for, with how large they were last.
async fn optional(visitor: &Visitor, row: &view::InstanceRow) -> Outcome<Vec<OptionalComponent>> {
    let is_environment = row.view.source.as_deref().is_some_and(|source| source.starts_with("env:"));
    if !is_environment {
        return Ok(Vec::new());
    }
    let name = row.view.name.clone();
    let names = visitor.desk.work(&visitor.who, move |service| service.optional_components(&name)).await?;
    let of = |name: String| {
        let last = row.last.iter().flat_map(|last| &last.components).find(|component| component.name == name);
        OptionalComponent { bytes: last.map(|component| component.bytes_total), name }
    };
    Ok(names.into_iter().map(of).collect())
}

async fn take_page(visitor: &Visitor, name: &str, filled: &Filled) -> Outcome<Markup> {
    let row = gather::instance_row(visitor, name).await?;
    let plan = visitor.desk.plans.get(&row.view.plan)?;
    // What cannot be read of it shows when the snapshot is taken.
    let optional = optional(visitor, &row).await.unwrap_or_default();
    Ok(take::take(&visitor.shell, &row, plan, &optional, filled))
}

/// The form that takes a snapshot.
pub async fn take_form(visitor: Visitor, Path(name): Path<String>) -> Response {
    let page = take_page(&visitor, &name, &Filled::default()).await;
    visitor.show(HERE, page)
}

/// Takes a snapshot.
pub async fn take(Path(name): Path<String>, sent: Sent) -> Response {
    let done = sent.once(async {
        let asked = TakeSnapshot {
            description: sent.text("description"),
            retention_days: sent.number("retention_days")?,
            include: sent.all("include"),
            skip_unreadable: false,
        };
        snapshot_actions::take(&sent.desk, &sent.who, &name, asked).await?;
        Ok(link::instance(&name, ""))
    });
    match done.await {
        Ok(to) => sent.go(&to, "taking"),
        Err(fault) => {
            let filled = sent.refused(&fault, &["description", "retention_days"]);
            let page = take_page(&sent, &name, &filled).await;
            sent.show_again(HERE, &fault, page)
        }
    }
}

async fn schedule_page(visitor: &Visitor, name: &str, filled: &Filled) -> Outcome<Markup> {
    let row = gather::instance_row(visitor, name).await?;
    let policy = policies::get(&visitor.desk, &visitor.who, name).await?;
    let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    Ok(schedule::schedule(&visitor.shell, &row, &policy, &zones, filled))
}

/// The Schedule tab.
pub async fn schedule_tab(visitor: Visitor, Path(name): Path<String>) -> Response {
    let page = schedule_page(&visitor, &name, &Filled::default()).await;
    visitor.show(HERE, page)
}

/// What a form says a policy is.
fn policy_of(sent: &Sent) -> Outcome<PutPolicy> {
    let days = sent.all("days");
    if days.is_empty() {
        return Err(Fault::invalid(
            "days",
            "choose at least one day; to take no snapshot at all, switch the schedule off",
        ));
    }
    let hours = match sent.text("hours").as_deref() {
        Some("at") => sent.all("hour").join(","),
        Some(word) => word.to_string(),
        None => "once".into(),
    };
    if hours.is_empty() {
        return Err(Fault::invalid("hours", "choose at least one hour"));
    }
    let window = match (sent.text("window_begin"), sent.text("window_end")) {
        (None, None) => None,
        (Some(begin), Some(end)) => Some(format!("{begin}-{end}")),
        _ => {
            return Err(Fault::invalid(
                "window",
                "a window has both a beginning and an end; leave both empty for the whole day",
            ));
        }
    };
    Ok(PutPolicy {
        enabled: Some(true),
        days: Some(days.join(",").into()),
        hours: Some(hours.into()),
        window,
        timezone: sent.text("timezone"),
        retain: None,
        retention_days: sent.number("retention_days")?,
    })
}

/// Sets an instance's schedule.
pub async fn set_schedule(Path(name): Path<String>, sent: Sent) -> Response {
    let done = async { policies::put(&sent.desk, &sent.who, &name, None, policy_of(&sent)?).await };
    match done.await {
        Ok(_) => sent.go(&link::instance(&name, "schedule"), "scheduled"),
        Err(fault) => {
            let filled = sent.refused(&fault, &["timezone", "retention_days"]);
            let page = schedule_page(&sent, &name, &filled).await;
            sent.show_again(HERE, &fault, page)
        }
    }
}

/// Switches a schedule off or on, or lets the plan's count again.
pub async fn switch_schedule(Path((name, what)): Path<(String, String)>, sent: Sent) -> Response {
    let done = async {
        match what.as_str() {
            "plan" => policies::reset(&sent.desk, &sent.who, &name, None).await,
            "on" | "off" => {
                let present = policies::get(&sent.desk, &sent.who, &name).await?;
                let rules = serde_json::to_value(present.policy).map_err(Fault::internal)?;
                let word = |field: &str| rules.get(field).and_then(|value| value.as_str()).map(str::to_string);
                let list = |field: &str| rules.get(field).filter(|value| !value.is_null()).cloned();
                let asked = PutPolicy {
                    enabled: Some(what == "on"),
                    days: list("days"),
                    hours: list("hours"),
                    window: word("window"),
                    timezone: word("timezone"),
                    retain: word("retain"),
                    retention_days: None,
                };
                policies::put(&sent.desk, &sent.who, &name, None, asked).await
            }
            _ => Err(Fault::new(Problem::NotFound, "there is no such page")),
        }
    };
    let word = match what.as_str() {
        "plan" => "planned",
        "on" => "scheduled",
        _ => "off",
    };
    match done.await {
        Ok(_) => sent.go(&link::instance(&name, "schedule"), word),
        Err(fault) => sent.failed(HERE, &fault),
    }
}

async fn settings_page(visitor: &Visitor, name: &str, filled: &Filled) -> Outcome<Markup> {
    let row = gather::instance_row(visitor, name).await?;
    Ok(settings::settings(&visitor.shell, &row, &plans(visitor), filled))
}

/// The Settings tab.
pub async fn settings_tab(visitor: Visitor, Path(name): Path<String>) -> Response {
    let page = settings_page(&visitor, &name, &Filled::default()).await;
    visitor.show(HERE, page)
}

/// Changes an instance.
pub async fn edit(Path(name): Path<String>, sent: Sent) -> Response {
    let done = async {
        let present = actions::get(&sent.desk, &sent.who, &name).await?;
        // As it is shown it has no password: sent back unchanged, it must not lose it.
        let source = Some(sent.text("source")).filter(|source| *source != present.source);
        let asked = EditInstance {
            source,
            plan: sent.text("plan"),
            retention_days: Some(sent.number("retention_days")?),
            description: Some(sent.text("description").unwrap_or_default()),
            always_read: Some(sent.has("always_read")),
            password: sent.raw("password"),
            settings: None,
        };
        actions::edit(&sent.desk, &sent.who, &name, Some(&sent.etag()), asked).await
    };
    match done.await {
        Ok(_) => sent.go(&link::instance(&name, "settings"), "saved"),
        Err(fault) => {
            let filled = sent.refused(&fault, &["plan", "source", "password", "retention_days", "description"]);
            let page = settings_page(&sent, &name, &filled).await;
            sent.show_again(HERE, &fault, page)
        }
    }
}

/// Looks at an instance's system.
pub async fn check(Path(name): Path<String>, sent: Sent) -> Response {
    let done = sent.once(async {
        let answer = actions::check_system(&sent.desk, &sent.who, &name).await?;
        Ok(link::job(&answer.job.id, ""))
    });
    match done.await {
        Ok(to) => sent.go(&to, "checking"),
        Err(fault) => sent.failed(HERE, &fault),
    }
}

async fn remove_page(visitor: &Visitor, name: &str, filled: &Filled) -> Outcome<Markup> {
    let row = gather::instance_row(visitor, name).await?;
    Ok(settings::remove(&visitor.shell, &row, filled))
}

/// The form that removes one.
pub async fn remove_form(visitor: Visitor, Path(name): Path<String>) -> Response {
    let page = remove_page(&visitor, &name, &Filled::default()).await;
    visitor.show(HERE, page)
}

/// Removes one.
pub async fn remove(Path(name): Path<String>, sent: Sent) -> Response {
    let done = async {
        let row = actions::get(&sent.desk, &sent.who, &name).await?;
        if sent.text("confirm").as_deref() != Some(row.name.as_str()) {
            let detail = format!("type {} to confirm; nothing was removed", row.name);
            return Err(Fault::new(Problem::ConfirmationRequired, detail).of_field("confirm"));
        }
        actions::remove(&sent.desk, &sent.who, &name, None).await
    };
    match done.await {
        Ok(()) => sent.go("/console/snapshots", "removed"),
        Err(fault) => {
            let page = remove_page(&sent, &name, &sent.refused(&fault, &["confirm"])).await;
            sent.show_again(HERE, &fault, page)
        }
    }
}

/// The Usage tab.
pub async fn usage_tab(visitor: Visitor, Path(name): Path<String>) -> Response {
    let page = async {
        let row = gather::instance_row(&visitor, &name).await?;
        let asked = ListSnapshots {
            instance: Some(row.view.name.clone()),
            status: Some("completed".into()),
            paging: Paging { limit: Some(PLOTTED), cursor: None },
            ..ListSnapshots::default()
        };
        let mut found = snapshot_actions::list(&visitor.desk, &visitor.who, asked).await?.snapshots;
        found.reverse();
        let shown = gather::instance_usage(&visitor, &row.view.name, &found).await?;
        Ok(usage::instance(&visitor.shell, &row, &shown, &found.iter().collect::<Vec<_>>()))
    };
    visitor.show(HERE, page.await)
}
