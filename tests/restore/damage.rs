//! Damaged data: found before anything is written in place, and before anything looks whole in a new folder.

use std::fs;
use std::path::Path;

use snaphold::error::ErrorKind;
use snaphold::ops::Silent;
use snaphold::ops::restore::incomplete_restore;

use super::support::{Place, assert_same, describe, error_of, names, noise};
use super::trees::pages;
use super::{mark, new, over, plan};

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A repository whose second snapshot needs whole chunks, deltas, recipes and listings.
fn two_days(place: &Place) -> (snaphold::format::tree::Entry, std::collections::BTreeMap<std::path::PathBuf, String>) {
    let source = place.path("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    pages(&source.join("data.db"), 1, 300);
    fs::write(source.join("sub/file"), noise(2, 30_000)).unwrap();
    place.take(&source);
    let mut bytes = fs::read(source.join("data.db")).unwrap();
    for page in (1..300).step_by(3) {
        bytes[page * 4096 + 7] ^= 1;
    }
    fs::write(source.join("data.db"), bytes).unwrap();
    let root = place.take(&source);
    (root, describe(&source))
}

#[test]
fn a_flipped_byte_anywhere_stops_the_restore_and_leaves_nothing() {
    let place = Place::new();
    let (root, expected) = two_days(&place);
    let (target, old) = (place.path("target"), place.path("old"));
    fs::create_dir(&old).unwrap();
    fs::write(old.join("data.db"), noise(9, 200_000)).unwrap();
    fs::write(old.join("mine"), b"mine").unwrap();
    let before = describe(&old);
    let beside = names(place.dir.path());
    let (mut noticed, mut passed) = (0, 0);
    for pack in place.packs() {
        let len = fs::metadata(&pack).unwrap().len() as usize;
        for at in (0..len).step_by(len / 12).chain([len - 1, len - 30]) {
            flip(&pack, at);
            let reader = place.reader();
            match new(&reader, &root, &target) {
                // What only the first day needs.
                Ok(_) => {
                    passed += 1;
                    assert_same(&expected, &describe(&target));
                    fs::remove_dir_all(&target).unwrap();
                }
                Err(error) => {
                    noticed += 1;
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                    let error = error_of(over(&reader, &root, &old));
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                    assert_same(&before, &describe(&old));
                }
            }
            assert_eq!(names(place.dir.path()), beside);
            drop(reader);
            flip(&pack, at);
        }
    }
    assert!(noticed > 40 && passed < noticed / 4, "{noticed} noticed, {passed} passed");
    new(&place.reader(), &root, &target).unwrap();
    assert_same(&expected, &describe(&target));
}

#[test]
fn a_pack_that_is_gone_or_cut_short_is_damage() {
    let place = Place::new();
    let (root, _) = two_days(&place);
    for pack in place.packs() {
        let bytes = fs::read(&pack).unwrap();
        for present in [None, Some(&bytes[..bytes.len() / 2]), Some(&[])] {
            fs::remove_file(&pack).unwrap();
            if let Some(present) = present {
                fs::write(&pack, present).unwrap();
            }
            let error = error_of(new(&place.reader(), &root, &place.path("target")));
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            fs::write(&pack, &bytes).unwrap();
        }
    }
    assert_eq!(names(place.dir.path()), ["index", "repository", "source"]);
    new(&place.reader(), &root, &place.path("target")).unwrap();
}

#[test]
fn a_restore_that_stopped_half_way_says_so_and_is_completed_by_the_next() {
    let place = Place::new();
    let (root, expected) = two_days(&place);
    let target = place.path("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("data.db"), noise(9, 200_000)).unwrap();
    fs::write(target.join("extra"), b"x").unwrap();
    let reader = place.reader();
    let planned = plan(&reader, &root, &target).unwrap();
    // The plan has read all that is needed, and all was well; the disk fails right behind it.
    let packs = place.packs();
    let largest = packs.iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let len = fs::metadata(largest).unwrap().len() as usize;
    flip(largest, len / 2);
    let error = error_of(planned.apply(&reader, &mark(), &Silent));
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(incomplete_restore(&target).unwrap().as_deref(), Some("0123456789abcdef"));
    assert_eq!(names(place.dir.path()), [".target.snaphold-restore", "index", "repository", "source", "target"]);
    assert_eq!(error_of(over(&reader, &root, &target)).kind(), ErrorKind::Damaged);
    assert!(incomplete_restore(&target).unwrap().is_some());
    flip(largest, len / 2);
    over(&reader, &root, &target).unwrap();
    assert_eq!(incomplete_restore(&target).unwrap(), None);
    assert_same(&expected, &describe(&target));
}
