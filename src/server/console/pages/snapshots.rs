//! Lists of snapshots: an instance's, and all of the account.

use maud::{Markup, html};

use super::instance::tab;
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{dialog_link, empty, heading, icon, kind, status};
use crate::server::console::parts::menu::{Item, menu};
use crate::server::console::parts::progress;
use crate::server::console::parts::text::{ago, counted, exact, full, percent, relative, size};
use crate::server::console::view::{InstanceRow, Paging, Section, Shell, SnapshotFilter, SnapshotRow};

/// What a list shows, and how it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The snapshots.
    pub rows: Vec<SnapshotRow>,
    /// What was asked for.
    pub filter: SnapshotFilter,
    /// Where the rest is.
    pub paging: Paging,
    /// The instances to choose from.
    pub instances: Vec<String>,
}

/// The Snapshots tab of an instance.
pub fn of_instance(shell: &Shell, row: &InstanceRow, listing: &Listing) -> Markup {
    let name = &row.view.name;
    let action = link::instance(name, "");
    let nothing = html! {
        @if !row.has_snapshots {
            (empty("camera", "This plan has no backups", html! { "No snapshot is taken of an instance on plan “" (row.view.plan) "”, on no schedule and not on demand." },
                html! { a class="button" href=(link::instance(name, "settings")) { "Choose another plan" } }))
        } @else if row.view.source.is_none() {
            (empty("upload", "Nothing here yet", "This instance has no source. Load a dump: what was loaded is kept as its snapshot.",
                html! { @if shell.may_operate() { a class="button primary" href=(link::instance(name, "load")) { (icon("upload")) "Load a dump" } } }))
        } @else {
            (empty("camera", "No snapshot yet", "Take the first one now, or set a schedule and they are taken by themselves.",
                html! { @if shell.may_operate() {
                    (dialog_link(&link::instance(name, "take"), "primary", Some("camera"), "Take snapshot"))
                    a class="button" href=(link::instance(name, "schedule")) { (icon("calendar")) "Set a schedule" }
                } }))
        }
    };
    tab(shell, row, "", body(shell, listing, &action, false, nothing))
}

/// All backups of the account.
pub fn all(shell: &Shell, listing: &Listing) -> Markup {
    let about =
        listing.paging.total.map(|total| html! { (counted(total, "snapshot", "snapshots")) " of all instances" });
    let nothing = empty(
        "layers",
        "No snapshot yet",
        "Snapshots of all instances are listed here. Go to an instance to take one.",
        html! { a class="button" href=(link::HOME) { "To the instances" } },
    );
    let inner = html! {
        (heading("All backups", about, html! {}))
        (body(shell, listing, "/console/snapshots", true, nothing))
    };
    page(shell, Section::Backups, "All backups", inner)
}

fn body(shell: &Shell, listing: &Listing, action: &str, with_instance: bool, nothing: Markup) -> Markup {
    let filter = &listing.filter;
    let is_filtered =
        !(filter.kind.is_empty() && filter.status.is_empty() && (!with_instance || filter.instance.is_empty()));
    html! {
        @if !listing.rows.is_empty() || is_filtered { (filters(listing, action, with_instance)) }
        div id="results" data-refresh {
            @if !listing.rows.is_empty() { (table(shell, &listing.rows, with_instance)) (pages(&listing.paging)) }
            @else if is_filtered { (empty("search", "Nothing fits", "No snapshot is of that type and status.", html! { a class="button" href=(action) { "Show all" } })) }
            @else { (nothing) }
        }
    }
}

fn filters(listing: &Listing, action: &str, with_instance: bool) -> Markup {
    let SnapshotFilter { instance, kind, status } = &listing.filter;
    let kinds = [
        ("", "Any type"),
        ("on_demand", "On demand"),
        ("scheduled", "Scheduled"),
        ("load", "Load"),
        ("safety", "Safety"),
    ];
    let statuses = [
        ("", "Any status"),
        ("completed", "Completed"),
        ("in_progress", "In progress"),
        ("failed", "Failed"),
        ("deleting", "Deleted"),
    ];
    html! {
        form method="get" action=(action) class="filters" role="search" aria-label="Snapshots" hx-get=(action) hx-target="#results" hx-select="#results"
            hx-swap="outerHTML" hx-push-url="true" hx-trigger="change, submit" {
            @if with_instance {
                select name="instance" aria-label="Instance" {
                    option value="" { "Any instance" }
                    @for name in &listing.instances { option value=(name) selected[name == instance] { (name) } }
                }
            }
            select name="type" aria-label="Type" { @for (value, words) in kinds { option value=(value) selected[value == kind] { (words) } } }
            select name="status" aria-label="Status" { @for (value, words) in statuses { option value=(value) selected[value == status] { (words) } } }
            noscript { button type="submit" class="button" { "Show" } }
        }
    }
}

/// Where the rest of a list is.
pub fn pages(paging: &Paging) -> Markup {
    html! {
        @if paging.next.is_some() || paging.first.is_some() {
            nav class="pages" aria-label="Pages" {
                @if let Some(first) = &paging.first { a class="button" href=(first) { "To the newest" } }
                @if let Some(next) = &paging.next { a class="button" href=(next) rel="next" { "Older" (icon("chevron")) } }
            }
        }
    }
}

fn table(shell: &Shell, rows: &[SnapshotRow], with_instance: bool) -> Markup {
    html! {
        table class="list snapshots" {
            thead { tr {
                th scope="col" { "Taken" }
                @if with_instance { th scope="col" { "Instance" } }
                th scope="col" { "Type" } th scope="col" { "Status" } th scope="col" class="number" { "Size" } th scope="col" class="number" { "Added" }
                th scope="col" { "Expires" } th scope="col" { "Assurance" } th scope="col" { span class="unseen" { "Actions" } }
            } }
            tbody { @for row in rows { (line(shell, row, with_instance)) } }
        }
    }
}

fn line(shell: &Shell, row: &SnapshotRow, with_instance: bool) -> Markup {
    let view = &row.view;
    let taken = exact(shell, view.created_at);
    html! {
        tr id={ "snapshot-" (view.id) } class=[(view.status == "deleting").then_some("faded")] {
            th scope="row" class="lead" {
                a class="name" href=(link::snapshot(&view.id, "")) title=(full(shell, view.created_at)) { (taken) }
                span class="sub" {
                    @if let Some(words) = view.description.as_deref().filter(|words| !words.is_empty()) { (words) " · " }
                    code { (view.id.get(..8).unwrap_or(&view.id)) }
                }
            }
            @if with_instance { td data-label="Instance" { a href=(link::instance(&view.instance, "")) { (view.instance) } } }
            td data-label="Type" { (kind(&view.kind)) }
            td data-label="Status" { (state(row)) }
            td data-label="Size" class="number" { @if view.status != "in_progress" && view.bytes_total > 0 { (size(view.bytes_total)) } @else { span class="quiet" { "–" } } }
            td data-label="Added" class="number" { (added(view)) }
            td data-label="Expires" { (expires(shell, view)) }
            td data-label="Assurance" class="marks" { (marks(shell, view)) }
            td class="act" { (actions(shell, row)) }
        }
    }
}

/// Status, with the bar where it is being taken, and the reason where it failed.
pub fn state(row: &SnapshotRow) -> Markup {
    html! {
        (status(&row.view.status))
        @if let Some(job) = &row.job { (progress::line(job)) }
        @if let Some(reason) = &row.view.reason { p class="reason" { (reason) } }
    }
}

fn added(view: &Snapshot) -> Markup {
    match view.status.as_str() {
        "completed" | "deleting" => html! {
            span title={ (percent(view.bytes_stored, view.bytes_total)) " of its size" } { (size(view.bytes_stored)) }
        },
        _ => html! { span class="quiet" { "–" } },
    }
}

/// When a snapshot goes.
pub fn expires(shell: &Shell, view: &Snapshot) -> Markup {
    match (view.status.as_str(), view.expires_at, view.purge_after) {
        ("deleting", _, Some(after)) => html! { "data goes " (ago(shell, after)) },
        ("completed", Some(at), _) if at <= shell.now => {
            html! { span title=(full(shell, at)) { "when it is not the newest" } }
        }
        ("completed", Some(at), _) => ago(shell, at),
        ("completed", None, _) => html! { span class="quiet" { "never" } },
        _ => html! { span class="quiet" { "–" } },
    }
}

/// Whether it was proven, and whether it is held.
fn marks(shell: &Shell, view: &Snapshot) -> Markup {
    html! {
        @if let Some(proof) = &view.proof {
            @let words = format!("{} {}", if proof.proven { "Proven" } else { "Drill failed" }, relative(shell.now, proof.at));
            span class={ "mark-word " (if proof.proven { "ok" } else { "bad" }) } title=(full(shell, proof.at)) {
                (icon(if proof.proven { "shield" } else { "alert" })) (words)
            }
        }
        @if let Some(until) = view.hold_until.filter(|until| *until > shell.now) {
            span class="mark-word" title={ "Held until " (full(shell, until)) } { (icon("lock")) "Held until " (until.to_zoned(shell.zone.clone()).strftime("%-d %b %Y").to_string()) }
        }
        @if view.proof.is_none() && view.hold_until.is_none_or(|until| until <= shell.now) { span class="quiet" { "–" } }
    }
}

/// What can be done with a snapshot.
pub fn actions(shell: &Shell, row: &SnapshotRow) -> Markup {
    let view = &row.view;
    let to = |tab: &str| link::snapshot(&view.id, tab);
    let mut items = Vec::new();
    match view.status.as_str() {
        "completed" if row.available => {
            if shell.may_operate() {
                items.push(Item::Dialog("restore", "Restore…", to("restore")));
                items.push(Item::Dialog("copy", "Create instance…", to("clone")));
                items.push(Item::Line);
                items.push(Item::Dialog("download", "Export as .dump…", to("export?format=dump")));
                items.push(Item::Dialog("download", "Export as .tar.gz…", to("export?format=tar.gz")));
                items.push(Item::Line);
            }
            items.push(Item::Page("folder", "Browse", to("browse")));
            items.push(Item::Dialog("compare", "Compare with…", to("compare")));
        }
        "completed" => items.push(Item::Page("plan", "Only the latest is available", "/console/plans".into())),
        "in_progress" => {
            items.extend(row.job.as_ref().map(|job| Item::Page("jobs", "Show the job", link::job(&job.id, ""))))
        }
        _ => {}
    }
    if shell.may_operate() {
        match view.status.as_str() {
            "completed" => {
                items.push(Item::Dialog("shield", "Prove by a drill…", to("drill")));
                items.push(Item::Dialog("lock", "Hold until…", to("hold")));
                items.push(Item::Line);
                items.push(Item::Danger("trash", "Delete…", to("delete")));
            }
            "deleting" => items.push(Item::Dialog("restore", "Undelete…", to("undelete"))),
            "failed" => items.push(Item::Danger("trash", "Delete…", to("delete"))),
            _ => {}
        }
    }
    html! {
        @if !items.is_empty() { (menu(&format!("menu-{}", view.id), &format!("the snapshot of {}", exact(shell, view.created_at)), &items)) }
    }
}
