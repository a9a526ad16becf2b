//! How much of two versions of a file differs, by their recipes: equal subtrees are passed over unread, and data is
//! not read at all.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::format::recipe::Reference;
use crate::format::tree::{Class, Content};
use crate::id::ChunkId;
use crate::repo::{ContentReader, Reader, fetch_node, fetch_nodes};

/// Recipe nodes of one level that are read to compare what is below them. Beyond that many (of a stream: about 8 GiB
/// that changed) they count as differing whole, so that memory stays bounded.
const NODES_MAX: usize = 4096;
/// Nodes that are read at once.
const NODES_AT_ONCE: usize = 1024;

/// How much of two versions differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Differing {
    /// Plain bytes of the old version that the new one has not.
    pub gone: u64,
    /// Plain bytes of the new version that the old one has not.
    pub new: u64,
}

/// What differs between two contents, in units of their chunks: of page files what is not the same at the same place,
/// of streams what is not in the other one at all.
pub fn differing(reader: &Reader, before: (&Content, Class), after: (&Content, Class)) -> Result<Differing> {
    let whole = Differing { gone: before.0.len(), new: after.0.len() };
    let (Some(old), Some(new)) = (root(before.0), root(after.0)) else { return Ok(whole) };
    match (before.1, after.1) {
        (Class::Page { .. }, Class::Page { .. }) => by_place(reader, old, new),
        _ => by_chunks(reader, old, new),
    }
}

/// Whether two contents hold the same bytes, found out by reading them.
pub fn same_bytes(reader: &Reader, a: &Content, b: &Content) -> Result<bool> {
    let hash = |content: &Content| {
        let mut hasher = blake3::Hasher::new();
        ContentReader::new(reader, content).for_each(|piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finalize())
    };
    Ok(a.len() == b.len() && hash(a)? == hash(b)?)
}

fn root(content: &Content) -> Option<Part> {
    match *content {
        Content::Empty | Content::Inline(_) => None,
        Content::Run { byte, len } => Some(Part::Run { byte, len }),
        Content::Chunks { root, depth, len } => Some(Part::Chunk { id: root, len, depth }),
    }
}

/// A part of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Data at depth 0, a node above.
    Chunk {
        id: ChunkId,
        len: u64,
        depth: u8,
    },
    Run {
        byte: u8,
        len: u64,
    },
    /// What is left of a data chunk.
    Rest {
        len: u64,
    },
}

impl Part {
    fn len(&self) -> u64 {
        match *self {
            Part::Chunk { len, .. } | Part::Run { len, .. } | Part::Rest { len } => len,
        }
    }

    fn depth(&self) -> u8 {
        match *self {
            Part::Chunk { depth, .. } => depth,
            Part::Run { .. } | Part::Rest { .. } => 0,
        }
    }

    /// The part without its first `taken` bytes.
    fn without(self, taken: u64) -> Option<Part> {
        let len = self.len().checked_sub(taken).filter(|len| *len > 0)?;
        Some(match self {
            Part::Run { byte, .. } => Part::Run { byte, len },
            Part::Chunk { .. } | Part::Rest { .. } => Part::Rest { len },
        })
    }
}

fn below(depth: u8, reference: Reference) -> Part {
    match reference {
        Reference::Chunk { id, len } => Part::Chunk { id, len, depth: depth.saturating_sub(1) },
        Reference::Run { byte, len } => Part::Run { byte, len },
    }
}

/// One version, from its beginning to its end.
struct Version<'r> {
    reader: &'r Reader,
    /// What is still to come, the next last.
    parts: Vec<Part>,
}

impl Version<'_> {
    fn expand(&mut self) -> Result<()> {
        if let Some(Part::Chunk { id, len, depth }) = self.parts.pop() {
            let node = fetch_node(self.reader, &id, len, depth)?;
            self.parts.extend(node.references.into_iter().rev().map(|reference| below(depth, reference)));
        }
        Ok(())
    }

    fn take(&mut self, len: u64) {
        if let Some(part) = self.parts.pop() {
            self.parts.extend(part.without(len));
        }
    }
}

fn by_place(reader: &Reader, old: Part, new: Part) -> Result<Differing> {
    let mut old = Version { reader, parts: vec![old] };
    let mut new = Version { reader, parts: vec![new] };
    let mut differing = Differing::default();
    while let (Some(&a), Some(&b)) = (old.parts.last(), new.parts.last()) {
        let common = a.len().min(b.len());
        let same_byte = matches!((a, b), (Part::Run { byte: a, .. }, Part::Run { byte: b, .. }) if a == b);
        if a == b && !matches!(a, Part::Rest { .. }) {
            old.parts.pop();
            new.parts.pop();
        } else if a.depth() > 0 && a.depth() >= b.depth() {
            old.expand()?;
        } else if b.depth() > 0 {
            new.expand()?;
        } else {
            if !same_byte {
                differing.gone += common;
                differing.new += common;
            }
            old.take(common);
            new.take(common);
        }
    }
    // The longer one's end is not read: it differs whatever is in it.
    differing.gone = old.parts.iter().map(Part::len).fold(differing.gone, u64::saturating_add);
    differing.new = new.parts.iter().map(Part::len).fold(differing.new, u64::saturating_add);
    Ok(differing)
}

/// All parts of one level of a version, but for its runs.
#[derive(Default)]
struct Level {
    depth: u8,
    chunks: Vec<(ChunkId, u64)>,
}

impl Level {
    fn bytes(&self) -> u64 {
        self.chunks.iter().map(|(_, len)| *len).fold(0, u64::saturating_add)
    }

    /// Goes a level down. Adds the runs that come to light to `runs`.
    fn descend(&mut self, reader: &Reader, runs: &mut HashMap<u8, u64>) -> Result<()> {
        let nodes = std::mem::take(&mut self.chunks);
        for some in nodes.chunks(NODES_AT_ONCE) {
            for node in fetch_nodes(reader, some, self.depth)? {
                for reference in node.references {
                    match reference {
                        Reference::Chunk { id, len } => self.chunks.push((id, len)),
                        Reference::Run { byte, len } => {
                            let run = runs.entry(byte).or_default();
                            *run = run.saturating_add(len);
                        }
                    }
                }
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn ids(&self) -> HashSet<ChunkId> {
        self.chunks.iter().map(|(id, _)| *id).collect()
    }
}

fn by_chunks(reader: &Reader, old: Part, new: Part) -> Result<Differing> {
    let begin = |part: Part| {
        let (mut level, mut runs) = (Level { depth: part.depth(), ..Level::default() }, HashMap::new());
        match part {
            Part::Chunk { id, len, .. } => level.chunks.push((id, len)),
            Part::Run { byte, len } => _ = runs.insert(byte, len),
            Part::Rest { .. } => {}
        }
        (level, runs)
    };
    let ((mut old, mut old_runs), (mut new, mut new_runs)) = (begin(old), begin(new));
    loop {
        if old.depth == new.depth {
            let (old_ids, new_ids) = (old.ids(), new.ids());
            old.chunks.retain(|(id, _)| !new_ids.contains(id));
            new.chunks.retain(|(id, _)| !old_ids.contains(id));
        }
        let deeper = old.depth.max(new.depth);
        if deeper == 0 || old.chunks.len().max(new.chunks.len()) > NODES_MAX {
            break;
        }
        if old.depth == deeper {
            old.descend(reader, &mut old_runs)?;
        }
        if new.depth == deeper {
            new.descend(reader, &mut new_runs)?;
        }
    }
    let more = |a: &HashMap<u8, u64>, b: &HashMap<u8, u64>| -> u64 {
        a.iter().map(|(byte, len)| len.saturating_sub(b.get(byte).copied().unwrap_or(0))).fold(0, u64::saturating_add)
    };
    Ok(Differing {
        gone: old.bytes().saturating_add(more(&old_runs, &new_runs)),
        new: new.bytes().saturating_add(more(&new_runs, &old_runs)),
    })
}
