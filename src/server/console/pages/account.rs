//! The account: its keys, its care, its end.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::server::console::layout::{page, panel};
use crate::server::console::parts::basics::{dialog_link, facts, heading, notice, said};
use crate::server::console::parts::field::{Field, Form, button, hidden};
use crate::server::console::parts::text::{counted, full};
use crate::server::console::view::{Filled, Section, Shell};

const HERE: Section = Section::Account;

/// What is known of an account.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Instances.
    pub instances: u64,
    /// Completed snapshots.
    pub snapshots: u64,
    /// Whether who looks has a password here, rather than a token.
    pub has_password: bool,
    /// When its key was destroyed.
    pub shredded_at: Option<Timestamp>,
}

/// The page.
pub fn show(shell: &Shell, account: &AccountView, filled: &Filled) -> Markup {
    let body = html! {
        (heading("Account", None, html! {}))
        @if let Some(at) = account.shredded_at {
            (notice("bad", html! { strong { "The account's key was destroyed on " (full(shell, at)) "." } " Nothing that it kept can be read, and nothing more is kept." }))
        }
        div class="columns" {
            section class="panel" {
                h2 { (account.name) }
                (facts(&[
                    ("Id", Some(html! { code { (account.id) } })),
                    ("Made", Some(html! { (full(shell, account.created_at)) })),
                    ("Holds", Some(html! { (counted(account.instances, "instance", "instances")) ", " (counted(account.snapshots, "snapshot", "snapshots")) })),
                    ("Encryption", Some(html! { "AES-256-GCM under keys of this account alone" })),
                    ("Times", Some(html! { "shown by the clock of " (shell.zone.iana_name().unwrap_or("UTC")) })),
                ]))
            }
            @if account.has_password { section class="panel" { h2 { "Your password" } (own_password(shell, filled)) } }
            @if shell.may_operate() && account.shredded_at.is_none() {
                section class="panel" {
                    h2 { "Care" }
                    p { "Both happen by themselves, too. As a job, beside everything else." }
                    div class="actions" {
                        (button(shell, "/console/account/verify", "", Some("shield"), "Verify all data"))
                        (button(shell, "/console/account/gc", "", Some("trash"), "Free space now"))
                    }
                }
            }
            @if shell.may_own() && account.shredded_at.is_none() {
                section class="panel" {
                    h2 { "Destroy the account's key" }
                    p { "Everything that the account keeps is encrypted under it. Without the key all of it is gone at once, in every copy: nobody can bring it back." }
                    (dialog_link("/console/account/shred", "danger", Some("trash"), "Destroy the key…"))
                }
            }
        }
    };
    page(shell, HERE, "Account", body)
}

fn own_password(shell: &Shell, filled: &Filled) -> Markup {
    html! {
        form class="form" method="post" action="/console/account/password" {
            (hidden(shell))
            @if let Some(error) = filled.error("") { (said("bad", error)) }
            (Field { name: "current", id: "", label: "Present password", hint: "", optional: false }.line(filled, "password", ""))
            (Field { name: "password", id: "", label: "New password", hint: "10 characters at least", optional: false }.line(filled, "new-password", ""))
            div class="buttons" { button type="submit" class="button" { "Change password" } }
        }
    }
}

/// Destroying the key: the account's name has to be typed.
pub fn shred(shell: &Shell, account: &AccountView, filled: &Filled) -> Markup {
    let fields = html! {
        (notice("bad", html! { strong { "This cannot be undone." } " " (counted(account.snapshots, "snapshot", "snapshots")) " of " (counted(account.instances, "instance", "instances")) " can never be read again: not by you, not by us, from no copy." }))
        p { "Snapshots on hold go, too. The databases themselves are not touched." }
        (Field { name: "confirm", id: "", label: &format!("Type {} to confirm", account.name), hint: "", optional: false }.typed(filled, &account.name))
    };
    let form = Form {
        action: "/console/account/shred",
        filled,
        submit: "Destroy the key",
        tone: "danger",
        back: "/console/account",
    };
    panel(shell, HERE, "Destroy the account's key", form.render(shell, fields))
}
