//! Which chunks snapshots need: a walk over folder listings and recipes that visits what they share once.
//!
//! A place in a pack counts only after the pack's own footer has confirmed it. What is found missing or damaged goes to
//! the caller, who decides whether the walk goes on.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Manifest, Outcome};
use crate::format::pack::Form;
use crate::format::recipe::{RecipeNode, Reference};
use crate::format::tree::{Content, Directory, Entry, Node};
use crate::id::ChunkId;
use crate::limits;
use crate::ops::progress::{Progress, Silent};
use crate::repo::{Reader, Slot, absent, is_long, read_directory, read_entries, read_node};

/// Listings and recipe nodes that are read side by side.
const NODES_AT_ONCE: usize = 256;
/// References to data that are gathered before they are looked up.
const LEAVES_AT_ONCE: usize = 1 << 15;
/// Ids that a thread looks up together.
const IDS_AT_ONCE: usize = 1 << 10;

/// A set of places in packs: one bit for each slot, one bitmap for each pack that is in it at all.
#[derive(Debug, Clone, Default)]
pub struct PlaceSet {
    packs: HashMap<u32, Vec<u64>>,
}

impl PlaceSet {
    /// Adds a place. Whether it was new.
    pub fn insert(&mut self, pack: u32, slot: u32) -> bool {
        let words = self.packs.entry(pack).or_default();
        let (word, bit) = (slot as usize / 64, 1u64 << (slot % 64));
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let Some(word) = words.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether a place is in it.
    pub fn contains(&self, pack: u32, slot: u32) -> bool {
        let word = self.packs.get(&pack).and_then(|words| words.get(slot as usize / 64));
        word.is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// How many places of a pack are in it.
    pub fn count(&self, pack: u32) -> u32 {
        self.packs.get(&pack).map_or(0, |words| words.iter().map(|word| word.count_ones()).sum())
    }

    /// The packs of which a place is in it.
    pub fn packs(&self) -> impl Iterator<Item = u32> {
        self.packs.keys().copied()
    }
}

/// Something that a snapshot needs and that is not as it should be.
#[derive(Debug)]
pub struct Fault {
    /// What, and what about it.
    pub error: Error,
    /// The chunks that cannot be had for it.
    pub chunks: Vec<ChunkId>,
}

impl Fault {
    fn of(chunk: ChunkId, error: Error) -> Self {
        Self { error, chunks: vec![chunk] }
    }
}

/// Is told of everything that a walk comes upon.
pub trait Visitor {
    /// Something is missing or damaged. What lies behind it is not walked; an error ends the walk.
    fn fault(&mut self, fault: Fault) -> Result<()>;
    /// A chunk is needed: whole, or as the base of one that is. May be told more than once of the same.
    fn needs(&mut self, id: &ChunkId) {
        let _ = id;
    }
}

/// Ends the walk at the first fault.
pub struct Strict;

impl Visitor for Strict {
    fn fault(&mut self, fault: Fault) -> Result<()> {
        Err(fault.error)
    }
}

/// Whether every chunk that a component needs is there, as its pack's footer says. Reads listings and recipes, no data.
///
/// Errors: [`Error::Damaged`] with the first that is missing.
pub fn check_present(reader: &Reader, component: &Component, progress: &dyn Progress) -> Result<()> {
    let mut walk = Walk::new(reader).stopped_by(progress);
    walk.entry(&component.root, &mut Strict)?;
    walk.through(&mut Strict)
}

/// Looks away from faults.
pub struct Lenient;

impl Visitor for Lenient {
    fn fault(&mut self, _: Fault) -> Result<()> {
        Ok(())
    }
}

/// What a chunk of metadata is read as. The same bytes may be both a file's and a node's, so that it was visited as
/// one says nothing about the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Listing,
    Node { depth: u8 },
}

enum Item {
    Listing(Content),
    Node { id: ChunkId, depth: u8, len: u64 },
}

impl Item {
    fn place(&self) -> Option<(Role, ChunkId, u64)> {
        match *self {
            Item::Listing(Content::Chunks { root, depth, len }) => {
                Some((Role::Listing, root, if depth == 0 { len } else { 0 }))
            }
            Item::Listing(_) => None,
            Item::Node { id, depth, .. } => Some((Role::Node { depth }, id, 0)),
        }
    }
}

enum Children {
    Listing(Directory),
    /// A listing that is read entry by entry.
    LongListing,
    Node(RecipeNode),
}

/// A chunk whose place its pack's footer has confirmed.
struct Confirmed {
    slot: Slot,
    plain_len: u32,
}

/// Walks snapshots and gathers the places of the chunks that they need.
pub struct Walk<'r> {
    reader: &'r Reader,
    progress: &'r dyn Progress,
    live: PlaceSet,
    visited: HashMap<Role, PlaceSet>,
    items: Vec<Item>,
    /// Data chunks to look up, with the plain length that their references say (0: any).
    leaves: Vec<(ChunkId, u64)>,
    chunks: u64,
}

impl<'r> Walk<'r> {
    /// A walk that has visited nothing.
    pub fn new(reader: &'r Reader) -> Self {
        Self {
            reader,
            progress: &Silent,
            live: PlaceSet::default(),
            visited: HashMap::new(),
            items: Vec::new(),
            leaves: Vec::new(),
            chunks: 0,
        }
    }

    /// The same, that stops where `progress` says so.
    pub fn stopped_by(self, progress: &'r dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// The places of all chunks that were found to be needed.
    pub fn live(&self) -> &PlaceSet {
        &self.live
    }

    /// Different chunks that were found to be needed.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Counts chunks as needed that no snapshot names, with their bases.
    pub fn also(&mut self, ids: impl IntoIterator<Item = ChunkId>, visitor: &mut dyn Visitor) -> Result<()> {
        self.leaves.extend(ids.into_iter().map(|id| (id, 0)));
        self.look_up_leaves(visitor)
    }

    /// Walks snapshots.
    pub fn snapshots<'m>(
        &mut self,
        manifests: impl IntoIterator<Item = &'m Manifest>,
        visitor: &mut dyn Visitor,
    ) -> Result<()> {
        for manifest in manifests {
            if let Outcome::Completed { components } = &manifest.outcome {
                for component in components {
                    self.entry(&component.root, visitor)?;
                }
            }
        }
        self.through(visitor)
    }

    /// Walks what is known to be needed, to its end.
    fn through(&mut self, visitor: &mut dyn Visitor) -> Result<()> {
        while !self.items.is_empty() {
            self.progress.go_on()?;
            let batch = self.items.split_off(self.items.len().saturating_sub(NODES_AT_ONCE));
            self.descend(batch, visitor)?;
            if self.leaves.len() >= LEAVES_AT_ONCE {
                self.look_up_leaves(visitor)?;
            }
        }
        self.look_up_leaves(visitor)
    }

    fn entry(&mut self, entry: &Entry, visitor: &mut dyn Visitor) -> Result<()> {
        match &entry.node {
            Node::File { content, .. } => self.content(content, visitor),
            Node::Directory { listing, .. } => {
                self.items.push(Item::Listing(listing.clone()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn content(&mut self, content: &Content, visitor: &mut dyn Visitor) -> Result<()> {
        match *content {
            Content::Chunks { root, depth, len } => self.reference(root, depth, len, visitor),
            _ => Ok(()),
        }
    }

    fn reference(&mut self, id: ChunkId, depth: u8, len: u64, visitor: &mut dyn Visitor) -> Result<()> {
        if depth > limits::RECIPE_DEPTH_MAX {
            let error = Error::damaged(format!("recipe node {id}"), format!("it would be of depth {depth}"));
            return visitor.fault(Fault::of(id, error));
        }
        match depth {
            0 => self.leaves.push((id, len)),
            _ => self.items.push(Item::Node { id, depth, len }),
        }
        Ok(())
    }

    /// Marks a batch of listings and nodes, reads those that were not visited before, and notes what they refer to.
    fn descend(&mut self, batch: Vec<Item>, visitor: &mut dyn Visitor) -> Result<()> {
        let places: Vec<Option<(Role, ChunkId, u64)>> = batch.iter().map(Item::place).collect();
        let wanted: Vec<(ChunkId, u64)> = places.iter().flatten().map(|(_, id, len)| (*id, *len)).collect();
        let mut found = self.mark(&wanted, visitor)?.into_iter();
        let mut new = Vec::new();
        for (item, place) in batch.into_iter().zip(places) {
            let Some((role, ..)) = place else {
                new.push(item);
                continue;
            };
            let Some(slot) = found.next().flatten() else { continue };
            if self.visited.entry(role).or_default().insert(slot.pack, slot.slot) {
                new.push(item);
            }
        }
        let reader = self.reader;
        let read: Vec<(Item, Result<Children>)> = new
            .into_par_iter()
            .map(|item| {
                let children = children(reader, &item);
                (item, children)
            })
            .collect();
        for (item, children) in read {
            match (item, children) {
                (Item::Listing(listing), Ok(Children::Listing(directory))) => {
                    // Its chunks are found by its recipe like those of a file.
                    self.content(&listing, visitor)?;
                    for entry in &directory.entries {
                        self.entry(entry, visitor)?;
                    }
                }
                (Item::Listing(listing), Ok(Children::LongListing)) => self.long_listing(&listing, visitor)?,
                (Item::Node { depth, .. }, Ok(Children::Node(node))) => {
                    for reference in &node.references {
                        if let Reference::Chunk { id, len } = *reference {
                            self.reference(id, depth - 1, len, visitor)?;
                        }
                    }
                }
                (_, Ok(_)) => {}
                (Item::Listing(listing), Err(error)) => {
                    self.content(&listing, visitor)?;
                    visitor.fault(listing_fault(&listing, error))?;
                }
                (Item::Node { id, .. }, Err(error)) => visitor.fault(Fault::of(id, error))?,
            }
        }
        Ok(())
    }

    /// Notes what a listing refers to that is too long to be in memory.
    fn long_listing(&mut self, listing: &Content, visitor: &mut dyn Visitor) -> Result<()> {
        self.content(listing, visitor)?;
        let entries = match read_entries(self.reader, listing) {
            Ok(entries) => entries,
            Err(error) => return visitor.fault(listing_fault(listing, error)),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, visitor)?,
                Err(error) => visitor.fault(listing_fault(listing, error))?,
            }
            if self.leaves.len() >= LEAVES_AT_ONCE {
                self.look_up_leaves(visitor)?;
            }
        }
        Ok(())
    }

    fn look_up_leaves(&mut self, visitor: &mut dyn Visitor) -> Result<()> {
        let mut leaves = std::mem::take(&mut self.leaves);
        leaves.sort_unstable();
        leaves.dedup();
        for batch in leaves.chunks(LEAVES_AT_ONCE) {
            self.mark(batch, visitor)?;
        }
        Ok(())
    }

    /// Marks chunks and their bases. Returns the place of each that is there.
    fn mark(&mut self, wanted: &[(ChunkId, u64)], visitor: &mut dyn Visitor) -> Result<Vec<Option<Slot>>> {
        let found = self.confirm(wanted, visitor)?;
        let mut bases = Vec::new();
        for ((id, len), confirmed) in wanted.iter().zip(&found) {
            visitor.needs(id);
            let Some(Confirmed { slot, plain_len }) = confirmed else { continue };
            if *len != 0 && *len != u64::from(*plain_len) {
                let error = Error::damaged(format!("chunk {id}"), "its length is not the one that its reference says");
                visitor.fault(Fault::of(*id, error))?;
            }
            if self.live.insert(slot.pack, slot.slot) {
                self.chunks += 1;
                bases.extend(slot.base.map(|base| (base, *id)));
            }
        }
        bases.sort_unstable();
        self.mark_bases(&bases, visitor)?;
        Ok(found.into_iter().map(|confirmed| confirmed.map(|confirmed| confirmed.slot)).collect())
    }

    /// Marks the first of each pair, which must be there in full for the second to be read.
    fn mark_bases(&mut self, bases: &[(ChunkId, ChunkId)], visitor: &mut dyn Visitor) -> Result<()> {
        let mut wanted: Vec<(ChunkId, u64)> = bases.iter().map(|(base, _)| (*base, 0)).collect();
        wanted.dedup();
        let found = self.confirm(&wanted, visitor)?;
        let mut deltas = bases.iter().peekable();
        for ((base, _), confirmed) in wanted.iter().zip(found) {
            visitor.needs(base);
            let mut chunks = Vec::new();
            while let Some((_, delta)) = deltas.next_if(|(of, _)| of == base) {
                chunks.push(*delta);
            }
            match confirmed {
                Some(Confirmed { slot, .. }) if slot.base.is_none() => {
                    if self.live.insert(slot.pack, slot.slot) {
                        self.chunks += 1;
                    }
                }
                Some(Confirmed { slot, .. }) => {
                    let error = self.reader.damaged(slot.pack, format!("the base {base} of a delta is a delta"));
                    visitor.fault(Fault { error, chunks })?;
                }
                // The base itself was reported; what cannot be read without it was not.
                None => visitor.fault(Fault { error: absent(base), chunks })?,
            }
        }
        Ok(())
    }

    /// Looks chunks up, each pack's footer once, several packs side by side. Reports those that are not there.
    fn confirm(&self, wanted: &[(ChunkId, u64)], visitor: &mut dyn Visitor) -> Result<Vec<Option<Confirmed>>> {
        let ids: Vec<ChunkId> = wanted.iter().map(|(id, _)| *id).collect();
        let index = self.reader.index();
        let slots: Vec<Vec<Option<Slot>>> =
            ids.par_chunks(IDS_AT_ONCE).map(|ids| index.get(ids)).collect::<Result<_>>()?;
        let mut order: Vec<(Slot, usize, ChunkId)> = Vec::with_capacity(ids.len());
        for (at, (id, slot)) in ids.iter().zip(slots.into_iter().flatten()).enumerate() {
            match slot {
                Some(slot) => order.push((slot, at, *id)),
                None => visitor.fault(Fault::of(*id, absent(id)))?,
            }
        }
        order.sort_unstable_by_key(|(slot, at, _)| (slot.pack, slot.slot, *at));
        let groups: Vec<&[(Slot, usize, ChunkId)]> = order.chunk_by(|(a, ..), (b, ..)| a.pack == b.pack).collect();
        let confirmed: Vec<Result<Vec<(usize, Confirmed)>, Fault>> =
            groups.into_par_iter().map(|group| self.confirm_in_pack(group)).collect();
        let mut found: Vec<Option<Confirmed>> = ids.iter().map(|_| None).collect();
        for group in confirmed {
            match group {
                Ok(places) => {
                    for (at, confirmed) in places {
                        if let Some(place) = found.get_mut(at) {
                            *place = Some(confirmed);
                        }
                    }
                }
                Err(fault) => visitor.fault(fault)?,
            }
        }
        Ok(found)
    }

    fn confirm_in_pack(&self, group: &[(Slot, usize, ChunkId)]) -> Result<Vec<(usize, Confirmed)>, Fault> {
        let fault = |error| Fault { error, chunks: group.iter().map(|(.., id)| *id).collect() };
        let Some((first, ..)) = group.first() else { return Ok(Vec::new()) };
        let contents = self.reader.contents(first.pack).map_err(fault)?;
        let confirmed = group.iter().map(|(slot, at, id)| {
            let entry = contents.footer.chunks.get(slot.slot as usize).filter(|entry| entry.id == *id)?;
            (base_of(entry.form) == slot.base).then(|| (*at, Confirmed { slot: *slot, plain_len: entry.plain_len() }))
        });
        let misplaced =
            || self.reader.damaged(first.pack, "it does not hold what the index says; run `snaphold repair`");
        confirmed.collect::<Option<_>>().ok_or_else(|| fault(misplaced()))
    }
}

/// Takes the index's doubt away, where a walk over all snapshots has found nothing missing and every delta, needed or
/// not, has its base: then a chunk that is in a pack can be counted on.
pub fn settle_doubt(reader: &Reader) -> Result<()> {
    let index = reader.index();
    if index.doubt().is_none() {
        return Ok(());
    }
    let packs = index.packs();
    let has_all = |number: u32| -> Result<bool> {
        let contents = reader.contents(number)?;
        let bases: Vec<ChunkId> = contents.footer.chunks.iter().filter_map(|chunk| base_of(chunk.form)).collect();
        Ok(index.get(&bases)?.iter().all(|slot| slot.is_some_and(|slot| slot.base.is_none())))
    };
    match packs.par_iter().map(|info| has_all(info.number)).try_reduce(|| true, |a, b| Ok(a && b)) {
        Ok(true) => {
            index.set_doubt(None)?;
            index.flush()
        }
        Ok(false) | Err(Error::Damaged { .. } | Error::Unsupported { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The base of a chunk that is stored as a delta.
pub fn base_of(form: Form) -> Option<ChunkId> {
    match form {
        Form::Full => None,
        Form::Delta { base, .. } => Some(base),
    }
}

fn listing_fault(listing: &Content, error: Error) -> Fault {
    let chunks = match *listing {
        Content::Chunks { root, .. } => vec![root],
        _ => Vec::new(),
    };
    Fault { error, chunks }
}

fn children(reader: &Reader, item: &Item) -> Result<Children> {
    match item {
        Item::Listing(listing) if is_long(listing) => Ok(Children::LongListing),
        Item::Listing(listing) => read_directory(reader, listing).map(Children::Listing),
        Item::Node { id, len, .. } => {
            let node = read_node(reader, id)?;
            if node.len() != *len {
                let detail = "its length is not the one that its reference says";
                return Err(Error::damaged(format!("recipe node {id}"), detail));
            }
            Ok(Children::Node(node))
        }
    }
}
