//! When something is tried again that failed.

use crate::server::config::{Span, Webhooks};

/// The longest pause.
const PAUSE_MAX: Span = Span::hours(6);

/// When to try again after `failures` failures (at least 1), microseconds; `None`: never. `random` spreads those that
/// failed together over a tenth of the pause.
pub fn next_try_us(now_us: i64, failures: i64, random: u8, config: &Webhooks) -> Option<i64> {
    if failures >= i64::from(config.attempts_max) {
        return None;
    }
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(40);
    let pause = config.retry_after.as_us().saturating_mul(1 << doublings).min(PAUSE_MAX.as_us());
    Some(now_us.saturating_add(pause).saturating_add(pause / 10 * i64::from(random) / 255))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn pauses_double_up_to_six_hours_and_end() {
        let config = Webhooks::default();
        assert_eq!(next_try_us(0, 1, 0, &config), Some(15 * SECOND));
        assert_eq!(next_try_us(7, 2, 0, &config), Some(30 * SECOND + 7));
        assert_eq!(next_try_us(0, 2, 255, &config), Some(33 * SECOND));
        assert_eq!(next_try_us(0, 11, 0, &config), Some(15_360 * SECOND));
        let patient = Webhooks { attempts_max: 50, ..config.clone() };
        assert_eq!(next_try_us(0, 49, 0, &patient), Some(6 * 3600 * SECOND));
        assert_eq!(next_try_us(0, 12, 0, &config), None);
    }
}
