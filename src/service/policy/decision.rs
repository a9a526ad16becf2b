//! What is to be done now about an instance's policy, given what was done last.

use jiff::{SignedDuration, Timestamp};

use super::rules::Policy;
use super::slots::{Slot, Spread};

/// What was done last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRun {
    /// The newest slot that was seen to before it.
    pub done: Option<Timestamp>,
    /// For which slot it was; `None`: for none, because the instance was new or its system had changed.
    pub slot: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// How it ended.
    pub state: RunState,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It has not. `alive`: whether its process still runs, where that can be known.
    Running {
        /// Whether its process still runs.
        alive: Option<bool>,
    },
    /// Well.
    Done,
    /// Not well, at this time.
    Failed(Timestamp),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing now.
    Wait,
    /// Nothing now: what failed is tried again then.
    Retry(Timestamp),
    /// Nothing now: somebody is at it.
    Busy,
    /// A slot is to be taken.
    Take {
        /// Which.
        slot: Slot,
        /// How often it will have been tried.
        attempt: u32,
        /// Its last try was cut short: what it made may be there, and then it is done.
        after_crash: bool,
    },
}

/// How long to wait after the `attempts`th failure: ten minutes, then twice as long each time, up to six hours.
pub fn retry_after(attempts: u32) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(6);
    SignedDuration::from_mins((10 << doublings).min(360))
}

/// What is to be done now. The policy holds since `since`: slots before that are nobody's.
pub fn decide(policy: &Policy, spread: Spread, since: Timestamp, last: Option<LastRun>, now: Timestamp) -> Decision {
    let Some(last) = last else {
        return take(policy.due(spread, now, since), 1, false);
    };
    if last.state == (RunState::Running { alive: Some(true) }) {
        return Decision::Busy;
    }
    // What did not end well is due until it does, or the next one is.
    let seen_to = match (last.slot, last.state) {
        (Some(slot), RunState::Done) => slot,
        (Some(slot), _) => slot.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(slot),
        (None, _) => last.done.unwrap_or(since),
    };
    let due = policy.due(spread, now, since.max(seen_to));
    if due.is_some() && due.map(|slot| slot.due) != last.slot {
        return take(due, 1, false);
    }
    let attempt = last.attempts.saturating_add(1);
    match last.state {
        RunState::Failed(at) if due.is_some() || last.slot.is_none() => {
            match at.saturating_add(retry_after(last.attempts)) {
                Ok(again) if now < again => Decision::Retry(again),
                _ => take(due, attempt, false),
            }
        }
        RunState::Running { alive: Some(false) } => take(due, attempt, true),
        // On another machine, perhaps: the next slot will tell.
        RunState::Running { .. } if due.is_some() => Decision::Busy,
        _ => Decision::Wait,
    }
}

fn take(due: Option<Slot>, attempt: u32, after_crash: bool) -> Decision {
    due.map_or(Decision::Wait, |slot| Decision::Take { slot, attempt, after_crash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::policy::Hours;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    /// Each hour on the hour, since minute 30: due at 60, 120, …
    fn told(slot: Option<i64>, state: RunState, now: i64) -> Decision {
        let policy = Policy { hours: Hours::Every, ..Policy::default() };
        let last = LastRun { done: None, slot: slot.map(at), attempts: 2, state };
        decide(&policy, Spread::NONE, at(30), Some(last), at(now))
    }

    fn takes(minute: i64, attempt: u32, after_crash: bool) -> Decision {
        Decision::Take { slot: Slot { due: at(minute), closes: None }, attempt, after_crash }
    }

    #[test]
    fn the_newest_slot_is_due_and_none_from_before_the_policy() {
        let policy = Policy { hours: Hours::Every, ..Policy::default() };
        let first = |now| decide(&policy, Spread::NONE, at(30), None, at(now));
        assert_eq!((first(59), first(60), first(500)), (Decision::Wait, takes(60, 1, false), takes(480, 1, false)));
    }

    #[test]
    fn what_was_done_is_not_done_again() {
        assert_eq!(told(Some(60), RunState::Done, 119), Decision::Wait);
        assert_eq!(told(Some(60), RunState::Done, 120), takes(120, 1, false));
    }

    #[test]
    fn what_failed_waits_and_is_tried_again_until_the_next_is_due() {
        let failed = RunState::Failed(at(70));
        assert_eq!(told(Some(60), failed, 89), Decision::Retry(at(90)));
        assert_eq!(told(Some(60), failed, 90), takes(60, 3, false));
        assert_eq!(told(Some(60), RunState::Failed(at(119)), 121), takes(120, 1, false));
        // One for no slot: nothing is due, and looking for a change waits too.
        assert_eq!(told(None, RunState::Failed(at(35)), 40), Decision::Retry(at(55)));
        assert_eq!(told(None, RunState::Failed(at(35)), 55), Decision::Wait);
        let waits: Vec<i64> = (1..9).map(|attempts| retry_after(attempts).as_mins()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360, 360]);
    }

    #[test]
    fn what_is_running_is_left_alone_and_what_died_is_done_again() {
        let running = |alive| RunState::Running { alive };
        assert_eq!(told(Some(60), running(Some(true)), 70), Decision::Busy);
        assert_eq!(told(Some(60), running(Some(true)), 130), Decision::Busy);
        assert_eq!(told(Some(60), running(None), 70), Decision::Busy);
        assert_eq!(told(Some(60), running(None), 130), takes(120, 1, false));
        assert_eq!(told(Some(60), running(Some(false)), 70), takes(60, 3, true));
        assert_eq!(told(Some(60), running(Some(false)), 130), takes(120, 1, false));
        assert_eq!(told(None, running(Some(false)), 40), Decision::Wait);
    }
}
