//! The header of a PostgreSQL log record: which blocks it has images of, and where they stand in it.

use std::path::PathBuf;

use super::super::sniff::array;

/// Bytes of `XLogRecord`, which every record begins with.
pub const RECORD_HEADER: usize = 24;
/// Most bytes that a record's headers take: 33 block references, and what goes before and after them.
pub const HEADERS_MAX: usize = 1024;

/// Lengths of a relation's pages and files as PostgreSQL is built everywhere, bytes.
const PAGE_LEN: u64 = 8192;
const FILE_LEN: u64 = 1 << 30;

const BLOCK_ID_MAX: u8 = 32;
const ID_DATA_SHORT: u8 = 255;
const ID_DATA_LONG: u8 = 254;
const ID_ORIGIN: u8 = 253;
const ID_TOP_TRANSACTION: u8 = 252;

const FORK_MASK: u8 = 0x0f;
const HAS_IMAGE: u8 = 0x10;
const HAS_DATA: u8 = 0x20;
const SAME_RELATION: u8 = 0x80;

const IMAGE_HAS_HOLE: u8 = 0x01;

/// The page of a relation that an image is a copy of, as the log says. Nothing is known to be true of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageHint {
    /// The table space's number.
    pub tablespace: u32,
    /// The database's number; 0 for what all databases share.
    pub database: u32,
    /// The number that the relation's file has as its name.
    pub relation: u32,
    /// 0 the relation itself, 1 its free space map, 2 its visibility map, 3 its initial copy.
    pub fork: u8,
    /// The block's number in the relation.
    pub block: u32,
}

impl PageHint {
    /// The file below the data folder that holds the page, and where in it, bytes. `None` for a table space of its own,
    /// which lies elsewhere.
    pub fn place(&self) -> Option<(PathBuf, u64)> {
        const DEFAULT: u32 = 1663;
        const GLOBAL: u32 = 1664;
        let fork = match self.fork {
            0 => "",
            1 => "_fsm",
            2 => "_vm",
            3 => "_init",
            _ => return None,
        };
        let folder = match self.tablespace {
            DEFAULT => format!("base/{}", self.database),
            GLOBAL => "global".to_string(),
            _ => return None,
        };
        let offset = u64::from(self.block) * PAGE_LEN;
        let segment = match offset / FILE_LEN {
            0 => String::new(),
            number => format!(".{number}"),
        };
        Some((format!("{folder}/{}{fork}{segment}", self.relation).into(), offset % FILE_LEN))
    }
}

/// An image inside a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageInRecord {
    /// Where it begins, bytes from the record's beginning; page headers of the log not counted.
    pub start: u64,
    /// Length, bytes; likewise.
    pub len: u32,
    /// What it is an image of.
    pub page: PageHint,
}

/// How image headers mark a compressed image: version 15 has other bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionBits(u8);

impl CompressionBits {
    /// The bits of the version that writes pages with this magic number; `None` for a number that is not known.
    /// From version 10 to 18.
    pub fn of(magic: u16) -> Option<Self> {
        match magic {
            // 10, 11, 12, 13, 14
            0xd097 | 0xd098 | 0xd101 | 0xd106 | 0xd10d => Some(Self(0x02)),
            // 15, 16, 17, 18: pglz, LZ4 or Zstandard
            0xd110 | 0xd113 | 0xd116 | 0xd118 => Some(Self(0x04 | 0x08 | 0x10)),
            _ => None,
        }
    }
}

struct Bytes<'a> {
    rest: &'a [u8],
}

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = array(self.rest, 0)?;
        self.rest = self.rest.get(N..)?;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}

/// Length of the record that begins with `bytes`; `None` where no record can begin so.
pub fn record_len(bytes: &[u8]) -> Option<u32> {
    let len = array(bytes, 0).map(u32::from_le_bytes)?;
    (len as usize >= RECORD_HEADER).then_some(len)
}

/// The images of a record, in their order. `head` holds the record's first bytes: all of them, or [`HEADERS_MAX`].
/// `None` where it is no record.
///
/// Images that PostgreSQL compressed are passed over: they have nothing in common with the page.
pub fn images_of(head: &[u8], compressed: CompressionBits) -> Option<Vec<ImageInRecord>> {
    let mut images: Vec<ImageInRecord> = Vec::new();
    let total = record_len(head)?;
    let mut bytes = Bytes { rest: head.get(RECORD_HEADER..)? };
    let headers_begin = bytes.rest.len();
    // What follows the headers, as far as they have told: images and data of the blocks, then the record's own data.
    let mut payload = 0u64;
    let mut relation = None;
    loop {
        let headers = (headers_begin - bytes.rest.len()) as u64 + RECORD_HEADER as u64;
        match u64::from(total).checked_sub(headers)? {
            left if left == payload => {
                for image in &mut images {
                    image.start += headers;
                }
                return Some(images);
            }
            left if left < payload => return None,
            _ => {}
        }
        match bytes.u8()? {
            ID_DATA_SHORT => payload += u64::from(bytes.u8()?),
            ID_DATA_LONG => payload += u64::from(bytes.u32()?),
            ID_ORIGIN => _ = bytes.u16()?,
            ID_TOP_TRANSACTION => _ = bytes.u32()?,
            id if id <= BLOCK_ID_MAX => {
                let flags = bytes.u8()?;
                let data = bytes.u16()?;
                let image =
                    if flags & HAS_IMAGE != 0 { Some(ImageHeader::read(&mut bytes, compressed)?) } else { None };
                if flags & SAME_RELATION == 0 {
                    relation = Some((bytes.u32()?, bytes.u32()?, bytes.u32()?));
                }
                let (tablespace, database, number) = relation?;
                let block = bytes.u32()?;
                if let Some(image) = image {
                    if !image.is_compressed {
                        let fork = flags & FORK_MASK;
                        let page = PageHint { tablespace, database, relation: number, fork, block };
                        images.push(ImageInRecord { start: payload, len: u32::from(image.len), page });
                    }
                    payload += u64::from(image.len);
                }
                if flags & HAS_DATA != 0 {
                    payload += u64::from(data);
                }
            }
            _ => return None,
        }
    }
}

struct ImageHeader {
    len: u16,
    is_compressed: bool,
}

impl ImageHeader {
    fn read(bytes: &mut Bytes<'_>, compressed: CompressionBits) -> Option<Self> {
        let len = bytes.u16()?;
        let _hole_offset = bytes.u16()?;
        let info = bytes.u8()?;
        let is_compressed = info & compressed.0 != 0;
        if is_compressed && info & IMAGE_HAS_HOLE != 0 {
            let _hole_len = bytes.u16()?;
        }
        Some(Self { len, is_compressed })
    }
}
