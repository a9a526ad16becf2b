//! What differs between two snapshots.

use maud::{Markup, html};

use crate::server::actions::inside::{Difference, FileChange, ItemChange};
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::layout::{page, panel};
use crate::server::console::link;
use crate::server::console::parts::basics::{badge, empty, figure, heading, icon, notice};
use crate::server::console::parts::field::Field;
use crate::server::console::parts::text::{count, exact, kind, size};
use crate::server::console::view::{Filled, Section, Shell};

/// Asks which other one.
pub fn choose(shell: &Shell, view: &Snapshot, others: &[Snapshot]) -> Markup {
    let choices: Vec<(String, String)> = others
        .iter()
        .map(|other| {
            (
                other.id.clone(),
                format!("{} · {} · {}", exact(shell, other.created_at), kind(&other.kind), size(other.bytes_total)),
            )
        })
        .collect();
    let choices: Vec<(&str, String)> = choices.iter().map(|(id, words)| (id.as_str(), words.clone())).collect();
    let default = view.parent.as_deref().unwrap_or_default();
    let body = html! {
        @if choices.is_empty() {
            div class="form" { (notice("calm", "There is no other snapshot of this instance to compare with.")) }
        } @else {
            form class="form" method="get" action=(link::snapshot(&view.id, "compare")) {
                p { "What became of " strong { (view.instance) } " between another snapshot and the one of " strong { (exact(shell, view.created_at)) } "?" }
                (Field { name: "with", id: "", label: "Compare with", hint: "", optional: false }.select(&Filled::default(), default, &choices))
                div class="buttons" {
                    a class="button" href=(link::snapshot(&view.id, "")) data-close { "Cancel" }
                    button type="submit" class="button primary" { "Compare" }
                }
            }
        }
    };
    panel(shell, Section::Backups, "Compare snapshots", body)
}

/// What differs: `before` is the older one.
pub fn compare(shell: &Shell, before: &Snapshot, after: &Snapshot, found: &Difference) -> Markup {
    let (from, to) = (exact(shell, before.created_at), exact(shell, after.created_at));
    let summary = &found.summary;
    let is_same = found.files.is_empty() && found.items.is_empty();
    let body = html! {
        nav class="crumbs" aria-label="Where this is" { a href=(link::instance(&after.instance, "")) { (after.instance) } (icon("chevron")) }
        (heading("What changed", Some(html! { "from " a href=(link::snapshot(&before.id, "")) { (from) } " to " a href=(link::snapshot(&after.id, "")) { (to) } }), html! {}))
        dl class="figures" {
            (figure(size(summary.bytes_new), "New", "in whole pieces"))
            (figure(size(summary.bytes_gone), "Gone", "in whole pieces"))
            (figure(count(summary.added), "Files added", ""))
            (figure(count(summary.changed), "Changed", ""))
            (figure(count(summary.removed), "Removed", ""))
        }
        @if is_same { (empty("check", "They hold the same", "Nothing differs between the two.", html! {})) }
        @if !found.items.is_empty() { section class="panel" { h2 { "Tables and keys" } (item_table(&found.items)) } }
        @if !found.files.is_empty() { section class="panel" { h2 { "Files" } (file_table(&found.files)) } }
        @if found.truncated { (notice("calm", "There are more changes than are shown; the figures above are of those that are.")) }
    };
    page(shell, Section::Backups, &format!("{} · {from} to {to}", after.instance), body)
}

fn what(change: &str, differs: &[String]) -> Markup {
    match change {
        "added" => badge("ok", "Added"),
        "removed" => badge("bad", "Removed"),
        _ if differs == ["metadata"] => badge("calm", "Owner, mode or time"),
        _ => badge("run", "Changed"),
    }
}

fn item_table(items: &[ItemChange]) -> Markup {
    html! {
        table class="list" {
            thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "Change" } th scope="col" class="number" { "Rows" } th scope="col" class="number" { "New" } th scope="col" class="number" { "Gone" } } }
            tbody {
                @for item in items {
                    tr {
                        th scope="row" class="lead" { (item.name) @if let Some(component) = &item.component { span class="sub" { (component) } } }
                        td data-label="Kind" { (item.kind) }
                        td data-label="Change" { (what(&item.change, &[])) }
                        td data-label="Rows" class="number" { @if let Some((before, after)) = item.rows { (count(before)) " → " (count(after)) } @else { span class="quiet" { "–" } } }
                        td data-label="New" class="number" { (item.bytes_new.map_or_else(|| "–".into(), size)) }
                        td data-label="Gone" class="number" { (item.bytes_gone.map_or_else(|| "–".into(), size)) }
                    }
                }
            }
        }
    }
}

fn file_table(changes: &[FileChange]) -> Markup {
    html! {
        table class="list" {
            thead { tr { th scope="col" { "Path" } th scope="col" { "Change" } th scope="col" class="number" { "New" } th scope="col" class="number" { "Gone" } } }
            tbody {
                @for change in changes {
                    tr {
                        th scope="row" class="lead" { code { (change.path) } }
                        td data-label="Change" { (what(&change.change, &change.differs)) }
                        td data-label="New" class="number" { (size(change.bytes_new)) }
                        td data-label="Gone" class="number" { (size(change.bytes_gone)) }
                    }
                }
            }
        }
    }
}
