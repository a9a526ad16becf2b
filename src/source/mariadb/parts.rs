//! A dump's text, taken apart into its tables and views as it comes, and put together again.
//!
//! `mariadb-dump` announces each part by a comment. The text is cut before these, so that a table keeps a file of its
//! own from snapshot to snapshot, and the parts one behind the other are the very bytes of the dump. What does not look
//! like an announcement belongs to the part before it: no more can go wrong than that a table's text lies in another
//! one's file.

use std::collections::HashSet;
use std::io::{self, Read};

use crate::error::{Error, Result};

/// Bytes of a line's beginning that are looked at. A name has at most 64 characters.
const LOOK: usize = 512;
/// What is read at once.
const BUFFER: usize = 256 * 1024;
/// How a dump ends that is whole.
const TRAILER: &[u8] = b"-- Dump completed";

/// A part of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// What prepares the session.
    Begin,
    /// A table: structure, rows, triggers.
    Table(String),
    /// A sequence.
    Sequence(String),
    /// What stands in for a view until all tables are there.
    Stub(String),
    /// A view.
    View(String),
    /// All events.
    Events,
    /// All procedures, functions and packages.
    Routines,
    /// What gives the session back, and the trailer.
    End,
}

impl Part {
    /// Its file, as path components.
    pub fn path(&self) -> Vec<Vec<u8>> {
        let in_folder = |folder: &str, name: &str| vec![folder.into(), format!("{}.sql", file_name(name)).into_bytes()];
        match self {
            Part::Begin => vec![b"begin.sql".to_vec()],
            Part::Table(name) => in_folder("tables", name),
            Part::Sequence(name) => in_folder("sequences", name),
            Part::Stub(name) => in_folder("view-stubs", name),
            Part::View(name) => in_folder("views", name),
            Part::Events => vec![b"events.sql".to_vec()],
            Part::Routines => vec![b"routines.sql".to_vec()],
            Part::End => vec![b"end.sql".to_vec()],
        }
    }

    /// Its line in the list of parts: kind and name, the name as in its file's.
    pub fn line(&self) -> String {
        match self {
            Part::Begin => "begin".into(),
            Part::Table(name) => format!("table {}", file_name(name)),
            Part::Sequence(name) => format!("sequence {}", file_name(name)),
            Part::Stub(name) => format!("stub {}", file_name(name)),
            Part::View(name) => format!("view {}", file_name(name)),
            Part::Events => "events".into(),
            Part::Routines => "routines".into(),
            Part::End => "end".into(),
        }
    }

    /// The part of such a line.
    pub fn of_line(line: &str) -> Option<Self> {
        let (kind, name) = line.split_once(' ').unwrap_or((line, ""));
        let name = name_of_file(name)?;
        Some(match kind {
            "begin" => Part::Begin,
            "table" => Part::Table(name),
            "sequence" => Part::Sequence(name),
            "stub" => Part::Stub(name),
            "view" => Part::View(name),
            "events" => Part::Events,
            "routines" => Part::Routines,
            "end" => Part::End,
            _ => return None,
        })
    }
}

/// A name that can stand in a path: bytes that cannot, and `%`, are written `%XX`.
pub fn file_name(name: &str) -> String {
    let mut out = String::new();
    for (at, char) in name.chars().enumerate() {
        match char {
            '/' | '%' | '\0'..=' ' | '\x7f' => out.push_str(&format!("%{:02X}", u32::from(char))),
            '.' if at == 0 => out.push_str("%2E"),
            other => out.push(other),
        }
    }
    out
}

/// The name of a file's name; `None` where it has none.
pub fn name_of_file(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(rest.get(..at)?);
        let code = u8::from_str_radix(rest.get(at + 1..at + 3)?, 16).ok()?;
        out.push(char::from(code));
        rest = rest.get(at + 3..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// A part that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRead {
    /// Which.
    pub part: Part,
    /// Rows of a table; `None` where they cannot be counted: an older tool puts all on one line.
    pub rows: Option<u64>,
}

/// Reads a dump part by part: [`Parts::next_part`], then the part's bytes as a stream that ends with it.
pub struct Parts<R> {
    input: R,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    /// Bytes from `at` on that belong to the current part.
    ready: usize,
    at_line_start: bool,
    /// Inside what `DELIMITER` encloses: a body can hold any text.
    in_body: bool,
    in_rows: bool,
    rows: Option<u64>,
    next: Option<Part>,
    seen: HashSet<Part>,
    current: Option<Part>,
    /// The last bytes that were handed out.
    tail: Vec<u8>,
}

impl<R: Read> Parts<R> {
    /// The parts of what `input` has.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            ready: 0,
            at_line_start: true,
            in_body: false,
            in_rows: false,
            rows: None,
            next: Some(Part::Begin),
            seen: HashSet::new(),
            current: None,
            tail: Vec::new(),
        }
    }

    /// Waits for the first bytes.
    pub fn wait(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() && !self.ended {
            self.fill_once()?;
        }
        Ok(())
    }

    /// Goes on to the next part. The current one must have been read to its end.
    pub fn next_part(&mut self) -> Option<Part> {
        let part = self.next.take()?;
        self.seen.insert(part.clone());
        self.current = Some(part.clone());
        self.rows = Some(0);
        Some(part)
    }

    /// Rows of the current part, so far.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Whether the text ended as a dump does that is whole.
    pub fn is_complete(&self) -> bool {
        ends_with_trailer(&self.tail)
    }

    fn fill_once(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + BUFFER, 0);
        let read = loop {
            match self.input.read(self.buffer.get_mut(held..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Finds out what the next bytes belong to. Afterwards something is ready, or the part has ended.
    fn advance(&mut self) -> io::Result<()> {
        while self.rest().len() < LOOK && !self.ended {
            self.fill_once()?;
        }
        if self.at_line_start
            && let Some(part) = self.announced()
        {
            self.next = Some(part);
            return Ok(());
        }
        let mut ready = 0;
        loop {
            let rest = self.buffer.get(self.at + ready..).unwrap_or_default();
            if self.at_line_start {
                if ready > 0 && (!self.in_rows || rest.first() != Some(&b'(') || rest.len() < LOOK) {
                    break;
                }
                let line = rest.get(..rest.len().min(LOOK)).unwrap_or_default();
                (self.in_body, self.in_rows, self.rows) = looked_at(line, self.in_body, self.in_rows, self.rows);
            }
            match rest.iter().position(|&byte| byte == b'\n') {
                Some(end) => (ready, self.at_line_start) = (ready + end + 1, true),
                None => {
                    (ready, self.at_line_start) = (ready + rest.len(), rest.is_empty() && self.at_line_start);
                    break;
                }
            }
        }
        self.ready = ready;
        Ok(())
    }

    /// The part that the line at hand begins, if it begins one.
    fn announced(&self) -> Option<Part> {
        let rest = self.rest();
        if self.in_body || self.current.is_none() {
            return None;
        }
        let part = match rest.strip_prefix(b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n") {
            Some(_) => Part::End,
            None => {
                let text = rest.strip_prefix(b"\n").unwrap_or(rest).strip_prefix(b"--\n-- ")?;
                let line = text.get(..text.iter().position(|&byte| byte == b'\n')?)?;
                part_of_comment(std::str::from_utf8(line).ok()?)?
            }
        };
        (!self.seen.contains(&part)).then_some(part)
    }
}

/// What a line's beginning says of bodies and rows.
fn looked_at(line: &[u8], in_body: bool, in_rows: bool, rows: Option<u64>) -> (bool, bool, Option<u64>) {
    if in_rows && line.starts_with(b"(") {
        return (in_body, true, rows.map(|rows| rows + 1));
    }
    if line.starts_with(b"DELIMITER ") {
        return (!line.starts_with(b"DELIMITER ;\n"), false, rows);
    }
    if !in_body && (line.starts_with(b"INSERT INTO `") || line.starts_with(b"INSERT  IGNORE INTO `")) {
        let on_one_line = line.windows(10).any(|window| window == b"` VALUES (");
        return (in_body, true, rows.filter(|_| !on_one_line));
    }
    (in_body, false, rows)
}

fn part_of_comment(line: &str) -> Option<Part> {
    let quoted = |prefix: &str| -> Option<String> {
        let name = line.strip_prefix(prefix)?.strip_prefix('`')?.strip_suffix('`')?;
        Some(name.replace("``", "`")).filter(|name| !name.is_empty())
    };
    quoted("Table structure for table ")
        .or_else(|| quoted("Dumping data for table "))
        .map(Part::Table)
        .or_else(|| quoted("Sequence structure for ").map(Part::Sequence))
        .or_else(|| quoted("Temporary table structure for view ").map(Part::Stub))
        .or_else(|| quoted("Temporary view structure for view ").map(Part::Stub))
        .or_else(|| quoted("Final view structure for view ").map(Part::View))
        .or_else(|| line.starts_with("Dumping events for database ").then_some(Part::Events))
        .or_else(|| line.starts_with("Dumping routines for database ").then_some(Part::Routines))
}

impl<R: Read> Read for Parts<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ready == 0 && self.next.is_none() {
            self.advance()?;
        }
        let len = self.ready.min(out.len());
        let from = self.buffer.get(self.at..self.at + len).unwrap_or_default();
        if let Some(to) = out.get_mut(..len) {
            to.copy_from_slice(from);
        }
        keep_tail(&mut self.tail, from);
        (self.at, self.ready) = (self.at + len, self.ready - len);
        Ok(len)
    }
}

/// Keeps the last bytes of a text that goes by.
pub fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    const KEPT: usize = 128;
    tail.extend_from_slice(bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default());
    tail.drain(..tail.len().saturating_sub(KEPT));
}

/// Whether a text's last line is a dump's trailer.
pub fn ends_with_trailer(tail: &[u8]) -> bool {
    let text = tail.trim_ascii_end();
    let line = text.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    line.starts_with(TRAILER)
}

/// The list of a dump's parts, in its order: a line each, a table's with the number of its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order(pub Vec<PartRead>);

impl Order {
    /// As it is stored.
    pub fn to_text(&self) -> String {
        let line = |read: &PartRead| match (&read.part, read.rows) {
            (Part::Table(_), Some(rows)) => format!("{} {rows}\n", read.part.line()),
            _ => format!("{}\n", read.part.line()),
        };
        self.0.iter().map(line).collect()
    }

    /// Reads it again.
    pub fn of_text(text: &str) -> Result<Self> {
        let read = |line: &str| -> Option<PartRead> {
            // Names hold no blanks: they are written as in files' names.
            let mut words = line.splitn(3, ' ');
            let (kind, name, rows) = (words.next()?, words.next(), words.next());
            let part = Part::of_line(&name.map_or(kind.to_string(), |name| format!("{kind} {name}")))?;
            Some(PartRead { part, rows: rows.and_then(|rows| rows.parse().ok()) })
        };
        let parts: Option<Vec<PartRead>> = text.lines().map(read).collect();
        parts.map(Self).ok_or_else(|| Error::damaged("the snapshot", "its list of the dump's parts cannot be read"))
    }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
