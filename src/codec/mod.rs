//! Compressing: blocks whole, and chunks as what changed against a base chunk.

mod delta;
mod zstd_frame;

pub use delta::{DeltaDecoder, DeltaEncoder};
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
    /// Fast: zstd 1.
    Fast,
    /// The level that DESIGN.md argues for: zstd 3.
    #[default]
    Default,
    /// Small: zstd 12.
    Best,
}

impl Effort {
    /// The zstd level for blocks.
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
