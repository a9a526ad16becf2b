//! Where the page images stand in a stretch of a PostgreSQL log segment.
//!
//! A segment is written in pages of 8 KiB, each with a header that says where in the log it belongs and how much of a
//! record that began before it goes on in it. So a reader can begin at any page, and go on behind anything that it does
//! not understand: a segment that is used again holds newer pages first and then, up to its end, those of another time.

use std::ops::Range;

use super::super::sniff::array;
use super::record::{CompressionBits, HEADERS_MAX, ImageInRecord, PageHint, images_of, record_len};

const PAGE_HEADER: usize = 24;
const LONG_PAGE_HEADER: usize = 40;
const FIRST_IS_CONTINUED: u16 = 0x0001;
const IS_LONG: u16 = 0x0002;

/// Records are aligned to this many bytes.
const ALIGN: usize = 8;

/// An image, or as much of one as is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it stands in the stretch, bytes; with the log's page headers that interrupt it.
    pub place: Range<usize>,
    /// What it is an image of.
    pub page: PageHint,
}

/// What was found in a stretch of a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Length of what goes on from before the stretch, bytes, its first page's header counted.
    pub continued: usize,
    /// The images that begin in it, in their order.
    pub images: Vec<Image>,
    /// The image that goes on behind the stretch: nothing in there says what it is.
    pub goes_on: Option<PageHint>,
}

/// Finds the images in `data`, which is a segment or a part of it that begins with a page. `page_len` is the length of
/// the log's pages, bytes.
pub fn find_images(data: &[u8], page_len: usize) -> Found {
    let mut found = Found::default();
    let log = Log { data, page_len: page_len.max(LONG_PAGE_HEADER + ALIGN) };
    let mut at = 0;
    while at < data.len() {
        at = match log.record_in_page(at) {
            Some(begin) => {
                if at == 0 {
                    found.continued = begin;
                }
                log.records(begin, &mut found)
            }
            None => at + log.page_len,
        };
    }
    found
}

struct Log<'a> {
    data: &'a [u8],
    page_len: usize,
}

struct Page {
    bits: CompressionBits,
    address: u64,
    is_continued: bool,
    /// How much of the record before goes on from here, bytes.
    left: usize,
    header: usize,
}

impl Log<'_> {
    /// The header of the page that begins at `at`.
    fn page(&self, at: usize) -> Option<Page> {
        let bits = CompressionBits::of(array(self.data, at).map(u16::from_le_bytes)?)?;
        let info = array(self.data, at + 2).map(u16::from_le_bytes)?;
        let address = array(self.data, at + 8).map(u64::from_le_bytes)?;
        let left = array(self.data, at + 16).map(u32::from_le_bytes)? as usize;
        let header = if info & IS_LONG != 0 { LONG_PAGE_HEADER } else { PAGE_HEADER };
        Some(Page { bits, address, is_continued: info & FIRST_IS_CONTINUED != 0, left, header })
    }

    fn page_of(&self, at: usize) -> usize {
        at / self.page_len * self.page_len
    }

    /// Where the first record that begins in the page at `at` begins; `None` where none does.
    fn record_in_page(&self, at: usize) -> Option<usize> {
        let page = self.page(at)?;
        let left = if page.is_continued { page.left } else { 0 };
        let begin = left.checked_next_multiple_of(ALIGN)?.checked_add(page.header)?;
        (begin < self.page_len).then_some(at + begin)
    }

    /// Reads the records that follow each other from `at` on. Returns the page to go on with where they end.
    fn records(&self, mut at: usize, found: &mut Found) -> usize {
        loop {
            let page_at = self.page_of(at);
            let (Some(page), Some(len)) = (self.page(page_at), self.data.get(at..).and_then(record_len)) else {
                return page_at + self.page_len;
            };
            let walk = self.walk(at, len as usize, &page);
            let mut head = Vec::with_capacity(HEADERS_MAX.min(len as usize));
            for piece in &walk.pieces {
                let wanted = HEADERS_MAX - head.len();
                let bytes = self.data.get(piece.clone()).unwrap_or_default();
                head.extend_from_slice(bytes.get(..wanted).unwrap_or(bytes));
            }
            let Some(images) = images_of(&head, page.bits) else { return page_at + self.page_len };
            for image in &images {
                if let Some(place) = place_of(image, &walk.pieces) {
                    found.images.push(Image { place, page: image.page });
                }
            }
            match walk.end {
                End::Whole(end) => at = end,
                End::Broken(next) => return next,
                End::OutOfData => {
                    let there: usize = walk.pieces.iter().map(Range::len).sum();
                    let cut = images.iter().find(|image| image.start + u64::from(image.len) > there as u64);
                    found.goes_on = cut.filter(|image| image.start < there as u64).map(|image| image.page);
                    return self.data.len();
                }
            }
            if at.is_multiple_of(self.page_len) {
                return at;
            }
        }
    }

    /// Follows a record of `len` bytes from `at` over the pages that it stands in.
    fn walk(&self, mut at: usize, len: usize, first: &Page) -> Walk {
        let mut pieces = Vec::new();
        let mut left = len;
        let mut address = first.address;
        loop {
            let page_end = self.page_of(at) + self.page_len;
            let end = page_end.min(at.saturating_add(left)).min(self.data.len()).max(at);
            pieces.push(at..end);
            left -= end - at;
            if left == 0 {
                return Walk { pieces, end: End::Whole(end.next_multiple_of(ALIGN)) };
            }
            if page_end >= self.data.len() {
                return Walk { pieces, end: End::OutOfData };
            }
            address = address.wrapping_add(self.page_len as u64);
            match self.page(page_end) {
                Some(page) if page.is_continued && page.left == left && page.address == address => {
                    at = page_end + page.header;
                }
                // Another time's page: what is left of the record was never written, or is gone.
                _ => return Walk { pieces, end: End::Broken(page_end) },
            }
        }
    }
}

struct Walk {
    /// Where the record's bytes stand.
    pieces: Vec<Range<usize>>,
    end: End,
}

enum End {
    /// The next record begins here.
    Whole(usize),
    /// It is not there in full; the next page begins here.
    Broken(usize),
    /// It goes on behind the data.
    OutOfData,
}

/// Where an image's bytes stand, as far as they are there.
fn place_of(image: &ImageInRecord, pieces: &[Range<usize>]) -> Option<Range<usize>> {
    let mut before = 0u64;
    let (mut start, mut end) = (None, 0);
    let image_end = image.start + u64::from(image.len);
    for piece in pieces {
        let after = before + piece.len() as u64;
        if image.start < after && start.is_none() {
            start = Some(piece.start + (image.start - before) as usize);
        }
        if start.is_some() && image_end > before {
            end = piece.start + (image_end.min(after) - before) as usize;
        }
        before = after;
    }
    start.map(|start| start..end).filter(|place| !place.is_empty())
}
