//! Writes PostgreSQL's log: segments made of records that are given. Tests of the main package include this file too.

const PAGE: usize = 8192;
const FIRST_IS_CONTINUED: u16 = 1;
const LONG: u16 = 2;
/// Image headers of version 15 and later: a hole, compressed by LZ4.
const HAS_HOLE: u8 = 1;
const LZ4: u8 = 8;
/// And before 15.
const OLD_COMPRESSED: u8 = 2;

/// Magic numbers of the log's pages, version 10 to 18.
pub const MAGICS: [u16; 9] = [0xd097, 0xd098, 0xd101, 0xd106, 0xd10d, 0xd110, 0xd113, 0xd116, 0xd118];

/// A block that a record is about.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a> {
    /// Table space, database, relation; `None`: that of the block before.
    pub relation: Option<(u32, u32, u32)>,
    pub fork: u8,
    pub number: u32,
    pub image: Option<LoggedImage<'a>>,
    pub data: &'a [u8],
}

/// A copy of a page in a record.
#[derive(Debug, Clone, Copy)]
pub struct LoggedImage<'a> {
    pub bytes: &'a [u8],
    pub has_hole: bool,
    pub is_compressed: bool,
}

impl<'a> Logged<'a> {
    /// A block of the default table space with an image of all of it.
    pub fn image(database: u32, relation: u32, number: u32, bytes: &'a [u8]) -> Self {
        let image = LoggedImage { bytes, has_hole: bytes.len() < PAGE, is_compressed: false };
        Self { relation: Some((1663, database, relation)), fork: 0, number, image: Some(image), data: &[] }
    }

    /// The same of another relation.
    pub fn of(self, database: u32, relation: u32) -> Self {
        Self { relation: Some((1663, database, relation)), ..self }
    }
}

/// A stretch of the log in the making.
pub struct LogWriter {
    magic: u16,
    /// Where in the log it begins.
    address: u64,
    segment_len: usize,
    bytes: Vec<u8>,
}

impl LogWriter {
    /// Begins at `address`, which is the beginning of a segment of `segment_len` bytes.
    pub fn new(magic: u16, address: u64, segment_len: usize) -> Self {
        Self { magic, address, segment_len, bytes: Vec::new() }
    }

    /// How long it is so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record about `blocks` that ends with `data`.
    pub fn record(&mut self, blocks: &[Logged<'_>], data: &[u8]) {
        let (mut headers, mut payload) = (Vec::new(), Vec::new());
        for (id, block) in blocks.iter().enumerate() {
            self.block(id as u8, block, &mut headers, &mut payload);
        }
        // Origin and the transaction above, as replication and subtransactions leave them.
        headers.extend([253, 7, 0]);
        headers.extend([252, 1, 2, 3, 4]);
        match data.len() {
            0 => {}
            len @ 1..=255 => headers.extend([255, len as u8]),
            len => {
                headers.push(254);
                headers.extend((len as u32).to_le_bytes());
            }
        }
        payload.extend_from_slice(data);
        let total = 24 + headers.len() + payload.len();
        let mut record = (total as u32).to_le_bytes().to_vec();
        record.extend(731u32.to_le_bytes());
        record.extend((self.address + self.bytes.len() as u64).to_le_bytes());
        record.extend([0x20, 10, 0, 0]);
        record.extend(0xabcd_ef01u32.to_le_bytes());
        record.extend(headers);
        record.extend(payload);
        self.append(&record);
    }

    fn block(&self, id: u8, block: &Logged<'_>, headers: &mut Vec<u8>, payload: &mut Vec<u8>) {
        let flags = block.fork
            | if block.image.is_some() { 0x10 } else { 0 }
            | if block.data.is_empty() { 0 } else { 0x20 }
            | if block.relation.is_none() { 0x80 } else { 0 };
        headers.extend([id, flags]);
        headers.extend((block.data.len() as u16).to_le_bytes());
        if let Some(image) = block.image {
            let is_new = self.magic >= 0xd110;
            let compressed = if is_new { LZ4 } else { OLD_COMPRESSED };
            let apply = if is_new { 2 } else { 4 };
            headers.extend((image.bytes.len() as u16).to_le_bytes());
            headers.extend(300u16.to_le_bytes());
            headers.push(
                apply | if image.has_hole { HAS_HOLE } else { 0 } | if image.is_compressed { compressed } else { 0 },
            );
            if image.has_hole && image.is_compressed {
                headers.extend(77u16.to_le_bytes());
            }
            payload.extend_from_slice(image.bytes);
        }
        if let Some((tablespace, database, relation)) = block.relation {
            headers.extend([tablespace, database, relation].map(u32::to_le_bytes).concat());
        }
        headers.extend(block.number.to_le_bytes());
        payload.extend_from_slice(block.data);
    }

    fn append(&mut self, record: &[u8]) {
        let mut rest = record;
        while !rest.is_empty() {
            if self.bytes.len().is_multiple_of(PAGE) {
                let is_continued = rest.len() < record.len();
                self.page_header(if is_continued { rest.len() } else { 0 });
            }
            let room = PAGE - self.bytes.len() % PAGE;
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.bytes.extend_from_slice(now);
            rest = later;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    fn page_header(&mut self, left: usize) {
        let is_first = self.bytes.len().is_multiple_of(self.segment_len);
        let info = if left > 0 { FIRST_IS_CONTINUED } else { 0 } | if is_first { LONG } else { 0 };
        let address = self.address + self.bytes.len() as u64;
        self.bytes.extend(self.magic.to_le_bytes());
        self.bytes.extend(info.to_le_bytes());
        self.bytes.extend(1u32.to_le_bytes());
        self.bytes.extend(address.to_le_bytes());
        self.bytes.extend((left as u32).to_le_bytes());
        self.bytes.extend([0; 4]);
        if is_first {
            self.bytes.extend(0x1234_5678_9abc_def0u64.to_le_bytes());
            self.bytes.extend((self.segment_len as u32).to_le_bytes());
            self.bytes.extend((PAGE as u32).to_le_bytes());
        }
    }

    /// The log up to here, followed by zeros up to `len` bytes.
    pub fn finish(mut self, len: usize) -> Vec<u8> {
        self.bytes.resize(len, 0);
        self.bytes
    }
}
