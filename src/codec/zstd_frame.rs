//! Whole blocks as single zstd frames, with contexts that are made once and used again.

use std::cell::RefCell;

use zstd::zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

use super::{BlockCodec, CodecError, Effort, Habit, Way};

/// Compresses blocks. Keep one for each thread: its tables are dear to make.
pub struct Compressor {
    context: CCtx<'static>,
    ways: &'static [Way],
    /// What the last call made; and, in a trial, the best so far.
    made: Vec<u8>,
    best: Vec<u8>,
}

impl Compressor {
    /// A compressor of the given effort.
    pub fn new(effort: Effort) -> Result<Self, CodecError> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::ChecksumFlag(false)).map_err(failed)?;
        Ok(Self { context, ways: effort.ways(), made: Vec::new(), best: Vec::new() })
    }

    /// `plain` in its stored form: compressed where that is smaller by at least 1/64, else as it is. `habit` is what
    /// was learnt from blocks like this one.
    pub fn compress(&mut self, plain: &[u8], habit: &mut Habit) -> Result<(BlockCodec, Vec<u8>), CodecError> {
        match habit.way() {
            Some(way) => {
                self.make(plain, way)?;
                habit.used(plain.len(), self.made.len());
            }
            None => self.try_out(plain, habit)?,
        }
        if self.made.len() + plain.len() / 64 < plain.len() {
            Ok((BlockCodec::Zstd, self.made.clone()))
        } else {
            Ok((BlockCodec::Plain, plain.to_vec()))
        }
    }

    /// Leaves the winner's frame in `made`.
    fn try_out(&mut self, plain: &[u8], habit: &mut Habit) -> Result<(), CodecError> {
        let mut lens = Vec::with_capacity(self.ways.len());
        let mut kept = 0;
        for way in 0..self.ways.len() {
            self.make(plain, way)?;
            lens.push(self.made.len());
            if habit.clone().tried(plain.len(), &lens) == way {
                std::mem::swap(&mut self.made, &mut self.best);
                kept = way;
            }
        }
        let winner = habit.tried(plain.len(), &lens);
        debug_assert_eq!(winner, kept, "the frame that was kept is the winner's");
        std::mem::swap(&mut self.made, &mut self.best);
        Ok(())
    }

    fn make(&mut self, plain: &[u8], way: usize) -> Result<(), CodecError> {
        let way = self.ways.get(way).ok_or_else(|| CodecError("there is no such way to compress".into()))?;
        for parameter in [
            CParameter::CompressionLevel(way.level),
            CParameter::MinMatch(way.min_match),
            CParameter::HashLog(way.hash_log),
        ] {
            self.context.set_parameter(parameter).map_err(failed)?;
        }
        self.made.clear();
        self.made.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        self.context.compress2(&mut self.made, plain).map_err(failed)?;
        Ok(())
    }
}

/// Decompresses blocks. Keep one for each thread.
pub struct Decompressor {
    context: DCtx<'static>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self { context: DCtx::create() }
    }
}

impl Decompressor {
    /// The `plain_len` bytes that `stored` holds. The caller has held `plain_len` against its limit.
    pub fn decompress(&mut self, codec: BlockCodec, stored: &[u8], plain_len: usize) -> Result<Vec<u8>, CodecError> {
        let plain = match codec {
            BlockCodec::Plain => stored.to_vec(),
            BlockCodec::Zstd => {
                let mut plain = Vec::with_capacity(plain_len);
                self.context.decompress(&mut plain, stored).map_err(failed)?;
                plain
            }
        };
        if plain.len() != plain_len {
            return Err(CodecError(format!("{} bytes where {plain_len} were declared", plain.len())));
        }
        Ok(plain)
    }
}

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::default();
}

/// As [`Decompressor::decompress`], with a context that this thread keeps: making one costs more than most small objects.
pub fn decompress(codec: BlockCodec, stored: &[u8], plain_len: usize) -> Result<Vec<u8>, CodecError> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.decompress(codec, stored, plain_len))
}

pub(super) fn failed(code: usize) -> CodecError {
    CodecError(format!("zstd: {}", get_error_name(code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20_000),
            (any::<u8>(), 0usize..200_000).prop_map(|(byte, len)| vec![byte; len]),
            proptest::collection::vec(0u8..4, 0..50_000),
        ]
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(plain in blocks()) {
            for effort in [Effort::Fast, Effort::Default, Effort::Best] {
                let (codec, stored) = Compressor::new(effort).unwrap().compress(&plain, &mut Habit::default()).unwrap();
                prop_assert!(stored.len() <= plain.len());
                prop_assert_eq!(&Decompressor::default().decompress(codec, &stored, plain.len()).unwrap(), &plain);
            }
        }

        #[test]
        fn a_wrong_length_is_an_error(plain in proptest::collection::vec(0u8..4, 100..5_000)) {
            let (codec, stored) = Compressor::new(Effort::Default).unwrap().compress(&plain, &mut Habit::default()).unwrap();
            prop_assert!(Decompressor::default().decompress(codec, &stored, plain.len() - 1).is_err());
            prop_assert!(Decompressor::default().decompress(codec, &stored, plain.len() + 1).is_err());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(stored in proptest::collection::vec(any::<u8>(), 0..2_000), len in 0usize..5_000) {
            let _ = Decompressor::default().decompress(BlockCodec::Zstd, &stored, len);
        }
    }
}
