//! What a loaded file was: kept with the snapshot, so that the export can write the same kind of file again.

use serde::{Deserialize, Serialize};

/// How a tar or a single file was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// The outermost bytes of a Neo4j dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Neo4jFrame {
    /// `DZV1`, then a zstd frame.
    Dzv1,
    /// `DGV1`, then a gzip stream.
    Dgv1,
    /// A zstd frame at once (Neo4j 4 and before).
    ZstdBare,
    /// A gzip stream at once.
    GzipBare,
}

/// What a loaded file was. Stored in manifests: variants are only ever added, at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Form {
    /// A Neo4j `.dump`; its members are the store's files.
    Neo4jDump {
        /// Its outermost bytes.
        frame: Neo4jFrame,
    },
    /// A tar; its members are its entries.
    Tar {
        /// How it was compressed.
        compression: Compression,
    },
    /// One file of any other kind.
    Single {
        /// How it was compressed.
        compression: Compression,
        /// The file's own name, without folders, with `.gz` or `.zst` where it had that.
        name: String,
    },
}

impl Form {
    /// The form in a few words, for people.
    pub fn describe(&self) -> String {
        let with = |kind: &str, compression: &Compression| match compression {
            Compression::None => kind.to_string(),
            Compression::Gzip => format!("{kind}, gzip"),
            Compression::Zstd => format!("{kind}, zstd"),
        };
        match self {
            Form::Neo4jDump { frame } => match frame {
                Neo4jFrame::Dzv1 => "Neo4j dump (DZV1)".to_string(),
                Neo4jFrame::Dgv1 => "Neo4j dump (DGV1)".to_string(),
                Neo4jFrame::ZstdBare => "Neo4j dump (zstd, no magic)".to_string(),
                Neo4jFrame::GzipBare => "Neo4j dump (gzip, no magic)".to_string(),
            },
            Form::Tar { compression } => with("tar archive", compression),
            Form::Single { compression, .. } => with("single file", compression),
        }
    }
}
