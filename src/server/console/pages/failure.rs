//! What is shown where there is nothing to show.

use maud::{Markup, html};

use crate::server::console::layout::{outside, page, panel};
use crate::server::console::link;
use crate::server::console::parts::basics::{notice, said};
use crate::server::console::view::{Asked, Section, Shell, Theme};

/// What went wrong: its HTTP status, what it was, and the request's id, by which the log has more.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what to do, in a line.
    pub message: String,
    /// The request's id.
    pub request: Option<String>,
}

impl Failure {
    fn title(&self) -> &'static str {
        match self.status {
            401 => "Sign in first",
            403 => "Not yours to do",
            404 => "Not found",
            409 => "Not now",
            410 => "Gone",
            413 => "Too large",
            429 => "Too many requests",
            400..500 => "Not done",
            _ => "Something went wrong",
        }
    }

    fn body(&self) -> Markup {
        html! {
            p { (self.message) }
            @if let Some(request) = &self.request { p class="quiet" { "Request " code { (request) } } }
        }
    }
}

/// For someone who is signed in.
pub fn failure(shell: &Shell, section: Section, failure: &Failure) -> Markup {
    let title = failure.title();
    match shell.asked {
        Asked::Dialog => panel(shell, section, title, html! { div class="form" { (said("bad", failure.body())) } }),
        Asked::Page => page(
            shell,
            section,
            title,
            html! {
                section class="panel narrow" {
                    h1 { (title) }
                    (notice("bad", failure.body()))
                    p { a class="button" href=(link::HOME) { "Back to the instances" } }
                }
            },
        ),
    }
}

/// For someone who is not.
pub fn outside_failure(theme: Theme, failure: &Failure) -> Markup {
    let title = failure.title();
    outside(
        theme,
        title,
        html! { section class="panel" { h1 { (title) } (failure.body()) p { a class="button" href="/console" { "To the console" } } } },
    )
}
