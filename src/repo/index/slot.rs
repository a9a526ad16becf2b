//! Where a chunk is, and how the index writes that down.

use std::cmp::Reverse;

use crate::id::ChunkId;

/// Where the index says a chunk is: the `slot`-th chunk in the footer of pack number `pack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The pack's number.
    pub pack: u32,
    /// Position in its footer.
    pub slot: u32,
    /// The base where it is stored as a delta; `None` where it is stored full.
    pub base: Option<ChunkId>,
}

/// Set in the position where a base follows. A pack holds at most 2^20 chunks.
const HAS_BASE: u32 = 1 << 31;

impl Slot {
    /// Appends 8 bytes, or 28 with a base, which say where they end.
    pub(super) fn encode_into(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.pack.to_le_bytes());
        bytes.extend((self.slot | if self.base.is_some() { HAS_BASE } else { 0 }).to_le_bytes());
        bytes.extend(self.base.iter().flat_map(|base| base.0));
    }

    /// The first one of `bytes`, and what stands behind it.
    pub(super) fn decode_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (pack, rest) = bytes.split_first_chunk()?;
        let (slot, rest) = rest.split_first_chunk()?;
        let (pack, slot) = (u32::from_le_bytes(*pack), u32::from_le_bytes(*slot));
        if slot & HAS_BASE == 0 {
            return Some((Self { pack, slot, base: None }, rest));
        }
        let (base, rest) = rest.split_first_chunk()?;
        Some((Self { pack, slot: slot & !HAS_BASE, base: Some(ChunkId(*base)) }, rest))
    }

    /// All of `bytes`, in their order.
    pub(super) fn decode_all(mut bytes: &[u8]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let (slot, rest) = Self::decode_first(bytes)?;
            bytes = rest;
            Some(slot)
        })
    }

    /// Of several places the first by this is read: a full one before a delta, a newer pack before an older one. The base
    /// of a delta must be found in full, whichever order packs are taken in.
    pub(super) fn rank(&self) -> (bool, Reverse<u32>) {
        (self.base.is_some(), Reverse(self.pack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_one_after_the_other_and_say_where_they_end() {
        let base = ChunkId([7; 20]);
        let places = [
            Slot { pack: 3, slot: 0, base: Some(base) },
            Slot { pack: 1, slot: (1 << 20) - 1, base: None },
            Slot { pack: u32::MAX, slot: 5, base: Some(base) },
        ];
        let mut bytes = Vec::new();
        places.iter().for_each(|place| place.encode_into(&mut bytes));
        assert_eq!(bytes.len(), 28 + 8 + 28);
        assert_eq!(Slot::decode_all(&bytes).collect::<Vec<_>>(), places);
        assert_eq!(Slot::decode_all(&bytes[..bytes.len() - 1]).collect::<Vec<_>>(), places[..2]);
        assert_eq!(places.iter().min_by_key(|place| place.rank()), Some(&places[1]));
    }
}
