//! A Neo4j dump, read: the magic or none, one compressed stream, the counts, the tar.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use zstd::stream::read::Decoder;

use super::form::Neo4jFrame;
use super::input::{BoxRead, Checked, Origin, WINDOW_LOG_MAX, carry, read_error, read_some, read_up_to};
use super::member::{Member, MemberKind, Members};
use super::tar_read::TarReader;
use crate::error::Result;
use crate::limits;

/// What stands first inside the zstd frame.
pub(super) const INNER_WORD: &[u8; 4] = b"zstd";
/// The only version of the form.
pub(super) const VERSION: i32 = 1;

/// How many regular files there are, and how many bytes they have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    files: u64,
    bytes: u64,
}

/// The members of a Neo4j dump.
pub(super) struct Neo4jMembers {
    tar: TarReader<BoxRead>,
    origin: Arc<Origin>,
    /// What the dump says of itself; the gzip form says nothing.
    declared: Option<Counts>,
    found: Counts,
    root_seen: bool,
    broken: bool,
}

impl Neo4jMembers {
    /// Opens the dump that `stream` begins with, from its magic on. `frame` was seen at its beginning.
    pub fn open(mut stream: BoxRead, frame: Neo4jFrame, origin: &Arc<Origin>) -> Result<Self> {
        if matches!(frame, Neo4jFrame::Dzv1 | Neo4jFrame::Dgv1) {
            read_up_to(&mut stream, &mut [0; 4]).map_err(|error| read_error(&origin.label, error))?;
        }
        let (plain, declared): (BoxRead, _) = match frame {
            Neo4jFrame::Dzv1 | Neo4jFrame::ZstdBare => {
                let frame = OneFrame::new(stream, origin).map_err(|error| read_error(&origin.label, error))?;
                let mut plain = Checked::new(frame, origin, limits::CONTAINER_RATIO_MAX);
                let declared = read_counts(&mut plain, origin)?;
                (Box::new(plain), Some(declared))
            }
            Neo4jFrame::Dgv1 | Neo4jFrame::GzipBare => {
                let gzip = flate2::bufread::MultiGzDecoder::new(BufReader::new(stream));
                (Box::new(Checked::new(gzip, origin, limits::CONTAINER_RATIO_MAX)), None)
            }
        };
        let tar = TarReader::new(plain, origin);
        Ok(Self { tar, origin: origin.clone(), declared, found: Counts::default(), root_seen: false, broken: false })
    }

    fn advance(&mut self) -> Result<Option<Member>> {
        loop {
            let Some(member) = self.tar.next_member()? else {
                return match self.declared {
                    Some(declared) if declared != self.found => Err(self.mismatch(declared)),
                    _ => Ok(None),
                };
            };
            match member.kind {
                MemberKind::File { len } => {
                    self.found.files += 1;
                    self.found.bytes = self.found.bytes.saturating_add(len);
                    if let Some(declared) = self.declared
                        && (self.found.files > declared.files || self.found.bytes > declared.bytes)
                    {
                        return Err(self.mismatch(declared));
                    }
                }
                // The transaction logs come below a root of their own, which is the same folder here.
                MemberKind::Directory if member.path.is_root() && std::mem::replace(&mut self.root_seen, true) => {
                    continue;
                }
                MemberKind::Directory => {}
                _ => {
                    let path = &member.path;
                    return Err(self.origin.refused(&format!("its member {path} is neither a file nor a folder")));
                }
            }
            return Ok(Some(member));
        }
    }

    fn mismatch(&self, declared: Counts) -> crate::error::Error {
        self.origin.corrupt(&format!(
            "it declares {} files of {} bytes, and that is not what it holds",
            declared.files, declared.bytes
        ))
    }
}

impl Members for Neo4jMembers {
    fn next_member(&mut self) -> Result<Option<Member>> {
        if self.broken {
            return Err(self.origin.corrupt("reading it failed before"));
        }
        let result = self.advance();
        self.broken = result.is_err();
        result
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.tar.read(buf)
    }

    fn not_kept(&self) -> Vec<String> {
        self.tar.not_kept()
    }
}

/// Reads what stands between the beginning of the frame's content and the tar.
fn read_counts(plain: &mut impl Read, origin: &Arc<Origin>) -> Result<Counts> {
    let mut field = |bytes: &mut [u8]| {
        let len = read_up_to(plain, bytes).map_err(|error| read_error(&origin.label, error))?;
        if len == bytes.len() { Ok(()) } else { Err(origin.cut_short("it ends inside the header of its dump")) }
    };
    let (mut word, mut version, mut files, mut bytes) = ([0; 4], [0; 4], [0; 8], [0; 8]);
    field(&mut word)?;
    if &word != INNER_WORD {
        return Err(origin.corrupt("its frame does not begin with the word \"zstd\""));
    }
    field(&mut version)?;
    let version = i32::from_be_bytes(version);
    if version != VERSION {
        return Err(origin.refused(&format!("it is a Neo4j dump of version {version}; only {VERSION} is known")));
    }
    field(&mut files)?;
    field(&mut bytes)?;
    let count = |bytes: [u8; 8]| {
        u64::try_from(i64::from_be_bytes(bytes)).map_err(|_| origin.corrupt("it declares a negative count"))
    };
    Ok(Counts { files: count(files)?, bytes: count(bytes)? })
}

/// One zstd frame that must be all there is.
struct OneFrame {
    decoder: Decoder<'static, BufReader<BoxRead>>,
    origin: Arc<Origin>,
}

impl OneFrame {
    fn new(stream: BoxRead, origin: &Arc<Origin>) -> io::Result<Self> {
        let mut decoder = Decoder::new(stream)?.single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { decoder, origin: origin.clone() })
    }
}

impl Read for OneFrame {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = read_some(&mut self.decoder, buf)?;
        if len == 0 && !buf.is_empty() && !self.decoder.get_mut().fill_buf()?.is_empty() {
            return Err(carry(self.origin.refused("something comes after the end of its dump")));
        }
        Ok(len)
    }
}
