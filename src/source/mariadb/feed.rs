//! Loading a dump, part by part, into a database that nobody uses yet.

use std::io::{self, BufWriter, Read, Write};

use crate::error::{Error, Result};
use crate::source::stored::Stored;

use super::capture::ORDER;
use super::notes::Programs;
use super::parts::{Order, Part, Parts};
use super::server::{Server, quoted};
use super::trigger;

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
    stored.each_piece(&content, &mut |bytes| out.write_all(bytes).map_err(not_passed))?;
    Ok(content.len())
}

fn not_passed(error: io::Error) -> Error {
    Error::Failed(format!("the dump cannot be passed on: {error}"))
}

/// The longest trigger whose text is looked at, bytes.
const HELD_MAX: usize = 16 << 20;

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

    fn into_programs(self, names: Option<&Names<'_>>) -> Programs {
        let whole = |inner: &[&[u8]]| match inner.iter().any(|text| has_statements(text)) {
            true => {
                let text = [&[self.begin.as_slice()], inner, &[self.end.as_slice()]].concat().concat();
                names.map_or_else(|| text.clone(), |names| renamed(&text, names))
            }
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
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kept.len() + bytes.len() > PROGRAMS_MAX {
            return Err(io::Error::other("views, routines or events are too long"));
        }
        self.kept.extend_from_slice(bytes);
        if let Some(on) = &mut self.on {
            on.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes a dump's text on, with another database's name in the statements that name one: where a routine, a trigger or
/// an event was made under another character set than the database has now, the dump changes that before and after;
/// triggers whose authors named the database; and columns whose default is a sequence's next value.
struct Renaming<'o> {
    out: BufWriter<&'o mut dyn Write>,
    /// `ALTER DATABASE`, the dump's database, a blank.
    from: Vec<u8>,
    to: Vec<u8>,
    /// The dump's database.
    of: String,
    /// `nextval(`, the database, a dot: the default of a column; and what stands there then.
    default: (Vec<u8>, Vec<u8>),
    /// A line's beginning that may be such a statement; all of a trigger.
    held: Vec<u8>,
    in_trigger: bool,
    at_line_start: bool,
}

impl<'o> Renaming<'o> {
    fn new(out: &'o mut dyn Write, from: &str, to: &str) -> Self {
        let head = |name: &str| format!("ALTER DATABASE {} ", quoted(name)).into_bytes();
        Self {
            out: BufWriter::with_capacity(128 * 1024, out),
            from: head(from),
            to: head(to),
            of: from.into(),
            default: (default_of(from), default_of(to)),
            held: Vec::new(),
            in_trigger: false,
            at_line_start: true,
        }
    }

    /// Whether what is held is, or can become, such a statement.
    fn may_be_one(&self) -> bool {
        let may_be = |begin: &[u8]| self.held.starts_with(begin) || begin.starts_with(&self.held);
        may_be(&self.from) || may_be(trigger::BEGIN) || may_be(COLUMN)
    }

    /// Whether what is held ends here.
    fn is_over(&mut self, line: &[u8]) -> bool {
        self.in_trigger |= self.held.starts_with(trigger::BEGIN) && self.held.len() < HELD_MAX;
        match self.in_trigger {
            true => line == trigger::END || self.held.len() >= HELD_MAX,
            false => line.ends_with(b"\n") || !self.may_be_one(),
        }
    }

    fn pass_held(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.in_trigger) {
            return self.out.write_all(&trigger::unqualified(&held, &self.of));
        }
        if held.starts_with(COLUMN) {
            return self.out.write_all(&replaced(&held, &self.default.0, &self.default.1));
        }
        match held.strip_prefix(self.from.as_slice()).filter(|rest| is_rest_of_alter(rest)) {
            Some(rest) => {
                self.out.write_all(&self.to)?;
                self.out.write_all(rest)
            }
            None => self.out.write_all(&held),
        }
    }

    /// Ends the text.
    fn finish(mut self) -> io::Result<()> {
        self.pass_held()?;
        self.out.flush()
    }
}

/// How a line begins that defines a column.
const COLUMN: &[u8] = b"  `";

/// How a column's default begins that is a sequence's next value. The tool writes the sequence's database.
pub fn default_of(database: &str) -> Vec<u8> {
    format!("nextval({}.", quoted(database)).into_bytes()
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(to);
        rest = rest.get(at + from.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// `CHARACTER SET x COLLATE y ;`, as the tool writes it: with nothing else on the line.
fn is_rest_of_alter(rest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(rest);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    matches!(words.as_slice(), ["CHARACTER", "SET", _, "COLLATE", _, ";" | ";;"])
}

impl Write for Renaming<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let ends = line.ends_with(b"\n");
            // Most lines are rows.
            let is_row = self.at_line_start && self.held.is_empty() && line.starts_with(b"(");
            if is_row {
                self.out.write_all(line)?;
            } else if self.at_line_start || !self.held.is_empty() {
                self.held.extend_from_slice(line);
                let from = self.held.iter().rev().skip(1).position(|&byte| byte == b'\n');
                let last = from.map_or(0, |back| self.held.len() - 1 - back);
                let last = self.held.get(last..).unwrap_or_default().to_vec();
                if self.is_over(&last) {
                    self.pass_held()?;
                }
            } else {
                self.out.write_all(line)?;
            }
            self.at_line_start = ends;
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What a stored or new dump is loaded as.
pub struct Names<'n> {
    /// The database that the dump is of.
    pub of: &'n str,
    /// The one that it is loaded into at first.
    pub into: &'n str,
    /// The one that it will be in the end.
    pub finally: &'n str,
}

fn renamed(text: &[u8], names: &Names<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut renaming = Renaming::new(&mut out, names.of, names.finally);
    // A vector takes everything.
    let _ = renaming.write_all(text);
    let _ = renaming.finish();
    out
}

/// Whether a part goes into the new database at once: not events, which would run there.
fn goes_in(part: &Part) -> bool {
    *part != Part::Events
}

/// Loads a stored dump. Returns what is made after its tables are in their place.
pub fn load_stored(server: &Server, names: &Names<'_>, stored: &Stored<'_>) -> Result<Programs> {
    let order = order_of(stored)?;
    let mut sorted = Sorted::default();
    server.feed(names.into, |out| {
        let mut out = Renaming::new(out, names.of, names.into);
        for read in &order.0 {
            match sorted.place(&read.part) {
                None => _ = copy_part(stored, &read.part, &mut out)?,
                Some(kept) => {
                    let on: Option<&mut dyn Write> = if goes_in(&read.part) { Some(&mut out) } else { None };
                    copy_part(stored, &read.part, &mut Keeping { kept, on })?;
                }
            }
        }
        out.finish().map_err(not_passed)
    })?;
    Ok(sorted.into_programs(Some(names)))
}

/// The same with the text of a dump that our own tool has just made.
pub fn load_text(server: &Server, names: &Names<'_>, text: impl Read + Send) -> Result<Programs> {
    let mut sorted = Sorted::default();
    let mut parts = Parts::new(text);
    server.feed(names.into, |out| {
        let mut out = Renaming::new(out, names.of, names.into);
        let mut piece = vec![0; 128 * 1024];
        while let Some(part) = parts.next_part() {
            loop {
                let read =
                    parts.read(&mut piece).map_err(|error| Error::Failed(format!("the dump breaks off: {error}")))?;
                let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                let written = match sorted.place(&part) {
                    None => out.write_all(bytes),
                    Some(kept) => {
                        let on: Option<&mut dyn Write> = if goes_in(&part) { Some(&mut out) } else { None };
                        Keeping { kept, on }.write_all(bytes)
                    }
                };
                written.map_err(not_passed)?;
            }
        }
        out.finish().map_err(not_passed)?;
        match parts.is_complete() {
            true => Ok(()),
            false => Err(Error::Failed("mariadb-dump ended without `-- Dump completed`".into())),
        }
    })?;
    Ok(sorted.into_programs(Some(names)))
}

/// Only what is no table, of a dump's text.
pub fn programs_of(text: impl Read) -> Result<(Programs, bool)> {
    let mut sorted = Sorted::default();
    let mut parts = Parts::new(text);
    let failed = |error| Error::Failed(format!("the dump breaks off: {error}"));
    while let Some(part) = parts.next_part() {
        match sorted.place(&part) {
            None => _ = io::copy(&mut parts, &mut io::sink()).map_err(failed)?,
            Some(kept) => {
                let mut keeping = Keeping { kept, on: None };
                io::copy(&mut parts, &mut keeping).map_err(failed)?;
            }
        }
    }
    let complete = parts.is_complete();
    Ok((sorted.into_programs(None), complete))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_of_the_tool_itself_get_another_name() {
        let text = "ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_bin ;\nDELIMITER ;;\n\
                    ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_bin ;;\n\
                    (1,'ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_bin ;'),\n\
                    \x20 `id` int(11) DEFAULT nextval(`shop`.`numbers`),\n(2,'nextval(`shop`.`numbers`)')\n\
                    ALTER DATABASE `shop` COMMENT 'x' ;\nALTER DATABASE `shop2` CHARACTER SET a COLLATE b ;\nALTER";
        for piece in [1, 5, 1000] {
            let mut out = Vec::new();
            let mut renaming = Renaming::new(&mut out, "shop", "n`w");
            text.as_bytes().chunks(piece).for_each(|bytes| renaming.write_all(bytes).unwrap());
            renaming.finish().unwrap();
            let expected = text.replacen("ALTER DATABASE `shop` CHARACTER", "ALTER DATABASE `n``w` CHARACTER", 2);
            let expected = expected.replacen("nextval(`shop`", "nextval(`n``w`", 1);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            let text = "x;\n/*!50003 CREATE*/ /*!50003 trigger shop.a\nbefore insert on shop.b for each row set @a='\n' \n*/;;\nDELIMITER ;\n";
            let mut out = Vec::new();
            let mut renaming = Renaming::new(&mut out, "shop", "new");
            text.as_bytes().chunks(piece).for_each(|bytes| renaming.write_all(bytes).unwrap());
            renaming.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text.replace("shop.", ""));
        }
    }
}
