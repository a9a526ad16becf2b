//! All that is known of one snapshot.

use maud::{Markup, html};

use super::snapshots::{actions, expires, state};
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{badge, dialog_link, facts, icon, kind, notice};
use crate::server::console::parts::text::{ago, count, exact, full, percent, relative, size, took};
use crate::server::console::view::{Section, Shell, SnapshotRow};

/// The page.
pub fn show(shell: &Shell, row: &SnapshotRow) -> Markup {
    let view = &row.view;
    let title = exact(shell, view.created_at);
    let is_usable = view.status == "completed" && row.available;
    let body = html! {
        nav class="crumbs" aria-label="Where this is" {
            a href=(link::HOME) { "Instances" } (icon("chevron")) a href=(link::instance(&view.instance, "")) { (view.instance) } (icon("chevron"))
        }
        header class="heading" {
            div {
                div class="title" { h1 { "Snapshot of " (title) } (state(row)) }
                p class="about" { (kind(&view.kind)) " " code { (view.id) } }
                @if let Some(words) = view.description.as_deref().filter(|words| !words.is_empty()) { p class="about" { (words) } }
            }
            div class="actions" {
                @if is_usable {
                    a class="button" href=(link::snapshot(&view.id, "browse")) { (icon("folder")) "Browse" }
                    @if shell.may_operate() { (dialog_link(&link::snapshot(&view.id, "restore"), "", Some("restore"), "Restore…")) }
                }
                (actions(shell, row))
            }
        }
        @if view.status == "deleting" {
            (notice("warn", html! { "It is deleted. " (expires(shell, view)) "; until then it can be brought back." }))
        }
        @if view.status == "completed" && !row.available {
            (notice("warn", html! { "The plan of " (view.instance) " makes only its latest snapshots available, and this is not one of them. " a href="/console/plans" { "See the plans" } "." }))
        }
        @if view.unreadable > 0 { (notice("warn", html! { (count(view.unreadable)) " files could not be read, and are missing in it." })) }
        div class="columns" {
            section class="panel" { h2 { "What it is" } (what(shell, view)) }
            section class="panel" { h2 { "What it took" } (cost(view)) }
        }
        @if !view.components.is_empty() { (components(view)) }
        (proof(shell, row))
    };
    page(shell, Section::Backups, &format!("{} · {title}", view.instance), body)
}

fn what(shell: &Shell, view: &Snapshot) -> Markup {
    let held = view.hold_until.filter(|until| *until > shell.now);
    facts(&[
        ("Instance", Some(html! { a href=(link::instance(&view.instance, "")) { (view.instance) } })),
        ("Taken of", view.origin.as_ref().map(|origin| html! { (origin) })),
        ("Begun", Some(html! { (full(shell, view.created_at)) })),
        ("Took", view.finished_at.map(|end| html! { (took(view.created_at, end)) })),
        ("Expires", Some(expires(shell, view))),
        ("Held until", held.map(|until| html! { (full(shell, until)) })),
        ("Deleted", view.deleted_at.map(|at| html! { (ago(shell, at)) @if view.deleted_by.as_deref() == Some("expired") { ", because its time was over" } })),
        ("Compared with", view.parent.as_ref().map(|id| html! { a href=(link::snapshot(id, "")) { code { (id) } } })),
        ("Before the restore of", view.before_restore_of.as_ref().map(|id| html! { a href=(link::snapshot(id, "")) { code { (id) } } })),
    ])
}

fn cost(view: &Snapshot) -> Markup {
    let bytes = |number: u64| Some(html! { (size(number)) });
    html! {
        @if view.bytes_total > 0 {
            p { strong { (size(view.bytes_stored)) } " added for " (size(view.bytes_total)) " of data: " (percent(view.bytes_stored, view.bytes_total)) }
            meter min="0" max=(view.bytes_total) value=(view.bytes_stored.min(view.bytes_total)) aria-label="What it added, of its size" {}
        }
        (facts(&[
            ("Files", (view.files > 0).then(|| html! { (count(view.files)) })),
            ("Read from the source", bytes(view.bytes_read)),
            ("New in it", bytes(view.bytes_new)),
            ("New pieces", Some(html! { (count(view.chunks_new)) @if view.chunks_delta > 0 { ", " (count(view.chunks_delta)) " of them stored as what changed" } })),
        ]))
    }
}

fn components(view: &Snapshot) -> Markup {
    html! {
        section class="panel" {
            h2 { "Components" }
            table class="list" {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Taken of" } th scope="col" class="number" { "Size" } } }
                tbody {
                    @for component in &view.components {
                        tr {
                            th scope="row" class="lead" { (component.name) }
                            td data-label="Taken of" { (component.origin) }
                            td data-label="Size" class="number" { (size(component.bytes_total)) }
                        }
                    }
                }
            }
        }
    }
}

fn proof(shell: &Shell, row: &SnapshotRow) -> Markup {
    let view = &row.view;
    let again = html! {
        @if shell.may_operate() && view.status == "completed" { (dialog_link(&link::snapshot(&view.id, "drill"), "", Some("shield"), if view.proof.is_some() { "Drill again…" } else { "Prove by a drill…" })) }
    };
    html! {
        @match &view.proof {
            Some(proof) => section class="panel" {
                header class="row" { h2 { "Drill" } (again) }
                p {
                    (if proof.proven { badge("ok", "Proven") } else { badge("bad", "Not proven") })
                    " It was restored into a throw-away server and looked at " span title=(full(shell, proof.at)) { (relative(shell.now, proof.at)) } "."
                }
                ul class="checks" {
                    @for check in &proof.checks {
                        li class=(if check.ok { "ok" } else { "bad" }) {
                            (icon(if check.ok { "check" } else { "alert" })) span class="unseen" { (if check.ok { "Passed: " } else { "Failed: " }) }
                            strong { (check.name) } " " span class="quiet" { (check.detail) }
                        }
                    }
                }
            },
            None if view.status == "completed" => section class="panel" {
                header class="row" { h2 { "Drill" } (again) }
                p class="quiet" { "No drill was held yet. A drill restores the snapshot into a throw-away server and queries it, so that you know that it can be restored." }
            },
            None => {}
        }
    }
}
