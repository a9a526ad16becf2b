//! Compact encodings: small collections in one string. Each is gone through whole before a server may see it, since a
//! server trusts them: one with a wrong length inside would make it read past the end.

use super::{Fault, bad};

/// One element of a compact list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'b> {
    /// Bytes.
    Bytes(&'b [u8]),
    /// A number, which stands for its decimal text.
    Integer(i64),
}

impl Element<'_> {
    /// The bytes it stands for.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Element::Bytes(bytes) => bytes.to_vec(),
            Element::Integer(number) => number.to_string().into_bytes(),
        }
    }

    /// The number it stands for, if it is one.
    pub fn integer(self) -> Option<i64> {
        match self {
            Element::Integer(number) => Some(number),
            Element::Bytes(_) => None,
        }
    }
}

/// Goes through bytes; `None` is their end.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    /// A signed number of `len` bytes, the lowest first.
    fn signed(&mut self, len: usize) -> Option<i64> {
        let bytes = self.take(len)?;
        let shift = 64 - 8 * u32::try_from(len).ok()?;
        let raised = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(((raised << shift) as i64) >> shift)
    }
}

/// Goes through a listpack (Redis 5 and newer).
pub fn listpack<'b>(blob: &'b [u8], visit: &mut dyn FnMut(Element<'b>)) -> Result<u64, Fault> {
    walk_listpack(blob, visit).map_or_else(|| bad("a listpack is corrupt"), Ok)
}

fn walk_listpack<'b>(blob: &'b [u8], visit: &mut dyn FnMut(Element<'b>)) -> Option<u64> {
    let mut cursor = Cursor { bytes: blob, at: 0 };
    let total = u32::from_le_bytes(cursor.array()?);
    let declared = u16::from_le_bytes(cursor.array()?);
    if total as usize != blob.len() {
        return None;
    }
    let mut count = 0_u64;
    loop {
        let begin = cursor.at;
        let first = cursor.byte()?;
        let element = match first {
            0xff => break,
            0..0x80 => Element::Integer(i64::from(first)),
            0x80..0xc0 => Element::Bytes(cursor.take(usize::from(first & 63))?),
            0xc0..0xe0 => {
                let raised = (i32::from(first & 31) << 8 | i32::from(cursor.byte()?)) << 19;
                Element::Integer(i64::from(raised >> 19))
            }
            0xe0..0xf0 => {
                let len = usize::from(first & 15) << 8 | usize::from(cursor.byte()?);
                Element::Bytes(cursor.take(len)?)
            }
            0xf0 => {
                let len = u32::from_le_bytes(cursor.array()?);
                Element::Bytes(cursor.take(len as usize)?)
            }
            0xf1..=0xf3 => Element::Integer(cursor.signed(usize::from(first - 0xf1) + 2)?),
            0xf4 => Element::Integer(cursor.signed(8)?),
            _ => return None,
        };
        let len = cursor.at - begin;
        let (back, back_len) = back_length(len as u64);
        if cursor.take(back_len)? != back.get(5 - back_len..)? {
            return None;
        }
        visit(element);
        count += 1;
    }
    let is_whole = cursor.at == blob.len() && (declared == u16::MAX || u64::from(declared) == count);
    is_whole.then_some(count)
}

/// An element's length as it stands behind it: the last so many of the bytes.
fn back_length(len: u64) -> ([u8; 5], usize) {
    let bytes = match len {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    let group = |number: usize| (len >> (7 * (4 - number))) as u8 & 127;
    let mut back = [0, 1, 2, 3, 4].map(|number| group(number) | if number > 5 - bytes { 128 } else { 0 });
    // The first of them has no mark.
    if let Some(first) = back.get_mut(5 - bytes) {
        *first &= 127;
    }
    (back, bytes)
}

/// Goes through a ziplist (before Redis 7).
pub fn ziplist<'b>(blob: &'b [u8], visit: &mut dyn FnMut(Element<'b>)) -> Result<u64, Fault> {
    walk_ziplist(blob, visit).map_or_else(|| bad("a ziplist is corrupt"), Ok)
}

fn walk_ziplist<'b>(blob: &'b [u8], visit: &mut dyn FnMut(Element<'b>)) -> Option<u64> {
    let mut cursor = Cursor { bytes: blob, at: 0 };
    let total = u32::from_le_bytes(cursor.array()?);
    let tail = u32::from_le_bytes(cursor.array()?);
    let declared = u16::from_le_bytes(cursor.array()?);
    if total as usize != blob.len() {
        return None;
    }
    let (mut count, mut before, mut last) = (0_u64, 0, cursor.at);
    loop {
        let begin = cursor.at;
        let back = match cursor.byte()? {
            0xff => break,
            0xfe => u32::from_le_bytes(cursor.array()?) as usize,
            len => usize::from(len),
        };
        if back != before {
            return None;
        }
        let element = ziplist_element(&mut cursor)?;
        visit(element);
        count += 1;
        last = begin;
        before = cursor.at - begin;
    }
    let is_whole =
        cursor.at == blob.len() && tail as usize == last && (declared == u16::MAX || u64::from(declared) == count);
    is_whole.then_some(count)
}

fn ziplist_element<'b>(cursor: &mut Cursor<'b>) -> Option<Element<'b>> {
    let first = cursor.byte()?;
    Some(match first {
        0..0x40 => Element::Bytes(cursor.take(usize::from(first))?),
        0x40..0x80 => {
            let len = usize::from(first & 63) << 8 | usize::from(cursor.byte()?);
            Element::Bytes(cursor.take(len)?)
        }
        0x80 => {
            let len = u32::from_be_bytes(cursor.array()?);
            Element::Bytes(cursor.take(len as usize)?)
        }
        0xc0 => Element::Integer(cursor.signed(2)?),
        0xd0 => Element::Integer(cursor.signed(4)?),
        0xe0 => Element::Integer(cursor.signed(8)?),
        0xf0 => Element::Integer(cursor.signed(3)?),
        0xfe => Element::Integer(cursor.signed(1)?),
        0xf1..=0xfd => Element::Integer(i64::from(first - 0xf1)),
        _ => return None,
    })
}

/// Looks through an intset: numbers of one width, ascending. Returns how many.
pub fn intset(blob: &[u8]) -> Result<u64, Fault> {
    walk_intset(blob).map_or_else(|| bad("an intset is corrupt"), Ok)
}

fn walk_intset(blob: &[u8]) -> Option<u64> {
    let mut cursor = Cursor { bytes: blob, at: 0 };
    let width = u32::from_le_bytes(cursor.array()?) as usize;
    let count = u32::from_le_bytes(cursor.array()?);
    if ![2, 4, 8].contains(&width) {
        return None;
    }
    let mut before = None;
    for _ in 0..count {
        let number = cursor.signed(width)?;
        if before.is_some_and(|before| before >= number) {
            return None;
        }
        before = Some(number);
    }
    (cursor.at == blob.len()).then_some(u64::from(count))
}

/// Goes through a zipmap (before Redis 2.6): field, value, field, value.
pub fn zipmap<'b>(blob: &'b [u8], visit: &mut dyn FnMut(Element<'b>)) -> Result<u64, Fault> {
    walk_zipmap(blob, visit).map_or_else(|| bad("a zipmap is corrupt"), Ok)
}

fn walk_zipmap<'b>(blob: &'b [u8], visit: &mut dyn FnMut(Element<'b>)) -> Option<u64> {
    let mut cursor = Cursor { bytes: blob, at: 0 };
    let declared = cursor.byte()?;
    let mut count = 0_u64;
    while let Some(len) = zipmap_length(&mut cursor)? {
        visit(Element::Bytes(cursor.take(len)?));
        let len = zipmap_length(&mut cursor)??;
        let free = cursor.byte()?;
        visit(Element::Bytes(cursor.take(len)?));
        cursor.take(usize::from(free))?;
        count += 1;
    }
    let is_whole = cursor.at == blob.len() && (declared >= 254 || u64::from(declared) == count);
    is_whole.then_some(2 * count)
}

/// `Some(None)` at the end mark.
fn zipmap_length(cursor: &mut Cursor<'_>) -> Option<Option<usize>> {
    Some(match cursor.byte()? {
        255 => None,
        254 => Some(u32::from_le_bytes(cursor.array()?) as usize),
        len => Some(usize::from(len)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_behind_elements_are_as_redis_writes_them() {
        let back = |len| {
            let (bytes, used) = back_length(len);
            bytes[5 - used..].to_vec()
        };
        assert_eq!(back(1), [1]);
        assert_eq!(back(127), [127]);
        assert_eq!(back(128), [1, 128]);
        assert_eq!(back(16_382), [127, 254]);
        assert_eq!(back(16_383), [0, 255, 255]);
        assert_eq!(back(300_000), [18, 128 | 39, 128 | 96]);
    }

    #[test]
    fn an_intset_must_ascend() {
        assert_eq!(intset(&[2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 1, 0]).unwrap(), 2);
        assert!(intset(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0]).is_err());
        assert!(intset(&[2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0]).is_err());
        assert!(intset(&[3, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
