//! Damage in the repository: an export says what is damaged and which file needs it, and leaves nothing that looks
//! whole.

use std::fs;
use std::sync::atomic::Ordering;

use snaphold::error::Error;
use snaphold::ops::export::{ExportFormat, export_to_file};

use crate::support::*;

/// A folder of small files around a large one, and their plain bytes.
fn sample(place: &Place) -> u64 {
    let folder = place.path("sample");
    fs::create_dir_all(folder.join("small")).unwrap();
    for number in 0..200 {
        fs::write(folder.join(format!("small/{number:03}")), noise(number, 5000)).unwrap();
    }
    fs::write(folder.join("large"), text(1000, 20 << 20)).unwrap();
    fs::write(folder.join("neostore"), noise(1001, 8192)).unwrap();
    fs::write(folder.join("neostore.nodestore.db"), noise(1002, 3 << 20)).unwrap();
    200 * 5000 + (20 << 20) + 8192 + (3 << 20)
}

#[test]
fn a_damaged_pack_is_named_with_the_file_that_needs_it() {
    let place = Place::new();
    let bytes = sample(&place);
    let snapshot = place.folder(&place.path("sample"));
    let packs = place.packs();
    assert!(packs.len() > 1);
    let mut noticed = 0;
    for (name, stored) in &packs {
        // The header, the blocks in the beginning, the middle and the end, and the footer.
        let places = [20, 5000, stored.len() / 2, stored.len() * 9 / 10, stored.len() - 40];
        for at in places.into_iter().filter(|at| *at < stored.len()) {
            let mut damaged = stored.clone();
            damaged[at] ^= 1;
            place.storage.overwrite(name, &damaged);
            for format in [ExportFormat::Tar, ExportFormat::TarGz, ExportFormat::Dump] {
                let told = Told::default();
                let error = error_of(place.export_told(&snapshot, format, |_| {}, &told));
                let Error::Damaged { object, detail } = &error else { panic!("{format}, byte {at}: {error}") };
                // Where the footer or the header is damaged the index has left the pack out: its chunks are absent.
                assert!(object.contains(name.leaf()) || object.starts_with("chunk "), "{format}, byte {at}: {error}");
                assert!(detail.contains(" needs it)"), "{format}, byte {at}: {error}");
                assert!(told.bytes.load(Ordering::Relaxed) < bytes);
                noticed += usize::from(object.contains(name.leaf()));
            }
            place.storage.overwrite(name, stored);
        }
    }
    assert!(noticed > 10, "{noticed}");
    // The control: with the packs as they were everything is exported.
    place.export(&snapshot, ExportFormat::Tar).unwrap();
}

#[test]
fn what_stands_before_the_damage_is_exported_and_nothing_looks_whole() {
    let place = Place::new();
    sample(&place);
    let snapshot = place.folder(&place.path("sample"));
    let whole = place.export(&snapshot, ExportFormat::Tar).unwrap().0;
    let (name, stored) = place.packs().into_iter().max_by_key(|(_, stored)| stored.len()).unwrap();
    let mut damaged = stored.clone();
    damaged[stored.len() / 2] ^= 0x80;
    place.storage.overwrite(&name, &damaged);
    let target = place.path("export.tar");
    let mut written = 0;
    let result = export_to_file(&target, false, |out| {
        let staging = place.path("staging");
        let options = snaphold::ops::export::ExportOptions {
            format: ExportFormat::Tar,
            neo4j_format: Default::default(),
            only: None,
            threads: 1,
            staging: &staging,
            item: None,
            dumps: None,
        };
        let mut seen = Seen { out, bytes: Vec::new() };
        let told = Told::default();
        let result = snaphold::ops::export::export_stream(&place.reader(), &snapshot, &options, &mut seen, &told);
        assert!(whole.starts_with(&seen.bytes), "what was written is not the beginning of the export");
        written = seen.bytes.len();
        result
    });
    assert!(matches!(error_of(result), Error::Damaged { .. }));
    assert!(written > 0 && written < whole.len(), "{written} of {}", whole.len());
    let left: Vec<_> = fs::read_dir(place.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("export")), "{left:?}");
}

struct Seen<'a> {
    out: &'a mut dyn std::io::Write,
    bytes: Vec<u8>,
}

impl std::io::Write for Seen<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let len = self.out.write(buf)?;
        self.bytes.extend_from_slice(&buf[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[test]
fn a_target_that_fails_ends_the_export() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(buf.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let place = Place::new();
    sample(&place);
    let snapshot = place.folder(&place.path("sample"));
    let staging = place.path("staging");
    for format in [ExportFormat::Tar, ExportFormat::TarGz, ExportFormat::Dump] {
        let whole = place.export(&snapshot, format).unwrap().0.len();
        for room in [0, 1, whole / 2, whole - 1, whole] {
            let options = snaphold::ops::export::ExportOptions {
                format,
                neo4j_format: Default::default(),
                only: None,
                threads: 2,
                staging: &staging,
                item: None,
                dumps: None,
            };
            let mut out = Full(room);
            let told = Told::default();
            let result = snaphold::ops::export::export_stream(&place.reader(), &snapshot, &options, &mut out, &told);
            match result {
                Ok(report) => assert!(room == whole && report.bytes_written == whole as u64, "{format}, {room}"),
                Err(Error::Target { error, .. }) => {
                    assert!(room < whole && error.kind() == std::io::ErrorKind::StorageFull, "{format}, {room}");
                }
                Err(error) => panic!("{format}, {room}: {error}"),
            }
            assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
        }
    }
}
