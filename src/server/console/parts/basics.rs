//! Icons, badges, boxes.

use maud::{Markup, Render, html};

use super::text;
use crate::server::console::assets;
use crate::server::console::view::Health;

/// An icon of icons.svg. What it means stands beside it or in the label of what it is in.
pub fn icon(name: &str) -> Markup {
    html! { svg class="icon" aria-hidden="true" { use href={ (assets::href("icons.svg")) "#" (name) } {} } }
}

/// A short word in a coloured box. `tone`: `ok`, `bad`, `warn`, `run`, `calm`.
pub fn badge(tone: &str, words: impl Render) -> Markup {
    html! { span class={ "badge " (tone) } { (words) } }
}

/// The badge of a snapshot's, job's or export's status.
pub fn status(status: &str) -> Markup {
    let tone = match status {
        "completed" | "succeeded" | "ready" => "ok",
        "failed" => "bad",
        "in_progress" | "running" | "queued" | "preparing" => "run",
        _ => "calm",
    };
    badge(tone, text::status(status))
}

/// The badge of a snapshot's type.
pub fn kind(kind: &str) -> Markup {
    html! { span class={ "kind " (kind) } { (text::kind(kind)) } }
}

/// The badge of an instance's health.
pub fn health(health: &Health) -> Markup {
    match health {
        Health::Good => badge("ok", "Healthy"),
        Health::Unscheduled => badge("calm", "No schedule"),
        Health::Empty => badge("warn", "No snapshot yet"),
        Health::Overdue => badge("warn", "Overdue"),
        Health::Failing(reason) => html! { span title=(reason) { (badge("bad", "Last one failed")) } },
        Health::Unfinished(_) => badge("bad", "Restore unfinished"),
        Health::NoBackups => badge("calm", "No backups"),
    }
}

/// A page's heading with what can be done there.
pub fn heading(title: impl Render, about: Option<Markup>, actions: Markup) -> Markup {
    html! {
        header class="heading" {
            div {
                h1 { (title) }
                @if let Some(about) = about { p class="about" { (about) } }
            }
            div class="actions" { (actions) }
        }
    }
}

/// A link that looks like a button and opens in the page's dialog where there is a script.
pub fn dialog_link(href: &str, class: &str, icon_name: Option<&str>, words: &str) -> Markup {
    html! {
        a class={ "button " (class) } href=(href) data-dialog {
            @if let Some(name) = icon_name { (icon(name)) }
            (words)
        }
    }
}

/// What a list shows where it has nothing: what it is for, and what to do.
pub fn empty(icon_name: &str, title: &str, words: impl Render, action: Markup) -> Markup {
    html! {
        div class="empty" {
            (icon(icon_name))
            h2 { (title) }
            p { (words) }
            div class="actions" { (action) }
        }
    }
}

/// A box with something to know. `tone` as in [`badge`].
pub fn notice(tone: &str, words: impl Render) -> Markup {
    let name = match tone {
        "ok" => "check",
        "bad" | "warn" => "alert",
        _ => "info",
    };
    html! { div class={ "notice " (tone) } { (icon(name)) div { (words) } } }
}

/// A box that is read out as soon as it is there.
pub fn said(tone: &str, words: impl Render) -> Markup {
    html! { div role=(if tone == "bad" { "alert" } else { "status" }) { (notice(tone, words)) } }
}

/// Names and values in two columns; rows without a value are left out.
pub fn facts(rows: &[(&str, Option<Markup>)]) -> Markup {
    html! {
        dl class="facts" {
            @for (name, value) in rows.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A large figure with what it is.
pub fn figure(value: impl Render, name: &str, about: impl Render) -> Markup {
    html! { div class="figure" { dt { (name) } dd { strong { (value) } span { (about) } } } }
}
