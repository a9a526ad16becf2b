//! The size of each snapshot, and what it added.

use maud::{Markup, html};

use super::scale::{Frame, label, ticks};
use crate::server::actions::snapshots::Snapshot;
use crate::server::console::link;
use crate::server::console::parts::text::{exact, kind, size};
use crate::server::console::view::Shell;

const SIZES: Frame = Frame { width: 960.0, height: 150.0, left: 64.0, top: 10.0, bottom: 8.0 };
const ADDED: Frame = Frame { width: 960.0, height: 96.0, left: 64.0, top: 10.0, bottom: 8.0 };

/// Bars for completed snapshots, oldest first.
pub fn bars(shell: &Shell, snapshots: &[&Snapshot]) -> Markup {
    let largest = snapshots.iter().map(|view| view.bytes_total).max().unwrap_or(0);
    let most = snapshots.iter().map(|view| view.bytes_stored).max().unwrap_or(0);
    let words =
        format!("Sizes of {} snapshots, up to {}; each added up to {}", snapshots.len(), size(largest), size(most));
    html! {
        figure class="plot" {
            figcaption { span class="key total" { "Size" } span class="key added" { "What it added" } }
            div role="img" aria-label=(words) {
                (panel(shell, snapshots, SIZES, "total", |view| view.bytes_total))
                (panel(shell, snapshots, ADDED, "added", |view| view.bytes_stored))
            }
            details {
                summary { "The same as a table" }
                div class="scroll" tabindex="0" role="region" aria-label="Sizes of snapshots" {
                    table {
                        thead { tr { th scope="col" { "Taken" } th scope="col" { "Type" } th scope="col" class="number" { "Size" } th scope="col" class="number" { "Added" } } }
                        tbody {
                            @for view in snapshots.iter().rev() {
                                tr {
                                    td { a href=(link::snapshot(&view.id, "")) { (exact(shell, view.created_at)) } }
                                    td { (kind(&view.kind)) }
                                    td class="number" { (size(view.bytes_total)) }
                                    td class="number" { (size(view.bytes_stored)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn panel(shell: &Shell, snapshots: &[&Snapshot], frame: Frame, class: &str, value: fn(&Snapshot) -> u64) -> Markup {
    let most = snapshots.iter().map(|view| value(view)).max().unwrap_or(0);
    let (top, lines) = ticks(most);
    let places = (snapshots.len() as f64).max(30.0);
    let step = frame.x(1.0, places) - frame.x(0.0, places);
    let gap = if step > 6.0 { 2.0 } else { 0.5 };
    html! {
        svg viewBox={ "0 0 " (frame.width) " " (frame.height) } class={ "bars " (class) } aria-hidden="true" {
            (grid(frame, top, &lines))
            @for (at, view) in snapshots.iter().enumerate() {
                @let y = frame.y(value(view), top).min(frame.height - frame.bottom - 1.0);
                rect class={ "bar " (view.kind) } x=(rounded(frame.x(at as f64, places))) width=(rounded(step - gap)) y=(rounded(y))
                    height=(rounded(frame.height - frame.bottom - y)) rx="1"
                    data-tip={ (exact(shell, view.created_at)) "\n" (kind(&view.kind)) " · " (size(view.bytes_total)) "\nadded " (size(view.bytes_stored)) } {}
            }
        }
    }
}

/// Lines across, with their labels.
pub fn grid(frame: Frame, top: u64, lines: &[u64]) -> Markup {
    html! {
        @for value in lines {
            @let y = rounded(frame.y(*value, top));
            line class="grid" x1=(frame.left) x2=(frame.width) y1=(y) y2=(y) {}
            text class="axis" x=(frame.left - 8.0) y=(y) dy="0.32em" text-anchor="end" { (label(*value)) }
        }
    }
}

/// A coordinate to a tenth.
pub fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
