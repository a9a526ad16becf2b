//! The runner through a year: it looks every five minutes, is away for hours and weeks, is started anew at any time, and
//! in the second test fails and dies as well.

use std::collections::BTreeMap;

use jiff::Timestamp;
use snaphold::service::policy::{Decision, LastRun, RunState, Slot, decide, retry_after};

use super::many::Case;
use super::minutes::Minutes;
use super::store::below;
use super::year::{begin, cases, slots, zones};

const TICK: i64 = 300;
const YEAR: i64 = 366 * 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// When nobody looks: seconds, in order, apart from each other.
fn outages(seed: &mut u64) -> Vec<(i64, i64)> {
    let mut outages = Vec::new();
    let mut from = begin() * 60 + below(seed, 20 * 86_400) as i64;
    while from < begin() * 60 + YEAR {
        let longest = [2 * 3600, 8 * 3600, 3 * 86_400, 21 * 86_400][below(seed, 4)];
        let to = from + 600 + below(seed, longest) as i64;
        outages.push((from, to));
        from = to + 3600 + below(seed, 40 * 86_400) as i64;
    }
    outages
}

/// The first moment at which somebody looks, from `second` on.
fn next_look(second: i64, outages: &[(i64, i64)]) -> i64 {
    let look = (second + TICK - 1).div_euclid(TICK) * TICK;
    match outages.iter().find(|(from, to)| (*from..*to).contains(&look)) {
        Some((_, to)) => next_look(*to, outages),
        None => look,
    }
}

/// What the runner is to take, by the slots and the outages alone: each slot at the first look that finds it open and
/// newer than all others that are due.
fn expected(slots: &[Slot], outages: &[(i64, i64)]) -> Vec<(Timestamp, i64)> {
    let mut expected = Vec::new();
    for (number, slot) in slots.iter().enumerate() {
        let look = next_look(slot.due.as_second(), outages);
        let is_open = slot.closes.is_none_or(|closes| look < closes.as_second());
        let is_newest = slots.get(number + 1).is_none_or(|next| next.due.as_second() > look);
        if is_open && is_newest && look < begin() * 60 + YEAR {
            expected.push((slot.due, look));
        }
    }
    expected
}

/// What may go wrong with a snapshot, in parts of a hundred.
#[derive(Clone, Copy)]
struct Trouble {
    fails: usize,
    dies: usize,
}

/// Runs the year. Between looks nothing is kept but what is noted. Returns what was taken: slot and moment.
fn run(case: &Case, slots: &[Slot], outages: &[(i64, i64)], trouble: Trouble, seed: &mut u64) -> Vec<(Timestamp, i64)> {
    let since = at(begin() * 60 - 1);
    let mut last: Option<LastRun> = None;
    let mut taken = Vec::new();
    let mut left_by_a_crash = false;
    let mut look = next_look(begin() * 60, outages);
    while look < begin() * 60 + YEAR {
        let now = at(look);
        // Looks between here and the next thing that can happen find nothing to do; a few are made all the same.
        let upcoming = slots.get(slots.partition_point(|slot| slot.due <= now));
        let upcoming = upcoming.map_or(i64::MAX / 2, |slot| slot.due.as_second());
        let mut next = if below(seed, 20) == 0 { look + TICK } else { upcoming };
        match decide(&case.policy, case.spread, since, last, now) {
            Decision::Take { slot, attempt, after_crash } => {
                assert!(slot.closes.is_none_or(|closes| now < closes) && slot.due <= now, "{slot:?} at {now}");
                let done = last.and_then(|last| match last.state {
                    RunState::Done => last.slot.or(last.done),
                    _ => last.done,
                });
                assert!(done.is_none_or(|done| done < slot.due), "{slot:?} was seen to: {last:?}");
                let mut run = LastRun { done, slot: Some(slot.due), attempts: attempt, state: RunState::Done };
                let chance = below(seed, 100);
                if after_crash && left_by_a_crash {
                    // It is there, and is found.
                } else if chance < trouble.fails {
                    run.state = RunState::Failed(now);
                    next = next.min(look + retry_after(attempt).as_secs());
                } else if chance < trouble.fails + trouble.dies {
                    run.state = RunState::Running { alive: Some(false) };
                    left_by_a_crash = below(seed, 2) == 0;
                    if left_by_a_crash {
                        taken.push((slot.due, look));
                    }
                    next = look + TICK;
                } else {
                    taken.push((slot.due, look));
                }
                last = Some(run);
            }
            Decision::Retry(again) => next = next.min(again.as_second()),
            Decision::Busy => panic!("nobody else is at it"),
            Decision::Wait => {}
        }
        look = next_look(next.max(look + 1), outages);
    }
    taken
}

/// Whether the clock's time at which it was begun is one that the policy allows.
fn is_allowed(case: &Case, minutes: &Minutes, slot: &Slot, second: i64) -> bool {
    let open = case.rule.is_open(minutes.wall_at(second.div_euclid(60)));
    // A window that the clock skipped is open for a quarter of an hour after that.
    let skipped = !case.rule.is_open(minutes.wall_at(slot.due.as_second().div_euclid(60)));
    open || skipped && second - slot.due.as_second() < 900
}

fn check_windows(case: &Case, zones: &[Minutes], slots: &[Slot], taken: &[(Timestamp, i64)]) {
    let by_due: BTreeMap<Timestamp, &Slot> = slots.iter().map(|slot| (slot.due, slot)).collect();
    let mut seen = BTreeMap::new();
    for (due, second) in taken {
        let slot = by_due.get(due).unwrap_or_else(|| panic!("{due} is no slot of {case:?}"));
        assert!(is_allowed(case, &zones[case.zone], slot, *second), "{due} was begun at {} by {case:?}", at(*second));
        assert_eq!(seen.insert(*due, *second), None, "{due} was taken twice of {case:?}");
    }
}

#[test]
fn each_slot_is_taken_once_and_what_was_missed_is_made_up_for_once() {
    let zones = zones();
    let mut seed = 7;
    let (mut all, mut late) = (0, 0);
    for case in cases() {
        let slots = slots(&case);
        let outages = outages(&mut seed);
        let taken = run(&case, &slots, &outages, Trouble { fails: 0, dies: 0 }, &mut seed);
        check_windows(&case, &zones, &slots, &taken);
        assert_eq!(taken, expected(&slots, &outages), "{case:?}");
        all += taken.len();
        late += taken.iter().filter(|(due, second)| second - due.as_second() > TICK).count();
    }
    assert!(all > 300_000 && late > 1000, "{all} were taken, {late} of them late");
}

#[test]
fn failures_and_crashes_make_nothing_twice_and_are_tried_again() {
    let zones = zones();
    let mut seed = 11;
    let (mut all, mut calm) = (0, 0);
    for case in cases().into_iter().step_by(3) {
        let slots = slots(&case);
        let outages = outages(&mut seed);
        let taken = run(&case, &slots, &outages, Trouble { fails: 20, dies: 5 }, &mut seed);
        check_windows(&case, &zones, &slots, &taken);
        all += taken.len();
        calm += expected(&slots, &outages).len();
    }
    // A quarter fails at first. Tried again, nearly all come.
    assert!(all * 100 > calm * 92 && all < calm + calm / 50, "{all} of {calm} were taken");
}
