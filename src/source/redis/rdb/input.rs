//! The bytes of an RDB as they stream, summed up on the way.

use std::io::Read;

use super::{CRC, Fault, bad, lzf};

const BUFFER: usize = 256 * 1024;
/// A length that was written down is believed for so many bytes at a time.
const TRUSTED: usize = 1 << 20;

/// A length, or what stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many.
    Plain(u64),
    /// A string of a special encoding follows.
    Special(u8),
}

/// Reads an RDB.
pub struct Input<'r> {
    reader: &'r mut dyn Read,
    buffer: Box<[u8]>,
    at: usize,
    filled: usize,
    /// Up to here the buffer is in the digest.
    summed: usize,
    digest: crc::Digest<'static, u64, crc::Table<16>>,
    packed: Vec<u8>,
}

static THE_CRC: crc::Crc<u64, crc::Table<16>> = CRC;

impl<'r> Input<'r> {
    /// Reads from `reader` on.
    pub fn new(reader: &'r mut dyn Read) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            at: 0,
            filled: 0,
            summed: 0,
            digest: THE_CRC.digest(),
            packed: Vec::new(),
        }
    }

    /// The CRC of all that was taken.
    pub fn sum(&mut self) -> u64 {
        self.sum_up();
        self.digest.clone().finalize()
    }

    fn sum_up(&mut self) {
        self.digest.update(self.buffer.get(self.summed..self.at).unwrap_or_default());
        self.summed = self.at;
    }

    /// Whether nothing is left.
    pub fn is_at_end(&mut self) -> Result<bool, Fault> {
        Ok(self.at == self.filled && !self.fill()?)
    }

    fn fill(&mut self) -> Result<bool, Fault> {
        self.sum_up();
        (self.at, self.summed, self.filled) = (0, 0, 0);
        loop {
            match self.reader.read(&mut self.buffer) {
                Ok(len) => {
                    self.filled = len;
                    return Ok(len > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Read(error)),
            }
        }
    }

    /// Appends `len` bytes to `out`.
    pub fn bytes(&mut self, len: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut left = usize::try_from(len).map_err(|_| Fault::Bad("a length is beyond all bounds".into()))?;
        out.reserve(left.min(TRUSTED));
        while left > 0 {
            if self.at == self.filled && !self.fill()? {
                return bad("it ends too early");
            }
            let present = self.buffer.get(self.at..self.filled).unwrap_or_default();
            let taken = present.get(..left.min(present.len())).unwrap_or_default();
            out.extend_from_slice(taken);
            self.at += taken.len();
            left -= taken.len();
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        if let Some(bytes) = self.buffer.get(self.at..self.filled).and_then(|present| present.first_chunk::<N>()) {
            self.at += N;
            return Ok(*bytes);
        }
        let mut bytes = Vec::with_capacity(N);
        self.bytes(N as u64, &mut bytes)?;
        bytes.try_into().map_err(|_| Fault::Bad("it ends too early".into()))
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    /// A length or a special encoding.
    pub fn length(&mut self) -> Result<Length, Fault> {
        let first = self.byte()?;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(first)),
            1 => Length::Plain(u64::from(first & 63) << 8 | u64::from(self.byte()?)),
            2 if first == 0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            2 if first == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            3 => Length::Special(first & 63),
            _ => return bad(format!("a length begins with {first:#x}")),
        })
    }

    /// A length that is none but a number.
    pub fn number(&mut self) -> Result<u64, Fault> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Special(_) => bad("a number is encoded as a string"),
        }
    }

    /// Appends the bytes of a string to `out`, opened.
    pub fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let integer = match self.length()? {
            Length::Plain(len) => return self.bytes(len, out),
            Length::Special(0) => i32::from(i8::from_le_bytes(self.array()?)),
            Length::Special(1) => i32::from(i16::from_le_bytes(self.array()?)),
            Length::Special(2) => i32::from_le_bytes(self.array()?),
            Length::Special(3) => return self.compressed(out),
            Length::Special(other) => return bad(format!("a string has the unknown encoding {other}")),
        };
        out.extend_from_slice(integer.to_string().as_bytes());
        Ok(())
    }

    fn compressed(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (packed_len, len) = (self.number()?, self.number()?);
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        self.bytes(packed_len, &mut packed)?;
        let opened = usize::try_from(len).ok().and_then(|len| lzf::open(&packed, len, out));
        // A huge value's room is not kept for ever.
        if packed.capacity() <= TRUSTED {
            self.packed = packed;
        }
        opened.ok_or_else(|| Fault::Bad("a compressed string does not open".into()))
    }
}
