//! What values of requests may be, where more than one action takes them.

use jiff::Timestamp;

use crate::server::fault::{Fault, Outcome, Problem};

/// What is typed before data is overwritten.
pub const RESTORE: &str = "RESTORE";
/// Words about something are at most so long, bytes.
const DESCRIPTION_MAX: usize = 4096;
/// Days that something can be kept: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// Refuses what was not confirmed by typing [`RESTORE`].
pub fn confirmed(confirm: Option<&str>, what: &str) -> Outcome<()> {
    if confirm == Some(RESTORE) {
        return Ok(());
    }
    let detail = format!("this would overwrite {what}; send \"confirm\": \"RESTORE\" to confirm");
    Err(Fault::new(Problem::ConfirmationRequired, detail).of_field("confirm"))
}

/// How long something is kept, nanoseconds.
pub fn retention(days: Option<u32>) -> Outcome<Option<i64>> {
    match days {
        None => Ok(None),
        Some(days @ 1..=RETENTION_DAYS_MAX) => Ok(Some(i64::from(days) * DAY_NS)),
        Some(_) => Err(Fault::invalid("retention_days", format!("retention_days is from 1 to {RETENTION_DAYS_MAX}"))),
    }
}

/// Words of a user: not too long, and without control characters but line ends.
pub fn words(field: &str, text: Option<String>) -> Outcome<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > DESCRIPTION_MAX {
        return Err(Fault::invalid(field, format!("{field} is longer than {DESCRIPTION_MAX} bytes")));
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
        return Err(Fault::invalid(field, format!("{field} holds control characters")));
    }
    Ok(Some(text))
}

/// A name of a list's record: short, without control characters.
pub fn name<'n>(field: &str, text: &'n str) -> Outcome<&'n str> {
    let text = text.trim();
    if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        return Err(Fault::invalid(field, format!("{field} is 1 to 200 bytes without control characters")));
    }
    Ok(text)
}

/// A time of a request as the catalog has it.
pub fn microseconds(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.as_microsecond())
}
