//! Mutations that a seed decides: the same in every run, on every machine.

/// Bytes that decoders trip over: ends of ranges, and the marks of longer integers.
const TELLING: [u8; 14] = [0, 1, 2, 0x7f, 0x80, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, b' ', b'/'];
/// The longest input, bytes.
const LEN_MAX: usize = 64 * 1024;

/// Makes new inputs out of old ones.
pub struct Mutator {
    state: u64,
}

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        match self.below(2) {
            0 => TELLING[self.below(TELLING.len())],
            _ => self.next() as u8,
        }
    }

    /// One of `seeds`, changed in one to eight ways.
    pub fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(8).min(self.below(8)) {
            self.mutate(&mut input, seeds);
        }
        input.truncate(LEN_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let len = 1 + self.below(16).min(self.below(256));
        let end = (at + len).min(input.len());
        match self.below(10) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 | 2 if at < input.len() => input[at] = self.byte(),
            3 => {
                let byte = self.byte();
                input[at..end].fill(byte);
            }
            4 => _ = input.drain(at..end),
            5 => {
                let inserted: Vec<u8> = (0..len).map(|_| self.byte()).collect();
                input.splice(at..at, inserted);
            }
            6 => input.truncate(at),
            7 => {
                let copied = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copied);
            }
            8 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                let piece = &other[from..(from + 4 * len).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
            // An integer of eight bytes in bincode's longest form, or as it is.
            _ => {
                let value = [u64::MAX, i64::MAX as u64, 1 << 63, 1 << 32, u64::from(u32::MAX), 1 << 20][self.below(6)];
                let mut bytes = value.to_le_bytes().to_vec();
                if self.below(2) == 0 {
                    bytes.insert(0, 0xfd);
                }
                input.splice(at..end.min(at + 1), bytes);
            }
        }
    }
}
