//! A folder as an instance: everything below it, as the file system has it.
//!
//! Folders are read side by side. A file whose size, times and inode are as the parent snapshot has them is not read
//! again.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::iter::Peekable;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use rustix::fs::{major, minor};

use crate::chunk::{Cutting, HEAD_LEN, cutting_of};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::format::tree::{Class, Content, Directory, Entry, Metadata, Node, Stamp};
use crate::limits;
use crate::ops::capture::{
    Capture, Captured, ListingBuilder, PageImages, ParentTree, RandomRead, SMALL_FILE, content_of, entry_of,
};
use crate::repo::{Entries, read_directory, read_entries};

use super::logs::{LOG_FOLDER, is_data_folder, logs_in};
use crate::source::open_file::{OpenFile, open};

/// How often a file that becomes shorter while it is read is begun again.
const TRIES: usize = 3;
/// A file that was changed within this time before it was read may be changed again without its times showing it, so
/// it is read again by the next snapshot. Two ticks of the coarsest clock that kernels stamp files with.
const STAMP_MARGIN_NS: i64 = 20_000_000;

/// Names of a folder that are read side by side before their entries go into its listing: what bounds memory in a folder
/// of a million.
const NAMES_AT_ONCE: usize = 16_384;

/// What may be chosen about a folder's capture.
#[derive(Debug, Clone, Default)]
pub struct FilesOptions {
    /// Leave out what cannot be read, and record it.
    pub skip_unreadable: bool,
    /// Read every file, even where nothing seems changed.
    pub always_read: bool,
    /// Folders that are left out: the repository itself, where it lies inside.
    pub excluded: Vec<PathBuf>,
    /// Names in the folder itself that are left out: what is no data.
    pub left_out: Vec<String>,
}

/// Captures everything below `folder` as the component `name`.
pub fn capture(capture: &Capture<'_>, name: &str, folder: &Path, options: &FilesOptions) -> Result<Component> {
    let metadata = fs::metadata(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("the source folder {} is not there", folder.display())),
        _ => Error::source(folder, error),
    })?;
    if !metadata.is_dir() {
        return Err(Error::Usage(format!(
            "{} is not a folder; a database file is a source as sqlite:…, and any single file can be brought in by `snaphold load`",
            folder.display()
        )));
    }
    let parent = capture.parent_component(name).filter(|component| component.origin == Origin::Files);
    capture.progress.stage(
        "reading",
        parent.and_then(|parent| match &parent.root.node {
            Node::Directory { summary, .. } => Some(summary.bytes),
            _ => None,
        }),
    );
    let root = capture_folder(capture, folder, options, parent.map(|parent| &parent.root))?;
    Ok(Component { name: name.to_string(), origin: Origin::Files, root, unreadable: capture.unreadable() })
}

/// Captures everything below `folder`, as an entry without a name. `known` is what the snapshot before has of it.
pub fn capture_folder(
    capture: &Capture<'_>,
    folder: &Path,
    options: &FilesOptions,
    known: Option<&Entry>,
) -> Result<Entry> {
    let metadata = fs::metadata(folder).map_err(|error| Error::source(folder, error))?;
    let known = known.filter(|known| matches!(known.node, Node::Directory { .. }));
    let walk = Walk {
        capture,
        options,
        excluded: options.excluded.iter().filter_map(|path| fs::metadata(path).ok()).map(|meta| inode(&meta)).collect(),
        links: Mutex::default(),
        images: Mutex::default(),
        device: metadata.dev(),
        root: known,
    };
    let node = walk.folder(folder, Path::new(""), known.and_then(content_of), 0)?;
    Ok(Entry { name: Vec::new(), metadata: walk.metadata(folder, &metadata)?, node })
}

/// A folder's names, sorted: one text, because a million strings take far more than what is in them.
struct Names {
    text: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Names {
    fn read(folder: &Path) -> io::Result<Self> {
        let mut names = Self { text: Vec::new(), places: Vec::new() };
        for entry in fs::read_dir(folder)? {
            let start = names.text.len();
            names.text.extend(entry?.file_name().as_bytes());
            names.places.push(start..names.text.len());
        }
        let text = &names.text;
        names.places.sort_unstable_by(|a, b| text.get(a.clone()).cmp(&text.get(b.clone())));
        Ok(names)
    }

    fn leave_out(&mut self, left_out: &[String]) {
        let text = &self.text;
        let is_left_out = |name: &[u8]| left_out.iter().any(|left_out| left_out.as_bytes() == name);
        self.places.retain(|place| !is_left_out(text.get(place.clone()).unwrap_or_default()));
    }

    fn name(&self, place: &Range<usize>) -> &OsStr {
        OsStr::from_bytes(self.text.get(place.clone()).unwrap_or_default())
    }
}

/// The entries whose names are not behind `last`, which follow those that were taken before.
fn entries_up_to(known: &mut Peekable<Entries<'_>>, last: &[u8]) -> Result<Directory> {
    let mut directory = Directory::default();
    while let Some(entry) =
        known.next_if(|entry| entry.as_ref().is_ok_and(|entry| *entry.name <= *last) || entry.is_err())
    {
        directory.entries.push(entry?);
    }
    Ok(directory)
}

fn inode(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A folder that is being read.
struct FolderAt<'a> {
    path: &'a Path,
    /// Below the source.
    relative: &'a Path,
    depth: usize,
}

struct Walk<'a> {
    capture: &'a Capture<'a>,
    options: &'a FilesOptions,
    excluded: Vec<(u64, u64)>,
    /// Contents of files with several names, by device and inode.
    links: Mutex<HashMap<(u64, u64), (Content, Class)>>,
    /// The page images in the logs of the data folders that are being read, by the folder's path below the source.
    images: Mutex<Vec<(PathBuf, Arc<PageImages>)>>,
    device: u64,
    /// The tree of the snapshot before.
    root: Option<&'a Entry>,
}

impl Walk<'_> {
    /// Reads a folder and all below it. `relative` is its path below the source.
    fn folder(&self, path: &Path, relative: &Path, parent: Option<&Content>, depth: usize) -> Result<Node> {
        if depth > limits::PATH_DEPTH_MAX {
            return Err(Error::Refused(format!("folders are nested too deeply at {}", path.display())));
        }
        let mut known = match parent {
            Some(listing) if self.capture.trust_parent => {
                Some(read_entries(self.capture.contents.reader(), listing)?.peekable())
            }
            _ => None,
        };
        let mut names = Names::read(path).map_err(|error| Error::source(path, error))?;
        if depth == 0 {
            names.leave_out(&self.options.left_out);
        }
        let mut listing = ListingBuilder::default();
        let folder = FolderAt { path, relative, depth };
        for some in names.places.chunks(NAMES_AT_ONCE) {
            let known = match (&mut known, some.last().map(|place| names.name(place))) {
                (Some(known), Some(last)) => entries_up_to(known, last.as_bytes())?,
                _ => Directory::default(),
            };
            let some: Vec<&OsStr> = some.iter().map(|place| names.name(place)).collect();
            let is_data_folder = self.capture.trust_parent && is_data_folder(&some);
            let entries = match is_data_folder {
                true => self.data_folder(&folder, some, &known)?,
                false => self.entries(&folder, &some, &known)?,
            };
            entries.iter().try_for_each(|entry| listing.push(entry))?;
        }
        listing.store(&self.capture.contents, parent)
    }

    /// What some names of a folder stand for, in the order of the names.
    fn entries(&self, folder: &FolderAt<'_>, names: &[&OsStr], known: &Directory) -> Result<Vec<Entry>> {
        let entries: Vec<Option<Entry>> = names
            .par_iter()
            .map(|name| self.entry(folder.path, folder.relative, name, entry_of(known, name.as_bytes()), folder.depth))
            .collect::<Result<_>>()?;
        Ok(entries.into_iter().flatten().collect())
    }

    /// The entries of a database's data folder. The logs come last: most of what is in them is stored by then, beside the
    /// pages that it is a copy of.
    fn data_folder(&self, folder: &FolderAt<'_>, names: Vec<&OsStr>, known: &Directory) -> Result<Vec<Entry>> {
        let (logs, others): (Vec<&OsStr>, Vec<&OsStr>) = names.into_iter().partition(|name| *name == LOG_FOLDER);
        let images = self.find_images(&folder.path.join(LOG_FOLDER), folder.relative, known)?;
        let mut entries = self.entries(folder, &others, known)?;
        self.store_images_left(&images, folder.relative)?;
        entries.extend(self.entries(folder, &logs, known)?);
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn images(&self) -> MutexGuard<'_, Vec<(PathBuf, Arc<PageImages>)>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks through the logs of a data folder, but for those that are as the snapshot before has them.
    fn find_images(&self, logs: &Path, relative: &Path, known: &Directory) -> Result<Arc<PageImages>> {
        let known = match entry_of(known, LOG_FOLDER.as_bytes()).map(|entry| &entry.node) {
            Some(Node::Directory { listing, .. }) => read_directory(self.capture.contents.reader(), listing)?,
            _ => Directory::default(),
        };
        let is_wanted = |name: &[u8], stat: &fs::Metadata| {
            !entry_of(&known, name).is_some_and(|known| self.is_unchanged(known, stat))
        };
        let images = Arc::new(self.capture.contents.find_images(logs_in(logs, is_wanted)));
        self.images().push((relative.to_path_buf(), images.clone()));
        Ok(images)
    }

    /// The images of the data folder that a file is in, and its path below that.
    fn images_beside<'p>(&self, relative: &'p Path) -> Option<(Arc<PageImages>, &'p Path)> {
        let images = self.images();
        let around = images.iter().filter_map(|(folder, images)| Some((images, relative.strip_prefix(folder).ok()?)));
        around.min_by_key(|(_, file)| file.as_os_str().len()).map(|(images, file)| (images.clone(), file))
    }

    /// Stores the images of pages of files that were not read, or not as page files.
    fn store_images_left(&self, images: &PageImages, relative: &Path) -> Result<()> {
        self.images().retain(|(folder, _)| folder != relative);
        let contents = &self.capture.contents;
        let mut parent = ParentTree::new(contents.reader(), self.root.cloned());
        let mut left = Vec::new();
        for file in images.files_left() {
            let path: Vec<Vec<u8>> = relative.join(&file).iter().map(|name| name.as_encoded_bytes().to_vec()).collect();
            // An image can do without the page: what cannot be read of the snapshot before is no reason to fail.
            if let Some(Entry { node: Node::File { content, .. }, .. }) = parent.find(&path).unwrap_or_default()
                && let Some(images) = images.take(&file)
            {
                left.push((images, content));
            }
        }
        contents.store_images_left(images, &left)
    }

    /// One name of a folder; `None` for what is not stored (a socket, what is gone by now, the repository itself).
    fn entry(
        &self,
        folder: &Path,
        relative: &Path,
        name: &OsStr,
        known: Option<&Entry>,
        depth: usize,
    ) -> Result<Option<Entry>> {
        let path = folder.join(name);
        match self.read_entry(&path, &relative.join(name), name, known, depth) {
            Err(Error::Source { path: failed, error }) if failed == path => {
                if error.kind() == io::ErrorKind::NotFound {
                    return Ok(None);
                }
                if !self.options.skip_unreadable {
                    return Err(Error::Source { path, error });
                }
                self.capture.count_unreadable();
                self.capture.progress.notice(&format!("left out: cannot read {}: {error}", path.display()));
                let metadata = Metadata { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
                let node = Node::Unreadable { reason: error.to_string() };
                Ok(Some(Entry { name: name.as_bytes().to_vec(), metadata, node }))
            }
            other => other,
        }
    }

    fn read_entry(
        &self,
        path: &Path,
        relative: &Path,
        name: &OsStr,
        known: Option<&Entry>,
        depth: usize,
    ) -> Result<Option<Entry>> {
        let stat = fs::symlink_metadata(path).map_err(|error| Error::source(path, error))?;
        let kind = stat.file_type();
        let finish =
            |metadata: Metadata, node: Node| Ok(Some(Entry { name: name.as_bytes().to_vec(), metadata, node }));
        if kind.is_file() {
            if let Some(entry) = known.filter(|known| self.is_unchanged(known, &stat)) {
                self.capture.progress.advance(stat.len());
                return Ok(Some(entry.clone()));
            }
            let metadata = self.metadata(path, &stat)?;
            let node = self.file(path, relative, stat, known)?;
            return finish(metadata, node);
        }
        let metadata = self.metadata(path, &stat)?;
        if kind.is_dir() {
            if self.excluded.contains(&inode(&stat)) {
                self.capture.progress.notice(&format!("left out: {} is the repository", path.display()));
                return Ok(None);
            }
            let listing = known
                .and_then(content_of)
                .filter(|_| known.is_some_and(|known| matches!(known.node, Node::Directory { .. })));
            let node = self.folder(path, relative, listing, depth + 1)?;
            return finish(metadata, node);
        }
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(|error| Error::source(path, error))?;
            return finish(metadata, Node::Symlink { target: target.into_os_string().into_vec() });
        }
        let (major, minor) = (major(stat.rdev()), minor(stat.rdev()));
        if kind.is_fifo() {
            finish(metadata, Node::Fifo)
        } else if kind.is_char_device() {
            finish(metadata, Node::CharDevice { major, minor })
        } else if kind.is_block_device() {
            finish(metadata, Node::BlockDevice { major, minor })
        } else {
            Ok(None)
        }
    }

    fn is_unchanged(&self, known: &Entry, stat: &fs::Metadata) -> bool {
        if self.options.always_read || !self.capture.trust_parent {
            return false;
        }
        match &known.node {
            Node::File { content, stamp: Some(stamp), .. } => {
                content.len() == stat.len() && known.metadata.mtime_ns == mtime_ns(stat) && *stamp == stamp_of(stat)
            }
            _ => false,
        }
    }

    fn metadata(&self, path: &Path, stat: &fs::Metadata) -> Result<Metadata> {
        Ok(Metadata {
            mode: stat.mode() & 0o7777,
            uid: stat.uid(),
            gid: stat.gid(),
            mtime_ns: mtime_ns(stat),
            xattrs: xattrs(path).map_err(|error| Error::source(path, error))?,
        })
    }

    fn file(&self, path: &Path, relative: &Path, stat: fs::Metadata, known: Option<&Entry>) -> Result<Node> {
        let link_group = (stat.nlink() > 1).then(|| stat.ino() ^ (stat.dev() ^ self.device) << 48);
        let lock = || self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if link_group.is_some()
            && let Some((content, class)) = lock().get(&inode(&stat)).cloned()
        {
            return Ok(Node::File { content, class, link_group, stamp: self.stamp(&stat) });
        }
        let base = known.and_then(|known| match &known.node {
            Node::File { content, .. } => Some(content),
            _ => None,
        });
        let mut stat = stat;
        for _ in 0..TRIES {
            let file = open(path).map_err(|error| Error::source(path, error))?;
            let Some((content, class)) = self.read_file(&file, path, relative, &stat, base)? else {
                stat = file.metadata().map_err(|error| Error::source(path, error))?;
                continue;
            };
            self.capture.progress.advance(content.len());
            let after = file.metadata().map_err(|error| Error::source(path, error))?;
            let is_still = stamp_of(&after) == stamp_of(&stat) && mtime_ns(&after) == mtime_ns(&stat);
            if link_group.is_some() {
                lock().insert(inode(&stat), (content.clone(), class));
            }
            let stamp = if is_still { self.stamp(&stat) } else { None };
            return Ok(Node::File { content, class, link_group, stamp });
        }
        Err(Error::source(path, io::Error::other("it becomes shorter each time it is read")))
    }

    /// The stamp to recognise the file by, unless it is so young that it may change once more without showing it.
    fn stamp(&self, stat: &fs::Metadata) -> Option<Stamp> {
        let stamp = stamp_of(stat);
        (stamp.ctime_ns.saturating_add(STAMP_MARGIN_NS) < self.capture.began_at_ns).then_some(stamp)
    }

    /// A file's content; `None` where it became shorter meanwhile.
    fn read_file(
        &self,
        file: &File,
        path: &Path,
        relative: &Path,
        stat: &fs::Metadata,
        base: Option<&Content>,
    ) -> Result<Option<(Content, Class)>> {
        let contents = &self.capture.contents;
        let source = OpenFile { file, path };
        let len = stat.len();
        if len <= SMALL_FILE {
            let mut bytes = vec![0; len as usize];
            if source.read_at(0, &mut bytes)? < bytes.len() {
                return Ok(None);
            }
            let cutting = cutting_of(relative, bytes.get(..HEAD_LEN).unwrap_or(&bytes), len);
            return contents.small(&bytes, cutting, base).map(|content| Some((content, cutting.class())));
        }
        let mut head = vec![0; HEAD_LEN];
        let read = source.read_at(0, &mut head)?;
        let cutting = cutting_of(relative, head.get(..read).unwrap_or_default(), len);
        let content = match cutting {
            Cutting::Page { .. } | Cutting::Log => {
                let found = self.images_beside(relative);
                let images = found.as_ref().and_then(|(images, file)| images.take(file));
                match contents.side_by_side(&source, len, cutting, base, images.as_ref())? {
                    Captured::Whole(content) => content,
                    Captured::Shrunk => return Ok(None),
                }
            }
            Cutting::Stream => {
                let content = contents.stream_file(&source, len, &path.to_string_lossy(), base)?;
                if content.len() < len {
                    return Ok(None);
                }
                content
            }
        };
        Ok(Some((content, cutting.class())))
    }
}

fn mtime_ns(stat: &fs::Metadata) -> i64 {
    stat.mtime().saturating_mul(1_000_000_000).saturating_add(stat.mtime_nsec())
}

fn stamp_of(stat: &fs::Metadata) -> Stamp {
    let ctime_ns = stat.ctime().saturating_mul(1_000_000_000).saturating_add(stat.ctime_nsec());
    Stamp { device: stat.dev(), inode: stat.ino(), ctime_ns }
}

/// A file's extended attributes (ACLs are among them), sorted by name. A file system without any has none.
fn xattrs(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut attributes = Vec::new();
    for name in names {
        if let Some(value) = xattr::get(path, &name)? {
            attributes.push((name.into_vec(), value));
        }
    }
    attributes.sort_unstable();
    Ok(attributes)
}
