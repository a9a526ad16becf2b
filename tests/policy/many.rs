//! A thousand policies of every kind, from one seed.

use snaphold::service::policy::{Policy, PolicyEdit, Spread};

use super::minutes::{Rule, Times};
use super::store::{below, next};

pub const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Europe/London",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "America/Havana",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "America/Santiago",
    "Pacific/Kiritimati",
];
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// An instance: the same policy in the model's words and in the library's.
#[derive(Debug, Clone)]
pub struct Case {
    pub zone: usize,
    pub rule: Rule,
    pub policy: Policy,
    pub spread: Spread,
}

/// One of them.
pub fn case(seed: &mut u64, number: usize) -> Case {
    let zone = below(seed, ZONES.len());
    let mut days = [true; 7];
    if below(seed, 2) == 0 {
        days = std::array::from_fn(|_| next(seed).is_multiple_of(2));
        days[below(seed, 7)] = true;
    }
    let window = match below(seed, 4) {
        0 => None,
        // Where clocks are changed.
        1 => Some(window(below(seed, 5) as i64 * 30, 30 + below(seed, 10) as i64 * 15)),
        _ => Some(window(below(seed, 1440) as i64, 10 + below(seed, 1200) as i64)),
    };
    let times = match below(seed, 5) {
        0 => Times::Every,
        1 | 2 => Times::Once,
        _ => {
            // Mostly at night, when clocks are changed.
            let mut hours = 1 << below(seed, 4) | 1 << below(seed, 24);
            if below(seed, 3) == 0 {
                hours |= 1 << below(seed, 24) | 1 << below(seed, 24);
            }
            Times::At(hours)
        }
    };
    let rule = Rule { days, times, window };
    match policy(ZONES[zone], &rule) {
        Some(policy) => Case { zone, rule, policy, spread: Spread::of(b"year", &format!("shop-{number}")) },
        // No hour in the window.
        None => case(seed, number),
    }
}

fn window(begin: i64, length: i64) -> (i64, i64) {
    let end = (begin + length) % 1440;
    (begin, if end == 0 { 1440 } else { end })
}

/// The library's policy, by way of its parsers.
pub fn policy(zone: &str, rule: &Rule) -> Option<Policy> {
    let days: Vec<&str> = NAMES.iter().zip(rule.days).filter(|(_, is_in)| *is_in).map(|(name, _)| *name).collect();
    let hours = match rule.times {
        Times::Once => "once".to_string(),
        Times::Every => "every".to_string(),
        Times::At(hours) => {
            let named = (0..24).filter(|hour| hours >> hour & 1 == 1).map(|hour| hour.to_string());
            named.collect::<Vec<_>>().join(",")
        }
    };
    let window = rule.window.map(|(begin, end)| {
        let text = format!("{:02}:{:02}-{:02}:{:02}", begin / 60, begin % 60, end / 60, end % 60);
        text.parse().unwrap()
    });
    let edit = PolicyEdit {
        days: Some(days.join(",").parse().unwrap()),
        hours: Some(hours.parse().unwrap()),
        window: Some(window),
        zone: Some(zone.parse().unwrap()),
        ..PolicyEdit::default()
    };
    Policy::default().edited(edit).ok()
}
