//! Forms and their fields.

use maud::{Markup, Render, html};

use super::basics::{icon, said};
use crate::server::console::view::{Asked, Filled, Shell};

/// A form that is sent by POST, and what it says about itself.
pub struct Form<'a> {
    /// Where it is sent.
    pub action: &'a str,
    /// What was sent before, with what was wrong.
    pub filled: &'a Filled,
    /// What its button says.
    pub submit: &'a str,
    /// `primary` or `danger`.
    pub tone: &'a str,
    /// Where “Cancel” leads, where it is a page.
    pub back: &'a str,
}

impl Form<'_> {
    /// The form with its fields. In a dialog what comes back is put into the dialog.
    pub fn render(&self, shell: &Shell, fields: Markup) -> Markup {
        let post = (shell.asked == Asked::Dialog).then_some(self.action);
        html! {
            form class="form" method="post" action=(self.action) hx-post=[post] hx-target=[post.map(|_| "#dialog-body")]
                hx-disabled-elt=[post.map(|_| "find button[type=submit]")] hx-disinherit=[post.map(|_| "*")] {
                (hidden(shell))
                @if let Some(error) = self.filled.error("") { (said("bad", error)) }
                (fields)
                div class="buttons" {
                    a class="button" href=(self.back) data-close { "Cancel" }
                    button type="submit" class={ "button " (self.tone) } { (self.submit) }
                }
            }
        }
    }
}

/// What every form carries.
pub fn hidden(shell: &Shell) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(shell.csrf);
        input type="hidden" name="form_key" value=(shell.form_key);
    }
}

/// A form that is only a button.
pub fn button(shell: &Shell, action: &str, class: &str, icon_name: Option<&str>, words: &str) -> Markup {
    html! {
        form method="post" action=(action) class="inline" {
            (hidden(shell))
            button type="submit" class={ "button " (class) } {
                @if let Some(name) = icon_name { (icon(name)) }
                (words)
            }
        }
    }
}

/// A field: its name, its label, what it is for.
pub struct Field<'a> {
    /// As it is sent.
    pub name: &'a str,
    /// Its own id, where a page has two of that name; else empty.
    pub id: &'a str,
    /// As it is called.
    pub label: &'a str,
    /// What is to be known of it.
    pub hint: &'a str,
    /// Whether it may be left empty.
    pub optional: bool,
}

impl Field<'_> {
    fn id(&self) -> &str {
        if self.id.is_empty() { self.name } else { self.id }
    }

    fn wrap(&self, filled: &Filled, input: Markup) -> Markup {
        html! {
            div class="field" {
                label for=(self.id()) {
                    (self.label)
                    @if self.optional { span class="quiet" { " optional" } }
                }
                (input)
                @if !self.hint.is_empty() { p class="hint" id={ (self.id()) "-hint" } { (self.hint) } }
                @if let Some(error) = filled.error(self.name) { p class="error" id={ (self.id()) "-error" } { (icon("alert")) (error) } }
            }
        }
    }

    fn described(&self, filled: &Filled) -> Option<String> {
        let mut ids = Vec::new();
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.id()));
        }
        if filled.error(self.name).is_some() {
            ids.push(format!("{}-error", self.id()));
        }
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// A line of text. `kind`: `text`, `email`, `password` (the reader's own), `new-password` (one that is set), `number`,
    /// `date`, `time`.
    pub fn line(&self, filled: &Filled, kind: &str, default: &str) -> Markup {
        let value = filled.value(self.name).unwrap_or(default);
        let (kind, complete) = match kind {
            "password" => ("password", "current-password"),
            "new-password" => ("password", "new-password"),
            "email" => ("email", "username"),
            other => (other, "off"),
        };
        let input = html! {
            input id=(self.id()) name=(self.name) type=(kind) value=[(kind != "password").then_some(value)]
                required[!self.optional] autocomplete=(complete) aria-describedby=[self.described(filled)]
                aria-invalid=[filled.error(self.name).map(|_| "true")] min=[(kind == "number").then_some("1")];
        };
        self.wrap(filled, input)
    }

    /// The word RESTORE, or another, which has to be typed.
    pub fn typed(&self, filled: &Filled, word: &str) -> Markup {
        let input = html! {
            input id=(self.id()) name=(self.name) type="text" required pattern=(word) autocomplete="off" autocapitalize="off"
                spellcheck="false" class="typed" data-typed=(word) aria-describedby=[self.described(filled)]
                aria-invalid=[filled.error(self.name).map(|_| "true")] title={ "Type " (word) };
        };
        self.wrap(filled, input)
    }

    /// One of several. Choices: value, words.
    pub fn select(&self, filled: &Filled, default: &str, choices: &[(&str, String)]) -> Markup {
        let chosen = filled.value(self.name).unwrap_or(default);
        let input = html! {
            select id=(self.id()) name=(self.name) aria-describedby=[self.described(filled)] {
                @for (value, words) in choices { option value=(value) selected[*value == chosen] { (words) } }
            }
        };
        self.wrap(filled, input)
    }
}

/// A box to tick, with what it means.
pub fn tick(name: &str, value: &str, ticked: bool, label: impl Render, hint: &str) -> Markup {
    let id = format!("{name}-{value}");
    html! {
        div class="tick" {
            input type="checkbox" id=(id) name=(name) value=(value) checked[ticked] aria-describedby=[(!hint.is_empty()).then(|| format!("{id}-hint"))];
            div {
                label for=(id) { (label) }
                @if !hint.is_empty() { p class="hint" id={ (id) "-hint" } { (hint) } }
            }
        }
    }
}

/// One of several to choose, each with what it means.
pub fn choice(name: &str, value: &str, chosen: bool, label: impl Render, hint: &str) -> Markup {
    let id = format!("{name}-{value}");
    html! {
        div class="tick" {
            input type="radio" id=(id) name=(name) value=(value) checked[chosen] aria-describedby=[(!hint.is_empty()).then(|| format!("{id}-hint"))];
            div {
                label for=(id) { (label) }
                @if !hint.is_empty() { p class="hint" id={ (id) "-hint" } { (hint) } }
            }
        }
    }
}
