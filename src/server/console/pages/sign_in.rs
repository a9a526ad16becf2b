//! Signing in.

use maud::{Markup, html};

use crate::server::console::layout::outside;
use crate::server::console::parts::basics::said;
use crate::server::console::parts::field::Field;
use crate::server::console::view::{Filled, Theme};

/// What the page has to know.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// Where to go afterwards.
    pub next: String,
    /// What was sent before, with what was wrong.
    pub filled: Filled,
    /// What to know first: that one was signed out, say.
    pub notice: Option<String>,
    /// Whether a user is being made with a token.
    pub is_first: bool,
}

/// The page: by e-mail address and password; or a user is made with a token first.
pub fn page(theme: Theme, sign_in: &SignIn) -> Markup {
    let filled = &sign_in.filled;
    let token = Field {
        name: "token",
        id: "",
        label: "Token",
        hint: "Such as the one that the service printed when it first started",
        optional: true,
    };
    let first_email =
        Field { name: "email", id: "first-email", label: "Your e-mail address", hint: "", optional: false };
    let first_password = Field {
        name: "password",
        id: "first-password",
        label: "A new password",
        hint: "10 characters at least",
        optional: false,
    };
    let email = Field { name: "email", id: "", label: "E-mail address", hint: "", optional: false };
    let password = Field { name: "password", id: "", label: "Password", hint: "", optional: false };
    let hidden = html! {
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
            details open[sign_in.is_first] {
                summary { "First time here?" }
                p class="hint" { "With the token that the service printed when it first started, or another that administers an account, you make yourself a user: its owner." }
                form class="form" method="post" action="/console/sign-in" {
                    (hidden)
                    (token.line(filled, "password", ""))
                    (first_email.line(filled, "email", filled.value("email").unwrap_or_default()))
                    (first_password.line(filled, "new-password", ""))
                    div class="buttons" { button type="submit" class="button wide" { "Make the user, and sign in" } }
                }
            }
        }
    };
    outside(theme, "Sign in", body)
}
