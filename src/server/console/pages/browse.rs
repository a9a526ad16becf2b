//! What is in a snapshot: its files, or its tables and keys.

use maud::{Markup, html};

use crate::server::actions::inside::{DatabaseItem, FileItem};
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{empty, heading, icon};
use crate::server::console::parts::menu::{Item, menu};
use crate::server::console::parts::text::{count, exact, size};
use crate::server::console::view::{Contents, Section, Shell};

/// The page.
pub fn browse(shell: &Shell, view: &Snapshot, contents: &Contents) -> Markup {
    let title = exact(shell, view.created_at);
    let here = link::snapshot(&view.id, "browse");
    let body = html! {
        nav class="crumbs" aria-label="Where this is" {
            a href=(link::instance(&view.instance, "")) { (view.instance) } (icon("chevron"))
            a href=(link::snapshot(&view.id, "")) { (title) } (icon("chevron"))
        }
        (heading("What is in it", None, html! {}))
        @if contents.has_items {
            nav class="tabs" aria-label="What to show" {
                a href=(here) aria-current=[contents.by_items.then_some("page")] { "Tables and keys" }
                a href=(link::with_query(&here, &[("show", "files")])) aria-current=[(!contents.by_items).then_some("page")] { "Files" }
            }
        }
        @if contents.by_items { (items(shell, view, &contents.items.items)) }
        @else { (files(shell, view, &here, contents)) }
        @if let Some(next) = &contents.items.next {
            @let show = if contents.by_items { "" } else { "files" };
            nav class="pages" aria-label="Pages" {
                a class="button" rel="next" href=(link::with_query(&here, &[("show", show), ("path", &contents.path), ("after", next)])) { "More" (icon("chevron")) }
            }
        }
    };
    page(shell, Section::Backups, &format!("{} · {title} · contents", view.instance), body)
}

fn items(shell: &Shell, view: &Snapshot, items: &[DatabaseItem]) -> Markup {
    html! {
        @if items.is_empty() { (empty("table", "The database is empty", "It has no table and no key.", html! {})) }
        @else {
            table class="list" {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" class="number" { "Rows" } th scope="col" class="number" { "Size" } th scope="col" { span class="unseen" { "Actions" } } } }
                tbody {
                    @for (at, item) in items.iter().enumerate() {
                        tr {
                            th scope="row" class="lead" { span class="name" { (icon(if item.kind == "key" { "key" } else { "table" })) (item.name) } @if let Some(component) = &item.component { span class="sub" { (component) } } }
                            td data-label="Kind" { (item.kind) }
                            td data-label="Rows" class="number" { @if let Some(rows) = item.rows { (count(rows)) } @else { span class="quiet" { "–" } } }
                            td data-label="Size" class="number" { (size(item.bytes)) }
                            td class="act" {
                                @if shell.may_operate() {
                                    @let query = [("item", format!("{}={}", item.kind, item.name)), ("component", item.component.clone().unwrap_or_default())];
                                    @let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
                                    (menu(&format!("item-{at}"), &item.name, &[Item::Dialog("download", "Export it alone…", link::with_query(&link::snapshot(&view.id, "export"), &query))]))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn files(shell: &Shell, view: &Snapshot, here: &str, contents: &Contents) -> Markup {
    let to = |path: &str| link::with_query(here, &[("show", "files"), ("path", path)]);
    let parts: Vec<&str> = contents.path.split('/').filter(|part| !part.is_empty()).collect();
    html! {
        nav class="path" aria-label="Folder" {
            a href=(to("")) { "Top" }
            @for (at, part) in parts.iter().enumerate() {
                " / " a href=(to(&parts.get(..=at).unwrap_or_default().join("/"))) { (part) }
            }
        }
        @if contents.items.files.is_empty() { (empty("folder", "The folder is empty", "There is nothing in it.", html! {})) }
        @else {
            table class="list" {
                thead { tr { th scope="col" { "Name" } th scope="col" class="number" { "Size" } th scope="col" { "Changed" } th scope="col" { "Mode" } th scope="col" { span class="unseen" { "Actions" } } } }
                tbody { @for (at, entry) in contents.items.files.iter().enumerate() { (line(shell, view, (at, entry), &to)) } }
            }
        }
    }
}

fn line(shell: &Shell, view: &Snapshot, (at, entry): (usize, &FileItem), to: &dyn Fn(&str) -> String) -> Markup {
    let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
    let is_folder = entry.state.kind == "directory";
    html! {
        tr {
            th scope="row" class="lead" {
                span class="name" {
                    (icon(if is_folder { "folder" } else { "file" }))
                    @if is_folder { a href=(to(&entry.path)) { (name) } } @else { (name) }
                }
                @if let Some(target) = &entry.state.target { span class="sub" { "→ " (target) } }
                @if let Some(reason) = &entry.state.reason { span class="sub reason" { "not read: " (reason) } }
            }
            td data-label="Size" class="number" { (size(entry.state.size)) }
            td data-label="Changed" { (exact(shell, entry.state.mtime)) }
            td data-label="Mode" { code { (format!("{:04o}", entry.state.mode)) } }
            td class="act" {
                @if shell.may_operate() {
                    (menu(&format!("file-{at}"), name, &[Item::Dialog("download", "Export it alone…", link::with_query(&link::snapshot(&view.id, "export"), &[("path", &entry.path), ("format", "tar.gz")]))]))
                }
            }
        }
    }
}
