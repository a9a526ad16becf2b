//! A tar, written as a stream: POSIX ustar, with a PAX header before a member only where something does not fit.
//!
//! Names in PAX are UTF-8. A name that is not, and is too long for a header too, is written the way GNU tar does:
//! GNU tar, bsdtar and Python's tarfile all take it without a word, which they do not of PAX's own way out
//! (`hdrcharset=BINARY`).
//!
//! The same members give the same bytes: no times of the writing, no user names, no choice that depends on anything
//! but the member.

use std::io::{self, Read, Write};

use super::input::{carry, read_error, write_error};
use super::member::MemberKind;
use super::path::RelativePath;
use super::pax::Extended;
use super::tar_header::{BLOCK, Header, NAME_LEN, OCTAL_8_MAX, OCTAL_12_MAX, PREFIX_LEN, kind, padding};
use crate::error::{Error, Result};
use crate::format::tree::Metadata;
use crate::limits;

const SECOND_NS: i64 = 1_000_000_000;
/// Bytes that are copied at a time.
const COPY_LEN: usize = 256 * 1024;

/// Writes a tar into `W`.
pub struct TarWriter<W: Write> {
    out: W,
    file_name: String,
    /// Whether names begin with `./`.
    dotted: bool,
    broken: bool,
}

impl<W: Write> TarWriter<W> {
    /// A tar into `out`, which messages call `file_name`.
    pub fn new(out: W, file_name: &str) -> Self {
        Self { out, file_name: file_name.to_string(), dotted: false, broken: false }
    }

    /// The same with `./` before every name.
    pub(super) fn dotted(out: W, file_name: &str) -> Self {
        Self { dotted: true, ..Self::new(out, file_name) }
    }

    /// Appends a member. For a regular file `fill` is called once and writes exactly as many bytes as `kind` says,
    /// else the tar is given up; for everything else it is not called. The root is the folder with the root's path.
    ///
    /// `fill` gets the library's errors out of its writes with [`super::write_error`].
    pub fn append(
        &mut self,
        path: &RelativePath,
        metadata: &Metadata,
        member_kind: &MemberKind,
        fill: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        self.check_whole()?;
        self.broken = true;
        self.put_header(path, metadata, member_kind)?;
        if let MemberKind::File { len } = *member_kind {
            let mut exactly = Exactly { out: &mut self.out, left: len, path };
            fill(&mut exactly)?;
            if exactly.left > 0 {
                let left = exactly.left;
                return Err(Error::Failed(format!("{path} ended {left} bytes before its {len} bytes were written")));
            }
            self.put(&[0; BLOCK], padding(len))?;
        }
        self.broken = false;
        Ok(())
    }

    /// [`TarWriter::append`] with a file's bytes from `data`, which has exactly as many as `kind` says.
    pub fn append_from(
        &mut self,
        path: &RelativePath,
        metadata: &Metadata,
        member_kind: &MemberKind,
        data: &mut dyn Read,
    ) -> Result<()> {
        let (file_name, member_name) = (self.file_name.clone(), path.to_string());
        self.append(path, metadata, member_kind, |out| {
            let mut buffer = vec![0; COPY_LEN];
            loop {
                let len =
                    super::input::read_some(data, &mut buffer).map_err(|error| read_error(&member_name, error))?;
                match buffer.get(..len) {
                    None | Some([]) => return Ok(()),
                    Some(bytes) => out.write_all(bytes).map_err(|error| write_error(&file_name, error))?,
                }
            }
        })
    }

    /// Writes the end of the tar: 1,024 zero bytes. Gives the target back, not flushed.
    pub fn finish(mut self) -> Result<W> {
        self.check_whole()?;
        self.put(&[0; 2 * BLOCK], 2 * BLOCK)?;
        Ok(self.out)
    }

    fn check_whole(&self) -> Result<()> {
        if self.broken {
            return Err(Error::Failed(format!("{} was given up: a member of it could not be written", self.file_name)));
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], len: usize) -> Result<()> {
        let bytes = bytes.get(..len).unwrap_or(bytes);
        self.out.write_all(bytes).map_err(|error| write_error(&self.file_name, error))
    }

    fn put_header(&mut self, path: &RelativePath, metadata: &Metadata, member_kind: &MemberKind) -> Result<()> {
        let refused = |detail: &str| Error::Refused(format!("{path} cannot go into a tar: {detail}"));
        let mut header = Header { mode: metadata.mode & 0o7777, ..Header::default() };
        let mut extended = Extended { xattrs: metadata.xattrs.clone(), ..Extended::default() };
        header.kind = match member_kind {
            MemberKind::File { len } => {
                header.size = *len;
                extended.size = (*len > OCTAL_12_MAX).then_some(*len);
                kind::FILE
            }
            MemberKind::Directory => kind::DIRECTORY,
            MemberKind::Symlink { target } => {
                if target.is_empty() || target.contains(&0) || target.len() > limits::LINK_TARGET_MAX {
                    return Err(refused("its target is none"));
                }
                header.link = target.clone();
                kind::SYMLINK
            }
            MemberKind::HardLink { target } => {
                header.link = self.name_of(target, false);
                kind::HARD_LINK
            }
            MemberKind::Fifo => kind::FIFO,
            MemberKind::CharDevice { major, minor } => {
                header.device = (*major, *minor);
                kind::CHAR_DEVICE
            }
            MemberKind::BlockDevice { major, minor } => {
                header.device = (*major, *minor);
                kind::BLOCK_DEVICE
            }
        };
        if path.is_root() && header.kind != kind::DIRECTORY {
            return Err(refused("the root must be a folder"));
        }
        if u64::from(header.device.0) > OCTAL_8_MAX || u64::from(header.device.1) > OCTAL_8_MAX {
            return Err(refused("its device numbers are too large"));
        }
        if header.link.len() > NAME_LEN {
            extended.link = self.put_unless_utf8(kind::GNU_LONG_LINK, &header.link)?;
        }
        header.uid = metadata.uid.into();
        extended.uid = (u64::from(metadata.uid) > OCTAL_8_MAX).then_some(header.uid);
        header.gid = metadata.gid.into();
        extended.gid = (u64::from(metadata.gid) > OCTAL_8_MAX).then_some(header.gid);
        header.mtime = metadata.mtime_ns.div_euclid(SECOND_NS);
        if metadata.mtime_ns < 0 || metadata.mtime_ns % SECOND_NS != 0 {
            extended.mtime_ns = Some(metadata.mtime_ns);
        }
        let name = self.name_of(path, header.kind == kind::DIRECTORY);
        let (prefix, short) = match split_name(&name) {
            Some(split) => split,
            None => {
                extended.path = self.put_unless_utf8(kind::GNU_LONG_NAME, &name)?;
                (&[][..], &name[..])
            }
        };
        header.name = short.to_vec();
        self.put_extended(&extended, &refused)?;
        self.put(&header.to_block(prefix), BLOCK)
    }

    fn put_extended(&mut self, extended: &Extended, refused: &dyn Fn(&str) -> Error) -> Result<()> {
        let records = extended.to_records();
        if records.is_empty() {
            return Ok(());
        }
        let len = records.len() as u64;
        if len > limits::PAX_HEADER_MAX {
            return Err(refused("its extended attributes are too large"));
        }
        // A tree that was made to harm can have two attributes of one name: no tar that its reader refuses is written.
        Extended::parse(&records).map_err(|detail| refused(&detail))?;
        let name = b"././@PaxHeader".to_vec();
        let header = Header { name, mode: 0o644, size: len, kind: kind::PAX, ..Header::default() };
        self.put(&header.to_block(&[]), BLOCK)?;
        self.put(&records, records.len())?;
        self.put(&[0; BLOCK], padding(len))
    }

    /// The long name, for PAX; one that PAX cannot have is written at once.
    fn put_unless_utf8(&mut self, kind: u8, name: &[u8]) -> Result<Option<Vec<u8>>> {
        if std::str::from_utf8(name).is_ok() {
            return Ok(Some(name.to_vec()));
        }
        let text = [name, b"\0"].concat();
        let len = text.len() as u64;
        let header = Header { name: b"././@LongLink".to_vec(), mode: 0o644, size: len, kind, ..Header::default() };
        self.put(&header.to_block(&[]), BLOCK)?;
        self.put(&text, text.len())?;
        self.put(&[0; BLOCK], padding(len))?;
        Ok(None)
    }

    /// How the tar names `path`. A folder's name ends in a slash.
    fn name_of(&self, path: &RelativePath, is_directory: bool) -> Vec<u8> {
        if path.is_root() {
            return b"./".to_vec();
        }
        let mut name = if self.dotted { b"./".to_vec() } else { Vec::new() };
        name.extend(path.to_bytes());
        if is_directory {
            name.push(b'/');
        }
        name
    }
}

/// `name` as a prefix (mostly empty) and the rest, cut at a slash, where both fit their fields.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_LEN {
        return Some((&[], name));
    }
    // The first slash after which the rest fits; the rest must not be empty.
    let from = name.len() - NAME_LEN - 1;
    let at = from + name.get(from..name.len() - 1)?.iter().position(|&byte| byte == b'/')?;
    let (prefix, rest) = name.split_at_checked(at)?;
    (!prefix.is_empty() && prefix.len() <= PREFIX_LEN).then_some((prefix, rest.get(1..)?))
}

/// Takes as many bytes as it was told, and no more.
struct Exactly<'a, W> {
    out: &'a mut W,
    left: u64,
    path: &'a RelativePath,
}

impl<W: Write> Write for Exactly<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if buf.len() as u64 > self.left {
            return Err(carry(Error::Failed(format!("{} has more bytes than its tar header says", self.path))));
        }
        let len = self.out.write(buf)?;
        self.left -= len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a fuzzer: the export of such a tree could not be loaded again.
    #[test]
    fn what_the_reader_would_refuse_is_not_written() {
        let path = RelativePath::parse(b"a").unwrap();
        let append = |names: &[&[u8]]| {
            let xattrs = names.iter().map(|name| (name.to_vec(), b"value".to_vec())).collect();
            let metadata = Metadata { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs };
            TarWriter::new(Vec::new(), "x.tar").append(&path, &metadata, &MemberKind::Fifo, |_| Ok(()))
        };
        append(&[b"user.a", b"user.b"]).unwrap();
        for names in [&[&b"user.a"[..], b"user.a"][..], &[b""], &[b"user.\0"]] {
            assert!(matches!(append(names), Err(Error::Refused(_))), "{names:?}");
        }
        let target = vec![b'a'; limits::LINK_TARGET_MAX + 1];
        let metadata = Metadata { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
        let link = MemberKind::Symlink { target };
        let appended = TarWriter::new(Vec::new(), "x.tar").append(&path, &metadata, &link, |_| Ok(()));
        assert!(matches!(appended, Err(Error::Refused(_))));
    }

    #[test]
    fn a_long_name_is_split_at_a_slash_where_both_parts_fit() {
        let (a, b) = ("a".repeat(99), "b".repeat(99));
        for (name, expected) in [
            ("n".repeat(100), Some(0)),
            ("n".repeat(101), None),
            (format!("{a}/{b}"), Some(99)),
            (format!("{a}/{b}/"), Some(99)),
            (format!("{a}/{a}/{b}"), None),
            (format!("{}/{b}", "p".repeat(155)), Some(155)),
            (format!("{}/{b}", "p".repeat(156)), None),
            (format!("{}/", "n".repeat(120)), None),
            (format!("x/{a}/{b}"), Some(101)),
            (format!("/{}", "n".repeat(100)), None),
        ] {
            let split = split_name(name.as_bytes());
            assert_eq!(split.map(|(prefix, _)| prefix.len()), expected, "{name}");
            if let Some((prefix, rest)) = split.filter(|(prefix, _)| !prefix.is_empty()) {
                assert_eq!([prefix, b"/", rest].concat(), name.as_bytes());
                assert!(!rest.is_empty() && rest.len() <= NAME_LEN);
            }
        }
    }
}
