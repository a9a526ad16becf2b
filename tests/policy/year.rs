//! A simulated year: the library's slots are those of the model, each in its time, at its place, closing when it should.

use jiff::Timestamp;
use snaphold::service::policy::{CLOSED_BY_THE_CLOCK, Slot};

use super::many::{Case, ZONES, case, policy};
use super::minutes::{Minutes, Span, Times};

pub const SEED: u64 = 20_270_101;
pub const CASES: usize = 1000;
const DAYS: i64 = 366;

/// The first minute of 2027, UTC, and what lies around the year.
pub fn begin() -> i64 {
    "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second() / 60
}

pub fn zones() -> Vec<Minutes> {
    let minutes = ((DAYS + 14) * 1440) as usize;
    ZONES.iter().map(|zone| Minutes::of(zone, begin() - 7 * 1440, minutes)).collect()
}

pub fn cases() -> Vec<Case> {
    cases_of(SEED)
}

fn cases_of(mut seed: u64) -> Vec<Case> {
    (0..CASES).map(|number| case(&mut seed, number)).collect()
}

/// The slots of the year.
pub fn slots(case: &Case) -> Vec<Slot> {
    let end = (begin() + DAYS * 1440) * 60;
    let after = Timestamp::from_second(begin() * 60 - 1).unwrap();
    case.policy.slots(case.spread, after).take_while(|slot| slot.due.as_second() < end).collect()
}

/// What is wrong with an instance's slots.
fn faults(case: &Case, minutes: &Minutes, slots: &[Slot]) -> Vec<String> {
    let mut faults = Vec::new();
    let spans = case.rule.spans(minutes);
    let year = begin() * 60..(begin() + DAYS * 1440) * 60;
    // What begins outside and may be due inside, or the other way round, is left out at both ends.
    let inner = |span: &&Span| span.begin * 60 > year.start && span.end * 60 < year.end;
    let mut expected = spans.iter().filter(inner);
    let (Some(first), Some(last)) = (expected.clone().next(), expected.clone().next_back()) else {
        return vec!["no slot is expected".into()];
    };
    let range = first.begin * 60..last.end.max(last.begin + 1) * 60;
    for slot in slots.iter().filter(|slot| range.contains(&slot.due.as_second())) {
        let due = slot.due.as_second();
        let Some(span) = expected.next() else {
            faults.push(format!("{slot:?} is one too many"));
            continue;
        };
        let is_in = due >= span.begin * 60 && (due < span.end * 60 || span.end == span.begin && due == span.begin * 60);
        if !is_in {
            faults.push(format!("{slot:?} is not in {span:?}"));
            break;
        }
        let minute = due.div_euclid(60);
        let closes = match span.end == span.begin {
            true => Some(due + CLOSED_BY_THE_CLOCK),
            false => case.rule.closes(minutes, minute).map(|closes| closes * 60),
        };
        if slot.closes.map(Timestamp::as_second) != closes {
            faults.push(format!("{slot:?} closes at another time than {closes:?}"));
        }
        if span.end > span.begin && !case.rule.is_open(minutes.wall_at(minute)) {
            faults.push(format!("{slot:?} is outside of the window"));
        }
    }
    faults.extend(expected.next().map(|span| format!("no slot in {span:?}")));
    faults
}

/// How many slots the instances of a seed have, and what is wrong with them.
fn check(seed: u64, zones: &[Minutes]) -> (usize, Vec<String>) {
    let mut faults_found = Vec::new();
    let mut count = 0;
    for case in cases_of(seed) {
        let slots = slots(&case);
        count += slots.len();
        let of_case = faults(&case, &zones[case.zone], &slots);
        faults_found
            .extend(of_case.into_iter().take(2).map(|fault| format!("{}: {fault}; {:?}", ZONES[case.zone], case.rule)));
    }
    (count, faults_found)
}

#[test]
fn a_thousand_instances_are_due_when_the_minutes_say_so() {
    let (slots, faults) = check(SEED, &zones());
    assert!(faults.is_empty(), "seed {SEED}: {} faults\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
    assert!(slots > 500_000, "{slots} slots in a year are too few to show anything");
}

/// The control: a slot that is missing, doubled or moved is found.
#[test]
fn the_model_finds_what_is_wrong() {
    let zones = zones();
    for case in cases().into_iter().take(40) {
        let right = slots(&case);
        let minutes = &zones[case.zone];
        let middle = right.len() / 2;
        let broken = |change: &dyn Fn(&mut Vec<Slot>)| {
            let mut slots = right.clone();
            change(&mut slots);
            assert!(!faults(&case, minutes, &slots).is_empty(), "{case:?}");
        };
        broken(&|slots| _ = slots.remove(middle));
        broken(&|slots| slots.insert(middle, slots[middle]));
        if case.rule.window.is_some() {
            broken(&|slots| slots[middle].due = slots[middle].closes.unwrap());
            broken(&|slots| slots[middle].closes = None);
        }
    }
}

/// The control for changes of the clock: slots of a zone that has none do not pass for those of Paris.
#[test]
fn the_model_knows_summer_from_winter() {
    let zones = zones();
    let paris = ZONES.iter().position(|zone| *zone == "Europe/Paris").unwrap();
    let named = |case: &Case| matches!(case.rule.times, Times::At(_)) && case.rule.window.is_none();
    for case in cases().into_iter().filter(|case| case.zone == paris && named(case)).take(20) {
        let winter = Case { policy: policy("Etc/GMT-1", &case.rule).unwrap(), ..case.clone() };
        assert!(faults(&case, &zones[paris], &slots(&case)).is_empty());
        assert!(!faults(&case, &zones[paris], &slots(&winter)).is_empty(), "{case:?}");
    }
}

#[test]
fn instances_do_not_begin_at_once() {
    let mut seed = 1;
    let one = (0..).map(|number| case(&mut seed, number)).find(|case| case.rule.window.is_none()).unwrap();
    let mut dues: Vec<Timestamp> = (0..1000)
        .map(|number| {
            let spread = snaphold::service::policy::Spread::of(b"repository", &format!("shop-{number}"));
            one.policy.slots(spread, Timestamp::from_second(begin() * 60).unwrap()).next().unwrap().due
        })
        .collect();
    dues.sort();
    // At most so many of a thousand begin in any one minute of an hour.
    let most =
        dues.iter().map(|due| dues.iter().filter(|other| (**other - *due).get_seconds().abs() < 60).count()).max();
    assert!(most.unwrap() < 100, "{most:?}");
    dues.dedup();
    assert!(dues.len() > 500, "{} different times", dues.len());
}

#[test]
#[ignore = "long: the years of twenty thousand more instances"]
fn other_instances_are_due_when_the_minutes_say_so_too() {
    let zones = zones();
    for seed in 1..=20 {
        let began = std::time::Instant::now();
        let slots: usize = cases_of(seed).iter().map(|case| slots(case).len()).sum();
        println!("seed {seed}: the {slots} slots of {CASES} instances took {:?}", began.elapsed());
        let (_, faults) = check(seed, &zones);
        assert!(
            faults.is_empty(),
            "seed {seed}: {} faults\n{}",
            faults.len(),
            faults[..faults.len().min(20)].join("\n")
        );
    }
}
