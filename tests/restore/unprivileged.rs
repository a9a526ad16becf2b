//! The same as a user who is not root. Where the tests run as root, this program is started again as `nobody`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use snaphold::error::ErrorKind;
use snaphold::ops::Silent;
use snaphold::ops::restore::{plan_in_place, restore_new};

use super::support::{Place, Told, assert_same, describe, error_of, names, noise};
use super::trees::{everything, is_root, set_mode};
use super::{mark, new, over};

const NOBODY: u32 = 65534;

#[test]
fn a_user_who_is_not_root_restores_what_is_the_users_own() {
    if !is_root() {
        return as_this_user();
    }
    let dir = tempfile::Builder::new().tempdir().unwrap();
    set_mode(dir.path(), 0o777);
    let program = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let child = Command::new(program)
        .args(["--exact", "unprivileged::as_nobody", "--ignored", "--nocapture"])
        .env("TMPDIR", dir.path())
        .current_dir(dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[test]
#[ignore = "started by the test above"]
fn as_nobody() {
    assert!(!is_root());
    as_this_user();
}

fn as_this_user() {
    let place = Place::new();
    let source = place.path("source");
    everything(&source);
    // Folders that even their owner may not write.
    fs::create_dir_all(source.join("locked/inner")).unwrap();
    fs::write(source.join("locked/inner/file"), noise(1, 50_000)).unwrap();
    fs::hard_link(source.join("locked/inner/file"), source.join("zz-linked")).unwrap();
    fs::write(source.join("locked/read-only"), noise(2, 50_000)).unwrap();
    set_mode(&source.join("locked/read-only"), 0o444);
    set_mode(&source.join("locked/inner"), 0o555);
    set_mode(&source.join("locked"), 0o555);
    let expected = describe(&source);
    let root = place.take(&source);
    let (reader, told, target) = (place.reader(), Told::default(), place.path("target"));
    restore_new(&reader, &root, &target, &told).unwrap();
    assert_same(&expected, &describe(&target));
    assert_eq!(told.lines(), Vec::<String>::new());
    for folder in ["locked", "locked/inner"] {
        set_mode(&target.join(folder), 0o755);
    }
    set_mode(&target.join("locked/read-only"), 0o644);
    fs::write(target.join("locked/read-only"), noise(3, 40_000)).unwrap();
    set_mode(&target.join("locked/read-only"), 0o444);
    fs::write(target.join("locked/inner/extra"), b"x").unwrap();
    fs::create_dir(target.join("locked/extra")).unwrap();
    fs::write(target.join("locked/extra/file"), b"x").unwrap();
    for folder in ["locked/extra", "locked/inner", "locked"] {
        set_mode(&target.join(folder), 0o500);
    }
    let planned = plan_in_place(&reader, &root, &target, &Silent).unwrap();
    planned.apply(&reader, &mark(), &told).unwrap();
    assert_same(&expected, &describe(&target));
    // Whose it was cannot be restored; that is said, and no right is given to whom it was not given.
    let mut foreign = root.clone();
    foreign.metadata.uid = 0;
    foreign.metadata.gid = 0;
    foreign.metadata.mode = 0o6755;
    restore_new(&reader, &foreign, &place.path("foreign"), &told).unwrap();
    assert_eq!(fs::metadata(place.path("foreign")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(told.lines().len(), 1, "{:?}", told.lines());
    // A folder that may not be written: an error of the target, and nothing left.
    fs::create_dir(place.path("shut")).unwrap();
    set_mode(&place.path("shut"), 0o555);
    assert_eq!(error_of(new(&reader, &root, &place.path("shut/target"))).kind(), ErrorKind::Failed);
    assert_eq!(error_of(over(&reader, &root, &place.path("shut/target"))).kind(), ErrorKind::Failed);
    assert_eq!(names(&place.path("shut")), Vec::<String>::new());
    for path in [
        "source/locked",
        "source/locked/inner",
        "target/locked",
        "target/locked/inner",
        "foreign/locked",
        "foreign/locked/inner",
    ] {
        set_mode(&place.path(path), 0o755);
    }
    for path in ["source/sub/empty", "target/sub/empty", "foreign/sub/empty"] {
        set_mode(&place.path(path), 0o755);
    }
}
