//! Listings of what is in a snapshot.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use snaphold::error::{Error, Result};
use snaphold::ops::ls::{Listed, list};

use crate::support::*;

fn listed(
    place: &Place,
    manifest: &snaphold::format::manifest::Manifest,
    at: &str,
    recursive: bool,
) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    list(&place.reader(), root(manifest), at.as_bytes(), recursive, &mut |entry| {
        found.push(entry);
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn folders_and_files_are_listed() {
    let place = Place::new();
    let folder = place.path("sample");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    fs::write(folder.join("a/b/file"), noise(1, 70_000)).unwrap();
    fs::write(folder.join("a/z"), b"123").unwrap();
    fs::write(folder.join("a-b"), b"").unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"odd\xff")), b"1").unwrap();
    symlink("a/z", folder.join("link")).unwrap();
    let snapshot = place.folder(&folder);
    let names = |at: &str, recursive| -> Vec<String> {
        listed(&place, &snapshot, at, recursive).unwrap().into_iter().map(|entry| entry.path).collect()
    };
    let top = ["a", "a-b", "link", "odd\u{fffd}"];
    for at in ["", "/", ".", "./"] {
        assert_eq!(names(at, false), top, "{at:?}");
    }
    assert_eq!(names("", true), ["a", "a/b", "a/b/file", "a/z", "a-b", "link", "odd\u{fffd}"]);
    assert_eq!(names("/a/", false), ["a/b", "a/z"]);
    assert_eq!(names("a", true), ["a/b", "a/b/file", "a/z"]);
    for recursive in [false, true] {
        assert_eq!(names("a/z", recursive), ["a/z"]);
        assert_eq!(names("link", recursive), ["link"]);
    }
    let top = listed(&place, &snapshot, "", false).unwrap();
    let about: Vec<_> = top.iter().map(|entry| (&*entry.about.kind, entry.about.size)).collect();
    assert_eq!(about, [("directory", 70_003), ("file", 0), ("symlink", 0), ("file", 1)]);
    assert_eq!(top[2].about.target.as_deref(), Some("a/z"));
    assert_eq!(top[3].path_hex.as_deref(), Some("6f6464ff"));
    let json = serde_json::to_value(&top[2]).unwrap();
    assert_eq!(json["path"], "link");
    assert_eq!(json["kind"], "symlink");
    assert!(json.get("path_hex").is_none() && json.get("reason").is_none() && json["mtime"].is_string());

    for (at, is_usage) in [("b", false), ("a/b/file/x", false), ("link/x", false), ("a/..", true), ("a//z", true)] {
        let error = error_of(listed(&place, &snapshot, at, false));
        assert_eq!(matches!(error, Error::Usage(_)), is_usage, "{at}: {error}");
        assert_eq!(matches!(error, Error::NotFound(_)), !is_usage, "{at}: {error}");
    }
}

#[test]
fn the_visitor_can_stop_a_listing() {
    let place = Place::new();
    fs::create_dir(place.path("sample")).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(place.path("sample").join(name), b"x").unwrap();
    }
    let snapshot = place.folder(&place.path("sample"));
    let mut seen = 0;
    let result = list(&place.reader(), root(&snapshot), b"", true, &mut |_| {
        seen += 1;
        Err(Error::Failed("enough".into()))
    });
    assert_eq!((error_of(result).to_string().as_str(), seen), ("enough", 1));
}
