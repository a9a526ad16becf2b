//! What is kept, and how little it takes: with plots.

use maud::{Markup, html};

use super::instance::tab;
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::charts::bars::bars;
use crate::server::console::charts::calendar::calendar;
use crate::server::console::charts::lines::lines;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{empty, figure, heading};
use crate::server::console::parts::text::{count, factor, percent, size};
use crate::server::console::view::{InstanceRow, InstanceUsage, Section, Shell, UsageView};

fn figures(usage: &UsageView) -> Markup {
    let saved = usage.logical.saturating_sub(usage.stored);
    html! {
        dl class="figures" {
            (figure(count(usage.snapshots), "Snapshots", "completed"))
            (figure(size(usage.logical), "Logical", "as whole copies"))
            (figure(size(usage.stored), "Stored", "what they take"))
            (figure(factor(usage.logical, usage.stored), "Saved", html! { (size(saved)) " less" }))
        }
    }
}

/// Of the account.
pub fn account(shell: &Shell, usage: &UsageView) -> Markup {
    let body = html! {
        (heading("Usage", None, html! {}))
        @if usage.snapshots == 0 {
            (empty("usage", "Nothing is kept yet", "Once there are snapshots, this shows what they hold and what they take.", html! { a class="button" href=(link::HOME) { "To the instances" } }))
        } @else {
            (figures(usage))
            @if usage.points.len() > 1 { section class="panel" { h2 { "Logical against stored" } (lines(shell, &usage.points)) } }
            section class="panel" { h2 { "Days with snapshots" } (calendar(&usage.days)) }
            section class="panel" { h2 { "By instance" } (by_instance(&usage.instances)) }
        }
    };
    page(shell, Section::Usage, "Usage", body)
}

fn by_instance(instances: &[InstanceUsage]) -> Markup {
    html! {
        table class="list" {
            thead { tr { th scope="col" { "Instance" } th scope="col" class="number" { "Snapshots" } th scope="col" class="number" { "Newest" } th scope="col" class="number" { "Logical" } th scope="col" class="number" { "Added" } th scope="col" class="number" { "Of logical" } } }
            tbody {
                @for instance in instances {
                    tr {
                        th scope="row" class="lead" { a class="name" href=(link::instance(&instance.name, "usage")) { (instance.name) } }
                        td data-label="Snapshots" class="number" { (count(instance.snapshots)) }
                        td data-label="Newest" class="number" { (size(instance.latest)) }
                        td data-label="Logical" class="number" { (size(instance.logical)) }
                        td data-label="Added" class="number" { (size(instance.added)) }
                        td data-label="Of logical" class="number" { (percent(instance.added, instance.logical)) }
                    }
                }
            }
        }
    }
}

/// Of one instance: `snapshots` are its completed ones, oldest first.
pub fn instance(shell: &Shell, row: &InstanceRow, usage: &UsageView, snapshots: &[&Snapshot]) -> Markup {
    let body = html! {
        @if snapshots.is_empty() {
            (empty("usage", "Nothing is kept yet", "Once there are snapshots, this shows their sizes, and the days without one.", html! {}))
        } @else {
            (figures(usage))
            section class="panel" { h2 { "Each snapshot" } (bars(shell, snapshots)) }
            @if usage.points.len() > 1 { section class="panel" { h2 { "Logical against stored" } (lines(shell, &usage.points)) } }
            section class="panel" { h2 { "Days with snapshots" } (calendar(&usage.days)) }
        }
    };
    tab(shell, row, "usage", body)
}
