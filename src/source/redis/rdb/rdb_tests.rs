use std::io::Read;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// A server of version 7.0 wrote it: all types, in all encodings that small limits bring about.
const ALL_TYPES: &[u8] = include_bytes!("../../../../tests/fixtures/redis/redis-7.0-all-types.rdb");

fn collected(mut bytes: &[u8]) -> Result<Collected, Fault> {
    let mut collector = Collector::new(Path::new("/tmp"));
    let parsed = parse(&mut bytes, &mut collector)?;
    collector.finish(&parsed)
}

fn canonical(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut reader = CanonicalReader::new(collected(bytes)?);
    let mut out = Vec::new();
    match reader.read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(_) => Err(reader.fault().unwrap()),
    }
}

/// An RDB of version 10 with `body`, and the right sum.
fn rdb(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"REDIS0010".to_vec();
    bytes.extend_from_slice(body);
    bytes.push(255);
    summed(bytes)
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = CRC.checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn resummed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len().saturating_sub(8));
    summed(bytes)
}

fn key(code: u8, name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![code, name.len() as u8];
    bytes.extend(name.bytes());
    bytes.extend_from_slice(value);
    bytes
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    output::put_length(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

#[test]
fn an_rdb_of_all_types_is_read_and_written_again() {
    let first = canonical(ALL_TYPES).unwrap();
    assert_eq!(canonical(&first).unwrap(), first);
    let counts = collected(ALL_TYPES).unwrap().counts;
    let lines: Vec<String> = counts.iter().map(|(db, counts)| format!("{db}: {}", counts.to_line())).collect();
    assert_eq!(
        lines,
        [
            "0: 21 keys, 1 of them expire: 9 string, 2 list, 4 set, 2 zset, 2 hash, 2 stream",
            "2: 1 keys, 0 of them expire: 1 string",
            "10: 1 keys, 0 of them expire: 1 string"
        ]
    );
    let names = |bytes: &[u8]| {
        struct Names(Vec<String>);
        impl Visitor for Names {
            fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
                self.0.push(String::from_utf8(shown_name(entry.db, entry.key)).unwrap());
                Ok(())
            }
        }
        let mut names = Names(Vec::new());
        parse(&mut &bytes[..], &mut names).unwrap();
        names.0
    };
    let found = names(first.as_slice());
    assert!(found.is_sorted());
    let mut before = names(ALL_TYPES);
    assert!(!before.is_sorted());
    before.sort();
    assert_eq!(found, before);
    assert!(found.contains(&"0:bin\\xff\\x01key".to_string()), "{found:?}");
}

#[test]
fn the_order_of_keys_and_of_members_does_not_matter() {
    let one = [key(2, "set", &[3, 1, b'a', 0xc0, 7, 1, b'c']), key(0, "x", &[1, b'1']), key(0, "b", &[2, b'o', b'k'])];
    let other =
        [key(0, "b", &[2, b'o', b'k']), key(2, "set", &[3, 1, b'c', 1, b'a', 1, b'7']), key(0, "x", &[0xc0, 1])];
    let aux = |text: &str| [vec![250], string(b"ctime"), string(text.as_bytes())].concat();
    assert_eq!(
        canonical(&rdb(&[aux("1"), one.concat()].concat())).unwrap(),
        canonical(&rdb(&[aux("2"), other.concat()].concat())).unwrap()
    );
    let changed =
        [key(0, "b", &[2, b'o', b'h']), key(2, "set", &[3, 1, b'c', 1, b'a', 1, b'7']), key(0, "x", &[0xc0, 1])];
    assert_ne!(canonical(&rdb(&one.concat())).unwrap(), canonical(&rdb(&changed.concat())).unwrap());
}

#[test]
fn old_encodings_are_read() {
    let ziplist = [&[15, 0, 0, 0, 12, 0, 0, 0, 2, 0][..], &[0, 0xf3], &[2, 0xf4], &[0xff]].concat();
    let zipmap = [1, 1, b'a', 2, 1, b'b', b'c', 0, 255];
    let body = [
        key(10, "list", &string(&ziplist)),
        key(13, "hash", &string(&ziplist)),
        key(12, "zset", &string(&ziplist)),
        key(9, "older hash", &string(&zipmap)),
        key(1, "older list", &[2, 1, b'a', 1, b'b']),
        key(3, "older zset", &[2, 1, b'a', 3, b'1', b'.', b'5', 1, b'b', 254]),
        key(14, "newer list", &[&[1][..], &string(&ziplist)].concat()),
        [vec![253, 1, 0, 0, 0], key(0, "seconds", &[1, b'a'])].concat(),
    ]
    .concat();
    let counts = collected(&rdb(&body)).unwrap().counts;
    assert_eq!(counts.get(&0).unwrap().to_line(), "8 keys, 1 of them expire: 1 string, 3 list, 2 zset, 2 hash");
    let mut damaged = ziplist.clone();
    damaged[11] = 0xfe;
    assert!(canonical(&rdb(&key(10, "list", &string(&damaged)))).is_err());
}

#[test]
fn fields_that_expire_and_modules_values_are_carried() {
    let body = [
        key(24, "hash", &[&[9, 0, 0, 0, 0, 0, 0, 0, 2][..], &[0, 1, b'b', 1, b'1'], &[5, 1, b'a', 1, b'2']].concat()),
        [vec![247], vec![0x81, 1, 2, 3, 4, 5, 6, 7, 8], vec![2, 1, 2, 7, 5, 3, b'a', b'b', b'c', 0]].concat(),
        key(7, "module", &[0x81, 1, 2, 3, 4, 5, 6, 7, 8, 1, 5, 3, 1, 2, 3, 4, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0]),
    ]
    .concat();
    let first = canonical(&rdb(&body)).unwrap();
    assert_eq!(canonical(&first).unwrap(), first);
    let counts = collected(&first).unwrap().counts;
    assert_eq!(counts.get(&0).unwrap().to_line(), "2 keys, 0 of them expire: 1 hash, 1 module");
}

#[test]
fn what_a_server_would_not_survive_is_refused() {
    let twice = [key(0, "a", &[1, b'1']), key(0, "a", &[1, b'2'])].concat();
    let listpack = |body: &[u8]| {
        let mut bytes = ((body.len() + 7) as u32).to_le_bytes().to_vec();
        bytes.extend([2, 0]);
        bytes.extend_from_slice(body);
        bytes.push(0xff);
        string(&bytes)
    };
    let sound = listpack(&[0x81, b'a', 2, 0x81, b'b', 2]);
    assert!(canonical(&rdb(&key(16, "h", &sound))).is_ok());
    for (what, body) in [
        ("a key twice", twice),
        ("a member twice", key(2, "s", &[2, 1, b'a', 1, b'a'])),
        ("a field twice", key(4, "h", &[2, 1, b'a', 1, b'1', 1, b'a', 1, b'2'])),
        ("a member of a listpack twice", key(20, "s", &listpack(&[0x81, b'a', 2, 0x81, b'a', 2]))),
        ("a field without value", key(16, "h", &listpack(&[0x81, b'a', 2]))),
        ("a string past the end", key(16, "h", &listpack(&[0x81, b'a', 2, 0xbf, b'b', 2]))),
        ("a wrong length back", key(16, "h", &listpack(&[0x81, b'a', 3, 0x81, b'b', 2]))),
        ("a score that is none", key(5, "z", &[&[1, 1, b'a'][..], &f64::NAN.to_le_bytes()].concat())),
        ("a type of the future", key(99, "k", &[1])),
        ("a compressed bomb", key(0, "k", &[0xc3, 3, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'a', 0xe0])),
        ("a string of 2^60 bytes", key(0, "k", &[0x81, 0x10, 0, 0, 0, 0, 0, 0, 0, b'a'])),
        ("a set of 2^60 members", key(2, "k", &[0x81, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, b'a'])),
    ] {
        assert!(canonical(&rdb(&body)).is_err(), "{what}");
    }
}

#[test]
fn each_cut_and_each_flipped_bit_is_noticed() {
    for len in 0..ALL_TYPES.len() {
        assert!(canonical(&ALL_TYPES[..len]).is_err(), "cut to {len} bytes");
    }
    for at in 0..ALL_TYPES.len() {
        let mut bytes = ALL_TYPES.to_vec();
        bytes[at] ^= 1 << (at % 8);
        assert!(canonical(&bytes).is_err(), "a bit of byte {at}");
    }
    assert!(matches!(canonical(&[ALL_TYPES, b"x"].concat()), Err(Fault::Bad(_))));
    let mut unsummed = ALL_TYPES.to_vec();
    let len = unsummed.len();
    unsummed[len - 8..].fill(0);
    assert_eq!(collected(&unsummed).unwrap().checksum, Checksum::Absent);
    assert_eq!(collected(ALL_TYPES).unwrap().checksum, Checksum::Right);
}

#[test]
fn newer_versions_and_other_files_are_told_apart() {
    let newer = resummed([b"REDIS0099", &ALL_TYPES[9..]].concat());
    assert!(matches!(canonical(&newer), Err(Fault::Newer(detail)) if detail.contains("version 99")));
    for other in [&b""[..], b"REDIS", b"SQLite format 3\0", b"PGDMP\x01\x0e\x00", &[0; 100]] {
        assert!(matches!(canonical(other), Err(Fault::Bad(_))), "{other:?}");
    }
}

#[test]
fn payloads_are_signed() {
    // What a server of version 7.0 gave for DUMP of the string "hello".
    let dumped = b"\x00\x05hello\x0a\x00\x93\xcc\x22\x5f\xb6\x22\xb9\x7d";
    let made = dump_payload(0, b"\x05hello", 10);
    assert_eq!(made[..9], dumped[..9]);
    assert_eq!(CRC.checksum(&made[..9]).to_le_bytes(), made[9..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Wherever an RDB is changed, with its sum set right: it is refused, or read and then written in a form that stays.
    #[test]
    fn changed_rdbs_are_survived(
        changes in proptest::collection::vec((0..ALL_TYPES.len() - 8, any::<u8>()), 1..6),
        cut in proptest::option::of((0..ALL_TYPES.len(), 0..64_usize)),
    ) {
        let mut bytes = ALL_TYPES.to_vec();
        for (at, value) in changes {
            bytes[at] = value;
        }
        if let Some((from, len)) = cut {
            bytes.drain(from..(from + len).min(ALL_TYPES.len()));
        }
        if let Ok(first) = canonical(&resummed(bytes)) {
            prop_assert_eq!(canonical(&first).unwrap(), first);
        }
    }
}
