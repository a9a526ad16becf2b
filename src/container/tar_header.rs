//! The 512-byte block that stands before every tar member: its fields, read strictly and written plainly.

/// Bytes of a tar block.
pub(super) const BLOCK: usize = 512;
/// The largest number in an octal field of 12 bytes.
pub(super) const OCTAL_12_MAX: u64 = 0o77_777_777_777;
/// The largest number in an octal field of 8 bytes.
pub(super) const OCTAL_8_MAX: u64 = 0o7_777_777;
/// Bytes of the name field.
pub(super) const NAME_LEN: usize = 100;
/// Bytes of the prefix field, which goes before the name with a `/` between them.
pub(super) const PREFIX_LEN: usize = 155;

const CHECKSUM_AT: usize = 148;
const CHECKSUM_LEN: usize = 8;

/// The kinds that a header's type byte stands for.
pub(super) mod kind {
    pub const FILE: u8 = b'0';
    pub const FILE_OLD: u8 = 0;
    pub const FILE_CONTIGUOUS: u8 = b'7';
    pub const HARD_LINK: u8 = b'1';
    pub const SYMLINK: u8 = b'2';
    pub const CHAR_DEVICE: u8 = b'3';
    pub const BLOCK_DEVICE: u8 = b'4';
    pub const DIRECTORY: u8 = b'5';
    pub const FIFO: u8 = b'6';
    pub const PAX: u8 = b'x';
    pub const PAX_GLOBAL: u8 = b'g';
    pub const GNU_LONG_NAME: u8 = b'L';
    pub const GNU_LONG_LINK: u8 = b'K';
    pub const GNU_SPARSE: u8 = b'S';
    pub const GNU_LABEL: u8 = b'V';
}

/// A header's fields, as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The prefix and the name.
    pub name: Vec<u8>,
    pub mode: u32,
    pub uid: i64,
    pub gid: i64,
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    pub kind: u8,
    pub link: Vec<u8>,
    /// Major and minor number; 0 for all but devices.
    pub device: (u32, u32),
}

/// Whether `head` begins with a tar header.
pub(super) fn is_header(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK>().is_some_and(checksum_holds)
}

fn field(block: &[u8; BLOCK], at: usize, len: usize) -> &[u8] {
    block.get(at..at + len).unwrap_or_default()
}

/// The text of a field up to its NUL, or all of it.
fn text(block: &[u8; BLOCK], at: usize, len: usize) -> &[u8] {
    field(block, at, len).split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number: octal digits between spaces and NULs, or two's complement with the first bit set. Blank is 0.
fn number(bytes: &[u8]) -> Option<i128> {
    match bytes.split_first() {
        Some((&first, rest)) if first & 0x80 != 0 => {
            // The bit after the mark is the sign. Twelve bytes at most, so nothing overflows.
            let start = if first & 0x40 != 0 { i128::from(first) - 0x100 } else { i128::from(first & 0x3f) };
            Some(rest.iter().fold(start, |value, &byte| value << 8 | i128::from(byte)))
        }
        _ => {
            let digits = bytes.trim_ascii_start();
            let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
            let (digits, rest) = digits.split_at_checked(end)?;
            if rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
                return None;
            }
            digits.iter().try_fold(0i128, |value, &digit| match digit {
                b'0'..=b'7' => Some(value << 3 | i128::from(digit - b'0')),
                _ => None,
            })
        }
    }
}

/// The sum of a header's bytes with its checksum field blank; old writers summed them as signed bytes.
fn checksum(block: &[u8], of_byte: impl Fn(u8) -> i64) -> i64 {
    let blank = CHECKSUM_AT..CHECKSUM_AT + CHECKSUM_LEN;
    block.iter().enumerate().map(|(at, &byte)| of_byte(if blank.contains(&at) { b' ' } else { byte })).sum()
}

fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let stated = number(field(block, CHECKSUM_AT, CHECKSUM_LEN));
    stated == Some(checksum(block, i64::from).into())
        || stated == Some(checksum(block, |byte| i64::from(byte.cast_signed())).into())
}

impl Header {
    /// The fields of `block`, or what is wrong with it.
    pub fn parse(block: &[u8; BLOCK]) -> Result<Self, &'static str> {
        if !checksum_holds(block) {
            return Err("a header's checksum does not hold");
        }
        let numeric = |at, len| number(field(block, at, len)).ok_or("a header has a field that is no number");
        let mut name = text(block, 0, NAME_LEN).to_vec();
        // GNU's own magic ("ustar  ") and older tars have other things where POSIX has the prefix.
        if field(block, 257, 6) == b"ustar\0" {
            let prefix = text(block, 345, PREFIX_LEN);
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        let kind = field(block, 156, 1).first().copied().unwrap_or_default();
        let device = match kind {
            kind::CHAR_DEVICE | kind::BLOCK_DEVICE => {
                let part = |at| u32::try_from(numeric(at, 8)?).map_err(|_| "a device number is out of range");
                (part(329)?, part(337)?)
            }
            _ => (0, 0),
        };
        Ok(Self {
            name,
            mode: (numeric(100, 8)? & 0o7777) as u32,
            uid: i64::try_from(numeric(108, 8)?).map_err(|_| "an owner is out of range")?,
            gid: i64::try_from(numeric(116, 8)?).map_err(|_| "a group is out of range")?,
            size: u64::try_from(numeric(124, 12)?).map_err(|_| "a size is out of range")?,
            mtime: i64::try_from(numeric(136, 12)?).map_err(|_| "a time is out of range")?,
            kind,
            link: text(block, 157, NAME_LEN).to_vec(),
            device,
        })
    }

    /// The block with these fields, the name in front of which goes `prefix`. A number that does not fit its field is
    /// written as 0, a text is cut: a PAX header before it has then to say the truth.
    pub fn to_block(&self, prefix: &[u8]) -> Vec<u8> {
        let sum = checksum(&self.block_with(prefix, b"        "), i64::from);
        self.block_with(prefix, format!("{sum:06o}\0 ").as_bytes())
    }

    fn block_with(&self, prefix: &[u8], checksum: &[u8]) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK);
        let mut put = |bytes: &[u8], len: usize| {
            let end = block.len() + len;
            block.extend(bytes.iter().take(len));
            block.resize(end, 0);
        };
        let octal = |value: u64, len: usize| {
            let fits = value < 1 << (3 * (len - 1));
            format!("{:0width$o}", if fits { value } else { 0 }, width = len - 1)
        };
        let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
        put(&self.name, NAME_LEN);
        put(octal(self.mode.into(), 8).as_bytes(), 8);
        put(octal(unsigned(self.uid), 8).as_bytes(), 8);
        put(octal(unsigned(self.gid), 8).as_bytes(), 8);
        put(octal(self.size, 12).as_bytes(), 12);
        put(octal(unsigned(self.mtime), 12).as_bytes(), 12);
        put(checksum, CHECKSUM_LEN);
        put(&[self.kind], 1);
        put(&self.link, NAME_LEN);
        put(b"ustar\0", 6);
        put(b"00", 2);
        put(b"", 64);
        put(octal(self.device.0.into(), 8).as_bytes(), 8);
        put(octal(self.device.1.into(), 8).as_bytes(), 8);
        put(prefix, PREFIX_LEN);
        put(b"", 12);
        block
    }
}

/// Zero bytes that bring a member of `len` bytes to a whole number of blocks.
pub(super) fn padding(len: u64) -> usize {
    (BLOCK - (len % BLOCK as u64) as usize) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_writers_write_them() {
        for (bytes, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"777777777777", Some(0o777777777777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"0000648\0", None),
            (b"644x\0\0\0\0", None),
            (b"6 4\0\0\0\0\0", None),
            (b"-1\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(bytes), value, "{bytes:?}");
        }
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        let header = Header {
            name: b"name".to_vec(),
            mode: 0o4755,
            uid: 1000,
            gid: 100,
            size: 123_456,
            mtime: 1_700_000_000,
            kind: kind::CHAR_DEVICE,
            link: b"somewhere".to_vec(),
            device: (5, 1),
        };
        let block: [u8; BLOCK] = header.to_block(b"a/b").try_into().unwrap();
        assert!(is_header(&block));
        assert_eq!(Header::parse(&block), Ok(Header { name: b"a/b/name".to_vec(), ..header }));
        for at in 0..BLOCK {
            let mut flipped = block;
            flipped[at] ^= 1;
            assert!(!is_header(&flipped), "a flip at {at} goes unnoticed");
        }
        assert!(!is_header(&[0; BLOCK]));
        assert!(!is_header(&block[..BLOCK - 1]));
    }

    #[test]
    fn padding_fills_the_last_block() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
