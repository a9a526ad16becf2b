//! Trees that no capture makes: what they say must not lead out of the target.

use std::fs;

use snaphold::codec::{DeltaEncoder, Effort};
use snaphold::error::ErrorKind;
use snaphold::format::pack::{ChunkEntry, Form};
use snaphold::format::tree::{Class, Content, Entry, Metadata, Node};
use snaphold::id::ChunkId;
use snaphold::ops::restore::find;
use snaphold::repo::Lane;

use super::support::{Place, error_of, names, noise};
use super::{new, over};

fn entry(name: &[u8], node: Node) -> Entry {
    let metadata = Metadata { mode: 0o644, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    Entry { name: name.to_vec(), metadata, node }
}

fn file(name: &[u8], content: Content) -> Entry {
    entry(name, Node::File { content, class: Class::Stream, link_group: None, stamp: None })
}

fn small(name: &[u8]) -> Entry {
    file(name, Content::Inline(b"escaped".to_vec()))
}

#[track_caller]
fn assert_refused(place: &Place, root: &Entry) {
    let reader = place.reader();
    let before = names(place.dir.path());
    for result in [new(&reader, root, &place.path("new")), over(&reader, root, &place.path("old"))] {
        let error = error_of(result);
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
    assert_eq!(names(place.dir.path()), before);
    assert_eq!(names(&place.path("old")), ["mine"]);
}

fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("old")).unwrap();
    fs::write(place.path("old/mine"), b"mine").unwrap();
    place
}

#[test]
fn names_that_lead_elsewhere_are_damage() {
    let place = place();
    let escape = place.path("escaped").into_os_string().into_encoded_bytes();
    for name in [&b".."[..], b".", b"", b"a/b", b"../escaped", b"nul\0", &escape] {
        let root = place.craft(vec![small(name)]);
        assert_refused(&place, &root);
    }
    // The same harness lets a good name through.
    let root = place.craft(vec![small(b"fine")]);
    new(&place.reader(), &root, &place.path("new")).unwrap();
    assert_eq!(names(&place.path("new")), ["fine"]);
}

#[test]
fn a_link_and_a_folder_of_one_name_are_damage() {
    let place = place();
    let inner = place.craft(vec![small(b"escaped")]);
    let link = entry(b"name", Node::Symlink { target: b"..".to_vec() });
    let root = place.craft(vec![link, Entry { name: b"name".to_vec(), ..inner }]);
    assert_refused(&place, &root);
}

#[test]
fn lengths_that_are_lies_are_damage() {
    let place = place();
    let absent = ChunkId(std::array::from_fn(|at| at as u8));
    for depth in [0, 1, 8, 9, 255] {
        for len in [0, 1, 1 << 20, 1 << 62, u64::MAX] {
            let root = place.craft(vec![file(b"file", Content::Chunks { root: absent, depth, len })]);
            if len > 0 {
                assert_refused(&place, &root);
            }
        }
    }
    let chunk = |len| {
        let source = place.path("source");
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("file"), noise(1, 5_000)).unwrap();
        let root = place.take(&source);
        fs::remove_dir_all(&source).unwrap();
        let Node::File { content: Content::Chunks { root, depth, .. }, .. } =
            find(&place.reader(), &root, b"file").unwrap().node
        else {
            panic!("one chunk")
        };
        place.craft(vec![file(b"file", Content::Chunks { root, depth, len })])
    };
    for len in [1, 4_999, 5_001, 1 << 40] {
        assert_refused(&place, &chunk(len));
    }
    let root = chunk(5_000);
    new(&place.reader(), &root, &place.path("new")).unwrap();
}

/// A pack whose seals fit, and whose chunks do not have the bytes that their ids say.
#[test]
fn bytes_that_are_not_their_chunk_are_never_written() {
    let place = place();
    let (wanted, other) = (noise(1, 20_000), noise(2, 20_000));
    let id_of = |bytes: &[u8]| place.repo.keys().chunk_id(bytes);
    let mut changed = other.clone();
    changed[10_000..10_008].fill(7);
    let delta = DeltaEncoder::default().encode(&other, &changed, 1000).unwrap().to_vec();
    let chunks = [
        (ChunkEntry { id: id_of(&wanted), payload_len: 20_000, form: Form::Full }, other.clone(), 20_000),
        (ChunkEntry { id: id_of(&other), payload_len: 20_000, form: Form::Full }, other.clone(), 20_000),
        (
            ChunkEntry {
                id: id_of(b"else"),
                payload_len: delta.len() as u32,
                form: Form::Delta { base: id_of(&other), plain_len: 20_000 },
            },
            delta,
            20_000,
        ),
    ];
    let opened = place.repo.open_index().unwrap();
    let writer = place.repo.chunk_writer(&opened.reader, &place.repo.condemned().unwrap(), Effort::Fast);
    for (entry, payload, _) in &chunks {
        writer.with_worker(|worker| writer.store_as(worker, Lane::Data, *entry, payload)).unwrap();
    }
    writer.finish().unwrap();
    drop(opened);
    let [wrong, right, wrong_delta] = chunks
        .map(|(entry, _, len)| place.craft(vec![file(b"file", Content::Chunks { root: entry.id, depth: 0, len })]));
    assert_refused(&place, &wrong);
    assert_refused(&place, &wrong_delta);
    new(&place.reader(), &right, &place.path("new")).unwrap();
    assert_eq!(fs::read(place.path("new/file")).unwrap(), other);
}

#[test]
fn a_hole_of_any_length_takes_no_time_and_no_memory() {
    let place = Place::new();
    let len = 1 << 42;
    let root = place.craft(vec![file(b"hole", Content::Run { byte: 0, len })]);
    new(&place.reader(), &root, &place.path("new")).unwrap();
    assert_eq!(fs::metadata(place.path("new/hole")).unwrap().len(), len);
    let report = over(&place.reader(), &root, &place.path("new")).unwrap();
    assert_eq!((report.bytes_unchanged, report.bytes_zeroed), (len, 0));
}
