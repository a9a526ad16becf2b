//! gzip in several threads, with the same bytes whatever their number.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, sync_channel};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Plain bytes that one thread compresses at a time.
const BLOCK_LEN: usize = 512 * 1024;
/// Magic, deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty last deflate block.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Writes one gzip member, so that readers that take no more than one do well too.
///
/// Blocks are deflated apart and each ends on a whole byte, so that one after the other they are one deflate stream.
/// The bytes depend on the input and the level alone.
pub struct GzWriter<W: Write> {
    out: W,
    level: Compression,
    pool: ThreadPool,
    /// Blocks under way, oldest first.
    under_way: VecDeque<Receiver<io::Result<Deflated>>>,
    under_way_max: usize,
    block: Vec<u8>,
    sum: Crc,
}

struct Deflated {
    bytes: Vec<u8>,
    sum: Crc,
}

impl<W: Write> GzWriter<W> {
    /// A member into `out`, at a level of 0 to 9, by `threads` threads (0 counts as 1) beside the caller's.
    pub fn new(mut out: W, level: u32, threads: usize) -> io::Result<Self> {
        let threads = threads.max(1);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
        out.write_all(&HEADER)?;
        Ok(Self {
            out,
            level: Compression::new(level.min(9)),
            pool,
            under_way: VecDeque::new(),
            under_way_max: threads * 2,
            block: Vec::new(),
            sum: Crc::new(),
        })
    }

    /// Ends the member. A member that was not ended is cut short, and every reader says so.
    pub fn finish(mut self) -> io::Result<W> {
        self.deflate_block()?;
        while !self.under_way.is_empty() {
            self.write_oldest()?;
        }
        self.out.write_all(&LAST_BLOCK)?;
        self.out.write_all(&self.sum.sum().to_le_bytes())?;
        self.out.write_all(&self.sum.amount().to_le_bytes())?;
        Ok(self.out)
    }

    fn deflate_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        if self.under_way.len() >= self.under_way_max {
            self.write_oldest()?;
        }
        let (block, level) = (mem::take(&mut self.block), self.level);
        let (sender, receiver) = sync_channel(1);
        // Nobody waits for the answer any more only where the writer was dropped.
        self.pool.spawn(move || drop(sender.send(deflate(&block, level))));
        self.under_way.push_back(receiver);
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        if let Some(receiver) = self.under_way.pop_front() {
            let deflated = receiver.recv().map_err(|_| io::Error::other("a compressing thread broke off"))??;
            self.out.write_all(&deflated.bytes)?;
            self.sum.combine(&deflated.sum);
        }
        Ok(())
    }
}

fn deflate(block: &[u8], level: Compression) -> io::Result<Deflated> {
    let mut sum = Crc::new();
    sum.update(block);
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(block.len() / 2), level);
    encoder.write_all(block)?;
    encoder.flush()?;
    // Taken out before the encoder can end the stream.
    Ok(Deflated { bytes: mem::take(encoder.get_mut()), sum })
}

impl<W: Write> Write for GzWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let room = BLOCK_LEN.saturating_sub(self.block.len());
        let (taken, _) = buf.split_at_checked(room).unwrap_or((buf, &[]));
        self.block.extend_from_slice(taken);
        if self.block.len() >= BLOCK_LEN {
            self.deflate_block()?;
        }
        Ok(taken.len())
    }

    /// Does nothing: ending a block here would make the bytes depend on when this was called.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn compressed(plain: &[u8], level: u32, threads: usize, step: usize) -> Vec<u8> {
        let mut writer = GzWriter::new(Vec::new(), level, threads).unwrap();
        for part in plain.chunks(step) {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn one_member_whatever_the_threads_and_writes() {
        let text = b"one row of a dump; another row of a dump; ".repeat(40_000);
        for len in [0, 1, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, text.len()] {
            let plain = &text[..len];
            let reference = compressed(plain, 6, 1, BLOCK_LEN);
            for (threads, step) in [(0, 1 << 20), (2, 100_000), (5, 4096)] {
                assert!(compressed(plain, 6, threads, step) == reference, "{len} bytes, {threads} threads");
            }
            // A decoder for one member alone gives all of it, and its sums hold.
            let mut decoder = flate2::bufread::GzDecoder::new(&reference[..]);
            let mut back = Vec::new();
            decoder.read_to_end(&mut back).unwrap();
            assert!(back == plain, "{len} bytes");
            assert!(decoder.into_inner().is_empty());
        }
        let levels = [0, 1, 9].map(|level| compressed(&text, level, 2, 1 << 20).len());
        assert!(levels[0] > text.len() && levels[1] < text.len() / 10 && levels[2] <= levels[1], "{levels:?}");
    }

    #[test]
    fn a_target_that_fails_is_noticed() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(buf.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(buf.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let plain = vec![7; 3 * BLOCK_LEN];
        let write = |room| {
            let mut writer = GzWriter::new(Full(room), 1, 2)?;
            writer.write_all(&plain)?;
            writer.finish().map(drop)
        };
        let whole = compressed(&plain, 1, 2, 1 << 20).len();
        assert!(write(whole).is_ok());
        for room in (0..whole).step_by(whole / 20).chain([whole - 1]) {
            assert_eq!(write(room).unwrap_err().kind(), io::ErrorKind::StorageFull, "{room}");
        }
    }
}
