//! Contents that are read ahead are what a plain reader makes of them, one by one.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use snaphold::error::{Error, Result};
use snaphold::format::tree::{Class, Content};
use snaphold::ops::capture::{Captured, RandomRead};
use snaphold::repo::{ContentReader, Piece, read_ahead};

use crate::support::*;

struct Bytes(Vec<u8>);

impl RandomRead for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

const PAGES: Class = Class::Page { page_size: 8192 };

/// Stores page files, the second as deltas against the first, streams, small files, runs; gives what each holds.
fn contents(place: &Place) -> Vec<(Content, Vec<u8>)> {
    let mut all: Vec<(Content, Vec<u8>)> = Vec::new();
    let mut first = text(1, 21 << 20);
    first[3 << 20..9 << 20].fill(0);
    let mut second = first.clone();
    for page in (0..second.len()).step_by(5 * 8192) {
        second[page + 100..page + 116].copy_from_slice(&noise(page as u64, 16));
    }
    place
        .take(|capture| {
            let store = &capture.contents;
            let pages = |bytes: &[u8], base: Option<&Content>| {
                let Captured::Whole(content) = store.pages(&Bytes(bytes.to_vec()), bytes.len() as u64, 8192, base)?
                else {
                    panic!("it shrank")
                };
                Ok::<_, Error>((content, bytes.to_vec()))
            };
            all.push(pages(&first, None)?);
            for len in [0, 1, 128, 129, 5000, 100_000] {
                let bytes = noise(len as u64, len);
                all.push((store.small(&bytes, Class::Stream, None)?, bytes));
            }
            let stream = text(2, 10 << 20);
            all.push((store.stream(&mut &stream[..], "stream", Class::Stream, None)?, stream));
            let zeros = vec![0; 40 << 20];
            all.push((store.stream(&mut &zeros[..], "zeros", PAGES, None)?, zeros));
            Ok(vec![component(capture)?])
        })
        .unwrap();
    // A snapshot later, so that what it is a delta of is stored.
    place
        .take(|capture| {
            let bytes = Bytes(second.clone());
            let base = all[0].0.clone();
            let Captured::Whole(content) = capture.contents.pages(&bytes, second.len() as u64, 8192, Some(&base))?
            else {
                panic!("it shrank")
            };
            all.push((content, second.clone()));
            Ok(vec![component(capture)?])
        })
        .map(|manifest| assert!(manifest.cost.chunks_delta > 300, "{:?}", manifest.cost))
        .unwrap();
    all
}

fn component(capture: &snaphold::ops::capture::Capture<'_>) -> Result<snaphold::format::manifest::Component> {
    let input = Box::new(std::io::Cursor::new(b"x".to_vec()));
    snaphold::source::loaded::capture(capture, "data", input, "x")
}

fn append(bytes: &mut Vec<u8>, piece: Piece<'_>) -> Result<()> {
    let before = bytes.len() as u64;
    piece.each_part(|part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    assert!(bytes.len() as u64 - before == piece.len() && !piece.is_empty());
    Ok(())
}

#[test]
fn any_sequence_of_contents_is_read_as_it_was_stored() {
    let place = Place::new();
    let stored = contents(&place);
    let reader = place.reader();
    for (content, bytes) in &stored {
        assert!(ContentReader::new(&reader, content).read_all().unwrap() == *bytes);
    }
    // Which contents, and how much of each is read before the next is asked for.
    let sequences =
        proptest::collection::vec((0..stored.len(), prop_oneof![3 => Just(u64::MAX), 1 => 0u64..30 << 20]), 0..12);
    TestRunner::new(Config { cases: 24, ..Config::default() })
        .run(&sequences, |sequence| {
            let items = sequence.iter().map(|(at, _)| Ok((*at, stored[*at].0.clone())));
            let read = read_ahead(&reader, items, |stream| {
                for (at, wanted) in &sequence {
                    assert_eq!(stream.next_content()?, Some(*at));
                    let mut bytes = Vec::new();
                    let stopped = stream.read(|piece| {
                        if bytes.len() as u64 >= *wanted {
                            return Err(Error::Failed("enough".into()));
                        }
                        append(&mut bytes, piece)
                    });
                    assert!(stored[*at].1.starts_with(&bytes));
                    assert!(stopped.is_err() || bytes.len() == stored[*at].1.len());
                }
                assert_eq!(stream.next_content()?, None);
                assert_eq!(stream.next_content()?, None);
                Ok(())
            });
            read.map_err(|error| TestCaseError::fail(error.to_string()))
        })
        .unwrap();
}

#[test]
fn many_small_contents_share_windows() {
    let place = Place::new();
    let mut stored = Vec::new();
    place
        .take(|capture| {
            for number in 0..20_000u64 {
                let bytes = noise(number, (number % 700) as usize);
                stored.push((capture.contents.small(&bytes, Class::Stream, None)?, bytes));
            }
            Ok(vec![component(capture)?])
        })
        .unwrap();
    let items = stored.iter().map(|(content, _)| Ok(((), content.clone())));
    read_ahead(&place.reader(), items, |stream| {
        for (_, expected) in &stored {
            stream.next_content()?.unwrap();
            let mut bytes = Vec::new();
            stream.read(|piece| append(&mut bytes, piece))?;
            assert!(bytes == *expected);
        }
        assert!(stream.next_content()?.is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_comes_at_its_place_and_nothing_after_it() {
    let place = Place::new();
    let stored = contents(&place);
    let reader = place.reader();
    let items = (0..4).map(|at| match at {
        2 => Err(Error::Failed("the walk broke".into())),
        at => Ok((at, stored[at].0.clone())),
    });
    let mut seen = Vec::new();
    let result = read_ahead(&reader, items, |stream| {
        while let Some(at) = stream.next_content()? {
            let mut bytes = Vec::new();
            stream.read(|piece| append(&mut bytes, piece))?;
            assert!(bytes == stored[at].1);
            seen.push(at);
        }
        Ok(())
    });
    assert_eq!(error_of(result).to_string(), "the walk broke");
    assert_eq!(seen, [0]);
    // A chunk that no pack holds, behind one that is there.
    let absent = Content::Chunks { root: snaphold::id::ChunkId([7; snaphold::id::CHUNK_ID_LEN]), depth: 0, len: 9000 };
    for depth in [0, 1, 3] {
        let Content::Chunks { root, len, .. } = absent else { unreachable!() };
        let absent = Content::Chunks { root, depth, len };
        let items = [(0, stored[5].0.clone()), (1, absent), (2, stored[6].0.clone())];
        let mut seen = Vec::new();
        let result = read_ahead(&reader, items.into_iter().map(Ok), |stream| {
            while let Some(at) = stream.next_content()? {
                seen.push((at, 0));
                stream.read(|piece| {
                    seen.last_mut().unwrap().1 += piece.len();
                    Ok(())
                })?;
            }
            Ok(())
        });
        assert!(matches!(error_of(result), Error::Damaged { .. }));
        assert_eq!(seen, [(0, stored[5].1.len() as u64), (1, 0)], "depth {depth}");
    }
    // A content whose recipe says another length than it is named with.
    let Content::Chunks { root, depth, len } = stored[0].0 else { panic!("not in chunks") };
    let Content::Chunks { root: chunk, depth: 0, len: chunk_len } = stored[5].0 else { panic!("not one chunk") };
    let wrong = [(root, depth, len - 1), (root, depth, len + 1), (chunk, 0, chunk_len - 1), (chunk, 0, chunk_len + 1)];
    for (root, depth, len) in wrong {
        let content = Content::Chunks { root, depth, len };
        let result = read_ahead(&reader, [Ok(((), content))].into_iter(), |stream| {
            stream.next_content()?;
            stream.read(|_| Ok(()))
        });
        assert!(matches!(error_of(result), Error::Damaged { .. }));
    }
}

#[test]
fn who_gives_up_early_is_not_kept_waiting() {
    let place = Place::new();
    let stored = contents(&place);
    let items = std::iter::repeat_with(|| Ok(((), stored[0].0.clone())));
    let result: Result<()> = read_ahead(&place.reader(), items, |stream| {
        stream.next_content()?;
        Err(Error::Failed("enough".into()))
    });
    assert_eq!(error_of(result).to_string(), "enough");
}
