//! Part of what is there, taken evenly over all of it.

use std::ops::Range;

/// Files up to this length are taken whole or not at all, and longer ones in pieces of about this length, bytes.
const PIECE: u64 = 4 << 20;
/// Pieces begin at a multiple of this, so that no page of a database is cut, bytes.
const ALIGNED: u64 = 64 << 10;

/// Part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The file's number.
    pub file: usize,
    /// What of it, in order; never empty.
    pub ranges: Vec<Range<u64>>,
}

impl Chosen {
    /// One stretch of a file.
    pub fn stretch(file: usize, range: Range<u64>) -> Self {
        Self { file, ranges: std::iter::once(range).collect() }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        sum(self.ranges.iter().map(|range| range.end - range.start))
    }
}

/// Bytes of all. Sparse files may claim more than can be counted.
pub fn sum(lengths: impl Iterator<Item = u64>) -> u64 {
    lengths.fold(0, u64::saturating_add)
}

/// At most `limit` bytes of files of these lengths: of every stretch of the list the same share, of a long file pieces
/// from its beginning to its end. Empty files are left out of what is not all.
pub fn choose(lengths: &[u64], limit: u64) -> Vec<Chosen> {
    let total = sum(lengths.iter().copied());
    if total <= limit {
        let whole = |(file, len): (usize, &u64)| Chosen::stretch(file, 0..*len);
        return lengths.iter().enumerate().map(whole).collect();
    }
    let (mut before, mut taken) = (0u64, 0u64);
    let mut chosen = Vec::new();
    for (file, &len) in lengths.iter().enumerate() {
        before = before.saturating_add(len);
        let share = (u128::from(before) * u128::from(limit) / u128::from(total)) as u64;
        let due = share.saturating_sub(taken);
        let ranges = match len {
            0 => continue,
            len if len <= PIECE && due >= len.div_ceil(2) && taken.saturating_add(len) <= limit => {
                Chosen::stretch(file, 0..len).ranges
            }
            len if len <= PIECE => continue,
            len => pieces(len, due),
        };
        let part = Chosen { file, ranges };
        if !part.ranges.is_empty() {
            taken += part.len();
            chosen.push(part);
        }
    }
    if chosen.is_empty() {
        // So little is asked for that no file has its turn: the beginning of the longest one.
        let longest = lengths.iter().enumerate().max_by_key(|(_, len)| **len);
        chosen.extend(longest.map(|(file, len)| Chosen::stretch(file, 0..limit.min(*len))));
    }
    chosen
}

/// Pieces of a file of `len` bytes, evenly, that together have `due` bytes but for less than [`ALIGNED`] each.
fn pieces(len: u64, due: u64) -> Vec<Range<u64>> {
    let count = due.min(len).div_ceil(PIECE);
    let down = |bytes: u64| bytes / ALIGNED * ALIGNED;
    let (piece, stride) = match count {
        0 => return Vec::new(),
        count => (down(due.min(len) / count), down(len / count)),
    };
    (0..count).map(|number| number * stride..number * stride + piece).filter(|range| !range.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn little_enough_is_taken_whole() {
        let chosen = choose(&[3, 0, 5], 8);
        assert_eq!(chosen, [Chosen::stretch(0, 0..3), Chosen::stretch(1, 0..0), Chosen::stretch(2, 0..5)]);
    }

    #[test]
    fn a_long_file_gives_pieces_from_all_of_it() {
        let [part] = &choose(&[100 << 20], 16 << 20)[..] else { panic!("one file") };
        assert_eq!(part.ranges.len(), 4);
        assert_eq!(part.len(), 16 << 20);
        assert_eq!(part.ranges[0].start, 0);
        assert!(part.ranges[3].end > 75 << 20);
    }

    #[test]
    fn of_many_small_files_every_stretch_gives_its_share() {
        let chosen = choose(&[1000; 1000], 100_000);
        assert!((95..=100).contains(&chosen.len()), "{}", chosen.len());
        let in_the_first_half = chosen.iter().filter(|part| part.file < 500).count();
        assert!((45..=55).contains(&in_the_first_half), "{in_the_first_half}");
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_there_and_no_more_than_asked(
            lengths in proptest::collection::vec(prop_oneof![0u64..100, 0u64..10_000_000, 0u64..1 << 33], 1..50),
            limit in prop_oneof![1u64..1000, 1u64..1 << 30],
        ) {
            let chosen = choose(&lengths, limit);
            prop_assert!(chosen.iter().map(Chosen::len).sum::<u64>() <= limit);
            prop_assert!(chosen.windows(2).all(|pair| pair[0].file < pair[1].file));
            for part in &chosen {
                prop_assert!(part.ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
                prop_assert!(part.ranges.iter().all(|range| range.start <= range.end && range.end <= lengths[part.file]));
            }
            let total: u64 = lengths.iter().sum();
            prop_assert_eq!(chosen.iter().map(Chosen::len).sum::<u64>() == 0, total == 0);
        }
    }
}
