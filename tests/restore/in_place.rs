//! Restoring over what is there.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use snaphold::error::ErrorKind;
use snaphold::format::tree::Entry;
use snaphold::ops::Silent;
use snaphold::ops::restore::{ChangeKind, RestoreReport, find, incomplete_restore};
use snaphold::repo::Reader;

use super::support::{Place, assert_same, describe, error_of, names, noise};
use super::trees::{everything, pages, set_mode, set_mtime, sparse};
use super::{mark, over, plan};

/// Plans, and checks that this changed nothing; applies, and checks that it did what was planned, no more and no less.
#[track_caller]
fn restore_as_planned(reader: &Reader, root: &Entry, target: &Path) -> RestoreReport {
    let before = describe(target);
    let planned = plan(reader, root, target).unwrap();
    assert_same(&before, &describe(target));
    let expected = planned.report;
    let report = planned.apply(reader, &mark(), &Silent).unwrap();
    assert_eq!(report, expected);
    assert_eq!(report.bytes_total, report.bytes_written + report.bytes_unchanged + report.bytes_zeroed);
    let again = plan(reader, root, target).unwrap();
    assert!(again.is_empty(), "{:#?}", again.changes());
    assert_eq!((again.report.bytes_written, again.report.bytes_zeroed), (0, 0));
    assert_eq!(incomplete_restore(target).unwrap(), None);
    report
}

#[test]
fn what_is_right_already_is_left_alone() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    let root = place.take(&source);
    let inode =
        |name: &str| fs::symlink_metadata(source.join(name)).map(|stat| (stat.ino(), stat.ctime_nsec())).unwrap();
    let before = ["noise-1", "sub/large", "link", "fifo", "sub", "linked-b"].map(inode);
    let report = restore_as_planned(&place.reader(), &root, &source);
    assert_eq!(before, ["noise-1", "sub/large", "link", "fifo", "sub", "linked-b"].map(inode));
    assert_eq!((report.files_changed, report.removed, report.metadata_changed, report.bytes_written), (0, 0, 0, 0));
    assert_eq!(report.bytes_unchanged, report.bytes_total);
    assert_eq!(names(place.dir.path()), ["index", "repository", "source"]);
}

fn disturb(root: &Path) {
    fs::write(root.join("noise-1"), b"longer than before").unwrap();
    fs::write(root.join("noise-129"), b"").unwrap();
    fs::remove_file(root.join("noise-4095")).unwrap();
    let large = File::options().write(true).open(root.join("sub/large")).unwrap();
    large.write_all_at(b"changed", 1_000_000).unwrap();
    large.set_len(2_900_000).unwrap();
    let pages = File::options().write(true).open(root.join("sub/pages.db")).unwrap();
    pages.write_all_at(b"changed", 8192 + 50).unwrap();
    pages.set_len(800 * 4096 + 5000).unwrap();
    File::options().write(true).open(root.join("hole")).unwrap().write_all_at(&noise(9, 10_000), 300_001).unwrap();
    File::options().write(true).open(root.join("ones")).unwrap().write_all_at(&[2], 1_000_000).unwrap();
    File::options().write(true).open(root.join("holes")).unwrap().set_len(2_030_000).unwrap();
    fs::write(root.join("zeros"), b"").unwrap();
    // Of another kind.
    fs::remove_file(root.join("noise-127")).unwrap();
    fs::create_dir_all(root.join("noise-127/with/content")).unwrap();
    fs::write(root.join("noise-127/with/content/file"), b"x").unwrap();
    fs::remove_dir(root.join("sub/empty")).unwrap();
    fs::write(root.join("sub/empty"), b"a file").unwrap();
    fs::remove_file(root.join("fifo")).unwrap();
    symlink("noise-1", root.join("fifo")).unwrap();
    fs::remove_file(root.join("link")).unwrap();
    fs::write(root.join("link"), b"a file").unwrap();
    fs::remove_file(root.join("dangling")).unwrap();
    symlink("/nowhere/else", root.join("dangling")).unwrap();
    // Too much.
    fs::create_dir_all(root.join("extra/sub")).unwrap();
    fs::write(root.join("extra/sub/file"), b"x").unwrap();
    symlink("/", root.join("extra/sub/root")).unwrap();
    fs::write(root.join("sub/extra"), b"x").unwrap();
    // Metadata.
    set_mode(&root.join("noise-4096"), 0o600);
    set_mtime(&root.join("noise-100000"), 1, 1);
    set_mtime(&root.join("link-bytes"), 1, 1);
    xattr::remove(root.join("noise-128"), "user.small").unwrap();
    xattr::set(root.join("noise-0"), "user.extra", b"1").unwrap();
    xattr::remove(root.join("sub"), "system.posix_acl_default").unwrap();
    xattr::set(root.join("level-0"), "user.extra", b"1").unwrap();
    // Links: one name has a file of its own, two others have one between them that is of no group.
    fs::remove_file(root.join("linked-b")).unwrap();
    fs::write(root.join("linked-b"), b"alone").unwrap();
    fs::remove_file(root.join("\u{e9}")).unwrap();
    fs::hard_link(root.join(" "), root.join("\u{e9}")).unwrap();
}

#[test]
fn whatever_was_changed_comes_back() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    let expected = describe(&source);
    let root = place.take(&source);
    disturb(&source);
    let report = restore_as_planned(&place.reader(), &root, &source);
    assert_same(&expected, &describe(&source));
    assert!(report.bytes_written < 2_600_000, "{report:?}");
    assert_eq!(names(place.dir.path()), ["index", "repository", "source"]);
}

#[test]
fn another_tree_becomes_this_one() {
    let place = Place::new();
    let (one, two) = (place.path("one"), place.path("two"));
    everything(&one);
    fs::create_dir_all(two.join("sub")).unwrap();
    fs::write(two.join("sub/pages.db"), b"short").unwrap();
    fs::write(two.join("own"), noise(5, 40_000)).unwrap();
    let (was_one, was_two) = (describe(&one), describe(&two));
    let (first, second) = (place.take(&one), place.take(&two));
    let reader = place.reader();
    restore_as_planned(&reader, &second, &one);
    assert_same(&was_two, &describe(&one));
    restore_as_planned(&reader, &first, &one);
    assert_same(&was_one, &describe(&one));
}

#[test]
fn a_byte_costs_a_page_and_a_plan_says_where() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    pages(&source.join("data.db"), 1, 1000);
    fs::write(source.join("other"), noise(2, 100_000)).unwrap();
    let root = place.take(&source);
    let file = File::options().write(true).open(source.join("data.db")).unwrap();
    file.write_all_at(b"!", 500 * 4096 + 17).unwrap();
    fs::write(source.join("extra"), b"").unwrap();
    set_mode(&source.join("other"), 0o600);
    let reader = place.reader();
    let planned = plan(&reader, &root, &source).unwrap();
    let changes: Vec<(String, ChangeKind)> =
        planned.changes().into_iter().map(|change| (change.path.display().to_string(), change.kind)).collect();
    let expected = [
        ("", ChangeKind::Metadata),
        ("data.db", ChangeKind::Change),
        ("extra", ChangeKind::Remove),
        ("other", ChangeKind::Metadata),
    ];
    assert_eq!(changes, expected.map(|(path, kind)| (path.to_string(), kind)));
    let json = serde_json::to_value(&planned).unwrap();
    assert_eq!(json["bytes_written"], 4096);
    let report = planned.apply(&reader, &mark(), &Silent).unwrap();
    assert_eq!((report.bytes_written, report.files_changed, report.removed), (4096, 1, 1));
    assert_eq!(report.bytes_unchanged, report.bytes_total - 4096);
}

/// Contents that are cut into chunks, runs and holes at many places, against each other.
#[test]
fn a_chunk_that_changes_behind_the_plan_comes_back_all_the_same() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    pages(&source.join("data.db"), 1, 1000);
    let root = place.take(&source);
    let expected = describe(&source);
    let file = File::options().write(true).open(source.join("data.db")).unwrap();
    for page in [100, 500, 501, 900] {
        file.write_all_at(b"before", page * 4096 + 17).unwrap();
    }
    let reader = place.reader();
    let planned = plan(&reader, &root, &source).unwrap();
    // Elsewhere in a chunk that is to be written, and in the bytes that are.
    file.write_all_at(b"behind", 500 * 4096 + 3000).unwrap();
    file.write_all_at(b"behind", 900 * 4096 + 17).unwrap();
    file.write_all_at(&noise(3, 12_000), 100 * 4096 + 500).unwrap();
    planned.apply(&reader, &mark(), &Silent).unwrap();
    assert_same(&expected, &describe(&source));
}

#[test]
fn any_content_becomes_any_other() {
    let place = Place::new();
    let (source, target) = (place.path("source"), place.path("target"));
    fs::create_dir(&source).unwrap();
    fs::create_dir(&target).unwrap();
    let mut numbers = noise(77, 1 << 16).into_iter().map(usize::from);
    let mut next = move |below: usize| (numbers.next().unwrap() * 256 + numbers.next().unwrap()) % below;
    for file in 0..150 {
        let paths = [source.join(file.to_string()), target.join(file.to_string())];
        let mut content = Vec::new();
        for _ in 0..next(6) {
            match next(4) {
                0 => content.extend(noise(next(1000) as u64, next(60_000))),
                1 => content.resize(content.len() + next(60_000), 0),
                2 => content.resize(content.len() + next(60_000), 7),
                _ => content.extend("line of text\n".repeat(next(3000)).into_bytes()),
            }
        }
        let mut old = content.clone();
        for _ in 0..next(5) {
            let at = next(old.len() + 1);
            let end = (at + next(30_000)).min(old.len());
            match next(5) {
                0 => old.truncate(at),
                1 => old.extend(noise(3, at)),
                2 => old[at..end].fill(0),
                3 => old[at..end].fill(7),
                _ => _ = old.get_mut(at).map(|byte| *byte ^= 1),
            }
        }
        for (path, bytes) in paths.iter().zip([content, old]) {
            let file = File::create(path).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            let grains =
                bytes.chunks(4096).enumerate().filter(|(_, grain)| next(3) > 0 || grain.iter().any(|b| *b != 0));
            for (at, grain) in grains {
                file.write_all_at(grain, at as u64 * 4096).unwrap();
            }
        }
    }
    let root = place.take(&source);
    restore_as_planned(&place.reader(), &root, &target);
    assert_same(&describe(&source), &describe(&target));
}

#[test]
fn zeros_become_holes() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    sparse(&source.join("file"), 8 << 20, &[(0, b"start"), (4 << 20, &noise(1, 100_000))]);
    let root = place.take(&source);
    fs::write(source.join("file"), noise(2, 8 << 20)).unwrap();
    let report = restore_as_planned(&place.reader(), &root, &source);
    let blocks = fs::metadata(source.join("file")).unwrap().blocks();
    assert!(blocks * 512 < 200_000, "{blocks} blocks");
    assert!(report.bytes_written < 200_000 && report.bytes_zeroed > 8_000_000, "{report:?}");
}

#[test]
fn names_outside_of_the_target_keep_what_they_have() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    for name in ["alone", "changed", "a", "b", "mode"] {
        fs::write(source.join(name), noise(1, 10_000)).unwrap();
    }
    fs::remove_file(source.join("b")).unwrap();
    fs::hard_link(source.join("a"), source.join("b")).unwrap();
    let root = place.take(&source);
    let expected = describe(&source);
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["changed", "a", "mode"] {
        fs::hard_link(source.join(name), outside.join(name)).unwrap();
        fs::write(source.join(name), b"now this").unwrap();
    }
    fs::write(source.join("mode"), noise(1, 10_000)).unwrap();
    set_mode(&source.join("mode"), 0o600);
    let kept = describe(&outside);
    let report = restore_as_planned(&place.reader(), &root, &source);
    assert_same(&expected, &describe(&source));
    assert_same(&kept, &describe(&outside));
    assert_eq!(report.bytes_unchanged, 10_000);
}

#[test]
fn links_in_the_target_are_never_followed() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir_all(source.join("folder/sub")).unwrap();
    fs::write(source.join("folder/sub/file"), b"restored").unwrap();
    fs::write(source.join("file"), b"restored").unwrap();
    let root = place.take(&source);
    let expected = describe(&source);
    let outside = place.path("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(outside.join("sub/file"), b"secret").unwrap();
    fs::write(outside.join("sub/other"), b"secret").unwrap();
    let kept = describe(&outside);
    fs::remove_dir_all(source.join("folder")).unwrap();
    symlink(&outside, source.join("folder")).unwrap();
    fs::remove_file(source.join("file")).unwrap();
    symlink(outside.join("sub/file"), source.join("file")).unwrap();
    symlink(&outside, source.join("extra")).unwrap();
    let reader = place.reader();
    restore_as_planned(&reader, &root, &source);
    assert_same(&expected, &describe(&source));
    assert_same(&kept, &describe(&outside));
    symlink(&outside, place.path("link")).unwrap();
    for target in [place.path("link"), place.path("link/")] {
        assert_eq!(error_of(over(&reader, &root, &target)).kind(), ErrorKind::Refused);
    }
    assert_same(&kept, &describe(&outside));
}

/// Between plan and apply the world moves on: what was a folder is a link now. Of so many folders not all are held
/// open, so this one is opened anew.
#[test]
fn a_folder_that_becomes_a_link_behind_the_plan_stops_it() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir_all(source.join("folder")).unwrap();
    fs::write(source.join("folder/file"), b"restored").unwrap();
    let others: Vec<_> = (0..400).map(|number| source.join(format!("other-{number}"))).collect();
    for other in &others {
        fs::create_dir(other).unwrap();
        fs::write(other.join("file"), b"restored").unwrap();
    }
    let root = place.take(&source);
    let outside = place.path("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), b"secret").unwrap();
    let kept = describe(&outside);
    let reader = place.reader();
    for folder in others.iter().chain([&source.join("folder")]) {
        fs::write(folder.join("file"), b"changed").unwrap();
    }
    let planned = plan(&reader, &root, &source).unwrap();
    fs::rename(source.join("folder"), source.join("moved")).unwrap();
    symlink(&outside, source.join("folder")).unwrap();
    assert_eq!(error_of(planned.apply(&reader, &mark(), &Silent)).kind(), ErrorKind::Failed);
    assert_same(&kept, &describe(&outside));
    assert!(incomplete_restore(&source).unwrap().is_some());
    over(&reader, &root, &source).unwrap();
    assert_eq!(names(&source).len(), 401);
    assert_eq!(fs::read(source.join("folder/file")).unwrap(), b"restored");
    assert_same(&kept, &describe(&outside));
}

#[test]
fn one_path_is_restored_among_others() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    let root = place.take(&source);
    let reader = place.reader();
    fs::write(source.join("noise-1"), b"mine").unwrap();
    fs::write(source.join("noise-128"), b"damaged").unwrap();
    fs::write(source.join("sub/text"), b"damaged").unwrap();
    let file = find(&reader, &root, b"noise-128").unwrap();
    restore_as_planned(&reader, &file, &source.join("noise-128"));
    let folder = find(&reader, &root, b"sub").unwrap();
    over(&reader, &folder, &source.join("sub")).unwrap();
    assert_eq!(fs::read(source.join("noise-1")).unwrap(), b"mine");
    assert_eq!(fs::read(source.join("noise-128")).unwrap(), noise(128, 128));
    assert_eq!(fs::read(source.join("sub/text")).unwrap().len(), 1_000_000);
}

#[test]
fn a_target_that_is_not_there_is_made() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    let root = place.take(&source);
    let reader = place.reader();
    let report = over(&reader, &root, &place.path("target")).unwrap();
    assert_same(&describe(&source), &describe(&place.path("target")));
    assert_eq!(report.bytes_unchanged, 0);
    let file = find(&reader, &root, b"noise-129").unwrap();
    over(&reader, &file, &place.path("file")).unwrap();
    assert_same(&describe(&source.join("noise-129")), &describe(&place.path("file")));
}

#[test]
fn what_is_of_another_kind_is_not_restored_over() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), b"x").unwrap();
    let root = place.take(&source);
    let reader = place.reader();
    let file = find(&reader, &root, b"file").unwrap();
    assert_eq!(error_of(over(&reader, &root, &source.join("file"))).kind(), ErrorKind::Refused);
    assert_eq!(error_of(over(&reader, &file, &source)).kind(), ErrorKind::Refused);
    assert_eq!(names(place.dir.path()), ["index", "repository", "source"]);
}
