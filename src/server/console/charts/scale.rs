//! The scale of a plot's axis.

use crate::server::console::parts::text::size;

/// A plot's place for its axis' labels, and what is drawn in.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// How wide it is, labels and all.
    pub width: f64,
    /// How high.
    pub height: f64,
    /// Left of what is drawn.
    pub left: f64,
    /// Above it.
    pub top: f64,
    /// Below it.
    pub bottom: f64,
}

impl Frame {
    /// Where a value stands, from above.
    pub fn y(&self, value: u64, top: u64) -> f64 {
        let height = self.height - self.top - self.bottom;
        self.height - self.bottom - height * (value as f64 / top.max(1) as f64)
    }

    /// Where the `at`-th of `of` places is.
    pub fn x(&self, at: f64, of: f64) -> f64 {
        self.left + (self.width - self.left) * at / of.max(1.0)
    }
}

/// A round size, at least `most`, and its quarters or halves where lines are drawn.
pub fn ticks(most: u64) -> (u64, Vec<u64>) {
    let unit = (0..6).map(|power| 1_u64 << (10 * power)).take_while(|unit| *unit <= most.max(1)).last().unwrap_or(1);
    const ROUND: [u64; 11] = [1, 2, 4, 8, 10, 20, 40, 80, 100, 200, 400];
    let fits = ROUND.into_iter().map(|round| round.saturating_mul(unit)).find(|top| *top >= most);
    let top = fits.unwrap_or_else(|| most.checked_next_power_of_two().unwrap_or(u64::MAX));
    let half = top / 2;
    (top, if half > 0 { vec![0, half, top] } else { vec![0, top] })
}

/// A tick's label: a size without needless tenths.
pub fn label(bytes: u64) -> String {
    size(bytes).replace(".0 ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_reaches_what_is_drawn_and_its_labels_are_round() {
        for most in [0, 1, 3, 1_000, 1_024, 1_500_000, 5_368_709_120, u64::MAX / 2] {
            let (top, lines) = ticks(most);
            assert!(top >= most, "{most}: {top}");
            assert_eq!(lines.last(), Some(&top));
        }
        assert_eq!(label(ticks(5_368_709_120).0), "8 GiB");
        assert_eq!(label(ticks(900 * 1024).0), "1 MiB");
    }
}
