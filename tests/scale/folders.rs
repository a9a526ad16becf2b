//! Folders of many entries: read and written piece by piece, and the same bytes as ever.

use std::fs;

use snaphold::format::encode;
use snaphold::format::tree::{Content, Directory, Entry, Metadata, Node, Summary};
use snaphold::ops::Silent;
use snaphold::ops::capture::ListingBuilder;
use snaphold::ops::diff::diff;
use snaphold::ops::gc::{GcOptions, collect};
use snaphold::ops::restore::restore_new;
use snaphold::ops::verify::{ReadData, VerifyOptions, verify};
use snaphold::repo::{is_long, read_directory, read_entries};

use crate::support::*;

fn entry(number: usize) -> Entry {
    let metadata =
        Metadata { mode: 0o644, uid: 1, gid: 2, mtime_ns: 3, xattrs: vec![(b"user.a".to_vec(), vec![7; 40])] };
    let content = Content::Inline(noise(number as u64, number % 120));
    let node = Node::File { content, class: snaphold::format::tree::Class::Stream, link_group: None, stamp: None };
    Entry { name: format!("{number:08}").into_bytes(), metadata, node }
}

fn listing(root: &Entry) -> (&Content, Summary) {
    let Node::Directory { listing, summary } = &root.node else { panic!("{root:?} is no folder") };
    (listing, *summary)
}

#[test]
fn a_listing_in_pieces_has_the_bytes_of_a_whole_one() {
    for count in [0, 1, 250, 251, 300, 70_000] {
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        let mut builder = ListingBuilder::default();
        entries.iter().for_each(|entry| builder.push(entry).unwrap());
        assert!(builder.bytes() == encode(&Directory { entries }), "{count} entries");
    }
}

#[test]
fn a_long_listing_is_read_entry_by_entry() {
    let place = Place::new();
    let entries: Vec<Entry> = (0..30_000).map(entry).collect();
    let root = place.craft(entries.clone());
    let (content, _) = listing(&root);
    assert!(is_long(content));
    let reader = place.reader();
    let read: Vec<Entry> = read_entries(&reader, content).unwrap().map(Result::unwrap).collect();
    assert!(read == entries);
    assert!(read_directory(&reader, content).unwrap().entries == entries);
    // Names that are not in order are told, wherever the two stand.
    let mut wrong = entries;
    wrong.swap(29_000, 29_001);
    let (good, bad) = (root, place.craft(wrong));
    let found = diff(&place.reader(), &good, &bad, &mut |_| Ok(()));
    assert!(found.unwrap_err().to_string().contains("not in order"));
}

/// More names than are read side by side, in a listing that is longer than one that is decoded whole.
#[test]
fn a_folder_of_many_files_is_taken_compared_restored_and_looked_after() {
    let place = Place::new();
    let tree = place.path("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..17_000 {
        fs::write(tree.join(format!("a-file-with-a-longer-name-{number:06}")), number.to_string()).unwrap();
    }
    fs::create_dir(tree.join("a-file-with-a-longer-name-0100")).unwrap();
    fs::write(tree.join("a-file-with-a-longer-name-0100/x"), noise(1, 5000)).unwrap();
    let first = place.take(&tree);
    assert!(is_long(listing(&first).0));
    assert_eq!(listing(&first).1.files, 17_001);
    let again = place.take(&tree);
    assert!(listing(&again) == listing(&first), "nothing changed");
    for (number, text) in [(0, "first"), (16_383, "before the batch's end"), (16_384, "behind it"), (16_999, "last")] {
        fs::write(tree.join(format!("a-file-with-a-longer-name-{number:06}")), text).unwrap();
    }
    fs::remove_file(tree.join("a-file-with-a-longer-name-000007")).unwrap();
    fs::write(tree.join("zzz"), "new").unwrap();
    let last = place.take(&tree);
    let mut changes = Vec::new();
    let summary = diff(&place.reader(), &first, &last, &mut |change| {
        changes.push(change.path);
        Ok(())
    })
    .unwrap();
    // The root's own time is a change of metadata.
    assert_eq!((summary.changed, summary.removed, summary.added), (4, 1, 1), "{changes:?}");
    let restored = place.path("restored");
    let report = restore_new(&place.reader(), &last, &restored, &Silent).unwrap();
    assert_eq!(report.files, 17_001);
    assert_eq!(describe(&restored), describe(&tree));
    collect(&place.repo, &GcOptions { full: true, ..GcOptions::default() }, &Silent).unwrap();
    let report = verify(&place.repo, VerifyOptions { read_data: ReadData::All }, &Silent).unwrap();
    assert!(report.ok, "{:?}", report.errors);
    assert_eq!(report.snapshots, 3);
}
