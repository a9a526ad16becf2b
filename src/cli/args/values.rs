//! Values as they are typed.

use std::str::FromStr;

use jiff::Timestamp;
use snaphold::service::parse_duration;

/// A duration such as `30d`, in nanoseconds.
pub fn duration(text: &str) -> Result<i64, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// A size such as `500MiB`, in bytes; at least one.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size; write it as 500MiB, 2GiB or in bytes");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text.get(digits.len()..).unwrap_or_default().trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// A moment: itself, or so long from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Nanoseconds since 1970.
    At(i64),
    /// Nanoseconds from now.
    In(i64),
}

impl Until {
    /// Nanoseconds since 1970.
    pub fn at_ns(self, now_ns: i64) -> i64 {
        match self {
            Until::At(at_ns) => at_ns,
            Until::In(duration_ns) => now_ns.saturating_add(duration_ns),
        }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(duration_ns) = parse_duration(text) {
            return Ok(Until::In(duration_ns));
        }
        let at: Timestamp =
            text.parse().map_err(|_| format!("{text:?} is no time; write it as 2027-01-31T00:00:00Z, or as 30d"))?;
        let at_ns =
            i64::try_from(at.as_nanosecond()).map_err(|_| format!("{text} is too far away; 2262 is the last"))?;
        Ok(Until::At(at_ns))
    }
}

/// Part `number` of `of` parts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    /// Which part.
    pub number: u32,
    /// How many parts there are.
    pub of: u32,
}

impl FromStr for Fraction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Fraction { number, of }),
            _ => Err(format!("{text:?} is no part; write the third of thirty parts as 3/30")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_is_in_bytes() {
        let sizes = [("1", 1), ("2KiB", 2048), ("500 MiB", 500 << 20), ("1gib", 1 << 30), ("3T", 3 << 40), ("7 B", 7)];
        sizes.into_iter().for_each(|(text, bytes)| assert_eq!(size(text), Ok(bytes), "{text}"));
        for text in ["", "0", "MiB", "1.5GiB", "-1", "1 XiB", "1MB", "99999999999TiB", "१MiB"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hold_ends_at_a_time_or_after_one() {
        assert_eq!("30d".parse(), Ok(Until::In(30 * 86_400 * 1_000_000_000)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Until::At(1_000_000_000)));
        assert_eq!("1970-01-01T01:00:01+01:00".parse(), Ok(Until::At(1_000_000_000)));
        for text in ["", "tomorrow", "2027-01-31", "2027-01-31T00:00:00", "9999-12-31T00:00:00Z", "-1d"] {
            assert!(text.parse::<Until>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_part_is_one_of_at_least_as_many() {
        assert_eq!("3/30".parse(), Ok(Fraction { number: 3, of: 30 }));
        for text in ["", "3", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b"] {
            assert!(text.parse::<Fraction>().is_err(), "{text:?}");
        }
    }
}
