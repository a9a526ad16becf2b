//! Loading a dump, part by part, into a database that nobody uses yet.

use std::io::{Read, Write};

use crate::error::{Error, Result};
use crate::source::stored::Stored;

use super::capture::ORDER;
use super::exchange::Programs;
use super::parts::{Order, Part, Parts};
use super::server::Server;

/// The longest list of parts that is believed, bytes.
const ORDER_MAX: usize = 256 << 20;
/// Views, routines and events are held in memory: this much of each, bytes.
const PROGRAMS_MAX: usize = 256 << 20;

/// The parts of a stored dump.
pub fn order_of(stored: &Stored<'_>) -> Result<Order> {
    let bytes = stored.read_small(ORDER.as_bytes(), ORDER_MAX)?;
    Order::of_text(
        &String::from_utf8(bytes).map_err(|_| Error::damaged("the snapshot", "its list of parts is no text"))?,
    )
}

/// A part's path in a component.
pub fn path_of(part: &Part) -> Vec<u8> {
    part.path().join(&b'/')
}

/// Copies a part of a stored dump.
pub fn copy_part(stored: &Stored<'_>, part: &Part, out: &mut dyn Write) -> Result<u64> {
    let content = stored.file(&path_of(part))?;
    stored.each_piece(&content, &mut |bytes| {
        out.write_all(bytes).map_err(|error| Error::Failed(format!("the dump cannot be passed on: {error}")))
    })?;
    Ok(content.len())
}

/// Sorts the parts of a dump: tables go to the server at once, the rest is also kept.
#[derive(Default)]
struct Sorted {
    begin: Vec<u8>,
    routines: Vec<u8>,
    stubs: Vec<u8>,
    views: Vec<u8>,
    events: Vec<u8>,
    end: Vec<u8>,
}

impl Sorted {
    /// Where a part is kept; `None` for one that is only passed on.
    fn place(&mut self, part: &Part) -> Option<&mut Vec<u8>> {
        match part {
            Part::Begin => Some(&mut self.begin),
            Part::Routines => Some(&mut self.routines),
            Part::Stub(_) => Some(&mut self.stubs),
            Part::View(_) => Some(&mut self.views),
            Part::Events => Some(&mut self.events),
            Part::End => Some(&mut self.end),
            Part::Table(_) | Part::Sequence(_) => None,
        }
    }

    fn into_programs(self) -> Programs {
        let whole = |inner: &[&[u8]]| match inner.iter().any(|text| has_statements(text)) {
            true => [&[self.begin.as_slice()], inner, &[self.end.as_slice()]].concat().concat(),
            false => Vec::new(),
        };
        Programs {
            routines: whole(&[&self.routines]),
            views: whole(&[&self.stubs, &self.views]),
            events: whole(&[&self.events]),
        }
    }
}

/// Whether a part makes anything: those of events and routines are announced although there are none.
fn has_statements(text: &[u8]) -> bool {
    text.windows(6).any(|window| window == b"CREATE")
}

/// Takes what is kept of a part.
struct Keeping<'k> {
    kept: &'k mut Vec<u8>,
    on: Option<&'k mut dyn Write>,
}

impl Write for Keeping<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.kept.len() + bytes.len() > PROGRAMS_MAX {
            return Err(std::io::Error::other("views, routines or events are too long"));
        }
        self.kept.extend_from_slice(bytes);
        if let Some(on) = &mut self.on {
            on.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether a part goes into the new database at once: not events, which would run there.
fn goes_in(part: &Part) -> bool {
    *part != Part::Events
}

/// Loads a stored dump into `database`. Returns what is made after its tables are in their place.
pub fn load_stored(server: &Server, database: &str, stored: &Stored<'_>) -> Result<Programs> {
    let order = order_of(stored)?;
    let mut sorted = Sorted::default();
    server.feed(database, |out| {
        for read in &order.0 {
            match sorted.place(&read.part) {
                None => _ = copy_part(stored, &read.part, out)?,
                Some(kept) => {
                    let on: Option<&mut dyn Write> = if goes_in(&read.part) { Some(&mut *out) } else { None };
                    copy_part(stored, &read.part, &mut Keeping { kept, on })?;
                }
            }
        }
        Ok(())
    })?;
    Ok(sorted.into_programs())
}

/// Loads the text of one of our own dumps into `database`.
pub fn load_text(server: &Server, database: &str, text: impl Read + Send) -> Result<Programs> {
    let mut sorted = Sorted::default();
    let mut parts = Parts::new(text);
    server.feed(database, |out| {
        let mut piece = vec![0; 128 * 1024];
        while let Some(part) = parts.next_part() {
            loop {
                let read =
                    parts.read(&mut piece).map_err(|error| Error::Failed(format!("the dump breaks off: {error}")))?;
                let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                let written = match sorted.place(&part) {
                    None => out.write_all(bytes),
                    Some(kept) => {
                        let on: Option<&mut dyn Write> = if goes_in(&part) { Some(&mut *out) } else { None };
                        Keeping { kept, on }.write_all(bytes)
                    }
                };
                written.map_err(|error| Error::Failed(format!("the dump cannot be passed on: {error}")))?;
            }
        }
        match parts.is_complete() {
            true => Ok(()),
            false => Err(Error::Failed("mariadb-dump ended without `-- Dump completed`".into())),
        }
    })?;
    Ok(sorted.into_programs())
}

/// Only what is no table, of a dump's text.
pub fn programs_of(text: impl Read) -> Result<(Programs, bool)> {
    let mut sorted = Sorted::default();
    let mut parts = Parts::new(text);
    let failed = |error| Error::Failed(format!("the dump breaks off: {error}"));
    while let Some(part) = parts.next_part() {
        match sorted.place(&part) {
            None => _ = std::io::copy(&mut parts, &mut std::io::sink()).map_err(failed)?,
            Some(kept) => {
                let mut keeping = Keeping { kept, on: None };
                std::io::copy(&mut parts, &mut keeping).map_err(failed)?;
            }
        }
    }
    let complete = parts.is_complete();
    Ok((sorted.into_programs(), complete))
}
