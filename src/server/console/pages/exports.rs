//! Files that were made of snapshots, to be downloaded.

use maud::{Markup, html};

use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{empty, heading, icon, status};
use crate::server::console::parts::field::button;
use crate::server::console::parts::progress;
use crate::server::console::parts::text::{ago, size};
use crate::server::console::view::{ExportRow, Section, Shell};

/// The list.
pub fn list(shell: &Shell, rows: &[ExportRow]) -> Markup {
    let about = (!rows.is_empty())
        .then(|| html! { "Files are kept for a while after they were made; a download can be stopped and resumed" });
    let body = html! {
        (heading("Exports", about, html! {}))
        div id="results" data-refresh {
            @if rows.is_empty() {
                (empty("download", "No export", "Choose “Export” in the “…” menu of a snapshot: its file is made, and is here to be downloaded.", html! { a class="button" href="/console/snapshots" { "To the backups" } }))
            } @else { (table(shell, rows)) }
        }
    };
    page(shell, Section::Exports, "Exports", body)
}

fn table(shell: &Shell, rows: &[ExportRow]) -> Markup {
    html! {
        table class="list" {
            thead { tr { th scope="col" { "File" } th scope="col" { "Snapshot" } th scope="col" { "Status" } th scope="col" class="number" { "Size" } th scope="col" { "Made" } th scope="col" { "Kept until" } th scope="col" { span class="unseen" { "Actions" } } } }
            tbody { @for row in rows { (line(shell, row)) } }
        }
    }
}

fn line(shell: &Shell, row: &ExportRow) -> Markup {
    let address = format!("/console/exports/{}", link::encoded(&row.id));
    html! {
        tr {
            th scope="row" class="lead" { span class="name" { (row.file) } span class="sub" { (row.instance) } }
            td data-label="Snapshot" { a href=(link::snapshot(&row.snapshot, "")) { code { (row.snapshot.get(..8).unwrap_or(&row.snapshot)) } } }
            td data-label="Status" { @if let Some(job) = row.job.as_ref().filter(|job| job.is_open()) { (progress::line(job)) } @else { (status(&row.status)) } }
            td data-label="Size" class="number" { @if let Some(bytes) = row.bytes { (size(bytes)) } @else { span class="quiet" { "–" } } }
            td data-label="Made" { (ago(shell, row.created_at)) }
            td data-label="Kept until" { @if let Some(at) = row.expires_at { (ago(shell, at)) } @else { span class="quiet" { "–" } } }
            td class="act" {
                @if row.status == "ready" {
                    a class="button" href={ (address) "/download" } { (icon("download")) "Download" }
                    @match &row.link {
                        Some(link) => label class="handed" { span class="quiet" { "Link that needs no sign-in" } input type="text" readonly value=(link) data-select; },
                        None => (button(shell, &format!("{address}/link"), "quiet", None, "Make a link")),
                    }
                }
            }
        }
    }
}
