//! Every released format restores: the golden repositories of `tests/golden` are read as if they were a user's.
//!
//! A golden repository is never changed. A new version of the format, or a new thing in it, gets a new one, written by
//! `write.rs`. Its `expected.txt` was reviewed when it was added: it says what the repository holds.

mod account;
mod fixture;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use account::{account, differences};
use snaphold::codec::Effort;
use snaphold::crypto::{Encryption, Secret};
use snaphold::error::{ErrorKind, Result};
use snaphold::format::manifest::{Outcome, SnapshotType};
use snaphold::ops::Silent;
use snaphold::ops::capture::{SnapshotRequest, take_snapshot};
use snaphold::ops::restore::restore_new;
use snaphold::repo::Repository;
use snaphold::storage::LocalFolder;
use tempfile::TempDir;

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The golden repositories, by name.
fn golden() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(golden_folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            _ = fs::copy(entry.path(), target).unwrap()
        }
    }
}

/// A copy of a golden repository: what was released stays as it is.
struct Copy {
    dir: TempDir,
}

impl Copy {
    fn of(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        copy(&golden_folder().join(name).join("repository"), &dir.path().join("repository"));
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open_with(&self, secret: Secret) -> Result<Repository> {
        let storage = Arc::new(LocalFolder::open(self.path("repository"))?);
        Repository::open(storage, &self.path("index"), write::surroundings("reader"), || Ok(secret))
    }

    fn open(&self) -> Repository {
        self.open_with(write::passphrase()).unwrap()
    }
}

fn expected(name: &str) -> String {
    fs::read_to_string(golden_folder().join(name).join("expected.txt")).unwrap()
}

#[test]
fn every_golden_repository_holds_what_it_held() {
    let names = golden();
    assert!(names.iter().any(|name| name == "v1-aes") && names.iter().any(|name| name == "v1-none"), "{names:?}");
    for name in names {
        let found = account(&Copy::of(&name).open()).unwrap();
        let expected = expected(&name);
        let first = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
        assert!(expected == found, "{name}: {first:#?}");
    }
}

/// Without these the tests here would prove less than they say.
#[test]
fn the_golden_repositories_hold_every_form() {
    for name in golden() {
        let text = expected(&name);
        for part in [
            " depth 0 ",
            " depth 1 ",
            " depth 2 ",
            " run ",
            " inline ",
            " empty ",
            "pages of 4096",
            "group Some(",
            "Fifo",
            "link to ",
            "CharDevice",
            "BlockDevice",
            "Unreadable",
            "user.note",
            "Sqlite",
            "Loaded",
            "\nfailed: ",
            "held Some(",
            "removed",
            "waits for Some(",
            "writer writers/",
            "stamp Some(",
            "load, ",
            "safety, ",
            "scheduled, ",
            " 4751 ",
            " -1 ",
        ] {
            assert!(text.contains(part), "{name} holds no {part:?}");
        }
        let counts: Vec<u32> = text
            .lines()
            .find_map(|line| line.strip_prefix("chunks: "))
            .unwrap()
            .split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        assert!(counts.len() == 4 && counts.iter().all(|count| *count > 0), "{name}: {counts:?}");
    }
}

#[test]
fn every_snapshot_of_every_golden_repository_restores() {
    for name in golden() {
        let place = Copy::of(&name);
        let repo = place.open();
        let reader = repo.open_index().unwrap().reader;
        let mut restored = 0;
        for stored in repo.manifests().unwrap().manifests {
            let Outcome::Completed { components } = stored.manifest.outcome else { continue };
            for component in components {
                let target = place.path(&format!("{}-{}", stored.manifest.id, component.name));
                restore_new(&reader, &component.root, &target, &Silent).unwrap();
                assert_eq!(differences(&reader, &component.root, &target).unwrap(), [""; 0], "{name}");
                restored += 1;
            }
        }
        assert!(restored >= 4, "{name}: {restored}");
    }
}

/// A file of the first snapshot restored is what the fixture says, so that not only two readings are compared.
#[test]
fn what_is_restored_is_what_was_stored() {
    for name in golden() {
        let place = Copy::of(&name);
        let repo = place.open();
        let reader = repo.open_index().unwrap().reader;
        for (at, day) in [(0, 1), (1, 2)] {
            let stored = repo.manifests().unwrap().manifests.swap_remove(at);
            let Outcome::Completed { components } = stored.manifest.outcome else { panic!("{:?}", stored.manifest) };
            let target = place.path(&format!("day {day}"));
            restore_new(&reader, &components[0].root, &target, &Silent).unwrap();
            for (path, item) in fixture::tree(day) {
                if let fixture::Item::File { bytes, .. } = item {
                    let path = target.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
                    assert!(fs::read(&path).unwrap() == bytes, "{name} {}", path.display());
                }
            }
        }
    }
}

/// Cuts, ids, recipes and listings are what they were: the same tree is recognised to the last chunk.
#[test]
fn a_new_snapshot_in_a_golden_repository_stores_nothing_twice() {
    for name in golden() {
        let place = Copy::of(&name);
        let repo = place.open();
        let mut before = repo.manifests().unwrap().manifests;
        let Outcome::Completed { components } = before.swap_remove(1).manifest.outcome else { panic!("{name}") };
        let request = SnapshotRequest {
            id: None,
            instance: "another".into(),
            kind: SnapshotType::OnDemand,
            description: None,
            expires_at_ns: None,
            before_restore_of: None,
            effort: Effort::Default,
        };
        let taken =
            take_snapshot(&repo, request, &Silent, |capture| fixture::capture_day(capture, 2)).unwrap().manifest;
        assert_eq!((taken.cost.chunks_new, taken.parent), (0, None), "{name}");
        let Outcome::Completed { components: again } = taken.outcome else { panic!("{name}") };
        assert!(again == components, "{name}: its tree is another one now");
    }
}

#[test]
fn each_secret_opens_and_no_other_does() {
    for name in golden() {
        let place = Copy::of(&name);
        let is_encrypted = place.open().config().encryption == Encryption::Aes256Gcm;
        place.open_with(write::key_file()).unwrap();
        let wrong = place.open_with(Secret::Passphrase(b"golden Passphrase".to_vec().into()));
        match wrong {
            Ok(_) => assert!(!is_encrypted),
            Err(error) => assert!(is_encrypted && error.kind() == ErrorKind::Refused, "{error}"),
        }
    }
}

/// The negative control: any byte of any object that counts, changed, is noticed by the tests above.
#[test]
fn a_changed_byte_anywhere_is_noticed() {
    for name in golden() {
        let place = Copy::of(&name);
        let expected = expected(&name);
        let mut objects = Vec::new();
        for folder in ["packs", "snapshots", "ledger", "condemned", "writers"] {
            files_below(&place.path("repository").join(folder), &mut objects);
        }
        // The first revision of a topic that has a second one says nothing any more.
        objects.retain(|object| !object.ends_with(format!("{}.00000001", superseded_topic(&expected))));
        assert!(objects.len() > 15, "{name}: {objects:?}");
        for object in objects {
            let bytes = fs::read(&object).unwrap();
            for at in [9, bytes.len() / 2, bytes.len() - 30] {
                let mut changed = bytes.clone();
                changed[at] ^= 4;
                fs::write(&object, changed).unwrap();
                let _ = fs::remove_dir_all(place.path("index"));
                let repo = place.open_with(quick_secret(&name)).unwrap();
                let noticed = account(&repo).map_or(true, |found| found != expected);
                assert!(noticed, "{name}: byte {at} of {}", object.display());
            }
            fs::write(&object, bytes).unwrap();
        }
        fs::remove_dir_all(place.path("index")).unwrap();
        assert!(account(&place.open()).unwrap() == expected, "{name}");
    }
}

/// Opens without the passphrase's price.
fn quick_secret(name: &str) -> Secret {
    if name.ends_with("none") { Secret::Nothing } else { write::key_file() }
}

fn superseded_topic(expected: &str) -> &str {
    let topics = expected.lines().filter_map(|line| line.strip_prefix("ledger ")?.split_once('.'));
    let mut second = topics.filter(|(_, rest)| rest.starts_with("2 ")).map(|(topic, _)| topic);
    second.next().unwrap()
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}
