//! Decompressing, and applying deltas.

use snaphold::codec::{BlockCodec, Compressor, Decompressor, DeltaDecoder, DeltaEncoder, Effort, Habit};
use snaphold::limits::BLOCK_MAX;

use super::fixed::Input;

/// The declared length, then a stored block.
pub fn block(data: &[u8]) -> bool {
    let mut input = Input(data);
    let plain_len = input.u32() as usize % (BLOCK_MAX + 1);
    let stored = input.0;
    let mut decompressor = Decompressor::default();
    let mut accepted = false;
    for codec in [BlockCodec::Plain, BlockCodec::Zstd] {
        if let Ok(plain) = decompressor.decompress(codec, stored, plain_len) {
            assert_eq!(plain.len(), plain_len);
            let (codec, again) =
                Compressor::new(Effort::Fast).unwrap().compress(&plain, &mut Habit::default()).unwrap();
            assert!(again.len() <= plain.len());
            assert_eq!(decompressor.decompress(codec, &again, plain_len).unwrap(), plain);
            accepted |= codec == BlockCodec::Zstd || !plain.is_empty();
        }
    }
    accepted
}

/// The declared length, the base, the delta. Base and delta are then taken for two versions of a chunk.
pub fn delta(data: &[u8]) -> bool {
    let mut input = Input(data);
    let target_len = input.u32() as usize % (BLOCK_MAX + 1);
    let base_len = usize::from(input.u16());
    let base = input.bytes(base_len);
    let delta = input.0;
    let mut decoder = DeltaDecoder::default();
    let mut out = b"before".to_vec();
    let accepted = decoder.decode_into(base, delta, target_len, &mut out).is_ok();
    assert!(out.starts_with(b"before"));
    assert_eq!(out.len(), if accepted { 6 + target_len } else { 6 });
    let target = [delta, base].concat();
    if let Some(made) = DeltaEncoder::default().encode(base, &target, usize::MAX) {
        let mut back = Vec::new();
        decoder.decode_into(base, made, target.len(), &mut back).unwrap();
        assert_eq!(back, target);
    }
    accepted
}
