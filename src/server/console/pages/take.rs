//! The small forms: taking a snapshot, and what is done with one but for restoring it.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::server::actions::snapshots::Snapshot;
use crate::server::console::layout::panel;
use crate::server::console::link;
use crate::server::console::parts::basics::notice;
use crate::server::console::parts::field::{Field, Form, choice, tick};
use crate::server::console::parts::text::{counted, days, exact, full, kind, size};
use crate::server::console::view::{Filled, InstanceRow, Section, Shell};
use crate::service::Plan;

/// A component that is captured only where it is asked for.
#[derive(Debug, Clone)]
pub struct OptionalComponent {
    /// Its name.
    pub name: String,
    /// How large it was last, bytes.
    pub bytes: Option<u64>,
}

/// Taking a snapshot: this form is the confirmation.
pub fn take(shell: &Shell, row: &InstanceRow, plan: &Plan, optional: &[OptionalComponent], filled: &Filled) -> Markup {
    let name = &row.view.name;
    let kept = match plan.retain_ns {
        Some(retain) => format!("Without a number: {}, as plan {} says", days(retain), plan.name),
        None => "Without a number: until it is deleted".into(),
    };
    let fields = html! {
        p { "A snapshot of " strong { (name) } " as it is now. The instance stays in use meanwhile." }
        @if let Some(available) = plan.available {
            (notice("warn", html! { "Plan " (plan.name) " makes only the latest " (counted(u64::from(available), "snapshot", "snapshots")) " available: this one takes the place of the one before." }))
        }
        (Field { name: "description", id: "", label: "Description", hint: "What it is for: “before the migration”", optional: true }.line(filled, "text", ""))
        (Field { name: "retention_days", id: "", label: "Keep for so many days", hint: &kept, optional: true }.line(filled, "number", ""))
        @if !optional.is_empty() {
            fieldset {
                legend { "Also include" }
                @for component in optional {
                    @let hint = component.bytes.map_or_else(|| "Left out unless it is ticked".to_string(), |bytes| format!("About {}. Left out unless it is ticked.", size(bytes)));
                    (tick("include", &component.name, filled.has("include", &component.name), &component.name, &hint))
                }
            }
        }
    };
    let (action, back) = (link::instance(name, "take"), link::instance(name, ""));
    let form = Form { action: &action, filled, submit: "Take snapshot", tone: "primary", back: &back };
    panel(shell, Section::Instances, "Take a snapshot", form.render(shell, fields))
}

/// A line that says which snapshot is meant.
pub fn which(shell: &Shell, view: &Snapshot) -> Markup {
    html! {
        p class="which" {
            "The " (kind(&view.kind).to_lowercase()) " snapshot of " strong { (view.instance) } " from " strong title=(full(shell, view.created_at)) { (exact(shell, view.created_at)) }
            ", " (size(view.bytes_total))
            @if let Some(words) = view.description.as_deref().filter(|words| !words.is_empty()) { ": “" (words) "”" }
            "."
        }
    }
}

fn small(
    shell: &Shell,
    view: &Snapshot,
    tab: &str,
    title: &str,
    (submit, tone): (&str, &str),
    filled: &Filled,
    fields: Markup,
) -> Markup {
    let (action, back) = (link::snapshot(&view.id, tab), link::snapshot(&view.id, ""));
    let form = Form { action: &action, filled, submit, tone, back: &back };
    panel(shell, Section::Backups, title, form.render(shell, html! { (which(shell, view)) (fields) }))
}

/// What of a snapshot is exported, and as what.
#[derive(Debug, Clone, Default)]
pub struct ExportOf {
    /// As what, unless the form says otherwise.
    pub format: String,
    /// One component.
    pub component: Option<String>,
    /// One path of it.
    pub path: Option<String>,
    /// One table or key of it.
    pub only: Option<String>,
}

/// Exporting one. `refused` are the formats that it does not have, each with why.
pub fn export(shell: &Shell, view: &Snapshot, of: &ExportOf, refused: &[(String, String)], filled: &Filled) -> Markup {
    let format = filled.value("format").unwrap_or(&of.format);
    let formats = [
        ("dump", ".dump", "What the database's own tool reads"),
        ("tar.gz", ".tar.gz", "An archive; of a database it holds its dump"),
        ("tar", ".tar", "Its files as they are, not compressed"),
    ];
    let components: Vec<(&str, String)> = std::iter::once(("", "All of it".to_string()))
        .chain(view.components.iter().map(|component| {
            (component.name.as_str(), format!("{} ({})", component.name, size(component.bytes_total)))
        }))
        .collect();
    let fields = html! {
        @for (name, value, words) in [("path", &of.path, "Only"), ("only", &of.only, "Only")] {
            @if let Some(value) = value { p { (words) " " code { (value) } } input type="hidden" name=(name) value=(value); }
        }
        fieldset {
            legend { "Format" }
            @for (value, label, hint) in formats {
                @match refused.iter().find(|(name, _)| name == value) {
                    Some((_, why)) => p class="hint" { strong { (label) } ": " (why) },
                    None => (choice("format", value, value == format, label, hint)),
                }
            }
        }
        @if !view.components.is_empty() {
            (Field { name: "component", id: "", label: "Component", hint: "A .dump is of one component", optional: false }.select(filled, of.component.as_deref().unwrap_or_default(), &components))
        }
        p class="hint" { "The file is made first, and kept for a while under Exports. From there it is downloaded, as often as you want." }
    };
    small(shell, view, "export", "Export a snapshot", ("Export", "primary"), filled, fields)
}

/// Creating an instance from one.
pub fn clone(shell: &Shell, view: &Snapshot, source: Option<&str>, filled: &Filled) -> Markup {
    let fields = html! {
        (Field { name: "name", id: "", label: "Name of the new instance", hint: "Letters, digits, “.”, “_” and “-”", optional: false }.line(filled, "text", &format!("{}-copy", view.instance)))
        (Field { name: "source", id: "", label: "Where its data goes", hint: "A database that does not exist yet, or an empty folder. Without one the instance lives here alone, at no cost, until it is restored or exported.", optional: true }.line(filled, "text", ""))
        (Field { name: "password", id: "", label: "Password", hint: "Of the new source", optional: true }.line(filled, "new-password", ""))
        @if let Some(source) = source { p class="hint" { "The source of " (view.instance) " is " code { (source) } } }
    };
    small(shell, view, "clone", "Create an instance", ("Create instance", "primary"), filled, fields)
}

/// Holding one.
pub fn hold(shell: &Shell, view: &Snapshot, filled: &Filled) -> Markup {
    let default =
        view.hold_until.unwrap_or_else(|| later(shell.now, 30)).to_zoned(shell.zone.clone()).date().to_string();
    let fields = html! {
        @if let Some(until) = view.hold_until { (notice("calm", html! { "It is held until " (full(shell, until)) ". A hold can be made longer, and never shorter." })) }
        (notice("warn", "Nobody can shorten a hold: no owner of the account, and no administrator of the service. Until its end the snapshot cannot be deleted, and does not expire."))
        (Field { name: "until", id: "", label: "Hold until the end of", hint: "", optional: false }.line(filled, "date", &default))
    };
    small(shell, view, "hold", "Hold a snapshot", ("Hold", "primary"), filled, fields)
}

fn later(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(now)
}

/// Deleting one.
pub fn delete(shell: &Shell, view: &Snapshot, grace: &str, filled: &Filled) -> Markup {
    let held = view.hold_until.filter(|until| *until > shell.now);
    let fields = html! {
        @match held {
            Some(until) => (notice("warn", html! { "It is held until " (full(shell, until)) " and cannot be deleted before." })),
            None => p { "It can be brought back for " (grace) ". After that its data is gone, but for what other snapshots share with it." },
        }
    };
    small(shell, view, "delete", "Delete a snapshot", ("Delete", "danger"), filled, fields)
}

/// Bringing a deleted one back.
pub fn undelete(shell: &Shell, view: &Snapshot, filled: &Filled) -> Markup {
    let until =
        view.purge_after.map(|after| html! { p { "Its data is there until " (full(shell, after)) " at least." } });
    small(
        shell,
        view,
        "undelete",
        "Bring a snapshot back",
        ("Bring it back", "primary"),
        filled,
        html! { @if let Some(until) = until { (until) } },
    )
}

/// Proving one.
pub fn drill(shell: &Shell, view: &Snapshot, filled: &Filled) -> Markup {
    let fields = html! {
        p { "It is restored into a server that is started for it alone and thrown away afterwards, and looked at with the database's own checks. Nothing that is in use is touched." }
        (Field { name: "query", id: "", label: "A query to run too", hint: "It must give a result: SELECT count(*) FROM orders", optional: true }.line(filled, "text", ""))
    };
    small(shell, view, "drill", "Prove a snapshot", ("Start the drill", "primary"), filled, fields)
}
