//! A repository with many snapshots of one instance, made as fast as the library can: a tree of small files of which a
//! few change each time. The tree of the last one is written to disk, to be the source of what is measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use snaphold::chunk::{Class, StreamChunker};
use snaphold::codec::Effort;
use snaphold::crypto::{Encryption, Secret};
use snaphold::format::manifest::{Component, Cost, Manifest, Origin, Outcome, SnapshotType};
use snaphold::format::tree::{Directory, Entry, Metadata, Node};
use snaphold::id::SnapshotId;
use snaphold::ops::capture::{ContentWriter, content_of, store_directory};
use snaphold::repo::{InitOptions, Repository};
use snaphold::service::{InstanceSpec, Plans, Service};
use snaphold::storage::LocalFolder;

use crate::data::{self, Random};
use crate::surroundings;

const FOLDERS: usize = 20;
const FILES: usize = 50;
/// Files that change from one snapshot to the next.
const CHANGES: usize = 3;
const HOUR_NS: i64 = 3_600_000_000_000;

fn metadata() -> Metadata {
    Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() }
}

fn content(random: &mut Random) -> Vec<u8> {
    data::text(random.next(), 2000 + random.below(8000))
}

/// Makes the repository, unlocked by the key file `key`, and an instance `many` of the folder `source`.
pub fn make(repository: &Path, source: &Path, key: &Path, count: usize) {
    let storage = Arc::new(LocalFolder::create(repository).unwrap());
    let options = InitOptions { encryption: Encryption::Aes256Gcm, chunker: StreamChunker::default() };
    let secret = Secret::KeyFile(fs::read(key).unwrap().into());
    let index = repository.join("index");
    let repo = Repository::create(storage, &index, surroundings::real(), options, Some((&secret, "bench"))).unwrap();
    let mut random = Random::new(5);
    let mut files: BTreeMap<(usize, usize), Vec<u8>> = BTreeMap::new();
    for folder in 0..FOLDERS {
        for file in 0..FILES {
            files.insert((folder, file), content(&mut random));
        }
    }
    let opened = repo.open_index().unwrap();
    let reader = opened.reader;
    let mut folders: Vec<Option<Entry>> = vec![None; FOLDERS];
    let mut nodes: BTreeMap<(usize, usize), Node> = BTreeMap::new();
    let mut root: Option<Entry> = None;
    let mut changed: Vec<(usize, usize)> = files.keys().copied().collect();
    let first_ns = repo.now_ns() - count as i64 * HOUR_NS;
    let mut parent = None;
    for number in 0..count {
        let writer = repo.chunk_writer(&reader, &repo.condemned().unwrap(), Effort::Default);
        let config = repo.config();
        let contents = ContentWriter::new(&writer, &reader, config.chunker, config.page_target, true);
        for at in &changed {
            let base = nodes.get(at).and_then(|node| match node {
                Node::File { content, .. } => Some(content.clone()),
                _ => None,
            });
            let content = contents.small(&files[at], Class::Stream, base.as_ref()).unwrap();
            nodes.insert(*at, Node::File { content, class: Class::Stream, link_group: None, stamp: None });
        }
        for (folder, place) in folders.iter_mut().enumerate() {
            if place.is_none() || changed.iter().any(|(of, _)| *of == folder) {
                let entries = (0..FILES).map(|file| Entry {
                    name: format!("{file:04}.txt").into_bytes(),
                    metadata: metadata(),
                    node: nodes[&(folder, file)].clone(),
                });
                let directory = Directory { entries: entries.collect() };
                let node = store_directory(&contents, &directory, place.as_ref().and_then(content_of)).unwrap();
                *place = Some(Entry { name: format!("{folder:04}").into_bytes(), metadata: metadata(), node });
            }
        }
        let directory = Directory { entries: folders.iter().flatten().cloned().collect() };
        let node = store_directory(&contents, &directory, root.as_ref().and_then(content_of)).unwrap();
        let entry = Entry { name: Vec::new(), metadata: metadata(), node };
        root = Some(entry.clone());
        let stored = writer.finish().unwrap();
        let id = SnapshotId(repo.random());
        let created_at_ns = first_ns + number as i64 * HOUR_NS;
        let component = Component { name: "data".into(), origin: Origin::Files, root: entry, unreadable: 0 };
        let manifest = Manifest {
            version: 1,
            id,
            instance: "many".into(),
            kind: SnapshotType::Scheduled,
            created_at_ns,
            finished_at_ns: created_at_ns + 1_000_000_000,
            expires_at_ns: None,
            description: None,
            parent,
            before_restore_of: None,
            outcome: Outcome::Completed { components: vec![component] },
            cost: Cost { bytes_new: stored.bytes_new, bytes_stored: stored.bytes_stored, ..Cost::default() },
            written_by: "bench".into(),
        };
        repo.commit(&manifest).unwrap();
        parent = Some(id);
        if number + 1 < count {
            changed = (0..CHANGES).map(|_| (random.below(FOLDERS), random.below(FILES))).collect();
            // What this session has stored is no base for the same session.
            changed.sort_unstable();
            changed.dedup();
            for at in &changed {
                files.insert(*at, content(&mut random));
            }
        }
    }
    for ((folder, file), bytes) in &files {
        let folder = source.join(format!("{folder:04}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{file:04}.txt")), bytes).unwrap();
    }
    let service = Service::new(repo, Plans::built_in(), source.to_path_buf(), Default::default(), None);
    let url = format!("files:{}", source.display());
    service.add_instance("many", InstanceSpec { source: Some(Some(url)), ..InstanceSpec::default() }).unwrap();
}
