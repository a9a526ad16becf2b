//! A component of a snapshot, as a source reads it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Manifest, Origin};
use crate::format::tree::{Content, Entry, Node};
use crate::ops::Progress;
use crate::ops::restore::{self, RestoreReport, restore_new};
use crate::repo::{Reader, read_ahead};

/// Pieces that wait between the thread that reads a file and the one that uses it.
const PIECES_WAITING: usize = 64;

/// A stored component.
pub struct Stored<'a> {
    /// Reads what the repository has.
    pub reader: &'a Arc<Reader>,
    /// What is stored.
    pub component: &'a Component,
    /// The instance that the snapshot is of.
    pub instance: &'a str,
    /// When the snapshot was begun, nanoseconds since 1970 (UTC).
    pub created_at_ns: i64,
}

impl<'a> Stored<'a> {
    /// A component of the snapshot that `manifest` is of.
    pub fn of(reader: &'a Arc<Reader>, manifest: &'a Manifest, component: &'a Component) -> Self {
        Self { reader, component, instance: &manifest.instance, created_at_ns: manifest.created_at_ns }
    }
}

impl Stored<'_> {
    /// What it was captured from.
    pub fn origin(&self) -> &Origin {
        &self.component.origin
    }

    /// The entry at `path`, with `/` between its parts. Errors: [`Error::NotFound`].
    pub fn find(&self, path: &[u8]) -> Result<Entry> {
        restore::find(self.reader, &self.component.root, path)
    }

    /// The content of the file at `path`.
    pub fn file(&self, path: &[u8]) -> Result<Content> {
        match self.find(path)?.node {
            Node::File { content, .. } => Ok(content),
            _ => Err(Error::damaged("the snapshot", format!("{} is no file", String::from_utf8_lossy(path)))),
        }
    }

    /// Entries of the folder at `path`, sorted by name.
    pub fn folder(&self, path: &[u8]) -> Result<Vec<Entry>> {
        match self.find(path)?.node {
            Node::Directory { listing, .. } => Ok(crate::repo::read_directory(self.reader, &listing)?.entries),
            _ => Err(Error::damaged("the snapshot", format!("{} is no folder", String::from_utf8_lossy(path)))),
        }
    }

    /// A small file's bytes; more than `limit` of them are an error.
    pub fn read_small(&self, path: &[u8], limit: usize) -> Result<Vec<u8>> {
        let content = self.file(path)?;
        if content.len() > limit as u64 {
            return Err(Error::damaged("the snapshot", format!("{} is too long", String::from_utf8_lossy(path))));
        }
        let mut bytes = Vec::new();
        self.copy(&content, &mut bytes, &crate::ops::Silent)?;
        Ok(bytes)
    }

    /// Writes a content to `out`.
    pub fn copy(&self, content: &Content, out: &mut dyn Write, progress: &dyn Progress) -> Result<u64> {
        let failed = |error: io::Error| Error::target("the output", error);
        self.each_piece(content, &mut |bytes| {
            progress.go_on()?;
            progress.advance(bytes.len() as u64);
            out.write_all(bytes).map_err(failed)
        })?;
        Ok(content.len())
    }

    /// Hands a content's bytes to `piece`, in order.
    pub fn each_piece(&self, content: &Content, piece: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        read_ahead(self.reader, std::iter::once(Ok(((), content.clone()))), |stream| {
            stream.next_content()?;
            stream.read(|bytes| bytes.each_part(&mut *piece))
        })
    }

    /// Lets `work` read a content as a stream. An error of the repository comes through `work`'s reading, and out of here
    /// as itself.
    pub fn read<R>(&self, content: &Content, work: impl FnOnce(&mut (dyn Read + Send)) -> Result<R>) -> Result<R> {
        let (sender, receiver) = bounded(PIECES_WAITING);
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new()
                .name("read-stored".into())
                .spawn_scoped(scope, move || self.send_pieces(content, &sender))
                .map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
            let mut pipe = Pieces { receiver, present: Vec::new(), at: 0, ended: false };
            let result = work(&mut pipe);
            drop(pipe);
            match reading.join() {
                Ok(Some(error)) => Err(error),
                Ok(None) => result,
                Err(_) => Err(Error::Failed("the thread that reads broke off".into())),
            }
        })
    }

    /// Sends all pieces; the error of the repository, where there is one and somebody still listens.
    fn send_pieces(&self, content: &Content, sender: &Sender<Option<Vec<u8>>>) -> Option<Error> {
        let mut gone = false;
        let sent = self.each_piece(content, &mut |bytes| {
            sender.send(Some(bytes.to_vec())).map_err(|_| {
                gone = true;
                Error::Failed("nobody reads any more".into())
            })
        });
        match sent {
            Ok(()) => _ = sender.send(None),
            Err(_) if gone => {}
            Err(error) => return Some(error),
        }
        None
    }

    /// Writes all of it into the new folder `target`, with modes, times and, where the process may, owners.
    pub fn restore_to(&self, target: &Path, progress: &dyn Progress) -> Result<RestoreReport> {
        restore_new(self.reader, &self.component.root, target, progress)
    }

    /// The report of a restore that writes everything.
    pub fn whole_report(&self) -> RestoreReport {
        RestoreReport::of_new(&self.component.root)
    }
}

/// The reading end of a stream of pieces. A stream that ends without `None` was cut short.
struct Pieces {
    receiver: Receiver<Option<Vec<u8>>>,
    present: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.present.len() && !self.ended {
            match self.receiver.recv() {
                Ok(Some(bytes)) => (self.present, self.at) = (bytes, 0),
                Ok(None) => self.ended = true,
                Err(_) => return Err(io::Error::other("the stored data could not be read to its end")),
            }
        }
        let rest = self.present.get(self.at..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at += len;
        Ok(len)
    }
}
