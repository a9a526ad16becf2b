//! Content-defined cuts: what is inserted or removed changes the chunks around it, and no others.

use fastcdc::v2020::{self, Normalization};
use mincdc::{MinCdcHash4, SliceChunker};
use serde::{Deserialize, Serialize};

use crate::limits::{CHUNK_MAX, CHUNK_MIN};

/// FastCDC's normalisation: measured to store less than level 1 at an equal mean (see [`StreamChunker::default`]).
const FASTCDC_LEVEL: Normalization = Normalization::Level2;

/// A content-defined chunker and its parameters. The repository's config stores one, and it never changes: with another,
/// nothing that is stored would be recognised again.
///
/// Where a chunk ends depends on the bytes from its beginning on alone, never on how they came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamChunker {
    /// FastCDC in its form of 2020, normalisation level 2, gear table without a seed.
    FastCdc {
        /// Smallest chunk but for the last, bytes; even.
        min: u32,
        /// Where the cut becomes easier, bytes; even. The mean is about 1.2 times this.
        average: u32,
        /// Largest chunk, bytes; even.
        max: u32,
    },
    /// Cuts where a hash of the last four bytes is smallest between `min` and `max`, at the first such place.
    /// The mean is the middle of the two.
    MinCdc {
        /// Smallest chunk but for the last, bytes.
        min: u32,
        /// Largest chunk, bytes.
        max: u32,
    },
}

impl Default for StreamChunker {
    /// MinCDC from 8 to 24 KiB, by measurement (one core; "new" is what a second version adds, before compression).
    ///
    /// | | mean | speed | SQL dump, 0.2 % of rows edited | source tree as one stream | random, 1,000 insertions |
    /// | --- | --- | --- | --- | --- | --- |
    /// | MinCDC 8–24 KiB | 15–17 KiB | 13–24 GB/s | 19.1 % new | 12.3 % | 13.8 % |
    /// | MinCDC 4–28 KiB | 15–18 KiB | 10–11 GB/s | 20.9 % | 12.9 % | 15.4 % |
    /// | FastCDC 4/16/64 KiB, level 2 | 19–20 KiB | 1.6–3.3 GB/s | 22.3 % | 15.3 % | 15.5 % |
    /// | FastCDC 4/16/64 KiB, level 1 | 20–22 KiB | 1.7–3.3 GB/s | 26.1 % | 17.3 % | 19.1 % |
    ///
    /// For each KiB of mean, MinCDC 8–24 and FastCDC at level 2 find the same; the speed decides.
    fn default() -> Self {
        StreamChunker::MinCdc { min: 8 * 1024, max: 24 * 1024 }
    }
}

/// `mincdc` or `fastcdc`, each with the parameters that were measured for [`StreamChunker::default`].
impl std::str::FromStr for StreamChunker {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "mincdc" => Ok(StreamChunker::default()),
            "fastcdc" => Ok(StreamChunker::FastCdc { min: 4 * 1024, average: 16 * 1024, max: 64 * 1024 }),
            _ => Err(format!("{name:?} is no chunker; there are mincdc and fastcdc")),
        }
    }
}

impl StreamChunker {
    /// Whether the parameters are within limits; otherwise one line that says what is wrong with them.
    pub fn validate(&self) -> Result<(), String> {
        let (min, max) = (self.min_len(), self.max_len());
        if min < CHUNK_MIN || max > CHUNK_MAX {
            return Err(format!("chunk sizes {min} to {max} bytes are outside of {CHUNK_MIN} to {CHUNK_MAX}"));
        }
        if min >= max {
            return Err(format!("the smallest chunk ({min} bytes) must be smaller than the largest ({max})"));
        }
        if let StreamChunker::FastCdc { average, .. } = *self {
            let average = average as usize;
            if average < min || average > max {
                return Err(format!("the average chunk ({average} bytes) is outside of {min} to {max}"));
            }
            if [min, average, max].iter().any(|len| len % 2 != 0) {
                return Err(format!("FastCDC needs even chunk sizes, not {min}, {average} and {max} bytes"));
            }
        }
        Ok(())
    }

    /// Smallest chunk but for the last of a stream, bytes.
    pub fn min_len(&self) -> usize {
        match *self {
            StreamChunker::FastCdc { min, .. } | StreamChunker::MinCdc { min, .. } => min as usize,
        }
    }

    /// Largest chunk, bytes. [`Self::next_cut`] always decides when it sees as much.
    pub fn max_len(&self) -> usize {
        match *self {
            StreamChunker::FastCdc { max, .. } | StreamChunker::MinCdc { max, .. } => max as usize,
        }
    }

    /// Length of the first chunk of `data`, or `None` where more data is needed to decide (or there is none at all).
    /// `at_end` says that the stream ends with `data`.
    ///
    /// With parameters that [`Self::validate`] refuses, the cuts are at [`CHUNK_MAX`].
    pub fn next_cut(&self, data: &[u8], at_end: bool) -> Option<usize> {
        if data.is_empty() {
            return None;
        }
        let valid = self.validate().is_ok();
        let max = if valid { self.max_len() } else { CHUNK_MAX };
        // Less than the most a chunk can have might be cut elsewhere once more is there.
        if data.len() < max && !at_end {
            return None;
        }
        let window = data.get(..max).unwrap_or(data);
        if !valid {
            return Some(window.len());
        }
        let cut = match *self {
            StreamChunker::FastCdc { min, average, max } => fastcdc_cut(window, min, average, max),
            StreamChunker::MinCdc { min, max } => mincdc_cut(window, min, max),
        };
        Some(cut.clamp(1, window.len()))
    }
}

fn fastcdc_cut(window: &[u8], min: u32, average: u32, max: u32) -> usize {
    let (mask_s, mask_l) = v2020::select_masks(average as usize, FASTCDC_LEVEL);
    let (_, cut) =
        v2020::cut(window, min as usize, average as usize, max as usize, mask_s, mask_l, mask_s << 1, mask_l << 1);
    cut
}

fn mincdc_cut(window: &[u8], min: u32, max: u32) -> usize {
    SliceChunker::new(window, min as usize, max as usize, MinCdcHash4::new()).next().map_or(window.len(), |c| c.len())
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
