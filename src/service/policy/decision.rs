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
