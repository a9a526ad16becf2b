//! Finds out what a file is, by its bytes, and takes it apart.

use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;

use super::form::{Compression, Form, Neo4jFrame};
use super::input::{Checked, Input, Origin, read_error, read_head, read_some};
use super::member::Members;
use super::neo4j_read::{INNER_WORD, Neo4jMembers};
use super::nested::look_inside;
use super::tar_header::{BLOCK, is_header};
use super::tar_read::TarReader;
use crate::error::Result;
use crate::limits;

/// A reader of any make.
pub(super) type BoxRead = Box<dyn Read + Send>;

/// Bytes that are looked at to find out what a file is: enough for the first block of any zstd frame.
pub(super) const SNIFF_LEN: u64 = 256 * 1024;
/// Bytes that are read from the file at a time.
const READ_LEN: usize = 256 * 1024;
/// The largest zstd window that is accepted, as a power of two: 128 MiB, what every decoder takes unless told otherwise.
pub(super) const WINDOW_LOG_MAX: u32 = 27;
/// The name of what has none, such as standard input.
const NAMELESS: &str = "dump";

/// A file that was opened.
pub struct Opened {
    /// What it is.
    pub form: Form,
    /// What is in it.
    pub body: Body,
}

/// What is in a file.
pub enum Body {
    /// Several members.
    Members(Box<dyn Members>),
    /// One file, decompressed.
    Single {
        /// Its name: the opened file's, without folders and without `.gz` or `.zst`.
        name: String,
        /// Its bytes. They have held together only when it has said 0; take an error out with [`super::read_error`].
        reader: Box<dyn Read + Send>,
    },
}

/// What the first bytes of a file say it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    Neo4j(Neo4jFrame),
    /// A name that ends in `.dump`, and a magic like those of Neo4j that is none of them.
    UnknownNeo4j,
    Tar(Compression),
    Single(Compression),
}

/// Opens what `input` holds. `file_name` is for messages and for the name of a single file; it decides between forms
/// only where the bytes are the same (a `.dump` of gzip and a `.tar.gz`, an empty tar and zeros).
///
/// A tar that holds one Neo4j dump and no other file is opened as that dump. Memory stays constant.
pub fn open(input: Box<dyn Read + Send>, file_name: &str) -> Result<Opened> {
    let origin = Origin::new(file_name);
    let mut input = Input::new(input, &origin);
    let head = read_head(&mut input, SNIFF_LEN).map_err(|error| read_error(file_name, error))?;
    let recognised = recognise(&head, file_name);
    let stream: BoxRead = Box::new(BufReader::with_capacity(READ_LEN, Cursor::new(head).chain(input)));
    match recognised {
        Recognised::UnknownNeo4j => Err(origin.refused("it is a Neo4j dump of a kind that is not known")),
        Recognised::Neo4j(frame) => {
            let members = Neo4jMembers::open(stream, frame, &origin)?;
            Ok(Opened { form: Form::Neo4jDump { frame }, body: Body::Members(Box::new(members)) })
        }
        Recognised::Tar(compression) => {
            let tar = TarReader::new(decompressed(stream, compression, &origin)?, &origin);
            look_inside(tar, Form::Tar { compression }, &origin)
        }
        Recognised::Single(compression) => {
            let own = file_name.rsplit('/').next().unwrap_or_default();
            let own = if matches!(own, "" | "-" | "." | "..") { NAMELESS } else { own };
            let name = stem(own, compression).to_string();
            let reader = decompressed(stream, compression, &origin)?;
            let form = Form::Single { compression, name: own.to_string() };
            Ok(Opened { form, body: Body::Single { name, reader } })
        }
    }
}

/// `name` without the ending that its compression gives it.
fn stem(name: &str, compression: Compression) -> &str {
    let ending = match compression {
        Compression::None => return name,
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    };
    match name.strip_suffix(ending) {
        Some("" | "." | "..") => NAMELESS,
        Some(stem) => stem,
        None => name,
    }
}

fn decompressed(stream: BoxRead, compression: Compression, origin: &Arc<Origin>) -> Result<BoxRead> {
    fn checked(inner: impl Read + Send + 'static, origin: &Arc<Origin>) -> BoxRead {
        Box::new(Checked::new(inner, origin, limits::CONTAINER_RATIO_MAX))
    }
    Ok(match compression {
        Compression::None => checked(stream, origin),
        Compression::Gzip => checked(flate2::bufread::MultiGzDecoder::new(BufReader::new(stream)), origin),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(stream).and_then(|mut decoder| {
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                Ok(decoder)
            });
            checked(decoder.map_err(|error| read_error(&origin.label, error))?, origin)
        }
    })
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
