//! The words of a policy: days, hours, a window, a time zone. Each is shown as it is read.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Days of the week as they are written, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_A_DAY: u16 = 24 * 60;
/// A window is at least so long, minutes: whoever looks every few minutes must find it open.
const WINDOW_MIN: u16 = 10;

/// Days of the week; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days(u8);

impl Days {
    /// All of them.
    pub const EVERY: Days = Days(0x7f);

    /// Whether a day is among them, counted from Monday, which is 0.
    pub fn contains(self, day: u8) -> bool {
        day < 7 && self.0 & 1 << day != 0
    }

    /// Their names, Monday first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        DAYS.into_iter().zip(0..).filter(move |(_, day)| self.contains(*day)).map(|(name, _)| name)
    }
}

impl FromStr for Days {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim().eq_ignore_ascii_case("every") {
            return Ok(Self::EVERY);
        }
        let mut days = 0;
        for word in text.split(',').map(str::trim) {
            days |= 1
                << day_of(word).ok_or_else(|| {
                    Error::Usage(format!("{word:?} is no day; write days as mon,tue,wed,thu,fri,sat,sun, or every"))
                })?;
        }
        Ok(Self(days))
    }
}

/// `mon`, `Monday` and what is between them.
fn day_of(word: &str) -> Option<u8> {
    const LONG: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let word = word.to_ascii_lowercase();
    let fits = |long: &&str| word.len() >= 3 && long.starts_with(&word);
    LONG.iter().position(fits).and_then(|day| u8::try_from(day).ok())
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self == Self::EVERY {
            true => f.write_str("every"),
            false => f.write_str(&self.names().collect::<Vec<_>>().join(",")),
        }
    }
}

/// At which hours of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hours {
    /// Once, anywhere in the window, or in the day where there is none.
    Once,
    /// At each hour that passes.
    Every,
    /// At these, one bit each; never none, never all.
    At(u32),
}

impl Hours {
    const ALL: u32 = 0xff_ffff;

    /// Whether an hour of the clock is among them. [`Hours::Once`] names none.
    pub fn contains(self, hour: u8) -> bool {
        match self {
            Hours::Once => false,
            Hours::Every => hour < 24,
            Hours::At(hours) => hour < 24 && hours & 1 << hour != 0,
        }
    }

    /// Those of the clock that are among them.
    pub fn each(self) -> impl Iterator<Item = u8> {
        (0..24).filter(move |hour| self.contains(*hour))
    }
}

impl FromStr for Hours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "every" => return Ok(Hours::Every),
            "once" => return Ok(Hours::Once),
            _ => {}
        }
        let mut hours = 0;
        for word in text.split(',').map(str::trim) {
            let digits = Some(word).filter(|word| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()));
            let hour = digits.and_then(|digits| digits.parse::<u8>().ok()).filter(|hour| *hour < 24);
            hours |= 1
                << hour.ok_or_else(|| {
                    Error::Usage(format!("{word:?} is no hour; write hours from 0 to 23 as 2,14, or every, or once"))
                })?;
        }
        Ok(if hours == Self::ALL { Hours::Every } else { Hours::At(hours) })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hours::Once => f.write_str("once"),
            Hours::Every => f.write_str("every"),
            Hours::At(_) => f.write_str(&self.each().map(|hour| hour.to_string()).collect::<Vec<_>>().join(",")),
        }
    }
}

/// When snapshots may begin, by the zone's clock. It may pass midnight, and is at most a day long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Minutes after midnight, below a day.
    begin: u16,
    /// Minutes after midnight, 1 to a day. Below `begin`: of the next day.
    end: u16,
}

impl Window {
    /// When it opens, seconds after midnight.
    pub fn begin(self) -> i64 {
        i64::from(self.begin) * 60
    }

    /// How long it is by the clock, seconds.
    pub fn length(self) -> i64 {
        i64::from(self.minutes()) * 60
    }

    fn minutes(self) -> u16 {
        match self.end > self.begin {
            true => self.end - self.begin,
            false => self.end + MINUTES_A_DAY - self.begin,
        }
    }

    /// How long it has been open when the clock shows `second` after midnight; `None` where it is closed then.
    pub fn open_for(self, second: i64) -> Option<i64> {
        let open = (second - self.begin()).rem_euclid(i64::from(MINUTES_A_DAY) * 60);
        Some(open).filter(|open| *open < self.length())
    }
}

impl FromStr for Window {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::Usage(format!("{text:?} is no window; write it as 01:00-05:00, or as 22:00-04:00 over midnight"));
        let (begin, end) = text.split_once('-').ok_or_else(wrong)?;
        let begin = minute(begin).filter(|begin| *begin < MINUTES_A_DAY).ok_or_else(wrong)?;
        // Midnight as an end is the day's own.
        let end = minute(end).map(|end| if end == 0 { MINUTES_A_DAY } else { end }).ok_or_else(wrong)?;
        let window = Self { begin, end };
        if begin == end || window.minutes() < WINDOW_MIN {
            return Err(Error::Usage(format!(
                "the window {} is too short; leave at least {WINDOW_MIN} minutes, or give none for the whole day",
                text.trim()
            )));
        }
        Ok(window)
    }
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |digits: &str, lengths: std::ops::RangeInclusive<usize>| -> Option<u16> {
        let fits = lengths.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| digits.parse().ok()).flatten()
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= MINUTES_A_DAY).then_some(total)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begin, end) = (self.begin, self.end);
        write!(f, "{:02}:{:02}-{:02}:{:02}", begin / 60, begin % 60, end / 60, end % 60)
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), zone: TimeZone::UTC }
    }

    /// Its rules.
    pub fn rules(&self) -> &TimeZone {
        &self.zone
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        let wrong = || Error::Usage(format!("{text:?} is no time zone; write one as Europe/Paris or UTC"));
        // The name of no place: what it stands for differs from one machine to the next, or is not known.
        let names_a_place = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let zone = Some(text).filter(|_| names_a_place).and_then(|text| TimeZone::get(text).ok()).ok_or_else(wrong)?;
        if zone.is_unknown() {
            return Err(wrong());
        }
        let name = zone.iana_name().ok_or_else(wrong)?.to_string();
        Ok(Self { name, zone })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Words or a list of them: `"mon,thu"`, `["mon", "thu"]`, `[2, 14]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Names(Vec<String>),
    Numbers(Vec<u64>),
}

impl Words {
    fn text(self) -> String {
        match self {
            Words::One(text) => text,
            Words::Names(names) => names.join(","),
            Words::Numbers(numbers) => numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
        }
    }
}

fn read<'de, D: Deserializer<'de>, T: FromStr<Err = Error>>(from: D) -> std::result::Result<T, D::Error> {
    let words = Words::deserialize(from)?;
    words.text().parse().map_err(|error: Error| serde::de::Error::custom(error))
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        read(from)
    }
}

impl Serialize for Days {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match *self == Self::EVERY {
            true => to.serialize_str("every"),
            false => to.collect_seq(self.names()),
        }
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        read(from)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Hours::At(_) => to.collect_seq(self.each()),
            words => to.collect_str(words),
        }
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        read(from)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        read(from)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
