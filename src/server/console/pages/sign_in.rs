//! Signing in.

use maud::{Markup, html};

use crate::server::console::layout::outside;
use crate::server::console::parts::basics::said;
use crate::server::console::parts::field::Field;
use crate::server::console::view::{Filled, Theme};

/// What the page has to know.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// What the form carries, so that no other site can send it.
    pub csrf: String,
    /// Where to go afterwards.
    pub next: String,
    /// What was sent before, with what was wrong.
    pub filled: Filled,
    /// What to know first: that one was signed out, say.
    pub notice: Option<String>,
}

/// The page: by e-mail address and password, or by a token.
pub fn page(theme: Theme, sign_in: &SignIn) -> Markup {
    let filled = &sign_in.filled;
    let token = Field {
        name: "token",
        label: "Token",
        hint: "Such as the one that the service printed when it first started",
        optional: true,
    };
    let email = Field { name: "email", label: "E-mail address", hint: "", optional: false };
    let password = Field { name: "password", label: "Password", hint: "", optional: false };
    let hidden = html! {
        input type="hidden" name="csrf" value=(sign_in.csrf);
        input type="hidden" name="next" value=(sign_in.next);
    };
    let body = html! {
        section class="panel" {
            h1 { "Sign in" }
            @if let Some(notice) = &sign_in.notice { (said("ok", notice)) }
            @if let Some(error) = filled.error("") { (said("bad", error)) }
            form class="form" method="post" action="/console/sign-in" {
                (hidden)
                (email.line(filled, "email", ""))
                (password.line(filled, "password", ""))
                div class="buttons" { button type="submit" class="button primary wide" { "Sign in" } }
            }
            details open[filled.error("token").is_some()] {
                summary { "Sign in with a token instead" }
                form class="form" method="post" action="/console/sign-in" {
                    (hidden)
                    (token.line(filled, "password", ""))
                    div class="buttons" { button type="submit" class="button wide" { "Sign in with the token" } }
                }
            }
        }
    };
    outside(theme, "Sign in", body)
}
