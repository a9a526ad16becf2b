//! All instances of the account, and adding one.

use maud::{Markup, html};

use crate::server::console::charts::calendar::strip;
use crate::server::console::layout::{page, panel};
use crate::server::console::link;
use crate::server::console::parts::basics::{dialog_link, empty, heading, health};
use crate::server::console::parts::field::{Field, Form};
use crate::server::console::parts::progress;
use crate::server::console::parts::text::{ago, counted, factor, size};
use crate::server::console::view::{Filled, InstanceRow, Section, Shell, UsageView};
use crate::service::Plan;

const HERE: Section = Section::Instances;

/// The list.
pub fn list(shell: &Shell, rows: &[InstanceRow], usage: &UsageView) -> Markup {
    let add = html! {
        @if shell.may_operate() { (dialog_link("/console/add-instance", "primary", Some("plus"), "Add instance")) }
    };
    let about = (!rows.is_empty()).then(|| {
        html! {
            (counted(rows.len() as u64, "instance", "instances")) " · "
            (counted(usage.snapshots, "snapshot", "snapshots")) " of " (size(usage.logical)) " in " (size(usage.stored))
            @if usage.stored > 0 { " (" (factor(usage.logical, usage.stored)) " less)" }
        }
    });
    let body = html! {
        (heading("Instances", about, if rows.is_empty() { html! {} } else { add.clone() }))
        @if rows.is_empty() {
            (empty("database", "No instance yet", "An instance is a database, a folder, or an environment of several, that snapshots are taken of. Add the first one: name it, and say where its data is.", add))
        } @else {
            div id="results" data-refresh { (table(shell, rows)) }
        }
    };
    page(shell, HERE, "Instances", body)
}

fn table(shell: &Shell, rows: &[InstanceRow]) -> Markup {
    html! {
        table class="list" {
            thead { tr {
                th scope="col" { "Instance" } th scope="col" { "Health" } th scope="col" { "Last 30 days" } th scope="col" { "Last snapshot" }
                th scope="col" { "Next due" } th scope="col" class="number" { "Size" } th scope="col" class="number" { "Snapshots" }
            } }
            tbody { @for row in rows { (line(shell, row)) } }
        }
    }
}

fn line(shell: &Shell, row: &InstanceRow) -> Markup {
    let view = &row.view;
    html! {
        tr {
            th scope="row" class="lead" {
                a class="name" href=(link::instance(&view.name, "")) { (view.name) }
                span class="sub" { (source_kind(view.source.as_deref())) " · " (view.plan) }
            }
            td data-label="Health" {
                @if let Some(job) = &row.job { (progress::line(job)) } @else { (health(&row.health)) }
            }
            td data-label="Last 30 days" { (strip(&row.days)) }
            td data-label="Last snapshot" { @if let Some(last) = &row.last { (ago(shell, last.created_at)) } @else { span class="quiet" { "none" } } }
            td data-label="Next due" { @if let Some(due) = view.next_due_at { (ago(shell, due)) } @else { span class="quiet" { "not scheduled" } } }
            td data-label="Size" class="number" { @if let Some(last) = &row.last { (size(last.bytes_total)) } @else { span class="quiet" { "–" } } }
            td data-label="Snapshots" class="number" { (view.snapshots) }
        }
    }
}

/// A source's system by its URL.
pub fn source_kind(source: Option<&str>) -> &'static str {
    match source.map(|source| source.split(':').next().unwrap_or_default()) {
        None => "No source",
        Some("postgres" | "postgresql") => "PostgreSQL",
        Some("mariadb" | "mysql") => "MariaDB",
        Some("redis" | "rediss" | "dragonfly") => "Redis",
        Some("neo4j") => "Neo4j",
        Some("sqlite") => "SQLite",
        Some("files") => "Files",
        Some("env") => "Environment",
        Some(_) => "Source",
    }
}

/// The form that adds one.
pub fn add(shell: &Shell, plans: &[&Plan], filled: &Filled) -> Markup {
    let choices: Vec<(&str, String)> =
        plans.iter().map(|plan| (plan.name.as_str(), format!("{} – {}", plan.name, plan.description))).collect();
    let fields = html! {
        (Field { name: "name", id: "", label: "Name", hint: "Letters, digits, “.”, “_” and “-”", optional: false }.line(filled, "text", ""))
        (Field { name: "source", id: "", label: "Source", hint: "postgres://user@host/db, mariadb://…, redis://…, neo4j:/home#db, sqlite:/file, files:/folder, env:FILE.toml. Without one it lives here alone, and dumps are loaded into it.", optional: true }.line(filled, "text", ""))
        (Field { name: "password", id: "", label: "Password", hint: "Of the database. It is kept sealed, and never shown again.", optional: true }.line(filled, "new-password", ""))
        (Field { name: "plan", id: "", label: "Plan", hint: "", optional: false }.select(filled, "unlimited", &choices))
        (Field { name: "description", id: "", label: "Description", hint: "", optional: true }.line(filled, "text", ""))
    };
    let form =
        Form { action: "/console/add-instance", filled, submit: "Add instance", tone: "primary", back: link::HOME };
    panel(shell, HERE, "Add an instance", form.render(shell, fields))
}
