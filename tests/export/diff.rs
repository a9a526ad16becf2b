//! Comparisons beside a plain one, path by path and byte by byte.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use snaphold::error::Result;
use snaphold::format::manifest::{Component, Origin};
use snaphold::format::recipe::Reference;
use snaphold::format::tree::{Class, Content, Entry, Metadata, Node, Stamp};
use snaphold::ops::capture::{Capture, ParentTree, TreeBuilder};
use snaphold::ops::diff::{Aspect, Change, DiffSummary, What, diff};
use snaphold::repo::{Reader, Recipe};

use crate::support::*;

/// A file tree in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Model {
    File { bytes: u32, mode: u32, stamp: u64 },
    Link { target: String },
    Fifo { mode: u32 },
    Folder { mode: u32, entries: BTreeMap<String, Model> },
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        (0u32..4, 0u32..2, 0u64..3).prop_map(|(bytes, mode, stamp)| Model::File { bytes, mode, stamp }),
        "[ab]".prop_map(|target| Model::Link { target }),
        (0u32..2).prop_map(|mode| Model::Fifo { mode }),
    ];
    leaf.prop_recursive(4, 40, 6, |below| {
        (0u32..2, proptest::collection::btree_map("[a-d]{1,2}", below, 0..6))
            .prop_map(|(mode, entries)| Model::Folder { mode, entries })
    })
}

/// Two trees: the second made by itself, or the first with one place changed.
fn pair() -> impl Strategy<Value = (Model, Model)> {
    let folder = || model().prop_filter("a folder", |model| matches!(model, Model::Folder { .. }));
    let changed = (folder(), any::<u64>(), model()).prop_map(|(first, at, new)| {
        let mut second = first.clone();
        put(&mut second, at, new);
        (first, second)
    });
    prop_oneof![1 => (folder(), folder()), 3 => changed]
}

/// Puts `new` somewhere below `tree`, or takes something away.
fn put(tree: &mut Model, at: u64, new: Model) {
    let Model::Folder { entries, .. } = tree else { return };
    let count = entries.len() as u64;
    match at % (count + 2) {
        place if place < count => {
            let name = entries.keys().nth(place as usize).unwrap().clone();
            let rest = at / (count + 2);
            match entries.get_mut(&name).unwrap() {
                below @ Model::Folder { .. } if !rest.is_multiple_of(4) => put(below, rest / 4, new),
                _ if rest.is_multiple_of(3) => _ = entries.remove(&name),
                _ => _ = entries.insert(name, new),
            }
        }
        _ => _ = entries.insert("new".into(), new),
    }
}

fn bytes_of(number: u32) -> Vec<u8> {
    noise(number.into(), [0, 100, 9000, 60_000][number as usize])
}

fn metadata(mode: u32) -> Metadata {
    Metadata { mode: 0o700 + mode, uid: 1, gid: 2, mtime_ns: 3, xattrs: Vec::new() }
}

fn build(capture: &Capture<'_>, tree: &mut TreeBuilder, at: &str, model: &Model) -> Result<()> {
    let here = || if at.is_empty() { Default::default() } else { path(at) };
    match model {
        Model::Folder { mode, entries } => {
            tree.directory(&here(), metadata(*mode))?;
            for (name, model) in entries {
                let below = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
                build(capture, tree, &below, model)?;
            }
            Ok(())
        }
        Model::File { bytes, mode, stamp } => {
            let content = capture.contents.small(&bytes_of(*bytes), Class::Stream, None)?;
            // Neither the stamp nor the number of a group of links is a difference.
            let stamp = *stamp;
            let link_group = (stamp > 1).then_some(stamp * 100 + u64::from(*mode));
            let stamp = Some(Stamp { device: 1, inode: stamp, ctime_ns: stamp as i64 });
            tree.leaf(&here(), metadata(*mode), Node::File { content, class: Class::Stream, link_group, stamp })
        }
        Model::Link { target } => {
            tree.leaf(&here(), metadata(0), Node::Symlink { target: target.clone().into_bytes() })
        }
        Model::Fifo { mode } => tree.leaf(&here(), metadata(*mode), Node::Fifo),
    }
}

fn store(place: &Place, model: &Model) -> Entry {
    let manifest = place.take(|capture| {
        let mut tree = TreeBuilder::new(metadata(0));
        build(capture, &mut tree, "", model)?;
        let root = tree.finish(&capture.contents, &mut ParentTree::new(capture.contents.reader(), None))?;
        Ok(vec![Component { name: "data".into(), origin: Origin::Files, root, unreadable: 0 }])
    });
    root(&manifest.unwrap()).clone()
}

fn flat(model: &Model, at: &str, into: &mut BTreeMap<String, Model>) {
    into.insert(if at.is_empty() { ".".into() } else { at.into() }, model.clone());
    if let Model::Folder { entries, .. } = model {
        for (name, model) in entries {
            flat(model, &if at.is_empty() { name.clone() } else { format!("{at}/{name}") }, into);
        }
    }
}

type Plain = BTreeMap<String, (What, Vec<Aspect>, u64, u64)>;

/// The comparison without any store.
fn plainly(a: &Model, b: &Model) -> Plain {
    let (mut old, mut new, mut changes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    flat(a, "", &mut old);
    flat(b, "", &mut new);
    let len = |model: &Model| if let Model::File { bytes, .. } = model { bytes_of(*bytes).len() as u64 } else { 0 };
    let mode = |model: &Model| match model {
        Model::File { mode, .. } | Model::Fifo { mode } | Model::Folder { mode, .. } => *mode,
        Model::Link { .. } => 0,
    };
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let change = match (old.get(name), new.get(name)) {
            (Some(a), None) => (What::Removed, vec![], 0, len(a)),
            (None, Some(b)) => (What::Added, vec![], len(b), 0),
            (Some(a), Some(b)) => {
                let mut differs = Vec::new();
                let same_kind = std::mem::discriminant(a) == std::mem::discriminant(b);
                let same_content = match (a, b) {
                    (Model::File { bytes: a, .. }, Model::File { bytes: b, .. }) => a == b,
                    (Model::Link { target: a }, Model::Link { target: b }) => a == b,
                    _ => true,
                };
                if !same_kind {
                    differs.push(Aspect::Kind);
                } else if !same_content {
                    differs.push(Aspect::Content);
                }
                if mode(a) != mode(b) {
                    differs.push(Aspect::Metadata);
                }
                // The samples have nothing in common, so all of a changed file differs.
                let differ = !same_kind || !same_content;
                (What::Changed, differs, if differ { len(b) } else { 0 }, if differ { len(a) } else { 0 })
            }
            (None, None) => unreachable!(),
        };
        if change.0 != What::Changed || !change.1.is_empty() {
            changes.insert(name.clone(), change);
        }
    }
    changes
}

fn compared(reader: &Reader, a: &Entry, b: &Entry) -> Result<(Vec<Change>, DiffSummary)> {
    let mut changes = Vec::new();
    let summary = diff(reader, a, b, &mut |change| {
        changes.push(change);
        Ok(())
    })?;
    Ok((changes, summary))
}

#[test]
fn random_trees_differ_as_a_plain_comparison_says() {
    let place = Place::new();
    TestRunner::new(Config { cases: 96, ..Config::default() })
        .run(&pair(), |(first, second)| {
            let (a, b) = (store(&place, &first), store(&place, &second));
            let reader = place.reader();
            let (changes, summary) =
                compared(&reader, &a, &b).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let expected = plainly(&first, &second);
            let found: Plain = changes
                .iter()
                .map(|change| {
                    let what = (change.change, change.differs.clone(), change.bytes_new, change.bytes_gone);
                    (change.path.clone(), what)
                })
                .collect();
            prop_assert_eq!(found.len(), changes.len(), "a path was reported twice");
            prop_assert_eq!(&found, &expected);
            let count =
                |wanted: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count() as u64;
            let only_metadata = |change: &Change| change.differs == [Aspect::Metadata];
            let totals = DiffSummary {
                added: count(&|change| change.change == What::Added),
                removed: count(&|change| change.change == What::Removed),
                changed: count(&|change| change.change == What::Changed && !only_metadata(change)),
                metadata_changed: count(&only_metadata),
                bytes_new: changes.iter().map(|change| change.bytes_new).sum(),
                bytes_gone: changes.iter().map(|change| change.bytes_gone).sum(),
            };
            prop_assert_eq!(summary, totals);
            for change in &changes {
                prop_assert_eq!(change.before.is_some(), change.change != What::Added);
                prop_assert_eq!(change.after.is_some(), change.change != What::Removed);
            }
            // A folder comes before what is in it.
            let place_of = |path: &str| changes.iter().position(|change| change.path == path);
            for (at, change) in changes.iter().enumerate() {
                if let Some((folder, _)) = change.path.rsplit_once('/') {
                    prop_assert!(place_of(folder).is_none_or(|folder| folder < at));
                }
            }
            Ok(())
        })
        .unwrap();
}

/// All data chunks and runs of a content.
fn extents(reader: &Reader, content: &Content) -> Vec<(u64, Reference)> {
    let Some(recipe) = Recipe::new(reader, content) else { return Vec::new() };
    recipe.extents(0..u64::MAX).unwrap().into_iter().map(|extent| (extent.offset, extent.reference)).collect()
}

fn file_of(place: &Place, bytes: &[u8], class: Class) -> Entry {
    let manifest = place.take(|capture| {
        let mut tree = TreeBuilder::new(metadata(0));
        let content = capture.contents.stream(&mut &bytes[..], "file", class, None)?;
        tree.leaf(&path("file"), metadata(0), Node::File { content, class, link_group: None, stamp: None })?;
        let root = tree.finish(&capture.contents, &mut ParentTree::new(capture.contents.reader(), None))?;
        Ok(vec![Component { name: "data".into(), origin: Origin::Files, root, unreadable: 0 }])
    });
    root(&manifest.unwrap()).clone()
}

fn content_in(reader: &Reader, root: &Entry) -> Content {
    match snaphold::ops::ls::find(reader, root, &path("file")).unwrap().node {
        Node::File { content, .. } => content,
        node => panic!("{node:?}"),
    }
}

#[test]
fn of_a_page_file_the_chunks_differ_that_are_not_the_same_at_their_place() {
    const CHUNK: usize = 16 * 1024;
    let place = Place::new();
    let class = Class::Page { page_size: 8192 };
    let first = noise(1, 300 * CHUNK);
    let mut edited = first.clone();
    for chunk in [0, 7, 8, 130, 299] {
        edited[chunk * CHUNK + 5] ^= 1;
    }
    let mut moved = first.clone();
    moved.copy_within(0..CHUNK, 10 * CHUNK);
    let mut zeroed = first.clone();
    zeroed[20 * CHUNK..170 * CHUNK].fill(0);
    let mut half = zeroed.clone();
    half[100 * CHUNK..110 * CHUNK].copy_from_slice(&first[100 * CHUNK..110 * CHUNK]);
    let longer = [&first[..], &noise(2, 100 * CHUNK)].concat();
    let shorter = first[..150 * CHUNK + 8192].to_vec();
    type Case<'a> = (&'a str, &'a [u8], &'a [u8], usize, usize);
    let cases: [Case<'_>; 9] = [
        ("edited", &first, &edited, 5 * CHUNK, 5 * CHUNK),
        ("moved", &first, &moved, CHUNK, CHUNK),
        ("zeroed", &first, &zeroed, 150 * CHUNK, 150 * CHUNK),
        ("filled", &zeroed, &first, 150 * CHUNK, 150 * CHUNK),
        ("half filled", &zeroed, &half, 10 * CHUNK, 10 * CHUNK),
        ("longer", &first, &longer, 0, 100 * CHUNK),
        ("shorter", &longer, &first, 100 * CHUNK, 0),
        // The last chunk is a shorter one: it and the chunk that it was a part of differ.
        ("cut in a chunk", &first, &shorter, 150 * CHUNK, 8192),
        ("all zeros", &[0; 50 * CHUNK], &[0; 40 * CHUNK], 10 * CHUNK, 0),
    ];
    for (name, before, after, gone, new) in cases {
        let (a, b) = (file_of(&place, before, class), file_of(&place, after, class));
        let (changes, _) = compared(&place.reader(), &a, &b).unwrap();
        let [change] = &changes[..] else { panic!("{name}: {changes:?}") };
        let found = (change.differs.as_slice(), change.bytes_gone, change.bytes_new);
        assert_eq!(found, (&[Aspect::Content][..], gone as u64, new as u64), "{name}");
    }
}

#[test]
fn of_a_stream_the_chunks_differ_that_the_other_has_not() {
    let place = Place::new();
    let first = text(1, 12 << 20);
    let insert = |at: usize, len: usize| [&first[..at], &noise(at as u64, len), &first[at..]].concat();
    let mut scattered = first.clone();
    for at in (0..scattered.len()).step_by(700_001) {
        scattered[at] ^= 0xff;
    }
    let mut zeros = first.clone();
    zeros.splice(5_000_000..5_000_000, vec![0; 3 << 20]);
    let versions =
        [insert(6_000_000, 1), insert(1000, 500_000), scattered, zeros, first[..7 << 20].to_vec(), text(2, 5 << 20)];
    let a = file_of(&place, &first, Class::Stream);
    let mut small = 0;
    for (number, version) in versions.iter().enumerate() {
        for swap in [false, true] {
            let b = file_of(&place, version, Class::Stream);
            let reader = place.reader();
            let (a, b) = if swap { (&b, &a) } else { (&a, &b) };
            let (changes, _) = compared(&reader, a, b).unwrap();
            let [change] = &changes[..] else { panic!("{number}: {changes:?}") };
            // All chunks of both, without passing over anything.
            let (old, new) = (extents(&reader, &content_in(&reader, a)), extents(&reader, &content_in(&reader, b)));
            let chunks = |extents: &[(u64, Reference)]| -> BTreeMap<_, u64> {
                let mut chunks = BTreeMap::new();
                for (_, reference) in extents {
                    if let Reference::Chunk { id, len } = reference {
                        *chunks.entry(*id).or_default() += len;
                    }
                }
                chunks
            };
            let runs = |extents: &[(u64, Reference)]| -> u64 {
                extents
                    .iter()
                    .filter(|(_, part)| matches!(part, Reference::Run { .. }))
                    .map(|(_, part)| part.len())
                    .sum()
            };
            let only_in = |these: &[(u64, Reference)], those: &[(u64, Reference)]| {
                let others = chunks(those);
                let lens = chunks(these).into_iter().filter(|(id, _)| !others.contains_key(id)).map(|(_, len)| len);
                lens.sum::<u64>() + runs(these).saturating_sub(runs(those))
            };
            assert_eq!(change.bytes_new, only_in(&new, &old), "{number}");
            assert_eq!(change.bytes_gone, only_in(&old, &new), "{number}");
            small += usize::from(change.bytes_new < 200_000);
        }
    }
    assert!(small > 3, "a small change must be seen as one");
}

#[test]
fn a_file_that_was_cut_in_another_way_is_read_before_it_counts_as_changed() {
    let place = Place::new();
    let bytes = noise(1, 2 << 20);
    let (pages, stream) =
        (file_of(&place, &bytes, Class::Page { page_size: 8192 }), file_of(&place, &bytes, Class::Stream));
    assert!(compared(&place.reader(), &pages, &stream).unwrap().0.is_empty());
    let mut other = bytes.clone();
    other[1 << 20] ^= 1;
    let other = file_of(&place, &other, Class::Stream);
    let (changes, _) = compared(&place.reader(), &pages, &other).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].differs, [Aspect::Content]);
}

#[test]
fn changes_are_json_objects() {
    let place = Place::new();
    let folder = |entries: &[(&str, Model)]| Model::Folder {
        mode: 0,
        entries: entries.iter().map(|(name, model)| (name.to_string(), model.clone())).collect(),
    };
    let file = |bytes| Model::File { bytes, mode: 0, stamp: 0 };
    let a = store(&place, &folder(&[("kept", file(1)), ("gone", file(2))]));
    let b = store(&place, &folder(&[("kept", file(2)), ("new", Model::Link { target: "kept".into() })]));
    let (changes, summary) = compared(&place.reader(), &a, &b).unwrap();
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(json[0]["path"], "gone");
    assert_eq!((&json[0]["change"], &json[0]["bytes_gone"]), (&"removed".into(), &9000.into()));
    assert!(json[0].get("differs").is_none() && json[0].get("after").is_none());
    assert_eq!((&json[1]["change"], &json[1]["differs"]), (&"changed".into(), &serde_json::json!(["content"])));
    assert_eq!(json[2]["after"]["target"], "kept");
    assert_eq!(serde_json::to_value(summary).unwrap()["changed"], 1);
}
