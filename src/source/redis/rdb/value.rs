//! Values, by their type.

use super::blob::{Element, intset, listpack, ziplist, zipmap};
use super::input::Input;
use super::output::{put_length, put_string};
use super::{Fault, bad, module, stream};

/// What a key holds, as the command `TYPE` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `string`
    String,
    /// `list`
    List,
    /// `set`
    Set,
    /// `zset`
    SortedSet,
    /// `hash`
    Hash,
    /// `stream`
    Stream,
    /// A module's own.
    Module,
}

/// All of them.
pub const TYPES: [KeyType; 7] =
    [KeyType::String, KeyType::List, KeyType::Set, KeyType::SortedSet, KeyType::Hash, KeyType::Stream, KeyType::Module];

impl KeyType {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyType::String => "string",
            KeyType::List => "list",
            KeyType::Set => "set",
            KeyType::SortedSet => "zset",
            KeyType::Hash => "hash",
            KeyType::Stream => "stream",
            KeyType::Module => "module",
        }
    }
}

/// What was found out of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub kind: KeyType,
    /// Elements, members, fields, entries.
    pub members: Option<u64>,
}

/// Kept between values for their allocations.
#[derive(Default)]
pub struct Scratch {
    arena: Vec<u8>,
    members: Vec<Member>,
}

/// A member in the arena: its bytes, then its value's or score's.
#[derive(Clone, Copy)]
struct Member {
    begin: usize,
    middle: usize,
    end: usize,
    /// When a hash's field expires.
    expiry: u64,
}

impl Scratch {
    fn clear(&mut self) {
        const KEPT: usize = 1 << 24;
        self.arena.clear();
        self.members.clear();
        if self.arena.capacity() > KEPT {
            *self = Self::default();
        }
    }

    fn name(&self, member: &Member) -> &[u8] {
        self.arena.get(member.begin..member.middle).unwrap_or_default()
    }

    fn rest(&self, member: &Member) -> &[u8] {
        self.arena.get(member.middle..member.end).unwrap_or_default()
    }

    /// Sorts the members by their bytes. Two that are equal are refused: a server would not survive them.
    fn sort(&mut self) -> Result<(), Fault> {
        let mut members = std::mem::take(&mut self.members);
        members.sort_unstable_by(|a, b| self.name(a).cmp(self.name(b)));
        let twice = members.windows(2).any(|pair| matches!(pair, [a, b] if self.name(a) == self.name(b)));
        self.members = members;
        if twice { bad("a collection has a member twice") } else { Ok(()) }
    }

    fn push(&mut self, begin: usize, middle: usize, expiry: u64) {
        self.members.push(Member { begin, middle, end: self.arena.len(), expiry });
    }
}

/// Copies the value of type `code`, in canonical form, and looks through it.
pub fn read(input: &mut Input<'_>, code: u8, out: &mut Vec<u8>, scratch: &mut Scratch) -> Result<Seen, Fault> {
    scratch.clear();
    let (kind, members) = match code {
        0 => {
            input.string(&mut scratch.arena)?;
            put_string(out, &scratch.arena);
            (KeyType::String, None)
        }
        1 => (KeyType::List, Some(list(input, out, scratch)?)),
        2 => (KeyType::Set, Some(table(input, out, scratch, Table::Set)?)),
        3 => (KeyType::SortedSet, Some(sorted_set(input, out, scratch, false)?)),
        4 => (KeyType::Hash, Some(table(input, out, scratch, Table::Hash)?)),
        5 => (KeyType::SortedSet, Some(sorted_set(input, out, scratch, true)?)),
        7 => {
            module::value(input, out)?;
            (KeyType::Module, None)
        }
        9 => (KeyType::Hash, Some(compact(input, out, scratch, zipmap, 2)?)),
        10 => (KeyType::List, Some(compact(input, out, scratch, ziplist, 0)?)),
        11 => {
            input.string(&mut scratch.arena)?;
            put_string(out, &scratch.arena);
            (KeyType::Set, Some(intset(&scratch.arena)?))
        }
        12 => (KeyType::SortedSet, Some(compact(input, out, scratch, ziplist, 2)?)),
        13 => (KeyType::Hash, Some(compact(input, out, scratch, ziplist, 2)?)),
        14 => (KeyType::List, Some(nodes(input, out, scratch, false)?)),
        15 => (KeyType::Stream, Some(stream::value(input, 1, out)?)),
        16 => (KeyType::Hash, Some(compact(input, out, scratch, listpack, 2)?)),
        17 => (KeyType::SortedSet, Some(compact(input, out, scratch, listpack, 2)?)),
        18 => (KeyType::List, Some(nodes(input, out, scratch, true)?)),
        19 => (KeyType::Stream, Some(stream::value(input, 2, out)?)),
        20 => (KeyType::Set, Some(compact(input, out, scratch, listpack, 1)?)),
        21 => (KeyType::Stream, Some(stream::value(input, 3, out)?)),
        24 => (KeyType::Hash, Some(table(input, out, scratch, Table::HashWithExpiries)?)),
        25 => {
            out.extend(input.array::<8>()?);
            (KeyType::Hash, Some(compact(input, out, scratch, listpack, 3)?))
        }
        6 | 22 | 23 => return bad(format!("a value is of type {code}, which only unreleased versions wrote")),
        _ => return Err(Fault::Newer(format!("a value is of the unknown type {code}"))),
    };
    Ok(Seen { kind, members })
}

/// A linked list, element by element.
fn list(input: &mut Input<'_>, out: &mut Vec<u8>, scratch: &mut Scratch) -> Result<u64, Fault> {
    let count = input.number()?;
    put_length(out, count);
    for _ in 0..count {
        scratch.arena.clear();
        input.string(&mut scratch.arena)?;
        put_string(out, &scratch.arena);
    }
    Ok(count)
}

/// A list of compact lists, and in the newer form of large elements alone.
fn nodes(input: &mut Input<'_>, out: &mut Vec<u8>, scratch: &mut Scratch, newer: bool) -> Result<u64, Fault> {
    const ALONE: u64 = 1;
    const PACKED: u64 = 2;
    let count = input.number()?;
    put_length(out, count);
    let mut elements = 0_u64;
    for _ in 0..count {
        let form = if newer { input.number()? } else { PACKED };
        if newer {
            put_length(out, form);
        }
        scratch.arena.clear();
        input.string(&mut scratch.arena)?;
        put_string(out, &scratch.arena);
        elements += match (form, newer) {
            (ALONE, _) => 1,
            (PACKED, true) => listpack(&scratch.arena, &mut |_| {})?,
            (PACKED, false) => ziplist(&scratch.arena, &mut |_| {})?,
            _ => return bad(format!("a list's node is of the unknown form {form}")),
        };
    }
    Ok(elements)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Set,
    Hash,
    HashWithExpiries,
}

/// A hash table: its order is another in each server, so here it is that of the bytes.
fn table(input: &mut Input<'_>, out: &mut Vec<u8>, scratch: &mut Scratch, form: Table) -> Result<u64, Fault> {
    if form == Table::HashWithExpiries {
        out.extend(input.array::<8>()?);
    }
    let count = input.number()?;
    put_length(out, count);
    for _ in 0..count {
        let expiry = if form == Table::HashWithExpiries { input.number()? } else { 0 };
        let begin = scratch.arena.len();
        input.string(&mut scratch.arena)?;
        let middle = scratch.arena.len();
        if form != Table::Set {
            input.string(&mut scratch.arena)?;
        }
        scratch.push(begin, middle, expiry);
    }
    scratch.sort()?;
    for member in &scratch.members {
        if form == Table::HashWithExpiries {
            put_length(out, member.expiry);
        }
        put_string(out, scratch.name(member));
        if form != Table::Set {
            put_string(out, scratch.rest(member));
        }
    }
    Ok(count)
}

/// A sorted set: the server writes it in the order of scores, which stays.
fn sorted_set(input: &mut Input<'_>, out: &mut Vec<u8>, scratch: &mut Scratch, binary: bool) -> Result<u64, Fault> {
    let count = input.number()?;
    put_length(out, count);
    for _ in 0..count {
        let begin = scratch.arena.len();
        input.string(&mut scratch.arena)?;
        let middle = scratch.arena.len();
        match binary {
            true => {
                let score: [u8; 8] = input.array()?;
                if f64::from_le_bytes(score).is_nan() {
                    return bad("a score is not a number");
                }
                scratch.arena.extend(score);
            }
            false => score_as_text(input, &mut scratch.arena)?,
        }
        scratch.push(begin, middle, 0);
    }
    for member in &scratch.members {
        put_string(out, scratch.name(member));
        out.extend_from_slice(scratch.rest(member));
    }
    scratch.sort()?;
    Ok(count)
}

fn score_as_text(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let len = input.byte()?;
    out.push(len);
    if len == 253 {
        return bad("a score is not a number");
    }
    if len < 253 {
        let begin = out.len();
        input.bytes(u64::from(len), out)?;
        let text = out.get(begin..).and_then(|bytes| std::str::from_utf8(bytes).ok());
        if text.and_then(|text| text.trim().parse::<f64>().ok()).is_none_or(f64::is_nan) {
            return bad("a score is not a number");
        }
    }
    Ok(())
}

type Walk = for<'b> fn(&'b [u8], &mut dyn FnMut(Element<'b>)) -> Result<u64, Fault>;

/// A small collection in one string, whose members are `step` elements each and have the name first. 0: elements need no
/// names of their own.
fn compact(
    input: &mut Input<'_>,
    out: &mut Vec<u8>,
    scratch: &mut Scratch,
    walk: Walk,
    step: usize,
) -> Result<u64, Fault> {
    input.string(&mut scratch.arena)?;
    put_string(out, &scratch.arena);
    if step == 0 {
        return walk(&scratch.arena, &mut |_| {});
    }
    let (mut names, mut at) = (Vec::new(), 0);
    let count = walk(&scratch.arena, &mut |element| {
        if at % step == 0 {
            names.push(element.to_bytes());
        }
        at += 1;
    })?;
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return bad("a collection has a member twice");
    }
    if count % step as u64 != 0 {
        return bad("a collection has a field without a value");
    }
    Ok(count / step as u64)
}
