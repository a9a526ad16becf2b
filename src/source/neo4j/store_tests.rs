use super::*;

/// `neostore` as 5.0 and 3.5 wrote it: the first 100 bytes of real files.
const OF_5: &str = "0156243372abc54a9001b6a19f4600c7c4aa00000000000000000000000000000000000001cf1bbcdcb7a56463\
    0101000001762ebf5701a5ca1a38027251880120067265636f72640107616c69676e65640101010000000000000100000000\
    0000000001";
const OF_35: &str = "01000001762ebe14730134ef2e36eed327f10100000000000000000100000000000000180100392e412e30760601\
    ffffffffffffffff01000000000000000b01000000000000000101000001762ebe147301ffffffdab0945d4b010000000000\
    0000000001";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[test]
fn the_format_is_read_from_neostore() {
    assert_eq!(record_format(&bytes(OF_35)), Format::Before5("v0.A.9".into()));
    assert_eq!(record_format(&bytes(OF_5)).to_string(), "record-aligned-1.1");
    for cut in 0..OF_35.len() {
        // Cut or empty: unknown, never a panic.
        let _ = record_format(&bytes(OF_35.get(..cut).unwrap()));
        let _ = record_format(&bytes(OF_5.get(..cut.min(OF_5.len())).unwrap()));
    }
    assert_eq!(record_format(&[]), Format::Unknown);
    assert_eq!(record_format(&[0xff; 108]), Format::Unknown);
}

#[test]
fn the_last_checkpoint_tells_whether_the_logs_hold_more() {
    let record = |kernel: u8, log: u64, at: u64| {
        let mut record = vec![kernel, 9];
        record.extend(log.to_le_bytes());
        record.extend(at.to_le_bytes());
        record.resize(232, 1);
        record
    };
    let file = |records: &[Vec<u8>]| {
        let mut bytes = vec![0; 128];
        bytes[0] = 9;
        records.iter().for_each(|record| bytes.extend(record));
        bytes.resize(1 << 20, 0);
        bytes
    };
    assert_eq!(last_record(&file(&[])), None);
    assert_eq!(last_record(&[200; 500]), None);
    assert_eq!(last_record(&[]), None);
    let both = file(&[record(5, 0, 99), record(20, 1, 184)]);
    let last = last_record(&both).unwrap();
    assert_eq!(last, Checkpoint { kernel: 20, log: 1, at: 184 });

    let dir = tempfile::Builder::new().tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    let closed = || is_end(dir.path(), &last_checkpoint(dir.path()).unwrap().unwrap()).unwrap();
    write("checkpoint.0", &both);
    assert_eq!(closed(), None);
    write("neostore.transaction.db.0", &[1; 300]);
    assert_eq!(closed(), None);
    write("neostore.transaction.db.1", &[1; 184]);
    assert_eq!(closed(), Some(true));
    let mut room = vec![1; 184];
    room.resize(1 << 16, 0);
    write("neostore.transaction.db.1", &room);
    assert_eq!(closed(), Some(true));
    room[184] = 20;
    write("neostore.transaction.db.1", &room);
    assert_eq!(closed(), Some(false));
    room[184] = 0;
    write("neostore.transaction.db.1", &room);
    write("neostore.transaction.db.2", &[1; 300]);
    assert_eq!(closed(), Some(false));
}

#[test]
fn what_neo4j_cannot_open_is_told_beforehand() {
    let info = |format: Format, kernel| StoreInfo { format, kernel, closed: None };
    let record = |flavour: &str| Format::Record { flavour: flavour.into(), version: (1, 1) };
    let old = |name: &str| Format::Before5(name.into());
    // The store, its kernel, the Neo4j, Enterprise, whether it opens it and whether something must be done first.
    let rows = [
        (record("aligned"), Some(20), "5.26.30", false, Ok(false)),
        (record("aligned"), Some(5), "5.26.30", false, Ok(false)),
        (record("aligned"), Some(20), "5.24.0", false, Err("5.25 or newer")),
        (record("aligned"), Some(21), "5.26.30", false, Err("newer Neo4j")),
        (record("aligned"), Some(21), "2025.01.0", false, Ok(false)),
        (record("aligned"), None, "4.4.44", false, Err("cannot open it")),
        (record("high_limit"), Some(20), "5.26.30", false, Err("Enterprise")),
        (record("high_limit"), Some(20), "5.26.30", true, Ok(false)),
        (Format::Block, Some(20), "5.26.30", false, Err("Enterprise")),
        (old("SF4.3.0"), Some(4), "5.26.30", false, Ok(true)),
        (old("SF4.0.0"), None, "5.26.30", false, Err("4.4")),
        (old("v0.A.9"), None, "5.26.30", false, Err("4.4")),
        (old("v0.A.9"), None, "4.4.44", false, Ok(true)),
        (old("SF4.3.0"), Some(4), "4.4.44", false, Ok(false)),
        (old("SF4.3.0"), None, "4.2.1", false, Err("4.3")),
    ];
    for (format, kernel, version, is_enterprise, expected) in rows {
        let told = format!("{format} {kernel:?} {version}");
        match (readable(&info(format, kernel), version, is_enterprise), expected) {
            (Ok(note), Ok(has_note)) => assert_eq!(note.is_some(), has_note, "{told}"),
            (Err(why), Err(word)) => assert!(why.contains(word), "{told}: {why}"),
            (got, _) => panic!("{told}: {got:?}"),
        }
    }
}
