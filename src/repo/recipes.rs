//! Recipes in a repository: walking a content's tree of chunks, and building one.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::codec::DeltaEncoder;
use crate::error::{Error, Result};
use crate::format::recipe::{RecipeNode, Reference};
use crate::format::tree::{Content, Directory};
use crate::format::{decode, encode};
use crate::id::ChunkId;
use crate::limits;

use super::reader::Reader;
use super::writer::{Base, ChunkWriter, Lane, Worker};

/// Nodes of one recipe that are kept: a path from the root, and the leaves that neighbouring threads read.
const NODES_KEPT: NonZeroUsize = match NonZeroUsize::new(64) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// A piece of a content: a data chunk or a run, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the content, bytes.
    pub offset: u64,
    /// What is there.
    pub reference: Reference,
}

/// Reads a recipe node of level `level` (1: its children are data).
pub fn read_node(reader: &Reader, id: &ChunkId) -> Result<RecipeNode> {
    let bytes = reader.chunk(id)?;
    RecipeNode::decode(&bytes).map_err(|error| error.of(format!("recipe node {id}")))
}

/// Reads and decodes a folder's listing.
pub fn read_directory(reader: &Reader, listing: &Content) -> Result<Directory> {
    let len = listing.len();
    if len > limits::DIRECTORY_MAX as u64 {
        return Err(Error::damaged("a folder's listing", format!("it declares {len} bytes")));
    }
    let bytes = ContentReader::new(reader, listing).read_all()?;
    decode(&bytes).map_err(|error| error.of("a folder's listing"))
}

/// A content's recipe, read piece by piece as it is needed; shared by threads.
pub struct Recipe<'r> {
    reader: &'r Reader,
    root: Reference,
    depth: u8,
    nodes: Mutex<LruCache<ChunkId, Arc<RecipeNode>>>,
}

impl<'r> Recipe<'r> {
    /// The recipe of `content`; `None` where it has no chunks and no runs.
    pub fn new(reader: &'r Reader, content: &Content) -> Option<Self> {
        let (root, depth) = match *content {
            Content::Empty | Content::Inline(_) => return None,
            Content::Run { byte, len } => (Reference::Run { byte, len }, 0),
            Content::Chunks { root, depth, len } => (Reference::Chunk { id: root, len }, depth),
        };
        Some(Self { reader, root, depth, nodes: Mutex::new(LruCache::new(NODES_KEPT)) })
    }

    /// Length of the content, bytes.
    pub fn len(&self) -> u64 {
        self.root.len()
    }

    /// Whether it is empty, which no recipe is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn node(&self, id: &ChunkId) -> Result<Arc<RecipeNode>> {
        let lock = || self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = lock().get(id) {
            return Ok(node.clone());
        }
        let node = Arc::new(read_node(self.reader, id)?);
        lock().put(*id, node.clone());
        Ok(node)
    }

    /// All data chunks and runs that touch `range`, in their order.
    pub fn extents(&self, range: std::ops::Range<u64>) -> Result<Vec<Extent>> {
        let mut extents = Vec::new();
        self.collect(self.root, self.depth, 0, &range, &mut extents)?;
        Ok(extents)
    }

    fn collect(
        &self,
        reference: Reference,
        depth: u8,
        offset: u64,
        range: &std::ops::Range<u64>,
        extents: &mut Vec<Extent>,
    ) -> Result<()> {
        if offset >= range.end || offset.saturating_add(reference.len()) <= range.start {
            return Ok(());
        }
        match reference {
            Reference::Chunk { id, len } if depth > 0 => {
                let node = self.node(&id)?;
                check_node(&id, &node, len, depth)?;
                let mut offset = offset;
                for child in &node.references {
                    self.collect(*child, depth - 1, offset, range, extents)?;
                    offset += child.len();
                }
            }
            Reference::Chunk { id, len } if len > limits::BLOCK_MAX as u64 => {
                return Err(Error::damaged(format!("chunk {id}"), format!("its recipe declares {len} bytes for it")));
            }
            reference => extents.push(Extent { offset, reference }),
        }
        Ok(())
    }

    /// The node of level `level` that covers `offset`.
    pub fn node_at(&self, level: u8, offset: u64) -> Result<Option<ChunkId>> {
        let (mut reference, mut depth, mut start) = (self.root, self.depth, 0u64);
        loop {
            let Reference::Chunk { id, len } = reference else { return Ok(None) };
            if depth < level || offset < start || offset >= start.saturating_add(len) {
                return Ok(None);
            }
            if depth == level {
                return Ok(Some(id));
            }
            let node = self.node(&id)?;
            check_node(&id, &node, len, depth)?;
            let mut next = None;
            for child in &node.references {
                if offset < start + child.len() {
                    next = Some(*child);
                    break;
                }
                start += child.len();
            }
            let Some(child) = next else { return Ok(None) };
            reference = child;
            depth -= 1;
        }
    }
}

/// Holds a node against the reference that names it.
pub(super) fn check_node(id: &ChunkId, node: &RecipeNode, len: u64, depth: u8) -> Result<()> {
    if node.len() != len || depth > limits::RECIPE_DEPTH_MAX {
        return Err(Error::damaged(format!("recipe node {id}"), "its length or depth is not the one that names it"));
    }
    Ok(())
}

/// Reads a content's bytes from its beginning to its end.
pub struct ContentReader<'r> {
    reader: &'r Reader,
    content: Content,
}

impl<'r> ContentReader<'r> {
    /// A reader of `content`.
    pub fn new(reader: &'r Reader, content: &Content) -> Self {
        Self { reader, content: content.clone() }
    }

    /// All bytes. The caller has held the length against a limit.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.for_each(|piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Hands every piece of the content to `piece`, in order.
    pub fn for_each(&self, mut piece: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if let Content::Inline(bytes) = &self.content {
            return piece(bytes);
        }
        let Some(recipe) = Recipe::new(self.reader, &self.content) else { return Ok(()) };
        let window = 4 * limits::BLOCK_MAX as u64;
        let mut at = 0;
        while at < recipe.len() {
            let end = at.saturating_add(window).min(recipe.len());
            self.for_each_of(&recipe, at..end, &mut piece)?;
            at = end;
        }
        Ok(())
    }

    /// Hands over the pieces that begin in `range` of the content, whose recipe is at hand.
    pub(super) fn for_each_of(
        &self,
        recipe: &Recipe<'_>,
        range: std::ops::Range<u64>,
        piece: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        for extent in recipe.extents(range.clone())? {
            // An extent that reaches over a window's edge belongs to the window in which it begins.
            if extent.offset >= range.start {
                self.piece(&extent.reference, piece)?;
            }
        }
        Ok(())
    }

    fn piece(&self, reference: &Reference, piece: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match *reference {
            Reference::Chunk { id, len } => {
                let plain = self.reader.chunk(&id)?;
                if plain.len() as u64 != len {
                    return Err(Error::damaged(format!("chunk {id}"), "its length is not the one its recipe says"));
                }
                piece(&plain)
            }
            Reference::Run { byte, len } => {
                let run = vec![byte; len.min(limits::CHUNK_MAX as u64) as usize];
                let mut left = len;
                while left > 0 {
                    let part = run.get(..left.min(run.len() as u64) as usize).unwrap_or_default();
                    piece(part)?;
                    left -= part.len() as u64;
                }
                Ok(())
            }
        }
    }
}

/// Where a recipe's nodes end. Two versions of a file must be cut alike where they are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeCutter {
    /// Page files: a node of level n spans `chunk_len` × 128^n bytes of the file, so that an equal place in two
    /// versions is an equal place in their recipes.
    Span {
        /// Length of the file's chunks, bytes.
        chunk_len: u64,
    },
    /// Streams: a node ends after a child whose id ends in seven zero bits, so that an insertion moves no other node.
    Content,
}

impl NodeCutter {
    fn ends(self, level: u8, references: &[Reference], span: u64) -> bool {
        if references.len() >= limits::NODE_REFS_MAX {
            return true;
        }
        match self {
            NodeCutter::Span { chunk_len } => {
                let full = (limits::NODE_FANOUT as u64)
                    .checked_pow(u32::from(level))
                    .and_then(|count| count.checked_mul(chunk_len));
                full.is_some_and(|full| span >= full)
            }
            NodeCutter::Content => match references.last() {
                Some(Reference::Chunk { id, .. }) => {
                    let [.., last] = id.as_bytes();
                    usize::from(*last) % limits::NODE_FANOUT == 0
                }
                _ => false,
            },
        }
    }
}

#[derive(Default)]
struct Level {
    references: Vec<Reference>,
    /// Where the node begins in the content.
    start: u64,
    /// Data bytes that it spans so far.
    span: u64,
}

/// Builds a recipe from data references in their order, storing each node as soon as it ends.
pub struct RecipeBuilder<'a> {
    writer: &'a ChunkWriter,
    reader: &'a Reader,
    cutter: NodeCutter,
    base: Option<&'a Recipe<'a>>,
    levels: Vec<Level>,
    trust_base: bool,
    len: u64,
}

impl<'a> RecipeBuilder<'a> {
    /// An empty recipe. Nodes are stored as deltas against the nodes at the same place of `base`; with `trust_base` a
    /// node that is equal to the one there is known without being looked up.
    pub fn new(
        writer: &'a ChunkWriter,
        reader: &'a Reader,
        cutter: NodeCutter,
        base: Option<&'a Recipe<'a>>,
        trust_base: bool,
    ) -> Self {
        Self { writer, reader, cutter, base, levels: Vec::new(), trust_base, len: 0 }
    }

    /// Appends a data chunk or a run.
    pub fn push(&mut self, worker: &mut Worker, reference: Reference) -> Result<()> {
        self.len += reference.len();
        self.push_at(worker, 0, reference)
    }

    fn push_at(&mut self, worker: &mut Worker, at: usize, reference: Reference) -> Result<()> {
        if at >= self.levels.len() {
            self.levels.resize_with(at + 1, Level::default);
        }
        let Some(level) = self.levels.get_mut(at) else { return Ok(()) };
        level.span += reference.len();
        match (level.references.last_mut(), reference) {
            (Some(Reference::Run { byte, len }), Reference::Run { byte: more, len: by }) if *byte == more => *len += by,
            _ => level.references.push(reference),
        }
        if self.cutter.ends(at as u8 + 1, &level.references, level.span) {
            self.close(worker, at)?;
        }
        Ok(())
    }

    fn close(&mut self, worker: &mut Worker, at: usize) -> Result<()> {
        let Some(level) = self.levels.get_mut(at) else { return Ok(()) };
        let references = std::mem::take(&mut level.references);
        let (start, span) = (level.start, std::mem::take(&mut level.span));
        level.start += span;
        let reference = match references.as_slice() {
            [] => return Ok(()),
            // A node of nothing but a run says no more than the run.
            [run @ Reference::Run { .. }] => *run,
            _ => {
                let node = RecipeNode { references };
                Reference::Chunk { id: self.store(worker, at as u8 + 1, start, &node.encode())?, len: span }
            }
        };
        self.push_at(worker, at + 1, reference)
    }

    fn store(&self, worker: &mut Worker, level: u8, start: u64, bytes: &[u8]) -> Result<ChunkId> {
        let id = self.writer.chunk_id(bytes);
        let there = match self.base {
            Some(base) => base.node_at(level, start)?,
            None => None,
        };
        if self.trust_base && there == Some(id) || self.writer.is_known(&[id])?.first() == Some(&true) {
            return Ok(id);
        }
        let base = match there {
            Some(there) => self.reader.base(&there)?,
            None => None,
        };
        let base = base.as_ref().map(|(id, bytes)| Base { id: *id, bytes });
        self.writer.store(worker, &mut DeltaEncoder::default(), Lane::Meta, id, bytes, base)?;
        Ok(id)
    }

    /// Ends the recipe.
    pub fn finish(mut self, worker: &mut Worker) -> Result<Content> {
        let len = self.len;
        for at in 0..=usize::from(limits::RECIPE_DEPTH_MAX) {
            let is_top = self.levels.len() <= at + 1;
            let Some(level) = self.levels.get_mut(at) else { return Ok(Content::Empty) };
            match (is_top, level.references.as_slice()) {
                (true, []) => return Ok(Content::Empty),
                (true, [Reference::Run { byte, len }]) => return Ok(Content::Run { byte: *byte, len: *len }),
                (true, [Reference::Chunk { id, .. }]) => {
                    return Ok(Content::Chunks { root: *id, depth: at as u8, len });
                }
                _ => self.close(worker, at)?,
            }
        }
        Err(Error::Failed(format!("a content of {len} bytes needs a deeper recipe than there are")))
    }
}

/// The stored bytes of a folder's listing.
pub fn directory_bytes(directory: &Directory) -> Vec<u8> {
    encode(directory)
}
