//! This process as a master, for as long as it takes to hand over one data set.
//!
//! A server that is told to be our replica connects, says the password that it was given for that, and asks for
//! everything. It gets a file that was checked whole before. Who does not know the password gets nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::source::access::Password;

/// How often a thread looks whether it is to stop.
const PAUSE: Duration = Duration::from_millis(20);
/// A replica that does not take bytes for so long is gone.
const STALLED: Duration = Duration::from_secs(120);
/// Longest command of a replica: words, and bytes of a word.
const WORDS_MAX: usize = 16;
const WORD_MAX: u64 = 4096;

/// Hands over one data set.
pub struct Master {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    file: PathBuf,
    replication_id: String,
    secret: Password,
    stop: AtomicBool,
    connections: AtomicUsize,
    asked: AtomicUsize,
    sent: AtomicU64,
    fault: Mutex<Option<String>>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Whether anybody has connected.
    pub is_connected: bool,
    /// Bytes that were sent.
    pub sent: u64,
    /// Why it cannot end well any more.
    pub fault: Option<String>,
}

impl Master {
    /// Listens at `ip` and `port` (0: any that is free), and hands `file` to whoever knows `secret`.
    pub fn start(ip: IpAddr, port: u16, file: PathBuf, replication_id: &str, secret: Password) -> Result<Self> {
        let failed =
            |error: io::Error| Error::Failed(format!("cannot listen at {ip} for the server to connect: {error}"));
        let listener = TcpListener::bind((ip, port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            file,
            replication_id: replication_id.to_string(),
            secret,
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            fault: Mutex::new(None),
        });
        let there = shared.clone();
        let thread = std::thread::Builder::new().name("master".into()).spawn(move || there.listen(&listener));
        Ok(Self { address, shared, thread: Some(thread.map_err(failed)?) })
    }

    /// How far it is.
    pub fn state(&self) -> State {
        State {
            is_connected: self.shared.connections.load(Ordering::Relaxed) > 0,
            sent: self.shared.sent.load(Ordering::Relaxed),
            fault: self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn listen(&self, listener: &TcpListener) {
        std::thread::scope(|scope| {
            while !self.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let serving = std::thread::Builder::new().name("replica".into());
                        // One that cannot be served asks again, which is noticed.
                        let _ = serving.spawn_scoped(scope, || self.serve(stream));
                    }
                    Err(_) => sleep(PAUSE),
                }
            }
        });
    }

    fn say(&self, fault: impl Into<String>) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault.into());
    }

    /// Talks to a replica until one of the two has enough.
    fn serve(&self, stream: TcpStream) {
        let prepared = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(PAUSE)))
            .and_then(|()| stream.set_write_timeout(Some(PAUSE)))
            .and_then(|()| stream.try_clone());
        let Ok(mut out) = prepared else { return };
        let mut reader = BufReader::new(Patient { stream, stop: &self.stop });
        let mut is_known = false;
        loop {
            let Ok(words) = command(&mut reader) else { return };
            let name = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
            let answer = match name.as_slice() {
                b"PING" => &b"+PONG\r\n"[..],
                b"AUTH" => {
                    is_known = words.last().is_some_and(|word| is_same(word, self.secret.expose().as_bytes()));
                    match is_known {
                        true => {
                            self.connections.fetch_add(1, Ordering::Relaxed);
                            &b"+OK\r\n"[..]
                        }
                        false => &b"-WRONGPASS no\r\n"[..],
                    }
                }
                _ if !is_known => b"-NOAUTH who are you?\r\n",
                b"REPLCONF" if words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"ack")) => continue,
                b"REPLCONF" => b"+OK\r\n",
                b"PSYNC" => {
                    if self.asked.fetch_add(1, Ordering::Relaxed) > 0 {
                        return self.say("the server asked for the data set again; its log says why");
                    }
                    match self.hand_over(&mut out) {
                        Ok(()) => continue,
                        Err(error) => return self.say(format!("the transfer broke off: {error}")),
                    }
                }
                _ => b"-ERR unknown command\r\n",
            };
            if self.write(&mut out, answer).is_err() {
                return;
            }
        }
    }

    fn hand_over(&self, out: &mut TcpStream) -> io::Result<()> {
        let mut file = File::open(&self.file)?;
        let len = file.metadata()?.len();
        let head = format!("+FULLRESYNC {} 1\r\n${len}\r\n", self.replication_id);
        self.write(out, head.as_bytes())?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.write(out, buffer.get(..read).unwrap_or_default())?;
            self.sent.fetch_add(read as u64, Ordering::Relaxed);
        }
    }

    /// Writes all of it, unless it is to stop.
    fn write(&self, out: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        let mut waited = Duration::ZERO;
        while !bytes.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("it was stopped"));
            }
            match out.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    waited = Duration::ZERO;
                }
                Err(error) if is_pause(&error) && waited < STALLED => waited += PAUSE,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads until it is to stop.
struct Patient<'s> {
    stream: TcpStream,
    stop: &'s AtomicBool,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if is_pause(&error) && !self.stop.load(Ordering::Relaxed) => {}
                other => return other,
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Whether two texts are equal, in a time that does not say where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The words of a command.
fn command(reader: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let line = short_line(reader)?;
    let Some(count) = line.strip_prefix(b"*") else {
        return Ok(line.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect());
    };
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
    let count = number(count).filter(|count| *count <= WORDS_MAX as u64).ok_or_else(wrong)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let line = short_line(reader)?;
        let len = line.strip_prefix(b"$").and_then(number).filter(|len| *len <= WORD_MAX).ok_or_else(wrong)?;
        let mut word = vec![0; len as usize];
        reader.read_exact(&mut word)?;
        reader.read_exact(&mut [0; 2])?;
        words.push(word);
    }
    Ok(words)
}

fn short_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.take(WORD_MAX).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => {}
        _ => return Err(io::ErrorKind::UnexpectedEof.into()),
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn talk(master: &Master, text: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(master.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    #[test]
    fn only_who_knows_the_secret_gets_the_data_and_only_once() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let file = dir.path().join("data");
        std::fs::write(&file, b"the data").unwrap();
        let id = "5".repeat(40);
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let master = Master::start(ip, 0, file, &id, Password::new("secret")).unwrap();
        for text in [
            "PSYNC ? -1\r\n",
            "AUTH wrong\r\nPSYNC ? -1\r\n",
            "AUTH\r\nPSYNC ? -1\r\n",
            "*9999\r\n",
            "*1\r\n$99999\r\n",
        ] {
            let answer = String::from_utf8(talk(&master, text)).unwrap();
            assert!(!answer.contains("data") && !answer.contains("secret"), "{text:?}: {answer:?}");
        }
        assert!(!master.state().is_connected && master.state().sent == 0);
        let full = "PING\r\n*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$6\r\nsecret\r\nREPLCONF capa eof\r\nPSYNC ? -1\r\n";
        let answer = String::from_utf8(talk(&master, full)).unwrap();
        assert_eq!(answer, format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {id} 1\r\n$8\r\nthe data"));
        assert_eq!(master.state(), State { is_connected: true, sent: 8, fault: None });
        talk(&master, full);
        assert!(master.state().fault.unwrap().contains("again"));
    }
}
