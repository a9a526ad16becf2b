//! What a policy leaves free of each hour of the clock.

use super::wall::HOUR;
use super::words::{Hours, Window};

/// What an hour of the clock leaves free: the longest of its parts that are in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The hour.
    pub hour: u8,
    /// Its begin, seconds after midnight.
    pub begin: i64,
    /// Its end.
    pub end: i64,
}

/// The openings of the hours that are asked for; of `once` those of the window. Empty: it is never due.
pub fn openings(hours: Hours, window: Option<Window>) -> Vec<Opening> {
    let wanted = |hour: &u8| hours == Hours::Once || hours.contains(*hour);
    (0..24).filter(wanted).filter_map(|hour| opening(hour, window)).collect()
}

/// The opening of one hour, whether or not it is asked for.
pub fn opening(hour: u8, window: Option<Window>) -> Option<Opening> {
    let (begin, end) = (i64::from(hour) * HOUR, i64::from(hour) * HOUR + HOUR);
    let whole = Opening { hour, begin, end };
    let Some(window) = window else { return Some(whole) };
    // Where the window is open: up to its end from the hour's beginning on, and from its own beginning on.
    let at_first = window.open_for(begin).map(|open| Opening { end: end.min(begin + window.length() - open), ..whole });
    let later = Some(window.begin()).filter(|opens| (begin + 1..end).contains(opens));
    let later = later.map(|opens| Opening { begin: opens, end: end.min(opens + window.length()), ..whole });
    at_first.into_iter().chain(later).max_by_key(|part| part.end - part.begin)
}
