//! A data set as a replica is given it.

use std::io::{self, BufReader, Read};

use crate::error::{Error, Result};

use super::resp::{Client, Endpoint, Reply, Stream};

/// Length of the mark at the end of a dump whose length is not known.
const MARK: usize = 40;
const WINDOW: usize = 1 << 18;

/// A dump that is about to come. The server has forked: its point in time is fixed.
pub struct Transfer {
    stream: BufReader<Stream>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It has so many bytes.
    Length(u64),
    /// It ends with this mark.
    Mark([u8; MARK]),
}

/// Why there is none.
pub enum Refusal {
    /// The server lets nobody replicate, or not this user.
    NotAllowed(Error),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Failed(error)
    }
}

/// Asks for the data set, and waits for its beginning.
pub fn begin(endpoint: &Endpoint) -> Result<Transfer, Refusal> {
    let mut client = Client::connect(endpoint)?;
    // No errors: older servers do not know the second, and write what changed meanwhile behind the dump, which is not read.
    for words in [[&b"REPLCONF"[..], b"capa", b"eof"], [&b"REPLCONF"[..], b"rdb-only", b"1"]] {
        client.ask(&words)?;
    }
    let psync: [&[u8]; 3] = [b"PSYNC", b"?", b"-1"];
    match client.ask(&psync)? {
        Reply::Simple(text) if text.starts_with("FULLRESYNC") => {}
        Reply::Error(text) if text.starts_with("NOPERM") || text.starts_with("ERR unknown command") => {
            return Err(Refusal::NotAllowed(client.refused(&psync, &text)));
        }
        Reply::Error(text) => return Err(client.refused(&psync, &text).into()),
        other => {
            let error = format!("{} answers PSYNC with {}", endpoint.shown, other.to_text());
            return Err(Error::Failed(error).into());
        }
    }
    let line = client.line()?;
    let form = match line.strip_prefix('$') {
        Some(rest) => match rest.strip_prefix("EOF:") {
            Some(mark) => mark.as_bytes().try_into().ok().map(Form::Mark),
            None => rest.parse().ok().map(Form::Length),
        },
        None => None,
    };
    match form {
        Some(form) => Ok(Transfer { stream: client.into_stream(), form }),
        None => Err(Error::Failed(format!("{} sends no data set: {line}", endpoint.shown)).into()),
    }
}

impl Transfer {
    /// The connection, to break it off.
    pub fn stream(&self) -> &Stream {
        self.stream.get_ref()
    }

    /// The dump.
    pub fn into_reader(self) -> TransferReader {
        let left = match self.form {
            Form::Length(len) => Some(len),
            Form::Mark(_) => None,
        };
        TransferReader { stream: self.stream, form: self.form, left, window: Vec::new(), at: 0, ready: 0, ended: false }
    }
}

/// Reads a dump to its end. A connection that ends before is an error.
pub struct TransferReader {
    stream: BufReader<Stream>,
    form: Form,
    /// Bytes that are left, where that is known.
    left: Option<u64>,
    window: Vec<u8>,
    at: usize,
    /// Up to here the window is not the mark.
    ready: usize,
    ended: bool,
}

impl TransferReader {
    fn counted(&mut self, to: &mut [u8], left: u64) -> io::Result<usize> {
        let wanted = to.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = match to.get_mut(..wanted) {
            Some(to) if wanted > 0 => self.stream.read(to)?,
            _ => return Ok(0),
        };
        if read == 0 {
            return Err(early());
        }
        self.left = Some(left - read as u64);
        Ok(read)
    }

    /// Reads more behind what may be the mark's beginning.
    fn fill(&mut self, mark: &[u8; MARK]) -> io::Result<()> {
        self.window.drain(..self.at);
        self.at = 0;
        let before = self.window.len();
        self.window.resize(before + WINDOW, 0);
        let read = match self.window.get_mut(before..) {
            Some(room) => self.stream.read(room)?,
            None => 0,
        };
        self.window.truncate(before + read);
        if read == 0 {
            return Err(early());
        }
        self.ready = self.window.len().saturating_sub(MARK);
        self.ended = self.window.ends_with(mark);
        Ok(())
    }
}

fn early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server broke the transfer off")
}

impl Read for TransferReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mark = match (self.form, self.left) {
            (Form::Mark(mark), _) => mark,
            (Form::Length(_), left) => return self.counted(to, left.unwrap_or_default()),
        };
        while self.at >= self.ready {
            if self.ended || to.is_empty() {
                return Ok(0);
            }
            self.fill(&mark)?;
        }
        let present = self.window.get(self.at..self.ready).unwrap_or_default();
        let len = present.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..len), present.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn read(form: Form, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
        let (mut there, here) = UnixStream::pair().unwrap();
        let transfer = Transfer { stream: BufReader::new(Stream::Unix(here)), form };
        std::thread::scope(|scope| {
            // Who has read to the end does not wait for what stands behind it.
            scope.spawn(move || pieces.iter().all(|piece| there.write_all(piece).is_ok()));
            let mut read = Vec::new();
            transfer.into_reader().read_to_end(&mut read).map(|_| read)
        })
    }

    #[test]
    fn a_dump_ends_where_its_length_or_mark_says() {
        let mark = [b'm'; MARK];
        let dump = [b'd'; 1000];
        assert_eq!(read(Form::Length(1000), &[&dump, b"more"]).unwrap(), dump);
        assert_eq!(read(Form::Length(0), &[b""]).unwrap(), b"");
        for cut in [0, 1, 39, 40] {
            let (begin, end) = mark.split_at(cut);
            assert_eq!(read(Form::Mark(mark), &[&dump, begin, end]).unwrap(), dump);
        }
    }

    #[test]
    fn a_dump_that_breaks_off_is_an_error() {
        assert!(read(Form::Length(1001), &[&[b'd'; 1000]]).is_err());
        assert!(read(Form::Mark([b'm'; MARK]), &[&[b'd'; 1000], &[b'm'; MARK - 1]]).is_err());
    }
}
