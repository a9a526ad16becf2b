//! Tokens for programs.

use maud::{Markup, html};

use crate::server::actions::tokens::Token;
use crate::server::console::layout::{page, panel};
use crate::server::console::parts::basics::{badge, dialog_link, empty, heading, said};
use crate::server::console::parts::field::{Field, Form, button, tick};
use crate::server::console::parts::text::{ago, time};
use crate::server::console::view::{Filled, Section, Shell};

const HERE: Section = Section::Tokens;

/// What a token may do: scope, words, what that means.
const SCOPES: [(&str, &str, &str); 4] = [
    ("read", "Read", "Lists and details; exports; no change"),
    (
        "capture",
        "Capture only",
        "Takes snapshots and sees how that goes. It cannot read data, restore or delete: for machines that may be broken into",
    ),
    (
        "restore",
        "Restore",
        "Reads, restores, exports, clones, deletes, changes schedules. Together with “capture” it takes snapshots too",
    ),
    ("admin", "Administer", "Everything in the account"),
];

/// The list. `made` is a token that was made just now: it is shown this once.
pub fn list(shell: &Shell, rows: &[Token], made: Option<&str>) -> Markup {
    let create =
        html! { @if shell.may_own() { (dialog_link("/console/tokens/new", "primary", Some("plus"), "Create token")) } };
    let body = html! {
        (heading("Tokens", Some(html! { "For programs that use the API, and for the command line" }), if rows.is_empty() { html! {} } else { create.clone() }))
        @if let Some(made) = made {
            (said("ok", html! {
                p { strong { "Here is the token. It is shown this once: copy it now." } }
                label class="handed" { span class="unseen" { "The new token" } input type="text" readonly value=(made) data-select; }
                button type="button" class="button" data-copy=(made) { "Copy" }
            }))
        }
        @if rows.is_empty() { (empty("key", "No token", "A token lets a program act for the account, within what you allow it.", create)) }
        @else {
            table class="list" {
                thead { tr { th scope="col" { "Token" } th scope="col" { "May" } th scope="col" { "Made" } th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { span class="unseen" { "Actions" } } } }
                tbody { @for row in rows { (line(shell, row)) } }
            }
        }
    };
    page(shell, HERE, "Tokens", body)
}

fn line(shell: &Shell, row: &Token) -> Markup {
    let is_over = row.revoked_at.is_some() || row.expires_at.is_some_and(|at| at <= shell.now);
    html! {
        tr class=[is_over.then_some("faded")] {
            th scope="row" class="lead" { span class="name" { (row.name) } span class="sub" { code { (row.id) } } }
            td data-label="May" { @for scope in &row.scopes { (badge("calm", scope)) " " } }
            td data-label="Made" { (time(shell, row.created_at)) span class="sub" { "by " (row.created_by) } }
            td data-label="Last used" { @if let Some(at) = row.last_used_at { (ago(shell, at)) } @else { span class="quiet" { "never" } } }
            td data-label="Ends" {
                @match (row.revoked_at, row.expires_at) {
                    (Some(at), _) => { (badge("bad", "Revoked")) " " (ago(shell, at)) },
                    (None, Some(at)) => (ago(shell, at)),
                    (None, None) => span class="quiet" { "never" },
                }
            }
            td class="act" { @if shell.may_own() && !is_over { (button(shell, &format!("/console/tokens/{}/revoke", row.id), "danger", None, "Revoke")) } }
        }
    }
}

/// The form that makes one.
pub fn create(shell: &Shell, filled: &Filled) -> Markup {
    let ticked = |scope: &str| if filled.is_sent() { filled.has("scope", scope) } else { scope == "read" };
    let fields = html! {
        (Field { name: "name", id: "", label: "Name", hint: "Where it is used: “backup host”", optional: false }.line(filled, "text", ""))
        fieldset { legend { "What it may do" } @for (value, words, hint) in SCOPES { (tick("scope", value, ticked(value), words, hint)) } }
        (Field { name: "days", id: "", label: "Ends after so many days", hint: "Without a number it does not end by itself", optional: true }.line(filled, "number", "90"))
    };
    let form = Form {
        action: "/console/tokens/new",
        filled,
        submit: "Create token",
        tone: "primary",
        back: "/console/tokens",
    };
    panel(shell, HERE, "Create a token", form.render(shell, fields))
}
