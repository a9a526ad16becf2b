//! The model: it looks at what the clock on the wall shows in every minute, and knows nothing else of a zone. It shares no
//! code with the library's slots.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub const DAY: i64 = 1440;

/// What the clocks of a zone show in each minute of a time.
pub struct Minutes {
    /// The first minute since 1970, UTC.
    pub first: i64,
    /// For each minute: minutes since 1970 that the clock shows.
    pub wall: Vec<i64>,
}

impl Minutes {
    pub fn of(zone: &str, first: i64, count: usize) -> Self {
        let zone = TimeZone::get(zone).unwrap();
        let shown = |minute: i64| {
            let moment = Timestamp::from_second(minute * 60).unwrap();
            minute + i64::from(zone.to_offset(moment).seconds()) / 60
        };
        Self { first, wall: (first..first + count as i64).map(shown).collect() }
    }

    pub fn wall_at(&self, minute: i64) -> i64 {
        self.wall[(minute - self.first) as usize]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Once,
    Every,
    At(u32),
}

/// A policy in the model's own words.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Monday first.
    pub days: [bool; 7],
    pub times: Times,
    /// Minutes after midnight; the end may be before the beginning, and 1440.
    pub window: Option<(i64, i64)>,
}

/// When a slot may be: minutes `[begin, end)`, or the one moment `begin` where the clock left no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub begin: i64,
    pub end: i64,
}

impl Rule {
    /// Whether the clock shows a time in the window.
    pub fn is_open(&self, wall: i64) -> bool {
        let minute = wall.rem_euclid(DAY);
        match self.window {
            None => true,
            Some((begin, end)) if begin < end => (begin..end).contains(&minute),
            Some((begin, end)) => minute >= begin || minute < end,
        }
    }

    fn is_day(&self, day: i64) -> bool {
        // 1970-01-05 was a Monday.
        self.days[(day - 4).rem_euclid(7) as usize]
    }

    fn names(&self, hour: i64) -> bool {
        match self.times {
            Times::At(hours) => hours >> hour & 1 == 1,
            _ => true,
        }
    }

    /// Every slot whose time is in what was walked, in order. At both ends some may be missing.
    pub fn spans(&self, minutes: &Minutes) -> Vec<Span> {
        let mut spans = match self.times {
            Times::Every => self.passing(minutes),
            Times::At(_) => self.named(minutes),
            Times::Once => self.windows(minutes),
        };
        spans.sort();
        spans.dedup();
        spans
    }

    /// Each run of minutes of one hour by the clock.
    fn passing(&self, minutes: &Minutes) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut at = 0;
        while at < minutes.wall.len() {
            let begin = at;
            let hour = minutes.wall[at].div_euclid(60);
            while at < minutes.wall.len()
                && minutes.wall[at].div_euclid(60) == hour
                && minutes.wall[at] - minutes.wall[begin] == (at - begin) as i64
            {
                at += 1;
            }
            if self.is_day(hour.div_euclid(24)) {
                spans.extend(longest(self.open_runs(minutes, begin..at)));
            }
        }
        spans
    }

    /// Each named hour of each day: its first run, or where the clock goes on when it leaves the hour out.
    fn named(&self, minutes: &Minutes) -> Vec<Span> {
        let mut spans = Vec::new();
        for (day, from) in self.days_of(minutes) {
            for hour in (0..24).filter(|hour| self.is_day(day) && self.names(*hour)) {
                let nominal: Vec<i64> = longest_wall(
                    (0..60).map(|minute| day * DAY + hour * 60 + minute).filter(|wall| self.is_open(*wall)),
                );
                let (Some(first), Some(last)) = (nominal.first(), nominal.last()) else { continue };
                spans.extend(self.first_run(minutes, from, *first, *last));
            }
        }
        spans
    }

    fn first_run(&self, minutes: &Minutes, from: usize, first: i64, last: i64) -> Option<Span> {
        let at = (from..minutes.wall.len()).find(|at| minutes.wall[*at] >= first)?;
        let begin = minutes.first + at as i64;
        let shown = minutes.wall[at];
        if shown <= last {
            let run = (at..minutes.wall.len())
                .take_while(|next| minutes.wall[*next] <= last && minutes.wall[*next] - shown == (*next - at) as i64);
            return Some(Span { begin, end: begin + run.count() as i64 });
        }
        // Left out: in the hour where the clock goes on, as far as that is one run in the window.
        let same_hour = (at..minutes.wall.len()).take_while(|next| {
            minutes.wall[*next].div_euclid(60) == shown.div_euclid(60) && self.is_open(minutes.wall[*next])
        });
        Some(Span { begin, end: begin + same_hour.count() as i64 })
    }

    /// Each window of each day: its longest run, the first of several.
    fn windows(&self, minutes: &Minutes) -> Vec<Span> {
        let (opens, ends) = self.window.unwrap_or((0, DAY));
        let length = if ends > opens { ends - opens } else { ends + DAY - opens };
        let mut spans = Vec::new();
        for (day, from) in self.days_of(minutes).into_iter().filter(|(day, _)| self.is_day(*day)) {
            let (lowest, beyond) = (day * DAY + opens, day * DAY + opens + length);
            let to = (from + 5 * DAY as usize).min(minutes.wall.len());
            let inside = (from..to).filter(|at| (lowest..beyond).contains(&minutes.wall[*at]));
            match longest(
                runs(inside)
                    .into_iter()
                    .map(|(begin, end)| Span { begin: minutes.first + begin as i64, end: minutes.first + end as i64 }),
            ) {
                Some(span) => spans.push(span),
                None => {
                    if let Some(at) = (from..minutes.wall.len()).find(|at| minutes.wall[*at] >= lowest) {
                        let begin = minutes.first + at as i64;
                        spans.push(Span { begin, end: begin });
                    }
                }
            }
        }
        spans
    }

    /// Days whose hours and windows lie in what was walked, and where to look for them from.
    fn days_of(&self, minutes: &Minutes) -> Vec<(i64, usize)> {
        let first = minutes.wall[0].div_euclid(DAY) + 2;
        let last = minutes.wall[minutes.wall.len() - 1].div_euclid(DAY) - 2;
        (first..last).map(|day| (day, ((day - first) * DAY) as usize)).collect()
    }

    fn open_runs(&self, minutes: &Minutes, range: std::ops::Range<usize>) -> impl Iterator<Item = Span> {
        let first = minutes.first;
        let open = range.filter(|at| self.is_open(minutes.wall[*at]));
        runs(open).into_iter().map(move |(begin, end)| Span { begin: first + begin as i64, end: first + end as i64 })
    }

    /// The first minute after `minute` in which the clock shows a time outside of the window; `None` without one.
    pub fn closes(&self, minutes: &Minutes, minute: i64) -> Option<i64> {
        self.window?;
        (minute + 1..minutes.first + minutes.wall.len() as i64).find(|next| !self.is_open(minutes.wall_at(*next)))
    }
}

/// Runs of numbers that follow each other, each as its first and the one after its last.
fn runs(numbers: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.1 == number => run.1 += 1,
            _ => runs.push((number, number + 1)),
        }
    }
    runs
}

fn longest(spans: impl Iterator<Item = Span>) -> Option<Span> {
    spans.fold(None, |longest: Option<Span>, span| match longest {
        Some(longest) if longest.end - longest.begin >= span.end - span.begin => Some(longest),
        _ => Some(span),
    })
}

fn longest_wall(walls: impl Iterator<Item = i64>) -> Vec<i64> {
    let walls: Vec<i64> = walls.collect();
    let first = walls.first().copied().unwrap_or(0);
    let found = runs(walls.iter().map(|wall| (wall - first) as usize));
    // Of two that are as long the later one, as the library's choice is written down.
    let best = found.into_iter().max_by_key(|(begin, end)| end - begin);
    best.map_or(Vec::new(), |(begin, end)| (begin..end).map(|at| first + at as i64).collect())
}
