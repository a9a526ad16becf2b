//! LZF as Redis has it (M. Lehmann's format): literal runs, and copies of what came out before.

/// The most that a byte of input can become: a copy of 264 bytes takes three.
const EXPANSION_MAX: usize = 90;

/// Opens `packed` into exactly `len` bytes behind what is in `out`; `None` where it does not come out so.
pub fn open(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
    // Before anything is allocated for a length that somebody wrote down.
    if len > packed.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let begin = out.len();
    let end = begin.checked_add(len)?;
    out.reserve(len);
    let mut rest = packed;
    while let Some((control, after)) = rest.split_first() {
        let control = usize::from(*control);
        if control < 32 {
            let literals = after.get(..control + 1)?;
            out.extend_from_slice(literals);
            rest = after.get(control + 1..)?;
        } else {
            let (more, after) = if control >> 5 == 7 {
                let (more, after) = after.split_first()?;
                (usize::from(*more), after)
            } else {
                (0, after)
            };
            let (low, after) = after.split_first()?;
            let back = ((control & 31) << 8 | usize::from(*low)) + 1;
            copy(out, begin, back, (control >> 5) + more + 2)?;
            rest = after;
        }
        if out.len() > end {
            return None;
        }
    }
    (out.len() == end).then_some(())
}

/// Appends `len` bytes from `back` bytes before the end on; they may be among those that are appended.
fn copy(out: &mut Vec<u8>, begin: usize, back: usize, len: usize) -> Option<()> {
    let from = out.len().checked_sub(back).filter(|from| *from >= begin)?;
    if back >= len {
        out.extend_from_within(from..from + len);
    } else {
        for at in from..from + len {
            let byte = *out.get(at)?;
            out.push(byte);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_copies_come_out() {
        let mut out = b"before".to_vec();
        // "abc", then nine bytes from three before on, then "!".
        assert_eq!(open(&[2, b'a', b'b', b'c', 7 << 5, 0, 2, 0, b'!'], 13, &mut out), Some(()));
        assert_eq!(out, b"beforeabcabcabcabc!");
    }

    #[test]
    fn wrong_lengths_and_copies_from_before_the_beginning_are_refused() {
        for (packed, len) in [
            (&[0, b'a'][..], 2),
            (&[1, b'a'], 2),
            (&[0, b'a', 1 << 5, 1], 4),
            (&[0, b'a', 1 << 5], 4),
            (&[0, b'a'], 1 << 40),
        ] {
            assert_eq!(open(packed, len, &mut b"before".to_vec()), None, "{packed:?}");
        }
    }
}
