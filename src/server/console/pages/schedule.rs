//! An instance's own policy: days, hours, window, time zone, retention.

use maud::{Markup, html};

use super::instance::tab;
use crate::server::actions::policies::{Policy, PolicyRules, Run, Words};
use crate::server::console::link;
use crate::server::console::parts::basics::{badge, empty, facts, icon, notice, said, status};
use crate::server::console::parts::field::{Field, button, choice, hidden};
use crate::server::console::parts::text::{ago, days, relative};
use crate::server::console::view::{Filled, InstanceRow, Shell};
use crate::service::parse_duration;

const DAY_NS: i64 = 86_400 * 1_000_000_000;

const DAYS: [(&str, &str); 7] =
    [("mon", "Mon"), ("tue", "Tue"), ("wed", "Wed"), ("thu", "Thu"), ("fri", "Fri"), ("sat", "Sat"), ("sun", "Sun")];

/// The Schedule tab. `zones` are the time zones that a browser offers to complete.
pub fn schedule(shell: &Shell, row: &InstanceRow, view: &Policy, zones: &[String], filled: &Filled) -> Markup {
    let name = &row.view.name;
    let body = html! {
        @if !row.has_snapshots {
            (empty("calendar", "Nothing can be scheduled", html! { "Plan “" (row.view.plan) "” has no backups." }, html! { a class="button" href=(link::instance(name, "settings")) { "Choose another plan" } }))
        } @else {
            div class="columns wide-left" {
                section class="panel" { h2 { "When" } (form(shell, name, view, zones, filled)) }
                div { (now(shell, name, view)) }
            }
        }
    };
    tab(shell, row, "schedule", body)
}

/// What counts now, and what comes of it.
fn now(shell: &Shell, name: &str, view: &Policy) -> Markup {
    let is_on = view.policy.as_ref().is_some_and(|policy| policy.enabled);
    let origin = match view.origin.as_str() {
        "own" => "its own schedule",
        "plan" => "the schedule of its plan",
        _ => "no schedule",
    };
    html! {
        section class="panel" {
            header class="row" { h2 { "Next" } (if is_on { badge("ok", "On") } else { badge("calm", "Off") }) }
            p class="quiet" { "It follows " (origin) @if view.origin == "plan" { " “" (view.plan) "”" } "." }
            @if is_on && !view.next.is_empty() {
                ol class="slots" { @for slot in &view.next { li { strong { (slot.local) } span class="quiet" { (relative(shell.now, slot.due_at)) } } } }
            } @else {
                p { "No snapshot is taken by itself." }
            }
            @for note in &view.notes { (notice("calm", note)) }
            @if shell.may_operate() {
                div class="actions" {
                    @if is_on { (button(shell, &link::instance(name, "schedule/off"), "", None, "Switch off")) }
                    @else if view.policy.is_some() { (button(shell, &link::instance(name, "schedule/on"), "primary", None, "Switch on")) }
                    @if view.origin == "own" { (button(shell, &link::instance(name, "schedule/plan"), "", None, "Follow the plan instead")) }
                }
            }
        }
        @if let Some(last) = &view.last { (last_run(shell, last)) }
    }
}

fn last_run(shell: &Shell, last: &Run) -> Markup {
    let word = match last.status.as_str() {
        "done" => status("completed"),
        "failed" => status("failed"),
        "running" => status("in_progress"),
        other => badge("warn", other),
    };
    html! {
        section class="panel" {
            header class="row" { h2 { "Last" } (word) }
            (facts(&[
                ("Begun", Some(ago(shell, last.began_at))),
                ("Because", last.due_at.is_none().then(|| html! { "the instance was new, or its system had changed" })),
                ("Tried", (last.attempts > 1).then(|| html! { (last.attempts) " times" })),
                ("Snapshot", last.snapshot.as_ref().map(|id| html! { a href=(link::snapshot(id, "")) { code { (id) } } })),
                ("Reason", last.reason.as_ref().map(|reason| html! { (reason) })),
            ]))
        }
    }
}

fn form(shell: &Shell, name: &str, view: &Policy, zones: &[String], filled: &Filled) -> Markup {
    let policy = view.policy.clone().unwrap_or_else(daily);
    let hours = filled.value("hours").unwrap_or_else(|| hours_word(&policy.hours));
    let (begin, end) = policy.window.as_deref().and_then(|window| window.split_once('-')).unwrap_or(("", ""));
    let kept = kept_ns(&policy).map(|retain| (retain / DAY_NS).max(1).to_string()).unwrap_or_default();
    html! {
        form class="form" method="post" action=(link::instance(name, "schedule")) {
            (hidden(shell))
            @if let Some(error) = filled.error("") { (said("bad", error)) }
            fieldset class="pills" {
                legend { "Days" }
                @for (day, words) in DAYS { (pill("days", day, words, ticked_day(filled, &policy, day))) }
            }
            fieldset class="hours" {
                legend { "Hours" }
                (choice("hours", "once", hours == "once", "Once a day", "At a time within the window that spreads the load"))
                (choice("hours", "every", hours == "every", "Every hour", "At each hour of the window"))
                (choice("hours", "at", hours == "at", "At these hours", ""))
                div class="pills grid" role="group" aria-label="Hours of the day" {
                    @for hour in 0..24_u8 { (pill("hour", &hour.to_string(), &format!("{hour:02}"), ticked_hour(filled, &policy, hour))) }
                }
            }
            fieldset class="window" {
                legend { "Window" }
                p class="hint" { "Snapshots begin only within it. It may pass midnight; empty, the whole day counts." }
                div class="row" {
                    (Field { name: "window_begin", id: "", label: "From", hint: "", optional: true }.line(filled, "time", begin))
                    (Field { name: "window_end", id: "", label: "To", hint: "", optional: true }.line(filled, "time", if end == "24:00" { "00:00" } else { end }))
                }
            }
            (zone(&policy, zones, filled))
            (Field { name: "retention_days", id: "", label: "Keep for so many days", hint: &kept_hint(view), optional: true }.line(filled, "number", &kept))
            p class="hint" { "A change touches only new snapshots: those that are there keep the expiry that they were given." }
            @if shell.may_operate() {
                div class="buttons" { button type="submit" class="button primary" { (if view.origin == "own" { "Save schedule" } else { "Give it this schedule" }) } }
            }
        }
    }
}

/// What a policy is that nobody has set: once a day, at any time.
fn daily() -> PolicyRules {
    let every = || Words::One("every".into());
    let hours = Words::One("once".into());
    PolicyRules { enabled: true, days: every(), hours, window: None, timezone: "UTC".into(), retain: None }
}

fn kept_ns(policy: &PolicyRules) -> Option<i64> {
    policy.retain.as_deref().and_then(|retain| parse_duration(retain).ok())
}

fn kept_hint(view: &Policy) -> String {
    let now = view.policy.as_ref().and_then(kept_ns).map(|retain| format!("; now {}", days(retain)));
    format!("Without a number, as plan {} says{}", view.plan, now.unwrap_or_default())
}

fn zone(policy: &PolicyRules, zones: &[String], filled: &Filled) -> Markup {
    let value = filled.value("timezone").unwrap_or(&policy.timezone);
    html! {
        div class="field" {
            label for="timezone" { "Time zone" }
            input id="timezone" name="timezone" type="text" value=(value) list="zones" autocomplete="off" spellcheck="false" aria-describedby="timezone-hint";
            datalist id="zones" { @for name in zones { option value=(name) {} } }
            p class="hint" id="timezone-hint" { "Whose clock counts, with its daylight saving: Europe/Paris" }
            @if let Some(error) = filled.error("timezone") { p class="error" { (icon("alert")) (error) } }
        }
    }
}

fn hours_word(hours: &Words) -> &str {
    match hours {
        Words::One(word) if word == "once" || word == "every" => word,
        _ => "at",
    }
}

fn ticked_day(filled: &Filled, policy: &PolicyRules, day: &str) -> bool {
    match (filled.is_sent(), &policy.days) {
        (true, _) => filled.has("days", day),
        (false, Words::One(word)) => word == "every" || word.split(',').any(|name| name == day),
        (false, Words::Names(names)) => names.iter().any(|name| name == day),
        (false, Words::Numbers(_)) => false,
    }
}

fn ticked_hour(filled: &Filled, policy: &PolicyRules, hour: u8) -> bool {
    match (filled.is_sent(), &policy.hours) {
        (true, _) => filled.has("hour", &hour.to_string()),
        (false, Words::Numbers(hours)) => hours.contains(&hour),
        (false, _) => false,
    }
}

fn pill(name: &str, value: &str, words: &str, ticked: bool) -> Markup {
    let id = format!("{name}-{value}");
    html! {
        span class="pick" {
            input type="checkbox" id=(id) name=(name) value=(value) checked[ticked];
            label for=(id) { (words) }
        }
    }
}
