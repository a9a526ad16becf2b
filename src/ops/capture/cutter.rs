//! How a content is cut, and what follows from that for its recipe and its bases.

use std::ops::Range;

use crate::chunk::{Cutting, LOG_STRETCH, StreamChunker, cut_log, page_chunk_len};
use crate::repo::{NodeCutter, Recipe};

use super::align::Aligner;

/// Data bytes that a chunk of a log has, about: decides how much of one a recipe node spans.
const LOG_CHUNK: u64 = 16 * 1024;

/// Cuts one content.
#[derive(Debug, Clone, Copy)]
pub enum Cutter {
    /// At fixed lengths, bytes.
    Pages(usize),
    /// At the page images of a log, and where the chunker says so.
    Log(StreamChunker),
    /// Where the chunker says so.
    Stream(StreamChunker),
}

impl Cutter {
    /// For a repository with these parameters.
    pub fn new(cutting: Cutting, chunker: StreamChunker, page_target: u32) -> Self {
        match cutting {
            Cutting::Page { page_size } => Cutter::Pages(page_chunk_len(page_size, page_target)),
            Cutting::Log => Cutter::Log(chunker),
            Cutting::Stream => Cutter::Stream(chunker),
        }
    }

    /// The length that pieces must have to be cut side by side: about `about` bytes, at least one chunk.
    pub fn segment(&self, about: usize) -> usize {
        match *self {
            Cutter::Pages(len) => (about / len).max(1) * len,
            Cutter::Log(_) | Cutter::Stream(_) => LOG_STRETCH,
        }
    }

    /// The chunks at the beginning of `data`; what is left over at its end has to be cut with more behind it.
    pub fn cut(&self, data: &[u8], at_end: bool) -> Vec<Range<usize>> {
        match self {
            Cutter::Pages(len) => {
                let whole = if at_end { data.len() } else { data.len() / len * len };
                (0..whole).step_by(*len).map(|start| start..(start + len).min(whole)).collect()
            }
            Cutter::Log(chunker) => {
                let whole = if at_end { data.len() } else { data.len() / LOG_STRETCH * LOG_STRETCH };
                let stretches = data.get(..whole).unwrap_or(data).chunks(LOG_STRETCH);
                let moved = |(number, stretch): (usize, &[u8])| {
                    let start = number * LOG_STRETCH;
                    let cuts = cut_log(stretch, chunker, None).cuts.into_iter();
                    cuts.map(move |cut| start + cut.place.start..start + cut.place.end).collect::<Vec<_>>()
                };
                stretches.enumerate().flat_map(moved).collect()
            }
            Cutter::Stream(chunker) => cut_stream(chunker, data, at_end),
        }
    }

    /// Where the nodes of its recipe end.
    pub fn nodes(&self) -> NodeCutter {
        match *self {
            Cutter::Pages(len) => NodeCutter::Span { chunk_len: len as u64 },
            Cutter::Log(_) => NodeCutter::Span { chunk_len: LOG_CHUNK },
            Cutter::Stream(_) => NodeCutter::Content,
        }
    }

    /// Follows it along the version before.
    pub fn aligner<'r>(&self, recipe: Option<&'r Recipe<'r>>) -> Aligner<'r> {
        match self {
            Cutter::Pages(_) => Aligner::of_pages(recipe),
            Cutter::Log(_) => Aligner::of_log(recipe),
            Cutter::Stream(_) => Aligner::of_stream(recipe),
        }
    }
}

fn cut_stream(chunker: &StreamChunker, data: &[u8], at_end: bool) -> Vec<Range<usize>> {
    let mut cuts = Vec::with_capacity(data.len() / 8192 + 1);
    let mut start = 0;
    while let Some(rest) = data.get(start..).filter(|rest| !rest.is_empty()) {
        let Some(len) = chunker.next_cut(rest, at_end) else { break };
        cuts.push(start..start + len);
        start += len;
    }
    cuts
}
