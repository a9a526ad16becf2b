//! Timing: once, or the median of some rounds; by one thread or by all.

use rayon::prelude::*;

use crate::clock::Stopwatch;
use crate::error::Result;

use super::report::Speed;
use super::stop::Stop;

/// Rounds of a stage at most, and the time after which no further round begins.
pub const ROUNDS: usize = 5;
const ENOUGH_S: f64 = 1.5;

/// How many threads work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    One,
    All,
}

/// Times work.
#[derive(Clone, Copy)]
pub struct Meter<'a> {
    pub stopwatch: &'a dyn Stopwatch,
    pub stop: &'a Stop,
    /// Rounds at most.
    pub rounds: usize,
}

/// So many bytes in such a time.
pub fn speed(bytes: u64, wall_s: f64, cpu_s: f64) -> Speed {
    // A clock may not tell so short a time from none.
    let mb_per_s = bytes as f64 / 1e6 / wall_s.max(1e-9);
    Speed { wall_s, cpu_s, mb_per_s }
}

impl Meter<'_> {
    /// Times `work` once.
    pub fn once<T>(&self, bytes: u64, work: impl FnOnce() -> Result<T>) -> Result<(Speed, T)> {
        self.stop.check()?;
        let (wall, cpu) = (self.stopwatch.wall(), self.stopwatch.cpu());
        let result = work()?;
        let wall_s = self.stopwatch.wall().saturating_sub(wall).as_secs_f64();
        let cpu_s = self.stopwatch.cpu().saturating_sub(cpu).as_secs_f64();
        Ok((speed(bytes, wall_s, cpu_s), result))
    }

    /// The median of some rounds. `prepare` is not timed, and neither is letting go of what `work` returns.
    pub fn rounds<I, T>(
        &self,
        bytes: u64,
        mut prepare: impl FnMut() -> Result<I>,
        mut work: impl FnMut(I) -> Result<T>,
    ) -> Result<Speed> {
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        while wall.len() < self.rounds && wall.iter().sum::<f64>() < ENOUGH_S {
            let input = prepare()?;
            let (round, _) = self.once(bytes, || work(input))?;
            wall.push(round.wall_s);
            cpu.push(round.cpu_s);
        }
        Ok(speed(bytes, median(wall), median(cpu)))
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

/// Works on each item, with something that each thread makes for itself.
pub fn each<T: Sync, S>(
    cores: Cores,
    items: &[T],
    init: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, &T) -> Result<()> + Sync + Send,
) -> Result<()> {
    match cores {
        Cores::One => {
            let mut own = init();
            items.iter().try_for_each(|item| work(&mut own, item))
        }
        Cores::All => items.par_iter().try_for_each_init(init, work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![9.0]), 9.0);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn no_time_at_all_is_no_division_by_zero() {
        assert!(speed(1, 0.0, 0.0).mb_per_s.is_finite());
        assert_eq!(speed(2_000_000, 0.5, 0.1).mb_per_s, 4.0);
    }
}
