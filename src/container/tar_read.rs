//! A tar, read as a stream: POSIX ustar and PAX, GNU long names, and the old form.
//!
//! Two programs that take one tar for two different trees are how attacks pass by; what could be read in two ways
//! (sizes that disagree, data on a link, anything after the end) is refused here.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use super::input::{Origin, read_error, read_some, read_up_to};
use super::member::{Member, MemberKind, Members};
use super::path::{RelativePath, printable};
use super::pax::Extended;
use super::tar_header::{BLOCK, Header, kind, padding};
use crate::error::{Error, Result};
use crate::format::tree::Metadata;
use crate::limits;

const SCRATCH: usize = 64 * 1024;
/// Most names of keywords that are remembered as not kept.
const NOT_KEPT_MAX: usize = 64;

/// The members of a tar.
pub(super) struct TarReader<R> {
    input: R,
    origin: Arc<Origin>,
    /// Bytes of the present member that were not read yet, without padding.
    remaining: u64,
    padding: u64,
    headers: u64,
    global: Extended,
    not_kept: BTreeSet<String>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
    Broken,
}

/// What stands before a member's own header.
#[derive(Default)]
struct Before {
    extended: Option<Extended>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Before {
    fn is_empty(&self) -> bool {
        self.extended.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

impl<R: Read> TarReader<R> {
    /// The tar that `input` begins with, and that must be all of it.
    pub fn new(input: R, origin: &Arc<Origin>) -> Self {
        Self {
            input,
            origin: origin.clone(),
            remaining: 0,
            padding: 0,
            headers: 0,
            global: Extended::default(),
            not_kept: BTreeSet::new(),
            state: State::Reading,
        }
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        read_up_to(&mut self.input, buf).map_err(|error| read_error(&self.origin.label, error))
    }

    fn guarded<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.state == State::Broken {
            return Err(self.origin.corrupt("reading it failed before"));
        }
        let result = act(self);
        if result.is_err() {
            self.state = State::Broken;
        }
        result
    }

    fn skip_present(&mut self) -> Result<()> {
        let mut left = std::mem::take(&mut self.remaining).saturating_add(std::mem::take(&mut self.padding));
        let mut scratch = vec![0; SCRATCH.min(usize::try_from(left).unwrap_or(SCRATCH))];
        while left > 0 {
            let want = scratch.len().min(usize::try_from(left).unwrap_or(SCRATCH));
            let len = self.fill(scratch.get_mut(..want).unwrap_or_default())?;
            if len < want {
                return Err(self.origin.cut_short("it ends inside a member"));
            }
            left -= len as u64;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Member>> {
        if self.state == State::Ended {
            return Ok(None);
        }
        self.skip_present()?;
        let mut before = Before::default();
        loop {
            let mut block = [0; BLOCK];
            match self.fill(&mut block)? {
                BLOCK => {}
                0 => return Err(self.origin.cut_short("the mark at a tar's end is missing")),
                _ => return Err(self.origin.cut_short("it ends inside a tar header")),
            }
            if block == [0; BLOCK] {
                if !before.is_empty() {
                    return Err(self.origin.corrupt("an extended header stands before the end of the tar"));
                }
                self.expect_end()?;
                self.state = State::Ended;
                return Ok(None);
            }
            self.headers += 1;
            if self.headers > limits::CONTAINER_MEMBERS_MAX {
                let most = limits::CONTAINER_MEMBERS_MAX;
                return Err(self.origin.refused(&format!("it has more than {most} members")));
            }
            let header = Header::parse(&block).map_err(|detail| self.origin.corrupt(detail))?;
            if let Some(member) = self.take_header(header, &mut before)? {
                return Ok(Some(member));
            }
        }
    }

    /// The member that `header` begins, or `None` where it only says something of what comes.
    fn take_header(&mut self, header: Header, before: &mut Before) -> Result<Option<Member>> {
        let twice = match header.kind {
            kind::PAX => before.extended.is_some(),
            kind::GNU_LONG_NAME => before.long_name.is_some(),
            kind::GNU_LONG_LINK => before.long_link.is_some(),
            _ => false,
        };
        if twice {
            return Err(self.origin.refused("two extended headers of a kind stand before one member"));
        }
        match header.kind {
            kind::PAX => before.extended = Some(self.read_extended(header.size)?),
            kind::PAX_GLOBAL => {
                let global = self.read_extended(header.size)?;
                if global.path.is_some() || global.link.is_some() || global.size.is_some() || !global.xattrs.is_empty()
                {
                    return Err(self.origin.refused("a global PAX header names, sizes or marks every member"));
                }
                self.global.uid = global.uid.or(self.global.uid);
                self.global.gid = global.gid.or(self.global.gid);
                self.global.mtime_ns = global.mtime_ns.or(self.global.mtime_ns);
            }
            kind::GNU_LONG_NAME => before.long_name = Some(self.read_long(header.size)?),
            kind::GNU_LONG_LINK => before.long_link = Some(self.read_long(header.size)?),
            kind::GNU_LABEL if header.size == 0 && before.is_empty() => {}
            _ => return self.member(header, std::mem::take(before)).map(Some),
        }
        Ok(None)
    }

    fn read_extended(&mut self, len: u64) -> Result<Extended> {
        let records = self.read_payload(len, limits::PAX_HEADER_MAX)?;
        let extended = Extended::parse(&records).map_err(|detail| self.origin.refused(&detail))?;
        for keyword in &extended.not_kept {
            if self.not_kept.len() < NOT_KEPT_MAX {
                self.not_kept.insert(keyword.clone());
            }
        }
        Ok(extended)
    }

    fn read_long(&mut self, len: u64) -> Result<Vec<u8>> {
        let most = (limits::PATH_DEPTH_MAX * (limits::NAME_MAX + 1)) as u64;
        let mut name = self.read_payload(len, most)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    /// The bytes after an extended header: they grow with what comes, never with what was declared.
    fn read_payload(&mut self, len: u64, most: u64) -> Result<Vec<u8>> {
        if len > most {
            return Err(self.origin.refused(&format!("it has an extended header of {len} bytes; {most} is the most")));
        }
        let payload =
            super::input::read_head(&mut self.input, len).map_err(|error| read_error(&self.origin.label, error))?;
        if (payload.len() as u64) < len {
            return Err(self.origin.cut_short("it ends inside an extended header"));
        }
        self.padding = padding(len) as u64;
        self.skip_present()?;
        Ok(payload)
    }

    fn member(&mut self, header: Header, before: Before) -> Result<Member> {
        let extended = before.extended.unwrap_or_default();
        let name = self.one_of(extended.path.as_ref(), before.long_name.as_ref(), &header.name)?;
        let link = self.one_of(extended.link.as_ref(), before.long_link.as_ref(), &header.link)?;
        let refused = |detail: String| {
            Error::Refused(format!("{} is refused: its member {} {detail}", self.origin.label, printable(&name)))
        };
        let path = RelativePath::parse(&name)
            .map_err(|problem| refused(format!("has a path that is not accepted: {problem}")))?;
        let size =
            extended.size_beside(header.size).ok_or_else(|| refused("states two different sizes".to_string()))?;
        let kind = member_kind(&header, name.ends_with(b"/"), &link, size).map_err(refused)?;
        if path.is_root() && kind != MemberKind::Directory {
            return Err(refused("is the root and no folder".to_string()));
        }
        let metadata = self.metadata(&header, extended).map_err(|detail| refused(detail.to_string()))?;
        if let MemberKind::File { len } = kind {
            self.remaining = len;
            self.padding = padding(len) as u64;
        }
        Ok(Member { path, kind, metadata })
    }

    fn metadata(&self, header: &Header, extended: Extended) -> Result<Metadata, &'static str> {
        let uid = extended.uid.or(self.global.uid).unwrap_or(header.uid);
        let gid = extended.gid.or(self.global.gid).unwrap_or(header.gid);
        let mtime_ns = match extended.mtime_ns.or(self.global.mtime_ns) {
            Some(time) => Some(time),
            None => header.mtime.checked_mul(1_000_000_000),
        };
        Ok(Metadata {
            mode: header.mode,
            uid: u32::try_from(uid).map_err(|_| "has an owner that is out of range")?,
            gid: u32::try_from(gid).map_err(|_| "has a group that is out of range")?,
            mtime_ns: mtime_ns.ok_or("has a time that is out of range")?,
            xattrs: extended.xattrs,
        })
    }

    /// A name that may be stated in up to three places: PAX and GNU must agree, either goes before the header's field.
    fn one_of(&self, pax: Option<&Vec<u8>>, gnu: Option<&Vec<u8>>, field: &[u8]) -> Result<Vec<u8>> {
        match (pax, gnu) {
            (Some(pax), Some(gnu)) if pax != gnu => {
                let name = printable(pax);
                Err(self.origin.refused(&format!("its member {name} states two different names")))
            }
            (Some(name), _) | (_, Some(name)) => Ok(name.clone()),
            (None, None) => Ok(field.to_vec()),
        }
    }

    /// After the first zero block: at least one more, and nothing else at all. Reading on to the end also has the
    /// layers below check their sums.
    fn expect_end(&mut self) -> Result<()> {
        let mut scratch = vec![0; SCRATCH];
        let mut zeros = 0;
        loop {
            match self.fill(&mut scratch)? {
                0 => break,
                len if scratch.iter().take(len).all(|&byte| byte == 0) => zeros += len as u64,
                _ => return Err(self.origin.refused("something comes after the end of its tar")),
            }
        }
        if zeros < BLOCK as u64 {
            return Err(self.origin.cut_short("the mark at a tar's end is not whole"));
        }
        Ok(())
    }
}

/// What a member of `size` bytes is.
fn member_kind(header: &Header, named_as_folder: bool, link: &[u8], size: u64) -> Result<MemberKind, String> {
    let (major, minor) = header.device;
    let kind = match header.kind {
        // Tars from before folders had a kind of their own end their names in a slash.
        kind::FILE | kind::FILE_OLD | kind::FILE_CONTIGUOUS if named_as_folder => MemberKind::Directory,
        kind::FILE | kind::FILE_OLD | kind::FILE_CONTIGUOUS => return Ok(MemberKind::File { len: size }),
        kind::DIRECTORY => MemberKind::Directory,
        kind::SYMLINK if link.is_empty() || link.contains(&0) => {
            return Err("is a symbolic link without a proper target".to_string());
        }
        kind::SYMLINK if link.len() > limits::LINK_TARGET_MAX => {
            return Err("is a symbolic link with a target that is too long".to_string());
        }
        kind::SYMLINK => MemberKind::Symlink { target: link.to_vec() },
        kind::HARD_LINK => match RelativePath::parse(link) {
            Ok(target) if !target.is_root() => MemberKind::HardLink { target },
            Ok(_) => return Err("is a hard link to the root".to_string()),
            Err(problem) => return Err(format!("is a hard link to a path that is not accepted: {problem}")),
        },
        kind::FIFO => MemberKind::Fifo,
        kind::CHAR_DEVICE => MemberKind::CharDevice { major, minor },
        kind::BLOCK_DEVICE => MemberKind::BlockDevice { major, minor },
        kind::GNU_SPARSE => return Err("is sparse; write the archive again without --sparse".to_string()),
        other => return Err(format!("is of the kind '{}', which is not known", other.escape_ascii())),
    };
    // Readers differ in whether bytes follow such a header, so a size there would hide or forge members.
    if size == 0 { Ok(kind) } else { Err("has bytes, and is of a kind that has none".to_string()) }
}

impl<R: Read + Send> Members for TarReader<R> {
    fn next_member(&mut self) -> Result<Option<Member>> {
        self.guarded(Self::advance)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.guarded(|tar| {
            let want = buf.len().min(usize::try_from(tar.remaining).unwrap_or(usize::MAX));
            let Some(wanted) = buf.get_mut(..want).filter(|wanted| !wanted.is_empty()) else {
                return Ok(0);
            };
            match read_some(&mut tar.input, wanted).map_err(|error| read_error(&tar.origin.label, error))? {
                0 => Err(tar.origin.cut_short("it ends inside a member")),
                len => {
                    tar.remaining -= len as u64;
                    Ok(len)
                }
            }
        })
    }

    fn not_kept(&self) -> Vec<String> {
        self.not_kept.iter().cloned().collect()
    }
}
