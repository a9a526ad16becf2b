//! Reading a data set: in a thread of its own from the moment on that its point in time is fixed, so that the server is
//! rid of it soon, and several sources of one snapshot can be begun one after the other.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, unbounded};

use crate::chunk::Cutting;
use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::manifest::{Component, DatabaseOrigin, Origin};
use crate::ops::capture::Capture;
use crate::source::access::Place;
use crate::source::kind::Capturing;
use crate::source::members::{MemberStore, plain_metadata};

use super::endpoint::{Options, Via};
use super::rdb::{CanonicalReader, Checksum, Collected, Collector, parse};
use super::replicate::{self, Refusal};
use super::resp::{Endpoint, Stream};
use super::save;

/// The stored file's name.
pub const FILE: &str = "dump.rdb";
/// [`DatabaseOrigin::system`].
pub const SYSTEM: &str = "redis";

/// A data set that is being read.
pub struct Reading {
    thread: Option<JoinHandle<Result<Collected>>>,
    counts: Receiver<u64>,
    cancelled: Arc<AtomicBool>,
    /// The connection that it comes by.
    stream: Option<Stream>,
    shown: String,
    version: String,
    /// The modules that the server has, which are needed to load what they saved.
    modules: Vec<String>,
    /// How it is read.
    way: &'static str,
    notice: Option<String>,
}

/// What a server says that is kept with the snapshot.
pub struct Said {
    /// Its version.
    pub version: String,
    /// Its modules.
    pub modules: Vec<String>,
}

/// Fixes the point in time, and begins to read.
pub fn begin(endpoint: &Endpoint, options: &Options, place: &Place, said: Said) -> Result<Reading> {
    let (sender, counts) = unbounded();
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut reading = Reading {
        thread: None,
        counts,
        cancelled: cancelled.clone(),
        stream: None,
        shown: endpoint.shown.clone(),
        version: said.version,
        modules: said.modules,
        way: "replication",
        notice: None,
    };
    let folder = place.staging.clone();
    let shown = endpoint.shown.clone();
    let transfer = match options.via {
        Via::File => None,
        _ => match replicate::begin(endpoint) {
            Ok(transfer) => Some(transfer),
            Err(Refusal::NotAllowed(error)) if options.via == Via::Any => {
                reading.notice = Some(format!("{error}; the file that the server saves is read instead"));
                None
            }
            Err(Refusal::NotAllowed(error) | Refusal::Failed(error)) => return Err(error),
        },
    };
    let work: Box<dyn FnOnce() -> Result<Collected> + Send> = match transfer {
        Some(transfer) => {
            reading.stream = transfer.stream().again().ok();
            Box::new(move || collect(&mut transfer.into_reader(), &shown, &folder, sender, &cancelled))
        }
        None => {
            reading.way = "file";
            let name = format!("snaphold-{}", place.random_digits(8));
            let saving = save::begin(endpoint, options, &name)?;
            Box::new(move || {
                let mut file = saving.finish(&cancelled)?;
                collect(&mut file, &shown, &folder, sender, &cancelled)
            })
        }
    };
    let thread = std::thread::Builder::new().name("read-redis".into()).spawn(work);
    reading.thread = Some(thread.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?);
    Ok(reading)
}

fn collect(
    reader: &mut dyn Read,
    shown: &str,
    folder: &Path,
    counts: Sender<u64>,
    cancelled: &AtomicBool,
) -> Result<Collected> {
    let mut collector = Collector::new(folder);
    let mut counted = Counted { reader, counts, cancelled };
    parse(&mut counted, &mut collector)
        .and_then(|parsed| collector.finish(&parsed))
        .map_err(|fault| fault.named(&format!("what {shown} sent")))
}

/// Tells how much was read, and stops when told to.
struct Counted<'r> {
    reader: &'r mut dyn Read,
    counts: Sender<u64>,
    cancelled: &'r AtomicBool,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("the snapshot was broken off"));
        }
        let read = self.reader.read(buffer)?;
        // Nobody may be interested.
        let _ = self.counts.send(read as u64);
        Ok(read)
    }
}

impl Reading {
    fn collected(&mut self, capture: &Capture<'_>) -> Result<Collected> {
        capture.progress.stage("reading", None);
        self.counts.iter().for_each(|bytes| capture.progress.advance(bytes));
        let joined = self.thread.take().map(JoinHandle::join);
        joined
            .and_then(|joined| joined.ok())
            .unwrap_or_else(|| Err(Error::Failed(format!("the thread that reads {} broke off", self.shown))))
    }
}

impl Capturing for Reading {
    fn store(mut self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        if let Some(notice) = &self.notice {
            capture.progress.notice(notice);
        }
        let collected = self.collected(capture)?;
        if collected.checksum == Checksum::Absent {
            capture.progress.notice(&format!(
                "{} sends no checksum (rdbchecksum no), so a fault of the wire would go unnoticed",
                self.shown
            ));
        }
        let mut facts = BTreeMap::from([
            ("via".to_string(), self.way.to_string()),
            ("rdb_version".to_string(), collected.version.to_string()),
        ]);
        if !self.modules.is_empty() {
            facts.insert("modules".to_string(), self.modules.join(","));
        }
        facts.extend(collected.counts.iter().map(|(db, counts)| (format!("db{db}"), counts.to_line())));
        capture.progress.stage("storing the data set", None);
        let mut store = MemberStore::new(capture, name, &self.shown);
        let path = RelativePath::from_components([FILE.as_bytes().to_vec()])
            .map_err(|problem| Error::Failed(problem.to_string()))?;
        let mut reader = CanonicalReader::new(collected);
        let metadata = plain_metadata(0o600, capture.began_at_ns);
        let stored = store.file_cut(&path, metadata, &mut reader, |_, _| Cutting::Stream);
        if let Some(fault) = reader.fault() {
            return Err(fault.named(&format!("what {} sent", self.shown)));
        }
        stored?;
        let origin = Origin::Database(DatabaseOrigin {
            system: SYSTEM.to_string(),
            mode: "rdb".to_string(),
            version: self.version.clone(),
            database: String::new(),
            facts,
        });
        Ok(Component { name: name.to_string(), origin, root: store.finish()?, unreadable: 0 })
    }
}

impl Drop for Reading {
    /// The server is not kept waiting for somebody who does not listen.
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        if let Some(stream) = &self.stream {
            stream.shut();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
