//! An instance's settings, and its end.

use maud::{Markup, html};

use super::instance::tab;
use crate::server::console::layout::panel;
use crate::server::console::link;
use crate::server::console::parts::basics::{dialog_link, facts, notice, said};
use crate::server::console::parts::field::{Field, Form, button, hidden, tick};
use crate::server::console::parts::text::{counted, full};
use crate::server::console::view::{Filled, InstanceRow, Section, Shell};
use crate::service::{Plan, parse_duration};

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// The Settings tab.
pub fn settings(shell: &Shell, row: &InstanceRow, plans: &[&Plan], filled: &Filled) -> Markup {
    let view = &row.view;
    let body = html! {
        div class="columns wide-left" {
            section class="panel" { h2 { "What it is" } (form(shell, row, plans, filled)) }
            div {
                section class="panel" {
                    h2 { "Source" }
                    (facts(&[
                        ("Address", Some(html! { @match &view.source { Some(source) => code { (source) }, None => span class="quiet" { "none: it lives here alone" } } })),
                        ("Added", view.created_at.map(|at| html! { (full(shell, at)) })),
                    ]))
                    @for (name, value) in &view.settings { p class="quiet" { (name) ": " code { (value) } } }
                    @if shell.may_operate() && view.source.is_some() {
                        p class="hint" { "Looks whether it can be reached, and whether its system is another one than at the last snapshot. If so, a snapshot is taken." }
                        (button(shell, &link::instance(&view.name, "check"), "", None, "Check now"))
                    }
                }
                @if shell.may_operate() {
                    section class="panel" {
                        h2 { "Remove" }
                        p { "Its definition goes, and nothing is captured any more. Its snapshots stay until they are deleted or expire." }
                        (dialog_link(&link::instance(&view.name, "remove"), "danger", Some("trash"), "Remove instance…"))
                    }
                }
            }
        }
    };
    tab(shell, row, "settings", body)
}

fn form(shell: &Shell, row: &InstanceRow, plans: &[&Plan], filled: &Filled) -> Markup {
    let view = &row.view;
    let choices: Vec<(&str, String)> =
        plans.iter().map(|plan| (plan.name.as_str(), format!("{} – {}", plan.name, plan.description))).collect();
    let retain_ns = view.retain.as_deref().and_then(|retain| parse_duration(retain).ok());
    let retain = retain_ns.map(|retain| (retain / DAY_NS).max(1).to_string()).unwrap_or_default();
    html! {
        form class="form" method="post" action=(link::instance(&view.name, "settings")) {
            (hidden(shell))
            @if let Some(error) = filled.error("") { (said("bad", error)) }
            (Field { name: "plan", id: "", label: "Plan", hint: "New snapshots follow it; those that are there keep what they were given", optional: false }.select(filled, &view.plan, &choices))
            (Field { name: "source", id: "", label: "Source", hint: "A password in it is kept sealed. Empty: it lives here alone.", optional: true }.line(filled, "text", view.source.as_deref().unwrap_or_default()))
            (Field { name: "password", id: "", label: "New password", hint: "Empty: it stays as it is", optional: true }.line(filled, "new-password", ""))
            (Field { name: "retention_days", id: "", label: "Keep its snapshots for so many days", hint: "Without a number, as the plan says", optional: true }.line(filled, "number", &retain))
            input type="hidden" name="etag" value=(view.etag);
            (Field { name: "description", id: "", label: "Description", hint: "", optional: true }.line(filled, "text", view.description.as_deref().unwrap_or_default()))
            (tick("always_read", "yes", if filled.is_sent() { filled.has("always_read", "yes") } else { view.always_read }, "Read every file each time", "Also where size, times and inode are as before. Slower; for files that are changed behind the system's back."))
            @if shell.may_operate() { div class="buttons" { button type="submit" class="button primary" { "Save" } } }
        }
    }
}

/// Removing an instance: its name has to be typed.
pub fn remove(shell: &Shell, row: &InstanceRow, filled: &Filled) -> Markup {
    let name = &row.view.name;
    let fields = html! {
        p { "The definition of " strong { (name) } " goes, with its schedule and the password that is kept for it. " (counted(row.view.snapshots, "snapshot stays", "snapshots stay")) ", and can still be exported, and restored as a new instance." }
        (notice("warn", "No snapshot is taken of it any more."))
        (Field { name: "confirm", id: "", label: &format!("Type {name} to confirm"), hint: "", optional: false }.typed(filled, name))
    };
    let (action, back) = (link::instance(name, "remove"), link::instance(name, "settings"));
    let form = Form { action: &action, filled, submit: "Remove instance", tone: "danger", back: &back };
    panel(shell, Section::Instances, "Remove an instance", form.render(shell, fields))
}
