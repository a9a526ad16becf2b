//! Contents one after the other, read ahead: while one window of bytes is used, the next one is looked up, decoded and
//! checked by all threads. Small files share windows, large ones take many.

use std::collections::VecDeque;

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::error::{Error, Result};
use crate::format::recipe::Reference;
use crate::format::tree::Content;
use crate::id::ChunkId;
use crate::limits;

use super::fetch::{Fetched, decode_node, fetch_chunks};
use super::reader::Reader;

/// Plain bytes of a window, but for a chunk more. Chunks of one block that lie in one window cost one decoding.
const WINDOW_BYTES: u64 = 8 << 20;
/// Most pieces of a window: contents, chunks and runs.
const WINDOW_PIECES: usize = 8192;
/// Windows that wait to be used, beside the one in use and the one that is being read.
const WINDOWS_WAITING: usize = 1;

/// A piece of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// One byte, repeated.
    Run {
        /// The byte.
        byte: u8,
        /// How often.
        len: u64,
    },
}

impl Piece<'_> {
    /// Plain length, bytes.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Run { len, .. } => *len,
        }
    }

    /// Whether it holds nothing, which no piece does that comes out of a content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands the plain bytes to `part`, in parts of bounded length.
    pub fn each_part(&self, mut part: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match *self {
            Piece::Bytes(bytes) => part(bytes),
            Piece::Run { byte, len } => {
                let run = vec![byte; len.min(limits::CHUNK_MAX as u64) as usize];
                let mut left = len;
                while left > 0 {
                    let bytes = run.get(..left.min(run.len() as u64) as usize).unwrap_or_default();
                    part(bytes)?;
                    left -= bytes.len() as u64;
                }
                Ok(())
            }
        }
    }
}

/// Lets `work` read `contents`, each with what the caller knows it by, in their order.
///
/// Memory is bounded by a few windows of 8 MiB, however many and long the contents are. An error of `contents`, and
/// one of reading, comes at its place: what stands before it is read as if nothing were wrong. Nothing comes after it.
///
/// Not to be called from a thread of rayon's pool, which `work` would keep waiting for itself.
pub fn read_ahead<T: Send, R>(
    reader: &Reader,
    contents: impl Iterator<Item = Result<(T, Content)>> + Send,
    work: impl FnOnce(&mut ContentStream<T>) -> Result<R>,
) -> Result<R> {
    let (sender, receiver) = bounded(WINDOWS_WAITING);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new()
            .name("read-ahead".into())
            .spawn_scoped(scope, move || Ahead { reader, contents, ended: false, queue: VecDeque::new() }.run(&sender))
            .map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        let mut stream = ContentStream { receiver, present: VecDeque::new(), ended: false };
        let result = work(&mut stream);
        // Where `work` gave up early, this is what stops the thread.
        drop(stream);
        match reading.join() {
            Ok(()) => result,
            Err(_) => Err(result.err().unwrap_or_else(broken_off)),
        }
    })
}

fn broken_off() -> Error {
    Error::Failed("the thread that reads ahead broke off".into())
}

enum Event<T> {
    /// The next content begins.
    Begin(T),
    Bytes(Vec<u8>),
    Run {
        byte: u8,
        len: u64,
    },
    Failed(Error),
    /// There are no more contents.
    End,
}

/// Contents that are read ahead, in use.
pub struct ContentStream<T> {
    receiver: Receiver<Vec<Event<T>>>,
    present: VecDeque<Event<T>>,
    ended: bool,
}

impl<T> ContentStream<T> {
    fn event(&mut self) -> Result<Option<Event<T>>> {
        while self.present.is_empty() && !self.ended {
            self.present = self.receiver.recv().map_err(|_| broken_off())?.into();
        }
        match self.present.pop_front() {
            Some(Event::Failed(error)) => {
                self.ended = true;
                self.present.clear();
                Err(error)
            }
            Some(Event::End) | None => {
                self.ended = true;
                Ok(None)
            }
            event => Ok(event),
        }
    }

    /// Goes to the next content, passing over what was not read of the one before. `None` after the last.
    pub fn next_content(&mut self) -> Result<Option<T>> {
        while let Some(event) = self.event()? {
            if let Event::Begin(label) = event {
                return Ok(Some(label));
            }
        }
        Ok(None)
    }

    /// Hands what is left of the present content to `piece`, in order.
    pub fn read(&mut self, mut piece: impl FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
        while let Some(event) = self.event()? {
            match event {
                Event::Bytes(bytes) => piece(Piece::Bytes(&bytes))?,
                Event::Run { byte, len } => piece(Piece::Run { byte, len })?,
                begin => {
                    self.present.push_front(begin);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What is still to be read, in order.
enum Pending<T> {
    Begin(T),
    Inline(Vec<u8>),
    Part { reference: Reference, depth: u8 },
    Failed(Error),
}

impl<T> Pending<T> {
    /// Plain bytes that reading it brings into memory.
    fn cost(&self) -> u64 {
        match self {
            Pending::Part { reference: Reference::Chunk { len, .. }, .. } => *len,
            Pending::Inline(bytes) => bytes.len() as u64,
            _ => 0,
        }
    }

    /// The chunk of a recipe node, the data bytes it stands for and its level.
    fn node(&self) -> Option<(ChunkId, u64, u8)> {
        match *self {
            Pending::Part { reference: Reference::Chunk { id, len }, depth } if depth > 0 => Some((id, len, depth)),
            _ => None,
        }
    }
}

struct Ahead<'r, T, I> {
    reader: &'r Reader,
    contents: I,
    ended: bool,
    queue: VecDeque<Pending<T>>,
}

impl<T, I: Iterator<Item = Result<(T, Content)>>> Ahead<'_, T, I> {
    fn run(mut self, windows: &Sender<Vec<Event<T>>>) {
        loop {
            self.fill();
            let taken = self.expand();
            let mut events = self.read(taken);
            let failed = matches!(events.last(), Some(Event::Failed(_)));
            let ended = self.ended && self.queue.is_empty() && !failed;
            if ended {
                events.push(Event::End);
            }
            // Nobody receives any more where the one who used the contents gave up.
            if windows.send(events).is_err() || failed || ended {
                return;
            }
        }
    }

    /// Takes contents in until there is enough for a window.
    fn fill(&mut self) {
        let mut bytes: u64 = self.queue.iter().map(Pending::cost).fold(0, u64::saturating_add);
        while !self.ended && bytes < WINDOW_BYTES && self.queue.len() < WINDOW_PIECES {
            let part = |reference, depth| Some(Pending::Part { reference, depth });
            let pending = match self.contents.next() {
                None => {
                    self.ended = true;
                    None
                }
                Some(Err(error)) => {
                    self.ended = true;
                    Some(Pending::Failed(error))
                }
                Some(Ok((label, content))) => {
                    self.queue.push_back(Pending::Begin(label));
                    match content {
                        Content::Empty => None,
                        Content::Inline(bytes) => Some(Pending::Inline(bytes)),
                        Content::Run { byte, len } => part(Reference::Run { byte, len }, 0),
                        Content::Chunks { root, depth, len } => part(Reference::Chunk { id: root, len }, depth),
                    }
                }
            };
            bytes = bytes.saturating_add(pending.as_ref().map_or(0, Pending::cost));
            self.queue.extend(pending);
        }
    }

    /// How many of the first parts make a window.
    fn window(&self) -> usize {
        let mut bytes = 0u64;
        let fits = |pending: &&Pending<T>| {
            let before = bytes;
            bytes = bytes.saturating_add(pending.cost());
            before < WINDOW_BYTES
        };
        self.queue.iter().take(WINDOW_PIECES).take_while(fits).count()
    }

    /// Reads the recipe nodes in the first window, level by level, until there are none, and takes the window out.
    fn expand(&mut self) -> Vec<Pending<T>> {
        loop {
            let window: Vec<Pending<T>> = {
                let len = self.window();
                self.queue.drain(..len).collect()
            };
            let ids: Vec<ChunkId> = window.iter().filter_map(Pending::node).map(|(id, ..)| id).collect();
            if ids.is_empty() {
                return window;
            }
            let Fetched { chunks, mut failure } = fetch_chunks(self.reader, &ids);
            let mut chunks = chunks.into_iter();
            let mut expanded = Vec::with_capacity(window.len() + 128 * ids.len());
            for pending in window {
                let Some((id, len, depth)) = pending.node() else {
                    expanded.push(pending);
                    continue;
                };
                let node = match chunks.next() {
                    Some(bytes) => decode_node(&id, &bytes, len, depth),
                    None => Err(failure.take().unwrap_or_else(broken_off)),
                };
                match node {
                    Ok(node) => expanded.extend(
                        node.references.into_iter().map(|reference| Pending::Part { reference, depth: depth - 1 }),
                    ),
                    Err(error) => {
                        expanded.push(Pending::Failed(error));
                        self.queue.clear();
                        self.ended = true;
                        break;
                    }
                }
            }
            let rest = std::mem::take(&mut self.queue);
            self.queue = expanded.into_iter().chain(rest).collect();
        }
    }

    /// Reads the chunks of a window. Ends with the first failure.
    fn read(&self, window: Vec<Pending<T>>) -> Vec<Event<T>> {
        let data = |pending: &Pending<T>| match *pending {
            Pending::Part { reference: Reference::Chunk { id, .. }, .. } => Some(id),
            _ => None,
        };
        let ids: Vec<ChunkId> = window.iter().filter_map(data).collect();
        let Fetched { chunks, mut failure } = fetch_chunks(self.reader, &ids);
        let mut chunks = chunks.into_iter();
        let mut events = Vec::with_capacity(window.len());
        for pending in window {
            events.push(match pending {
                Pending::Begin(label) => Event::Begin(label),
                Pending::Inline(bytes) => Event::Bytes(bytes),
                Pending::Part { reference: Reference::Run { byte, len }, .. } => Event::Run { byte, len },
                Pending::Part { reference: Reference::Chunk { id, len }, .. } => match chunks.next() {
                    Some(bytes) if bytes.len() as u64 == len => Event::Bytes(bytes),
                    Some(_) => Event::Failed(Error::damaged(
                        format!("chunk {id}"),
                        "its length is not the one its recipe says",
                    )),
                    None => Event::Failed(failure.take().unwrap_or_else(broken_off)),
                },
                Pending::Failed(error) => Event::Failed(error),
            });
            if matches!(events.last(), Some(Event::Failed(_))) {
                break;
            }
        }
        events
    }
}
