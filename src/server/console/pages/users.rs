//! Who may sign in, and what they may do.

use maud::{Markup, html};

use crate::server::actions::users::Role;
use crate::server::console::layout::{page, panel};
use crate::server::console::parts::basics::{badge, dialog_link, heading};
use crate::server::console::parts::field::{Field, Form, choice};
use crate::server::console::parts::menu::{Item, menu};
use crate::server::console::parts::text::time;
use crate::server::console::view::{Filled, Section, Shell, UserRow};

const HERE: Section = Section::Users;

const ROLES: [(&str, &str, &str); 3] = [
    ("viewer", "Viewer", "Sees everything but other people's tokens; changes nothing"),
    ("operator", "Operator", "Takes snapshots, restores, changes schedules and instances"),
    ("owner", "Owner", "Everything, with users, tokens and the end of the account"),
];

/// The list.
pub fn list(shell: &Shell, rows: &[UserRow]) -> Markup {
    let add =
        html! { @if shell.may_own() { (dialog_link("/console/users/new", "primary", Some("plus"), "Add user")) } };
    let body = html! {
        (heading("Users", Some(html! { "Who may sign in to this account" }), add))
        table class="list" {
            thead { tr { th scope="col" { "User" } th scope="col" { "Role" } th scope="col" { "Added" } th scope="col" { span class="unseen" { "Actions" } } } }
            tbody { @for row in rows { (line(shell, row)) } }
        }
        section class="panel" {
            h2 { "What each role may do" }
            dl class="facts" { @for (_, words, about) in ROLES { div { dt { (words) } dd { (about) } } } }
        }
    };
    page(shell, HERE, "Users", body)
}

fn line(shell: &Shell, row: &UserRow) -> Markup {
    let to = |tab: &str| format!("/console/users/{}/{tab}", row.view.id);
    html! {
        tr {
            th scope="row" class="lead" { span class="name" { (row.view.email) } @if row.is_self { span class="sub" { "you" } } }
            td data-label="Role" { (badge("calm", role_word(row.view.role))) @if row.view.disabled_at.is_some() { " " (badge("bad", "May not sign in")) } }
            td data-label="Added" { (time(shell, row.view.created_at)) }
            td class="act" {
                @if shell.may_own() {
                    (menu(&format!("user-{}", row.view.id), &row.view.email, &[
                        Item::Dialog("users", "Change role…", to("role")),
                        Item::Dialog("key", "Set a password…", to("password")),
                        Item::Line,
                        match row.view.disabled_at {
                            None => Item::Danger("close", "Disable…", to("disable")),
                            Some(_) => Item::Dialog("check", "Enable…", to("enable")),
                        },
                    ]))
                }
            }
        }
    }
}

/// The form that adds one.
pub fn add(shell: &Shell, filled: &Filled) -> Markup {
    let fields = html! {
        (Field { name: "email", id: "", label: "E-mail address", hint: "", optional: false }.line(filled, "email", ""))
        (Field { name: "password", id: "", label: "First password", hint: "10 characters at least. Hand it over safely; they can change it.", optional: false }.line(filled, "new-password", ""))
        (roles(filled, "viewer"))
    };
    form(shell, "/console/users/new", "Add a user", ("Add user", "primary"), filled, fields)
}

/// The form that changes what one may do.
pub fn role(shell: &Shell, row: &UserRow, filled: &Filled) -> Markup {
    let fields =
        html! { p { "What " strong { (row.view.email) } " may do:" } (roles(filled, role_word(row.view.role))) };
    form(shell, &format!("/console/users/{}/role", row.view.id), "Change a role", ("Save", "primary"), filled, fields)
}

/// The form that sets a password.
pub fn password(shell: &Shell, row: &UserRow, filled: &Filled) -> Markup {
    let fields = html! {
        input type="hidden" name="etag" value=(row.view.etag);
        p { "All sessions of " strong { (row.view.email) } " end." }
        (Field { name: "password", id: "", label: "New password", hint: "10 characters at least", optional: false }.line(filled, "new-password", ""))
    };
    form(
        shell,
        &format!("/console/users/{}/password", row.view.id),
        "Set a password",
        ("Save", "primary"),
        filled,
        fields,
    )
}

/// The form that lets one sign in no more, or again.
pub fn disable(shell: &Shell, row: &UserRow, is_disabled: bool, filled: &Filled) -> Markup {
    let fields = html! {
        @if is_disabled { p { strong { (row.view.email) } " can no longer sign in, and is signed out now. What they did stays in the audit." } }
        @else { p { strong { (row.view.email) } " can sign in again." } }
        input type="hidden" name="etag" value=(row.view.etag);
    };
    let (tab, title, button) = match is_disabled {
        true => ("disable", "Disable a user", ("Disable", "danger")),
        false => ("enable", "Enable a user", ("Enable", "primary")),
    };
    form(shell, &format!("/console/users/{}/{tab}", row.view.id), title, button, filled, fields)
}

/// A role's word.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Operator => "operator",
        Role::Viewer => "viewer",
    }
}

fn form(
    shell: &Shell,
    action: &str,
    title: &str,
    (submit, tone): (&str, &str),
    filled: &Filled,
    fields: Markup,
) -> Markup {
    panel(shell, HERE, title, Form { action, filled, submit, tone, back: "/console/users" }.render(shell, fields))
}

fn roles(filled: &Filled, default: &str) -> Markup {
    let role = filled.value("role").unwrap_or(default);
    html! { fieldset { legend { "Role" } @for (value, words, hint) in ROLES { (choice("role", value, value == role, words, hint)) } } }
}
