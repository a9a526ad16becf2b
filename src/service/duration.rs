//! Durations as they are written: `30d`, `12h`, `90m`, `45s`, `2w`.

use crate::error::{Error, Result};

const SECOND_NS: i64 = 1_000_000_000;
const UNITS: [(&str, i64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// The nanoseconds of a duration such as `30d`; a bare `0` is allowed.
pub fn parse_duration(text: &str) -> Result<i64> {
    let wrong = || Error::Usage(format!("{text:?} is not a duration; write it as 30d, 12h, 90m or 45s"));
    if text == "0" {
        return Ok(0);
    }
    let (unit, seconds) = UNITS.iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(wrong)?;
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let count: i64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    count.checked_mul(*seconds).and_then(|seconds| seconds.checked_mul(SECOND_NS)).ok_or_else(wrong)
}

/// A duration as it is written, in the largest unit that fits without a rest.
pub fn format_duration(nanoseconds: i64) -> String {
    let seconds = nanoseconds / SECOND_NS;
    for (unit, length) in UNITS.iter().filter(|(unit, _)| *unit != "w") {
        if seconds % length == 0 && seconds >= *length {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_back() {
        for text in ["30d", "12h", "90m", "45s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("2w").unwrap(), parse_duration("14d").unwrap());
        assert_eq!(parse_duration("0").unwrap(), 0);
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "d", "5", "-3d", "3 d", "1.5h", "99999999999999d", "3y", "+3d"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
