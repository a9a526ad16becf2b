//! Restoring: what it would write is shown before, and RESTORE has to be typed.

use maud::{Markup, html};

use super::take::which;
use crate::server::actions::restores::RestorePlan;
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::layout::panel;
use crate::server::console::link;
use crate::server::console::parts::basics::{facts, notice, said};
use crate::server::console::parts::field::{Field, Form, tick};
use crate::server::console::parts::text::{count, percent, size};
use crate::server::console::view::{Filled, Section, Shell};

/// What a restore would do, as far as it is known.
pub enum Planned<'a> {
    /// It is found out while the form is open: by the script, or on a page of its own.
    Later,
    /// What it would do.
    Known(&'a RestorePlan),
    /// Why it cannot be restored there.
    Refused(&'a str),
}

/// The form. `targets` are the instances that it may go to.
pub fn form(shell: &Shell, view: &Snapshot, targets: &[String], planned: &Planned<'_>, filled: &Filled) -> Markup {
    let to = filled.value("to").unwrap_or(&view.instance);
    let choices: Vec<(&str, String)> = targets
        .iter()
        .map(|name| {
            (name.as_str(), if *name == view.instance { format!("{name} (where it came from)") } else { name.clone() })
        })
        .collect();
    let plan_address = link::snapshot(&view.id, "restore/plan");
    let fields = html! {
        (which(shell, view))
        (notice("bad", html! { strong { "This overwrites all data of the instance" } " with what the snapshot holds. What was written since then is no longer there." }))
        (Field { name: "to", id: "", label: "Restore over", hint: "", optional: false }.select(filled, to, &choices))
        @if !view.components.is_empty() { (components(view, filled)) }
        div id="plan" class="plan" aria-live="polite" hx-get=(plan_address) hx-target="this" hx-trigger="load, change from:#to, change from:#component" hx-include="#to, #component" {
            (plan(planned))
            @if matches!(planned, Planned::Later) {
                noscript { p { a href=(link::snapshot(&view.id, "restore?plan=now")) { "Show what it would write" } } }
            }
        }
        (tick("safety", "yes", !filled.is_sent() || filled.has("safety", "yes"), "Take a safety snapshot first", "The state before can then be brought back. Without it a restore cannot be undone."))
        (Field { name: "confirm", id: "", label: "Type RESTORE to confirm", hint: "", optional: false }.typed(filled, "RESTORE"))
    };
    let (action, back) = (link::snapshot(&view.id, "restore"), link::snapshot(&view.id, ""));
    let form = Form { action: &action, filled, submit: "Restore", tone: "danger", back: &back };
    panel(shell, Section::Backups, "Restore a snapshot", form.render(shell, fields))
}

fn components(view: &Snapshot, filled: &Filled) -> Markup {
    let all = std::iter::once(("", "All of them".to_string()));
    let choices: Vec<(&str, String)> = all
        .chain(view.components.iter().map(|component| {
            (component.name.as_str(), format!("{} ({})", component.name, size(component.bytes_total)))
        }))
        .collect();
    Field { name: "component", id: "", label: "Components", hint: "", optional: false }.select(filled, "", &choices)
}

/// Going back to the state before the latest restore over the snapshot's instance.
pub fn undo(shell: &Shell, view: &Snapshot, filled: &Filled) -> Markup {
    let fields = html! {
        p { "The instance " strong { (view.instance) } " goes back to the state before its latest restore, which was kept as a safety snapshot." }
        (notice("bad", html! { strong { "This overwrites all data of the instance." } " What was written since the restore is no longer there." }))
        (tick("safety", "yes", !filled.is_sent() || filled.has("safety", "yes"), "Take a safety snapshot first", "The state now can then be brought back"))
        (Field { name: "confirm", id: "", label: "Type RESTORE to confirm", hint: "", optional: false }.typed(filled, "RESTORE"))
    };
    let (action, back) = (link::snapshot(&view.id, "undo"), link::snapshot(&view.id, ""));
    let form = Form { action: &action, filled, submit: "Undo the restore", tone: "danger", back: &back };
    panel(shell, Section::Backups, "Undo a restore", form.render(shell, fields))
}

/// What the form shows of the plan. It is loaded into the form alone, too.
pub fn plan(planned: &Planned<'_>) -> Markup {
    match planned {
        Planned::Later => html! { p class="quiet waiting" { "Comparing it with what is there…" } },
        Planned::Refused(why) => said("bad", why),
        Planned::Known(outcome) => known(outcome),
    }
}

fn known(outcome: &RestorePlan) -> Markup {
    let report = outcome;
    let (written, total) = (report.bytes_written, report.bytes_total);
    let row = |number: u64| (number > 0).then(|| html! { (count(number)) });
    html! {
        p {
            "It would write " strong { (size(written)) } " of " (size(total))
            @if report.bytes_unchanged > 0 { ": " (percent(report.bytes_unchanged, total)) " is there already and stays as it is" } "."
        }
        meter min="0" max=(total.max(1)) value=(written.min(total)) aria-label="How much of the data would be written" {}
        (facts(&[
            ("Overwrites", Some(html! { code { (outcome.target) } })),
            ("Files changed", row(report.files_changed)),
            ("Removed", row(report.removed)),
            ("Only owner, mode or time", row(report.metadata_changed)),
        ]))
    }
}
