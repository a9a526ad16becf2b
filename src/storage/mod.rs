//! Objects by name: the only layer that touches a repository's medium.

mod check;
mod faulty;
mod files;
mod local;
mod memory;
mod seeded;
mod simulated;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::limits;

pub use check::{Check, PROBE_PREFIX, check_storage};
#[doc(hidden)]
pub use faulty::{Action, Fault, FaultyStorage, Operation};
pub use files::{FileSystem, Found, FoundKind, RealFiles};
pub use local::LocalFolder;
pub use memory::MemoryStorage;
#[doc(hidden)]
pub use simulated::{Dropped, SimulatedFiles};

/// The kinds of object in a repository. Each kind is a folder (or a prefix in a bucket).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// `config` and its spare copy: one small object each, written once.
    Config,
    /// Key slots.
    Key,
    /// Packs of blocks of chunks.
    Pack,
    /// Snapshot manifests.
    Snapshot,
    /// Records about snapshots and instances that are appended: deletions, holds, definitions.
    Ledger,
    /// Sessions that may write.
    Writer,
    /// Packs that garbage collection has decided to remove.
    Condemned,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [ObjectKind; 7] = [
        ObjectKind::Config,
        ObjectKind::Key,
        ObjectKind::Pack,
        ObjectKind::Snapshot,
        ObjectKind::Ledger,
        ObjectKind::Writer,
        ObjectKind::Condemned,
    ];

    /// The folder that holds the kind.
    pub fn folder(self) -> &'static str {
        match self {
            ObjectKind::Config => "config",
            ObjectKind::Key => "keys",
            ObjectKind::Pack => "packs",
            ObjectKind::Snapshot => "snapshots",
            ObjectKind::Ledger => "ledger",
            ObjectKind::Writer => "writers",
            ObjectKind::Condemned => "condemned",
        }
    }
}

/// An object's name: its kind, and a leaf of `[0-9a-z.-]`, 1 to 128 bytes, that does not begin with a dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    kind: ObjectKind,
    leaf: String,
}

impl ObjectName {
    /// The name of `leaf` among `kind`; `None` where the leaf is not of the allowed form.
    pub fn new(kind: ObjectKind, leaf: impl Into<String>) -> Option<Self> {
        let leaf = leaf.into();
        let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'.' | b'-');
        let fits = (1..=128).contains(&leaf.len()) && !leaf.starts_with('.') && leaf.bytes().all(allowed);
        fits.then_some(Self { kind, leaf })
    }

    /// The object's kind.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// The last part of the name.
    pub fn leaf(&self) -> &str {
        &self.leaf
    }

    /// The path below the repository's root, with `/` between its parts. Packs are spread over 256 folders.
    pub fn path(&self) -> String {
        match self.kind {
            ObjectKind::Pack => {
                format!("packs/{}/{}", self.leaf.get(..2).unwrap_or("xx"), self.leaf)
            }
            kind => format!("{}/{}", kind.folder(), self.leaf),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectName({})", self.path())
    }
}

/// What [`Storage::put_if_absent`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object was not there; it is now, durably.
    Created,
    /// An object of that name was there; nothing was changed.
    Existed,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Its stored length, bytes.
    pub size: u64,
}

/// Where a repository's objects are kept: a folder, or a bucket of an object store.
///
/// Promises every implementation keeps, and the conformance suite tests:
/// - `put_if_absent` is atomic and durable: a reader sees the whole object or none, before and after a crash; of
///   many callers with one name exactly one gets `Created`.
/// - What was created is listed, and a listing that cannot be made whole is an error, never a short list.
/// - An object that is not there is `Error::NotFound` naming it, for every call that needs it (`delete` too).
/// - Every other failure is `Error::Storage` (or `Error::Damaged` where an object is shorter than a range asks for).
pub trait Storage: Send + Sync + fmt::Debug {
    /// Stores `bytes` under `name` unless an object of that name exists.
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome>;

    /// The whole object.
    fn get(&self, name: &ObjectName) -> Result<Vec<u8>>;

    /// Exactly `len` bytes from `offset`. An object that ends before is `Error::Damaged`.
    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>>;

    /// All objects of a kind, in no particular order. A name in the folder that is no object's (an editor's backup,
    /// a temporary file) is passed over.
    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>>;

    /// Removes the object, durably.
    fn delete(&self, name: &ObjectName) -> Result<()>;

    /// The object's stored length, bytes.
    fn size(&self, name: &ObjectName) -> Result<u64>;

    /// Where this is, for people: a path or a URL, without secrets.
    fn location(&self) -> String;
}

/// A shared storage is a storage: wrappers can be put around `Arc<dyn Storage>`.
impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome> {
        (**self).put_if_absent(name, bytes)
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>> {
        (**self).get(name)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
        (**self).get_range(name, offset, len)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        (**self).list(kind)
    }

    fn delete(&self, name: &ObjectName) -> Result<()> {
        (**self).delete(name)
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        (**self).size(name)
    }

    fn location(&self) -> String {
        (**self).location()
    }
}

/// The longest object of a kind that is stored or read, bytes.
fn length_limit(kind: ObjectKind) -> usize {
    match kind {
        ObjectKind::Pack => limits::PACK_MAX,
        _ => limits::SMALL_OBJECT_MAX,
    }
}

/// Refuses to store what no reader would accept.
fn check_length(name: &ObjectName, len: usize) -> Result<()> {
    let limit = length_limit(name.kind());
    if len <= limit {
        return Ok(());
    }
    Err(Error::Failed(format!("{name} would be {len} bytes long; the limit for its kind is {limit}")))
}

fn too_long(name: &ObjectName) -> Error {
    Error::damaged(name, format!("it is longer than the {} bytes that its kind may have", length_limit(name.kind())))
}

fn too_short(name: &ObjectName, offset: u64, len: usize) -> Error {
    Error::damaged(name, format!("it ends before the {len} bytes at offset {offset} that should be there"))
}

fn not_found(name: &ObjectName) -> Error {
    Error::NotFound(format!("there is no object {name} in the repository"))
}

fn storage_error(action: &'static str, object: impl ToString, error: io::Error) -> Error {
    Error::Storage { action, object: object.to_string(), error }
}
