//! Slots: the times at which a policy is due, one for each hour that it names, or for each window.
//!
//! - A named hour is due once on each of its days. One that the clock skips is due when the clock jumps, in the hour that
//!   it jumps to; with that hour, where it is named as well, it makes one slot. Of an hour that comes twice the first counts.
//! - `every` is each hour that passes: one that is skipped is none, one that comes twice is two.
//! - `once` is due in the window of each of its days, and a window belongs to the day on which it opens.
//!
//! Inside what is left to choose (the hour, as far as the window leaves it, or the window) a slot stands at a place that
//! depends on the instance alone, so that not all begin at once.

use jiff::Timestamp;

use super::opening::{Opening, opening, openings};
use super::rules::Policy;
use super::wall::{DAY, HOUR, Stretch, WallClock, day, second, weekday};
use super::words::Hours;

/// How long a slot stays open whose window the clock skipped, seconds.
pub const CLOSED_BY_THE_CLOCK: i64 = 15 * 60;
/// What is left free at the end of a slot's time, so that whoever looks only now and then is not late; seconds.
const LEFT_FREE: i64 = 10 * 60;

/// One time at which an instance is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// From when on it is to be taken. It is the slot's name, too.
    pub due: Timestamp,
    /// It may no longer be begun then; `None`: it may until the next one is due.
    pub closes: Option<Timestamp>,
}

/// Where in its free time an instance stands: the same fraction always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread(u32);

impl Spread {
    /// At the beginning.
    pub const NONE: Spread = Spread(0);

    /// The place of an instance: `repository` makes instances of one name in several repositories differ.
    pub fn of(repository: &[u8], instance: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("snaphold 2026 place of an instance in a policy's window");
        hasher.update(&(repository.len() as u64).to_le_bytes()).update(repository).update(instance.as_bytes());
        let mut place = [0; 4];
        hasher.finalize_xof().fill(&mut place);
        Self(u32::from_le_bytes(place))
    }

    /// A place in `[begin, end)`, with some time left after it.
    fn place(self, begin: i64, end: i64) -> i64 {
        let length = (end - begin).max(0);
        let free = length - (length / 2).min(LEFT_FREE);
        begin + ((i128::from(free) * i128::from(self.0)) >> 32) as i64
    }
}

impl Policy {
    /// Whether a snapshot may begin now, by the window alone.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let Some(window) = self.window else { return true };
        let now = floor(now);
        let stretch = WallClock::around(self.zone.rules(), now).and_then(|mut clock| clock.stretch(now));
        stretch.is_some_and(|stretch| window.open_for(second(stretch.shows(now))).is_some())
    }

    /// Its slots after a time, one after the other.
    pub fn slots(&self, spread: Spread, after: Timestamp) -> Slots<'_> {
        Slots::new(self, spread, floor(after))
    }

    /// The newest slot that is due now and came after `done`, the last one that was seen to, or the time since when the
    /// policy holds. Older ones that were missed are not made up for; this one is while its window is open, and without
    /// a window until the next slot.
    pub fn due(&self, spread: Spread, now: Timestamp, done: Timestamp) -> Option<Slot> {
        /// No policy leaves out more than a week, and the clock not a day.
        const WEEK_AND_MORE: i64 = 9 * 86_400;
        let from = floor(now).saturating_sub(WEEK_AND_MORE).max(floor(done));
        let newest = Slots::new(self, spread, from).take_while(|slot| slot.due <= now).last()?;
        newest.closes.is_none_or(|closes| now < closes).then_some(newest)
    }
}

/// Whole seconds.
fn floor(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1_000_000_000)).unwrap_or(i64::MAX)
}

/// Slots, one after the other.
#[derive(Debug)]
pub struct Slots<'p> {
    policy: &'p Policy,
    spread: Spread,
    /// Those of named hours and of `every`, by hour.
    openings: [Option<Opening>; 24],
    clock: Option<WallClock<'p>>,
    /// Only what is later is given, seconds.
    after: i64,
    at: At,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
enum At {
    /// The next day by the clock, and the next hour of it.
    Hour(i64, u8),
    /// The next moment.
    Moment(i64),
}

/// A slot's time before a place in it is chosen: moments, and when its window closes.
struct Free {
    begin: i64,
    end: i64,
    closes: Option<i64>,
}

impl<'p> Slots<'p> {
    pub(super) fn new(policy: &'p Policy, spread: Spread, after: i64) -> Self {
        let mut by_hour = [None; 24];
        for opening in openings(policy.hours, policy.window) {
            if let Some(place) = by_hour.get_mut(usize::from(opening.hour)) {
                *place = Some(opening);
            }
        }
        let mut clock = Some(()).filter(|()| policy.enabled);
        let mut clock = clock.take().and_then(|()| WallClock::around(policy.zone.rules(), after));
        let stretch = clock.as_mut().and_then(|clock| clock.stretch(after));
        let shown = stretch.map_or(after, |stretch| stretch.shows(after));
        let at = match policy.hours {
            // A window may have opened the day before, and what the clock skips is a day at most.
            Hours::Once | Hours::At(_) => At::Hour(day(shown) - 2, 0),
            Hours::Every => At::Moment(after - 2 * HOUR),
        };
        Self { policy, spread, openings: by_hour, clock, after, at }
    }

    /// The next slot's time, of whatever day.
    fn step(&mut self) -> Option<Option<Free>> {
        match (self.at, self.policy.hours) {
            (At::Moment(moment), _) => self.passing_hour(moment),
            (At::Hour(day, _), Hours::Once) => {
                self.at = At::Hour(day.checked_add(1)?, 0);
                self.is_day(day).then(|| self.whole_window(day)).map_or(Some(None), |free| free.map(Some))
            }
            (At::Hour(day, hour), _) => {
                self.at = if hour < 23 { At::Hour(day, hour + 1) } else { At::Hour(day.checked_add(1)?, 0) };
                match self.openings.get(usize::from(hour)).copied().flatten().filter(|_| self.is_day(day)) {
                    Some(opening) => self.named_hour(day, opening).map(Some),
                    None => Some(None),
                }
            }
        }
    }

    fn is_day(&self, day: i64) -> bool {
        self.policy.days.contains(weekday(day))
    }

    /// The hour of the clock that a moment is in, as far as the clock runs evenly.
    fn passing_hour(&mut self, moment: i64) -> Option<Option<Free>> {
        let stretch = self.clock.as_mut()?.stretch(moment)?;
        let shown = stretch.shows(moment);
        let midnight = day(shown) * DAY;
        let hour = shown.div_euclid(HOUR) * HOUR;
        self.at = At::Moment(stretch.moment(hour + HOUR).min(stretch.end));
        let opening = usize::try_from(second(shown) / HOUR).ok().and_then(|hour| self.openings.get(hour).copied());
        let Some(opening) = opening.flatten().filter(|_| self.is_day(day(shown))) else { return Some(None) };
        let first = stretch.moment(hour).max(stretch.begin);
        let begin = stretch.moment(midnight + opening.begin).max(first);
        let end = stretch.moment(midnight + opening.end).min(stretch.end);
        if begin >= end {
            return Some(None);
        }
        let closes = self.closing(begin, stretch);
        Some(Some(Free { begin, end, closes }))
    }

    /// A named hour of a day.
    fn named_hour(&mut self, day: i64, named: Opening) -> Option<Free> {
        let (begin, stretch) = self.clock.as_mut()?.first_showing(day * DAY + named.begin)?;
        let shown = stretch.shows(begin);
        let end = day * DAY + named.end;
        if shown < end {
            let end = stretch.moment(end).min(stretch.end);
            return Some(Free { begin, end, closes: self.closing(begin, stretch) });
        }
        // The clock skips it, and is now in an hour that may have an opening too, or be outside of the window.
        let hour = u8::try_from(second(shown) / HOUR).unwrap_or_default();
        let landing = opening(hour, self.policy.window);
        match landing.filter(|landing| (landing.begin..landing.end).contains(&second(shown))) {
            Some(landing) => {
                let end = shown - second(shown) + landing.end;
                let end = stretch.moment(end).min(stretch.end);
                Some(Free { begin, end, closes: self.closing(begin, stretch) })
            }
            None => Some(Self::closed_by_the_clock(begin)),
        }
    }

    /// The window of a day, or the whole day.
    fn whole_window(&mut self, day: i64) -> Option<Free> {
        let (opens, length) = self.policy.window.map_or((0, DAY), |window| (window.begin(), window.length()));
        let (opens, ends) = (day * DAY + opens, day * DAY + opens + length);
        let (mut begin, mut stretch) = self.clock.as_mut()?.first_showing(opens)?;
        if stretch.shows(begin) >= ends {
            return Some(match self.policy.window {
                Some(_) => Self::closed_by_the_clock(begin),
                None => Free { begin, end: begin + HOUR, closes: None },
            });
        }
        let mut opened = stretch;
        let end = loop {
            let end = stretch.moment(ends);
            let Some(next) = self.clock.as_mut()?.after(stretch).filter(|next| next.begin < end) else { break end };
            let shown = next.shows(next.begin);
            if shown >= ends {
                break next.begin;
            }
            if shown < opens {
                // Set back to before the window: it opens again, and for longer.
                (begin, opened) = (next.moment(opens), next);
            }
            stretch = next;
        };
        Some(Free { begin, end, closes: self.closing(begin, opened) })
    }

    fn closed_by_the_clock(begin: i64) -> Free {
        Free { begin, end: begin, closes: Some(begin + CLOSED_BY_THE_CLOCK) }
    }

    /// The first moment after `moment`, at which the window is open, at which it is not.
    fn closing(&mut self, moment: i64, mut stretch: Stretch) -> Option<i64> {
        let window = self.policy.window?;
        let mut moment = moment;
        // A window of a whole day may never close.
        for _ in 0..4 {
            let open = window.open_for(second(stretch.shows(moment)))?;
            let end = moment + window.length() - open;
            if end < stretch.end {
                return Some(end);
            }
            (moment, stretch) = (stretch.end, self.clock.as_mut()?.after(stretch)?);
            if window.open_for(second(stretch.shows(moment))).is_none() {
                return Some(moment);
            }
        }
        None
    }
}

impl Iterator for Slots<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        self.clock.as_ref()?;
        loop {
            let Some(Free { begin, end, closes }) = self.step()? else { continue };
            let due = self.spread.place(begin, end);
            if due > self.after {
                self.after = due;
                let closes = closes.map(Timestamp::from_second).transpose().ok()?;
                return Some(Slot { due: Timestamp::from_second(due).ok()?, closes });
            }
        }
    }
}
