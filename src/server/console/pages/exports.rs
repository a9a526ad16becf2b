//! Files that were made of snapshots, to be downloaded.

use maud::{Markup, html};

use crate::server::actions::exports::Link;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{empty, heading, icon, said, status};
use crate::server::console::parts::field::button;
use crate::server::console::parts::progress::{self, bytes};
use crate::server::console::parts::text::{ago, full, size};
use crate::server::console::view::{ExportRow, Section, Shell};

/// The list. `link` is a link that was made just now: it needs no sign-in, and is shown this once.
pub fn list(shell: &Shell, rows: &[ExportRow], link: Option<&Link>) -> Markup {
    let about = (!rows.is_empty())
        .then(|| html! { "Files are kept for a while after they were made; a download can be stopped and resumed" });
    let body = html! {
        (heading("Exports", about, html! {}))
        @if let Some(link) = link {
            (said("ok", html! {
                p { strong { "Whoever has this link can download the file" } ", without signing in, until " (full(shell, link.expires_at)) "." }
                label class="handed" { span class="unseen" { "The link" } input type="text" readonly value=(link.url) data-select; }
                button type="button" class="button" data-copy=(link.url) { "Copy" }
            }))
        }
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
    let address = format!("/console/exports/{}", link::encoded(&row.view.id));
    html! {
        tr {
            th scope="row" class="lead" { span class="name" { (row.file) } span class="sub" { (row.instance) } }
            td data-label="Snapshot" { a href=(link::snapshot(&row.view.snapshot, "")) { code { (row.view.snapshot.get(..8).unwrap_or(&row.view.snapshot)) } } }
            td data-label="Status" { @if let Some(job) = row.job.as_ref().filter(|job| !job.is_over()) { (progress::line(job)) } @else { (status(row.status)) } }
            td data-label="Size" class="number" { @if let Some(count) = row.view.bytes { (size(bytes(count))) } @else { span class="quiet" { "–" } } }
            td data-label="Made" { (ago(shell, row.view.created_at)) }
            td data-label="Kept until" { (ago(shell, row.view.expires_at)) }
            td class="act" {
                @if row.status == "ready" {
                    a class="button" href=(row.view.content_url.as_deref().unwrap_or_default()) download { (icon("download")) "Download" }
                    (button(shell, &format!("{address}/link"), "quiet", None, "Make a link"))
                }
            }
        }
    }
}
