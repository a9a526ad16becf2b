use super::*;

fn payload(path: &str, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut digest = flate2::Crc::new();
    digest.update(bytes);
    let mut chunk = head(path, b'P');
    chunk.extend((bytes.len() as u64).to_le_bytes());
    chunk.extend(offset.to_le_bytes());
    chunk.extend(digest.sum().to_le_bytes());
    chunk.extend(bytes);
    chunk
}

fn head(path: &str, kind: u8) -> Vec<u8> {
    let mut chunk = MAGIC.to_vec();
    chunk.extend([0, kind]);
    chunk.extend((path.len() as u32).to_le_bytes());
    chunk.extend(path.as_bytes());
    chunk
}

fn end(path: &str) -> Vec<u8> {
    head(path, b'E')
}

fn read_all(stream: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = tempfile::Builder::new().tempdir().unwrap();
    let mut stream = MbStream::new(stream, folder.path());
    let mut files = Vec::new();
    while let Some(path) = stream.next_file()? {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        files.push((String::from_utf8(path).unwrap(), bytes));
    }
    Ok(files)
}

fn mixed() -> Vec<u8> {
    [
        payload("ib_logfile0", 0, b"log1"),
        payload("a.ibd", 0, b"aaaa"),
        payload("ib_logfile0", 4, b"log2"),
        payload("b.ibd", 0, b"bb"),
        payload("a.ibd", 4, b"AA"),
        end("a.ibd"),
        payload("b.ibd", 2, b"BB"),
        end("empty"),
        payload("c.ibd", 0, b""),
        payload("ib_logfile0", 8, b"log3"),
        end("c.ibd"),
        end("b.ibd"),
        end("ib_logfile0"),
    ]
    .concat()
}

#[test]
fn files_that_come_mixed_are_whole() {
    let mut files = read_all(&mixed()).unwrap();
    files.sort();
    let expected: [(&str, &[u8]); 5] =
        [("a.ibd", b"aaaaAA"), ("b.ibd", b"bbBB"), ("c.ibd", b""), ("empty", b""), ("ib_logfile0", b"log1log2log3")];
    assert_eq!(files, expected.map(|(path, bytes)| (path.to_string(), bytes.to_vec())));
}

#[test]
fn a_stream_that_is_cut_anywhere_but_between_files_is_an_error() {
    let stream = mixed();
    for len in 1..stream.len() {
        assert!(read_all(&stream[..len]).is_err(), "{len} of {}", stream.len());
    }
    // Between files nothing is missing that the stream itself knows of: the tool's end says the rest.
    let two = [payload("a", 0, b"a"), end("a"), payload("b", 0, b"b"), end("b")].concat();
    assert_eq!(read_all(&two[..two.len() / 2]).unwrap().len(), 1);
}

#[test]
fn changed_bytes_are_found() {
    let stream = [payload("a", 0, b"0123456789"), end("a")].concat();
    for at in 0..stream.len() {
        let mut changed = stream.clone();
        changed[at] ^= 0x20;
        // The path has no checksum; a flag that says nothing is ignored.
        let same = read_all(&changed).is_ok_and(|files| files == read_all(&stream).unwrap());
        assert!(!same, "byte {at}");
    }
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let mut long = payload("a", 0, b"x");
    long[15..23].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(read_all(&long).unwrap_err().to_string().contains("too long"));
    assert!(read_all(&[payload("a", 1, b"x"), end("a")].concat()).is_err());
}
