//! A connection to a server: Redis' protocol (RESP2), as much of it as is needed here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::source::access::Password;

const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may be on its way. A server that makes a dump sends a newline each second.
const ANSWER: Duration = Duration::from_secs(120);
/// Longest line, and deepest nesting, of an answer.
const LINE_MAX: u64 = 1 << 16;
const DEPTH_MAX: usize = 8;
const BUFFER: usize = 1 << 18;

/// Where a server is, and who to be there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// The user's name.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Password>,
    /// What it is called in errors.
    pub shown: String,
}

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A connection's two ends.
pub enum Stream {
    /// To a host.
    Tcp(TcpStream),
    /// To a socket in the file system.
    Unix(UnixStream),
}

impl Stream {
    /// The same connection.
    pub fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone()?),
            Stream::Unix(stream) => Stream::Unix(stream.try_clone()?),
        })
    }

    /// Ends it, also for whoever waits for bytes of it.
    pub fn shut(&self) {
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// How long to wait for bytes.
    pub fn wait_for(&self, time: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(time)).and(stream.set_write_timeout(Some(time))),
            Stream::Unix(stream) => stream.set_read_timeout(Some(time)).and(stream.set_write_timeout(Some(time))),
        }
    }

    /// This end's address, where it has one.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().ok(),
            Stream::Unix(_) => None,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(buffer),
            Stream::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A word: `OK`.
    Simple(String),
    /// Why not: `NOPERM …`.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// Several.
    Array(Vec<Reply>),
}

impl Reply {
    /// As text, on one line.
    pub fn to_text(&self) -> String {
        match self {
            Reply::Simple(text) => text.clone(),
            Reply::Error(text) => format!("error: {text}"),
            Reply::Integer(number) => number.to_string(),
            Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Reply::Nil => "nothing".into(),
            Reply::Array(replies) => replies.iter().map(Reply::to_text).collect::<Vec<_>>().join("|"),
        }
    }

    /// Its parts, of an array.
    pub fn parts(self) -> Vec<Reply> {
        match self {
            Reply::Array(replies) => replies,
            _ => Vec::new(),
        }
    }
}

/// A connection that somebody is logged in on.
pub struct Client {
    stream: BufReader<Stream>,
    shown: String,
}

impl Client {
    /// Connects and logs in.
    pub fn connect(endpoint: &Endpoint) -> Result<Self> {
        let shown = endpoint.shown.clone();
        let unreached = |error: io::Error| {
            Error::Failed(format!("cannot reach {shown}: {}; does the server run, and listen there?", plain(&error)))
        };
        let stream = match &endpoint.address {
            Address::Tcp(host, port) => Stream::Tcp(connect_tcp(host, *port).map_err(unreached)?),
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).map_err(unreached)?),
        };
        stream.wait_for(ANSWER).map_err(unreached)?;
        let mut client = Self { stream: BufReader::with_capacity(BUFFER, stream), shown: endpoint.shown.clone() };
        client.log_in(endpoint)?;
        Ok(client)
    }

    fn log_in(&mut self, endpoint: &Endpoint) -> Result<()> {
        let shown = &endpoint.shown;
        if let Some(password) = &endpoint.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(endpoint.user.as_deref().map(str::as_bytes));
            words.push(password.expose().as_bytes());
            // An answer may repeat what was sent: it is not shown.
            match self.ask(&words)? {
                Reply::Error(text) if text.contains("without any password") => {}
                Reply::Error(_) => {
                    return Err(Error::Refused(format!(
                        "{shown} does not accept this user and password; correct them"
                    )));
                }
                _ => {}
            }
        }
        match self.ask(&[b"PING"])? {
            Reply::Error(text) if text.starts_with("NOAUTH") => Err(Error::Refused(format!(
                "{shown} wants a password; give it in the URL, by --password-file or SNAPHOLD_SOURCE_PASSWORD"
            ))),
            // A right that is missing, or a dump that is being loaded, is another command's to report.
            _ => Ok(()),
        }
    }

    /// Sends a command and returns the answer, which may be an error.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Reply> {
        self.send(words)?;
        self.answer()
    }

    /// Sends a command that must succeed.
    pub fn call(&mut self, words: &[&[u8]]) -> Result<Reply> {
        match self.ask(words)? {
            Reply::Error(text) => Err(self.refused(words, &text)),
            reply => Ok(reply),
        }
    }

    /// What an error of a command says to a user. Only its name is repeated.
    pub fn refused(&self, words: &[&[u8]], text: &str) -> Error {
        let shown = &self.shown;
        let command = words.first().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
        match text.split(' ').next().unwrap_or_default() {
            "NOPERM" => Error::Refused(format!(
                "{shown} does not let this user run {command}; grant it: ACL SETUSER … +{}",
                command.to_lowercase()
            )),
            "LOADING" | "BUSY" | "MASTERDOWN" | "NOMASTERLINK" => Error::Busy(format!("{shown} cannot yet: {text}")),
            _ => Error::Failed(format!("{shown} refused {command}: {text}")),
        }
    }

    /// Sends a command.
    pub fn send(&mut self, words: &[&[u8]]) -> Result<()> {
        let mut bytes = Vec::new();
        put_command(&mut bytes, words);
        self.send_bytes(&bytes)
    }

    /// Sends commands that are put together already.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = self.stream.get_mut().write_all(bytes);
        sent.map_err(|error| self.lost(&error))
    }

    /// Receives an answer.
    pub fn answer(&mut self) -> Result<Reply> {
        self.nested(DEPTH_MAX)
    }

    fn nested(&mut self, depth: usize) -> Result<Reply> {
        let line = self.line()?;
        let (mark, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        let number = || rest.parse::<i64>().map_err(|_| self.no_redis());
        Ok(match mark {
            "+" => Reply::Simple(rest.to_string()),
            "-" => Reply::Error(rest.to_string()),
            ":" => Reply::Integer(number()?),
            "$" => match u64::try_from(number()?) {
                Ok(len) => Reply::Bulk(self.bulk(len)?),
                Err(_) => Reply::Nil,
            },
            "*" if depth > 0 => match u64::try_from(number()?) {
                Ok(count) => Reply::Array((0..count).map(|_| self.nested(depth - 1)).collect::<Result<_>>()?),
                Err(_) => Reply::Nil,
            },
            _ => return Err(self.no_redis()),
        })
    }

    fn bulk(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.stream).take(len.saturating_add(2)).read_to_end(&mut bytes);
        read.map_err(|error| self.lost(&error))?;
        if bytes.len() as u64 != len.saturating_add(2) {
            return Err(self.lost(&io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.truncate(bytes.len() - 2);
        Ok(bytes)
    }

    /// The next line, without its end. Empty lines, which keep a connection alive, are passed over.
    pub fn line(&mut self) -> Result<String> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut line);
            read.map_err(|error| self.lost(&error))?;
            match line.pop() {
                None => return Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
                Some(b'\n') => {}
                Some(_) => return Err(self.no_redis()),
            }
            let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_string();
            if !text.is_empty() {
                return Ok(text);
            }
        }
    }

    fn lost(&self, error: &io::Error) -> Error {
        Error::Failed(format!("the connection to {} broke off: {}", self.shown, plain(error)))
    }

    fn no_redis(&self) -> Error {
        Error::Failed(format!("{} does not answer as a Redis server does", self.shown))
    }

    /// The connection, to read what comes next as it is.
    pub fn into_stream(self) -> BufReader<Stream> {
        self.stream
    }

    /// The connection's end.
    pub fn stream(&self) -> &Stream {
        self.stream.get_ref()
    }
}

/// Appends a command.
pub fn put_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend_from_slice(word);
        out.extend(b"\r\n");
    }
}

fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// An error without the system's number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".into(),
        io::ErrorKind::UnexpectedEof => "the server closed it".into(),
        io::ErrorKind::NotFound => "there is no such place".into(),
        _ => error.to_string(),
    }
}
