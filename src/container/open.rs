//! Takes a file apart by what its bytes say it is.

use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;

use super::form::{Compression, Form};
use super::input::{BoxRead, Checked, Input, Origin, WINDOW_LOG_MAX, read_error, read_head};
use super::member::{Body, Opened};
use super::neo4j_read::Neo4jMembers;
use super::nested::look_inside;
use super::sniff::{Recognised, SNIFF_LEN, recognise};
use super::tar_read::TarReader;
use crate::error::Result;
use crate::limits;

/// Bytes that are read from the file at a time.
const READ_LEN: usize = 256 * 1024;
/// The name of what has none, such as standard input.
const NAMELESS: &str = "dump";

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
