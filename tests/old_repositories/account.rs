//! A repository in words: everything that it holds, one line each, whatever it is stored as.

use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use snaphold::error::Result;
use snaphold::format::ledger::LedgerRecord;
use snaphold::format::manifest::{Manifest, Outcome};
use snaphold::format::pack::{Form, PackKind};
use snaphold::format::tree::{Class, Content, Entry, Node};
use snaphold::repo::{ContentReader, Reader, Repository, read_directory};

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Everything in the repository. An error names the first thing that cannot be read.
pub fn account(repo: &Repository) -> Result<String> {
    let mut text = String::new();
    let config = repo.config();
    writeln!(text, "repository {} {:?} {:?}", config.repo, config.encryption, config.chunker).unwrap();
    for slot in repo.key_slots()?.slots {
        writeln!(text, "key {:?} {} {}", slot.label, slot.kind, slot.created_at_ns).unwrap();
    }
    let opened = repo.open_index()?;
    if let Some((_, error)) = opened.damaged.into_iter().next() {
        return Err(error);
    }
    let reader = opened.reader;
    text += &forms(&reader)?;
    let ledger = repo.ledger()?;
    for (topic, revision) in ledger.newest {
        writeln!(text, "ledger {topic}.{} {}", revision.number, record(&revision.record)).unwrap();
    }
    if let Some((_, error)) = ledger.damaged.into_iter().next() {
        return Err(error);
    }
    for writer in repo.writers()? {
        writeln!(text, "writer {} {:?} alive {:?}", writer.name, writer.record, writer.alive).unwrap();
    }
    for (id, record) in repo.condemned()?.records {
        writeln!(text, "condemned {id} {:?} waits for {:?}", record.packs, record.waits_for).unwrap();
    }
    let manifests = repo.manifests()?;
    if let Some((_, error)) = manifests.damaged.into_iter().next() {
        return Err(error);
    }
    for stored in manifests.manifests {
        text += &snapshot(&reader, &stored.manifest)?;
    }
    Ok(text)
}

fn forms(reader: &Reader) -> Result<String> {
    let mut counts = [[0u32; 2]; 2];
    for info in reader.index().packs() {
        for chunk in &reader.contents(info.number)?.footer.chunks {
            counts[usize::from(info.kind == PackKind::Meta)][usize::from(chunk.form != Form::Full)] += 1;
        }
    }
    let [[data, deltas], [meta, meta_deltas]] = counts;
    Ok(format!("chunks: data {data} full, {deltas} deltas; meta {meta} full, {meta_deltas} deltas\n"))
}

fn record(record: &LedgerRecord) -> String {
    match record {
        LedgerRecord::Snapshot(state) => {
            let deleted = state.deleted.map(|deletion| (deletion.at_ns, deletion.cause, deletion.purge_after_ns));
            format!("snapshot {} deleted {deleted:?} held {:?}", state.snapshot, state.hold_until_ns)
        }
        LedgerRecord::Defined { .. }
        | LedgerRecord::Restore(_)
        | LedgerRecord::Proof(_)
        | LedgerRecord::Scheduled(_) => {
            panic!("these were not there when the golden repositories were written")
        }
        LedgerRecord::Instance { name, record: None } => format!("instance {name:?} removed"),
        LedgerRecord::Purged(paths) => format!("purged {paths:?}"),
        LedgerRecord::Instance { name, record: Some(record) } => format!(
            "instance {name:?} {} source {:?} plan {:?} retain {:?} description {:?} always read {}",
            record.created_at_ns, record.source, record.plan, record.retain_ns, record.description, record.always_read
        ),
    }
}

fn snapshot(reader: &Reader, manifest: &Manifest) -> Result<String> {
    let mut text = format!(
        "\nsnapshot {} of {:?}: {}, {} to {}, expires {:?}, description {:?}, parent {:?}, before {:?}, {:?}, by {}\n",
        manifest.id,
        manifest.instance,
        manifest.kind.as_str(),
        manifest.created_at_ns,
        manifest.finished_at_ns,
        manifest.expires_at_ns,
        manifest.description,
        manifest.parent,
        manifest.before_restore_of,
        manifest.cost,
        manifest.written_by,
    );
    match &manifest.outcome {
        Outcome::Failed { reason } => writeln!(text, "failed: {reason}").unwrap(),
        Outcome::Completed { components } => {
            for component in components {
                let (name, origin) = (&component.name, &component.origin);
                writeln!(text, "component {name:?} {origin:?}, unreadable {}", component.unreadable).unwrap();
                text += &tree(reader, &component.root)?;
            }
        }
    }
    Ok(text)
}

/// The root and everything below it, each folder before what is in it.
fn entries(reader: &Reader, root: &Entry) -> Result<Vec<(Vec<u8>, Entry)>> {
    fn below(reader: &Reader, path: &[u8], entry: &Entry, entries: &mut Vec<(Vec<u8>, Entry)>) -> Result<()> {
        entries.push((path.to_vec(), entry.clone()));
        let Node::Directory { listing, .. } = &entry.node else { return Ok(()) };
        for child in read_directory(reader, listing)?.entries {
            let between: &[u8] = if path.is_empty() { b"" } else { b"/" };
            below(reader, &[path, between, &child.name].concat(), &child, entries)?;
        }
        Ok(())
    }
    let mut entries = Vec::new();
    below(reader, b"", root, &mut entries)?;
    Ok(entries)
}

fn tree(reader: &Reader, root: &Entry) -> Result<String> {
    let mut text = String::new();
    for (path, entry) in entries(reader, root)? {
        let path = shown(&path);
        let metadata = &entry.metadata;
        let node = match &entry.node {
            Node::File { content, class, link_group, stamp } => {
                let class = match class {
                    Class::Page { page_size } => format!("pages of {page_size}"),
                    Class::Stream => "stream".into(),
                };
                let stamp = stamp.map(|stamp| (stamp.device, stamp.inode, stamp.ctime_ns));
                format!("file {} {class} group {link_group:?} stamp {stamp:?}", content_line(reader, content)?)
            }
            Node::Directory { listing, summary } => format!("folder {} {summary:?}", content_line(reader, listing)?),
            Node::Symlink { target } => format!("link to {}", shown(target)),
            other => format!("{other:?}"),
        };
        let xattrs: Vec<String> =
            metadata.xattrs.iter().map(|(name, value)| format!("{}={}", shown(name), shown(value))).collect();
        let (mode, uid, gid, mtime_ns) = (metadata.mode, metadata.uid, metadata.gid, metadata.mtime_ns);
        writeln!(text, "  {path:?} {mode:04o} {uid}:{gid} {mtime_ns} {xattrs:?} {node}").unwrap();
    }
    Ok(text)
}

/// Length and hash of the bytes, and how they are held.
fn content_line(reader: &Reader, content: &Content) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut len = 0;
    ContentReader::new(reader, content).for_each(|piece| {
        hasher.update(piece);
        len += piece.len() as u64;
        Ok(())
    })?;
    assert_eq!(len, content.len());
    let how = match content {
        Content::Empty => "empty".into(),
        Content::Inline(_) => "inline".into(),
        Content::Run { .. } => "run".into(),
        Content::Chunks { depth, .. } => format!("depth {depth}"),
    };
    Ok(format!("{len} {how} {}", hasher.finalize().to_hex()))
}

/// Holds what was restored to `target` against the tree of `root`: one line for each difference.
pub fn differences(reader: &Reader, root: &Entry, target: &Path) -> Result<Vec<String>> {
    let is_root = rustix::process::geteuid().is_root();
    let mut wrong = Vec::new();
    let mut inodes = std::collections::BTreeMap::new();
    for (path, entry) in entries(reader, root)? {
        let path = target.join(std::ffi::OsStr::from_bytes(&path));
        let mut differs = |what: &str| wrong.push(format!("{}: {what}", path.display()));
        let node = &entry.node;
        let Ok(stat) = fs::symlink_metadata(&path) else {
            let is_left_out = matches!(node, Node::Unreadable { .. })
                || !is_root && matches!(node, Node::CharDevice { .. } | Node::BlockDevice { .. });
            if !is_left_out {
                differs("it is not there");
            }
            continue;
        };
        let kind = stat.file_type();
        let kind_fits = match node {
            Node::File { content, link_group, .. } => {
                if let Some(group) = link_group
                    && *inodes.entry(*group).or_insert(stat.ino()) != stat.ino()
                {
                    differs("it is not the same file as the other names of its group");
                }
                let mut expected = Vec::new();
                ContentReader::new(reader, content).for_each(|piece| {
                    expected.extend_from_slice(piece);
                    Ok(())
                })?;
                if kind.is_file() && fs::read(&path).unwrap() != expected {
                    differs("its bytes");
                }
                kind.is_file()
            }
            Node::Directory { .. } => kind.is_dir(),
            Node::Symlink { target } => {
                kind.is_symlink() && fs::read_link(&path).unwrap().as_os_str().as_bytes() == target
            }
            Node::Fifo => kind.is_fifo(),
            Node::CharDevice { .. } => kind.is_char_device(),
            Node::BlockDevice { .. } => kind.is_block_device(),
            Node::Unreadable { .. } => false,
        };
        if !kind_fits {
            differs("its kind or target");
        }
        let metadata = &entry.metadata;
        // Without the right to give files away, set-uid is left out.
        let bits = if is_root { 0o7777 } else { 0o1777 };
        if !kind.is_symlink() && stat.mode() & bits != metadata.mode & bits {
            differs("its mode");
        }
        if stat.mtime() * 1_000_000_000 + stat.mtime_nsec() != metadata.mtime_ns {
            differs("its time");
        }
    }
    Ok(wrong)
}
