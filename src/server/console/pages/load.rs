//! Loading a dump: a file is uploaded, and overwrites an instance or becomes its first data.

use maud::{Markup, html};

use crate::server::console::layout::panel;
use crate::server::console::link;
use crate::server::console::parts::basics::{icon, notice, said};
use crate::server::console::parts::field::{Field, hidden, tick};
use crate::server::console::view::{Filled, InstanceRow, Section, Shell};

/// The page. With a script the file goes in pieces, and goes on where it was after a break.
pub fn load(shell: &Shell, row: &InstanceRow, filled: &Filled) -> Markup {
    let name = &row.view.name;
    let has_source = row.view.source.is_some();
    let body = html! {
        form class="form" method="post" enctype="multipart/form-data" action=(link::instance(name, "load")) data-upload=(format!("/v1/instances/{}/loads", link::encoded(name))) {
            (hidden(shell))
            @if let Some(error) = filled.error("") { (said("bad", error)) }
            p { "A dump in the form of the database's own tool, as it is or compressed: .dump, .sql, .tar, .gz, .zst. It becomes a snapshot of type load." }
            @if has_source { (notice("bad", html! { strong { "This overwrites all data of " (name) } " with what the file holds." })) }
            (Field { name: "description", id: "", label: "Description", hint: "", optional: true }.line(filled, "text", ""))
            @if has_source {
                (tick("safety", "yes", !filled.is_sent() || filled.has("safety", "yes"), "Take a safety snapshot first", "The state before can then be brought back"))
                (Field { name: "confirm", id: "", label: "Type RESTORE to confirm", hint: "", optional: false }.typed(filled, "RESTORE"))
            }
            div class="field" {
                label for="file" { "File" }
                // The last field: what can be refused is known before the file comes.
                input id="file" name="file" type="file" required;
            }
            div class="notice bad" role="alert" tabindex="-1" data-part="wrong" hidden { (icon("alert")) div data-part="words" {} }
            div class="progress large" data-part="upload" hidden {
                div class="row" { strong data-part="stage" { "Uploading" } span data-part="percent" {} }
                progress max="100" value="0" aria-label="Upload" {}
                div class="row quiet" { span data-part="amount" {} button type="button" class="button quiet" data-part="pause" { "Pause" } }
            }
            div class="buttons" {
                a class="button" href=(link::instance(name, "")) { "Cancel" }
                button type="submit" class={ "button " (if has_source { "danger" } else { "primary" }) } { "Load" }
            }
        }
    };
    panel(shell, Section::Instances, &format!("Load a dump into {name}"), body)
}
