//! From images to cuts.

use std::ops::Range;

use crate::limits::CHUNK_MAX;

use super::super::StreamChunker;
use super::find::find_images;
use super::record::PageHint;

/// A segment is cut in stretches of this length, each by itself, bytes.
pub const LOG_STRETCH: usize = 2 << 20;
/// An image shorter than this is not worth a chunk of its own, bytes.
const IMAGE_MIN: usize = 512;
/// Most bytes behind an image that belong to its chunk: the records up to the next image are mostly shorter than what a
/// chunk more would cost.
const BEHIND_MAX: usize = 4096;
/// The length of the log's pages as PostgreSQL is built everywhere, bytes.
const PAGE_LEN: usize = 8192;

/// A chunk of a log segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCut {
    /// Where it stands in the stretch, bytes.
    pub place: Range<usize>,
    /// The page that it begins with an image of.
    pub page: Option<PageHint>,
}

/// The chunks of a stretch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogCuts {
    /// They follow each other, from the stretch's beginning to its end.
    pub cuts: Vec<LogCut>,
    /// What the next stretch begins with the rest of.
    pub goes_on: Option<PageHint>,
}

/// Cuts `stretch`, which begins at a multiple of [`LOG_STRETCH`] in its segment and has as many bytes, or ends with the
/// segment. `before` is what the stretch before said goes on in this one; no cut depends on it.
///
/// What is no log is cut by `chunker`.
pub fn cut_log(stretch: &[u8], chunker: &StreamChunker, before: Option<PageHint>) -> LogCuts {
    let found = find_images(stretch, PAGE_LEN);
    let mut cutter = Cutter { stretch, chunker, done: 0, cuts: Vec::new() };
    // What goes on from before may be the rest of an image.
    let mut present = (found.continued >= IMAGE_MIN).then_some((found.continued, before));
    for image in found.images.iter().filter(|image| image.place.len() >= IMAGE_MIN) {
        cutter.cut_to(image.place.start, present);
        present = Some((image.place.end, Some(image.page)));
    }
    cutter.cut_to(stretch.len(), present);
    LogCuts { cuts: cutter.cuts, goes_on: found.goes_on }
}

struct Cutter<'a> {
    stretch: &'a [u8],
    chunker: &'a StreamChunker,
    done: usize,
    cuts: Vec<LogCut>,
}

impl Cutter<'_> {
    /// Cuts up to `end`. `image` is what is there first: the image's end and its page.
    fn cut_to(&mut self, end: usize, image: Option<(usize, Option<PageHint>)>) {
        if let Some((image_end, page)) = image {
            let last = if end.saturating_sub(image_end) <= BEHIND_MAX { end } else { image_end };
            self.push(last.min(self.done + CHUNK_MAX), page);
        }
        while let Some(rest) = self.stretch.get(self.done..end).filter(|rest| !rest.is_empty()) {
            let len = self.chunker.next_cut(rest, true).unwrap_or(rest.len());
            self.push(self.done + len, None);
        }
    }

    fn push(&mut self, end: usize, page: Option<PageHint>) {
        let end = end.min(self.stretch.len());
        if end > self.done {
            self.cuts.push(LogCut { place: self.done..end, page });
            self.done = end;
        }
    }
}
