//! Which way of compressing suits a run of blocks: tried out now and then, remembered in between.

/// Blocks between two trials: few at first, twice as many whenever the same way wins again.
const TRIAL_EVERY_MIN: u32 = 8;
const TRIAL_EVERY_MAX: u32 = 64;
/// Data of another density is tried out earlier: after that, divided by this.
const TRIAL_EARLIER: u32 = 2;
/// A block is of other data if its density departs by more than one part in so many from the one that was tried out.
const ALIKE_ONE_IN: u64 = 4;
/// A dearer way must save one part in so many to be worth its time.
const WORTH_ONE_IN: usize = 100;

/// What was learnt from the blocks before. Keep one for each run of blocks that are alike: a thread's lane.
#[derive(Debug, Clone, Default)]
pub struct Habit {
    /// The way that won the last trial.
    way: usize,
    /// Stored for each 65,536 bytes, in that trial.
    density: u64,
    /// Blocks since that trial.
    since: u32,
    /// Blocks from that trial to the next; 0 before the first.
    every: u32,
}

impl Habit {
    /// The way for the next block; `None` if it is to be tried out.
    pub(super) fn way(&self) -> Option<usize> {
        (self.since < self.every).then_some(self.way)
    }

    /// Takes in a trial: the stored lengths by way, the cheapest first. Returns the winner.
    pub(super) fn tried(&mut self, plain: usize, stored: &[usize]) -> usize {
        let mut winner = 0;
        let mut least = usize::MAX;
        for (way, len) in stored.iter().enumerate() {
            if least == usize::MAX || len.saturating_add(least / WORTH_ONE_IN) < least {
                (winner, least) = (way, *len);
            }
        }
        let every = if winner == self.way { self.every.saturating_mul(2) } else { 0 };
        *self = Self {
            way: winner,
            density: density(plain, least),
            since: 0,
            every: every.clamp(TRIAL_EVERY_MIN, TRIAL_EVERY_MAX),
        };
        winner
    }

    /// Takes in a block that was compressed the remembered way.
    pub(super) fn used(&mut self, plain: usize, stored: usize) {
        self.since = self.since.saturating_add(1);
        let is_other = density(plain, stored).abs_diff(self.density) > self.density / ALIKE_ONE_IN;
        if is_other && self.since >= self.every / TRIAL_EARLIER {
            self.since = self.every;
        }
    }
}

fn density(plain: usize, stored: usize) -> u64 {
    ((stored as u64) << 16) / (plain as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_wins_and_a_dearer_way_must_be_worth_it() {
        assert_eq!(Habit::default().tried(1000, &[500, 400, 300]), 2);
        assert_eq!(Habit::default().tried(1000, &[500, 499, 498]), 0);
        assert_eq!(Habit::default().tried(1000, &[500, 400, 399]), 1);
    }

    #[test]
    fn trials_become_rare_while_the_same_way_wins() {
        let mut habit = Habit::default();
        let mut trials = 0;
        for _ in 0..1000 {
            match habit.way() {
                None => {
                    trials += 1;
                    habit.tried(1000, &[400, 500]);
                }
                Some(_) => habit.used(1000, 400),
            }
        }
        assert!((15..25).contains(&trials), "{trials} trials");
    }

    #[test]
    fn other_data_is_tried_out_early() {
        let mut habit = Habit::default();
        habit.tried(1000, &[400, 500]);
        for _ in 0..TRIAL_EVERY_MIN / TRIAL_EARLIER {
            habit.used(1000, 410);
            assert_eq!(habit.way(), Some(0));
        }
        habit.used(1000, 200);
        assert_eq!(habit.way(), None);
        habit.tried(1000, &[300, 200]);
        assert_eq!(habit.way(), Some(1), "what it was is forgotten");
    }
}
