//! The clock on a zone's wall: what it shows at a moment, and the first moment at which it shows a time or a later one.
//!
//! Moments are seconds since 1970 in UTC. What the clock shows is written in the same way, as if it were UTC: so days
//! and hours are divisions, and only where the clock is changed is anything looked up.

use std::collections::VecDeque;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Seconds of a day and of an hour, by the clock.
pub const DAY: i64 = 86_400;
pub const HOUR: i64 = 3_600;
/// More than any zone is away from UTC, and than any clock is changed by.
const FAR: i64 = 3 * DAY;

/// Time during which the clock runs evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first moment, as far as it is known.
    pub begin: i64,
    /// The moment at which the clock is changed.
    pub end: i64,
    /// What the clock shows beyond UTC.
    pub offset: i64,
}

impl Stretch {
    /// What the clock shows at one of its moments.
    pub fn shows(&self, moment: i64) -> i64 {
        moment + self.offset
    }

    /// The moment at which the clock shows `wall`, were it never changed.
    pub fn moment(&self, wall: i64) -> i64 {
        wall - self.offset
    }
}

/// The clock, from a moment on. What is asked may not go back by more than a day or two.
#[derive(Debug)]
pub struct WallClock<'z> {
    zone: &'z TimeZone,
    stretches: VecDeque<Stretch>,
}

impl<'z> WallClock<'z> {
    /// The clock of a zone around a moment and after it. `None` beyond the times that there are.
    pub fn around(zone: &'z TimeZone, moment: i64) -> Option<Self> {
        let begin = moment.checked_sub(2 * FAR)?;
        let offset = i64::from(zone.to_offset(Timestamp::from_second(begin).ok()?).seconds());
        let mut clock = Self { zone, stretches: VecDeque::new() };
        clock.push(begin, offset);
        Some(clock)
    }

    /// Adds the stretch that begins then, up to the next change.
    fn push(&mut self, begin: i64, offset: i64) {
        let changes = Timestamp::from_second(begin).ok().map(|begin| self.zone.following(begin));
        let change = changes.and_then(|mut changes| {
            // Some only change the zone's name.
            changes.find(|change| i64::from(change.offset().seconds()) != offset)
        });
        let end = change.as_ref().map_or(i64::MAX, |change| change.timestamp().as_second());
        self.stretches.push_back(Stretch { begin, end, offset });
    }

    /// The stretch after the last one that is known; nothing where the clock is never changed again.
    fn extend(&mut self) -> bool {
        let Some(begin) = self.stretches.back().map(|last| last.end).filter(|end| *end < i64::MAX) else {
            return false;
        };
        let Ok(moment) = Timestamp::from_second(begin) else { return false };
        self.push(begin, i64::from(self.zone.to_offset(moment).seconds()));
        true
    }

    /// The first stretch for which `fits`, of those known and to come.
    fn find(&mut self, fits: impl Fn(&Stretch) -> bool) -> Option<Stretch> {
        loop {
            if let Some(found) = self.stretches.iter().find(|stretch| fits(stretch)) {
                return Some(*found);
            }
            if !self.extend() {
                return None;
            }
        }
    }

    /// The stretch of a moment.
    pub fn stretch(&mut self, moment: i64) -> Option<Stretch> {
        self.find(|stretch| moment < stretch.end)
    }

    /// The stretch after another one.
    pub fn after(&mut self, stretch: Stretch) -> Option<Stretch> {
        self.stretch(stretch.end).filter(|next| next.begin == stretch.end)
    }

    /// The first moment at which the clock shows `wall` or a later time, and its stretch. Of a time that comes twice it is
    /// the first; for one that is skipped it is the moment at which the clock jumps.
    pub fn first_showing(&mut self, wall: i64) -> Option<(i64, Stretch)> {
        while self.stretches.len() > 1 && self.stretches.front().is_some_and(|old| old.shows(old.end) < wall - FAR) {
            self.stretches.pop_front();
        }
        let stretch = self.find(|stretch| stretch.moment(wall) < stretch.end)?;
        Some((stretch.moment(wall).max(stretch.begin), stretch))
    }
}

/// The day of what the clock shows, counted from 1970.
pub fn day(wall: i64) -> i64 {
    wall.div_euclid(DAY)
}

/// The second of its day.
pub fn second(wall: i64) -> i64 {
    wall.rem_euclid(DAY)
}

/// The day of the week of a day counted from 1970, a Thursday; Monday is 0.
pub fn weekday(day: i64) -> u8 {
    (day + 3).rem_euclid(7) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn first(zone: &str, wall: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let wall = moment(&format!("{wall}:00Z"));
        let mut clock = WallClock::around(&zone, wall).unwrap();
        Timestamp::from_second(clock.first_showing(wall).unwrap().0).unwrap().to_string()
    }

    #[test]
    fn a_time_that_is_skipped_is_the_jump_and_one_that_comes_twice_is_its_first() {
        assert_eq!(first("Europe/Paris", "2027-03-28T01:59"), "2027-03-28T00:59:00Z");
        assert_eq!(first("Europe/Paris", "2027-03-28T02:00"), "2027-03-28T01:00:00Z");
        assert_eq!(first("Europe/Paris", "2027-03-28T02:59"), "2027-03-28T01:00:00Z");
        assert_eq!(first("Europe/Paris", "2027-03-28T03:01"), "2027-03-28T01:01:00Z");
        assert_eq!(first("Europe/Paris", "2027-10-31T02:30"), "2027-10-31T00:30:00Z");
        assert_eq!(first("Europe/Paris", "2027-10-31T03:00"), "2027-10-31T02:00:00Z");
        assert_eq!(first("Australia/Lord_Howe", "2027-10-03T02:15"), "2027-10-02T15:30:00Z");
        assert_eq!(first("Australia/Lord_Howe", "2027-04-04T01:45"), "2027-04-03T14:45:00Z");
        assert_eq!(first("Asia/Kathmandu", "2027-04-04T00:00"), "2027-04-03T18:15:00Z");
        // A day that Samoa left out.
        assert_eq!(first("Pacific/Apia", "2011-12-30T12:00"), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn days_of_the_week() {
        assert_eq!((weekday(0), weekday(-1), weekday(day(moment("2026-11-22T12:00:00Z")))), (3, 2, 6));
    }
}
