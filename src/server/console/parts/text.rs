//! Sizes, times and counts for people.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::server::console::view::Shell;
pub use crate::service::{format_count as count, format_size as size};

/// A count with its noun.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How many times as much the one is as the other.
pub fn factor(logical: u64, stored: u64) -> String {
    match stored {
        0 => "–".into(),
        _ => format!("{:.1}×", logical as f64 / stored as f64),
    }
}

/// A part of a whole in percent, to a tenth below ten.
pub fn percent(part: u64, whole: u64) -> String {
    let of = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    match of {
        0.0 => "0 %".into(),
        _ if of < 0.1 => "< 0.1 %".into(),
        _ if of < 10.0 => format!("{of:.1} %"),
        _ => format!("{of:.0} %"),
    }
}

/// A time to the minute, by the reader's clock.
pub fn exact(shell: &Shell, at: Timestamp) -> String {
    at.to_zoned(shell.zone.clone()).strftime("%-d %b %Y, %H:%M").to_string()
}

/// A time to the second, with the zone.
pub fn full(shell: &Shell, at: Timestamp) -> String {
    at.to_zoned(shell.zone.clone()).strftime("%A, %-d %B %Y, %H:%M:%S %Z").to_string()
}

/// A time as it stands to now, such as `3 hours ago`; the exact one is in its title.
pub fn ago(shell: &Shell, at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(full(shell, at)) { (relative(shell.now, at)) } }
}

/// A time to the minute; the exact one is in its title.
pub fn time(shell: &Shell, at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(full(shell, at)) { (exact(shell, at)) } }
}

/// How a time stands to now.
pub fn relative(now: Timestamp, at: Timestamp) -> String {
    let away = at.duration_since(now);
    let text = roughly(away.abs());
    match (text.as_str(), away.is_negative()) {
        ("0 seconds" | "1 second", _) => "just now".into(),
        (_, true) => format!("{text} ago"),
        (_, false) => format!("in {text}"),
    }
}

/// A length of time in its largest unit.
pub fn roughly(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    let (number, one) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        172_800..5_184_000 => (seconds / 86_400, "day"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// How long something took.
pub fn took(from: Timestamp, to: Timestamp) -> String {
    let length = to.duration_since(from);
    let (seconds, millis) = (length.as_secs().max(0), length.subsec_millis().max(0));
    match seconds {
        0..10 => format!("{seconds}.{} s", millis / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A length in nanoseconds as people say it: `14 days`.
pub fn days(nanoseconds: i64) -> String {
    let hours = nanoseconds / 3_600_000_000_000;
    match hours {
        _ if hours % 24 == 0 => counted((hours / 24).unsigned_abs(), "day", "days"),
        _ => counted(hours.unsigned_abs(), "hour", "hours"),
    }
}

/// A snapshot's type as people say it.
pub fn kind(kind: &str) -> &str {
    match kind {
        "on_demand" => "On demand",
        "scheduled" => "Scheduled",
        "load" => "Load",
        "safety" => "Safety",
        other => other,
    }
}

/// A status as people say it.
pub fn status(status: &str) -> &str {
    match status {
        "in_progress" => "In progress",
        "completed" => "Completed",
        "failed" => "Failed",
        "deleting" => "Deleted",
        "queued" => "Queued",
        "running" => "Running",
        "succeeded" => "Done",
        "cancelled" => "Cancelled",
        "preparing" => "Preparing",
        "ready" => "Ready",
        "expired" => "Expired",
        other => other,
    }
}

/// What a job does, as a title.
pub fn job(kind: &str) -> &str {
    match kind {
        "snapshot" => "Take snapshot",
        "load" => "Load a dump",
        "restore" => "Restore",
        "undo" => "Undo a restore",
        "export" => "Export",
        "clone" => "Create instance",
        "delete" => "Delete snapshot",
        "gc" => "Free space",
        "verify" => "Verify",
        "drill" => "Prove by a drill",
        "check" => "Check instance",
        "policy" => "Scheduled snapshot",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_well() {
        assert_eq!(
            [percent(0, 5), percent(1, 9_999), percent(1, 40), percent(1, 3)],
            ["0 %", "< 0.1 %", "2.5 %", "33 %"]
        );
        assert_eq!([factor(10, 4), factor(1, 0)], ["2.5×", "–"]);
    }

    #[test]
    fn times_stand_to_now() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let at = |text: &str| relative(now, text.parse().unwrap());
        assert_eq!(at("2026-03-01T12:00:00Z"), "just now");
        assert_eq!(at("2026-03-01T11:59:00Z"), "1 minute ago");
        assert_eq!(at("2026-02-28T12:00:00Z"), "24 hours ago");
        assert_eq!(at("2026-03-08T13:00:00Z"), "in 7 days");
    }
}
