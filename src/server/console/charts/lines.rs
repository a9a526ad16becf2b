//! What the snapshots hold against what they take, over time.

use std::fmt::Write;

use jiff::Timestamp;
use maud::{Markup, html};

use super::bars::{grid, rounded};
use super::scale::{Frame, ticks};
use crate::server::console::parts::text::{exact, factor, size};
use crate::server::console::view::{Shell, UsagePoint};

const FRAME: Frame = Frame { width: 960.0, height: 260.0, left: 64.0, top: 12.0, bottom: 28.0 };

/// Two lines: logical and stored. Points are oldest first; of one there is nothing to draw.
pub fn lines(shell: &Shell, points: &[UsagePoint]) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    let most = points.iter().map(|point| point.logical.max(point.stored)).max().unwrap_or(0);
    let (top, marks) = ticks(most);
    let span = (last.at.as_second() - first.at.as_second()).max(1) as f64;
    let x = |at: Timestamp| FRAME.x((at.as_second() - first.at.as_second()) as f64, span);
    let words = format!(
        "Since {}: snapshots of {} take {} now, {} less than whole copies would",
        exact(shell, first.at),
        size(last.logical),
        size(last.stored),
        factor(last.logical, last.stored)
    );
    let logical = path(points, &x, |point| FRAME.y(point.logical, top));
    let stored = path(points, &x, |point| FRAME.y(point.stored, top));
    let floor = FRAME.height - FRAME.bottom;
    let area = |line: &str| format!("{line}L{},{floor}L{},{floor}Z", rounded(x(last.at)), rounded(x(first.at)));
    html! {
        figure class="plot" {
            figcaption { span class="key logical" { "Logical: all snapshots as whole copies" } span class="key stored" { "Stored" } }
            div role="img" aria-label=(words) {
                svg viewBox={ "0 0 " (FRAME.width) " " (FRAME.height) } aria-hidden="true" {
                    (grid(FRAME, top, &marks))
                    path class="area logical" d=(area(&logical)) {}
                    path class="area stored" d=(area(&stored)) {}
                    path class="line logical" d=(logical) {}
                    path class="line stored" d=(stored) {}
                    (days(shell, first.at, last.at, &x))
                    @for point in points {
                        rect class="hit" x=(rounded(x(point.at) - 4.0)) width="8" y=(FRAME.top) height=(floor - FRAME.top)
                            data-tip={ (exact(shell, point.at)) "\nlogical " (size(point.logical)) "\nstored " (size(point.stored)) " (" (factor(point.logical, point.stored)) ")" } {}
                    }
                }
            }
            (table(shell, points))
        }
    }
}

fn path(points: &[UsagePoint], x: &dyn Fn(Timestamp) -> f64, y: impl Fn(&UsagePoint) -> f64) -> String {
    let mut out = String::new();
    for (at, point) in points.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        // Writing into a string cannot fail.
        _ = write!(out, "{letter}{},{}", rounded(x(point.at)), rounded(y(point)));
    }
    out
}

/// Dates below the plot: its ends and its middle.
fn days(shell: &Shell, first: Timestamp, last: Timestamp, x: &dyn Fn(Timestamp) -> f64) -> Markup {
    let middle = Timestamp::from_second(first.as_second().midpoint(last.as_second())).unwrap_or(last);
    let marks = [(first, "start"), (middle, "middle"), (last, "end")];
    html! {
        @for (at, anchor) in marks {
            text class="axis" x=(rounded(x(at))) y=(FRAME.height - 8.0) text-anchor=(anchor) {
                (at.to_zoned(shell.zone.clone()).strftime("%-d %b %Y").to_string())
            }
        }
    }
}

fn table(shell: &Shell, points: &[UsagePoint]) -> Markup {
    html! {
        details {
            summary { "The same as a table" }
            div class="scroll" tabindex="0" role="region" aria-label="Logical and stored over time" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" class="number" { "Logical" } th scope="col" class="number" { "Stored" } th scope="col" class="number" { "Saved" } } }
                    tbody {
                        @for point in points.iter().rev() {
                            tr {
                                td { (exact(shell, point.at)) }
                                td class="number" { (size(point.logical)) }
                                td class="number" { (size(point.stored)) }
                                td class="number" { (factor(point.logical, point.stored)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
