//! Compressing: blocks whole, and chunks as what changed against a base chunk.

mod delta;
mod habit;
mod zstd_frame;

pub use delta::{DeltaDecoder, DeltaEncoder};
pub use habit::Habit;
pub use zstd_frame::{Compressor, Decompressor, decompress};

use serde::{Deserialize, Serialize};

/// How a block's payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockCodec {
    /// As it is: compressing gained nothing.
    Plain,
    /// One zstd frame.
    Zstd,
}

/// How hard to compress: a choice between speed and size that every reader understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Effort {
    /// Fast: at most what zstd 1 takes.
    Fast,
    /// What DESIGN.md argues for: at most what zstd 3 takes.
    #[default]
    Default,
    /// Small: up to zstd 12.
    Best,
}

/// One way to compress: a zstd level, and what departs from it (0: nothing).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) level: i32,
    pub(crate) min_match: u32,
    pub(crate) hash_log: u32,
}

impl Way {
    const fn level(level: i32) -> Self {
        Self { level, min_match: 0, hash_log: 0 }
    }

    /// zstd 1, but for short matches: the repeating fields of index pages.
    const SHORT_MATCHES: Self = Self { level: 1, min_match: 5, hash_log: 16 };
}

impl Effort {
    /// The ways that this effort chooses among, the cheapest first. More of them would gain little (docs/DESIGN.md).
    pub(crate) fn ways(self) -> &'static [Way] {
        match self {
            Effort::Fast => const { &[Way::level(1), Way::SHORT_MATCHES] },
            Effort::Default => const { &[Way::level(1), Way::SHORT_MATCHES, Way::level(3)] },
            Effort::Best => const { &[Way::level(1), Way::SHORT_MATCHES, Way::level(12)] },
        }
    }

    /// The zstd level of what is compressed alone and once.
    pub fn level(self) -> i32 {
        match self {
            Effort::Fast => 1,
            Effort::Default => 3,
            Effort::Best => 12,
        }
    }
}

/// `fast`, `default` or `best`.
impl std::str::FromStr for Effort {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "fast" => Ok(Effort::Fast),
            "default" => Ok(Effort::Default),
            "best" => Ok(Effort::Best),
            _ => Err(format!("{name:?} is no effort; there are fast, default and best")),
        }
    }
}

/// What a codec could not do. Where it concerns stored bytes the caller adds the object's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub(crate) String);
