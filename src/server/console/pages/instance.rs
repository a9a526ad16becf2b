//! What all pages of one instance have on top.

use maud::{Markup, html};

use super::instances::source_kind;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{dialog_link, health, icon, notice};
use crate::server::console::parts::field::button;
use crate::server::console::parts::progress;
use crate::server::console::parts::text::{ago, size};
use crate::server::console::view::{Health, InstanceRow, Section, Shell};

/// The tabs of an instance: part of the address, words.
const TABS: [(&str, &str); 4] =
    [("", "Snapshots"), ("schedule", "Schedule"), ("usage", "Usage"), ("settings", "Settings")];

/// A page of an instance: `tab` as in its address.
pub fn tab(shell: &Shell, row: &InstanceRow, tab: &str, body: Markup) -> Markup {
    let view = &row.view;
    let words = TABS.iter().find(|(part, _)| *part == tab).map_or("", |(_, words)| words);
    let inner = html! {
        nav class="crumbs" aria-label="Where this is" { a href=(link::HOME) { "Instances" } (icon("chevron")) }
        header class="heading" {
            div {
                div class="title" { h1 { (view.name) } (health(&row.health)) }
                p class="about" {
                    (source_kind(view.source.as_deref())) " · " a href="/console/plans" { (view.plan) }
                    @if let Some(last) = &row.last { " · " (size(last.bytes_total)) " · last snapshot " (ago(shell, last.created_at)) }
                    @if let Some(due) = view.next_due_at { " · next " (ago(shell, due)) }
                }
                @if let Some(description) = view.description.as_deref().filter(|text| !text.is_empty()) { p class="about" { (description) } }
            }
            @if shell.may_operate() { div class="actions" { (actions(row)) } }
        }
        (warnings(shell, row))
        @if let Some(job) = &row.job { (progress::large(job)) }
        nav class="tabs" aria-label="Instance" {
            @for (part, words) in TABS {
                a href=(link::instance(&view.name, part)) aria-current=[(part == tab).then_some("page")] { (words) }
            }
        }
        (body)
    };
    page(shell, Section::Instances, &format!("{} · {words}", view.name), inner)
}

fn actions(row: &InstanceRow) -> Markup {
    let name = &row.view.name;
    html! {
        @if row.has_snapshots && row.view.unfinished_restore.is_none() {
            a class="button" href=(link::instance(name, "load")) { (icon("upload")) "Load a dump" }
        }
        @if row.has_snapshots && row.view.source.is_some() && row.view.unfinished_restore.is_none() {
            (dialog_link(&link::instance(name, "take"), "primary", Some("camera"), "Take snapshot"))
        }
    }
}

/// What keeps the instance from being well, and what to do about it.
fn warnings(shell: &Shell, row: &InstanceRow) -> Markup {
    let name = &row.view.name;
    match &row.health {
        Health::Unfinished(stage) => notice(
            "bad",
            html! {
                strong { "A restore over this instance was cut short" } " (it is " (stage) "). Until it is over, nothing is captured and nothing is restored."
                @if shell.may_operate() {
                    div class="actions" {
                        (button(shell, &link::instance(name, "unfinished/resume"), "primary", None, "Finish it"))
                        (button(shell, &link::instance(name, "unfinished/abort"), "", None, "Go back to what was there before"))
                    }
                }
            },
        ),
        Health::Failing(reason) => notice("bad", html! { strong { "The last snapshot failed: " } (reason) }),
        Health::Overdue => notice(
            "warn",
            html! { "A snapshot is due and was not taken yet. " a href="/console/jobs" { "See what the jobs do" } "." },
        ),
        Health::NoBackups => notice(
            "warn",
            html! { "Plan " strong { (row.view.plan) } " has no backups: no snapshot is taken of this instance, on no schedule and not on demand. " a href=(link::instance(name, "settings")) { "Choose another plan" } " to have some." },
        ),
        Health::Empty if row.view.source.is_none() => {
            notice("calm", html! { "This instance has no source: load a dump, and what was loaded is its snapshot." })
        }
        _ => html! {},
    }
}
