//! Who did what.

use maud::{Markup, html};

use super::snapshots::pages;
use crate::server::console::layout::page;
use crate::server::console::parts::basics::{empty, heading};
use crate::server::console::parts::text::time;
use crate::server::console::view::{AuditRow, Paging, Section, Shell};

/// The list, newest first.
pub fn list(shell: &Shell, rows: &[AuditRow], paging: &Paging) -> Markup {
    let body = html! {
        (heading("Audit", Some(html! { "Every change and every download" }), html! {}))
        @if rows.is_empty() { (empty("audit", "Nothing yet", "What is changed in the account, and what is downloaded, is noted here: who, when, from where.", html! {})) }
        @else {
            table class="list" {
                thead { tr { th scope="col" { "What" } th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Details" } th scope="col" { "From" } th scope="col" { "Request" } } }
                tbody { @for row in rows { (line(shell, row)) } }
            }
            (pages(paging))
        }
    };
    page(shell, Section::Audit, "Audit", body)
}

fn line(shell: &Shell, row: &AuditRow) -> Markup {
    html! {
        tr {
            th scope="row" class="lead" { span class="name" { (row.action) } span class="sub" { code { (row.object) } } }
            td data-label="When" { (time(shell, row.at)) }
            td data-label="Who" { (row.actor) }
            td data-label="Details" { span class="details" { @for (name, value) in &row.detail { span { span class="quiet" { (name) } " " (value) } " " } } }
            td data-label="From" { code { (row.address.as_deref().unwrap_or("–")) } }
            td data-label="Request" { code { (row.request.as_deref().unwrap_or("–")) } }
        }
    }
}
