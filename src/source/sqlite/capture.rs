//! A SQLite database as an instance: an image made by the backup API, cut at its pages.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::format::tree::{Class, Directory, Entry, Metadata, Node};
use crate::ops::capture::{Capture, Captured, ParentTree, SMALL_FILE, content_of, store_directory};
use crate::source::open_file::OpenFile;

use super::backup;

/// Captures the database as the component `name`. The image lies in `staging` meanwhile.
pub fn capture(capture: &Capture<'_>, name: &str, database: &Path, staging: &Path) -> Result<Component> {
    let stat = fs::metadata(database).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound(format!("the database {} is not there", database.display())),
        _ => Error::source(database, error),
    })?;
    let folder = tempfile::Builder::new()
        .prefix("snaphold-")
        .tempdir_in(staging)
        .map_err(|error| Error::target(staging, error))?;
    let image = folder.path().join("image");
    capture.progress.stage("copying the database", None);
    let backup = backup(database, &image)?;
    let file_name = database.file_name().map_or(&b"database"[..], OsStrExt::as_bytes).to_vec();

    capture.progress.stage("reading", Some(backup.pages * u64::from(backup.page_size)));
    let parent = capture.parent_component(name).map(|component| component.root.clone());
    let listing = parent.as_ref().and_then(content_of).cloned();
    let known = ParentTree::new(capture.contents.reader(), parent).find(std::slice::from_ref(&file_name))?;
    let base = known.as_ref().and_then(content_of);
    let class = Class::Page { page_size: backup.page_size };
    let content = store_image(capture, &image, class, base)?;

    let mtime_ns = stat.mtime().saturating_mul(1_000_000_000).saturating_add(stat.mtime_nsec());
    let metadata =
        Metadata { mode: stat.mode() & 0o7777, uid: stat.uid(), gid: stat.gid(), mtime_ns, xattrs: Vec::new() };
    let node = Node::File { content, class, link_group: None, stamp: None };
    let directory = Directory { entries: vec![Entry { name: file_name, metadata: metadata.clone(), node }] };
    let node = store_directory(&capture.contents, &directory, listing.as_ref())?;
    let root = Entry { name: Vec::new(), metadata: Metadata { mode: 0o700, ..metadata }, node };
    let origin = Origin::Sqlite { version: backup.sqlite_version };
    Ok(Component { name: name.to_string(), origin, root, unreadable: 0 })
}

fn store_image(
    capture: &Capture<'_>,
    image: &Path,
    class: Class,
    base: Option<&crate::format::tree::Content>,
) -> Result<crate::format::tree::Content> {
    let failed = |error| Error::source(image, error);
    let file = File::open(image).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let content = match class {
        Class::Page { page_size } if len > SMALL_FILE => {
            let source = OpenFile { file: &file, path: image };
            match capture.contents.pages(&source, len, page_size, base)? {
                Captured::Whole(content) => content,
                Captured::Shrunk => return Err(Error::Failed("the database's image became shorter by itself".into())),
            }
        }
        class => capture.contents.small(&fs::read(image).map_err(failed)?, class, base)?,
    };
    capture.progress.advance(len);
    Ok(content)
}
