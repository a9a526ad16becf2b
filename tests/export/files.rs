//! Exports into files: there whole, or not at all.

use std::fs;
use std::path::Path;

use snaphold::error::{Error, ErrorKind};
use snaphold::ops::export::export_to_file;

use crate::support::error_of;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn put(path: &Path, overwrite: bool, bytes: &[u8]) -> snaphold::error::Result<()> {
    export_to_file(path, overwrite, |out| {
        out.write_all(bytes).unwrap();
        Ok(())
    })
}

#[test]
fn the_file_appears_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("movies.dump");
    let told = export_to_file(&path, false, |out| {
        out.write_all(&[7; 1 << 20]).unwrap();
        assert_eq!(names(folder.path()), [".movies.dump.snaphold-partial"]);
        Ok("the report")
    });
    assert_eq!(told.unwrap(), "the report");
    assert_eq!(names(folder.path()), ["movies.dump"]);
    assert!(fs::read(&path).unwrap() == vec![7; 1 << 20]);
}

#[test]
fn a_failure_leaves_nothing_and_what_was_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("movies.dump");
    let fail = |overwrite| {
        export_to_file(&path, overwrite, |out| -> snaphold::error::Result<()> {
            out.write_all(b"half").unwrap();
            Err(Error::Failed("broke".into()))
        })
    };
    assert_eq!(error_of(fail(false)).to_string(), "broke");
    assert!(names(folder.path()).is_empty());
    fs::write(&path, b"old").unwrap();
    assert_eq!(error_of(fail(true)).to_string(), "broke");
    assert_eq!(names(folder.path()), ["movies.dump"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_file_is_replaced_only_when_that_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("movies.dump");
    put(&path, true, b"first").unwrap();
    let error = error_of(export_to_file(&path, false, |_| -> snaphold::error::Result<()> { panic!("it was begun") }));
    assert_eq!(error.kind(), ErrorKind::Refused);
    put(&path, true, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    // It came to be there meanwhile.
    fs::remove_file(&path).unwrap();
    let result = export_to_file(&path, false, |out| {
        out.write_all(b"mine").unwrap();
        fs::write(&path, b"theirs").unwrap();
        Ok(())
    });
    assert_eq!(error_of(result).kind(), ErrorKind::Refused);
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
    assert_eq!(names(folder.path()), ["movies.dump"]);
}

#[test]
fn what_cannot_be_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for overwrite in [false, true] {
        assert_eq!(error_of(put(folder.path(), overwrite, b"x")).kind(), ErrorKind::Refused);
        let error = error_of(put(&folder.path().join("absent/x"), overwrite, b"x"));
        assert!(matches!(error, Error::Target { .. }), "{error}");
        assert!(error_of(put(&folder.path().join(".."), overwrite, b"x")).to_string().contains(".."));
    }
    // A link that leads nowhere is something that is there.
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    assert_eq!(error_of(put(&folder.path().join("link"), false, b"x")).kind(), ErrorKind::Refused);
    assert_eq!(names(folder.path()), ["link"]);
}

#[test]
fn what_was_interrupted_is_written_over_and_what_is_under_way_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("movies.dump");
    fs::write(folder.path().join(".movies.dump.snaphold-partial"), vec![1; 100_000]).unwrap();
    export_to_file(&path, false, |out| {
        out.write_all(b"mine").unwrap();
        // Two descriptors of one process lock each other out just as two processes do.
        assert_eq!(error_of(put(&path, false, b"other")).kind(), ErrorKind::Busy);
        Ok(())
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(names(folder.path()), ["movies.dump"]);
}
