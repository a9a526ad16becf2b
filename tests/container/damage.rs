//! Damage: a file that was cut short or changed is an error, and never other data than it had.

use snaphold::container::{DumpFormat, DumpPlan, Form, TarWriter, ZstdWriter, write_dump};

use crate::support::*;

/// What a changed file turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Same,
    /// Its first bytes are those of no container any more: one file, kept as it is.
    OtherKind,
    /// Silently other data.
    Different,
}

fn outcome(changed: &[u8], original: &Contents, file_name: &str) -> Outcome {
    match read_all(changed, file_name) {
        Err(_) => Outcome::Refused,
        Ok((_, contents)) if contents == *original => Outcome::Same,
        Ok((Form::Single { .. }, Contents::Single(_, bytes))) if bytes == changed => Outcome::OtherKind,
        Ok(_) => Outcome::Different,
    }
}

#[test]
fn a_dump_that_was_cut_says_so() {
    for name in FIXTURES {
        let whole = fixture(name);
        let fiftieths = (1..50).map(|part| whole.len() * part / 50);
        let beginnings = [5, 6, 10, 20, 50];
        for len in fiftieths.chain(beginnings).chain(whole.len() - 16..whole.len()) {
            let text = complaint(read_all(&whole[..len], name));
            assert!(text.starts_with(&format!("{name} is cut short: ")), "{len}: {text}");
        }
        assert!(read_all(&whole, name).is_ok());
    }
}

#[test]
fn a_tar_that_was_cut_says_so() {
    let whole = tar(&[file("a", &[1; 700]), pax(b'x', &[("path", "b")]), file("x", &[2; 100]), file("c", b"")]);
    for len in 512..whole.len() {
        let text = complaint(read_all(&whole[..len], "x.tar"));
        assert!(text.starts_with("x.tar is cut short: "), "{len}: {text}");
    }
    for (bytes, name) in [(compress_gzip(&whole), "x.tar.gz"), (compress_zstd(&whole, true), "x.tar.zst")] {
        for len in 10..bytes.len() {
            let text = complaint(read_all(&bytes[..len], name));
            assert!(text.starts_with(&format!("{name} is cut short: ")), "{len}: {text}");
        }
        assert_eq!(read_all(&bytes, name).unwrap().1.members().len(), 3);
    }
}

#[test]
fn a_single_compressed_file_that_was_cut_says_so() {
    let plain = b"some text, some more text, and then again some text".repeat(50);
    for (bytes, name) in [(compress_gzip(&plain), "x.sql.gz"), (compress_zstd(&plain, true), "x.sql.zst")] {
        for len in 4..bytes.len() {
            let text = complaint(read_all(&bytes[..len], name));
            assert!(text.contains(" is cut short: "), "{len}: {text}");
        }
        assert_eq!(read_all(&bytes, name).unwrap().1, Contents::Single("x.sql".to_string(), plain.clone()));
    }
}

#[test]
fn a_flipped_bit_never_gives_other_data() {
    for (name, samples) in [("movies-50.dump", 600), ("movies-35.dump", 300), ("northwind-40.dump", 60)] {
        let whole = fixture(name);
        let original = read_all(&whole, name).unwrap().1;
        let mut random = Random(7);
        let header_bits = 0..24 * 8;
        let last_bits = (whole.len() - 8) * 8..whole.len() * 8;
        let others: Vec<usize> = (0..samples).map(|_| random.below(whole.len() * 8)).collect();
        let mut refused = 0;
        for bit in header_bits.chain(last_bits).chain(others) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match outcome(&flipped, &original, name) {
                Outcome::Refused => refused += 1,
                Outcome::Same => {}
                Outcome::OtherKind => assert!(bit / 8 < 4, "{name}, bit {bit}"),
                Outcome::Different => panic!("{name}, bit {bit}: silently other data"),
            }
        }
        assert!(refused >= samples, "{name}: only {refused} flips were noticed");
    }
}

/// The control of the test above: without checksums there are flips that give other data, and it would see them.
#[test]
fn without_a_checksum_flips_do_give_other_data() {
    let mut random = Random(1);
    let bytes: Vec<u8> = (0..2000).map(|_| random.next() as u8).collect();
    let inner = tar(&[file("./neostore", &bytes)]);
    let plain = [b"zstd\0\0\0\x01", &1i64.to_be_bytes()[..], &2000i64.to_be_bytes(), &inner].concat();
    let different = |checksum: bool| {
        let whole = compress_zstd(&plain, checksum);
        let original = read_all(&whole, "x.dump").unwrap().1;
        let flip = |at: usize| {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            outcome(&flipped, &original, "x.dump")
        };
        (0..whole.len()).filter(|&at| flip(at) == Outcome::Different).count()
    };
    assert!(different(false) > 1000);
    assert_eq!(different(true), 0);
}

/// Changes of the kinds that files suffer: bytes overwritten, taken out, put in, doubled, zeroed.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(600)).min(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            4 => bytes[at..end].fill(0),
            _ => {
                // A tar's fields lie in its headers' first bytes: aim at one, and mend the header's sum now and then.
                let block = at / 512 * 512;
                let field = block + random.below(512);
                if let Some(byte) = bytes.get_mut(field) {
                    *byte = *b"\0 07x/.9\xff\x80".get(random.below(10)).unwrap();
                }
                if random.below(2) == 0 && block + 512 <= bytes.len() {
                    let mended = with_checksum(bytes[block..block + 512].to_vec());
                    bytes.splice(block..block + 512, mended);
                }
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

#[test]
fn no_changed_file_makes_it_panic() {
    let mut accepted = [0; 2];
    for name in ["movies-50.dump", "movies-35.dump"] {
        let whole = fixture(name);
        let original = read_all(&whole, name).unwrap().1;
        for seed in 0..400 {
            let mut random = Random(seed);
            let mut changed = whole.clone();
            mutate(&mut changed, &mut random);
            let outcome = outcome(&changed, &original, name);
            assert_ne!(outcome, Outcome::Different, "{name}, seed {seed}");
        }
    }
    // The layers inside, which checksums would keep mutations away from.
    let small = tar(&[
        header(b"./", b'5', 0, b""),
        pax(b'x', &[("path", "dir/long"), ("mtime", "1.5"), ("SCHILY.xattr.user.a", "b")]),
        file("short", &[3; 900]),
        header(b"link", b'2', 0, b"target"),
        header(b"hard", b'1', 0, b"dir/long"),
        header(b"././@LongLink", b'L', 120, b""),
        blocks(&[b'n'; 119]),
        file("nnnn", b"end"),
    ]);
    assert_eq!(read_all(&small, "x.tar").unwrap().1.members().len(), 5);
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let mut changed = small.clone();
        mutate(&mut changed, &mut random);
        accepted[0] += usize::from(read_all(&changed, "x.tar").is_ok());
        if seed % 10 == 0 {
            accepted[1] += usize::from(read_all(&bare_dump(b"zstd", 1, 2, 903, &changed), "x.dump").is_ok());
        }
    }
    assert!(accepted[0] > 100, "hardly any mutation passes the checksums: {accepted:?}");
    assert_eq!(accepted[1], 0, "links are not accepted in a dump");
}

#[test]
fn nothing_is_read_after_an_error() {
    let broken = tar(&[file("a", b"1"), file("../b", b"2"), file("c", b"3")]);
    let opened = snaphold::container::open(Box::new(std::io::Cursor::new(broken)), "x.tar").unwrap();
    let snaphold::container::Body::Members(mut members) = opened.body else { panic!("one file") };
    assert!(members.next_member().unwrap().is_some());
    for _ in 0..3 {
        assert!(members.next_member().is_err());
        assert!(members.read(&mut [0; 8]).is_err());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_corrupt_one() {
    struct Breaking(std::io::Cursor<Vec<u8>>, usize);
    impl std::io::Read for Breaking {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            if self.0.position() as usize >= self.1 {
                return Err(std::io::Error::other("the cable was pulled"));
            }
            let room = buf.len().min(self.1 - self.0.position() as usize);
            self.0.read(&mut buf[..room])
        }
    }
    let whole = fixture("northwind-40.dump");
    for at in (0..whole.len()).step_by(whole.len() / 12) {
        let input = Breaking(std::io::Cursor::new(whole.clone()), at);
        let error = read_stream(Box::new(input), "northwind-40.dump").unwrap_err();
        assert!(matches!(&error, snaphold::error::Error::Source { .. }), "{at}: {error:?}");
        assert!(error.to_string().contains("the cable was pulled"));
    }
}

#[test]
fn an_export_that_broke_off_is_taken_for_nothing() {
    let plan = DumpPlan::<()>::new(Vec::new()).unwrap();
    let empty = write_dump(Vec::new(), "x.dump", &plan, DumpFormat::Current, 1, 1, |_, _| Ok(())).unwrap();
    assert_eq!(read_all(&empty, "x.dump").unwrap().1.members().len(), 1);
    assert!(complaint(read_all(&empty[..empty.len() - 1], "x.dump")).contains("is cut short"));

    let mut tar = TarWriter::new(ZstdWriter::new(Vec::new(), 1, 1).unwrap(), "x.tar.zst");
    let (name, kind) = (path("a"), snaphold::container::MemberKind::File { len: 5 });
    assert!(tar.append_from(&name, &metadata(0o644), &kind, &mut &b"1234"[..]).is_err());
    assert!(tar.append_from(&name, &metadata(0o644), &kind, &mut &b"12345"[..]).is_err());
    assert!(tar.finish().is_err());
}
