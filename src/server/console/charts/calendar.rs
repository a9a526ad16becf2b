//! On which days there are snapshots, and where the gaps are.

use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use crate::server::console::parts::text::counted;
use crate::server::console::view::DayMark;

const CELL: i32 = 13;
const GAP: i32 = 3;
const LEFT: i32 = 34;
const TOP: i32 = 20;

/// The days since the first snapshot, and how many were before.
fn begun(days: &[DayMark]) -> (usize, &[DayMark]) {
    let before = days.iter().position(|mark| mark.completed + mark.failed > 0).unwrap_or(days.len());
    (before, days.get(before..).unwrap_or_default())
}

/// What happened on a day, as a class and in words.
fn told(mark: &DayMark, is_before: bool) -> (&'static str, String) {
    let snapshots = counted(u64::from(mark.completed), "snapshot", "snapshots");
    match (mark.completed, mark.failed) {
        (0, 0) if is_before => ("before", "before its first snapshot".into()),
        (0, 0) => ("gap", "no snapshot".into()),
        (0, failed) => ("failed", format!("none completed, {failed} failed")),
        (_, failed @ 1..) => ("mixed", format!("{snapshots}, {failed} failed")),
        (1..=3, 0) => ("some", snapshots),
        (_, 0) => ("many", snapshots),
    }
}

fn day(date: Date) -> String {
    date.strftime("%A, %-d %B %Y").to_string()
}

/// Totals in words, for those who do not see the plot.
fn summary(days: &[DayMark]) -> String {
    let (_, days) = begun(days);
    if days.is_empty() {
        return "No snapshot in these days".into();
    }
    let with = days.iter().filter(|mark| mark.completed > 0).count();
    let failed: u32 = days.iter().map(|mark| mark.failed).sum();
    let failures = if failed > 0 { format!("; {failed} failed") } else { String::new() };
    format!("Snapshots on {with} of the last {} days{failures}", days.len())
}

/// A small row of the last days, for a list.
pub fn strip(days: &[DayMark]) -> Markup {
    let width = days.len() * 6;
    let (before, _) = begun(days);
    html! {
        svg class="strip" viewBox={ "0 0 " (width) " 18" } width=(width) height="18" role="img" aria-label=(summary(days)) {
            @for (at, mark) in days.iter().enumerate() {
                @let (class, words) = told(mark, at < before);
                rect class={ "day " (class) } x=(at * 6) y="1" width="4" height="16" rx="1" data-tip={ (day(mark.date)) "\n" (words) } {}
            }
        }
    }
}

/// Weeks beside each other, Monday above. Days are oldest first, without gaps.
pub fn calendar(days: &[DayMark]) -> Markup {
    let Some(first) = days.first() else { return html! {} };
    let offset = i32::from(first.date.weekday().to_monday_zero_offset());
    let place = |at: usize| {
        let at = i32::try_from(at).unwrap_or(0) + offset;
        (LEFT + at / 7 * (CELL + GAP), TOP + at % 7 * (CELL + GAP))
    };
    let width = place(days.len()).0 + CELL;
    let (before, since) = begun(days);
    let gaps: Vec<&DayMark> = since.iter().filter(|mark| mark.completed == 0).collect();
    html! {
        figure class="plot calendar" {
            figcaption {
                span class="key some" { "1–3 a day" } span class="key many" { "more" } span class="key mixed" { "one failed" }
                span class="key failed" { "all failed" } span class="key gap" { "none" }
            }
            div class="scroll" tabindex="0" role="region" aria-label="Calendar of snapshots" {
                svg viewBox={ "0 0 " (width) " " (TOP + 7 * (CELL + GAP)) } width=(width) height=(TOP + 7 * (CELL + GAP)) role="img" aria-label=(summary(days)) {
                    @for (weekday, at) in [(Weekday::Monday, 0), (Weekday::Wednesday, 2), (Weekday::Friday, 4)] {
                        text class="axis" x="0" y=(TOP + at * (CELL + GAP) + 10) { (short(weekday)) }
                    }
                    @for (at, mark) in days.iter().enumerate() {
                        @let (x, y) = place(at);
                        @let (class, words) = told(mark, at < before);
                        @if mark.date.day() == 1 { text class="axis" x=(x) y="12" { (mark.date.strftime("%b").to_string()) } }
                        rect class={ "day " (class) } x=(x) y=(y) width=(CELL) height=(CELL) rx="3" data-tip={ (day(mark.date)) "\n" (words) } {}
                    }
                }
            }
            @if !gaps.is_empty() {
                details {
                    summary { (counted(gaps.len() as u64, "day", "days")) " without a completed snapshot" }
                    ul class="gaps" { @for mark in gaps { li { (day(mark.date)) ": " (told(mark, false).1) } } }
                }
            }
        }
    }
}

fn short(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => "Mon",
        Weekday::Wednesday => "Wed",
        _ => "Fri",
    }
}
