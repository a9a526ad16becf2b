//! How often somebody may ask: governor's GCRA, for each token or address by itself.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Keys that rested are forgotten after so many questions, so that the memory stays bounded.
const SWEEP_EVERY: u32 = 4096;

/// Counts by keys.
pub struct Throttle {
    limiter: RateLimiter<String, HashMapStateStore<String>, DefaultClock>,
    asked: AtomicU32,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Throttle")
    }
}

impl Throttle {
    /// So many at once, and as many in a minute after that. Zero is taken for one.
    pub fn per_minute(count: u32) -> Self {
        Self::of(Quota::per_minute(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)))
    }

    /// So many a second in the long run, and `burst` at once. Zero is taken for one.
    pub fn per_second(count: u32, burst: u32) -> Self {
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self::of(Quota::per_second(at_least_one(count)).allow_burst(at_least_one(burst)))
    }

    fn of(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::new(quota, HashMapStateStore::default(), DefaultClock::default()),
            asked: AtomicU32::new(0),
        }
    }

    /// Counts one for a key. The error says how long to wait.
    pub fn check(&self, key: &str) -> Result<(), Duration> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        let not_until = self.limiter.check_key(&key.to_string());
        not_until.map(drop).map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_count() {
        let throttle = Throttle::per_minute(3);
        assert_eq!((0..5).filter(|_| throttle.check("a").is_ok()).count(), 3);
        assert!(throttle.check("b").is_ok());
        assert!(throttle.check("a").unwrap_err() <= Duration::from_secs(60));
    }
}
