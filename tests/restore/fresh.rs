//! Restoring where nothing is.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::Ordering;

use snaphold::error::ErrorKind;
use snaphold::format::tree::{Entry, Metadata, Node};
use snaphold::ops::Silent;
use snaphold::ops::restore::{find, restore_new};

use super::support::{Place, Told, assert_same, describe, error_of, names, noise};
use super::trees::{everything, pages, set_mode, set_mtime};
use super::{new, over};

#[test]
fn everything_comes_back() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    let expected = describe(&source);
    let root = place.take(&source);
    assert_same(&expected, &describe(&source));
    let (reader, told, target) = (place.reader(), Told::default(), place.path("target"));
    let report = restore_new(&reader, &root, &target, &told).unwrap();
    assert_same(&expected, &describe(&target));
    assert_eq!(told.lines(), Vec::<String>::new());
    assert_eq!(names(place.dir.path()), ["index", "repository", "source", "target"]);
    let Node::Directory { summary, .. } = &root.node else { panic!() };
    let found = (report.files, report.directories, report.others);
    assert_eq!(found, (summary.files, summary.directories, summary.others));
    assert_eq!(report.bytes_total, report.bytes_written + report.bytes_zeroed);
    assert!(report.bytes_zeroed >= 2_000_000 + 5_000_000, "{report:?}");
    assert_eq!((report.bytes_unchanged, report.removed, report.metadata_changed), (0, 0, 0));
    assert_eq!(report.files_changed, report.files - 3);
    for (name, at_most) in [("hole", 0), ("zeros", 0), ("holes", 400)] {
        let blocks = fs::metadata(target.join(name)).unwrap().blocks();
        assert!(blocks <= at_most, "{name} takes {blocks} blocks");
    }
}

/// The comparison that the other tests rest on sees each of these.
#[test]
fn the_comparison_sees_every_difference() {
    let place = Place::new();
    let source = place.path("source");
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 9] = [
        ("content", |root| fs::write(root.join("noise-1"), b"!").unwrap()),
        ("mode", |root| set_mode(&root.join("noise-4096"), 0o777)),
        ("time", |root| set_mtime(&root.join("noise-1"), -5_000_000_000, 2)),
        ("time of a link", |root| set_mtime(&root.join("link"), 77, 8)),
        ("attribute", |root| xattr::set(root.join("noise-128"), "user.small", b"other").unwrap()),
        ("link", |root| {
            fs::remove_file(root.join("dangling")).unwrap();
            symlink("/nowhere", root.join("dangling")).unwrap();
        }),
        ("hard link", |root| {
            let bytes = fs::read(root.join("linked-b")).unwrap();
            let time = fs::metadata(root.join("linked-b")).unwrap();
            fs::remove_file(root.join("linked-b")).unwrap();
            fs::write(root.join("linked-b"), bytes).unwrap();
            set_mtime(&root.join("linked-b"), time.mtime(), time.mtime_nsec());
        }),
        ("missing", |root| fs::remove_dir(root.join("sub/empty")).unwrap()),
        ("extra", |root| fs::write(root.join("sub/extra"), b"").unwrap()),
    ];
    everything(&source);
    for (name, change) in changes {
        let before = describe(&source);
        change(&source);
        assert_ne!(before, describe(&source), "{name}");
    }
}

#[test]
fn a_day_of_changed_pages_comes_back_from_its_deltas() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    pages(&source.join("data.db"), 1, 2000);
    let first = place.take(&source);
    let day_one = describe(&source);
    let mut bytes = fs::read(source.join("data.db")).unwrap();
    for page in (5..2000).step_by(7) {
        bytes[page * 4096 + 100..page * 4096 + 108].copy_from_slice(b"changed!");
    }
    fs::write(source.join("data.db"), &bytes).unwrap();
    let second = place.take(&source);
    assert!(place.deltas.load(Ordering::Relaxed) > 200);
    let reader = place.reader();
    new(&reader, &first, &place.path("one")).unwrap();
    new(&reader, &second, &place.path("two")).unwrap();
    assert_same(&day_one, &describe(&place.path("one")));
    assert_same(&describe(&source), &describe(&place.path("two")));
    let report = over(&reader, &second, &place.path("one")).unwrap();
    assert_same(&describe(&source), &describe(&place.path("one")));
    assert_eq!(report.bytes_written, (5..2000).step_by(7).count() as u64 * 4096);
}

#[test]
fn more_files_than_a_batch_holds() {
    let place = Place::new();
    let source = place.path("source");
    for folder in 0..20 {
        fs::create_dir_all(source.join(folder.to_string())).unwrap();
        for file in 0..500 {
            let seed = folder * 1000 + file;
            fs::write(source.join(format!("{folder}/{file}")), noise(seed, 50 + seed as usize % 900)).unwrap();
        }
        fs::hard_link(source.join("0/0"), source.join(format!("{folder}/linked"))).unwrap();
    }
    let root = place.take(&source);
    new(&place.reader(), &root, &place.path("target")).unwrap();
    assert_same(&describe(&source), &describe(&place.path("target")));
}

#[test]
fn one_path_comes_back_alone() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    let root = place.take(&source);
    let reader = place.reader();
    for path in ["noise-129", "noise-0", "sub/large", "hole", "link", "fifo", "sub", "sub/empty", "linked-a"] {
        let entry = find(&reader, &root, path.as_bytes()).unwrap();
        let target = place.path("target");
        new(&reader, &entry, &target).unwrap();
        assert_same(&describe(&source.join(path)), &describe(&target));
        assert_eq!(names(place.dir.path()), ["index", "repository", "source", "target"]);
        if target.is_dir() && !target.is_symlink() {
            fs::remove_dir_all(target).unwrap();
        } else {
            assert_eq!(error_of(new(&reader, &entry, &target)).kind(), ErrorKind::Refused);
            fs::remove_file(target).unwrap();
        }
    }
    assert_eq!(find(&reader, &root, b"").unwrap(), root);
    assert_eq!(find(&reader, &root, b"/sub/").unwrap(), find(&reader, &root, b"sub").unwrap());
    for path in ["absent", "sub/absent", "noise-1/below", "link/below"] {
        let error = error_of(find(&reader, &root, path.as_bytes()));
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(path), "{error}");
    }
    assert_eq!(error_of(find(&reader, &root, b"sub/..")).kind(), ErrorKind::Usage);
}

#[test]
fn only_nothing_or_an_empty_folder_is_restored_to() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), b"x").unwrap();
    let root = place.take(&source);
    let reader = place.reader();
    let taken = place.path("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("mine"), b"mine").unwrap();
    fs::write(place.path("a-file"), b"mine").unwrap();
    symlink("taken", place.path("a-link")).unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    for name in ["taken", "a-file", "a-link", "dangling"] {
        assert_eq!(error_of(new(&reader, &root, &place.path(name))).kind(), ErrorKind::Refused, "{name}");
    }
    assert!(error_of(new(&reader, &root, &taken)).to_string().contains("target not empty"));
    assert_eq!(error_of(new(&reader, &root, &place.path("no/such/parent"))).kind(), ErrorKind::Failed);
    let before = names(place.dir.path());
    assert_eq!(before, ["a-file", "a-link", "dangling", "index", "repository", "source", "taken"]);
    assert_eq!((names(&taken), fs::read(place.path("a-file")).unwrap()), (vec!["mine".into()], b"mine".to_vec()));
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    new(&reader, &root, &empty.join(".")).unwrap();
    assert_same(&describe(&source), &describe(&empty));
}

#[test]
fn what_a_killed_restore_left_is_removed_by_the_next() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    let root = place.take(&source);
    fs::create_dir_all(place.path(".target.snaphold-partial-0000/sub")).unwrap();
    fs::write(place.path(".target.snaphold-partial-0000/sub/file"), b"half").unwrap();
    fs::create_dir_all(place.path(".other.snaphold-partial-0000")).unwrap();
    new(&place.reader(), &root, &place.path("target")).unwrap();
    assert_eq!(names(place.dir.path()), [".other.snaphold-partial-0000", "index", "repository", "source", "target"]);
}

#[test]
fn a_file_that_is_missing_from_the_snapshot_is_told_and_left_out() {
    let place = Place::new();
    let metadata = Metadata { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    let node = Node::Unreadable { reason: "Permission denied".into() };
    let root = place.craft(vec![Entry { name: b"secret".to_vec(), metadata, node: node.clone() }]);
    let (reader, told, target) = (place.reader(), Told::default(), place.path("target"));
    restore_new(&reader, &root, &target, &told).unwrap();
    assert_eq!(names(&target), Vec::<String>::new());
    assert!(told.lines().iter().any(|line| line.contains("secret") && line.contains("Permission denied")));
    // In place, what the snapshot does not know of stays as it is.
    fs::write(target.join("secret"), b"mine").unwrap();
    over(&reader, &root, &target).unwrap();
    assert_eq!(fs::read(target.join("secret")).unwrap(), b"mine");
    let alone = find(&reader, &root, b"secret").unwrap();
    assert_eq!(error_of(restore_new(&reader, &alone, &place.path("alone"), &Silent)).kind(), ErrorKind::Refused);
}
