//! The “…” menu of a row.

use maud::{Markup, html};

use super::basics::icon;

/// What a menu offers.
pub enum Item<'a> {
    /// Opens in the dialog of the page, or as a page.
    Dialog(&'a str, &'a str, String),
    /// Goes to a page.
    Page(&'a str, &'a str, String),
    /// As a dialog, and takes something away.
    Danger(&'a str, &'a str, String),
    /// A line between two groups.
    Line,
}

/// A button that opens a menu. `id` is the menu's, unique on the page; `of` says whose it is. It is the browser's own
/// popover, so that it opens without a script; with one the arrow keys move in it.
pub fn menu(id: &str, of: &str, items: &[Item<'_>]) -> Markup {
    html! {
        button type="button" class="button quiet square" popovertarget=(id) aria-haspopup="menu" aria-label={ "Actions for " (of) } {
            (icon("more"))
        }
        div id=(id) popover class="menu" role="menu" aria-label={ "Actions for " (of) } {
            @for item in items {
                @match item {
                    Item::Dialog(name, words, href) => a role="menuitem" href=(href) data-dialog { (icon(name)) (words) },
                    Item::Page(name, words, href) => a role="menuitem" href=(href) { (icon(name)) (words) },
                    Item::Danger(name, words, href) => a role="menuitem" class="danger" href=(href) data-dialog { (icon(name)) (words) },
                    Item::Line => hr role="separator";,
                }
            }
        }
    }
}
