//! A tar around one Neo4j dump, as hosted services export it: the dump inside is what was meant.

use std::collections::VecDeque;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use super::form::Form;
use super::input::{BoxRead, Origin, carry, read_error, read_head};
use super::member::{Body, Member, MemberKind, MemberReader, Members, Opened};
use super::neo4j_read::Neo4jMembers;
use super::sniff::{Recognised, SNIFF_LEN, recognise};
use super::tar_read::TarReader;
use crate::error::Result;

/// Most folders that may come before the dump.
const FOLDERS_MAX: usize = 16;

/// The tar's members, or the members of the dump where the tar's first file is one. `form` is the tar's.
pub(super) fn look_inside(mut tar: TarReader<BoxRead>, form: Form, origin: &Arc<Origin>) -> Result<Opened> {
    let mut waiting = VecDeque::new();
    let mut head = Vec::new();
    while let Some(member) = tar.next_member()? {
        let (is_folder, is_dump) = (member.kind == MemberKind::Directory, is_named_dump(&member));
        let path = member.path.clone();
        waiting.push_back(member);
        if is_dump {
            head =
                read_head(&mut MemberReader(&mut tar), SNIFF_LEN).map_err(|error| read_error(&origin.label, error))?;
            if let Recognised::Neo4j(frame) = recognise(&head, "member.dump") {
                let inner = Origin::within(origin, &path);
                let dump = OnlyDump { head: Cursor::new(head), tar, origin: origin.clone() };
                let members = Neo4jMembers::open(Box::new(dump), frame, &inner)?;
                return Ok(Opened { form: Form::Neo4jDump { frame }, body: Body::Members(Box::new(members)) });
            }
        }
        if !is_folder || waiting.len() > FOLDERS_MAX {
            break;
        }
    }
    let members = Rewound { waiting, head: Cursor::new(head), tar };
    Ok(Opened { form, body: Body::Members(Box::new(members)) })
}

fn is_named_dump(member: &Member) -> bool {
    let named = member.path.file_name().is_some_and(|name| name.ends_with(b".dump"));
    named && matches!(member.kind, MemberKind::File { .. })
}

/// A tar of which some members were looked at: they come again.
struct Rewound {
    /// Members that come again. All but the last are folders.
    waiting: VecDeque<Member>,
    /// Bytes of the last of them that come again.
    head: Cursor<Vec<u8>>,
    tar: TarReader<BoxRead>,
}

impl Members for Rewound {
    fn next_member(&mut self) -> Result<Option<Member>> {
        if let Some(member) = self.waiting.pop_front() {
            return Ok(Some(member));
        }
        self.head = Cursor::default();
        self.tar.next_member()
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if !self.waiting.is_empty() {
            return Ok(0);
        }
        match self.head.read(buf) {
            Ok(0) | Err(_) => self.tar.read(buf),
            Ok(len) => Ok(len),
        }
    }

    fn not_kept(&self) -> Vec<String> {
        self.tar.not_kept()
    }
}

/// The bytes of a tar's one dump. At their end it sees to it that nothing else was in the tar.
struct OnlyDump {
    head: Cursor<Vec<u8>>,
    tar: TarReader<BoxRead>,
    origin: Arc<Origin>,
}

impl Read for OnlyDump {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.head.read(buf)?;
        if len > 0 || buf.is_empty() {
            return Ok(len);
        }
        let len = self.tar.read(buf).map_err(carry)?;
        if len == 0 {
            while let Some(member) = self.tar.next_member().map_err(carry)? {
                if member.kind != MemberKind::Directory {
                    return Err(carry(self.origin.refused(&format!(
                        "beside a Neo4j dump it holds {}; unpack it and load the dump by itself",
                        member.path
                    ))));
                }
            }
        }
        Ok(len)
    }
}
