//! The frame around every page.

use maud::{DOCTYPE, Markup, html};

use super::assets::href;
use super::link;
use super::parts::basics::{icon, said};
use super::parts::field::{button, hidden};
use super::view::{Asked, Section, Shell, Theme};

/// What htmx may do: no code in pages, no style of its own, nothing kept, and refused forms are shown with their errors.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0,"refreshOnHistoryMiss":true,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;

type Entry = (Section, &'static str, &'static str, &'static str);

const NAV: [&[Entry]; 2] = [
    &[
        (Section::Instances, "database", "Instances", "/console/instances"),
        (Section::Backups, "layers", "All backups", "/console/snapshots"),
        (Section::Jobs, "jobs", "Jobs", "/console/jobs"),
        (Section::Exports, "download", "Exports", "/console/exports"),
        (Section::Usage, "usage", "Usage", "/console/usage"),
    ],
    &[
        (Section::Plans, "plan", "Plans", "/console/plans"),
        (Section::Users, "users", "Users", "/console/users"),
        (Section::Tokens, "key", "Tokens", "/console/tokens"),
        (Section::Audit, "audit", "Audit", "/console/audit"),
        (Section::Account, "account", "Account", "/console/account"),
    ],
];

/// A page of someone who is signed in.
pub fn page(shell: &Shell, here: Section, title: &str, body: Markup) -> Markup {
    let inner = html! {
        a class="skip" href="#main" { "Skip to content" }
        header class="topbar" {
            button type="button" class="button quiet square" popovertarget="nav" aria-label="Menu" { (icon("menu")) }
            a class="brand" href=(link::HOME) { (mark()) span { "Snaphold" } }
        }
        nav id="nav" class="side" popover aria-label="Console" {
            a class="brand" href=(link::HOME) { (mark()) span { "Snaphold" } }
            div id="places" { (nav(shell, here)) }
            (foot(shell))
        }
        main id="main" tabindex="-1" {
            @if let Some(notice) = &shell.notice { (said("ok", notice)) }
            (body)
        }
        dialog id="dialog" aria-labelledby="dialog-title" { div id="dialog-body" {} }
        div id="said" class="unseen" role="status" aria-live="polite" {}
    };
    document(shell.theme, title, Some(shell.running > 0), inner)
}

/// A page of its own, or what goes into a dialog: a form, mostly.
pub fn panel(shell: &Shell, here: Section, title: &str, body: Markup) -> Markup {
    match shell.asked {
        Asked::Page => page(shell, here, title, html! { section class="panel narrow" { h1 { (title) } (body) } }),
        Asked::Dialog => html! {
            header class="dialog-head" {
                h2 id="dialog-title" { (title) }
                form method="dialog" { button class="button quiet square" aria-label="Close" { (icon("close")) } }
            }
            (body)
        },
    }
}

/// A page of someone who is not signed in.
pub fn outside(theme: Theme, title: &str, body: Markup) -> Markup {
    let inner = html! {
        main id="main" class="outside" {
            a class="brand" href="/console" { (mark()) span { "Snaphold" } }
            (body)
        }
    };
    document(theme, title, None, inner)
}

/// `is_live`: whether jobs run; `None` where nobody is signed in.
fn document(theme: Theme, title: &str, is_live: Option<bool>, inner: Markup) -> Markup {
    let chosen = (theme != Theme::Auto).then(|| theme.as_str());
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[chosen] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · Snaphold" }
                link rel="icon" type="image/svg+xml" href=(href("favicon.svg"));
                link rel="stylesheet" href=(href("console.css"));
                script src=(href("htmx.js")) defer {}
                script src=(href("console.js")) defer {}
                @if is_live == Some(true) { noscript { meta http-equiv="refresh" content="10"; } }
            }
            body data-events=[is_live.map(|_| "/v1/events")] { (inner) }
        }
    }
}

fn mark() -> Markup {
    html! { svg class="mark" aria-hidden="true" { use href={ (href("icons.svg")) "#mark" } {} } }
}

fn nav(shell: &Shell, here: Section) -> Markup {
    html! {
        @for group in NAV {
            ul {
                @for (section, name, words, address) in group {
                    li {
                        a href=(address) aria-current=[(*section == here).then_some("page")] {
                            (icon(name)) span { (words) }
                            @if *section == Section::Jobs && shell.running > 0 {
                                span class="pill" title="running or waiting" { (shell.running) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn foot(shell: &Shell) -> Markup {
    let themes =
        [(Theme::Auto, "auto", "As the system"), (Theme::Light, "sun", "Light"), (Theme::Dark, "moon", "Dark")];
    html! {
        div class="foot" {
            form method="post" action="/console/theme" {
                (hidden(shell))
                div class="themes" role="group" aria-label="Colours" {
                    @for (theme, name, words) in themes {
                        button type="submit" name="theme" value=(theme.as_str()) aria-label=(words) title=(words)
                            aria-pressed=(if shell.theme == theme { "true" } else { "false" }) { (icon(name)) }
                    }
                }
            }
            div class="who" {
                div {
                    strong { (shell.account) }
                    span title=(shell.user) { (shell.user) }
                    span { (shell.role.as_str()) }
                }
                (button(shell, "/console/sign-out", "quiet", Some("out"), "Sign out"))
            }
        }
    }
}
