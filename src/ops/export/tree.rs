//! A snapshot's files as the members of a tar.

use std::collections::HashMap;
use std::io::Write;

use crate::container::{Form, Member, MemberKind, RelativePath, TarWriter, write_error};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::format::tree::{Content, Entry, Metadata, Node};
use crate::ops::Progress;
use crate::ops::ls::find;
use crate::ops::walk::{Visited, Walk};
use crate::repo::{Reader, read_ahead};

use super::work::{Done, LABEL, Work, copy_present, member_kind};

/// A component's files, or some of them, and where they go.
pub struct TreePart<'a> {
    /// The component.
    pub component: &'a Component,
    /// Its folder in the tar; `None` for the root.
    pub folder: Option<&'a str>,
    /// Only what is at this path below the component's root.
    pub only: Option<RelativePath>,
}

/// Where each component's files go: into the root, or, of several, each into its own folder. With `only` the one
/// component that has what is asked for.
pub fn parts<'a>(components: &'a [Component], only: Option<&RelativePath>) -> Result<Vec<TreePart<'a>>> {
    let only = only.filter(|path| !path.is_root());
    if let [component] = components {
        return Ok(vec![TreePart { component, folder: None, only: only.cloned() }]);
    }
    let part = |component: &'a Component| TreePart { component, folder: Some(&component.name), only: None };
    let Some((name, below)) = only.and_then(|path| path.components().split_first()) else {
        return Ok(components.iter().map(part).collect());
    };
    let component = components
        .iter()
        .find(|component| component.name.as_bytes() == name)
        .ok_or_else(|| Error::NotFound(format!("the snapshot has no component {}", String::from_utf8_lossy(name))))?;
    let below = RelativePath::from_components(below.iter().cloned()).ok().filter(|path| !path.is_root());
    Ok(vec![TreePart { only: below, ..part(component) }])
}

/// Appends the files of all parts, each in the order of a walk. Of hard links the first is the file.
pub fn append_files<W: Write>(work: &Work<'_>, tar: &mut TarWriter<W>, parts: &[TreePart<'_>]) -> Result<Done> {
    let mut members = Vec::new();
    for part in parts {
        members.push(PartMembers::new(work.reader, part, work.progress)?);
    }
    work.progress.stage("exporting", Some(members.iter().map(|part| part.total).fold(0, u64::saturating_add)));
    let mut done = Done::default();
    read_ahead(work.reader, members.into_iter().flatten(), |stream| {
        while let Some(Member { path, metadata, kind }) = stream.next_content()? {
            if let MemberKind::File { len } = kind {
                done.files += 1;
                done.bytes = done.bytes.saturating_add(len);
            }
            tar.append(&path, &metadata, &kind, |out| {
                copy_present(work, stream, &path, &mut |bytes| {
                    out.write_all(bytes).map_err(|error| write_error(LABEL, error))
                })
            })?;
        }
        Ok(())
    })?;
    Ok(done)
}

fn bytes_of(entry: &Entry) -> u64 {
    match &entry.node {
        Node::Directory { summary, .. } => summary.bytes,
        Node::File { content, .. } => content.len(),
        _ => 0,
    }
}

/// The members of one part, with their contents.
struct PartMembers<'a> {
    /// What the walk begins below, where it is a member too.
    first: Option<Visited>,
    walk: Option<Walk<'a>>,
    /// Plain bytes of all files; hard links are counted each.
    total: u64,
    /// The first name of each file that has several.
    links: HashMap<u64, RelativePath>,
    progress: &'a dyn Progress,
}

impl<'a> PartMembers<'a> {
    fn new(reader: &'a Reader, part: &TreePart<'_>, progress: &'a dyn Progress) -> Result<Self> {
        let root = &part.component.root;
        let (below, entry) = match &part.only {
            Some(path) => (path.components(), find(reader, root, path)?),
            None => (&[][..], root.clone()),
        };
        let folder = part.folder.map(|folder| folder.as_bytes().to_vec());
        let path = RelativePath::from_components(folder.into_iter().chain(below.iter().cloned()))
            .map_err(|problem| Error::Refused(format!("{:?} cannot be a folder's name: {problem}", part.folder)))?;
        let is_folder = matches!(entry.node, Node::Directory { .. });
        let is_member = !path.is_root() || knows_root(part.component);
        Ok(Self {
            first: is_member.then(|| (path.clone(), entry.clone())),
            total: bytes_of(&entry),
            walk: is_folder.then(|| Walk::below(reader, path, entry)),
            links: HashMap::new(),
            progress,
        })
    }

    fn member(&mut self, path: RelativePath, entry: Entry) -> Option<(Member, Content)> {
        let Some(mut kind) = member_kind(&entry.node) else {
            self.progress
                .notice(&format!("{path} could not be read when the snapshot was taken, and is not in the export"));
            return None;
        };
        let content = match entry.node {
            Node::File { link_group: Some(group), content, .. } => match self.links.get(&group) {
                Some(first) => {
                    kind = MemberKind::HardLink { target: first.clone() };
                    Content::Empty
                }
                None => {
                    self.links.insert(group, path.clone());
                    content
                }
            },
            Node::File { content, .. } => content,
            _ => Content::Empty,
        };
        Some((Member { path, kind, metadata: entry.metadata }, content))
    }
}

impl Iterator for PartMembers<'_> {
    type Item = Result<(Member, Content)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (path, entry) = match self.first.take() {
                Some(first) => first,
                None => match self.walk.as_mut()?.next()? {
                    Ok(visited) => visited,
                    Err(error) => return Some(Err(error)),
                },
            };
            if let Some(member) = self.member(path, entry) {
                return Some(Ok(member));
            }
        }
    }
}

/// Whether the metadata of the component's root is a real folder's. That of a root which was made up for the files in
/// it would change the folder that the tar is extracted into.
fn knows_root(component: &Component) -> bool {
    let made_up = Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    match &component.origin {
        Origin::Files => true,
        Origin::Sqlite { .. } | Origin::Loaded { form: Form::Single { .. }, .. } => false,
        Origin::Loaded { .. } | Origin::Database(_) => component.root.metadata != made_up,
    }
}
