//! What a file is, by its first bytes.

use std::io::Read;

use super::form::{Compression, Neo4jFrame};
use super::input::read_some;
use super::neo4j_read::INNER_WORD;
use super::tar_header::{BLOCK, is_header};

/// Bytes that are looked at to find out what a file is: enough for the first block of any zstd frame.
pub(super) const SNIFF_LEN: u64 = 256 * 1024;

/// What the first bytes of a file say it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    Neo4j(Neo4jFrame),
    /// A name that ends in `.dump`, and a magic like those of Neo4j that is none of them.
    UnknownNeo4j,
    Tar(Compression),
    Single(Compression),
}

/// What `head`, the first [`SNIFF_LEN`] bytes of a file, says the file is. A head that does not decompress says "one
/// compressed file": reading that names the damage.
pub(super) fn recognise(head: &[u8], file_name: &str) -> Recognised {
    let is_dump = file_name.ends_with(".dump");
    match head {
        [b'D', b'Z', b'V', b'1', ..] => return Recognised::Neo4j(Neo4jFrame::Dzv1),
        [b'D', b'G', b'V', b'1', ..] => return Recognised::Neo4j(Neo4jFrame::Dgv1),
        [b'D', _, b'V', b'1', ..] if is_dump => return Recognised::UnknownNeo4j,
        _ => {}
    }
    let (compression, inner) = match head {
        // The frame of data, and the frames that are passed over, with which some parallel compressors begin.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            (Compression::Zstd, zstd::stream::read::Decoder::new(head).map(first_block).unwrap_or_default())
        }
        [0x1f, 0x8b, 0x08, ..] => (Compression::Gzip, first_block(flate2::bufread::MultiGzDecoder::new(head))),
        _ => (Compression::None, head.iter().copied().take(BLOCK).collect()),
    };
    // The version is a small number: its first bytes are zero, which tells the word from a text that begins with it.
    let is_neo4j = inner.strip_prefix(INNER_WORD).is_some_and(|rest| is_dump || rest.starts_with(&[0, 0]));
    let is_tar = is_header(&inner) || (inner == [0; BLOCK] && is_named_tar(file_name));
    match compression {
        Compression::Zstd if is_neo4j => Recognised::Neo4j(Neo4jFrame::ZstdBare),
        Compression::Gzip if is_tar && is_dump => Recognised::Neo4j(Neo4jFrame::GzipBare),
        _ if is_tar => Recognised::Tar(compression),
        _ => Recognised::Single(compression),
    }
}

/// Whether an archive without members would be named like this; its bytes are zeros alone.
fn is_named_tar(file_name: &str) -> bool {
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"].iter().any(|ending| file_name.ends_with(ending))
}

/// The first [`BLOCK`] bytes that `reader` has before its end or its first error.
fn first_block(mut reader: impl Read) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_some(&mut reader, rest) {
            Ok(0) | Err(_) => break,
            Ok(len) => filled += len,
        }
    }
    block.truncate(filled);
    block
}
