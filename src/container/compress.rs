//! Zstandard in several threads, with the same bytes whatever their number.

use std::io::{self, Write};

use zstd::stream::write::Encoder;

/// Writes one zstd frame: XXH64 checksum, no content size.
///
/// The bytes depend on the input and the level, not on the number of threads or on how the input was cut into writes.
pub struct ZstdWriter<W: Write>(Encoder<'static, W>);

impl<W: Write> ZstdWriter<W> {
    /// A frame into `out`, by `threads` threads (0 counts as 1) beside the caller's.
    pub fn new(out: W, level: i32, threads: u32) -> io::Result<Self> {
        let mut encoder = Encoder::new(out, level)?;
        encoder.include_checksum(true)?;
        encoder.include_contentsize(false)?;
        // With no worker at all the frame would be cut differently; from one on it is the same.
        encoder.multithread(threads.max(1))?;
        Ok(Self(encoder))
    }

    /// Ends the frame. A frame that was not ended is cut short, and every reader says so.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    /// Does nothing: ending a block here would make the bytes depend on when this was called.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(plain: &[u8], threads: u32, step: usize) -> Vec<u8> {
        let mut writer = ZstdWriter::new(Vec::new(), 1, threads).unwrap();
        for part in plain.chunks(step) {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn bytes_do_not_depend_on_threads_or_writes() {
        // Several of the encoder's jobs, which are of 2 MiB at this level.
        let mut state = 1u32;
        let plain: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        })
        .take(9 << 20)
        .collect();
        let reference = compressed(&plain, 1, plain.len());
        for (threads, step) in [(0, 4096), (2, 1 << 20), (3, 777_777), (8, 131_072)] {
            assert!(compressed(&plain, threads, step) == reference, "{threads} threads, {step} bytes a write");
        }
        assert!(zstd::decode_all(&reference[..]).unwrap() == plain);
        // The control: a byte more or a higher level does change them.
        assert!(compressed(&plain[1..], 2, 1 << 20) != reference);
    }

    #[test]
    fn the_frame_has_a_checksum_and_no_content_size() {
        for plain in [&b""[..], b"x", &[0; 300_000]] {
            let frame = compressed(plain, 2, 1000);
            assert_eq!(frame[..4], [0x28, 0xb5, 0x2f, 0xfd]);
            // Frame_Content_Size_flag 0, Single_Segment_flag 0, Content_Checksum_flag 1, no dictionary.
            assert_eq!(frame[4], 0b0000_0100);
            assert_eq!(zstd::decode_all(&frame[..]).unwrap(), plain);
        }
    }
}
