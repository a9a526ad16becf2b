//! The file that is opened: what was read of it, and whose fault an error is.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::path::RelativePath;
use crate::error::{Error, Result};

/// A reader of any make.
pub(super) type BoxRead = Box<dyn Read + Send>;

/// The largest zstd window that is accepted, as a power of two: 128 MiB, what every decoder takes unless told otherwise.
pub(super) const WINDOW_LOG_MAX: u32 = 27;

/// The library's error inside `error`, or else: the file named `file_name` could not be read.
pub fn read_error(file_name: &str, error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::source(file_name, error))
}

/// The library's error inside `error`, or else: the file named `file_name` could not be written.
pub fn write_error(file_name: &str, error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::target(file_name, error))
}

/// `error` as what a [`Read`] or [`io::Write`] can pass on; [`read_error`] and [`write_error`] take it out again.
pub(super) fn carry(error: Error) -> io::Error {
    io::Error::other(error)
}

/// What all layers of an opened file know of it.
#[derive(Debug)]
pub(super) struct Origin {
    /// The file's name, for messages.
    pub label: String,
    /// Bytes read from the file.
    read: Arc<AtomicU64>,
    /// Whether reading the file itself failed: a decoder's complaint is then a consequence.
    failed: Arc<AtomicBool>,
}

impl Origin {
    pub fn new(label: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { label: label.into(), read: Arc::default(), failed: Arc::default() })
    }

    /// A file inside the file `outer`.
    pub fn within(outer: &Self, path: &RelativePath) -> Arc<Self> {
        let label = format!("{} ({path})", outer.label);
        Arc::new(Self { label, read: outer.read.clone(), failed: outer.failed.clone() })
    }

    /// The file ends where it should not.
    pub fn cut_short(&self, detail: &str) -> Error {
        Error::Failed(format!("{} is cut short: {detail}; fetch it again", self.label))
    }

    /// The file's bytes make no sense.
    pub fn corrupt(&self, detail: &str) -> Error {
        Error::Failed(format!("{} is corrupt: {detail}; fetch it again", self.label))
    }

    /// The file is understood, and not accepted.
    pub fn refused(&self, detail: &str) -> Error {
        Error::Refused(format!("{} is refused: {detail}", self.label))
    }

    /// What a decoder's error means.
    fn explain(&self, error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) if self.failed.load(Ordering::Relaxed) => Error::source(&self.label, error),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.cut_short("its compressed data ends in the middle")
            }
            Err(error) => self.corrupt(&format!("it does not decompress ({error})")),
        }
    }
}

/// The file itself: counts what is read, and notes a failure.
pub(super) struct Input<R> {
    inner: R,
    origin: Arc<Origin>,
}

impl<R: Read> Input<R> {
    pub fn new(inner: R, origin: &Arc<Origin>) -> Self {
        Self { inner, origin: origin.clone() }
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Ok(len) => {
                self.origin.read.fetch_add(len as u64, Ordering::Relaxed);
                Ok(len)
            }
            Err(error) => {
                if error.kind() != ErrorKind::Interrupted {
                    self.origin.failed.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }
}

/// The outside of a stack of decoders: errors become the library's, stay once they came, and expansion has its bound.
pub(super) struct Checked<R> {
    inner: R,
    origin: Arc<Origin>,
    expanded: u64,
    ratio_max: u64,
    broken: bool,
}

impl<R: Read> Checked<R> {
    pub fn new(inner: R, origin: &Arc<Origin>, ratio_max: u64) -> Self {
        Self { inner, origin: origin.clone(), expanded: 0, ratio_max, broken: false }
    }

    fn try_read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let len = read_some(&mut self.inner, buf).map_err(|error| self.origin.explain(error))?;
        self.expanded = self.expanded.saturating_add(len as u64);
        let read = self.origin.read.load(Ordering::Relaxed);
        if self.expanded > read.saturating_mul(self.ratio_max) {
            return Err(self.origin.refused(&format!(
                "{read} bytes of it expand to more than {}, as only a decompression bomb does",
                self.expanded
            )));
        }
        Ok(len)
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.broken {
            return Err(carry(self.origin.corrupt("reading it failed before")));
        }
        self.try_read(buf).map_err(|error| {
            self.broken = true;
            carry(error)
        })
    }
}

/// One `read`, begun again where a signal interrupted it.
pub(super) fn read_some(reader: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buf) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Fills `buf`, or as much of it as there is; says how much that was.
pub(super) fn read_up_to(reader: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_some(reader, rest)? {
            0 => break,
            len => filled += len,
        }
    }
    Ok(filled)
}

/// The first `max` bytes, fewer where there are no more. Grows with what comes, not with `max`.
pub(super) fn read_head(reader: &mut (impl Read + ?Sized), max: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(max).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }

    #[test]
    fn a_failure_of_the_file_is_told_from_a_corrupt_one() {
        let origin = Origin::new("x.gz");
        let input = io::BufReader::new(Input::new(Failing, &origin));
        let mut checked = Checked::new(flate2::bufread::MultiGzDecoder::new(input), &origin, 10);
        let error = read_error("x.gz", checked.read(&mut [0; 10]).unwrap_err());
        assert!(matches!(&error, Error::Source { .. }), "{error:?}");
        assert!(error.to_string().contains("disk on fire"));

        let origin = Origin::new("x.gz");
        let input = io::BufReader::new(Input::new(&b"\x1f\x8b\x08 and then no gzip"[..], &origin));
        let mut checked = Checked::new(flate2::bufread::MultiGzDecoder::new(input), &origin, 10);
        let error = read_error("x.gz", checked.read(&mut [0; 10]).unwrap_err());
        assert!(matches!(&error, Error::Failed(text) if text.starts_with("x.gz is ")), "{error:?}");
        // A decoder may say "the end" after its error; nobody may take that for the end.
        assert!(checked.read(&mut [0; 10]).is_err());
    }

    #[test]
    fn expansion_has_a_bound() {
        let bomb = zstd::encode_all(&vec![0u8; 1 << 20][..], 3).unwrap();
        let read = |ratio_max: u64| {
            let origin = Origin::new("bomb");
            let decoder = zstd::stream::read::Decoder::new(Input::new(&bomb[..], &origin)).unwrap();
            read_head(&mut Checked::new(decoder, &origin, ratio_max), u64::MAX)
        };
        assert_eq!(read(1 << 20).unwrap().len(), 1 << 20);
        let error = read_error("bomb", read(100).unwrap_err());
        assert!(matches!(&error, Error::Refused(text) if text.contains("decompression bomb")), "{error:?}");
    }
}
